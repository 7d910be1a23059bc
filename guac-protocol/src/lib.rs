//! The Guacamole protocol without I/O: instructions, handshakes, status codes, limits.
