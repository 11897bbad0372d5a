//! `--sandbox-selftest`: attempts what an attacker inside the process would, and prints a table of
//! the results. Every attempt succeeds outside the sandbox (at least for root), so a refusal is due
//! to the sandbox.
//!
//! `--no-sandbox` shows the table without it. A successful attempt changes nothing, except the last
//! one, which becomes `/bin/false`.

use std::ffi::CString;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::{Pid, getpid, getppid};

/// Result of an attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AttemptResult {
    /// Refused: `EPERM`, or Landlock's `EACCES`.
    Refused(Errno),
    /// Succeeded, or failed for a reason other than the sandbox.
    NotRefused(Option<Errno>),
}

impl AttemptResult {
    fn of(result: io::Result<()>) -> Self {
        match result.map_err(|error| error.raw_os_error().map(Errno::from_raw)) {
            Ok(()) => Self::NotRefused(None),
            Err(Some(errno @ (Errno::EPERM | Errno::EACCES))) => Self::Refused(errno),
            Err(errno) => Self::NotRefused(Some(errno.unwrap_or(Errno::EIO))),
        }
    }
}

impl fmt::Display for AttemptResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(errno) => write!(f, "refused ({errno:?})"),
            Self::NotRefused(None) => f.write_str("NOT REFUSED"),
            Self::NotRefused(Some(errno)) => write!(f, "NOT REFUSED ({errno:?})"),
        }
    }
}

/// Descriptors that attempts use, opened before the sandbox is entered.
pub struct Descriptors {
    folder: File,
    pipe: (OwnedFd, OwnedFd),
    /// Connecting to this port succeeds outside the sandbox.
    listener: TcpListener,
}

impl Descriptors {
    /// Opens them; must be called outside the sandbox.
    ///
    /// # Errors
    /// One cannot be opened.
    pub fn open() -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        Ok(Self {
            folder: File::open("/")?,
            pipe: (reader.into(), writer.into()),
            listener: TcpListener::bind("127.0.0.1:0")?,
        })
    }
}

/// A process that does not exist, so that no real process is stopped or read. Outside the sandbox
/// the attempt fails with `ESRCH`.
const NO_PROCESS: Pid = Pid::from_raw(i32::MAX);

/// A row of the table: system call, description, attempt.
type Row<'a> = (
    &'static str,
    &'static str,
    Box<dyn Fn() -> io::Result<()> + 'a>,
);

/// Makes every attempt, writes the table to `out`, and returns whether all were refused. Attempts
/// to send a packet use `devices`.
///
/// # Errors
/// The table cannot be written.
pub fn run(
    descriptors: &Descriptors,
    devices: &[BorrowedFd<'_>],
    out: &mut dyn Write,
) -> io::Result<bool> {
    let mut rows = files(descriptors);
    rows.extend(network(descriptors, devices));
    rows.extend(processes(descriptors));
    let mut all_refused = true;
    for (call, what, attempt) in rows {
        let result = AttemptResult::of(attempt());
        all_refused &= matches!(result, AttemptResult::Refused(_));
        writeln!(out, "{call:<16} {what:<36} {result}")?;
        out.flush()?;
    }
    Ok(all_refused)
}

fn done<T, E: Into<io::Error>>(result: Result<T, E>) -> io::Result<()> {
    result.map(|_| ()).map_err(Into::into)
}

fn files(descriptors: &Descriptors) -> Vec<Row<'_>> {
    let none = Path::new("/tmp/spygrep-selftest-none");
    vec![
        (
            "openat",
            "read /etc/passwd",
            Box::new(|| done(File::open("/etc/passwd"))),
        ),
        (
            "openat",
            "read itself, /proc/self/status",
            Box::new(|| done(File::open("/proc/self/status"))),
        ),
        (
            "openat",
            "write to a file, /dev/null",
            Box::new(|| done(File::options().write(true).open("/dev/null"))),
        ),
        (
            "openat",
            "list the folder /",
            Box::new(|| done(fs::read_dir("/"))),
        ),
        (
            "openat",
            "a file in a folder that is open",
            Box::new(|| {
                use nix::fcntl::{OFlag, openat};
                done(openat(
                    &descriptors.folder,
                    "etc/passwd",
                    OFlag::O_RDONLY,
                    nix::sys::stat::Mode::empty(),
                ))
            }),
        ),
        (
            "statx",
            "look at /etc/passwd",
            Box::new(|| fs::metadata("/etc/passwd").map(|_| ())),
        ),
        (
            "readlink",
            "read the link /proc/self/exe",
            Box::new(|| done(fs::read_link("/proc/self/exe"))),
        ),
        (
            "unlink",
            "remove a file",
            Box::new(move || fs::remove_file(none)),
        ),
        (
            "rename",
            "rename a file",
            Box::new(move || fs::rename(none, none)),
        ),
        (
            "mkdir",
            "make a folder (/ is there)",
            Box::new(|| fs::create_dir("/")),
        ),
        (
            "symlink",
            "make a link",
            Box::new(|| std::os::unix::fs::symlink("/", "/")),
        ),
        (
            "chmod",
            "change rights",
            Box::new(move || {
                use std::os::unix::fs::PermissionsExt;
                fs::set_permissions(none, fs::Permissions::from_mode(0o600))
            }),
        ),
        (
            "chdir",
            "change to the folder /",
            Box::new(|| std::env::set_current_dir("/")),
        ),
        (
            "fcntl",
            "copy a descriptor",
            Box::new(|| done(descriptors.folder.try_clone())),
        ),
        (
            "memfd_create",
            "a file in memory",
            Box::new(|| {
                let name = CString::default();
                done(nix::sys::memfd::memfd_create(
                    name.as_c_str(),
                    nix::sys::memfd::MFdFlags::empty(),
                ))
            }),
        ),
    ]
}

fn network<'a>(descriptors: &'a Descriptors, devices: &[BorrowedFd<'a>]) -> Vec<Row<'a>> {
    let mut rows: Vec<Row<'a>> = vec![
        (
            "socket",
            "TCP: connect",
            Box::new(|| {
                done(TcpStream::connect(
                    descriptors
                        .listener
                        .local_addr()
                        .unwrap_or_else(|_| ([127, 0, 0, 1], 9).into()),
                ))
            }),
        ),
        (
            "socket",
            "TCP: listen",
            Box::new(|| done(TcpListener::bind("127.0.0.1:0"))),
        ),
        (
            "socket",
            "UDP",
            Box::new(|| done(UdpSocket::bind("127.0.0.1:0"))),
        ),
        (
            "socket",
            "netlink",
            Box::new(|| {
                use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
                done(socket(
                    AddressFamily::Netlink,
                    SockType::Raw,
                    SockFlag::empty(),
                    None,
                ))
            }),
        ),
        (
            "socketpair",
            "a pair of sockets",
            Box::new(|| done(UnixStream::pair())),
        ),
        (
            "accept4",
            "take a connection",
            Box::new(|| {
                // Non-blocking, because no connection is pending.
                descriptors.listener.set_nonblocking(true)?;
                done(descriptors.listener.accept())
            }),
        ),
    ];
    for device in devices.iter().copied() {
        rows.push((
            "write",
            "send a packet on the device",
            Box::new(move || done(nix::unistd::write(device, b"not a packet"))),
        ));
        rows.push((
            "sendto",
            "send a packet on the device",
            Box::new(move || {
                use nix::sys::socket::{MsgFlags, send};
                use std::os::fd::AsRawFd;
                done(send(device.as_raw_fd(), b"not a packet", MsgFlags::empty()))
            }),
        ));
    }
    rows
}

fn processes(descriptors: &Descriptors) -> Vec<Row<'_>> {
    vec![
        (
            "clone",
            "a thread",
            Box::new(|| {
                let thread = std::thread::Builder::new().spawn(|| ())?;
                thread.join().map_err(|_| io::Error::other("it failed"))
            }),
        ),
        (
            "clone",
            "a process",
            Box::new(|| done(Command::new("/bin/true").status())),
        ),
        (
            "kill",
            "signal another process",
            Box::new(|| done(kill(getppid(), None))),
        ),
        (
            "kill",
            "signal itself",
            Box::new(|| done(kill(getpid(), None))),
        ),
        (
            "ptrace",
            "trace another process",
            Box::new(|| done(nix::sys::ptrace::attach(NO_PROCESS))),
        ),
        (
            "process_vm_readv",
            "read another's memory",
            Box::new(|| read_memory(NO_PROCESS)),
        ),
        (
            "setresuid",
            "become root",
            Box::new(|| done(nix::unistd::setuid(0.into()))),
        ),
        (
            "unshare",
            "a namespace of its own",
            Box::new(|| done(nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWUSER))),
        ),
        (
            "setns",
            "another's namespace",
            Box::new(|| {
                done(nix::sched::setns(
                    &descriptors.folder,
                    nix::sched::CloneFlags::empty(),
                ))
            }),
        ),
        (
            "mount",
            "mount a file system",
            Box::new(|| {
                let none = None::<&str>;
                done(nix::mount::mount(
                    none,
                    "/nowhere",
                    none,
                    nix::mount::MsFlags::empty(),
                    none,
                ))
            }),
        ),
        (
            "chroot",
            "another root folder",
            Box::new(|| done(nix::unistd::chroot("/"))),
        ),
        (
            "prctl",
            "let others look into it",
            Box::new(|| done(nix::sys::prctl::set_dumpable(true))),
        ),
        (
            "prlimit64",
            "lift a limit",
            Box::new(|| {
                use nix::sys::resource::{Resource, setrlimit};
                done(setrlimit(Resource::RLIMIT_CPU, u64::MAX, u64::MAX))
            }),
        ),
        (
            "dup",
            "copy a descriptor",
            Box::new(|| done(nix::unistd::dup(descriptors.pipe.0.as_fd()))),
        ),
        (
            "splice",
            "move bytes past the eyes",
            Box::new(|| splice(descriptors)),
        ),
        (
            "execve",
            "run a program, /bin/false",
            Box::new(|| Err(Command::new("/bin/false").exec())),
        ),
    ]
}

fn read_memory(of: Pid) -> io::Result<()> {
    use nix::sys::uio::{RemoteIoVec, process_vm_readv};
    let mut byte = [0];
    let remote = RemoteIoVec { base: 4096, len: 1 };
    done(process_vm_readv(
        of,
        &mut [io::IoSliceMut::new(&mut byte)],
        &[remote],
    ))
}

fn splice(descriptors: &Descriptors) -> io::Result<()> {
    use nix::fcntl::{SpliceFFlags, tee};
    done(tee(
        descriptors.pipe.0.as_fd(),
        descriptors.pipe.1.as_fd(),
        1,
        SpliceFFlags::SPLICE_F_NONBLOCK,
    ))
}
