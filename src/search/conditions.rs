//! Conditions on exchanges: what their facts and fields must be, apart from the text that must
//! match. Evaluation is a pure function of the [`Evidence`] collected so far.
//!
//! Conditions refer to facts and fields by name and to no protocol. Some are decided by the
//! request, others only by the response or after a delay.

use std::ops::RangeInclusive;

use crate::exchange::Evidence;
use crate::message::{Description, Role};

/// Conditions on an exchange. All of them must hold.
#[derive(Clone, Debug, Default)]
pub struct Conditions {
    /// Conditions on facts of the request or the response.
    pub facts: Vec<FactIs>,
    /// Conditions on header fields: one of the exchange's messages must have the field. At most
    /// [`FIELDS`].
    pub fields: Vec<FieldIs>,
    /// Minimum delay between request and response, in nanoseconds.
    pub slow: Option<i64>,
    /// If set, only messages of this role are searched and shown.
    pub only: Option<Role>,
}

/// Maximum number of conditions on fields: each has one bit in [`Evidence`].
pub const FIELDS: usize = 32;

/// A condition on the value of a fact.
#[derive(Clone, Debug)]
pub struct FactIs {
    /// Role of the message that has the fact.
    pub side: Role,
    /// Name of the fact.
    pub name: &'static str,
    /// Test that its value must pass.
    pub test: Test,
}

/// A condition on the presence, and optionally the value, of a header field.
#[derive(Clone, Debug)]
pub struct FieldIs {
    /// Name of the field, in any case.
    pub name: String,
    /// Pattern that its value must match, if any.
    pub value: Option<regex::bytes::Regex>,
}

/// Test for the value of a fact. Several values are alternatives.
#[derive(Clone, Debug)]
pub enum Test {
    /// A number in one of these ranges.
    Number(Vec<RangeInclusive<u64>>),
    /// One of these words, in any case.
    Word(Vec<String>),
    /// The pattern is found in the value before its first `?`.
    Path(regex::bytes::Regex),
    /// One of the patterns matches the whole value without its `:port` suffix.
    Host(Vec<regex::bytes::Regex>),
}

/// Result of evaluating the conditions against the evidence so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// All conditions hold.
    Holds,
    /// A condition fails, whatever follows.
    Fails,
    /// Undecided: the result depends on evidence still to come.
    Open,
}

impl Conditions {
    /// Whether there are no conditions.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.is_of_no_exchange() && self.only.is_none()
    }

    /// Whether there are conditions on exchanges and both of their messages are shown.
    #[must_use]
    pub fn are_of_exchanges(&self) -> bool {
        !self.is_of_no_exchange() && self.only.is_none()
    }

    fn is_of_no_exchange(&self) -> bool {
        self.facts.is_empty() && self.fields.is_empty() && self.slow.is_none()
    }

    /// Whether messages of this role are searched and shown.
    #[must_use]
    pub fn admits(&self, side: Role) -> bool {
        match self.only {
            Some(only) => only == side,
            None => side != Role::Single || self.is_of_no_exchange(),
        }
    }

    /// Records what the head of a message decides, as far as the head was kept.
    pub fn learn(&self, evidence: &mut Evidence, side: Role, head: &[u8], about: &Description) {
        let facts = self.facts.iter().filter(|fact| fact.side == side);
        let holds = facts.fold(true, |holds, fact| {
            let value = about.facts.iter().find(|known| known.name == fact.name);
            holds && value.is_some_and(|value| fact.test.holds(&value.value))
        });
        match side {
            Role::Request => evidence.asked = Some(holds),
            Role::Response => evidence.answered = Some(holds),
            Role::Single => {}
        }
        for (name, value) in &about.fields {
            let name = head.get(name.clone()).unwrap_or_default();
            let value = head.get(value.clone()).unwrap_or_default();
            for (at, field) in self.fields.iter().enumerate() {
                let named = field.name.as_bytes().eq_ignore_ascii_case(name);
                if named && field.value.as_ref().is_none_or(|it| it.is_match(value)) {
                    evidence.fields |= 1_u32.checked_shl(at as u32).unwrap_or(0);
                }
            }
        }
    }

    /// Records that the response began `nanos` nanoseconds after the request.
    pub fn waited(&self, evidence: &mut Evidence, nanos: i64) {
        evidence.slow = self.slow.map(|least| nanos >= least);
    }

    /// Evaluates the conditions against the evidence so far.
    #[must_use]
    pub fn outcome(&self, known: &Evidence) -> Outcome {
        let has = |side: Role| self.facts.iter().any(|fact| fact.side == side);
        let facts = |side: Role, known: Option<bool>| known.or((!has(side)).then_some(true));
        let answered = known.answered.is_some();
        let all = 1_u32
            .checked_shl(self.fields.len() as u32)
            .map_or(u32::MAX, |bit| bit.saturating_sub(1));
        let parts = [
            // A request that was not captured fails conditions on its facts.
            facts(Role::Request, known.asked).or(answered.then_some(false)),
            facts(Role::Response, known.answered),
            (known.fields & all == all)
                .then_some(true)
                .or(answered.then_some(false)),
            self.slow
                .map_or(Some(true), |_| known.slow.or(answered.then_some(false))),
        ];
        if parts.contains(&Some(false)) {
            Outcome::Fails
        } else if parts.contains(&None) {
            Outcome::Open
        } else {
            Outcome::Holds
        }
    }

    /// Whether a request without a response may be shown after `nanos` nanoseconds of waiting:
    /// nothing collected so far contradicts the conditions.
    #[must_use]
    pub fn holds_unanswered(&self, known: &Evidence, nanos: i64) -> bool {
        let slow = self.slow.is_none_or(|least| nanos >= least);
        let asked =
            known.asked == Some(true) || !self.facts.iter().any(|it| it.side == Role::Request);
        slow && asked && self.outcome(known) != Outcome::Fails
    }
}

impl Test {
    fn holds(&self, value: &str) -> bool {
        match self {
            Self::Number(ranges) => value
                .parse()
                .is_ok_and(|number: u64| ranges.iter().any(|range| range.contains(&number))),
            Self::Word(words) => words.iter().any(|word| word.eq_ignore_ascii_case(value)),
            Self::Path(pattern) => {
                // The request target sent to a proxy is absolute: `http://host/path`.
                let path = value.split_once("://").map_or(value, |(_, rest)| {
                    rest.find('/').map_or("/", |at| &rest[at..])
                });
                let path = path.split('?').next().unwrap_or_default();
                pattern.is_match(path.as_bytes())
            }
            Self::Host(patterns) => {
                // The colons in `[::1]:80` before the last one are part of the address.
                let bare = match value.rsplit_once(':') {
                    Some((bare, port))
                        if port.bytes().all(|byte| byte.is_ascii_digit())
                            && (!bare.contains(':') || bare.ends_with(']')) =>
                    {
                        bare
                    }
                    _ => value,
                };
                patterns.iter().any(|it| it.is_match(bare.as_bytes()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Fact;

    fn description(name: &'static str, value: &str) -> Description {
        Description {
            facts: vec![Fact {
                name,
                value: value.into(),
                summary: false,
                many: false,
                literal: false,
            }],
            fields: vec![(0..6, 8..9)],
            ..Description::default()
        }
    }

    const HEAD: &[u8] = b"Accept: x";

    #[test]
    fn an_exchange_stands_by_what_is_known_of_it() {
        let conditions = Conditions {
            facts: vec![
                FactIs {
                    side: Role::Request,
                    name: "method",
                    test: Test::Word(vec!["get".into()]),
                },
                FactIs {
                    side: Role::Response,
                    name: "status",
                    test: Test::Number(vec![500..=599, 404..=404]),
                },
            ],
            ..Conditions::default()
        };
        let asked = |method: &str| {
            let mut evidence = Evidence::default();
            conditions.learn(
                &mut evidence,
                Role::Request,
                HEAD,
                &description("method", method),
            );
            evidence
        };
        assert_eq!(conditions.outcome(&Evidence::default()), Outcome::Open);
        assert_eq!(conditions.outcome(&asked("POST")), Outcome::Fails);
        assert_eq!(conditions.outcome(&asked("GET")), Outcome::Open);
        assert!(conditions.holds_unanswered(&asked("GET"), 0));
        assert!(!conditions.holds_unanswered(&asked("POST"), 0));
        for (status, outcome) in [("404", Outcome::Holds), ("200", Outcome::Fails)] {
            let mut evidence = asked("GET");
            conditions.learn(
                &mut evidence,
                Role::Response,
                HEAD,
                &description("status", status),
            );
            assert_eq!(conditions.outcome(&evidence), outcome);
            evidence.asked = None;
            assert_eq!(conditions.outcome(&evidence), Outcome::Fails, "no question");
        }
    }

    #[test]
    fn a_field_may_be_in_either_message() {
        let conditions = Conditions {
            fields: vec![FieldIs {
                name: "ACCEPT".into(),
                value: None,
            }],
            ..Conditions::default()
        };
        let none = Description::default();
        let some = description("x", "y");
        for (request, response, outcome) in [
            (&some, &none, Outcome::Holds),
            (&none, &some, Outcome::Holds),
            (&none, &none, Outcome::Fails),
        ] {
            let mut evidence = Evidence::default();
            conditions.learn(&mut evidence, Role::Request, HEAD, request);
            conditions.learn(&mut evidence, Role::Response, HEAD, response);
            assert_eq!(conditions.outcome(&evidence), outcome);
        }
    }

    #[test]
    fn slow_is_known_when_the_answer_begins_or_never() {
        let conditions = Conditions {
            slow: Some(100),
            ..Conditions::default()
        };
        let mut evidence = Evidence::default();
        assert_eq!(conditions.outcome(&evidence), Outcome::Open);
        assert!(conditions.holds_unanswered(&evidence, 100));
        assert!(!conditions.holds_unanswered(&evidence, 99));
        conditions.waited(&mut evidence, 100);
        assert_eq!(conditions.outcome(&evidence), Outcome::Holds);
        conditions.waited(&mut evidence, 99);
        assert_eq!(conditions.outcome(&evidence), Outcome::Fails);
    }

    #[test]
    fn hosts_have_no_port_and_paths_no_query() {
        let regex = |pattern: &str| regex::bytes::Regex::new(pattern).unwrap();
        let host = Test::Host(vec![regex(r"^(?i:.*\.example)$"), regex(r"^\[::1\]$")]);
        for (value, want) in [
            ("a.example", true),
            ("a.EXAMPLE:8080", true),
            ("example", false),
            ("[::1]:80", true),
            ("[::1]", true),
        ] {
            assert_eq!(host.holds(value), want, "{value}");
        }
        let path = Test::Path(regex("^/a$"));
        assert!(path.holds("/a?b") && path.holds("http://x/a") && !path.holds("/b?/a"));
    }
}
