//! *Stretches*: the parts of a plain file, each read by whichever of two threads has time for it,
//! and taken in the file's order.
//!
//! Where a file is in the page cache, copying it from there is up to half of the work, and two
//! threads copy twice as much.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::mem;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Bytes asked for at once: large enough that the calls cost nothing, small enough to stay in the
/// cache. In tests of this library a small file has many.
pub(super) const LENGTH: usize = if cfg!(test) { 96 } else { 256 << 10 };
/// Room in front of a stretch, for the beginning of a record that ends in it: for any but the very
/// largest.
pub(super) const MARGIN: usize = LENGTH / 4 + LENGTH / 64;
/// Stretches that are read or being read, and not taken.
const WAITING: usize = 3;
/// Stretches that are not looked at, one behind the other, at most.
const BLIND: u32 = 31;

/// What is looked for.
pub struct Sought {
    /// Whether bytes certainly lack it. What this says of some bytes holds for each part of them.
    pub lacks: Box<dyn Fn(&[u8]) -> bool + Send + Sync>,
    /// So many bytes on each side of a cut can lack it each, and not together.
    pub reach: usize,
}

/// One file after the other, which two threads read together. By default, none.
#[derive(Default)]
pub struct Stretches {
    /// Looked for in each stretch while that is in the cache of who has read it: of most of them
    /// nobody else needs more than the frames' headers.
    sought: Option<Sought>,
    state: Mutex<State>,
    /// One was read that may be waited for.
    read: Condvar,
    /// There is one to be read, when last looked at: asked without the lock.
    wanted: AtomicBool,
}

#[derive(Default)]
struct State {
    file: Option<Arc<File>>,
    /// Goes on whenever what is being read by then is not wanted any more.
    round: u64,
    /// How many of this round were taken.
    taken: u64,
    /// Where the first that is not taken begins.
    position: u64,
    /// Those that are not taken. None: it is being read.
    waiting: VecDeque<Option<Stretch>>,
    /// The file did not have all of one of them: behind it there is nothing to be read ahead.
    short: bool,
    /// So many of those to come are not looked at: what is looked for seems to be everywhere.
    blind: u32,
    /// So many were not before the last one that was looked at.
    been_blind: u32,
    /// Memory to be read into.
    spare: Vec<Vec<u8>>,
}

/// One that is read.
#[derive(Default)]
pub(super) struct Stretch {
    /// Its bytes are behind [`MARGIN`].
    pub(super) memory: Vec<u8>,
    /// So many: fewer than usual at the end of the file, or where it could not be read.
    pub(super) length: usize,
    /// They certainly lack what is looked for.
    pub(super) lacks: bool,
    /// It was read, or begun to be, before all in front of it was.
    early: bool,
    error: Option<io::Error>,
}

/// One that is to be read.
struct Claim {
    file: Arc<File>,
    round: u64,
    /// Its number in the round, from 0.
    number: u64,
    position: u64,
    memory: Vec<u8>,
    /// It is to be looked at.
    look: bool,
    early: bool,
}

impl Stretches {
    pub(super) fn new(sought: Option<Sought>) -> Self {
        Self {
            sought,
            ..Self::default()
        }
    }

    /// Read this file from now on, from this byte on, or none.
    pub(super) fn turn_to(&self, file: Option<Arc<File>>, position: u64) {
        let mut state = self.lock();
        state.file = file;
        state.go_on_at(position);
        self.tell(&state);
    }

    /// The next stretch; without bytes where the file ends. The memory of one that was taken before
    /// is used again.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn next(&self) -> io::Result<Stretch> {
        let mut state = self.lock();
        loop {
            if let Some(Some(_)) = state.waiting.front() {
                let mut stretch = state.take();
                self.tell(&state);
                match stretch.error.take() {
                    // The file may have more of it since then.
                    _ if stretch.length == 0 && stretch.early => state.give_back(stretch.memory),
                    // It comes again behind what was read.
                    Some(error) if stretch.length == 0 => return Err(error),
                    _ => return Ok(stretch),
                }
            } else if let Some(claim) = state.claim() {
                // It is the first one, or one behind it while the other thread is at that.
                self.tell(&state);
                drop(state);
                self.read(claim);
                state = self.lock();
            } else if state.waiting.is_empty() {
                return Ok(Stretch::default());
            } else {
                let woken = self.read.wait(state);
                state = woken.unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    /// Read one, if one is to be read; whether one was.
    pub fn help(&self) -> bool {
        if !self.wanted.load(Ordering::Relaxed) {
            return false;
        }
        let mut state = self.lock();
        let claim = state.claim();
        self.tell(&state);
        drop(state);
        claim.map(|claim| self.read(claim)).is_some()
    }

    /// Whether two pieces of a file, one behind the other, lack what is looked for; `said` says
    /// whether that is known of each.
    pub(super) fn lack(&self, pieces: [&[u8]; 2], said: [bool; 2]) -> bool {
        let Some(Sought { lacks, reach }) = &self.sought else {
            return false;
        };
        let [front, behind] = pieces;
        let cut = [
            &front[front.len().saturating_sub(*reach)..],
            &behind[..behind.len().min(*reach)],
        ];
        // A large record comes in many pieces: what is in front of them is not looked at each time.
        let front_lacks = || said[0] || (front.len() <= LENGTH && lacks(front));
        said[1] && front_lacks() && lacks(&cut.concat())
    }

    /// Memory that is not needed any more.
    pub(super) fn give_back(&self, memory: Vec<u8>) {
        self.lock().give_back(memory);
    }

    fn read(&self, claim: Claim) {
        let (round, number) = (claim.round, claim.number);
        let sought = self.sought.as_ref().filter(|_| claim.look);
        let mut stretch = claim.read();
        if let Some(sought) = sought {
            stretch.lacks = (sought.lacks)(stretch.bytes());
        }
        let mut state = self.lock();
        if sought.is_some() {
            state.note(stretch.lacks);
        }
        // In its round it is not taken before it is read.
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
        self.tell(&state);
        drop(state);
        self.read.notify_one();
    }

    fn tell(&self, state: &State) {
        self.wanted.store(state.wants(), Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // What a thread leaves behind that panicked is as good as before: nothing in here does.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stretch {
    /// Its bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        let behind = self.memory.get(MARGIN..).unwrap_or_default();
        behind.get(..self.length).unwrap_or_default()
    }
}

impl State {
    /// Forget what is read ahead, and read on here.
    fn go_on_at(&mut self, position: u64) {
        self.round += 1;
        self.taken = 0;
        self.position = position;
        self.short = false;
        for stretch in mem::take(&mut self.waiting).into_iter().flatten() {
            self.give_back(stretch.memory);
        }
    }

    /// Take the first one, which is read.
    fn take(&mut self) -> Stretch {
        let stretch = self.waiting.pop_front().flatten().unwrap_or_default();
        self.taken += 1;
        self.position += stretch.length as u64;
        if stretch.length < LENGTH {
            // More may be there by now, but not where those behind it begin.
            self.go_on_at(self.position);
        }
        stretch
    }

    fn wants(&self) -> bool {
        self.file.is_some() && !self.short && self.waiting.len() < WAITING
    }

    /// The next one that nobody reads, to be read by who asks.
    fn claim(&mut self) -> Option<Claim> {
        let file = self.file.as_ref().filter(|_| self.wants())?;
        let ahead = self.waiting.len() as u64;
        let claim = Claim {
            file: Arc::clone(file),
            round: self.round,
            number: self.taken + ahead,
            // Those in front of it will be whole, or this one is forgotten.
            position: self.position + ahead * LENGTH as u64,
            memory: self.spare.pop().unwrap_or_default(),
            look: self.blind == 0,
            early: ahead > 0,
        };
        self.blind = self.blind.saturating_sub(1);
        self.waiting.push_back(None);
        Some(claim)
    }

    /// Note what was seen in one that was looked at.
    fn note(&mut self, lacks: bool) {
        self.been_blind = match lacks {
            true => 0,
            false => (2 * self.been_blind + 1).min(BLIND),
        };
        self.blind = self.been_blind;
    }

    fn give_back(&mut self, memory: Vec<u8>) {
        let usual = MARGIN + LENGTH <= memory.len() && memory.capacity() <= 2 * LENGTH;
        if self.spare.len() <= WAITING && usual {
            self.spare.push(memory);
        }
    }
}

impl Claim {
    fn read(self) -> Stretch {
        let Self {
            file,
            position,
            mut memory,
            early,
            ..
        } = self;
        if memory.is_empty() {
            // The system's zeros: not written before they are read into.
            memory = vec![0; MARGIN + LENGTH];
        }
        let mut stretch = Stretch {
            memory,
            early,
            ..Stretch::default()
        };
        let mut room = &mut stretch.memory[MARGIN..MARGIN + LENGTH];
        while !room.is_empty() {
            match file.read_at(room, position + stretch.length as u64) {
                Ok(0) => break,
                Ok(count) => {
                    room = &mut room[count..];
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

    /// All stretches up to the end.
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
        // What is read ahead by now ends here, and goes on in the middle of what comes.
        written.write_all(&bytes[LENGTH + 5..]).unwrap();
        assert!(all(&stretches) == bytes);
    }

    #[test]
    fn what_was_no_end_when_all_in_front_was_read_is_none() {
        let bytes = numbers(2 * LENGTH + 5);
        let (mut written, read) = file("no-end", &[]);
        let stretches = Stretches::default();
        stretches.turn_to(Some(read), 0);
        let first = stretches.lock().claim().unwrap();
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
        for (front, behind, said, expected) in [
            ("hay", "hay", [true, true], true),
            ("hay", "hay", [false, true], true),
            ("hay", "hay", [true, false], false),
            ("a seek", "hay", [false, true], false),
            ("hay s", "eek hay", [true, true], false),
            ("hay see", "k", [true, true], false),
            ("", "eek", [true, true], true),
        ] {
            let pieces = [front.as_bytes(), behind.as_bytes()];
            assert_eq!(stretches.lack(pieces, said), expected, "{front}|{behind}");
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
        let look = Arc::clone(&looked);
        let stretches = Stretches::new(Some(Sought {
            lacks: Box::new(move |_| {
                look.store(true, Ordering::Relaxed);
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
