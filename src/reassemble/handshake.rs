//! How connections begin: who is the client, and when old ports carry a new connection.

use crate::flow::{Endpoint, Flow, Roles};
use crate::packet::{Packet, Tcp, TcpFlags};
use crate::stream::Carrier;

use super::table::{Key, Stage};
use super::{Reassembler, direction};

/// After this silence a SYN is believed at once.
const QUIET: i64 = 60_000_000_000;

impl<S: Default> Reassembler<S> {
    /// Whether a segment begins a new connection on the ports of an old one.
    pub(super) fn begins_anew(
        &mut self,
        slot: usize,
        tcp: &Tcp,
        src: Endpoint,
        by: Carrier,
    ) -> bool {
        let stats = &mut self.stats;
        let Some(entry) = self.table.get(slot) else {
            return false;
        };
        let dir = direction(&entry.flow, src);
        if !tcp.flags.has(TcpFlags::SYN) || tcp.flags.has(TcpFlags::RST) {
            return false;
        }
        if tcp.flags.has(TcpFlags::ACK) {
            // It answers the SYN that was not believed before: the connection is real.
            return entry
                .pending
                .is_some_and(|isn| tcp.ack == isn.wrapping_add(1));
        }
        if entry.half(dir).is_isn(tcp.seq) && entry.stage != Stage::Closed {
            return false;
        }
        if entry.stage == Stage::Closed || by.ts.since(entry.last.ts) > QUIET {
            return true;
        }
        if entry.half(dir).is_started() {
            entry.pending = Some(tcp.seq);
            stats.resyncs_ignored += 1;
        }
        false
    }

    pub(super) fn open(
        &mut self,
        key: Key,
        src: Endpoint,
        dst: Endpoint,
        packet: &Packet<'_>,
        tcp: Option<&Tcp>,
        by: Carrier,
    ) -> usize {
        let flags = tcp.map_or(TcpFlags::default(), |tcp| tcp.flags);
        let (client_sends, roles) = match (flags.has(TcpFlags::SYN), flags.has(TcpFlags::ACK)) {
            (true, acks) => (!acks, Roles::Seen),
            // Servers have the low, known ports; between two high ones the first sender is the client.
            (false, _) => (
                tcp.is_none() || src.port > dst.port || dst.port >= 1024,
                Roles::Guessed,
            ),
        };
        let (client, server) = if client_sends { (src, dst) } else { (dst, src) };
        self.last_id += 1;
        self.stats.flows += 1;
        let flow = Flow {
            id: self.last_id,
            protocol: packet.ip.protocol,
            client,
            server,
            path: packet.path,
            roles,
        };
        let embryo = roles == Roles::Seen && client_sends && packet.payload.is_empty();
        self.table.insert(
            key,
            flow,
            S::default(),
            by,
            if embryo { Stage::Embryo } else { Stage::Open },
        )
    }
}
