//! The user and the capture capabilities of this process, as text for `--explain`. Only reads
//! `/proc/self/status`; nothing is changed.

/// `CAP_NET_ADMIN` and `CAP_NET_RAW`: bit numbers (linux/capability.h) and names.
const CAPABILITIES: [(u32, &str); 2] = [(12, "cap_net_admin"), (13, "cap_net_raw")];

/// Describes the user of this process and its effective network capabilities, for example `root
/// with cap_net_admin, cap_net_raw`.
#[must_use]
pub fn describe_process() -> String {
    let uid = nix::unistd::geteuid();
    let user = nix::unistd::User::from_uid(uid).ok().flatten();
    let user = user.map_or_else(|| format!("user {uid}"), |user| user.name);
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    match effective(&status) {
        None => user,
        Some(bits) => {
            let names = names(bits);
            match names.is_empty() {
                true => format!("{user} without cap_net_raw"),
                false => format!("{user} with {}", names.join(", ")),
            }
        }
    }
}

/// Parses the effective set from the text of `/proc/self/status`.
fn effective(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

fn names(bits: u64) -> Vec<&'static str> {
    let held = CAPABILITIES.iter().filter(|(bit, _)| bits >> bit & 1 == 1);
    held.map(|(_, name)| *name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_read_from_their_bits() {
        for (status, wanted) in [
            (
                "Name:\tx\nCapEff:\t0000000000002000\n",
                Some(vec!["cap_net_raw"]),
            ),
            (
                "CapEff:\t000001ffffffffff\n",
                Some(vec!["cap_net_admin", "cap_net_raw"]),
            ),
            ("CapEff:\t0000000000000000\n", Some(vec![])),
            ("CapPrm:\t0000000000002000\n", None),
            ("CapEff:\tmany\n", None),
        ] {
            assert_eq!(effective(status).map(names), wanted, "{status}");
        }
    }
}
