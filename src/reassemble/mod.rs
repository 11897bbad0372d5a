//! *reassemble*: packets become streams.
