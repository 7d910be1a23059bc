//! A Guacamole client for Rust: connects to a guacd or a gateway, types, clicks, looks.
