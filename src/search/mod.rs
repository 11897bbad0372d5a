//! *search*: messages become hits.
