//! Two exchanges that ask for the same, found while they come: of different programs if there are such, else the first two.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use super::exchange::Exchange;

/// Things asked for that are remembered, and what that may take; the oldest is forgotten first.
const THINGS: usize = 1024;
const ROOM: usize = 32 << 20;

/// What was asked for so far.
#[derive(Default)]
pub(super) struct Candidates {
    /// The first exchange that asked for each thing.
    first: HashMap<String, Rc<Exchange>>,
    order: VecDeque<String>,
    size: usize,
    /// The first two that asked for the same.
    alike: Option<(Rc<Exchange>, Rc<Exchange>)>,
    forgotten: u64,
}

/// What became of an exchange.
pub(super) enum Became {
    /// It is the first that was seen.
    First,
    /// It asks for the same as this one, and is of the same program.
    Alike(Rc<Exchange>),
    /// It is to be compared with this one.
    Other(Rc<Exchange>, Rc<Exchange>),
    /// It is nothing new.
    Nothing,
}

impl Candidates {
    pub(super) fn take(&mut self, exchange: Exchange) -> Became {
        if let Some(first) = self.first.get(&exchange.asks) {
            let (first, exchange) = (Rc::clone(first), Rc::new(exchange));
            if first.program != exchange.program {
                return Became::Other(first, exchange);
            }
            if self.alike.is_some() {
                return Became::Nothing;
            }
            self.alike = Some((Rc::clone(&first), exchange));
            return Became::Alike(first);
        }
        self.size += exchange.size();
        self.order.push_back(exchange.asks.clone());
        self.first.insert(exchange.asks.clone(), Rc::new(exchange));
        while self.order.len() > THINGS || (self.size > ROOM && self.order.len() > 1) {
            let oldest = self.order.pop_front();
            if let Some(oldest) = oldest.and_then(|asks| self.first.remove(&asks)) {
                self.size = self.size.saturating_sub(oldest.size());
                self.forgotten += 1;
            }
        }
        match self.first.len() {
            1 => Became::First,
            _ => Became::Nothing,
        }
    }

    /// The first two that asked for the same, when no others are to come.
    pub(super) fn alike(&mut self) -> Option<(Rc<Exchange>, Rc<Exchange>)> {
        self.alike.take()
    }

    /// How many things are no longer remembered.
    pub(super) const fn forgotten(&self) -> u64 {
        self.forgotten
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(number: u64, path: &str, program: &str) -> Exchange {
        let mut made = Exchange::made(
            number,
            &format!("GET {path} HTTP/1.1\r\n\r\n"),
            "HTTP/1.1 200 OK\r\n\r\n",
        );
        program.clone_into(&mut made.program);
        made
    }

    #[test]
    fn another_program_is_waited_for() {
        let mut candidates = Candidates::default();
        assert!(matches!(
            candidates.take(exchange(1, "/", "browser")),
            Became::First
        ));
        assert!(matches!(
            candidates.take(exchange(2, "/icon", "browser")),
            Became::Nothing
        ));
        assert!(
            matches!(candidates.take(exchange(3, "/", "browser")), Became::Alike(first) if first.number == 1)
        );
        assert!(matches!(
            candidates.take(exchange(4, "/", "browser")),
            Became::Nothing
        ));
        assert!(matches!(candidates.take(exchange(5, "/", "curl")),
            Became::Other(a, b) if (a.number, b.number) == (1, 5)));
        let (a, b) = candidates.alike().unwrap();
        assert_eq!((a.number, b.number), (1, 3));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut candidates = Candidates::default();
        for number in 0..3000 {
            candidates.take(exchange(number, &format!("/{number}"), "x"));
        }
        assert_eq!(
            (candidates.first.len(), candidates.forgotten()),
            (THINGS, 3000 - THINGS as u64)
        );
        let sizes: usize = candidates.first.values().map(|it| it.size()).sum();
        assert_eq!(candidates.size, sizes);
    }
}
