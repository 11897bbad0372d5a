//! The *failure*: a connection that was refused or got no reply, or that ended before a response
//! was complete.
//!
//! Plain data: the selector fills it in, the renderers format it.

use crate::flow::Endpoint;
use crate::hit::Heading;
use crate::process::Ends;

/// A failure, as far as the packets show it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Failed {
    /// The kind of failure.
    pub kind: FailureKind,
    /// Nanoseconds from the first SYN, or from the request's last byte, to the failure.
    pub after: i64,
}

/// The kinds of failure of a connection or a request.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FailureKind {
    /// A RST answered the SYN (RFC 9293 section 3.5.2).
    Refused,
    /// Nothing answered the SYNs.
    Silent {
        /// The number of SYNs.
        syns: u32,
        /// The wait was long enough to be sure. False if the capture ended first.
        over: bool,
    },
    /// One side ended the connection before the first byte of the response.
    Unanswered(End),
    /// One side ended the connection inside the response.
    BrokenOff(End),
}

/// How a connection ended, and who ended it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct End {
    /// True: the server ended it. False: the client.
    pub by_server: bool,
    /// True: by a RST. False: by a FIN.
    pub reset: bool,
}

/// A failure that is shown as a record of its own.
#[derive(Clone, Copy, Debug)]
pub struct Failure<'a> {
    /// `#N` of the request without a response; 0 for a failed connection.
    pub number: u64,
    /// True if failures are requested themselves; false if it accompanies a request that was shown.
    pub asked_for: bool,
    /// Client to server for a connection; server to client for a request.
    pub heading: Heading,
    /// The processes at both ends.
    pub who: Ends<'a>,
    /// The failure.
    pub failed: Failed,
    /// The frames that show it: the SYN, and the RST or FIN.
    pub frames: &'a [u64],
    /// Another address of the server that the client tried at the same time and that failed in the
    /// same way.
    pub other: Option<Endpoint>,
    /// Further connections that failed in the same way and are not shown one by one.
    pub more: Option<More>,
}

/// Failures that are counted instead of being shown one by one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct More {
    /// How many.
    pub count: u64,
    /// Their clients differ.
    pub clients: bool,
    /// Their servers differ.
    pub servers: bool,
    /// The lowest and the highest port of the servers.
    pub ports: (u16, u16),
}
