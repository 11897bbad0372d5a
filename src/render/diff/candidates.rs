//! Finds two exchanges with the same method and URL as they arrive. Prefers two of different
//! programs, otherwise takes the first two.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use super::exchange::Exchange;

/// Maximum number of remembered URLs and of their bytes; the oldest is evicted first.
const MAX_URLS: usize = 1024;
const MAX_BYTES: usize = 32 << 20;

/// Exchanges seen so far, by method and URL.
#[derive(Default)]
pub(super) struct Candidates {
    /// First exchange of each method and URL.
    first: HashMap<String, Rc<Exchange>>,
    order: VecDeque<String>,
    size: usize,
    /// First two exchanges with the same method and URL.
    same_url: Option<(Rc<Exchange>, Rc<Exchange>)>,
    evicted: u64,
}

/// Result of adding an exchange.
pub(super) enum Added {
    /// The first exchange of all.
    First,
    /// Has the same method, URL and program as this earlier one.
    SameProgram(Rc<Exchange>),
    /// These two are to be compared.
    Compare(Rc<Exchange>, Rc<Exchange>),
    /// Nothing to report.
    Ignored,
}

impl Candidates {
    pub(super) fn add(&mut self, exchange: Exchange) -> Added {
        if let Some(first) = self.first.get(&exchange.method_url) {
            let (first, exchange) = (Rc::clone(first), Rc::new(exchange));
            if first.program != exchange.program {
                return Added::Compare(first, exchange);
            }
            if self.same_url.is_some() {
                return Added::Ignored;
            }
            self.same_url = Some((Rc::clone(&first), exchange));
            return Added::SameProgram(first);
        }
        self.size += exchange.size();
        self.order.push_back(exchange.method_url.clone());
        self.first
            .insert(exchange.method_url.clone(), Rc::new(exchange));
        while self.order.len() > MAX_URLS || (self.size > MAX_BYTES && self.order.len() > 1) {
            let oldest = self.order.pop_front();
            if let Some(oldest) = oldest.and_then(|method_url| self.first.remove(&method_url)) {
                self.size = self.size.saturating_sub(oldest.size());
                self.evicted += 1;
            }
        }
        match self.first.len() {
            1 => Added::First,
            _ => Added::Ignored,
        }
    }

    /// Takes the first two with the same method and URL, for when no more exchanges will come.
    pub(super) fn same_url(&mut self) -> Option<(Rc<Exchange>, Rc<Exchange>)> {
        self.same_url.take()
    }

    /// Number of evicted exchanges.
    pub(super) const fn evicted(&self) -> u64 {
        self.evicted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(number: u64, path: &str, program: &str) -> Exchange {
        let mut parsed = Exchange::parsed(
            number,
            &format!("GET {path} HTTP/1.1\r\n\r\n"),
            "HTTP/1.1 200 OK\r\n\r\n",
        );
        program.clone_into(&mut parsed.program);
        parsed
    }

    #[test]
    fn another_program_is_preferred() {
        let mut candidates = Candidates::default();
        assert!(matches!(
            candidates.add(exchange(1, "/", "browser")),
            Added::First
        ));
        assert!(matches!(
            candidates.add(exchange(2, "/icon", "browser")),
            Added::Ignored
        ));
        assert!(
            matches!(candidates.add(exchange(3, "/", "browser")), Added::SameProgram(first) if first.number == 1)
        );
        assert!(matches!(
            candidates.add(exchange(4, "/", "browser")),
            Added::Ignored
        ));
        assert!(matches!(candidates.add(exchange(5, "/", "curl")),
            Added::Compare(a, b) if (a.number, b.number) == (1, 5)));
        let (a, b) = candidates.same_url().unwrap();
        assert_eq!((a.number, b.number), (1, 3));
    }

    #[test]
    fn memory_is_bounded() {
        let mut candidates = Candidates::default();
        for number in 0..3000 {
            candidates.add(exchange(number, &format!("/{number}"), "x"));
        }
        assert_eq!(
            (candidates.first.len(), candidates.evicted()),
            (MAX_URLS, 3000 - MAX_URLS as u64)
        );
        let sizes: usize = candidates.first.values().map(|it| it.size()).sum();
        assert_eq!(candidates.size, sizes);
    }
}
