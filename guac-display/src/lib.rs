//! Layers, damage and frames: from changed pixels to Guacamole drawing instructions.
