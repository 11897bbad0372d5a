//! *Pairing*: which question an answer answers.
//!
//! Answers come in the order of the questions (RFC 9112 section 9.3.2), and that is all there is to go by. So once
//! questions or answers may have been lost, a pair is told only where no other is possible.

use std::collections::VecDeque;

use crate::stats::DissectStats;

/// What must be known of a request's method to read its answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Method {
    /// The answer has no body.
    Head,
    /// The answer may open a tunnel.
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

/// A question without a final answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Asked {
    /// Its exchange.
    pub(super) exchange: u64,
    /// Its method.
    pub(super) method: Method,
}

/// Questions that there is room for before there is one.
const FEW: usize = 4;

/// The questions of a flow that wait for their answers.
#[derive(Default, Debug)]
pub(super) struct Pairing {
    open: VecDeque<Asked>,
    /// Questions behind those, of which only the number is known, because there were too many.
    beyond: u64,
    /// A question may have been missed behind the open ones.
    questions_lost: bool,
    /// An answer may have been missed in front of the next one.
    answers_lost: bool,
}

impl Pairing {
    /// Forget everything, and keep the room of a few questions.
    pub(super) fn renew(&mut self) {
        let mut open = std::mem::take(&mut self.open);
        open.clear();
        open.shrink_to(FEW);
        *self = Self {
            open,
            ..Self::default()
        };
    }

    /// A question begins; at most `limit` are remembered.
    pub(super) fn ask(&mut self, exchange: u64, limit: usize, stats: &mut DissectStats) {
        if self.questions_lost {
            return;
        }
        stats.unanswered = stats.unanswered.saturating_add(1);
        if self.beyond > 0 || self.open.len() >= limit {
            self.beyond = self.beyond.saturating_add(1);
        } else {
            if self.open.capacity() == 0 {
                self.open.reserve_exact(1);
            }
            self.open.push_back(Asked {
                exchange,
                method: Method::Other,
            });
        }
    }

    /// The method of the last question is known now.
    pub(super) fn name(&mut self, exchange: u64, method: Method) {
        if let Some(last) = self
            .open
            .back_mut()
            .filter(|last| last.exchange == exchange)
        {
            last.method = method;
        }
    }

    /// The question that an answer which begins now answers, if that is certain.
    pub(super) fn asked(&mut self, stats: &mut DissectStats) -> Option<Asked> {
        if self.answers_lost {
            let only_one = self.open.len() == 1 && self.beyond == 0 && !self.questions_lost;
            if !only_one {
                if !self.open.is_empty() {
                    self.forget(stats);
                }
                return None;
            }
            self.answers_lost = false;
        }
        self.open.front().copied()
    }

    /// The final answer to the question `asked` (or to one that is not known) has begun.
    pub(super) fn answered(&mut self, asked: Option<Asked>, stats: &mut DissectStats) {
        let found = match (asked, self.open.front()) {
            (Some(asked), Some(first)) if asked.exchange == first.exchange => {
                self.open.pop_front().is_some()
            }
            (None, None) if self.beyond > 0 => {
                self.beyond = self.beyond.saturating_sub(1);
                true
            }
            _ => false,
        };
        if found {
            stats.unanswered = stats.unanswered.saturating_sub(1);
        }
    }

    /// Questions may have been missed. The open ones were asked before, so that their answers come first.
    pub(super) fn lose_questions(&mut self) {
        self.questions_lost = true;
    }

    /// Answers may have been missed.
    pub(super) fn lose_answers(&mut self) {
        self.answers_lost = true;
    }

    /// Nothing is known any more, for good: of some questions it is not known whether they were answered.
    fn forget(&mut self, stats: &mut DissectStats) {
        let forgotten = self.beyond.saturating_add(self.open.len() as u64);
        stats.unanswered = stats.unanswered.saturating_sub(forgotten);
        self.open.clear();
        self.beyond = 0;
        self.questions_lost = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(pairing: &mut Pairing, stats: &mut DissectStats) -> Option<u64> {
        let asked = pairing.asked(stats);
        pairing.answered(asked, stats);
        asked.map(|asked| asked.exchange)
    }

    #[test]
    fn answers_come_in_the_order_of_the_questions() {
        let (mut pairing, mut stats) = (Pairing::default(), DissectStats::default());
        pairing.ask(3, 256, &mut stats);
        pairing.ask(7, 256, &mut stats);
        assert_eq!(stats.unanswered, 2);
        assert_eq!(asked(&mut pairing, &mut stats), Some(3));
        assert_eq!(asked(&mut pairing, &mut stats), Some(7));
        assert_eq!(asked(&mut pairing, &mut stats), None);
        assert_eq!(stats.unanswered, 0);
    }

    #[test]
    fn questions_beyond_the_bound_are_counted_and_the_later_ones_pair_again() {
        let (mut pairing, mut stats) = (Pairing::default(), DissectStats::default());
        for exchange in 0..5 {
            pairing.ask(exchange, 2, &mut stats);
        }
        let answers: Vec<_> = (0..5).map(|_| asked(&mut pairing, &mut stats)).collect();
        assert_eq!(answers, [Some(0), Some(1), None, None, None]);
        assert_eq!(stats.unanswered, 0);
        pairing.ask(5, 2, &mut stats);
        assert_eq!(asked(&mut pairing, &mut stats), Some(5));
    }

    #[test]
    fn behind_lost_questions_only_the_earlier_ones_pair() {
        let (mut pairing, mut stats) = (Pairing::default(), DissectStats::default());
        pairing.ask(0, 256, &mut stats);
        pairing.lose_questions();
        pairing.ask(1, 256, &mut stats);
        assert_eq!(asked(&mut pairing, &mut stats), Some(0));
        assert_eq!(asked(&mut pairing, &mut stats), None);
    }

    #[test]
    fn behind_lost_answers_the_only_open_question_pairs() {
        let (mut pairing, mut stats) = (Pairing::default(), DissectStats::default());
        pairing.lose_answers();
        assert_eq!(asked(&mut pairing, &mut stats), None);
        pairing.ask(0, 256, &mut stats);
        assert_eq!(asked(&mut pairing, &mut stats), Some(0));
    }

    #[test]
    fn behind_lost_answers_two_open_questions_pair_with_nothing_for_good() {
        let (mut pairing, mut stats) = (Pairing::default(), DissectStats::default());
        pairing.ask(0, 256, &mut stats);
        pairing.lose_answers();
        pairing.ask(1, 256, &mut stats);
        assert_eq!(asked(&mut pairing, &mut stats), None);
        pairing.ask(2, 256, &mut stats);
        assert_eq!(asked(&mut pairing, &mut stats), None);
        assert_eq!(stats.unanswered, 0);
    }
}
