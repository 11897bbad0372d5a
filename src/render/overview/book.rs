//! The rows of the table: what was counted, by host, method and path. Their number is bounded; what
//! comes behind that is counted together with others, and said.

use std::collections::HashMap;

use crate::exchange::Silence;
use crate::failure::{End, Failed, FailureKind};

use super::took::{Took, micros};

/// Rows of paths, of all hosts together, beside one for each host's other paths.
pub(super) const PATHS: usize = 512;
/// Hosts, beside one row for all others.
pub(super) const HOSTS: usize = 128;
/// Histograms of three digits. With 640 of two digits (8 MiB) all rows take 14 MiB at most,
/// whatever comes.
const FINE: usize = 64;
/// Bytes of a host's name, of a method and of a path that are told apart.
const NAME: [usize; 3] = [128, 24, 256];

/// What comes of an exchange: the first digit of its status, none, or something that was not
/// captured.
pub(super) const CLASSES: [&str; 10] = [
    "1xx",
    "2xx",
    "3xx",
    "4xx",
    "5xx",
    "odd",
    "no answer",
    "answer not captured",
    "reset",
    "refused",
];

/// The place of what was not captured.
pub(super) const NOT_CAPTURED: usize = 7;

/// All rows.
#[derive(Debug)]
pub(super) struct Book {
    pub(super) hosts: HashMap<String, Host>,
    /// Requests to hosts that have no rows.
    pub(super) others: Row,
    paths: usize,
    fine: usize,
}

/// The rows of a host.
#[derive(Debug, Default)]
pub(super) struct Host {
    /// By method and path.
    pub(super) paths: HashMap<(String, String), Row>,
    /// Requests for paths that have no rows.
    pub(super) others: Row,
}

/// What was counted.
#[derive(Debug, Default)]
pub(super) struct Row {
    /// Exchanges.
    pub(super) count: u64,
    /// Exchanges by what came of them, as [`CLASSES`].
    pub(super) classes: [u64; CLASSES.len()],
    /// Their times from the question's first byte to the answer's last.
    pub(super) took: Took,
    /// The longest of these, in microseconds.
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

    /// Count an exchange with what came of it, as [`class`] says, and what it took.
    pub(super) fn add(&mut self, names: [&str; 3], class: usize, nanos: Option<i64>) {
        let (row, fine) = self.row(names);
        row.count += 1;
        row.classes[class] += 1;
        if let Some(nanos) = nanos {
            row.took.add(nanos, fine);
            row.max = row.max.max(micros(nanos));
        }
    }

    /// Count so many exchanges or connections of which the same came, which took no time to speak
    /// of.
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
        let room = self.hosts.len() < HOSTS;
        let known = self.hosts.contains_key(&host);
        let row = match known || room {
            true => {
                let host = self.hosts.entry(host).or_default();
                host.row(method, path, &mut self.paths)
            }
            false => &mut self.others,
        };
        (row, &mut self.fine)
    }

    /// Exchanges that are in rows of others.
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

    /// Its rows, that of others too.
    pub(super) fn rows(&self) -> impl Iterator<Item = &Row> {
        self.paths.values().chain([&self.others])
    }
}

/// The place in [`CLASSES`] of a status, or of what failed.
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

/// The start of a name, marked when there was more.
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
    fn the_rows_of_one_host_leave_rooms_for_others_of_it() {
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
    fn names_are_told_apart_by_case_where_it_matters_and_cut_where_they_are_long() {
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
