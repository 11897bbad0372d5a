//! Pairs the exchanges of two files: those with the same method and URL are compared in order, the
//! first with the first. The others are reported as being in one file only.

use std::collections::{HashMap, VecDeque};

use super::exchange::Exchange;

/// Maximum bytes kept of both files; exchanges beyond it are counted but not compared.
const MAX_BYTES: usize = 64 << 20;

/// The exchanges of two files.
#[derive(Default)]
pub(super) struct FilePairs {
    first: Vec<Exchange>,
    second: Vec<Exchange>,
    size: usize,
    left_out: u64,
}

/// A pair of exchanges, or an exchange without a partner.
pub(super) enum Paired {
    Both(Box<Exchange>, Box<Exchange>),
    OnlyFirst(Box<Exchange>),
    OnlySecond(Box<Exchange>),
}

impl FilePairs {
    /// Keeps an exchange of the first or the second file.
    pub(super) fn add(&mut self, second: bool, exchange: Exchange) {
        if self.size + exchange.size() > MAX_BYTES {
            self.left_out += 1;
            return;
        }
        self.size += exchange.size();
        match second {
            true => self.second.push(exchange),
            false => self.first.push(exchange),
        }
    }

    /// Number of exchanges that are not compared.
    pub(super) const fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Pairs the exchanges once both files have been read: in the order of the first file, then
    /// those that only the second has.
    pub(super) fn compare(&mut self) -> Vec<Paired> {
        let (mut first, mut second) = (
            std::mem::take(&mut self.first),
            std::mem::take(&mut self.second),
        );
        // Exchanges arrive in the order in which they ended.
        first.sort_by_key(|exchange| exchange.number);
        second.sort_by_key(|exchange| exchange.number);
        let mut by_url: HashMap<String, VecDeque<Exchange>> = HashMap::new();
        for exchange in second {
            by_url
                .entry(exchange.method_url.clone())
                .or_default()
                .push_back(exchange);
        }
        let mut paired = Vec::new();
        for exchange in first {
            let other = by_url
                .get_mut(&exchange.method_url)
                .and_then(VecDeque::pop_front);
            let exchange = Box::new(exchange);
            paired.push(match other {
                Some(other) => Paired::Both(exchange, Box::new(other)),
                None => Paired::OnlyFirst(exchange),
            });
        }
        let mut left: Vec<Exchange> = by_url.into_values().flatten().collect();
        left.sort_by_key(|exchange| exchange.number);
        paired.extend(
            left.into_iter()
                .map(|exchange| Paired::OnlySecond(Box::new(exchange))),
        );
        paired
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(number: u64, path: &str) -> Exchange {
        Exchange::parsed(
            number,
            &format!("GET {path} HTTP/1.1\r\n\r\n"),
            "HTTP/1.1 200 OK\r\n\r\n",
        )
    }

    #[test]
    fn exchanges_are_paired_by_method_and_url_in_order() {
        let mut pairs = FilePairs::default();
        for (second, number, path) in [
            (false, 2, "/a"),
            (false, 1, "/a"),
            (false, 3, "/b"),
            (true, 1, "/c"),
            (true, 2, "/a"),
            (true, 3, "/a"),
            (true, 4, "/a"),
        ] {
            pairs.add(second, exchange(number, path));
        }
        let paired: Vec<String> = pairs
            .compare()
            .iter()
            .map(|paired| match paired {
                Paired::Both(a, b) => format!("{}={}", a.number, b.number),
                Paired::OnlyFirst(a) => format!("-{}", a.number),
                Paired::OnlySecond(b) => format!("+{}", b.number),
            })
            .collect();
        assert_eq!(paired, ["1=2", "2=3", "-3", "+1", "+4"]);
    }

    #[test]
    fn what_is_kept_is_bounded_and_the_rest_counted() {
        let mut pairs = FilePairs::default();
        let path = format!("/{}", "x".repeat(1 << 20));
        for number in 0..100 {
            pairs.add(false, exchange(number, &path));
        }
        assert!(pairs.left_out() > 0 && pairs.size <= MAX_BYTES);
    }
}
