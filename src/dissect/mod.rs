//! *dissect*: streams become messages.
