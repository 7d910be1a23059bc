//! A model of a Guacamole client's screen: replays instructions into pixels, without I/O.
