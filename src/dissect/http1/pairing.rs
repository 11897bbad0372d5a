//! *Pairing*: which request a response responds to.
//!
//! HTTP/1 has no key: responses come in the order of the requests (RFC 9112 section 9.3.2). So, as
//! long as every message was captured, they are counted. What was lost cannot be counted; but TCP's
//! numbers determine more than the order:
//!
//! - a request's acknowledgement number is how much of the response stream its client had received.
//!   If the client waited for all earlier responses, its own begins exactly there;
//! - a response's acknowledgement number is how much of the request stream its server had received.
//!   It does not respond to anything after that.
//!
//! Each request has an index, and the responses that began are counted. With both exact, the
//! response of that index is the one. After lost responses the count has bounds, which often meet.
//! After lost requests it has none, and the next request is paired by its acknowledgement number,
//! as far as the client's [`Habit`] allows. Where nothing decides, nothing is paired.
//!
//! Whether a client waits, no single number shows: one that always keeps some requests open sends
//! each one exactly where a response begins. So a pair by number is certain only after a row of
//! exchanges that were counted from the start of the connection, each of which did wait. Otherwise
//! that pair, and those counted from it, are likely and carry a mark.

use std::collections::VecDeque;

use super::super::{Missed, Place};
use crate::stats::DissectStats;

/// What must be known of a request's method to read its response.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Method {
    /// The response has no body.
    Head,
    /// The response may open a tunnel.
    Connect,
    /// Any other, or not known.
    #[default]
    Other,
}

impl Method {
    /// By its name.
    pub(super) fn of(name: &[u8]) -> Self {
        match name {
            b"HEAD" => Self::Head,
            b"CONNECT" => Self::Connect,
            _ => Self::Other,
        }
    }
}

/// The request of a response.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct OpenRequest {
    /// Its exchange.
    pub(super) exchange: u64,
    /// Its method.
    pub(super) method: Method,
}

/// Where the first byte of a message stands in both streams.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stand {
    /// Its own place.
    pub(super) place: Place,
    /// It is the first byte of its segment.
    pub(super) at_segment_start: bool,
    /// The acknowledgement number of its segment.
    pub(super) acks: Option<u32>,
    /// The place of the next byte of the other direction, once a byte of that was delivered.
    pub(super) other: Option<Place>,
}

impl Stand {
    /// How much of the other stream the sender had received.
    fn received(&self) -> Option<i64> {
        Some(self.other?.of(self.acks?))
    }
}

impl Missed {
    /// How many there are, if they were not captured.
    fn len(self) -> Option<u64> {
        self.range.map(|(from, to)| to.saturating_sub(from))
    }

    /// How many requests of at least `shortest` bytes begin in it, if it ends where one begins, at
    /// `end`; and the least number if that is not known.
    fn requests(self, end: u64, shortest: u64) -> Result<u64, u64> {
        let least = u64::from(self.boundary);
        // Some shorter than any before them, and one of which the first bytes are in front of it.
        let most = shortest.saturating_mul(1 + 2 * least) / 2;
        match self.range {
            Some((_, to)) if to == end && self.len().is_some_and(|len| len < most) => Ok(least),
            _ => Err(least),
        }
    }
}

/// A request without a final response.
#[derive(Clone, Copy, Debug)]
struct Open {
    request: OpenRequest,
    /// How many requests came before it, at least.
    index: u64,
    /// Its index is comparable with those of the same run: after lost requests another one begins.
    run: u32,
    /// It is the first one of that.
    first: bool,
    /// It was sent at once with the end of the one before it: its client had received nothing in
    /// between.
    with_last: bool,
    /// Offset of its first byte.
    start: i64,
    /// How much of the response stream its client had received.
    seen: Seen,
}

/// An acknowledgement number of a request.
#[derive(Clone, Copy, Debug)]
enum Seen {
    /// As an offset of the response stream.
    At(i64),
    /// As sent: the place of the response stream was not known.
    Raw(u32),
    /// There is none.
    Unknown,
}

impl Seen {
    fn at(self) -> Option<i64> {
        match self {
            Self::At(at) => Some(at),
            Self::Raw(_) | Self::Unknown => None,
        }
    }
}

/// When a client sends its next request.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
enum Habit {
    /// When it has all responses, as far as was seen.
    #[default]
    Waits,
    /// Some at once, and the next ones when it has all responses.
    Batches,
    /// Whenever it likes. Its requests look as if they had waited, when the one before the last is
    /// responded to: no number tells.
    Slides,
}

/// Initial capacity for open requests.
const FEW: usize = 4;
/// The shortest request: `GET / HTTP/1.0` with two line ends.
const SHORTEST: u64 = 18;
/// No final response is as short as an interim one may be: `HTTP/1.1 100 Continue` with two line
/// ends, and some more.
const INTERIM: u64 = 32;
/// So many counted exchanges, each of which waited for the one before it, are a habit.
const HABIT: u8 = 2;

/// The requests of a flow that wait for their responses.
#[derive(Debug)]
pub(super) struct Pairing {
    open: VecDeque<Open>,
    /// The index and the run of the next request.
    next: u64,
    run: u32,
    /// How many final responses began, at least, in the indices of the run `counted`.
    begun: u64,
    counted: u32,
    /// That is exact: no response was lost since the last pair.
    exact: bool,
    /// The run `counted` began at this index. `None`: with the connection, so that it is certain
    /// that nothing was open then.
    assumed: Option<u64>,
    habit: Habit,
    /// Requests that waited for all earlier responses, as a certain count shows; at most [`HABIT`].
    waited: u8,
    /// The count began at a point that is certain.
    certain: bool,
    /// Some of `open` have [`Seen::Raw`].
    unplaced: bool,
    /// Requests may have been missed after the last one.
    missed: Option<Missed>,
    /// Where the last request began, unless something unknown came after it, and the
    /// acknowledgement number of its last segment.
    last: Option<u64>,
    last_acks: Option<u32>,
    /// Bytes of the shortest request.
    shortest: u64,
    /// Where the last response began, and its acknowledgement number.
    latest: Option<(i64, u32)>,
    /// That of the last response that began before anything of the request stream was there.
    early: Option<u32>,
    /// The index after the last request that exceeded the limit.
    unkept: u64,
    /// An interim response was seen: a hole may hold one.
    interims: bool,
    /// The response that begins now is counted.
    counts: bool,
    /// It responds to one of the open requests, and which is not certain.
    unsure: bool,
}

impl Default for Pairing {
    fn default() -> Self {
        Self {
            open: VecDeque::new(),
            next: 0,
            run: 0,
            begun: 0,
            counted: 0,
            exact: true,
            assumed: None,
            habit: Habit::Waits,
            waited: 0,
            certain: true,
            unplaced: false,
            missed: None,
            last: None,
            last_acks: None,
            shortest: u64::MAX,
            latest: None,
            early: None,
            unkept: 0,
            interims: false,
            counts: true,
            unsure: false,
        }
    }
}

impl Pairing {
    /// Bytes of memory that the open requests take.
    pub(super) fn held(&self) -> usize {
        self.open.capacity().saturating_mul(size_of::<Open>())
    }

    /// Clears the state, and keeps the capacity for a few requests.
    pub(super) fn reset(&mut self) {
        let mut open = std::mem::take(&mut self.open);
        open.clear();
        open.shrink_to(FEW);
        *self = Self {
            open,
            ..Self::default()
        };
    }

    /// A request begins; at most `limit` are remembered.
    pub(super) fn ask(
        &mut self,
        exchange: u64,
        stand: &Stand,
        limit: usize,
        stats: &mut DissectStats,
    ) {
        stats.unanswered = stats.unanswered.saturating_add(1);
        if self.early.is_some() {
            self.look_back(stand.place);
        }
        let first = self.measure(stand.place.offset);
        let received = stand.received();
        let with_last =
            !stand.at_segment_start || (stand.acks.is_some() && stand.acks == self.last_acks);
        if with_last {
            self.habit = self.habit.max(Habit::Batches);
        } else {
            self.look_ahead(stand, received);
        }
        self.last_acks = stand.acks;
        let seen = match (received, stand.acks) {
            (Some(at), _) => Seen::At(at),
            (None, Some(acks)) => Seen::Raw(acks),
            (None, None) => Seen::Unknown,
        };
        let index = self.next;
        self.next = index.saturating_add(1);
        if self.open.len() >= limit {
            if self.open.front().is_some_and(|first| self.waits(first)) {
                self.unkept = self.next;
                return;
            }
            // Its response was lost, most likely.
            self.open.pop_front();
        }
        if self.open.capacity() == 0 {
            self.open.reserve_exact(1);
        }
        self.unplaced |= matches!(seen, Seen::Raw(_));
        self.open.push_back(Open {
            request: OpenRequest {
                exchange,
                method: Method::Other,
            },
            index,
            run: self.run,
            first,
            with_last,
            start: stand.place.offset.cast_signed(),
            seen,
        });
    }

    /// The last request ends with a segment of this acknowledgement number.
    pub(super) fn request_ends(&mut self, acks: Option<u32>) {
        self.last_acks = acks.or(self.last_acks);
    }

    /// The method of the last request is known now.
    pub(super) fn name(&mut self, exchange: u64, method: Method) {
        if let Some(last) = self.open.back_mut()
            && last.request.exchange == exchange
        {
            last.request.method = method;
        }
    }

    /// The request that a response which begins now responds to, if that is certain.
    pub(super) fn request(&mut self, stand: &Stand) -> Option<OpenRequest> {
        (self.counts, self.unsure) = (true, false);
        if stand.other.is_none() {
            self.early = stand.acks;
        }
        if self.unplaced {
            self.place(stand.place);
        }
        let (at, received) = (stand.place.offset.cast_signed(), stand.received());
        self.latest = stand.acks.map(|acks| (at, acks));
        if self.open.len() > 1 {
            self.look_after(at);
        }
        if self.exact
            && let Some(first) = self.open.front()
            && (first.index, first.run) == (self.begun, self.counted)
            && first.is_possible(at, received)
        {
            let (request, waited) = (first.request, first.seen.at().map(|seen| seen == at));
            if !first.with_last {
                match waited {
                    Some(true) if self.certain => {
                        let one = u8::from(first.index > 0);
                        self.waited = self.waited.saturating_add(one).min(HABIT);
                    }
                    Some(true) => self.certain = self.has_habit(first),
                    // An interim response may stand in front of it.
                    Some(false) if !self.interims => self.habit = Habit::Slides,
                    _ => {}
                }
            }
            return Some(request);
        }
        let request = self.decide(at, received, stand.other);
        self.unsure = request.is_none() && self.counts && self.may_response(at, received);
        request
    }

    /// Whether the response that began last responds to one of several requests, and which is not
    /// certain.
    pub(super) fn is_unsure(&self) -> bool {
        self.unsure
    }

    /// Whether the pair of the response that began last is likely, and not certain.
    pub(super) fn is_likely(&self) -> bool {
        !self.certain
    }

    /// The final response to the request `request` (or to one that is not known) has begun.
    pub(super) fn answered(&mut self, request: Option<OpenRequest>, stats: &mut DissectStats) {
        let Some(request) = request else {
            self.begun = self.begun.saturating_add(u64::from(self.counts));
            return;
        };
        let is_it = |open: &Open| open.request.exchange == request.exchange;
        let open = match self.open.front() {
            Some(first) if is_it(first) => self.open.pop_front(),
            // The responses to those in front of it are over.
            _ => match self.open.iter().position(is_it) {
                Some(at) => self.open.drain(..=at).next_back(),
                None => None,
            },
        };
        if let Some(open) = open {
            stats.unanswered = stats.unanswered.saturating_sub(1);
            self.begun = open.index.saturating_add(1);
            (self.counted, self.exact) = (open.run, true);
        }
    }

    /// The response that has begun is an interim one.
    pub(super) fn interim(&mut self) {
        self.interims = true;
    }

    /// Requests may have been missed after those that began.
    pub(super) fn lose_requests(&mut self, missed: Missed) {
        if let (Some(last), Some((from, _)), true) =
            (self.last.take(), missed.range, missed.boundary)
            && self.missed.is_none()
        {
            self.shortest = self.shortest.min(from.saturating_sub(last));
        }
        self.missed = Some(self.missed.map_or(missed, |earlier| earlier.and(missed)));
    }

    /// Responses may have been missed in front of the next one.
    pub(super) fn lose_responses(&mut self, missed: Missed) {
        self.exact = false;
        let one = missed.boundary && !self.interims;
        let one = one && missed.len().is_some_and(|len| len > INTERIM);
        self.begun = self.begun.saturating_add(u64::from(one));
    }

    /// Whether a request is one of those whose responses are still to come, by its index.
    fn waits(&self, open: &Open) -> bool {
        self.exact && open.run == self.counted && open.index >= self.begun
    }

    /// The first bytes of the request stream are there, at `place`: what responses that came before
    /// them respond to.
    #[cold]
    fn look_back(&mut self, place: Place) {
        // Where anything begins that may have been asked.
        let first = match self.missed {
            Some(missed) => missed.range,
            None => Some((place.offset, 0)),
        };
        if let (Some(acks), Some((first, _))) = (self.early.take(), first)
            && place.of(acks) <= first.cast_signed()
        {
            // To nothing.
            self.begun = 0;
        }
    }

    /// A request begins at `start`: how long the last one was, or how many may lie between. Says
    /// whether the latter is not known.
    fn measure(&mut self, start: u64) -> bool {
        let last = self.last.replace(start);
        if let Some(missed) = self.missed {
            return self.guess(missed, start);
        }
        if let Some(last) = last {
            self.shortest = self.shortest.min(start.saturating_sub(last));
        }
        false
    }

    /// A request begins at `start` after missing bytes: estimates how many requests those contain.
    /// Returns whether that number is unknown.
    #[cold]
    fn guess(&mut self, missed: Missed, start: u64) -> bool {
        self.missed = None;
        let shortest = match self.shortest {
            u64::MAX => SHORTEST,
            shortest => shortest,
        };
        let lost = missed.requests(start, shortest);
        let (Ok(least) | Err(least)) = lost;
        self.next = self.next.saturating_add(least);
        self.run = self.run.wrapping_add(u32::from(lost.is_err()));
        lost.is_err()
    }

    /// A request begins: whether it was sent although an earlier one had no response yet.
    fn look_ahead(&mut self, stand: &Stand, received: Option<i64>) {
        let (Some(seen), Some(other)) = (received, stand.other) else {
            return;
        };
        let start = stand.place.offset.cast_signed();
        // Another response had begun when this request was not there.
        let under_way = |(at, acks): (i64, u32)| at >= seen && stand.place.of(acks) <= start;
        let counted = self.exact && self.run == self.counted && self.next > self.begun;
        let there = seen <= other.offset.cast_signed();
        if self.latest.is_some_and(under_way) || (counted && there) {
            self.slides();
        }
    }

    /// A response begins at `at`: whether the request after the one that is its by the count was
    /// sent without waiting for it.
    fn look_after(&mut self, at: i64) {
        if self.exact
            && self.habit != Habit::Slides
            && let Some(next) = self.open.get(1)
            && (next.index, next.run) == (self.begun.saturating_add(1), self.counted)
            && !next.with_last
            && next.seen.at().is_some_and(|seen| seen <= at)
        {
            self.slides();
        }
    }

    /// The client does not wait for all responses.
    fn slides(&mut self) {
        self.habit = Habit::Slides;
        if self.assumed.is_some() {
            self.lose_track();
        }
    }

    /// It was wrong to assume that nothing was open where the run began.
    fn lose_track(&mut self) {
        self.exact = false;
        // None of the requests are comparable with what was counted.
        self.counted = self.run.wrapping_add(1);
        self.run = self.run.wrapping_add(2);
    }

    /// The place of the response stream is known now.
    fn place(&mut self, place: Place) {
        self.unplaced = false;
        for open in &mut self.open {
            if let Seen::Raw(acks) = open.seen {
                open.seen = Seen::At(place.of(acks));
            }
        }
    }

    /// [`Self::request`] where the next request in order is not the one.
    #[cold]
    fn decide(
        &mut self,
        at: i64,
        received: Option<i64>,
        other: Option<Place>,
    ) -> Option<OpenRequest> {
        let known = |open: &&Open| open.run == self.counted;
        // No request was lost up to where the server had received them.
        let whole = self.run == self.counted
            && self.missed.is_none()
            && received
                .zip(other)
                .is_some_and(|(received, other)| received <= other.offset.cast_signed());
        let mut open = self.open.iter().filter(known);
        let last = open.rfind(|open| received.is_some_and(|received| open.start < received));
        let over = last.is_none_or(|last| self.exact && last.index < self.begun);
        if whole && over && self.begun >= self.unkept {
            // To nothing that was asked.
            self.counts = false;
            if let Some(index) = self.assumed {
                // Or to more than was, if that was only assumed to be all.
                match self.next.saturating_sub(index) {
                    ..=1 => self.lose_track(),
                    _ => self.slides(),
                }
                return None;
            }
        }
        let mut most = if self.exact { self.begun } else { u64::MAX };
        if whole {
            most = most.min(last.map_or(0, |last| last.index));
        }
        let mut open = self.open.iter().filter(known);
        if let Some(first) = open.find(|open| open.seen.at().is_some_and(|seen| seen >= at)) {
            most = most.min(first.index);
        }
        if most == self.begun {
            let mut open = self.open.iter().filter(known);
            let exact = open.find(|open| open.index == most);
            if let Some(open) = exact.filter(|open| open.is_possible(at, received)) {
                let request = open.request;
                self.exact = true;
                return Some(request);
            }
        }
        self.by_number(at, received)
    }

    /// Whether it is certain that a request waited for the responses that its client had received,
    /// and nothing was open then.
    fn has_habit(&self, open: &Open) -> bool {
        let waits = match self.habit {
            Habit::Waits => true,
            // The first ones of its batch may be lost.
            Habit::Batches => !open.first,
            Habit::Slides => false,
        };
        waits && self.waited >= HABIT
    }

    /// Whether a response may be that of an open request.
    fn may_response(&self, at: i64, received: Option<i64>) -> bool {
        let over = |open: &Open| open.run == self.counted && open.index < self.begun;
        let mut open = self.open.iter();
        open.any(|open| !over(open) && open.is_possible(at, received))
    }

    /// The request whose client had received exactly what comes before this response, if it waited
    /// for all of that.
    fn by_number(&mut self, at: i64, received: Option<i64>) -> Option<OpenRequest> {
        let mut open = self.open.iter();
        let number = open.position(|open| open.seen.at() == Some(at))?;
        let open = *self.open.get(number)?;
        if self.exact && open.index > self.begun {
            // More requests came before it than responses.
            self.habit = self.habit.max(Habit::Batches);
            return None;
        }
        if open.first && self.exact && self.begun == 0 {
            // It is the first one of all, and to a request that was sent before this one.
            return None;
        }
        if !open.is_possible(at, received) {
            // The response was on its way when the request came, unless that is to one that was
            // lost with it.
            if !open.first {
                self.slides();
            }
            return None;
        }
        let waits = match self.habit {
            _ if open.with_last => false,
            Habit::Waits => true,
            // The first ones of its batch may be lost, with their responses.
            Habit::Batches => !open.first || self.exact,
            Habit::Slides => false,
        };
        if !waits {
            return None;
        }
        self.open.drain(..number);
        if open.run != self.counted {
            self.assumed = Some(open.index);
        }
        (self.begun, self.counted, self.exact) = (open.index, open.run, true);
        self.counts = true;
        self.certain = self.has_habit(&open);
        Some(open.request)
    }
}

impl Open {
    /// Whether a response at `at`, whose server had `received` so much of the request stream, may
    /// be its.
    fn is_possible(&self, at: i64, received: Option<i64>) -> bool {
        self.seen.at().is_none_or(|seen| seen <= at)
            && received.is_none_or(|received| self.start < received)
    }
}

#[cfg(test)]
mod tests;
