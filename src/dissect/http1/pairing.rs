//! *Pairing*: which request a response responds to.
//!
//! HTTP/1 has no key: responses come in the order of the requests (RFC 9112 section 9.3.2). So, as long as every message was
//! captured, they are counted. What was lost cannot be counted; but TCP's numbers tell more than the order:
//!
//! - a request's acknowledgement number is how much of the response stream its client had received. If the client waited for
//!   all earlier responses, its own begins exactly there;
//! - a response's acknowledgement number is how much of the request stream its server had received. It does not respond to
//!   what lies behind that.
//!
//! Each request has an index, and the responses that began are counted. With both exact, the response of that index is the
//! one. Behind lost responses the count has bounds, which often meet. Behind lost requests it has none, and the next request
//! is paired by its acknowledgement number alone, unless the client was seen to pipeline: then nothing decides, and nothing
//! is paired.

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
pub(super) struct Asked {
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

    /// How many requests of at least `shortest` bytes begin in it, if it ends where one begins, at `end`; and the least number
    /// if that is not known.
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
    asked: Asked,
    /// How many requests came before it, at least.
    index: u64,
    /// Its index is comparable with those of the same run: behind lost requests another one begins.
    run: u32,
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

/// Requests that there is room for before there is one.
const FEW: usize = 4;
/// The shortest request: `GET / HTTP/1.0` with two line ends.
const SHORTEST: u64 = 18;
/// No final response is as short as an interim one may be: `HTTP/1.1 100 Continue` with two line ends, and some more.
const INTERIM: u64 = 32;

/// As good as certain.
const PROVEN: u8 = 3;

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
    /// So many exchanges in which nobody ran ahead bear it out that the run `counted` begins where nothing was open. [`PROVEN`] where that
    /// is certain, since the connection began there.
    proven: u8,
    /// The request of the response that has just begun had been sent by a client that had received all in front of that.
    plain: bool,
    /// The client was seen to send a request before it had the responses to the earlier ones.
    pipelines: bool,
    /// The client pipelines, and it was only assumed where its requests and their responses stand.
    adrift: bool,
    /// Some of `open` have [`Seen::Raw`].
    unplaced: bool,
    /// Requests may have been missed behind the last one.
    missed: Option<Missed>,
    /// Where the last request began, unless something unknown came behind it, and its acknowledgement number.
    last: Option<u64>,
    last_acks: Option<u32>,
    /// Bytes of the shortest request.
    shortest: u64,
    /// Of the responses that began before anything of the request stream was there: the last acknowledgement number.
    early: Option<u32>,
    /// The index behind the last request that there was no room for.
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
            proven: PROVEN,
            plain: false,
            pipelines: false,
            adrift: false,
            unplaced: false,
            missed: None,
            last: None,
            last_acks: None,
            shortest: u64::MAX,
            early: None,
            unkept: 0,
            interims: false,
            counts: true,
            unsure: false,
        }
    }
}

impl Pairing {
    /// Forgets everything, and keeps the room of a few requests.
    pub(super) fn renew(&mut self) {
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
        // Where anything begins that may have been asked.
        let first = self
            .missed
            .map_or(Some((stand.place.offset, 0)), |missed| missed.range);
        if let (Some(acks), Some((first, _))) = (self.early.take(), first)
            && stand.place.of(acks) <= first.cast_signed()
        {
            // The responses before it respond to nothing.
            self.begun = 0;
        }
        self.measure(stand.place.offset);
        let received = stand.received();
        if self.is_ahead(stand, received) {
            self.runs_ahead();
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
            asked: Asked {
                exchange,
                method: Method::Other,
            },
            index,
            run: self.run,
            start: stand.place.offset.cast_signed(),
            seen,
        });
    }

    /// The method of the last request is known now.
    pub(super) fn name(&mut self, exchange: u64, method: Method) {
        if let Some(last) = self.open.back_mut()
            && last.asked.exchange == exchange
        {
            last.asked.method = method;
        }
    }

    /// The request that a response which begins now responds to, if that is certain.
    pub(super) fn asked(&mut self, stand: &Stand) -> Option<Asked> {
        (self.counts, self.unsure) = (true, false);
        if stand.other.is_none() {
            self.early = stand.acks;
        }
        if self.unplaced {
            self.place(stand.place);
        }
        let (at, received) = (stand.place.offset.cast_signed(), stand.received());
        if self.exact
            && let Some(first) = self.open.front()
            && self.waits(first)
            && first.index == self.begun
            && first.is_possible(at, received)
        {
            self.plain = first.seen.at() == Some(at);
            return Some(first.asked);
        }
        self.plain = false;
        let asked = self.decide(at, received, stand.other);
        self.unsure = asked.is_none() && self.counts && self.may_answer(at, received);
        asked
    }

    /// Whether the response that began last responds to one of several requests, and which is not certain.
    pub(super) fn is_unsure(&self) -> bool {
        self.unsure
    }

    /// The final response to the request `asked` (or to one that is not known) has begun.
    pub(super) fn answered(&mut self, asked: Option<Asked>, stats: &mut DissectStats) {
        let Some(asked) = asked else {
            self.begun = self.begun.saturating_add(u64::from(self.counts));
            return;
        };
        let exchange = asked.exchange;
        let Some(at) = self
            .open
            .iter()
            .position(|open| open.asked.exchange == exchange)
        else {
            return;
        };
        stats.unanswered = stats.unanswered.saturating_sub(1);
        // The responses to those in front of it are over.
        if let Some(open) = self.open.drain(..=at).next_back() {
            self.begun = open.index.saturating_add(1);
            (self.counted, self.exact) = (open.run, true);
            self.proven = PROVEN.min(self.proven.saturating_add(u8::from(self.plain)));
        }
    }

    /// The response that has begun is an interim one.
    pub(super) fn interim(&mut self) {
        self.interims = true;
    }

    /// Requests may have been missed behind those that began.
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

    /// The client does not wait for responses. If it was only assumed which of them are still to come, nothing is known any more.
    fn runs_ahead(&mut self) {
        self.pipelines = true;
        if self.proven < PROVEN {
            (self.adrift, self.exact) = (true, false);
        }
    }

    /// Whether a request is one of those whose responses are still to come, by its index.
    fn waits(&self, open: &Open) -> bool {
        self.exact && open.run == self.counted && open.index >= self.begun
    }

    /// A request begins at `start`: how long the last one was, or how many may lie between.
    fn measure(&mut self, start: u64) {
        let last = self.last.replace(start);
        let Some(missed) = self.missed.take() else {
            if let Some(last) = last {
                self.shortest = self.shortest.min(start.saturating_sub(last));
            }
            return;
        };
        let shortest = match self.shortest {
            u64::MAX => SHORTEST,
            shortest => shortest,
        };
        let lost = missed.requests(start, shortest);
        let (Ok(least) | Err(least)) = lost;
        self.next = self.next.saturating_add(least);
        if lost.is_err() {
            self.run = self.run.wrapping_add(1);
        }
    }

    /// Whether a request that begins was sent although an earlier one had no response yet.
    fn is_ahead(&self, stand: &Stand, received: Option<i64>) -> bool {
        let alike = stand.acks.is_some() && stand.acks == self.last_acks;
        let counted = self.exact && self.run == self.counted && self.next > self.begun;
        let seen = |place: Place| received.is_some_and(|at| at <= place.offset.cast_signed());
        alike || (counted && stand.other.is_some_and(seen))
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

    /// [`Self::asked`] where the next request in order is not the one.
    #[cold]
    fn decide(&mut self, at: i64, received: Option<i64>, other: Option<Place>) -> Option<Asked> {
        if self.adrift {
            return None;
        }
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
            // To nothing that was asked; or to more than was, if that was only assumed to be all.
            self.counts = false;
            if self.proven < PROVEN {
                self.runs_ahead();
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
                let asked = open.asked;
                self.exact = true;
                return Some(asked);
            }
        }
        self.by_number(at, received)
    }

    /// Whether a response may be that of an open request.
    fn may_answer(&self, at: i64, received: Option<i64>) -> bool {
        let over = |open: &Open| open.run == self.counted && open.index < self.begun;
        let mut open = self.open.iter();
        open.any(|open| !over(open) && open.is_possible(at, received))
    }

    /// The request whose client had received exactly what comes before this response.
    fn by_number(&mut self, at: i64, received: Option<i64>) -> Option<Asked> {
        let number = self
            .open
            .iter()
            .position(|open| open.seen.at() == Some(at))?;
        let open = *self.open.get(number)?;
        if self.exact && open.index > self.begun {
            // More requests came before it than responses: it did not wait for all of them.
            self.runs_ahead();
        }
        if self.pipelines || !open.is_possible(at, received) {
            return None;
        }
        self.open.drain(..number);
        if open.run != self.counted {
            self.proven = 0;
        }
        (self.begun, self.counted, self.exact) = (open.index, open.run, true);
        self.counts = true;
        Some(open.asked)
    }
}

impl Open {
    /// Whether a response at `at`, whose server had `received` so much of the request stream, may be its.
    fn is_possible(&self, at: i64, received: Option<i64>) -> bool {
        self.seen.at().is_none_or(|seen| seen <= at)
            && received.is_none_or(|received| self.start < received)
    }
}

#[cfg(test)]
mod tests;
