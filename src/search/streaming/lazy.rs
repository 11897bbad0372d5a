//! The lazy DFA: states are built when a text leads to them, and cached up to a size limit. It
//! finds the same matches as the dense one, in linear time.
//!
//! The cache may be emptied before the next bytes of an open message arrive, so a message holds not
//! only a cached state but also the set of NFA states that it stands for ([`Set`]). Where texts
//! lead to ever new states, caching is in vain, and each step is computed for a while.

use std::cell::{Cell, RefCell, RefMut};
use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use regex_automata::util::primitives::StateID;

use super::machine::Machine;
use super::sets::{Before, Scratch, Set, Sets};
use crate::limits;

/// A lazy automaton.
#[derive(Debug)]
pub(super) struct Lazy {
    sets: Sets,
    /// Class of each byte: bytes that no pattern distinguishes share one. The end of a text is the
    /// last class.
    classes: Box<[u8; 256]>,
    end: usize,
    /// Base-2 logarithm of the entries in a row of the table.
    shift: u32,
    /// What each byte is as look-behind context; all are `Other` if the pattern does not look
    /// around.
    before: Box<[Before; 256]>,
    /// What the start of a text is as look-behind context.
    at_start: Before,
    /// Size limit of the cache in bytes.
    capacity: usize,
    cache: RefCell<Cache>,
    /// Number of messages whose undecided matches were dropped.
    forgotten: Cell<u64>,
}

/// A state in the table: its row, and two flag bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Id(u32);

impl Id {
    /// The transition is not computed yet. Row 0 belongs to no state.
    const UNKNOWN: Self = Self(0);
    /// A match ends before the byte that led to the state.
    const MATCH: u32 = 1;
    /// No match has begun in the state.
    const START: u32 = 2;
    /// The state that is computed step by step and has no row: transitions to it are never stored.
    const COMPUTED: Self = Self::row(1);

    const fn row(row: u32) -> Self {
        Self(row << 2)
    }

    const fn at(self) -> usize {
        (self.0 >> 2) as usize
    }

    const fn plain(self) -> Self {
        Self(self.0 & !Self::MATCH)
    }
}

/// Number of reserved rows at the start of the table.
const FIRST: usize = 2;

/// The states built so far.
#[derive(Debug)]
struct Cache {
    /// One row for each state: the transition for each class of bytes.
    table: Vec<Id>,
    /// The set of each row.
    sets: Vec<Arc<Set>>,
    rows: HashMap<Arc<Set>, Id, RandomState>,
    /// The start state after each kind of byte.
    starts: [Id; Before::ALL.len()],
    /// How often the cache was emptied.
    generation: u32,
    /// Approximate memory use in bytes.
    size: usize,
    scratch: Scratch,
    /// The set that is computed step by step, and the number of steps for which it still is.
    computed: (Vec<StateID>, Before),
    steps: usize,
    /// Bytes searched since the cache was emptied.
    read: usize,
}

/// What an open message holds: the set, and its cached state, which is valid until the cache is
/// emptied.
#[derive(Clone, Debug)]
pub(super) struct Held {
    set: Arc<Set>,
    generation: u32,
    id: Id,
}

impl Held {
    /// Whether no match has begun.
    pub(super) fn is_start(&self) -> bool {
        self.id.0 & Id::START != 0
    }

    #[cfg(test)]
    pub(super) fn set(&self) -> impl std::fmt::Debug + '_ {
        (self.set.states(), self.set.before())
    }
}

/// Bytes per new state below which the cache does not pay off, and the number of bytes for which it
/// is then bypassed.
const WORTH: usize = 10;
const COMPUTE: usize = 64 << 10;

impl Lazy {
    pub(super) fn new(sets: Sets) -> Self {
        Self::with_capacity(sets, limits::AUTOMATON)
    }

    pub(super) fn with_capacity(sets: Sets, capacity: usize) -> Self {
        let of = sets.nfa().byte_classes();
        let mut classes = Box::new([0; 256]);
        for (byte, class) in (0..=255).zip(classes.iter_mut()) {
            *class = of.get(byte);
        }
        let places = of.alphabet_len().next_power_of_two();
        let look = sets.nfa().look_set_any();
        let looks = !look.is_empty();
        let mut before = Box::new([Before::Other; 256]);
        for (byte, before) in (0..=255).zip(before.iter_mut()) {
            // Bytes of one class share transitions, so they are told apart only where the pattern
            // does.
            *before = match Before::of(byte) {
                Before::Word if !look.contains_word() => Before::Other,
                Before::Feed if !look.contains_anchor_line() => Before::Other,
                Before::Return if !look.contains_anchor_crlf() => Before::Other,
                before => before,
            };
        }
        let cache = Cache {
            table: Vec::new(),
            sets: Vec::new(),
            rows: HashMap::default(),
            starts: [Id::UNKNOWN; Before::ALL.len()],
            generation: 0,
            size: 0,
            scratch: sets.scratch(),
            computed: (Vec::new(), Before::Other),
            steps: 0,
            read: 0,
        };
        let lazy = Self {
            classes,
            end: of.alphabet_len() - 1,
            shift: places.trailing_zeros(),
            before,
            at_start: match looks {
                true => Before::Nothing,
                false => Before::Other,
            },
            capacity,
            cache: RefCell::new(cache),
            forgotten: Cell::new(0),
            sets,
        };
        lazy.running().empty();
        lazy
    }

    /// Number of messages whose undecided matches were dropped because of the memory limit.
    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten.get()
    }

    #[cfg(test)]
    pub(super) fn alive(&self) -> usize {
        self.sets.alive()
    }

    pub(super) fn running(&self) -> Running<'_> {
        Running {
            lazy: self,
            cache: self.cache.borrow_mut(),
        }
    }

    /// The state at the start of a text.
    pub(super) fn start(&self) -> Held {
        let mut running = self.running();
        let id = running.at_start();
        running.hold(id)
    }

    /// The state after a byte when no match has begun.
    pub(super) fn start_after(&self, byte: u8) -> Held {
        let mut running = self.running();
        let id = running.start_after(byte);
        running.hold(id)
    }

    /// Whether a match ends before a byte, or with the text.
    pub(super) fn ends_before(&self, held: &Held, byte: Option<u8>) -> bool {
        let scratch = &mut self.cache.borrow_mut().scratch;
        let set = &held.set;
        self.sets.step(scratch, set.states(), set.before(), byte)
    }
}

/// A lazy DFA with its cache borrowed.
pub(super) struct Running<'a> {
    lazy: &'a Lazy,
    cache: RefMut<'a, Cache>,
}

impl Running<'_> {
    /// Resumes a message, of which `len` more bytes follow.
    pub(super) fn take_up(&mut self, held: &Held, len: usize) -> Id {
        self.cache.read = self.cache.read.saturating_add(len);
        if held.generation == self.cache.generation {
            return held.id;
        }
        self.state(Arc::clone(&held.set))
    }

    /// Returns what an open message holds of a state until it is resumed.
    pub(super) fn hold(&mut self, id: Id) -> Held {
        let mut id = id.plain();
        if id == Id::COMPUTED {
            let (states, before) = &self.cache.computed;
            let set = self.lazy.sets.keep(states, *before);
            let set = Arc::new(set);
            id = self.state(Arc::clone(&set));
            if id == Id::COMPUTED {
                return self.bounded(set, id);
            }
        }
        let set = Arc::clone(&self.cache.sets[id.at()]);
        self.bounded(set, id)
    }

    /// Limits the memory of sets that only open messages hold: above the limit, the message drops
    /// its undecided match.
    fn bounded(&mut self, set: Arc<Set>, id: Id) -> Held {
        let capacity = self.lazy.capacity.saturating_add(limits::BEGUN_MATCHES);
        let mut held = Held {
            set,
            // A set without a row is looked up again.
            generation: match id == Id::COMPUTED {
                true => self.cache.generation.wrapping_sub(1),
                false => self.cache.generation,
            },
            id,
        };
        if !held.is_start() && self.lazy.sets.alive() > capacity {
            self.lazy.forgotten.set(self.lazy.forgotten.get() + 1);
            let id = self.start_after(0);
            held = Held {
                set: Arc::clone(&self.cache.sets[id.at()]),
                generation: self.cache.generation,
                id,
            };
        }
        held
    }

    /// Empties the cache except for the start states, whose ids do not change.
    fn empty(&mut self) {
        let cache = &mut *self.cache;
        let made = cache.sets.len();
        if made > 0 && cache.read < WORTH * made {
            cache.steps = COMPUTE;
        }
        cache.read = 0;
        cache.generation = cache.generation.wrapping_add(1);
        cache.rows.clear();
        cache.sets.clear();
        cache.table.clear();
        cache.table.resize(FIRST << self.lazy.shift, Id::UNKNOWN);
        cache.size = 0;
        let idle = Arc::new(self.lazy.sets.idle(self.lazy.at_start));
        // The reserved rows belong to no state, so their sets are never looked up.
        self.cache.sets.extend([Arc::clone(&idle), idle]);
        for before in Before::ALL {
            let kept = self.lazy.at_start == Before::Nothing || before == Before::Other;
            let set = Arc::new(self.lazy.sets.idle(before));
            self.cache.starts[before as usize] = match kept {
                true => self.add(set),
                false => Id::UNKNOWN,
            };
        }
    }

    /// Returns the state of a set; [`Id::COMPUTED`] while the cache is bypassed.
    fn state(&mut self, set: Arc<Set>) -> Id {
        if let Some(id) = self.cache.rows.get(&set) {
            return *id;
        }
        let row = size_of::<Id>() << self.lazy.shift;
        if self.cache.steps == 0 && self.cache.size + set.size() + row > self.lazy.capacity {
            self.empty();
            if let Some(id) = self.cache.rows.get(&set) {
                return *id;
            }
        }
        if self.cache.steps > 0 {
            let (states, before) = &mut self.cache.computed;
            states.clear();
            states.extend_from_slice(set.states());
            *before = set.before();
            return Id::COMPUTED;
        }
        self.add(set)
    }

    fn add(&mut self, set: Arc<Set>) -> Id {
        let start = match self.lazy.sets.is_idle(set.states()) {
            true => Id::START,
            false => 0,
        };
        let cache = &mut *self.cache;
        let id = Id(Id::row(cache.sets.len() as u32).0 | start);
        let row = 1 << self.lazy.shift;
        cache.size += set.size() + row * size_of::<Id>();
        cache.table.resize(cache.table.len() + row, Id::UNKNOWN);
        cache.sets.push(Arc::clone(&set));
        cache.rows.insert(set, id);
        id
    }

    /// Computes a transition that is not in the table: for a byte, or the end of the text.
    #[cold]
    #[inline(never)]
    fn make(&mut self, state: Id, byte: Option<u8>) -> Id {
        let lazy = self.lazy;
        let cache = &mut *self.cache;
        let computed = state.plain() == Id::COMPUTED;
        let matched = if computed {
            let (states, before) = &cache.computed;
            lazy.sets.step(&mut cache.scratch, states, *before, byte)
        } else {
            let set = &cache.sets[state.at()];
            let before = set.before();
            lazy.sets
                .step(&mut cache.scratch, set.states(), before, byte)
        };
        let matched = if matched { Id::MATCH } else { 0 };
        let class = byte.map_or(lazy.end, |byte| {
            usize::from(lazy.classes[usize::from(byte)])
        });
        // Nothing follows the end: only whether a match ends there is needed.
        let before = byte.map_or(lazy.at_start, |byte| lazy.before[usize::from(byte)]);
        let generation = cache.generation;
        let next = if byte.is_none() || lazy.sets.is_idle(cache.scratch.next()) {
            cache.starts[before as usize]
        } else if computed && cache.steps > 0 {
            cache.steps -= 1;
            cache.computed.0.clear();
            cache.computed.0.extend_from_slice(cache.scratch.next());
            cache.computed.1 = before;
            Id::COMPUTED
        } else {
            let set = lazy.sets.keep(cache.scratch.next(), before);
            self.state(Arc::new(set))
        };
        let next = Id(next.0 | matched);
        if !computed && next.plain() != Id::COMPUTED && self.cache.generation == generation {
            self.cache.table[state.at() << lazy.shift | class] = next;
        }
        next
    }
}

impl Machine for Running<'_> {
    type State = Id;

    #[inline]
    fn next(&mut self, state: Id, byte: u8) -> Id {
        let class = usize::from(self.lazy.classes[usize::from(byte)]);
        match self.cache.table.get(state.at() << self.lazy.shift | class) {
            Some(next) if *next != Id::UNKNOWN => *next,
            _ => self.make(state, Some(byte)),
        }
    }

    #[inline]
    fn is_special(&self, state: Id) -> bool {
        state.0 & (Id::MATCH | Id::START) != 0
    }

    #[inline]
    fn is_start(&self, state: Id) -> bool {
        state.0 & (Id::MATCH | Id::START) == Id::START
    }

    #[inline]
    fn is_match(&self, state: Id) -> bool {
        state.0 & Id::MATCH != 0
    }

    fn ends(&mut self, state: Id) -> bool {
        let known = self
            .cache
            .table
            .get(state.at() << self.lazy.shift | self.lazy.end);
        let ended = match known {
            Some(next) if *next != Id::UNKNOWN => *next,
            _ => self.make(state, None),
        };
        self.is_match(ended)
    }

    #[inline]
    fn at_start(&self) -> Id {
        self.cache.starts[self.lazy.at_start as usize]
    }

    #[inline]
    fn start_after(&self, byte: u8) -> Id {
        self.cache.starts[self.lazy.before[usize::from(byte)] as usize]
    }

    fn leaves(&self, _state: Id) -> &[u8] {
        &[]
    }
}
