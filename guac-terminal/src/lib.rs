//! A terminal emulator that shows its grid as a Guacamole display.
