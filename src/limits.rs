//! Every bound of the program. Each has a counter in [`crate::stats`] for when it bites.
//!
//! The reasons for the numbers are those of the tools that met real traffic before: Suricata, Zeek,
//! Snort and Linux.

/// Interfaces that capture files may describe, of one section and of all files together.
pub const INTERFACES: usize = 65_536;
/// The largest record that a capture file may hold: libpcap's own bound is 256 KiB, Wireshark's 256
/// MiB for odd links.
pub const RECORD_BYTES: usize = 16 << 20;

/// Tunnels inside of each other that are taken off.
pub const TUNNELS: u8 = 4;

/// Codings of one body that lie on top of each other and are undone; with more it is told as sent.
pub const CODINGS: usize = 8;
/// Readings of one body that are searched beside the one that is shown, where it is doubtful how it
/// is framed or coded.
pub const READINGS: usize = 4;
/// Bytes of each of them that are kept to be shown, and what it is charged with among
/// [`Limits::decoders`].
pub const READING_KEPT: usize = 16 << 10;
/// How many times its coded bytes a body may be beyond [`Limits::decoded`]. Logs and tables shrink
/// to a tenth, the most monotonous dump to a hundredth; deflate cannot do more than 1032, which is
/// what a bomb of zeros has, and brotli and zstd know no bound.
pub const SWELL: u64 = 256;
/// The largest window of a zstd body: what RFC 8878 section 3.1.1.1.2 wants decoders to have, and
/// RFC 9659 allows HTTP.
pub const ZSTD_WINDOW: u64 = 8 << 20;

/// Streams of one multiplexed connection that are open at once; the oldest is forgotten first.
pub const STREAMS: usize = 1024;
/// Open messages of one flow, beyond one for each direction, of which text is kept to be shown; of
/// others only the matches are found.
pub const OPEN_MESSAGES: usize = 256;

/// Bytes of the states that an automaton keeps which is made as texts ask for it, for each pattern.
pub const AUTOMATON: usize = 8 << 20;
/// Bytes, for each pattern, of what open messages hold of matches that are begun in them, beyond
/// that: some 100,000 messages that differ. One more message forgets its begun match.
pub const BEGUN_MATCHES: usize = 16 << 20;

/// The bounds that a user may move.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of all flows together (`--mem`): half of them for segments that wait for others
    /// ([`Self::queued`]), half for open messages and exchanges ([`Self::held`]).
    pub memory: usize,
    /// Flows remembered at once (`--max-flows`), [closed](Self::closed) ones among them; the
    /// longest quiet one goes first, those first that are closed.
    pub flows: usize,
    /// Connections of which only a SYN was seen.
    pub embryos: usize,
    /// Connections that are over, remembered for what may come late ([`time::LINGER`]): as many as
    /// end meanwhile where 3000 a second do. With an older one only the knowledge goes that what
    /// still comes is late; it is counted if it waited for anything else.
    pub closed: usize,
    /// Bytes that wait behind a hole, for each direction, with what it costs to keep each segment:
    /// some 7000 tiny ones.
    pub reorder_bytes: usize,
    /// Delivered bytes of all streams that are kept to compare later copies with them.
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
    /// Bytes of a message's text that are kept to be shown in full (`--max-body`).
    pub body: usize,
    /// Exchanges of one flow that are open at once; the oldest is forgotten first.
    pub exchanges: usize,
    /// Bytes that the decoders of all open bodies allocate together; further bodies are told as
    /// sent.
    pub decoders: usize,
    /// Decoded bytes of a body that are believed whatever they were decoded from: hardly a page is
    /// larger, and no bomb has done harm by then. Beyond it [`SWELL`] holds.
    pub decoded: u64,
    /// Bytes of packets remembered for `-O`, of all flows together.
    pub recorder: usize,
}

impl Limits {
    /// Bytes of segments of all streams that wait for others.
    #[must_use]
    pub const fn queued(&self) -> usize {
        self.memory / 2
    }

    /// Bytes of all flows' open messages, exchanges and what is kept for them.
    #[must_use]
    pub const fn held(&self) -> usize {
        self.memory / 2
    }
}

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
            decoded: 64 << 20,
            recorder: 32 << 20,
        }
    }
}

/// Nanoseconds of capture time.
pub mod time {
    /// A raw burst ends after this pause.
    pub const BURST_PAUSE: i64 = 100_000_000;
    /// A live burst with an undecided match is held this long: what it shows is to be there after
    /// 200 ms.
    pub const CANDIDATE_HOLD: i64 = 150_000_000;
    /// What has come of a live message is shown after a pause of [`BURST_PAUSE`], and after this
    /// where there is none.
    pub const PORTION: i64 = 300_000_000;
    /// A live message that is not over is looked at again after this.
    pub const REVIEW: i64 = 50_000_000;
    /// How long a hole that the receiver acknowledged may still be filled by a reordering tap.
    pub const GAP_GRACE: i64 = 50_000_000;
    /// Packets of the flow after which such a hole is given up as well.
    pub const GAP_GRACE_PACKETS: u32 = 3;
    /// The same, at most, where holes that were given up are filled later: the capture's packets
    /// are not in their order.
    pub const GAP_GRACE_PACKETS_MOST: u32 = 64;
    /// How long a hole that nobody acknowledged is waited for.
    pub const GAP_TIMEOUT: i64 = 10_000_000_000;
    /// The same when only one direction is captured.
    pub const GAP_TIMEOUT_ONE_SIDED: i64 = 2_000_000_000;
    /// How long a segment with a wrong checksum waits for a better copy of its bytes, while nobody
    /// acknowledges them.
    pub const DAMAGED: i64 = 1_000_000_000;
    /// Packets of the flow after which one that is acknowledged waits no longer (or [`GAP_GRACE`]).
    pub const DAMAGED_PACKETS: u32 = 16;
    /// A FIN that nobody acknowledges, and a RST, are believed when nothing contradicts them for so
    /// long.
    pub const CLOSE_GRACE: i64 = 1_000_000_000;
    /// An unanswered SYN is forgotten.
    pub const EMBRYO: i64 = 10_000_000_000;
    /// A longer pause between two packets of a capture counts as this, where flows age and holes
    /// are waited for: it may be a clock that was set. Shorter than [`GAP_TIMEOUT`], so that no
    /// jump gives up what nobody has acknowledged.
    pub const PAUSE: i64 = 5_000_000_000;
    /// A closed connection still absorbs its late packets.
    pub const LINGER: i64 = 5_000_000_000;
    /// A quiet flow is forgotten, live.
    pub const IDLE_LIVE: i64 = 600_000_000_000;
    /// A quiet flow is forgotten, in a file.
    pub const IDLE_FILE: i64 = 3_600_000_000_000;
    /// An incomplete fragmented datagram is given up (RFC 791 says 15 s, Linux takes 30).
    pub const FRAGMENT: i64 = 30_000_000_000;
}
