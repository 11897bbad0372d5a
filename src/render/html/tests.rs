//! The policy of the page, and that nothing of what was captured is in it as text.
