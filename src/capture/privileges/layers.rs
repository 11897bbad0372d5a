//! The two layers of the sandbox on Linux: Landlock, and the seccomp list of system calls. Both
//! only ever restrict; a kernel without one yields [`LayerState::Missing`].

use std::collections::BTreeMap;
use std::os::fd::AsRawFd;

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, PathBeneath, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};
use nix::libc;
use nix::sys::resource::{Resource, setrlimit};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use super::sandbox::{LayerState, Layers, Needs, SandboxState};

/// Newest Landlock ABI requested. An older kernel enforces what it supports.
const NEWEST: ABI = ABI::V7;
const ALL: [ABI; 7] = [
    ABI::V1,
    ABI::V2,
    ABI::V3,
    ABI::V4,
    ABI::V5,
    ABI::V6,
    ABI::V7,
];

/// Calls allowed with any arguments: reading, polling and mapping what is already open, memory,
/// time, signal handling, and exit. Threads and processes cannot be started, and descriptors cannot
/// be duplicated.
const ALLOWED_CALLS: &[libc::c_long] = &[
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_lseek,
    libc::SYS_close,
    libc::SYS_fstat,
    libc::SYS_ftruncate,
    libc::SYS_ppoll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    // libpcap: statistics of its ring buffer, and whether the device still exists
    libc::SYS_getsockopt,
    libc::SYS_getsockname,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    // memory
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_futex,
    libc::SYS_getrandom,
    // time
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_nanosleep,
    libc::SYS_sched_yield,
    // signals, panics, exit
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_restart_syscall,
    libc::SYS_sigaltstack,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_exit,
    libc::SYS_exit_group,
    // exit of the pager
    libc::SYS_wait4,
];

/// `ioctl`s that only query: whether a descriptor is a terminal (`TCGETS`, `TCGETS2`), its width
/// (`TIOCGWINSZ`), and, by libpcap after a socket error, whether the device is up (`SIOCGIFFLAGS`).
const ALLOWED_IOCTLS: [u64; 4] = [0x5401, 0x802c_542a, 0x5413, 0x8913];

pub(super) fn available() -> SandboxState {
    // Creating a ruleset tests the kernel's support; it restricts nothing until it is applied.
    let newest = ALL.into_iter().rev().find(|abi| {
        let ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
        handle_all(ruleset, *abi).and_then(Ruleset::create).is_ok()
    });
    let seccomp = match std::fs::metadata("/proc/sys/kernel/seccomp/actions_avail") {
        Ok(_) => LayerState::Up(seccomp_text(number_of_calls())),
        Err(_) => LayerState::Missing("the kernel has none".to_owned()),
    };
    SandboxState {
        landlock: newest.map_or_else(absent, |abi| LayerState::Up(landlock_text(abi))),
        seccomp,
    }
}

pub(super) fn enter(layers: Layers, needs: &Needs<'_>, threads: impl FnOnce()) -> SandboxState {
    let SandboxState { landlock, .. } = available();
    let landlock = match layers {
        Layers::All | Layers::Landlock => match restrict(needs) {
            Ok(RulesetStatus::NotEnforced) => absent(),
            Ok(_) => landlock,
            Err(error) => LayerState::Missing(error.to_string()),
        },
        _ => LayerState::Off,
    };
    threads();
    // No new processes: a third layer, effective for ordinary users. Ignore failure: the others
    // suffice.
    let _ = setrlimit(Resource::RLIMIT_NPROC, 0, 0);
    let seccomp = match layers {
        Layers::All | Layers::Seccomp => match program(needs).and_then(|program| {
            seccompiler::apply_filter_all_threads(&program).map_err(|error| error.to_string())
        }) {
            Ok(()) => LayerState::Up(seccomp_text(number_of_calls())),
            Err(why) => LayerState::Missing(why),
        },
        _ => LayerState::Off,
    };
    SandboxState { landlock, seccomp }
}

fn absent() -> LayerState {
    LayerState::Missing("the kernel has none, or it is switched off".to_owned())
}

fn landlock_text(abi: ABI) -> String {
    let what = match abi {
        ABI::V1 | ABI::V2 | ABI::V3 => "no files",
        ABI::V4 | ABI::V5 => "no files, no TCP",
        _ => "no files, no TCP, no signals to others",
    };
    format!("{what} (ABI {})", abi as i32)
}

fn seccomp_text(calls: usize) -> String {
    format!("{calls} system calls and no others")
}

fn number_of_calls() -> usize {
    rules(&Needs::default()).map_or(0, |rules| rules.len())
}

/// Handles every access right of this ABI, so that all are denied by default.
fn handle_all(ruleset: Ruleset, abi: ABI) -> Result<Ruleset, RulesetError> {
    let ruleset = ruleset.handle_access(AccessFs::from_all(abi))?;
    let net = AccessNet::from_all(abi);
    let ruleset = if net.is_empty() {
        ruleset
    } else {
        ruleset.handle_access(net)?
    };
    let scope = Scope::from_all(abi);
    if scope.is_empty() {
        Ok(ruleset)
    } else {
        ruleset.scope(scope)
    }
}

/// Denies everything except creating files in the directory.
fn restrict(needs: &Needs<'_>) -> Result<RulesetStatus, RulesetError> {
    let ruleset = Ruleset::default().set_compatibility(CompatLevel::BestEffort);
    let mut ruleset = handle_all(ruleset, NEWEST)?.create()?;
    if let Some(folder) = needs.folder {
        let access = AccessFs::MakeReg | AccessFs::WriteFile | AccessFs::Truncate;
        ruleset = ruleset.add_rule(PathBeneath::new(folder, access))?;
    }
    Ok(ruleset.restrict_self()?.ruleset)
}

/// Compiles the list of system calls for the kernel.
fn program(needs: &Needs<'_>) -> Result<BpfProgram, String> {
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(|error| error.to_string())?;
    let refuse = SeccompAction::Errno(libc::EPERM.cast_unsigned());
    let rules = rules(needs).map_err(|error| error.to_string())?;
    SeccompFilter::new(rules, refuse, SeccompAction::Allow, arch)
        .and_then(BpfProgram::try_from)
        .map_err(|error| error.to_string())
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// System calls with their conditions; an empty list allows any arguments.
fn rules(needs: &Needs<'_>) -> Result<Rules, seccompiler::BackendError> {
    let is = |argument, value| {
        SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)
    };
    let masked = |argument, mask: i32, value: i32| {
        let operator = SeccompCmpOp::MaskedEq(u64::from(mask.cast_unsigned()));
        let value = u64::from(value.cast_unsigned());
        SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)
    };
    let mut rules: Rules = ALLOWED_CALLS
        .iter()
        .map(|call| (*call, Vec::new()))
        .collect();

    let not_a_device = needs
        .devices
        .iter()
        .map(|device| {
            let device = u64::from(device.cast_unsigned());
            SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, device)
        })
        .collect::<Result<Vec<_>, _>>()?;
    for call in [libc::SYS_write, libc::SYS_writev] {
        let rule = match not_a_device.is_empty() {
            true => Vec::new(),
            false => vec![SeccompRule::new(not_a_device.clone())?],
        };
        rules.insert(call, rule);
    }

    // Executable mappings are refused, so written memory cannot become code.
    let no_code = SeccompRule::new(vec![masked(2, libc::PROT_EXEC, 0)?])?;
    rules.insert(libc::SYS_mmap, vec![no_code.clone()]);
    rules.insert(libc::SYS_mprotect, vec![no_code]);

    let ioctls = ALLOWED_IOCTLS
        .iter()
        .map(|request| SeccompRule::new(vec![is(1, *request)?]))
        .collect::<Result<Vec<_>, _>>()?;
    rules.insert(libc::SYS_ioctl, ioctls);

    let flags = [libc::F_GETFD, libc::F_GETFL]
        .iter()
        .map(|command| SeccompRule::new(vec![is(1, u64::from(command.cast_unsigned()))?]))
        .collect::<Result<Vec<_>, _>>()?;
    rules.insert(libc::SYS_fcntl, flags);

    // A panic that aborts sends a signal to the process itself.
    let own = u64::from(std::process::id());
    let own = SeccompRule::new(vec![is(0, own)?])?;
    rules.insert(libc::SYS_tgkill, vec![own]);

    if let Some(folder) = needs.folder {
        let folder = u64::from(folder.as_raw_fd().cast_unsigned());
        let only = libc::O_ACCMODE | libc::O_NOFOLLOW;
        let create = vec![
            is(0, folder)?,
            masked(2, only, libc::O_WRONLY | libc::O_NOFOLLOW)?,
        ];
        rules.insert(libc::SYS_openat, vec![SeccompRule::new(create)?]);
        let stat = SeccompRule::new(vec![is(0, folder)?])?;
        rules.insert(libc::SYS_newfstatat, vec![stat]);
    }
    Ok(rules)
}
