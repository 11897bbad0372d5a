//! What differs between two exchanges (`--diff`), or between the exchanges of two files. It names HTTP where it compares heads.
//!
//! What differs in each two exchanges (`Date`, ids) is shown, dimmed, and is no difference: two runs of the same program are
//! to be the same. [`exchange`] is what is kept; [`fields`] and [`bodies`] compare it, the latter by [`tree`] or by [`lines`];
//! [`page`] lays it out and [`likely`] guesses; [`candidates`] and [`runs`] choose what is compared.

mod bodies;
mod candidates;
mod exchange;
mod fields;
mod likely;
mod lines;
mod page;
mod row;
mod runs;
mod secrets;
mod tree;

use std::collections::VecDeque;
use std::io;
use std::rc::Rc;

use crate::hit::{Hit, Pair};
use crate::stats::Stats;

use super::style::{Paint, painted};
use super::{Banner, Ending, Out, Renderer, Settings, Wants};
use candidates::{Became, Candidates};
use exchange::Exchange;
use page::{Comparison, Verdict};
use runs::{Runs, Said};

/// The output.
pub(super) struct Difference {
    settings: Settings,
    out: Out,
    chosen: Chosen,
    /// The names of the inputs that were begun.
    inputs: Vec<String>,
    /// The highest number seen.
    last: u64,
    outcome: Option<Result<bool, String>>,
    news: VecDeque<String>,
}

/// Which exchanges are compared.
enum Chosen {
    /// Those of these numbers, with two files each in its own.
    Numbers([u64; 2], [Option<Rc<Exchange>>; 2]),
    /// Two that ask for the same.
    Alike(Candidates),
    /// All of two files.
    Runs(Runs),
}

/// News that wait to be asked for.
const NEWS: usize = 8;

impl Difference {
    pub(super) fn new(settings: Settings, numbers: Option<(u64, u64)>, out: Out) -> Self {
        let (chosen, news) = match numbers {
            Some((a, b)) => (
                Chosen::Numbers([a, b], [None, None]),
                Some(format!("waiting for exchanges #{a} and #{b} ...")),
            ),
            None if settings.two_runs => (Chosen::Runs(Runs::default()), None),
            None => (
                Chosen::Alike(Candidates::default()),
                Some("waiting for two requests to the same URL ...".into()),
            ),
        };
        Self {
            settings,
            out,
            chosen,
            inputs: Vec::new(),
            last: 0,
            outcome: None,
            news: news.into_iter().collect(),
        }
    }

    fn tell(&mut self, news: String) {
        if self.news.len() < NEWS {
            self.news.push_back(news);
        }
    }

    /// Compare two exchanges, show what differs, and be done.
    fn compare(&mut self, a: &Exchange, b: &Exchange) -> io::Result<()> {
        let comparison = Comparison::of(a, b, self.settings.masked);
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
        let Chosen::Numbers(wanted, found) = &mut self.chosen else {
            return Ok(());
        };
        let mut got = None;
        for (side, (number, place)) in wanted.iter().zip(found.iter_mut()).enumerate() {
            if pair.number == *number && (!two_runs || run == side + 1) {
                let exchange = Rc::new(Exchange::of(pair, file.as_deref()));
                got = Some(format!("got #{number} {}", exchange.asks));
                *place = Some(exchange);
            }
        }
        if let [Some(a), Some(b)] = found {
            let (a, b) = (Rc::clone(a), Rc::clone(b));
            return self.compare(&a, &b);
        }
        if let Some(got) = got {
            self.tell(format!("{got}, waiting for the other one ..."));
        }
        Ok(())
    }

    fn candidate(&mut self, pair: &Pair<'_>) -> io::Result<()> {
        let Chosen::Alike(candidates) = &mut self.chosen else {
            return Ok(());
        };
        let exchange = Exchange::of(pair, None);
        let (number, asks) = (exchange.number, exchange.asks.clone());
        match candidates.take(exchange) {
            Became::First => self.tell(format!("got #{number} {asks}, waiting for another one ...")),
            Became::Alike(first) => self.tell(format!(
                "got #{number}, of the same program as #{}; waiting for one of another, Ctrl-C compares these two",
                first.number
            )),
            Became::Other(a, b) if a.number > b.number => return self.compare(&b, &a),
            Became::Other(a, b) => return self.compare(&a, &b),
            Became::Nothing => {}
        }
        Ok(())
    }

    /// All exchanges of two runs are there.
    fn runs(&mut self) -> io::Result<()> {
        let Chosen::Runs(runs) = &mut self.chosen else {
            return Ok(());
        };
        let (said, left_out) = (runs.compare(), runs.left_out());
        let mut worst = match left_out {
            0 => Verdict::Same,
            _ => Verdict::Unsure,
        };
        let settings = &self.settings;
        let out = self.out.text();
        let mut listed = false;
        for said in said {
            let (sign, paint, exchange) = match &said {
                Said::Both(a, b) => {
                    let comparison = Comparison::of(a, b, settings.masked);
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
                Said::OnlyFirst(a) => ('-', Paint::OnlyA, a),
                Said::OnlySecond(b) => ('+', Paint::OnlyB, b),
            };
            worst = Verdict::Different;
            // One behind the other they are a list.
            if !std::mem::replace(&mut listed, true) && !out.is_empty() {
                out.push(b'\n');
            }
            let asks = secrets::shown(settings.masked, b"", exchange.asks.as_bytes());
            painted(settings.color, Some(paint), out, |out| {
                settings.escape.write_str(
                    &format!("{sign} only in {}: #{} ", exchange.place, exchange.number),
                    out,
                );
                settings.escape.write(&asks, out);
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

    /// What stood in the way of a comparison.
    fn trouble(&self) -> String {
        match &self.chosen {
            Chosen::Numbers(wanted, found) => {
                let mut missing = wanted
                    .iter()
                    .zip(found)
                    .filter(|(_, found)| found.is_none());
                let number = missing.next().map_or(0, |(number, _)| *number);
                match self.last {
                    0 => format!("there is no exchange #{number} here; there is none at all"),
                    last if number < last => {
                        format!(
                            "#{number} is no exchange of a request and an answer, or is not among those asked for"
                        )
                    }
                    last => format!("there is no exchange #{number} here; the last is #{last}"),
                }
            }
            Chosen::Alike(candidates) => match candidates.forgotten() {
                0 => "no two exchanges ask for the same; name two by their numbers: --diff 1,2"
                    .into(),
                many => format!(
                    "no two exchanges ask for the same; {many} were forgotten before another could: name two by their numbers, --diff 1,2"
                ),
            },
            Chosen::Runs(_) => "there are no two files to compare".into(),
        }
    }
}

/// Said when no difference was found, and not everything was compared.
const UNSURE: &str = "the same as far as they were kept; to keep more: --max-body 10M";

impl Renderer for Difference {
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
        match &mut self.chosen {
            Chosen::Numbers(..) => self.numbered(pair),
            Chosen::Alike(_) if pair.question.is_none() => Ok(()),
            Chosen::Alike(_) => self.candidate(pair),
            Chosen::Runs(runs) => {
                runs.take(second, Exchange::of(pair, file.as_deref()));
                Ok(())
            }
        }
    }

    fn is_done(&self) -> bool {
        self.outcome.is_some()
    }

    fn outcome(&self) -> Option<Result<bool, String>> {
        Some(self.outcome.clone().unwrap_or_else(|| Err(self.trouble())))
    }

    fn end(&mut self, why: &Ending) -> io::Result<()> {
        // What the files have only one of is not known then.
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
            match &mut self.chosen {
                Chosen::Alike(candidates) => {
                    if let Some((a, b)) = candidates.alike() {
                        self.compare(&a, &b)?;
                    }
                }
                Chosen::Runs(_) => self.runs()?,
                Chosen::Numbers(..) => {}
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
