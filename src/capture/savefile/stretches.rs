//! *Stretches*: the chunks of a plain file. Each is read by whichever of two threads is idle; they
//! are consumed in file order, and a bounded number is read ahead.
//!
//! If a file is in the page cache, copying it from there is up to half of the work, and two threads
//! copy twice as fast.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::mem;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Length of a chunk in bytes: large enough that the cost of system calls is negligible, small
/// enough for the CPU cache. Smaller in unit tests, so that small files have many.
pub(super) const LENGTH: usize = if cfg!(test) { 96 } else { 256 << 10 };
/// Space before a chunk for the beginning of a record that ends in it; enough for all but the very
/// largest records.
pub(super) const MARGIN: usize = LENGTH / 4 + LENGTH / 64;
/// Maximum number of chunks read or being read ahead.
const WAITING: usize = 3;
/// Maximum number of consecutive chunks that are not searched.
const MAX_BACKOFF: u32 = 31;

/// The sought bytes.
pub struct Sought {
    /// Whether bytes certainly lack what is sought. If so, each part of them does.
    pub lacks: Box<dyn Fn(&[u8]) -> bool + Send + Sync>,
    /// Maximum bytes on each side of a split that may together contain what each side lacks.
    pub reach: usize,
}

/// The chunks of one file after another, read by two threads. By default, there is no file.
#[derive(Default)]
pub struct Stretches {
    /// Searched for in each chunk while it is in the CPU cache of the thread that read it: of most
    /// chunks, only the frame headers are needed afterwards.
    sought: Option<Sought>,
    state: Mutex<State>,
    /// Signalled when a chunk has been read.
    read: Condvar,
    /// Whether a chunk is to be read, as of the last update; read without the lock.
    wanted: AtomicBool,
}

#[derive(Default)]
struct State {
    file: Option<Arc<File>>,
    /// Incremented whenever the chunks being read become obsolete.
    round: u64,
    /// Number of chunks of this round that were consumed.
    taken: u64,
    /// File offset of the first chunk that is not consumed.
    position: u64,
    /// The chunks not consumed yet; `None` while a chunk is being read.
    waiting: VecDeque<Option<Stretch>>,
    /// Whether a chunk was short, so that nothing after it can be read ahead.
    short: bool,
    /// Number of next chunks that are not searched, because recent ones all contained the sought
    /// bytes.
    skip_next: u32,
    /// Length of the last such interval (exponential back-off).
    backoff: u32,
    /// Free memory blocks.
    spare: Vec<Vec<u8>>,
}

/// A chunk that was read.
#[derive(Default)]
pub(super) struct Stretch {
    /// Memory; the chunk's bytes start at [`MARGIN`].
    pub(super) memory: Vec<u8>,
    /// Number of bytes: less than [`LENGTH`] at the end of the file, or before a read error.
    pub(super) length: usize,
    /// Whether the bytes certainly lack what is sought.
    pub(super) lacks: bool,
    /// Whether reading it began before all previous chunks were read.
    early: bool,
    error: Option<io::Error>,
}

/// A chunk to be read.
struct ReadJob {
    file: Arc<File>,
    round: u64,
    /// Index in the round, from 0.
    number: u64,
    position: u64,
    memory: Vec<u8>,
    /// Whether it is to be searched.
    search: bool,
    early: bool,
}

impl Stretches {
    pub(super) fn new(sought: Option<Sought>) -> Self {
        Self {
            sought,
            ..Self::default()
        }
    }

    /// Switches to this file, from this offset on, or to none.
    pub(super) fn turn_to(&self, file: Option<Arc<File>>, position: u64) {
        let mut state = self.lock();
        state.file = file;
        state.go_on_at(position);
        self.update_wanted(&state);
    }

    /// Returns the next chunk, which is empty at the end of the file. Consumed chunks' memory is
    /// reused.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(super) fn next(&self) -> io::Result<Stretch> {
        let mut state = self.lock();
        loop {
            if let Some(Some(_)) = state.waiting.front() {
                let mut stretch = state.take();
                self.update_wanted(&state);
                match stretch.error.take() {
                    // The file may have grown since then: read again.
                    _ if stretch.length == 0 && stretch.early => state.give_back(stretch.memory),
                    // The error occurs again when reading continues after the bytes that were read.
                    Some(error) if stretch.length == 0 => return Err(error),
                    _ => return Ok(stretch),
                }
            } else if let Some(job) = state.next_job() {
                // Read the first chunk, or a later one while the other thread reads the first.
                self.update_wanted(&state);
                drop(state);
                self.read(job);
                state = self.lock();
            } else if state.waiting.is_empty() {
                return Ok(Stretch::default());
            } else {
                let woken = self.read.wait(state);
                state = woken.unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    /// Reads a chunk, if one is to be read. Returns whether one was.
    pub fn help(&self) -> bool {
        if !self.wanted.load(Ordering::Relaxed) {
            return false;
        }
        let mut state = self.lock();
        let job = state.next_job();
        self.update_wanted(&state);
        drop(state);
        job.map(|job| self.read(job)).is_some()
    }

    /// Whether two consecutive pieces of a file lack what is sought. `known`: whether each piece is
    /// known to lack it.
    pub(super) fn lack(&self, pieces: [&[u8]; 2], known: [bool; 2]) -> bool {
        let Some(Sought { lacks, reach }) = &self.sought else {
            return false;
        };
        let [front, back] = pieces;
        let cut = [
            &front[front.len().saturating_sub(*reach)..],
            &back[..back.len().min(*reach)],
        ];
        // A large record arrives in many pieces: do not search those before the last again each
        // time.
        let front_lacks = || known[0] || (front.len() <= LENGTH && lacks(front));
        known[1] && front_lacks() && lacks(&cut.concat())
    }

    /// Returns memory for reuse.
    pub(super) fn give_back(&self, memory: Vec<u8>) {
        self.lock().give_back(memory);
    }

    fn read(&self, job: ReadJob) {
        let (round, number) = (job.round, job.number);
        let sought = self.sought.as_ref().filter(|_| job.search);
        let mut stretch = job.read();
        if let Some(sought) = sought {
            stretch.lacks = (sought.lacks)(stretch.bytes());
        }
        let mut state = self.lock();
        if sought.is_some() {
            state.note(stretch.lacks);
        }
        // In its own round it cannot have been consumed before it was read.
        if round == state.round
            && let at = (number - state.taken) as usize
            && let Some(place) = state.waiting.get_mut(at)
        {
            let short = stretch.length < LENGTH;
            *place = Some(stretch);
            state.short |= short;
        } else {
            state.give_back(stretch.memory);
        }
        self.update_wanted(&state);
        drop(state);
        self.read.notify_one();
    }

    fn update_wanted(&self, state: &State) {
        self.wanted.store(state.wants(), Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Recover from a poisoned lock: no code under the lock panics, so the state is consistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stretch {
    /// The bytes of the chunk.
    pub(super) fn bytes(&self) -> &[u8] {
        let back = self.memory.get(MARGIN..).unwrap_or_default();
        back.get(..self.length).unwrap_or_default()
    }
}

impl State {
    /// Discards the chunks read ahead, and continues at this offset.
    fn go_on_at(&mut self, position: u64) {
        self.round += 1;
        self.taken = 0;
        self.position = position;
        self.short = false;
        for stretch in mem::take(&mut self.waiting).into_iter().flatten() {
            self.give_back(stretch.memory);
        }
    }

    /// Consumes the first chunk, which has been read.
    fn take(&mut self) -> Stretch {
        let stretch = self.waiting.pop_front().flatten().unwrap_or_default();
        self.taken += 1;
        self.position += stretch.length as u64;
        if stretch.length < LENGTH {
            // The file may have grown, so that chunks read ahead start at wrong offsets.
            self.go_on_at(self.position);
        }
        stretch
    }

    fn wants(&self) -> bool {
        self.file.is_some() && !self.short && self.waiting.len() < WAITING
    }

    /// The next chunk that no thread reads yet, to be read by the caller.
    fn next_job(&mut self) -> Option<ReadJob> {
        let file = self.file.as_ref().filter(|_| self.wants())?;
        let ahead = self.waiting.len() as u64;
        let job = ReadJob {
            file: Arc::clone(file),
            round: self.round,
            number: self.taken + ahead,
            // If a previous chunk turns out short, this one is discarded.
            position: self.position + ahead * LENGTH as u64,
            memory: self.spare.pop().unwrap_or_default(),
            search: self.skip_next == 0,
            early: ahead > 0,
        };
        self.skip_next = self.skip_next.saturating_sub(1);
        self.waiting.push_back(None);
        Some(job)
    }

    /// Updates the back-off after a chunk was searched.
    fn note(&mut self, lacks: bool) {
        self.backoff = match lacks {
            true => 0,
            false => (2 * self.backoff + 1).min(MAX_BACKOFF),
        };
        self.skip_next = self.backoff;
    }

    fn give_back(&mut self, memory: Vec<u8>) {
        let usual = MARGIN + LENGTH <= memory.len() && memory.capacity() <= 2 * LENGTH;
        if self.spare.len() <= WAITING && usual {
            self.spare.push(memory);
        }
    }
}

impl ReadJob {
    fn read(self) -> Stretch {
        let Self {
            file,
            position,
            mut memory,
            early,
            ..
        } = self;
        if memory.is_empty() {
            // Fresh zeroed pages are not touched before they are read into.
            memory = vec![0; MARGIN + LENGTH];
        }
        let mut stretch = Stretch {
            memory,
            early,
            ..Stretch::default()
        };
        let mut target = &mut stretch.memory[MARGIN..MARGIN + LENGTH];
        while !target.is_empty() {
            match file.read_at(target, position + stretch.length as u64) {
                Ok(0) => break,
                Ok(count) => {
                    target = &mut target[count..];
                    stretch.length += count;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    stretch.error = Some(error);
                    break;
                }
            }
        }
        stretch
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::thread;

    use super::*;

    fn file(name: &str, bytes: &[u8]) -> (File, Arc<File>) {
        let name = format!("spygrep-stretches-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let mut file = File::create(&path).unwrap();
        file.write_all(bytes).unwrap();
        let read = File::open(&path).unwrap();
        std::fs::remove_file(path).unwrap();
        (file, Arc::new(read))
    }

    fn numbers(count: usize) -> Vec<u8> {
        (0..count).map(|number| (number * 7) as u8).collect()
    }

    /// The bytes of all chunks up to the end.
    fn all(stretches: &Stretches) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            let stretch = stretches.next().unwrap();
            if stretch.length == 0 {
                return all;
            }
            all.extend(stretch.bytes());
            stretches.give_back(stretch.memory);
        }
    }

    #[test]
    fn they_come_in_order_whoever_reads_them() {
        let bytes = numbers(100 * LENGTH + 5);
        let (_, read) = file("order", &bytes);
        let stretches = Stretches::default();
        for helpers in 0..3 {
            stretches.turn_to(Some(Arc::clone(&read)), 3);
            let done = AtomicBool::new(false);
            let all = thread::scope(|scope| {
                for _ in 0..helpers {
                    scope.spawn(|| while stretches.help() || !done.load(Ordering::Relaxed) {});
                }
                let all = all(&stretches);
                done.store(true, Ordering::Relaxed);
                all
            });
            assert!(all == bytes[3..], "{helpers} helpers");
        }
        stretches.turn_to(None, 0);
        assert!(all(&stretches).is_empty());
        assert!(!stretches.help());
    }

    #[test]
    fn a_few_are_read_ahead_and_no_more() {
        let (_, read) = file("ahead", &numbers(100 * LENGTH));
        let stretches = Stretches::default();
        assert!(!stretches.help(), "there is no file");
        stretches.turn_to(Some(read), 0);
        assert_eq!((0..100).filter(|_| stretches.help()).count(), WAITING);
        stretches.next().unwrap();
        assert_eq!((0..100).filter(|_| stretches.help()).count(), 1);
    }

    #[test]
    fn a_file_that_grows_meanwhile_has_no_hole() {
        let bytes = numbers(10 * LENGTH);
        let (mut written, read) = file("grows", &bytes[..LENGTH + 5]);
        let stretches = Stretches::default();
        stretches.turn_to(Some(read), 0);
        while stretches.help() {}
        // The chunks read ahead end here, in the middle of the final file.
        written.write_all(&bytes[LENGTH + 5..]).unwrap();
        assert!(all(&stretches) == bytes);
    }

    #[test]
    fn what_was_no_end_when_all_in_front_was_read_is_none() {
        let bytes = numbers(2 * LENGTH + 5);
        let (mut written, read) = file("no-end", &[]);
        let stretches = Stretches::default();
        stretches.turn_to(Some(read), 0);
        let first = stretches.lock().next_job().unwrap();
        assert!(stretches.help(), "the second one, which is not there yet");
        written.write_all(&bytes).unwrap();
        stretches.read(first);
        assert!(all(&stretches) == bytes);
    }

    #[test]
    fn what_cannot_be_read_is_an_error_each_time() {
        let folder = Arc::new(File::open(std::env::temp_dir()).unwrap());
        let stretches = Stretches::default();
        stretches.turn_to(Some(folder), 0);
        assert!(stretches.help());
        for _ in 0..3 {
            let error = stretches.next().err().unwrap();
            assert_eq!(error.kind(), io::ErrorKind::IsADirectory);
        }
    }

    #[test]
    fn a_cut_hides_nothing() {
        let stretches = Stretches::new(Some(Sought {
            lacks: Box::new(|bytes| !bytes.windows(4).any(|bytes| bytes == b"seek")),
            reach: 3,
        }));
        for (front, back, known, expected) in [
            ("hay", "hay", [true, true], true),
            ("hay", "hay", [false, true], true),
            ("hay", "hay", [true, false], false),
            ("a seek", "hay", [false, true], false),
            ("hay s", "eek hay", [true, true], false),
            ("hay see", "k", [true, true], false),
            ("", "eek", [true, true], true),
        ] {
            let pieces = [front.as_bytes(), back.as_bytes()];
            assert_eq!(stretches.lack(pieces, known), expected, "{front}|{back}");
        }
        assert!(!Stretches::default().lack([b"", b""], [true, true]));
        let large = vec![b'x'; LENGTH + 1];
        assert!(stretches.lack([&large, b"y"], [true, true]));
        assert!(!stretches.lack([&large, b"y"], [false, true]), "not again");
    }

    #[test]
    fn where_it_is_everywhere_few_are_looked_at() {
        let (_, read) = file("everywhere", &numbers(1000 * LENGTH));
        let looked = Arc::new(AtomicBool::new(false));
        let search = Arc::clone(&looked);
        let stretches = Stretches::new(Some(Sought {
            lacks: Box::new(move |_| {
                search.store(true, Ordering::Relaxed);
                false
            }),
            reach: 0,
        }));
        stretches.turn_to(Some(read), 0);
        let count = (0..1000).filter(|_| {
            stretches.next().unwrap();
            looked.swap(false, Ordering::Relaxed)
        });
        assert!((20..50).contains(&count.count()));
    }
}
