//! The two walls of the sandbox on Linux: Landlock, and the list of system calls.

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

use super::sandbox::{Needs, State, Wall, Walls};

/// The newest Landlock that is asked for. A kernel with less gives what it has.
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

/// Calls that are let through whatever they are asked: reading, waiting and mapping what is open already, memory, time, signals
/// to be caught, the end. Threads and processes cannot be started, descriptors not be copied.
const CALLS: &[libc::c_long] = &[
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
    // libpcap: its ring's statistics, and whether the device is still there
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
    // signals, panics, the end
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_restart_syscall,
    libc::SYS_sigaltstack,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_exit,
    libc::SYS_exit_group,
    // the pager's end
    libc::SYS_wait4,
];

/// `ioctl`s that only ask: whether it is a terminal (`TCGETS`, `TCGETS2`), and how wide (`TIOCGWINSZ`); and libpcap, when a
/// socket has an error, whether the device is up (`SIOCGIFFLAGS`).
const ASKED: [u64; 4] = [0x5401, 0x802c_542a, 0x5413, 0x8913];

pub(super) fn offered() -> State {
    // A ruleset that is made and thrown away holds nobody.
    let newest = ALL.into_iter().rev().find(|abi| {
        let ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
        full(ruleset, *abi).and_then(Ruleset::create).is_ok()
    });
    let seccomp = match std::fs::metadata("/proc/sys/kernel/seccomp/actions_avail") {
        Ok(_) => Wall::Up(held(number_of_calls())),
        Err(_) => Wall::Missing("the kernel has none".to_owned()),
    };
    State {
        landlock: newest.map_or_else(absent, |abi| Wall::Up(kept(abi))),
        seccomp,
    }
}

pub(super) fn raise(walls: Walls, needs: &Needs<'_>, threads: impl FnOnce()) -> State {
    let State { landlock, .. } = offered();
    let landlock = match walls {
        Walls::All | Walls::Landlock => match restrict(needs) {
            Ok(RulesetStatus::NotEnforced) => absent(),
            Ok(_) => landlock,
            Err(error) => Wall::Missing(error.to_string()),
        },
        _ => Wall::Off,
    };
    threads();
    // No processes: for an ordinary user the third wall. It is no failure where the limit cannot be set.
    let _ = setrlimit(Resource::RLIMIT_NPROC, 0, 0);
    let seccomp = match walls {
        Walls::All | Walls::Seccomp => match program(needs).and_then(|program| {
            seccompiler::apply_filter_all_threads(&program).map_err(|error| error.to_string())
        }) {
            Ok(()) => Wall::Up(held(number_of_calls())),
            Err(why) => Wall::Missing(why),
        },
        _ => Wall::Off,
    };
    State { landlock, seccomp }
}

fn absent() -> Wall {
    Wall::Missing("the kernel has none, or it is switched off".to_owned())
}

fn kept(abi: ABI) -> String {
    let what = match abi {
        ABI::V1 | ABI::V2 | ABI::V3 => "no files",
        ABI::V4 | ABI::V5 => "no files, no TCP",
        _ => "no files, no TCP, no signals to others",
    };
    format!("{what} (ABI {})", abi as i32)
}

fn held(calls: usize) -> String {
    format!("{calls} system calls and no others")
}

fn number_of_calls() -> usize {
    rules(&Needs::default()).map_or(0, |rules| rules.len())
}

/// Everything that this Landlock can refuse.
fn full(ruleset: Ruleset, abi: ABI) -> Result<Ruleset, RulesetError> {
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

/// Deny all, but what is made in the folder.
fn restrict(needs: &Needs<'_>) -> Result<RulesetStatus, RulesetError> {
    let ruleset = Ruleset::default().set_compatibility(CompatLevel::BestEffort);
    let mut ruleset = full(ruleset, NEWEST)?.create()?;
    if let Some(folder) = needs.folder {
        let access = AccessFs::MakeReg | AccessFs::WriteFile | AccessFs::Truncate;
        ruleset = ruleset.add_rule(PathBeneath::new(folder, access))?;
    }
    Ok(ruleset.restrict_self()?.ruleset)
}

/// The list as a program for the kernel.
fn program(needs: &Needs<'_>) -> Result<BpfProgram, String> {
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(|error| error.to_string())?;
    let refuse = SeccompAction::Errno(libc::EPERM.cast_unsigned());
    let rules = rules(needs).map_err(|error| error.to_string())?;
    SeccompFilter::new(rules, refuse, SeccompAction::Allow, arch)
        .and_then(BpfProgram::try_from)
        .map_err(|error| error.to_string())
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// The list: calls, and on which conditions (none: on any).
fn rules(needs: &Needs<'_>) -> Result<Rules, seccompiler::BackendError> {
    let is = |argument, value| {
        SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)
    };
    let masked = |argument, mask: i32, value: i32| {
        let operator = SeccompCmpOp::MaskedEq(u64::from(mask.cast_unsigned()));
        let value = u64::from(value.cast_unsigned());
        SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)
    };
    let mut rules: Rules = CALLS.iter().map(|call| (*call, Vec::new())).collect();

    let quiet = needs
        .devices
        .iter()
        .map(|device| {
            let device = u64::from(device.cast_unsigned());
            SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, device)
        })
        .collect::<Result<Vec<_>, _>>()?;
    for call in [libc::SYS_write, libc::SYS_writev] {
        let rule = match quiet.is_empty() {
            true => Vec::new(),
            false => vec![SeccompRule::new(quiet.clone())?],
        };
        rules.insert(call, rule);
    }

    // Memory that can be written never becomes code.
    let no_code = SeccompRule::new(vec![masked(2, libc::PROT_EXEC, 0)?])?;
    rules.insert(libc::SYS_mmap, vec![no_code.clone()]);
    rules.insert(libc::SYS_mprotect, vec![no_code]);

    let asked = ASKED
        .iter()
        .map(|request| SeccompRule::new(vec![is(1, *request)?]))
        .collect::<Result<Vec<_>, _>>()?;
    rules.insert(libc::SYS_ioctl, asked);

    let flags = [libc::F_GETFD, libc::F_GETFL]
        .iter()
        .map(|command| SeccompRule::new(vec![is(1, u64::from(command.cast_unsigned()))?]))
        .collect::<Result<Vec<_>, _>>()?;
    rules.insert(libc::SYS_fcntl, flags);

    // A panic that aborts sends itself a signal.
    let own = u64::from(std::process::id());
    let own = SeccompRule::new(vec![is(0, own)?])?;
    rules.insert(libc::SYS_tgkill, vec![own]);

    if let Some(folder) = needs.folder {
        let folder = u64::from(folder.as_raw_fd().cast_unsigned());
        let only = libc::O_ACCMODE | libc::O_NOFOLLOW;
        let made = vec![
            is(0, folder)?,
            masked(2, only, libc::O_WRONLY | libc::O_NOFOLLOW)?,
        ];
        rules.insert(libc::SYS_openat, vec![SeccompRule::new(made)?]);
        let looked = SeccompRule::new(vec![is(0, folder)?])?;
        rules.insert(libc::SYS_newfstatat, vec![looked]);
    }
    Ok(rules)
}
