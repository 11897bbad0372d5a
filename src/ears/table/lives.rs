//! Processes by pid, each with its beginning and its end.
//!
//! A process is kept for a while after its end, because its packets are shown later.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use crate::flow::Endpoint;
use crate::limits::processes as limits;

/// A pid at a moment, which together name a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Since {
    pub(super) pid: u32,
    /// Nanoseconds of the monotonic clock.
    pub(super) time: u64,
}

/// The program that a process runs. Shared by a process and its forks.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(in crate::ears) struct Program {
    /// The kernel's name of the process.
    pub(in crate::ears) name: String,
    /// The script that it interprets.
    pub(in crate::ears) script: Option<String>,
    /// The path of the executable.
    pub(in crate::ears) exe: Option<String>,
}

/// A process from its beginning to its end.
#[derive(Clone, Debug, Default)]
pub(in crate::ears) struct Life {
    /// 0 for one that was there before.
    pub(in crate::ears) start: u64,
    pub(in crate::ears) end: Option<u64>,
    /// 0 if it is not known.
    pub(in crate::ears) parent: u32,
    pub(in crate::ears) program: Rc<Program>,
    pub(in crate::ears) group: Option<Rc<str>>,
    /// Known of processes that were there before, and of those that descend from them without an
    /// exec.
    pub(in crate::ears) uid: Option<u32>,
    pub(in crate::ears) chosen: bool,
    /// It runs a program of its own, so that later names are those of its threads' work.
    pub(in crate::ears) execed: bool,
    /// Addresses at which it listens.
    pub(in crate::ears) listens: Vec<Endpoint>,
}

/// All processes.
#[derive(Debug, Default)]
pub(super) struct Lives {
    by_pid: HashMap<u32, Vec<Life>>,
    count: usize,
    /// Ends in order.
    ended: VecDeque<Since>,
}

impl Lives {
    /// Adds a process that was there before. Returns whether the limit allowed it.
    pub(super) fn insert(&mut self, pid: u32, life: Life) -> bool {
        if !self.has_room() {
            return false;
        }
        self.count += 1;
        self.by_pid.entry(pid).or_default().push(Life {
            execed: true,
            ..life
        });
        true
    }

    /// Whether one more may be kept; the one that ended first makes room.
    fn has_room(&mut self) -> bool {
        while self.count >= limits::PROCESSES {
            let Some(first) = self.ended.pop_front() else {
                return false;
            };
            self.remove(first);
        }
        true
    }

    fn remove(&mut self, ended: Since) {
        let Some(lives) = self.by_pid.get_mut(&ended.pid) else {
            return;
        };
        let before = lives.len();
        lives.retain(|life| life.end != Some(ended.time));
        self.count -= before - lives.len();
        if lives.is_empty() {
            self.by_pid.remove(&ended.pid);
        }
    }

    /// Forgets processes whose end is long ago.
    pub(super) fn forget(&mut self, now: u64) {
        while let Some(first) = self.ended.front()
            && now.saturating_sub(first.time) > limits::ENDED
        {
            let first = *first;
            self.ended.pop_front();
            self.remove(first);
        }
    }

    /// The process that had this pid at this time.
    pub(super) fn at(&self, pid: u32, time: u64) -> Option<&Life> {
        let lives = self.by_pid.get(&pid)?;
        let life = lives.iter().rev().find(|life| life.start <= time)?;
        life.end.is_none_or(|end| time <= end).then_some(life)
    }

    pub(super) fn at_mut(&mut self, pid: u32, time: u64) -> Option<&mut Life> {
        let lives = self.by_pid.get_mut(&pid)?;
        let life = lives.iter_mut().rev().find(|life| life.start <= time)?;
        life.end.is_none_or(|end| time <= end).then_some(life)
    }

    /// The process at this time; one whose fork is not known (yet) begins here.
    fn at_or_new(&mut self, pid: u32, time: u64) -> Option<&mut Life> {
        if self.at(pid, time).is_none() {
            if !self.has_room() {
                return None;
            }
            self.count += 1;
            let lives = self.by_pid.entry(pid).or_default();
            lives.push(Life {
                start: time,
                ..Life::default()
            });
            lives.sort_by_key(|life| life.start);
        }
        self.at_mut(pid, time)
    }

    /// A process begins. Returns the addresses at which it listens as its parent does.
    pub(super) fn fork(&mut self, pid: u32, parent: u32, time: u64, chosen: bool) -> Vec<Endpoint> {
        let mut life = match self.at(parent, time) {
            Some(parent) => parent.clone(),
            None => Life::default(),
        };
        life.start = time;
        life.end = None;
        life.parent = parent;
        life.chosen |= chosen;
        life.execed = false;
        // What the process has done since may have come first, from another processor.
        let lives = self.by_pid.get_mut(&pid);
        let early = lives.and_then(|lives| {
            lives.iter_mut().find(|early| {
                early.parent == 0 && early.start > time && early.start - time < limits::APART
            })
        });
        if let Some(early) = early {
            early.start = time;
            early.parent = parent;
            early.chosen |= life.chosen;
            if early.group.is_none() {
                early.group = life.group;
            }
            if !early.execed {
                early.program = life.program;
            }
            return Vec::new();
        }
        // The end of the one before was lost.
        self.exit(pid, time.saturating_sub(1));
        if !self.has_room() {
            return Vec::new();
        }
        self.count += 1;
        let listens = life.listens.clone();
        let lives = self.by_pid.entry(pid).or_default();
        lives.push(life);
        lives.sort_by_key(|life| life.start);
        listens
    }

    /// A process ends. Returns the addresses at which it listened.
    pub(super) fn exit(&mut self, pid: u32, time: u64) -> Vec<Endpoint> {
        let Some(life) = self.at_mut(pid, time).filter(|life| life.end.is_none()) else {
            return Vec::new();
        };
        life.end = Some(time);
        let listens = std::mem::take(&mut life.listens);
        self.ended.push_back(Since { pid, time });
        listens
    }

    /// A process executes the program at this path.
    pub(super) fn executes(&mut self, pid: u32, time: u64, path: String) {
        let Some(life) = self.at_or_new(pid, time) else {
            return;
        };
        let program = Rc::make_mut(&mut life.program);
        if program.name.is_empty() {
            // The name is the first 15 bytes of the base name.
            let base = path.rsplit('/').next().unwrap_or_default();
            program.name = base.chars().take(15).collect();
        }
        program.exe = Some(path);
    }

    /// A process has another name. Returns the addresses at which it no longer listens: those that
    /// it did not hold `alone`, if it executes a program.
    pub(super) fn named(
        &mut self,
        pid: u32,
        time: u64,
        name: String,
        exec: bool,
        alone: impl Fn(&Endpoint) -> bool,
    ) -> Vec<Endpoint> {
        let Some(life) = self.at_or_new(pid, time) else {
            return Vec::new();
        };
        if !exec {
            // A fork that names itself, as workers do; other programs name their threads.
            if !life.execed {
                Rc::make_mut(&mut life.program).name = name;
            }
            return Vec::new();
        }
        life.execed = true;
        // A program that changes the user may be executed.
        life.uid = None;
        life.program = Rc::new(Program {
            name,
            ..Program::default()
        });
        let (kept, left) = std::mem::take(&mut life.listens)
            .into_iter()
            .partition(alone);
        life.listens = kept;
        left
    }

    /// A process listens. Returns whether it is known.
    pub(super) fn listens(&mut self, pid: u32, time: u64, local: Endpoint) -> bool {
        let Some(life) = self.at_mut(pid, time) else {
            return false;
        };
        if !life.listens.contains(&local) && life.listens.len() < limits::HOLDERS {
            life.listens.push(local);
        }
        true
    }

    /// Marks a process and its descendants as chosen.
    pub(super) fn choose(&mut self, pid: u32) {
        let mut chosen = vec![pid];
        while let Some(pid) = chosen.pop() {
            for (child, lives) in &mut self.by_pid {
                for life in lives.iter_mut().filter(|life| life.end.is_none()) {
                    if (*child == pid || life.parent == pid) && !life.chosen {
                        life.chosen = true;
                        chosen.push(*child);
                    }
                }
            }
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.count
    }
}
