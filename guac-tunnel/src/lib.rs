//! Guacamole tunnels over TCP, WebSocket and HTTP.
