//! *HTTP* (RFC 9110), whatever carries it: what its messages are called, and their bodies.

pub(super) mod decoded;

use crate::message::{Kind, Role};

pub(super) const REQUEST: Kind = Kind {
    name: "http.request",
    side: Role::Request,
    sized: true,
};
pub(super) const RESPONSE: Kind = Kind {
    name: "http.response",
    side: Role::Response,
    sized: true,
};
