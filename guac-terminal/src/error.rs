//! What can be wrong with what the caller gives.

/// Why a `color-scheme` is not used to its end. *Caller*.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemeError {
    /// More text than any scheme needs.
    #[error("color scheme above {limit_chars} characters")]
    TooLong {
        /// The limit.
        limit_chars: usize,
    },
    /// A pair without a colon.
    #[error("entry {position} of the color scheme has no colon")]
    NoColon {
        /// Which pair, from 0.
        position: usize,
    },
    /// Neither `foreground` nor `background` nor `color0` to `color255`.
    #[error("entry {position} of the color scheme names no colour")]
    Name {
        /// Which pair, from 0.
        position: usize,
    },
    /// A value that is no colour.
    #[error("entry {position} of the color scheme has a value that is no colour")]
    Value {
        /// Which pair, from 0.
        position: usize,
    },
}
