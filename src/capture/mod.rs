//! *capture*: the only code that waits for packets.
