//! *decode*: frames become packets.
