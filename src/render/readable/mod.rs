//! Bodies laid out for reading: JSON indented, the fields of a form and the parts of a multipart body by line. It names media
//! types (RFC 2046), and the header field that tells them.
//!
//! Nothing is reordered, unescaped or left out but what is said to be; matches stay where they are in the text. The work is
//! linear in what was kept of a body, and the result a small multiple of it.

pub(super) mod tokens;
