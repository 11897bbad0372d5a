//! The rows of the table: counts by host, method and path. The number of rows is bounded; requests
//! beyond it are counted in common rows.

use std::collections::HashMap;

use crate::exchange::Silence;
use crate::failure::{End, Failed, FailureKind};

use super::took::{Took, micros};

/// Maximum number of path rows of all hosts together, in addition to one common row per host.
pub(super) const PATHS: usize = 512;
/// Maximum number of hosts, in addition to one common row.
pub(super) const HOSTS: usize = 128;
/// Maximum number of three-digit histograms. With 640 two-digit ones (8 MiB), all rows take at most
/// 14 MiB.
const FINE: usize = 64;
/// Maximum number of processes of a host that are distinguished.
const CLIENTS: usize = 64;
/// What the others are called.
pub(super) const OTHERS: &str = "others";
/// Maximum bytes that are distinguished of a host's name, of a method and of a path.
const NAME: [usize; 3] = [128, 24, 256];

/// Results of an exchange: the first digit of its status, no response, or not captured.
pub(super) const CLASSES: [&str; 10] = [
    "1xx",
    "2xx",
    "3xx",
    "4xx",
    "5xx",
    "odd",
    "no response",
    "response not captured",
    "reset",
    "refused",
];

/// Index of `not captured`.
pub(super) const NOT_CAPTURED: usize = 7;

/// All rows.
#[derive(Debug)]
pub(super) struct Book {
    pub(super) hosts: HashMap<String, Host>,
    /// Requests to hosts without a row.
    pub(super) others: Row,
    paths: usize,
    fine: usize,
}

/// The rows of a host.
#[derive(Debug, Default)]
pub(super) struct Host {
    /// Rows by method and path.
    pub(super) paths: HashMap<(String, String), Row>,
    /// Requests for paths without a row.
    pub(super) others: Row,
    /// The processes that asked, and how often; the first ones, with a common count of the rest.
    pub(super) clients: HashMap<String, u64>,
}

/// Counts.
#[derive(Debug, Default)]
pub(super) struct Row {
    /// Number of exchanges.
    pub(super) count: u64,
    /// Number of exchanges by result, indexed as [`CLASSES`].
    pub(super) classes: [u64; CLASSES.len()],
    /// Times from the first byte of the request to the last byte of the response.
    pub(super) took: Took,
    /// The longest of them, in microseconds.
    pub(super) max: u32,
}

impl Book {
    pub(super) fn new() -> Self {
        Self {
            hosts: HashMap::new(),
            others: Row::default(),
            paths: 0,
            fine: FINE,
        }
    }

    /// Counts an exchange with its result (see [`class`]) and the time it took.
    pub(super) fn add(&mut self, names: [&str; 3], class: usize, nanos: Option<i64>) {
        let (row, fine) = self.row(names);
        row.count += 1;
        row.classes[class] += 1;
        if let Some(nanos) = nanos {
            row.took.add(nanos, fine);
            row.max = row.max.max(micros(nanos));
        }
    }

    /// Counts several exchanges or connections with the same result, without times.
    pub(super) fn add_many(&mut self, names: [&str; 3], class: usize, count: u64) {
        let (row, _) = self.row(names);
        row.count += count;
        row.classes[class] += count;
    }

    fn row(&mut self, [host, method, path]: [&str; 3]) -> (&mut Row, &mut usize) {
        let [host, method, path] = [
            short(&host.to_ascii_lowercase(), NAME[0]),
            short(method, NAME[1]),
            short(path, NAME[2]),
        ];
        let has_space = self.hosts.len() < HOSTS;
        let known = self.hosts.contains_key(&host);
        let row = match known || has_space {
            true => {
                let host = self.hosts.entry(host).or_default();
                host.row(method, path, &mut self.paths)
            }
            false => &mut self.others,
        };
        (row, &mut self.fine)
    }

    /// Counts a process that asked a host which has a row.
    pub(super) fn ask(&mut self, host: &str, client: String) {
        let host = short(&host.to_ascii_lowercase(), NAME[0]);
        if let Some(host) = self.hosts.get_mut(&host) {
            let known = host.clients.len() < CLIENTS || host.clients.contains_key(&client);
            let client = if known { client } else { OTHERS.to_owned() };
            *host.clients.entry(client).or_default() += 1;
        }
    }

    /// Number of exchanges in common rows.
    pub(super) fn folded(&self) -> u64 {
        let others = self.hosts.values().map(|host| host.others.count);
        others.sum::<u64>() + self.others.count
    }
}

impl Host {
    fn row(&mut self, method: String, path: String, paths: &mut usize) -> &mut Row {
        let key = (method, path);
        if self.paths.contains_key(&key) || *paths < PATHS {
            self.paths.entry(key).or_insert_with(|| {
                *paths += 1;
                Row::default()
            })
        } else {
            &mut self.others
        }
    }

    /// The rows, including the common one.
    pub(super) fn rows(&self) -> impl Iterator<Item = &Row> {
        self.paths.values().chain([&self.others])
    }
}

/// Index in [`CLASSES`] of a status, or of a failure.
pub(super) const fn class(status: Result<u16, Silence>, failed: Option<&Failed>) -> usize {
    match (status, failed) {
        (
            _,
            Some(Failed {
                kind:
                    FailureKind::Unanswered(End { reset: true, .. })
                    | FailureKind::BrokenOff(End { reset: true, .. }),
                ..
            }),
        ) => 8,
        (
            _,
            Some(Failed {
                kind: FailureKind::Refused,
                ..
            }),
        ) => 9,
        (Err(Silence::None), _) => 6,
        (Err(Silence::Unknown | Silence::Unseen), _) => NOT_CAPTURED,
        (Ok(status @ 100..=599), _) => (status / 100 - 1) as usize,
        (Ok(_), _) => 5,
    }
}

/// The start of a name, marked if it was cut.
fn short(name: &str, most: usize) -> String {
    if name.len() <= most {
        return name.to_owned();
    }
    let mut end = most.saturating_sub(3);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}...", name.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn very_many_paths_and_hosts_have_few_rows_and_all_are_counted() {
        let mut book = Book::new();
        for number in 0..100_000_u32 {
            let path = format!("/users/{number}");
            let host = format!("h{}", number % 1000);
            book.add([&host, "GET", &path], class(Ok(200), None), Some(1_000_000));
        }
        let rows: usize = book.hosts.values().map(|host| host.paths.len()).sum();
        assert_eq!((book.hosts.len(), rows), (HOSTS, PATHS));
        let counted = book
            .hosts
            .values()
            .flat_map(Host::rows)
            .chain([&book.others]);
        assert_eq!(counted.map(|row| row.count).sum::<u64>(), 100_000);
        assert_eq!(book.folded(), 100_000 - PATHS as u64);
        // 128 of 1000 hosts have 100 requests each.
        assert_eq!(book.others.count, 87_200);
    }

    #[test]
    fn a_host_without_rows_left_has_a_common_row() {
        let mut book = Book::new();
        for number in 0..100_000_u32 {
            book.add(
                ["h", "GET", &format!("/{number}")],
                class(Err(Silence::None), None),
                None,
            );
        }
        let host = &book.hosts["h"];
        assert_eq!(
            (host.paths.len(), host.others.count, host.others.classes[6]),
            (PATHS, 100_000 - PATHS as u64, 100_000 - PATHS as u64)
        );
    }

    #[test]
    fn names_are_distinguished_by_case_where_it_matters_and_cut_where_they_are_long() {
        let mut book = Book::new();
        book.add(["Host", "GET", "/a"], class(Ok(204), None), Some(5));
        book.add(["hOST", "GET", "/A"], class(Ok(999), None), Some(7_000));
        book.add(["host", "POST", "/a"], class(Ok(65535), None), None);
        book.add(
            [&"é".repeat(500), "GET", &"é".repeat(500)],
            class(Ok(1), None),
            None,
        );
        let host = &book.hosts["host"];
        assert_eq!(host.paths.len(), 3);
        let statuses: u64 = host.rows().map(|row| row.classes[5]).sum();
        assert_eq!(statuses, 2);
        for (name, host) in &book.hosts {
            assert!(name.len() <= NAME[0]);
            assert!(host.paths.keys().all(|(_, path)| path.len() <= NAME[2]));
        }
    }
}
