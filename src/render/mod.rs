//! *render*: hits become text.
