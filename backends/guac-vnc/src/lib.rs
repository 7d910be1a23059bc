//! VNC (RFB) sessions for guac-session.

pub mod rfb;
