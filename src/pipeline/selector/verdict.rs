//! The *verdict*: what becomes of a message that ends. A pure function of facts about the message,
//! its exchange and the options, tested as a table; [`super::decide`] gathers the facts and carries
//! the verdict out.

use crate::message::Role;
use crate::search::Outcome;

/// The facts that decide about a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    /// Exchanges are shown as one record (`--pairs`).
    pub(super) pairs: bool,
    /// The role of the message.
    pub(super) side: Role,
    /// The message matches the query (with `-v`: does not), and the conditions take its side.
    pub(super) found: bool,
    /// The conditions on the exchange, as far as the exchange is known.
    pub(super) outcome: Outcome,
    /// Portions of the message were already shown.
    pub(super) portions: bool,
    /// One of these was counted as a match.
    pub(super) counted: bool,
    /// More matches may be shown (`-m`).
    pub(super) taking: bool,
}

/// What becomes of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// It is part of the record of its exchange.
    InPair,
    /// The rest of it is shown after its portions; `count`: the rest is what matches first.
    LastPortion {
        /// It is counted as a match now.
        count: bool,
    },
    /// It is shown as a match.
    Match,
    /// It is kept until its response decides the conditions.
    KeepRequest,
    /// It is shown only as the context or companion of another message.
    Unmatched,
}

/// Decides about a message.
pub(super) fn verdict(facts: &Facts) -> Verdict {
    let holds = facts.found && facts.outcome == Outcome::Holds;
    if facts.pairs && facts.side != Role::Single {
        Verdict::InPair
    } else if facts.portions {
        Verdict::LastPortion {
            count: holds && !facts.counted && facts.taking,
        }
    } else if holds && facts.taking {
        Verdict::Match
    } else if facts.found
        && facts.side == Role::Request
        && facts.outcome == Outcome::Open
        && facts.taking
    {
        Verdict::KeepRequest
    } else {
        Verdict::Unmatched
    }
}

#[cfg(test)]
mod tests {
    use super::Outcome::{Fails, Holds, Open};
    use super::Role::{Request, Response, Single};
    use super::Verdict::{InPair, KeepRequest, LastPortion, Match, Unmatched};
    use super::*;

    #[test]
    fn each_message_has_one_verdict() {
        // (options and state, role, found, conditions, verdict); p: pairs, q: portions shown,
        // c: counted, x: no more matches are shown.
        let table = [
            ("", Single, true, Holds, Match),
            ("", Single, false, Holds, Unmatched),
            ("", Request, true, Holds, Match),
            ("", Request, true, Open, KeepRequest),
            ("", Request, true, Fails, Unmatched),
            ("", Request, false, Open, Unmatched),
            ("", Response, true, Holds, Match),
            ("", Response, true, Open, Unmatched),
            ("", Response, true, Fails, Unmatched),
            ("p", Single, true, Holds, Match),
            ("p", Request, false, Open, InPair),
            ("p", Response, true, Fails, InPair),
            ("pq", Response, true, Holds, InPair),
            ("q", Response, true, Holds, LastPortion { count: true }),
            ("q", Response, false, Holds, LastPortion { count: false }),
            ("q", Response, true, Open, LastPortion { count: false }),
            ("qc", Response, true, Holds, LastPortion { count: false }),
            ("qx", Response, true, Holds, LastPortion { count: false }),
            ("x", Single, true, Holds, Unmatched),
            ("x", Request, true, Open, Unmatched),
        ];
        for (state, side, found, outcome, expected) in table {
            let facts = Facts {
                pairs: state.contains('p'),
                side,
                found,
                outcome,
                portions: state.contains('q'),
                counted: state.contains('c'),
                taking: !state.contains('x'),
            };
            assert_eq!(verdict(&facts), expected, "{facts:?}");
        }
    }
}
