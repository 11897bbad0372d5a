//! Every bound of the program. Each has a counter in [`crate::stats`] of how often it was reached.
//!
//! The values follow tools that are proven on real traffic: Suricata, Zeek, Snort and Linux.

/// Interfaces that capture files may describe, per section and for all files together.
pub const INTERFACES: usize = 65_536;
/// Bytes of an interface's name in a capture file; the rest of a longer one is ignored. Device
/// names of Windows have 50.
pub const INTERFACE_NAME: usize = 256;
/// Bytes of the largest record in a capture file. libpcap's bound is 256 KiB, Wireshark's 256 MiB
/// for unusual link types.
pub const RECORD_BYTES: usize = 16 << 20;

/// Nested tunnels that are decapsulated.
pub const TUNNELS: u8 = 4;

/// Content codings of one body that are decoded. A body with more is emitted as sent.
pub const CODINGS: usize = 8;
/// Alternative readings of one body that are searched besides the one shown, if its framing or
/// coding is doubtful.
pub const READINGS: usize = 4;
/// Bytes of each reading that are kept for output; also the amount charged to [`Limits::decoders`].
pub const READING_KEPT: usize = 16 << 10;
/// The largest expansion ratio, decoded to coded bytes, of a body over [`Limits::decoded`]. Logs
/// and tables compress by 10, the most monotonous dump by 100. Deflate reaches at most 1032, which
/// a bomb of zeros has; brotli and zstd have no bound.
pub const SWELL: u64 = 256;
/// The largest window of a zstd body: the minimum that RFC 8878 section 3.1.1.1.2 recommends for
/// decoders, and the maximum that RFC 9659 allows in HTTP.
pub const ZSTD_WINDOW: u64 = 8 << 20;

/// Streams of one multiplexed connection that are open at once; the oldest is forgotten first.
pub const STREAMS: usize = 1024;
/// Open messages of one flow, beyond one for each direction, of which text is kept to be shown; of
/// others only the matches are found.
pub const OPEN_MESSAGES: usize = 256;

/// Bytes of the cached states of a lazy DFA, per pattern.
pub const AUTOMATON: usize = 8 << 20;
/// Bytes, per pattern, of partial matches in open messages, beyond the automaton: some 100,000
/// messages in distinct states. Over the bound, one more message loses its partial match.
pub const BEGUN_MATCHES: usize = 16 << 20;

/// The bounds that the user may set.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of all flows together (`--mem`): half of them for streams ([`Self::queued`] and
    /// [`Self::tails`]), half for open messages and exchanges ([`Self::held`]). What each flow
    /// costs that has nothing open is not counted.
    pub memory: usize,
    /// Flows tracked at once (`--max-flows`), including [closed](Self::closed) ones. The least
    /// recently active flow is evicted first, closed flows before others.
    pub flows: usize,
    /// Connections of which only a SYN was seen (embryonic).
    pub embryos: usize,
    /// Closed connections that are kept for late packets ([`time::LINGER`]): enough for 3000 closes
    /// per second. Evicting one only loses the knowledge that its later packets are late; the
    /// eviction is counted only if the connection was still waiting for something.
    pub closed: usize,
    /// Bytes queued after a gap, per direction, including the overhead per segment: some 7000 tiny
    /// segments.
    pub reorder_bytes: usize,
    /// Delivered bytes of all streams that are kept to compare later copies with.
    pub tails: usize,
    /// Bytes of all incomplete fragmented datagrams together.
    pub fragment_bytes: usize,
    /// Incomplete fragmented datagrams.
    pub fragment_datagrams: usize,
    /// Fragments of one datagram.
    pub fragment_pieces: usize,
    /// Bytes of a message's head.
    pub head: usize,
    /// Bytes of a burst.
    pub burst: usize,
    /// Bytes of a message's text that are kept to show it in full (`--max-body`).
    pub body: usize,
    /// Open exchanges per flow; the oldest is dropped first.
    pub exchanges: usize,
    /// Bytes that the decoders of all open bodies may allocate. Over the bound, further bodies are
    /// emitted as sent.
    pub decoders: usize,
    /// Decoded bytes of a body that are accepted at any expansion ratio. Beyond it [`SWELL`]
    /// applies, so that what a body costs is bounded by its size on the wire.
    pub decoded: u64,
    /// Bytes of packets remembered for `-O`, over all flows.
    pub recorder: usize,
}

impl Limits {
    /// The bounds of a run in which all flows together may take `memory` bytes. Flows are fewer
    /// where there is little, because each of them costs some; not more where there is much.
    #[must_use]
    pub fn with_memory(memory: usize) -> Self {
        let usual = Self::default();
        let share = |part: usize, most: usize| (memory / part).min(most);
        Self {
            memory,
            flows: share(FLOW, usual.flows).max(FEW_FLOWS),
            embryos: share(4 * FLOW, usual.embryos).max(FEW_FLOWS),
            closed: share(4 * FLOW, usual.closed).max(FEW_FLOWS),
            tails: share(8, usual.tails).max(1 << 20),
            fragment_bytes: share(16, usual.fragment_bytes).max(256 << 10),
            decoders: memory / 2,
            recorder: share(4, usual.recorder),
            ..usual
        }
    }

    /// Flows for which memory may be reserved at once; no more than are usual if more are allowed.
    #[must_use]
    pub fn slots(&self) -> usize {
        let usual = 128 << 10;
        self.flows.saturating_add(self.embryos).min(usual)
    }

    /// Bytes of segments of all streams that wait for others.
    #[must_use]
    pub const fn queued(&self) -> usize {
        let half = self.memory / 2;
        match half.saturating_sub(self.tails) {
            rest if rest > half / 2 => rest,
            _ => half / 2,
        }
    }

    /// Bytes of all flows' open messages, exchanges, decoders and what is kept for them.
    /// `recording`: packets are remembered as well.
    #[must_use]
    pub const fn held(&self, recording: bool) -> usize {
        let half = self.memory / 2;
        match recording {
            true => half.saturating_sub(self.recorder),
            false => half,
        }
    }
}

/// Bytes of `--mem` for each flow that is tracked.
const FLOW: usize = 1 << 10;
/// Flows that are tracked however little memory there is.
const FEW_FLOWS: usize = 1024;

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 128 << 20,
            flows: 81_920,
            embryos: 16_384,
            closed: 16_384,
            reorder_bytes: 1 << 20,
            tails: 16 << 20,
            fragment_bytes: 4 << 20,
            fragment_datagrams: 1024,
            fragment_pieces: 256,
            head: 64 << 10,
            burst: 64 << 10,
            body: 1 << 20,
            exchanges: STREAMS,
            decoders: 64 << 20,
            decoded: 1 << 20,
            recorder: 32 << 20,
        }
    }
}

/// Durations in nanoseconds of capture time.
pub mod time {
    /// A raw burst ends after a pause of this length.
    pub const BURST_PAUSE: i64 = 100_000_000;
    /// How long a live burst with an undecided match is held: a match must be visible within 200
    /// ms.
    pub const CANDIDATE_HOLD: i64 = 150_000_000;
    /// The received part of a live message is shown after a pause of [`BURST_PAUSE`], or after this
    /// time if there is no pause.
    pub const PORTION: i64 = 300_000_000;
    /// An open live message is reviewed at this interval.
    pub const REVIEW: i64 = 50_000_000;
    /// How long a gap that the receiver acknowledged may still be filled by a reordering tap.
    pub const GAP_GRACE: i64 = 50_000_000;
    /// Packets of the flow after which such a gap is given up as well.
    pub const GAP_GRACE_PACKETS: u32 = 3;
    /// The upper bound of [`GAP_GRACE_PACKETS`]. It grows when gaps that were given up are filled
    /// later: the capture reorders packets.
    pub const GAP_GRACE_PACKETS_MOST: u32 = 64;
    /// How long an unacknowledged gap may stay open.
    pub const GAP_TIMEOUT: i64 = 10_000_000_000;
    /// The same if only one direction is captured.
    pub const GAP_TIMEOUT_ONE_SIDED: i64 = 2_000_000_000;
    /// How long a segment with a wrong checksum is held for a better copy of its bytes, while
    /// nobody acknowledges them.
    pub const DAMAGED: i64 = 1_000_000_000;
    /// Packets of the flow after which an acknowledged damaged segment is no longer held (or after
    /// [`GAP_GRACE`]).
    pub const DAMAGED_PACKETS: u32 = 16;
    /// A FIN that nobody acknowledges, and a RST, are accepted after this time without
    /// contradiction.
    pub const CLOSE_GRACE: i64 = 1_000_000_000;
    /// An unanswered SYN is dropped after this time.
    pub const EMBRYO: i64 = 10_000_000_000;
    /// A longer pause between two packets of a capture counts as this long for flow ageing and gap
    /// timeouts, because the clock may have been set. Shorter than [`GAP_TIMEOUT`], so that no
    /// clock jump gives up an unacknowledged gap.
    pub const PAUSE: i64 = 5_000_000_000;
    /// How long a closed connection absorbs its late packets.
    pub const LINGER: i64 = 5_000_000_000;
    /// An idle flow is removed after this time, live.
    pub const IDLE_LIVE: i64 = 600_000_000_000;
    /// An idle flow is removed after this time, in a file.
    pub const IDLE_FILE: i64 = 3_600_000_000_000;
    /// An incomplete fragmented datagram is given up after this time (RFC 791: 15 s; Linux: 30 s).
    pub const FRAGMENT: i64 = 30_000_000_000;
}

/// Bounds on what is remembered of processes and their sockets: under 16 MiB in all.
pub mod processes {
    /// Processes, living and ended.
    pub const PROCESSES: usize = 65_536;
    /// Nanoseconds for which an ended process is remembered: its packets are shown later.
    pub const ENDED: u64 = 60_000_000_000;
    /// Sockets; the oldest is forgotten first.
    pub const SOCKETS: usize = 16_384;
    /// Nanoseconds of silence after which a port of UDP may belong to another process.
    pub const SILENCE: u64 = 10_000_000_000;
    /// Listening sockets.
    pub const LISTENERS: usize = 4096;
    /// Processes that hold one socket, and sockets on which one process listens.
    pub const HOLDERS: usize = 256;
    /// Sockets that were open before the run, by inode.
    pub const INODES: usize = 65_536;
    /// Control groups.
    pub const GROUPS: usize = 1024;
    /// Nanoseconds after which a fork is taken for a worker of its parent, and not for a process
    /// that is about to execute a program.
    pub const PASSING: u64 = 1_000_000_000;
    /// Nanoseconds by which events of several processors may come out of order.
    pub const APART: u64 = 1_000_000_000;
}
