//! A Windows keyboard, for tests.
