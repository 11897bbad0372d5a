//! A message as data: the fields of `match` and `context`. All records have the same fields in the
//! same order, except for `failure`.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::flow::Endpoint;
use crate::frame::Timestamp;
use crate::frame_files::FramePlace;
use crate::hit::{Heading, Hit, Portion, Why};
use crate::message::{Decoding, Fact, Role};
use crate::packet::protocol;
use crate::process::{Ends, Process};
use crate::times::Times;

use super::failure;
use super::layout::Layout;
use super::line::Line;

/// A message to be written.
pub(super) struct Record<'a> {
    pub(super) hit: &'a Hit<'a>,
    /// Whether its text was kept.
    pub(super) kept: bool,
    /// Whether secrets are redacted: then only redacted text and fields are written.
    pub(super) masked: bool,
    /// Whether the processes are written.
    pub(super) who: bool,
    /// Its frames.
    pub(super) frames: &'a Frames,
}

/// The frames of a record.
pub(super) struct Frames {
    pub(super) places: Vec<FramePlace>,
    /// Several files are read.
    pub(super) several: bool,
}

impl Frames {
    /// Writes the numbers of the frames in their files, and of the files if there are several.
    pub(super) fn write(&self, line: &mut Line<'_>) {
        line.key("frames").array(|line| {
            for place in &self.places {
                line.number(place.frame);
            }
        });
        if self.several {
            line.key("files").array(|line| {
                for place in &self.places {
                    line.number(place.file as u64);
                }
            });
        }
    }
}

impl Record<'_> {
    /// Writes all fields. Each record has the same ones in the same order, so readers can treat all
    /// alike.
    pub(super) fn write(&self, line: &mut Line<'_>, moments: &mut Moments) {
        let hit = self.hit;
        let layout = Layout::of(hit);
        match hit.number {
            // A packet without payload has no number.
            0 => line.key("id").null(),
            number => line.key("id").number(number),
        }
        let kind = match hit.why {
            Why::Empty => "empty",
            Why::Match | Why::Context => hit.kind.name,
        };
        line.key("kind").string(kind);
        line.key("time").string(moments.text(hit.heading.ts));
        match self.kept {
            true => line.key("began").string(moments.text(hit.began)),
            false => line.key("began").null(),
        }
        line.key("flow").object(|line| flow(line, &hit.heading));
        if self.who {
            ends(line, &hit.who, self.masked);
        }
        self.frames.write(line);
        self.http(line, &layout);
        self.facts(line);
        self.body(line, &layout);
        line.key("excerpts").array(|line| {
            for excerpt in &layout.excerpts {
                line.object(|line| {
                    line.key("start").number(excerpt.at);
                    line.text_or_bytes(excerpt.bytes);
                });
            }
        });
        line.key("gaps").array(|line| {
            for gap in &layout.gaps {
                line.object(|line| {
                    line.key("where").string(part(gap.in_head));
                    line.key("offset").number(gap.at);
                    line.key("length").number(gap.len);
                    line.key("reason").string(gap.reason.name());
                });
            }
        });
        line.key("incomplete").bool(hit.incomplete);
        self.marks(line, &layout);
        line.key("portion").string_or_null(match hit.portion {
            Portion::Whole => None,
            Portion::First => Some("first"),
            Portion::Next => Some("next"),
            Portion::Last => Some("last"),
        });
        line.key("submatches").array(|line| {
            for place in layout.places(hit) {
                line.object(|line| {
                    line.key("where").string(part(place.in_head));
                    line.key("match").bytes(place.bytes);
                    let end = place.at.saturating_add(place.bytes.len() as u64);
                    line.key("start").number(place.at);
                    line.key("end").number(end);
                });
            }
        });
        match hit.kind.side {
            Role::Response => line.key("timing").object(|line| timing(line, hit)),
            Role::Request | Role::Single => line.key("timing").null(),
        }
        // The only optional field.
        if let Some(failed) = &hit.failed {
            failure::member(failed, line, |_| ());
        }
    }

    /// Writes the fields of HTTP's head. Portions after the first have no head.
    fn http(&self, line: &mut Line<'_>, layout: &Layout<'_>) {
        let hit = self.hit;
        if !is_http(hit) || layout.head.is_empty() {
            return line.key("http").null();
        }
        let fact = |name: &str| {
            let mut facts = hit.facts.iter();
            let fact = facts.find(|fact| fact.name == name)?;
            Some(fact.value.as_str())
        };
        let text =
            |range: &std::ops::Range<usize>| layout.head.get(range.clone()).unwrap_or_default();
        line.key("http").object(|line| {
            if hit.kind.side == Role::Request {
                line.key("method").string_or_null(fact("http.method"));
                let target = fact("http.target");
                line.key("target").string_or_null(target);
            } else {
                match hit.brief.status {
                    0 => line.key("status").null(),
                    status => line.key("status").number(u64::from(status)),
                }
                line.key("reason").string_or_null(fact("http.reason"));
            }
            line.key("version").string_or_null(fact("http.version"));
            let mut plain = hit.brief.odd.is_none();
            line.key("headers").array(|line| {
                for (name, value) in hit.fields {
                    let (name, value) = (text(name), text(value));
                    plain &= name.is_ascii();
                    line.array(|line| {
                        line.string(&String::from_utf8_lossy(name));
                        line.bytes(value);
                    });
                }
            });
            let start = memchr::memchr(b'\n', layout.head).unwrap_or(layout.head.len());
            plain &= str::from_utf8(layout.head.get(..start).unwrap_or_default()).is_ok();
            // Write the head as sent if the fields above do not represent it exactly, but not if it
            // is redacted.
            match plain || self.masked {
                true => line.key("head").null(),
                false => line.key("head").bytes(layout.head),
            }
        });
    }

    /// Writes the facts of a message of another protocol under its name: the part of the kind
    /// before the dot.
    fn facts(&self, line: &mut Line<'_>) {
        let hit = self.hit;
        let family = hit.kind.name.split('.').next().unwrap_or_default();
        // What an HTTP message carries may have facts of its own.
        let mut carried = hit
            .facts
            .iter()
            .filter_map(|fact| fact.name.split_once('.'));
        let family = match family {
            "http" => carried
                .find(|(other, _)| *other != "http")
                .map_or(family, |(other, _)| other),
            family => family,
        };
        let own = |fact: &&Fact| {
            let name = fact.name.strip_prefix(family);
            name.is_some_and(|name| name.starts_with('.')) && family != "http"
        };
        let mut facts = hit.facts.iter().filter(own).peekable();
        if facts.peek().is_none() {
            return;
        }
        line.key(family).object(|line| {
            while let Some(fact) = facts.next() {
                let name = fact.name.get(family.len() + 1..).unwrap_or_default();
                if fact.literal {
                    line.key(name).literal(&fact.value);
                    continue;
                }
                if !fact.many {
                    line.key(name).string(&fact.value);
                    continue;
                }
                line.key(name).array(|line| {
                    line.string(&fact.value);
                    while let Some(fact) = facts.next_if(|next| next.name == fact.name) {
                        line.string(&fact.value);
                    }
                });
            }
        });
    }

    fn body(&self, line: &mut Line<'_>, layout: &Layout<'_>) {
        let hit = self.hit;
        if !self.kept {
            return line.key("body").null();
        }
        let coding: Vec<&str> = hit
            .facts
            .iter()
            .filter(|fact| fact.name == "http.content_encoding")
            .map(|fact| fact.value.as_str())
            .collect();
        let over = hit.is_end();
        line.key("body").object(|line| {
            line.text_or_bytes(layout.body);
            for (key, size) in [("size", hit.body_size), ("wire_size", wire_size(hit))] {
                match over {
                    true => line.key(key).number(size),
                    false => line.key(key).null(),
                }
            }
            line.key("encoding")
                .string_or_null((!coding.is_empty()).then(|| coding.join(", ")).as_deref());
            let kept_end = hit.start.saturating_add(layout.body.len() as u64);
            let cut = match over {
                true => kept_end != hit.body_size,
                // The message has not ended, so bytes may be missing only because they have not
                // arrived.
                false => !layout.excerpts.is_empty(),
            };
            line.key("truncated").bool(cut || hit.carried.skipped);
            let state = match hit.body.state {
                Decoding::AsSent => "as_sent",
                Decoding::Decoded => "decoded",
                Decoding::Broken => "broken",
                Decoding::Cut => "cut",
                Decoding::NoRoom => "no_room",
                Decoding::NoStart => "no_start",
            };
            line.key("state").string_or_null(over.then_some(state));
        });
    }

    fn marks(&self, line: &mut Line<'_>, layout: &Layout<'_>) {
        line.key("marks").array(|line| {
            marks(self.hit, layout, self.kept).for_each(|mark| line.string(&mark));
        });
    }
}

/// What is particular about a message, by names.
pub(super) fn marks(
    hit: &Hit<'_>,
    layout: &Layout<'_>,
    kept: bool,
) -> impl Iterator<Item = Cow<'static, str>> + use<> {
    let aside = hit.aside.map(|aside| aside.name().replace('-', "_").into());
    let reading = hit.body.reading;
    let reading = reading.map(|name| format!("read_as_{}", name.replace('-', "_")).into());
    let marks = [
        (hit.midstream, "joined"),
        (hit.brief.odd.is_some(), "odd"),
        (hit.brief.unpaired, "unpaired"),
        (hit.brief.pushed, "pushed"),
        (hit.body.reset.is_some(), "reset"),
        (hit.brief.likely, "likely_pair"),
        (hit.pending, "pending"),
        (is_http(hit) && layout.head_is_cut(), "head_cut"),
        (!kept, "not_kept"),
    ];
    let marks = marks.into_iter().filter(|(is, _)| *is);
    let marks = marks.map(|(_, mark)| Cow::Borrowed(mark));
    aside.into_iter().chain(marks).chain(reading)
}

/// Size of the body as sent, in bytes.
pub(super) fn wire_size(hit: &Hit<'_>) -> u64 {
    match (hit.body.wire, hit.body.state) {
        // Bodies of other protocols have no separate size on the wire.
        (0, Decoding::AsSent) => hit.body_size,
        (wire, _) => wire,
    }
}

/// The name of an IP protocol, or its number.
pub(super) fn protocol_name(number: u8) -> Cow<'static, str> {
    Cow::Borrowed(match number {
        protocol::TCP => "tcp",
        protocol::UDP => "udp",
        protocol::ICMP => "icmp",
        protocol::ICMPV6 => "icmpv6",
        protocol::IGMP => "igmp",
        _ => return Cow::Owned(number.to_string()),
    })
}

/// Whether a hit has an HTTP head.
fn is_http(hit: &Hit<'_>) -> bool {
    hit.kind.name.starts_with("http.")
}

/// Writes the processes of client and server. With `masked`, paths below `/home` are left out.
pub(super) fn ends(line: &mut Line<'_>, ends: &Ends<'_>, masked: bool) {
    for (key, end) in [("client", ends.client), ("server", ends.server)] {
        match end {
            Some(process) => line
                .key(key)
                .object(|line| self::process(line, process, masked)),
            None => line.key(key).null(),
        }
    }
}

/// Writes a process.
fn process(line: &mut Line<'_>, process: &Process, masked: bool) {
    let number = |line: &mut Line<'_>, value: Option<u32>| match value {
        Some(value) => line.number(u64::from(value)),
        None => line.null(),
    };
    number(line.key("pid"), process.pid);
    let name = Some(process.name.as_str()).filter(|name| !name.is_empty());
    line.key("name").string_or_null(name);
    line.key("script").string_or_null(process.script.as_deref());
    let exe = process.exe.as_deref();
    let exe = exe.filter(|path| !(masked && path.starts_with("/home/")));
    line.key("exe").string_or_null(exe);
    number(line.key("uid"), process.uid);
    line.key("user").string_or_null(process.user.as_deref());
    match &process.container {
        Some(container) => line.key("container").object(|line| {
            line.key("id").string(&container.id);
            line.key("name").string_or_null(container.name.as_deref());
        }),
        None => line.key("container").null(),
    }
    line.key("unit").string_or_null(process.unit.as_deref());
    line.key("how").string(process.how.name());
}

pub(super) fn flow(line: &mut Line<'_>, heading: &Heading) {
    line.key("proto").string(&protocol_name(heading.protocol));
    let mut name = String::new();
    for (key, end) in [("src", heading.src), ("dst", heading.dst)] {
        name.clear();
        let Endpoint { addr, .. } = end;
        let _ = match heading.ports {
            true => write!(name, "{end}"),
            false => write!(name, "{addr}"),
        };
        line.key(key).string(&name);
    }
    match heading.protocol {
        protocol::TCP => line.key("flags").string(&heading.flags.to_string()),
        _ => line.key("flags").null(),
    }
    match heading.icmp {
        Some((kind, code)) => line.key("icmp").object(|line| {
            line.key("type").number(u64::from(kind));
            line.key("code").number(u64::from(code));
        }),
        None => line.key("icmp").null(),
    }
    if let Some(tunnel) = heading.tunnel {
        line.key("tunnel").object(|line| {
            line.key("kind").string(tunnel.name);
            line.key("src").string(&tunnel.src.to_string());
            line.key("dst").string(&tunnel.dst.to_string());
        });
    }
}

/// Without its request, a response has only the time that it took itself.
fn timing(line: &mut Line<'_>, hit: &Hit<'_>) {
    let times = hit.times;
    let part = |of: fn(&Times) -> Option<i64>| times.as_ref().and_then(of);
    let alone = match (times, hit.portion) {
        (None, Portion::Whole | Portion::Last) => Some(hit.heading.ts.since(hit.began)),
        _ => None,
    };
    line.key("connect").seconds(part(Times::connect));
    line.key("send").seconds(part(Times::send));
    line.key("wait").seconds(part(Times::wait));
    line.key("receive").seconds(part(Times::receive).or(alone));
    line.key("total").seconds(part(Times::total));
}

const fn part(in_head: bool) -> &'static str {
    if in_head { "head" } else { "body" }
}

/// Formats times as in RFC 3339, in UTC with nanoseconds. Caches the text of the last second, since
/// records come in runs.
#[derive(Default)]
pub(super) struct Moments {
    second: Option<i64>,
    /// The text up to the second and the decimal point.
    date: String,
    text: String,
}

impl Moments {
    pub(super) fn text(&mut self, ts: Timestamp) -> &str {
        if self.second != Some(ts.seconds()) {
            self.second = Some(ts.seconds());
            // 64 bits of nanoseconds cover the years 1677 to 2262, within the range of the
            // calendar.
            let second = jiff::Timestamp::from_second(ts.seconds()).unwrap_or_default();
            self.date = second.strftime("%Y-%m-%dT%H:%M:%S.").to_string();
        }
        self.text.clear();
        let _ = write!(self.text, "{}{:09}Z", self.date, ts.subsec_nanos());
        &self.text
    }
}
