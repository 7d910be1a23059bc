//! The enumerations that drawing instructions use.

use crate::Arg;

/// How drawn pixels combine with those there, a Porter-Duff operation (`guac_composite_mode`, P-115).
///
/// The four bits say which regions stay: 8 the destination's outside of the source, 4 the source's outside of the
/// destination, 2 the destination's and 1 the source's part of both. Servers send [`OVER`](Self::OVER) and
/// [`SRC`](Self::SRC) almost only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct Mask(pub u8);

macro_rules! masks {
    ($($(#[$doc:meta])* $name:ident = $number:literal;)*) => {
        impl Mask {
            $($(#[$doc])* pub const $name: Self = Self($number);)*

            /// Every mode that has a name, by number; 0, 3, 5, 7 and 13 are not in use.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The name in the protocol reference, such as `OVER`. `None` for the numbers not in use.
            #[must_use]
            pub fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$name => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }
    };
}

masks! {
    /// The destination where the source is; nothing else.
    RIN = 0x1;
    /// The destination where the source is not; nothing else.
    ROUT = 0x2;
    /// The source where the destination is; nothing else.
    IN = 0x4;
    /// The source where the destination is, else the destination.
    ATOP = 0x6;
    /// The source where the destination is not; nothing else.
    OUT = 0x8;
    /// The destination where the source is, else the source.
    RATOP = 0x9;
    /// Each where the other is not.
    XOR = 0xA;
    /// The destination over the source.
    ROVER = 0xB;
    /// The source alone, alpha included.
    SRC = 0xC;
    /// The source over the destination, by alpha.
    OVER = 0xE;
    /// The sum of both.
    PLUS = 0xF;
}

impl<'a> Arg<'a> for Mask {
    const EXPECTED: &'static str = "a composite mode from 0 to 15";

    fn parse(text: &'a str) -> Option<Self> {
        Arg::parse(text).filter(|&mode: &u8| mode < 16).map(Mask)
    }

    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
    }
}

macro_rules! numbered {
    ($(#[$doc:meta])* $enum:ident, $expected:literal { $($(#[$variant_doc:meta])* $variant:ident = $number:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
        #[repr(u8)]
        pub enum $enum {
            $($(#[$variant_doc])* $variant = $number,)*
        }

        impl $enum {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The number on the wire.
            #[must_use]
            pub fn code(self) -> u8 {
                match self {
                    $(Self::$variant => $number,)*
                }
            }

            /// The value with this number, if there is one.
            #[must_use]
            pub fn from_code(code: u8) -> Option<Self> {
                match code {
                    $($number => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }

        impl<'a> Arg<'a> for $enum {
            const EXPECTED: &'static str = $expected;

            fn parse(text: &'a str) -> Option<Self> {
                Self::from_code(Arg::parse(text)?)
            }

            fn write(&self, out: &mut Vec<u8>) {
                self.code().write(out);
            }
        }
    };
}

numbered! {
    /// How a stroked line ends (P-117).
    LineCap, "a line cap from 0 to 2" {
        /// At its end, square.
        Butt = 0,
        /// With a half circle around its end.
        Round = 1,
        /// With half a square around its end.
        Square = 2,
    }
}

numbered! {
    /// How two stroked lines meet (P-117).
    LineJoin, "a line join from 0 to 2" {
        /// With the corner cut off.
        Bevel = 0,
        /// With a pointed corner, up to the layer's `miter-limit`.
        Miter = 1,
        /// With a round corner.
        Round = 2,
    }
}

numbered! {
    /// What `transfer` does with each pixel (`guac_transfer_function`, P-116).
    ///
    /// The number is a truth table: bit 8 is the result for source 0 and destination 0, bit 4 for 0 and 1, bit 2 for 1
    /// and 0, bit 1 for 1 and 1.
    TransferFunction, "a transfer function from 0 to 15" {
        /// All bits off.
        Black = 0x0,
        /// Source and destination.
        And = 0x1,
        /// Source and not destination.
        SrcAndNdest = 0x2,
        /// Source.
        Src = 0x3,
        /// Destination and not source.
        NsrcAnd = 0x4,
        /// Destination: nothing changes.
        Dest = 0x5,
        /// Either, not both.
        Xor = 0x6,
        /// Either or both.
        Or = 0x7,
        /// Neither.
        Nor = 0x8,
        /// Both or neither.
        Xnor = 0x9,
        /// Not destination.
        Ndest = 0xA,
        /// Source or not destination.
        SrcOrNdest = 0xB,
        /// Not source.
        Nsrc = 0xC,
        /// Destination or not source.
        NsrcOr = 0xD,
        /// Not both.
        Nand = 0xE,
        /// All bits on.
        White = 0xF,
    }
}

impl TransferFunction {
    /// One pixel, `0xAARRGGBB` each. Colours combine bit by bit; alpha comes from the source for
    /// [`Src`](Self::Src) and [`Nsrc`](Self::Nsrc) and stays the destination's for all others.
    #[must_use]
    pub fn apply(self, src: u32, dst: u32) -> u32 {
        const ALPHA: u32 = 0xFF00_0000;
        let when = |bit: u8, bits: u32| if self.code() & bit != 0 { bits } else { 0 };
        let colour = when(8, !src & !dst) | when(4, !src & dst) | when(2, src & !dst) | when(1, src & dst);
        let alpha = if matches!(self, Self::Src | Self::Nsrc) { src } else { dst };
        (colour & !ALPHA) | (alpha & ALPHA)
    }
}
