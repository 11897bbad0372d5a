//! `-V` and `--version`.
//!
//! Needs no privileges.

/// `-V`: one line.
#[must_use]
pub fn short() -> String {
    format!("spygrep {}\n", env!("CARGO_PKG_VERSION"))
}

/// `--version`: includes what a bug report should contain.
#[must_use]
pub fn long() -> String {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let pcap = libpcap(&maps).map_or_else(String::new, |version| format!("libpcap {version}\n"));
    let sandbox = crate::capture::privileges::sandbox::available();
    format!(
        "{}{pcap}sandbox on this system: {sandbox}\nprocesses: {}\ncaptures: pcap, pcapng; packed with gzip or zstd\nmessages: HTTP/1, HTTP/2; bodies coded with gzip, deflate, br or zstd\n{} {}\n",
        short(),
        crate::ears::available(),
        std::env::consts::OS,
        std::env::consts::ARCH
    )
}

/// The version of the loaded libpcap, from its file name in the text of `/proc/self/maps`. `None`
/// if it is linked statically, or its name has no version.
fn libpcap(maps: &str) -> Option<&str> {
    let is_digit = |c: char| c.is_ascii_digit() || c == '.';
    maps.lines()
        .filter_map(|line| line.rsplit_once("/libpcap.so."))
        .map(|(_, version)| version.trim_end())
        .find(|version| !version.is_empty() && version.chars().all(is_digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_libpcap_is_in_the_name_of_its_file() {
        for (maps, wanted) in [
            (
                "7f0-7f1 r-xp 0 fe:00 12   /usr/lib/x86_64-linux-gnu/libpcap.so.1.10.3\n",
                Some("1.10.3"),
            ),
            ("7f0-7f1 r-xp 0 fe:00 12   /usr/lib/libc.so.6\n", None),
            (
                "7f0-7f1 r-xp 0 fe:00 12   /usr/lib/libpcap.so.1.10.3 (deleted)\n",
                None,
            ),
            ("", None),
        ] {
            assert_eq!(libpcap(maps), wanted, "{maps}");
        }
    }
}
