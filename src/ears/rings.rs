//! Ring buffers in which the kernel reports events of all processes: perf's tracepoints.
//!
//! They are opened by root and read as memory, which needs no rights. The kernel filters before it
//! writes.

use std::ffi::CStr;
use std::io;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use perf_event_open::config::{Clock, Cpu, Opts, Proc, SampleOn, WakeUpOn};
use perf_event_open::count::Counter;
use perf_event_open::event::sw::Software;
use perf_event_open::event::tp::Tracepoint;
use perf_event_open::sample::Sampler;

use super::event::{Event, Kind};
use super::format::{ExecLayout, RouteLayout, StateLayout};
use super::tracefs::Tracefs;

/// Pages of a ring, as powers of two: the most and the least.
const PAGES: [u8; 2] = [4, 2];
/// Bytes of all rings together, if that leaves each the least.
const MEMORY: usize = 8 << 20;
/// Bytes of a page, on most machines.
const PAGE: usize = 4 << 10;
/// Processors whose events are read.
const CPUS: usize = 1024;

/// A tracepoint: its name, what the kernel lets through, and its layout.
struct Point {
    name: &'static str,
    filter: Option<&'static CStr>,
    kind: fn(&str) -> Option<Kind>,
}

/// Changes of TCP's states: 1 established, 2 SYN sent, 3 SYN received, 4 FIN wait, 9 last ACK,
/// 10 listen. Without filters the rings overflow.
const POINTS: [Point; 4] = [
    Point {
        name: "sock/inet_sock_set_state",
        filter: Some(
            c"protocol==6 && (newstate==2 || oldstate==2 || oldstate==3 || newstate==10 || newstate==4 || newstate==9)",
        ),
        kind: |format| StateLayout::of(format).map(Kind::State),
    },
    // Routes for datagrams of this machine, which come from the loopback interface.
    Point {
        name: "fib/fib_table_lookup",
        filter: Some(c"proto==17 && iif==1 && sport!=0"),
        kind: |format| RouteLayout::of(format).map(Kind::Route),
    },
    Point {
        name: "fib6/fib6_table_lookup",
        filter: Some(c"proto==17 && sport!=0"),
        kind: |format| RouteLayout::of(format).map(Kind::Route),
    },
    Point {
        name: "sched/sched_process_exec",
        filter: None,
        kind: |format| ExecLayout::of(format).map(Kind::Exec),
    },
];

/// The ring of one event on one processor.
struct Ring {
    kind: Kind,
    /// Samples have the number of their control group.
    groups: bool,
    sampler: Sampler,
    /// Keeps the event open.
    _counter: Counter,
}

/// All rings.
pub(super) struct Rings {
    rings: Vec<Ring>,
    /// Control groups are reported (since Linux 5.7).
    pub(super) groups: bool,
}

impl Rings {
    /// Opens all rings. Events that this kernel lacks are left out, except for TCP's and for
    /// processes.
    ///
    /// # Errors
    /// The rights do not suffice, or the kernel lacks the events.
    pub(super) fn open() -> io::Result<Self> {
        let tracefs = Tracefs::open()?;
        let cpus = online(&std::fs::read_to_string("/sys/devices/system/cpu/online")?);
        if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
            // A file for each ring.
            let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
        }
        let each = MEMORY / PAGE / (POINTS.len() + 1) / cpus.len().max(1);
        let pages = (PAGES[1]..=PAGES[0])
            .rev()
            .find(|pages| 1 << pages <= each)
            .unwrap_or(PAGES[1]);
        let mut all = Self {
            rings: Vec::new(),
            groups: true,
        };
        if all.tasks(&cpus, pages).is_err() {
            // An older kernel.
            all.rings.clear();
            all.groups = false;
            all.tasks(&cpus, pages)?;
        }
        for (at, point) in POINTS.iter().enumerate() {
            let described = tracefs.describe(point.name);
            let opened = described.and_then(|described| {
                let kind = (point.kind)(&described.format)
                    .ok_or_else(|| io::Error::other("its format is not known"))?;
                let event = Tracepoint { id: described.id };
                cpus.iter().try_for_each(|cpu| {
                    let counter =
                        Counter::new(event.clone(), (Proc::ALL, Cpu(*cpu)), all.samples())?;
                    if let Some(filter) = point.filter {
                        counter.with_ftrace_filter(filter)?;
                    }
                    counter.enable()?;
                    all.add(kind, counter, pages)
                })
            });
            if let Err(error) = opened
                && at == 0
            {
                return Err(io::Error::new(
                    error.kind(),
                    format!("{}: {error}", point.name),
                ));
            }
        }
        Ok(all)
    }

    /// Opens the rings of forks, exits, names and control groups.
    fn tasks(&mut self, cpus: &[u32], pages: u8) -> io::Result<()> {
        let mut options = options();
        options.enable = true;
        options.extra_record.task = true;
        options.extra_record.comm = true;
        options.extra_record.cgroup = self.groups;
        for cpu in cpus {
            let counter = Counter::new(Software::Dummy, (Proc::ALL, Cpu(*cpu)), &options)?;
            self.add(Kind::Tasks, counter, pages)?;
        }
        Ok(())
    }

    fn samples(&self) -> Opts {
        let mut options = options();
        options.sample_on = SampleOn::Count(1);
        options.sample_format.raw = true;
        options.sample_format.cgroup = self.groups;
        options
    }

    fn add(&mut self, kind: Kind, counter: Counter, pages: u8) -> io::Result<()> {
        let sampler = counter.sampler(pages)?;
        self.rings.push(Ring {
            kind,
            groups: self.groups,
            sampler,
            _counter: counter,
        });
        Ok(())
    }

    /// Appends what has happened since the last call.
    pub(super) fn read(&self, events: &mut Vec<Event>) {
        for ring in &self.rings {
            let Some(records) = ring.sampler.iter() else {
                continue;
            };
            let mut records = records.into_cow();
            while let Some(record) = records.lending_next() {
                events.extend(Event::of(&ring.kind, ring.groups, record.as_raw()));
            }
        }
    }
}

/// What all events have in common.
fn options() -> Opts {
    let mut options = Opts::default();
    options.record_id_format.task = true;
    options.record_id_format.time = true;
    options.record_id_all = true;
    options.timer = Some(Clock::Monotonic);
    // Nobody is woken: the rings are read when frames are.
    options.wake_up.on = WakeUpOn::Bytes(1 << 30);
    options
}

/// The numbers in a list like `0-3,8`.
fn online(list: &str) -> Vec<u32> {
    let ranges = list.trim().split(',').filter_map(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse::<u32>().ok()?..=last.parse().ok()?)
    });
    ranges.flatten().take(CPUS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_read_from_ranges() {
        for (list, wanted) in [
            ("0-3,8\n", vec![0, 1, 2, 3, 8]),
            ("0\n", vec![0]),
            ("", vec![]),
            ("x,2-y,5", vec![5]),
        ] {
            assert_eq!(online(list), wanted, "{list}");
        }
        assert_eq!(online("0-4000000000").len(), CPUS);
    }
}
