//! HTTP/2 as charts, whole and byte by byte.
