//! Compares two exchanges (`--diff`), or the exchanges of two files, and prints what differs.
//! Memory is bounded whatever the input; exchanges that exceed it are counted and reported as not
//! compared.
//!
//! Values that differ between any two exchanges (`Date`, ids) are shown dimmed and do not count as
//! differences, so that two runs of the same program compare as equal. [`exchange`] holds what is
//! kept of an exchange; [`fields`] and [`bodies`] compare it, the latter by [`tree`] or by
//! [`lines`]; [`page`] lays out the result and [`likely_cause`] explains it; [`candidates`] and
//! [`file_pairs`] select what is compared. Only the comparison of heads depends on HTTP.

mod bodies;
mod candidates;
mod exchange;
mod fields;
mod file_pairs;
mod likely_cause;
mod lines;
mod page;
mod row;
mod secrets;
mod tree;

use std::collections::VecDeque;
use std::io;
use std::rc::Rc;

use crate::hit::{Hit, Pair};
use crate::stats::Stats;

use super::parts::no_exchange;
use super::style::{Paint, painted};
use super::{
    Banner, Ending, Out, OutputArgument, OutputEnd, OutputFormat, OutputValue, Renderer, Secrets,
    Settings, Wants,
};
use candidates::{Added, Candidates};
use exchange::Exchange;
use file_pairs::{FilePairs, Paired};
use page::{Comparison, Verdict};

/// `--diff[=A,B]`.
pub(super) const OUTPUT: OutputFormat = OutputFormat {
    value: OutputValue::Numbers,
    help: "Show what differs between two exchanges, by their numbers, or between two capture files",
    examples: &[
        (
            "--diff 1,2",
            "what differs between two exchanges, by their numbers",
        ),
        ("--diff A.pcap B.pcap", "what differs between two captures"),
    ],
    words: "what differs",
    secrets: Secrets::Compared,
    is_whole: true,
    ends: OutputEnd::Complete,
    ..OutputFormat::new("diff", |settings, argument, out| {
        let numbers = match argument {
            OutputArgument::Numbers(numbers) => numbers,
            _ => None,
        };
        Box::new(Diff::new(settings, numbers, out))
    })
};

/// The `--diff` output.
pub(super) struct Diff {
    settings: Settings,
    out: Out,
    selection: Selection,
    /// Names of the inputs read so far.
    inputs: Vec<String>,
    /// Highest exchange number seen.
    last: u64,
    outcome: Option<Result<bool, String>>,
    news: VecDeque<String>,
}

/// Which exchanges are compared.
enum Selection {
    /// The exchanges with these numbers; with two files, one of each.
    Numbers([u64; 2], [Option<Rc<Exchange>>; 2]),
    /// The first two exchanges with the same method and URL.
    SameUrl(Candidates),
    /// All exchanges of two files.
    Files(FilePairs),
}

/// Maximum number of status messages that are queued.
const NEWS: usize = 8;

impl Diff {
    fn new(settings: Settings, numbers: Option<(u64, u64)>, out: Out) -> Self {
        let (selection, news) = match numbers {
            Some((a, b)) => (
                Selection::Numbers([a, b], [None, None]),
                Some(format!("waiting for exchanges #{a} and #{b} ...")),
            ),
            None if settings.two_runs => (Selection::Files(FilePairs::default()), None),
            None => (
                Selection::SameUrl(Candidates::default()),
                Some("waiting for two requests to the same URL ...".into()),
            ),
        };
        Self {
            settings,
            out,
            selection,
            inputs: Vec::new(),
            last: 0,
            outcome: None,
            news: news.into_iter().collect(),
        }
    }

    fn announce(&mut self, news: String) {
        if self.news.len() < NEWS {
            self.news.push_back(news);
        }
    }

    /// Compares two exchanges, writes the result and finishes.
    fn compare(&mut self, a: &Exchange, b: &Exchange) -> io::Result<()> {
        let comparison = Comparison::of(a, b, self.settings.redact);
        comparison.write(&self.settings, self.out.text());
        self.outcome = Some(match comparison.verdict() {
            Verdict::Same => Ok(true),
            Verdict::Different => Ok(false),
            Verdict::Unsure => Err(UNSURE.into()),
        });
        self.out.record()
    }

    fn numbered(&mut self, pair: &Pair<'_>) -> io::Result<()> {
        let (run, two_runs) = (self.inputs.len(), self.settings.two_runs);
        let file = self.inputs.last().filter(|_| two_runs).cloned();
        let Selection::Numbers(wanted, found) = &mut self.selection else {
            return Ok(());
        };
        let mut got = None;
        for (side, (number, slot)) in wanted.iter().zip(found.iter_mut()).enumerate() {
            if pair.number == *number && (!two_runs || run == side + 1) {
                let exchange = Rc::new(Exchange::of(pair, file.as_deref()));
                got = Some(format!("got #{number} {}", exchange.method_url));
                *slot = Some(exchange);
            }
        }
        if let [Some(a), Some(b)] = found {
            let (a, b) = (Rc::clone(a), Rc::clone(b));
            return self.compare(&a, &b);
        }
        if let Some(got) = got {
            self.announce(format!("{got}, waiting for the other one ..."));
        }
        Ok(())
    }

    fn candidate(&mut self, pair: &Pair<'_>) -> io::Result<()> {
        let Selection::SameUrl(candidates) = &mut self.selection else {
            return Ok(());
        };
        let exchange = Exchange::of(pair, None);
        let (number, method_url) = (exchange.number, exchange.method_url.clone());
        match candidates.add(exchange) {
            Added::First => self.announce(format!("got #{number} {method_url}, waiting for another one ...")),
            Added::SameProgram(first) => self.announce(format!(
                "got #{number}, from the same program as #{}; waiting for another program (Ctrl-C compares these two)",
                first.number
            )),
            Added::Compare(a, b) if a.number > b.number => return self.compare(&b, &a),
            Added::Compare(a, b) => return self.compare(&a, &b),
            Added::Ignored => {}
        }
        Ok(())
    }

    /// Compares the exchanges of two files, once both have been read.
    fn compare_files(&mut self) -> io::Result<()> {
        let Selection::Files(pairs) = &mut self.selection else {
            return Ok(());
        };
        let (paired, left_out) = (pairs.compare(), pairs.left_out());
        let mut worst = match left_out {
            0 => Verdict::Same,
            _ => Verdict::Unsure,
        };
        let settings = &self.settings;
        let out = self.out.text();
        let mut listed = false;
        for paired in paired {
            let (sign, paint, exchange) = match &paired {
                Paired::Both(a, b) => {
                    let comparison = Comparison::of(a, b, settings.redact);
                    let verdict = comparison.verdict();
                    if verdict != Verdict::Same {
                        if !out.is_empty() {
                            out.push(b'\n');
                        }
                        comparison.write(settings, out);
                        listed = false;
                    }
                    worst = worst.max(verdict);
                    continue;
                }
                Paired::OnlyFirst(a) => ('-', Paint::OnlyA, a),
                Paired::OnlySecond(b) => ('+', Paint::OnlyB, b),
            };
            worst = Verdict::Different;
            // Consecutive unpaired exchanges form a list without blank lines.
            if !std::mem::replace(&mut listed, true) && !out.is_empty() {
                out.push(b'\n');
            }
            let method_url = secrets::display(settings.redact, b"", exchange.method_url.as_bytes());
            painted(settings.color, Some(paint), out, |out| {
                settings.escape.write_str(
                    &format!("{sign} only in {}: #{} ", exchange.origin, exchange.number),
                    out,
                );
                settings.escape.write(&method_url, out);
            });
            out.push(b'\n');
        }
        self.outcome = Some(match (worst, left_out) {
            (Verdict::Same, _) => Ok(true),
            (Verdict::Different, _) => Ok(false),
            (Verdict::Unsure, 0) => Err(UNSURE.into()),
            (Verdict::Unsure, many) => Err(format!(
                "the files have too many exchanges: {many} were not compared; compare less of them: --host, --path, a filter"
            )),
        });
        self.out.record()
    }

    /// Why no comparison was made.
    fn failure(&self) -> String {
        match &self.selection {
            Selection::Numbers(wanted, found) => {
                let mut missing = wanted
                    .iter()
                    .zip(found)
                    .filter(|(_, found)| found.is_none());
                let number = missing.next().map_or(0, |(number, _)| *number);
                no_exchange(number, self.last)
            }
            Selection::SameUrl(candidates) => match candidates.evicted() {
                0 => "no two exchanges ask for the same; name two by their numbers: --diff 1,2"
                    .into(),
                many => format!(
                    "no two exchanges ask for the same; {many} were dropped to bound memory: name two by their numbers, --diff 1,2"
                ),
            },
            Selection::Files(_) => "there are no two files to compare".into(),
        }
    }
}

/// Reported if no difference was found but not everything was compared.
const UNSURE: &str = "the same as far as they were kept; to keep more: --max-body 10M";

impl Renderer for Diff {
    fn begin(&mut self, banner: &Banner) -> io::Result<()> {
        let name = banner.source.strip_prefix("input: ");
        self.inputs.push(name.unwrap_or(&banner.source).to_owned());
        self.last = 0;
        Ok(())
    }

    fn hit(&mut self, hit: &Hit<'_>) -> io::Result<()> {
        self.last = self.last.max(hit.number);
        Ok(())
    }

    fn pair(&mut self, pair: &Pair<'_>) -> io::Result<()> {
        if self.outcome.is_some() {
            return Ok(());
        }
        self.last = self.last.max(pair.number);
        let file = self.inputs.last().cloned();
        let second = self.inputs.len() > 1;
        match &mut self.selection {
            Selection::Numbers(..) => self.numbered(pair),
            Selection::SameUrl(_) if pair.request.is_none() => Ok(()),
            Selection::SameUrl(_) => self.candidate(pair),
            Selection::Files(pairs) => {
                pairs.add(second, Exchange::of(pair, file.as_deref()));
                Ok(())
            }
        }
    }

    fn is_done(&self) -> bool {
        self.outcome.is_some()
    }

    fn outcome(&self) -> Option<Result<bool, String>> {
        Some(self.outcome.clone().unwrap_or_else(|| Err(self.failure())))
    }

    fn end(&mut self, why: &Ending) -> io::Result<()> {
        // Exchanges that only one file has are unknown then.
        if self.settings.two_runs && self.outcome.is_none() && *why == Ending::Stopped {
            self.outcome = Some(Err("stopped before both files were read".into()));
        }
        Ok(())
    }

    fn news(&mut self) -> Option<String> {
        self.news.pop_front()
    }

    fn finish(&mut self, _stats: &Stats) -> io::Result<()> {
        let over = !self.settings.two_runs || self.inputs.len() > 1;
        if over && self.outcome.is_none() {
            match &mut self.selection {
                Selection::SameUrl(candidates) => {
                    if let Some((a, b)) = candidates.same_url() {
                        self.compare(&a, &b)?;
                    }
                }
                Selection::Files(_) => self.compare_files()?,
                Selection::Numbers(..) => {}
            }
        }
        self.out.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn wants(&self) -> Wants {
        self.settings.wants_exchanges()
    }
}
