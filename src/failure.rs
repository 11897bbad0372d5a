//! The *failure*: a connection that was refused or not answered, or that ended before an answer was
//! whole.

use crate::flow::Endpoint;
use crate::hit::Heading;

/// What failed, as far as the packets show it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Failed {
    /// What happened.
    pub kind: FailureKind,
    /// Nanoseconds between what was asked (the first SYN, the last byte of the request) and that.
    pub after: i64,
}

/// What happened to a connection or a request.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FailureKind {
    /// A RST came in response to the SYN (RFC 9293 section 3.5.2).
    Refused,
    /// Nothing came in response to so many SYNs.
    Silent {
        /// How many.
        syns: u32,
        /// It was waited for long enough; else the capture ended.
        over: bool,
    },
    /// One side ended the connection before a byte of the answer came.
    Unanswered(End),
    /// One side ended the connection in the middle of the answer.
    BrokenOff(End),
}

/// How a connection was ended, and by whom.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct End {
    /// The server; else the client.
    pub by_server: bool,
    /// By a RST; else by a FIN.
    pub reset: bool,
}

/// A failure to be shown as a record of its own.
#[derive(Clone, Copy, Debug)]
pub struct Failure<'a> {
    /// `#N` of the request that has no answer; 0 for a connection.
    pub number: u64,
    /// Why it is shown: it is asked for, or belongs to a request that is.
    pub asked_for: bool,
    /// From whom to whom: from the client to the server for a connection, the other way round for a
    /// request.
    pub heading: Heading,
    /// What failed.
    pub failed: Failed,
    /// The frames that show it: the SYN, the RST or the FIN.
    pub frames: &'a [u64],
    /// Another address of the server, tried by the client at the same time, that failed in the same
    /// way.
    pub other: Option<Endpoint>,
    /// So many more connections failed in the same way and are not shown one by one.
    pub more: Option<More>,
}

/// Failures that are counted and not shown one by one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct More {
    /// How many.
    pub count: u64,
    /// They have different clients; different servers.
    pub clients: bool,
    /// See there.
    pub servers: bool,
    /// The lowest and the highest port of the servers.
    pub ports: (u16, u16),
}
