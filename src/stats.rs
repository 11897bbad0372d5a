//! The counters of a run. Everything that is lost is counted here and reported in the summary.
//!
//! Each stage owns its part and is the only writer; [`Stats`] is a copy of all parts, taken for
//! output.

use std::borrow::Cow;

use crate::foreign::{Foreign, Kinds};
use crate::packet::Undecoded;

/// All counters of a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stats {
    /// Counters of the source.
    pub capture: CaptureStats,
    /// Counters of the decoder.
    pub decode: DecodeStats,
    /// Counters of the reassembler and the defragmenter.
    pub reassembly: ReassemblyStats,
    /// Counters of the dissectors.
    pub dissect: DissectStats,
    /// Counters of search and output.
    pub output: OutputStats,
}

/// Counters of the source.
#[derive(Clone, Copy, Debug, Default)]
pub struct CaptureStats {
    /// Frames that the source returned.
    pub frames: u64,
    /// Frames that the kernel dropped because the program was too slow.
    pub dropped: u64,
    /// `dropped` is an upper bound, because the kernel counts some frames twice: on `any`, each
    /// frame of `lo` is both outgoing and incoming. (On `lo` alone the source halves the number.)
    pub dropped_at_most: bool,
    /// Frames that the interface or its driver dropped.
    pub interface_dropped: u64,
    /// Capture files that ended in the middle of a record.
    pub cut_files: u64,
    /// pcapng blocks that could not be read.
    pub bad_blocks: u64,
    /// Frames of a pcapng file with an impossible time. They get the nearest possible one.
    pub bad_times: u64,
}

/// Counters of the decoder. Each frame is in exactly one of the counters from `packets` to
/// `copies`.
#[derive(Clone, Copy, Debug, Default)]
pub struct DecodeStats {
    /// Frames that passed the capture filter and were processed.
    pub packets: u64,
    /// Frames that the capture filter rejected.
    pub filtered: u64,
    /// Frames that are not IP, by kind.
    pub not_ip: Kinds<Foreign>,
    /// Frames of an unsupported link type, by its number.
    pub link_type: Kinds<u32>,
    /// Frames cut before the end of their link or IP header.
    pub cut: u64,
    /// Frames with an impossible IP header.
    pub malformed: u64,
    /// Duplicate packets, from another interface or with another tag, that were discarded. They are
    /// not a loss.
    pub copies: u64,
    /// Packets nested in more tunnels than are decapsulated.
    pub too_deep: u64,
    /// Payload bytes that the snap length cut off.
    pub snaplen_bytes: u64,
}

impl DecodeStats {
    /// Counts a frame without a packet.
    pub fn count(&mut self, why: Undecoded) {
        match why {
            Undecoded::NotIp(kind) => self.not_ip.count(kind),
            Undecoded::LinkType(number) => self.link_type.count(number),
            Undecoded::Cut => self.cut += 1,
            Undecoded::Malformed => self.malformed += 1,
        }
    }

    /// Non-IP frames by protocol name, most frequent first. The name is `None` for the kinds that
    /// share a counter.
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

/// Counters of the reassembler and the defragmenter.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReassemblyStats {
    /// Flows opened.
    pub flows: u64,
    /// Segments whose bytes were all received before.
    pub retransmitted: u64,
    /// Segments that were queued until an earlier one came.
    pub out_of_order: u64,
    /// Gaps given up.
    pub gaps: u64,
    /// Bytes in those gaps.
    pub gap_bytes: u64,
    /// Segments that differ from bytes already accepted at the same offsets.
    pub conflicts: u64,
    /// Of those, segments that were counted but not searched, because their direction had too many.
    pub conflicts_unsearched: u64,
    /// Retransmitted bytes that could not be compared with the delivered ones.
    pub uncompared_bytes: u64,
    /// Keep-alive probes, which repeat a byte.
    pub keep_alives: u64,
    /// Acknowledgements of more bytes than can have been sent.
    pub acks_ignored: u64,
    /// FINs ignored because they contradict the stream.
    pub fins_ignored: u64,
    /// Segments with a wrong checksum, counted if all checksums are verified.
    pub bad_checksums: u64,
    /// Segments searched alone because they have no place in their stream.
    pub asides: u64,
    /// RSTs ignored because later packets contradict them.
    pub resets_ignored: u64,
    /// SYNs inside a live connection that were ignored because nobody answered them.
    pub resyncs_ignored: u64,
    /// Flows evicted because there were too many or they held too much memory.
    pub evicted_flows: u64,
    /// Unanswered SYNs evicted because there were too many.
    pub evicted_embryos: u64,
    /// Datagrams reassembled from fragments.
    pub defragmented: u64,
    /// Fragmented datagrams given up incomplete.
    pub fragments_lost: u64,
    /// Payload bytes of those datagrams that were searched alone or dropped.
    pub fragment_bytes_lost: u64,
    /// Fragments that contradict another one.
    pub fragment_conflicts: u64,
}

/// Counters of the dissectors.
#[derive(Clone, Copy, Debug, Default)]
pub struct DissectStats {
    /// Requests.
    pub requests: u64,
    /// Final responses.
    pub responses: u64,
    /// Requests without a (final) response at the end.
    pub unanswered: u64,
    /// Messages that violated their protocol; the rest of them was treated as raw bytes.
    pub malformed: u64,
    /// Messages that break a rule and were parsed nevertheless.
    pub odd: u64,
    /// Framing bytes (chunk sizes, empty lines between messages), which are not emitted. Together
    /// with the text as sent they account for all bytes.
    pub framing_bytes: u64,
    /// Bodies whose decoding stopped because they expand like a decompression bomb.
    pub bombs: u64,
    /// Coded bytes of those bodies that were not decoded and not searched.
    pub undecoded_bytes: u64,
    /// Bodies emitted as sent because other decoders used up the memory.
    pub undecoded_bodies: u64,
    /// Bodies that could not be decoded, emitted as sent from the error on.
    pub broken_bodies: u64,
    /// Messages with header fields that refer to what was not captured.
    pub unknown_fields: u64,
    /// Heads of which the rest was not kept because their fields swell like a bomb.
    pub header_bombs: u64,
    /// Streams of multiplexed connections that were forgotten because they were too many.
    pub streams_forgotten: u64,
}

/// Counters of search and output.
#[derive(Clone, Copy, Debug, Default)]
pub struct OutputStats {
    /// Messages searched (bursts, datagrams, requests, responses; packets with `--ngrep`).
    pub messages: u64,
    /// Messages shown because they match (with `-v`: because they do not).
    pub matched: u64,
    /// Open exchanges dropped because a flow had too many.
    pub exchanges_forgotten: u64,
    /// Times that all open messages of a flow were ended before they were over, to bound memory.
    pub flows_shed: u64,
    /// Messages whose partial matches were dropped because too many were open in others.
    pub matches_forgotten: u64,
    /// Requests that did not fit into the memory for requests awaiting a response.
    pub requests_not_kept: u64,
    /// Messages of which no body was kept to be shown, because their flow had too many at once.
    pub messages_not_kept: u64,
    /// Requests shown, or to be shown, whose response the end of the capture cut off.
    pub pending: u64,
    /// Messages that are TLS: bursts of a flow in which a TLS record was seen.
    pub tls: u64,
    /// The server port of the last TLS message.
    pub tls_port: u16,
    /// TLS hellos that were shown.
    pub tls_shown: u64,
    /// Packets of matches that `-O` could not write because they were no longer remembered.
    pub packets_forgotten: u64,
}

/// One kind of loss.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Loss {
    /// The name of its counter, for machine-readable output. Stable.
    pub name: &'static str,
    /// The number of lost items.
    pub count: u64,
    /// What was lost, in words for the user.
    pub words: Cow<'static, str>,
}

impl Stats {
    /// The losses whose count is not zero.
    #[must_use]
    pub fn losses(&self) -> Vec<Loss> {
        let mut losses = self.counted();
        losses.retain(|loss| loss.count > 0);
        losses
    }

    /// All loss counters, zero or not.
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
                "flows forgotten for lack of memory",
            ),
            (
                "evicted_embryos",
                self.reassembly.evicted_embryos,
                "unanswered SYNs forgotten for lack of memory",
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
                "begun matches forgotten for lack of memory",
            ),
            (
                "questions_not_kept",
                self.output.requests_not_kept,
                "requests not kept until their responses",
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

    /// Adds the numbers of the link types.
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
        let reported: Vec<_> = stats
            .losses()
            .iter()
            .map(|loss| (loss.name, loss.count))
            .collect();
        assert_eq!(
            reported,
            [("malformed_frames", 1), ("malformed_messages", 2)]
        );
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
