//! The exchanges of two runs, each in a file of its own: those that ask for the same are compared in order, the first with the
//! first, and the rest is said to be in one only.

use std::collections::{HashMap, VecDeque};

use super::exchange::Exchange;

/// What the exchanges of both runs may take; more are counted, and not compared.
const ROOM: usize = 64 << 20;

/// The exchanges of two runs.
#[derive(Default)]
pub(super) struct Runs {
    first: Vec<Exchange>,
    second: Vec<Exchange>,
    size: usize,
    left_out: u64,
}

/// What there is to say of one or two exchanges.
pub(super) enum Said {
    Both(Box<Exchange>, Box<Exchange>),
    OnlyFirst(Box<Exchange>),
    OnlySecond(Box<Exchange>),
}

impl Runs {
    /// Keep an exchange of the first or the second run.
    pub(super) fn take(&mut self, second: bool, exchange: Exchange) {
        if self.size + exchange.size() > ROOM {
            self.left_out += 1;
            return;
        }
        self.size += exchange.size();
        match second {
            true => self.second.push(exchange),
            false => self.first.push(exchange),
        }
    }

    /// How many exchanges are not compared.
    pub(super) const fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Both runs are over: what there is to say, in the first one's order, and then what only the second has.
    pub(super) fn compare(&mut self) -> Vec<Said> {
        let (mut first, mut second) = (
            std::mem::take(&mut self.first),
            std::mem::take(&mut self.second),
        );
        // They come in the order in which they were over.
        first.sort_by_key(|exchange| exchange.number);
        second.sort_by_key(|exchange| exchange.number);
        let mut asked: HashMap<String, VecDeque<Exchange>> = HashMap::new();
        for exchange in second {
            asked
                .entry(exchange.asks.clone())
                .or_default()
                .push_back(exchange);
        }
        let mut said = Vec::new();
        for exchange in first {
            let other = asked.get_mut(&exchange.asks).and_then(VecDeque::pop_front);
            let exchange = Box::new(exchange);
            said.push(match other {
                Some(other) => Said::Both(exchange, Box::new(other)),
                None => Said::OnlyFirst(exchange),
            });
        }
        let mut left: Vec<Exchange> = asked.into_values().flatten().collect();
        left.sort_by_key(|exchange| exchange.number);
        said.extend(
            left.into_iter()
                .map(|exchange| Said::OnlySecond(Box::new(exchange))),
        );
        said
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(number: u64, path: &str) -> Exchange {
        Exchange::made(
            number,
            &format!("GET {path} HTTP/1.1\r\n\r\n"),
            "HTTP/1.1 200 OK\r\n\r\n",
        )
    }

    #[test]
    fn exchanges_are_paired_by_what_they_ask_for_in_order() {
        let mut runs = Runs::default();
        for (second, number, path) in [
            (false, 2, "/a"),
            (false, 1, "/a"),
            (false, 3, "/b"),
            (true, 1, "/c"),
            (true, 2, "/a"),
            (true, 3, "/a"),
            (true, 4, "/a"),
        ] {
            runs.take(second, exchange(number, path));
        }
        let said: Vec<String> = runs
            .compare()
            .iter()
            .map(|said| match said {
                Said::Both(a, b) => format!("{}={}", a.number, b.number),
                Said::OnlyFirst(a) => format!("-{}", a.number),
                Said::OnlySecond(b) => format!("+{}", b.number),
            })
            .collect();
        assert_eq!(said, ["1=2", "2=3", "-3", "+1", "+4"]);
    }

    #[test]
    fn what_is_kept_is_bounded_and_the_rest_counted() {
        let mut runs = Runs::default();
        let path = format!("/{}", "x".repeat(1 << 20));
        for number in 0..100 {
            runs.take(false, exchange(number, &path));
        }
        assert!(runs.left_out() > 0 && runs.size <= ROOM);
    }
}
