//! VNC (RFB) sessions for guac-session.
