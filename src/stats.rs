//! The counters. What is lost anywhere is counted here, and the closing summary says it.
//!
//! Each verb owns its part and is the only one to write it; [`Stats`] is a copy of all, taken when
//! they are shown.

use std::borrow::Cow;

use crate::foreign::{Foreign, Kinds};
use crate::packet::Undecoded;

/// All counters of a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stats {
    /// Of the source.
    pub capture: CaptureStats,
    /// Of the decoder.
    pub decode: DecodeStats,
    /// Of the reassembler and the defragmenter.
    pub reassembly: ReassemblyStats,
    /// Of the dissectors.
    pub dissect: DissectStats,
    /// Of search and output.
    pub output: OutputStats,
}

/// What the source counts.
#[derive(Clone, Copy, Debug, Default)]
pub struct CaptureStats {
    /// Frames handed over.
    pub frames: u64,
    /// Frames the kernel dropped because the program was too slow.
    pub dropped: u64,
    /// The kernel counts some of those twice, and does not say which: it is so for `any`, where
    /// each frame of `lo` is one that goes out and one that comes in. (Of `lo` alone the source
    /// halves the number.)
    pub dropped_at_most: bool,
    /// Frames the interface or its driver dropped.
    pub interface_dropped: u64,
    /// Capture files that ended in the middle of a record.
    pub cut_files: u64,
    /// pcapng blocks that could not be read.
    pub bad_blocks: u64,
    /// Frames of a pcapng file whose time no clock can have shown. They have the nearest one.
    pub bad_times: u64,
}

/// What the decoder counts. Each frame is in exactly one of the counters of frames, from `packets`
/// to `copies`.
#[derive(Clone, Copy, Debug, Default)]
pub struct DecodeStats {
    /// Frames that passed the capture filter, and are used.
    pub packets: u64,
    /// Frames that did not pass it.
    pub filtered: u64,
    /// Frames that are not IP, by kind.
    pub not_ip: Kinds<Foreign>,
    /// Frames of a link type that is not read, by its number.
    pub link_type: Kinds<u32>,
    /// Frames cut before the end of their link or IP header.
    pub cut: u64,
    /// Frames with an impossible IP header.
    pub malformed: u64,
    /// Copies of packets, from another interface or with another tag, that were not used again.
    /// Nothing is lost with them.
    pub copies: u64,
    /// Packets in more tunnels than are taken off.
    pub too_deep: u64,
    /// Payload bytes that the snap length cut off.
    pub snaplen_bytes: u64,
}

impl DecodeStats {
    /// Count a frame that gave no packet.
    pub fn count(&mut self, why: Undecoded) {
        match why {
            Undecoded::NotIp(kind) => self.not_ip.count(kind),
            Undecoded::LinkType(number) => self.link_type.count(number),
            Undecoded::Cut => self.cut += 1,
            Undecoded::Malformed => self.malformed += 1,
        }
    }

    /// Frames that are no IP, by the name of what they are, most of them first; those of kinds that
    /// were counted together have none.
    #[must_use]
    pub fn foreign(&self) -> Vec<(Option<String>, u64)> {
        let mut all: Vec<(Option<String>, u64)> = Vec::new();
        for (kind, many) in self.not_ip.iter() {
            let name = Some(kind.to_string());
            match all.iter_mut().find(|(known, _)| *known == name) {
                Some((_, known)) => *known += many,
                None => all.push((name, many)),
            }
        }
        all.sort_by_key(|(_, many)| std::cmp::Reverse(*many));
        let others = self.not_ip.others();
        all.extend((others > 0).then_some((None, others)));
        all
    }
}

/// What the reassembler and the defragmenter count.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReassemblyStats {
    /// Flows opened.
    pub flows: u64,
    /// Segments whose bytes were all seen before.
    pub retransmitted: u64,
    /// Segments that had to wait for an earlier one.
    pub out_of_order: u64,
    /// Holes given up.
    pub gaps: u64,
    /// Bytes in those holes.
    pub gap_bytes: u64,
    /// Segments that differ from bytes already taken for the same place.
    pub conflicts: u64,
    /// Those of them that were only counted, because their direction had too many.
    pub conflicts_unsearched: u64,
    /// Bytes sent again that could not be compared with those delivered.
    pub uncompared_bytes: u64,
    /// Keep-alive probes, which repeat a byte.
    pub keep_alives: u64,
    /// Acknowledgements of more than can have been sent.
    pub acks_ignored: u64,
    /// FINs that contradict the stream.
    pub fins_ignored: u64,
    /// Segments with a wrong checksum, where checksums are looked at always.
    pub bad_checksums: u64,
    /// Segments searched alone because they have no place in their stream.
    pub asides: u64,
    /// Resets that were not believed.
    pub resets_ignored: u64,
    /// SYNs inside a live connection that nobody answered.
    pub resyncs_ignored: u64,
    /// Flows forgotten because there were too many or they held too much.
    pub evicted_flows: u64,
    /// Unanswered SYNs forgotten because there were too many.
    pub evicted_embryos: u64,
    /// Datagrams put together from fragments.
    pub defragmented: u64,
    /// Fragmented datagrams given up incomplete.
    pub fragments_lost: u64,
    /// Their payload bytes that were searched alone or dropped.
    pub fragment_bytes_lost: u64,
    /// Fragments that contradict another one.
    pub fragment_conflicts: u64,
}

/// What the dissectors count.
#[derive(Clone, Copy, Debug, Default)]
pub struct DissectStats {
    /// Requests.
    pub requests: u64,
    /// Final answers.
    pub responses: u64,
    /// Requests without a (final) answer at the end.
    pub unanswered: u64,
    /// Messages that broke their protocol and were taken as raw bytes from there on.
    pub malformed: u64,
    /// Messages read although they break a rule.
    pub odd: u64,
    /// Bytes that frame text (chunk sizes, empty lines between messages) and are not said. With the
    /// text as it was sent these are all bytes.
    pub framing_bytes: u64,
    /// Bodies of which the rest was not decoded because they swell like a bomb.
    pub bombs: u64,
    /// Their bytes as sent, from there on, that were not searched.
    pub undecoded_bytes: u64,
    /// Bodies told as sent because the decoders of others had all the memory.
    pub undecoded_bodies: u64,
    /// Bodies that could not be decoded, and were told as sent from there on.
    pub broken_bodies: u64,
    /// Messages with header fields that refer to what was not captured.
    pub unknown_fields: u64,
    /// Heads of which the rest was not kept because their fields swell like a bomb.
    pub header_bombs: u64,
    /// Streams of multiplexed connections that were forgotten because they were too many.
    pub streams_forgotten: u64,
}

/// What search and output count.
#[derive(Clone, Copy, Debug, Default)]
pub struct OutputStats {
    /// Messages searched (bursts, datagrams, requests, answers; packets with `--ngrep`).
    pub messages: u64,
    /// Messages shown because they match (with `-v`, do not).
    pub matched: u64,
    /// Open exchanges forgotten because a flow had too many.
    pub exchanges_forgotten: u64,
    /// Times that all open messages of a flow were ended before they were over, to bound memory.
    pub flows_shed: u64,
    /// Messages whose begun matches were forgotten, because too many were begun in others.
    pub matches_forgotten: u64,
    /// Questions that there was no room to keep until their answers came.
    pub requests_not_kept: u64,
    /// Messages of which no body was kept to be shown, because their flow had too many at once.
    pub messages_not_kept: u64,
    /// Questions shown, or to be shown, that the end of the capture cut off from their answers.
    pub pending: u64,
    /// Messages that are TLS: bursts of a flow in which a record of it was seen.
    pub tls: u64,
    /// The server's port of the last of them.
    pub tls_port: u16,
    /// Hellos of TLS that were shown.
    pub tls_shown: u64,
    /// Packets of a match that `-O` could not write, because they no longer were remembered.
    pub packets_forgotten: u64,
}

/// Something that was lost.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Loss {
    /// Its counter's name, for machines: it stays what it is.
    pub name: &'static str,
    /// How many.
    pub count: u64,
    /// Of what, for people.
    pub words: Cow<'static, str>,
}

impl Stats {
    /// What was lost; only what is not zero.
    #[must_use]
    pub fn losses(&self) -> Vec<Loss> {
        let mut losses = self.counted();
        losses.retain(|loss| loss.count > 0);
        losses
    }

    /// All that may be lost.
    fn counted(&self) -> Vec<Loss> {
        let all = [
            (
                "interface_dropped",
                self.capture.interface_dropped,
                "packets dropped by the interface",
            ),
            (
                "bad_blocks",
                self.capture.bad_blocks,
                "unreadable blocks in capture files",
            ),
            (
                "cut_files",
                self.capture.cut_files,
                "capture files cut in the middle",
            ),
            (
                "bad_times",
                self.capture.bad_times,
                "impossible times in capture files",
            ),
            (
                "unknown_link_frames",
                self.decode.link_type.total(),
                "frames of an unknown link type",
            ),
            (
                "cut_frames",
                self.decode.cut,
                "frames cut inside their headers",
            ),
            (
                "malformed_frames",
                self.decode.malformed,
                "frames with an impossible IP header",
            ),
            (
                "too_deep_packets",
                self.decode.too_deep,
                "packets in too many tunnels, searched as they are",
            ),
            (
                "snaplen_bytes",
                self.decode.snaplen_bytes,
                "bytes cut off by the snap length",
            ),
            ("gaps", self.reassembly.gaps, "gaps in streams"),
            (
                "gap_bytes",
                self.reassembly.gap_bytes,
                "bytes missing in them",
            ),
            (
                "conflicts",
                self.reassembly.conflicts,
                "segments that contradict an earlier copy",
            ),
            (
                "asides",
                self.reassembly.asides,
                "segments searched apart from their stream",
            ),
            (
                "conflicts_unsearched",
                self.reassembly.conflicts_unsearched,
                "of these contradictions not searched, there were too many",
            ),
            (
                "uncompared_bytes",
                self.reassembly.uncompared_bytes,
                "bytes sent again and not compared",
            ),
            (
                "bad_checksums",
                self.reassembly.bad_checksums,
                "segments with a wrong checksum",
            ),
            (
                "acks_ignored",
                self.reassembly.acks_ignored,
                "acknowledgements not believed",
            ),
            (
                "fins_ignored",
                self.reassembly.fins_ignored,
                "FINs not believed",
            ),
            (
                "resets_ignored",
                self.reassembly.resets_ignored,
                "resets not believed",
            ),
            (
                "resyncs_ignored",
                self.reassembly.resyncs_ignored,
                "SYNs not believed",
            ),
            (
                "evicted_flows",
                self.reassembly.evicted_flows,
                "flows forgotten for want of room",
            ),
            (
                "evicted_embryos",
                self.reassembly.evicted_embryos,
                "unanswered SYNs forgotten for want of room",
            ),
            (
                "fragments_lost",
                self.reassembly.fragments_lost,
                "datagrams with missing fragments",
            ),
            (
                "fragment_conflicts",
                self.reassembly.fragment_conflicts,
                "fragments that contradict another",
            ),
            (
                "malformed_messages",
                self.dissect.malformed,
                "malformed messages, taken as raw bytes",
            ),
            (
                "bombs",
                self.dissect.bombs,
                "bodies not decoded to their end, they swell like a bomb",
            ),
            (
                "undecoded_bytes",
                self.dissect.undecoded_bytes,
                "bytes of them not searched",
            ),
            (
                "undecoded_bodies",
                self.dissect.undecoded_bodies,
                "bodies not decoded for want of memory, searched as sent",
            ),
            (
                "broken_bodies",
                self.dissect.broken_bodies,
                "bodies that could not be decoded, searched as sent",
            ),
            (
                "unknown_fields",
                self.dissect.unknown_fields,
                "messages with headers that refer to what was not captured",
            ),
            (
                "header_bombs",
                self.dissect.header_bombs,
                "heads not read to their end, they swell like a bomb",
            ),
            (
                "streams_forgotten",
                self.dissect.streams_forgotten,
                "open HTTP/2 streams forgotten",
            ),
            (
                "flows_shed",
                self.output.flows_shed,
                "times that open messages of a flow were cut short to bound memory (--mem)",
            ),
            (
                "exchanges_forgotten",
                self.output.exchanges_forgotten,
                "open exchanges forgotten",
            ),
            (
                "matches_forgotten",
                self.output.matches_forgotten,
                "begun matches forgotten for want of room",
            ),
            (
                "questions_not_kept",
                self.output.requests_not_kept,
                "questions not kept until their answers",
            ),
            (
                "messages_not_kept",
                self.output.messages_not_kept,
                "messages searched and not kept, a flow had too many at once",
            ),
            (
                "packets_forgotten",
                self.output.packets_forgotten,
                "packets no longer there for -O",
            ),
        ];
        let loss = |(name, count, words)| Loss {
            name,
            count,
            words: match name {
                "unknown_link_frames" => self.unknown_links(words),
                _ => Cow::Borrowed(words),
            },
        };
        all.into_iter().map(loss).collect()
    }

    /// With the numbers of the link types.
    fn unknown_links(&self, words: &'static str) -> Cow<'static, str> {
        let numbers = self.decode.link_type.iter();
        let numbers: Vec<String> = numbers.map(|(number, _)| number.to_string()).collect();
        match numbers[..] {
            [] => Cow::Borrowed(words),
            _ => Cow::Owned(format!("{words} ({})", numbers.join(", "))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_loss_has_a_name_of_its_own() {
        let mut stats = Stats::default();
        assert_eq!(stats.losses(), []);
        stats.decode.malformed = 1;
        stats.dissect.malformed = 2;
        stats.decode.count(Undecoded::LinkType(147));
        stats.decode.count(Undecoded::LinkType(9999));
        assert_eq!(
            stats.losses().first().map(|loss| loss.words.as_ref()),
            Some("frames of an unknown link type (147, 9999)")
        );
        stats.decode.link_type = Kinds::default();
        let told: Vec<_> = stats
            .losses()
            .iter()
            .map(|loss| (loss.name, loss.count))
            .collect();
        assert_eq!(told, [("malformed_frames", 1), ("malformed_messages", 2)]);
        stats.decode.count(Undecoded::NotIp(Foreign::Lsap(0x42)));
        for _ in 0..2 {
            stats
                .decode
                .count(Undecoded::NotIp(Foreign::EtherType(0x0806)));
            stats
                .decode
                .count(Undecoded::NotIp(Foreign::Snap(0x0c, 0x2000)));
            stats
                .decode
                .count(Undecoded::NotIp(Foreign::EtherType(0x2000)));
        }
        let named = |name: &str, many| (Some(name.to_owned()), many);
        assert_eq!(
            stats.decode.foreign(),
            [named("CDP", 4), named("ARP", 2), named("STP", 1)]
        );
        let names: BTreeSet<&str> = stats.counted().iter().map(|loss| loss.name).collect();
        assert_eq!(names.len(), stats.counted().len());
    }
}
