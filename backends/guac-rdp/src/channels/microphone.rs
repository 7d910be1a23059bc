//! microphone
