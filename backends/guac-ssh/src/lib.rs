//! SSH terminal sessions for guac-session.
