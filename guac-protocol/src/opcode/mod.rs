//! The typed instructions of both directions. To add one, add its lines to [`client`] or [`server`]: parsing, writing,
//! printing and JSON follow.

mod client;
mod enums;
mod server;
mod tunnel;

pub use client::ClientInstruction;
pub use enums::{LineCap, LineJoin, Mask, TransferFunction};
pub use server::ServerInstruction;
pub use tunnel::TunnelInstruction;

use crate::{Arg, ArgumentError, Instruction, OwnedInstruction};

/// An opcode and arguments, borrowed or not, as typed instructions are read from.
pub(crate) trait Elements<'a> {
    fn opcode(&self) -> &'a str;
    fn arg_at(&self, index: usize) -> Option<&'a str>;
}

impl<'a> Elements<'a> for Instruction<'a> {
    fn opcode(&self) -> &'a str {
        Self::opcode(self)
    }

    fn arg_at(&self, index: usize) -> Option<&'a str> {
        self.arg(index)
    }
}

impl<'a> Elements<'a> for &'a OwnedInstruction {
    fn opcode(&self) -> &'a str {
        OwnedInstruction::opcode(self)
    }

    fn arg_at(&self, index: usize) -> Option<&'a str> {
        self.arg(index)
    }
}

/// The arguments of `source` in order.
pub(crate) fn arguments<'s, 'a: 's, S: Elements<'a>>(source: &'s S) -> impl Iterator<Item = &'a str> + 's {
    (0..).map_while(|index| source.arg_at(index))
}

pub(crate) fn take<'a, A: Arg<'a>>(
    arguments: &mut dyn Iterator<Item = &'a str>,
    opcode: &'static str,
    name: &'static str,
) -> Result<A, ArgumentError> {
    A::take(arguments).map_err(|present| {
        if present {
            ArgumentError::Invalid { opcode, name, expected: A::EXPECTED }
        } else {
            ArgumentError::Missing { opcode, name }
        }
    })
}

/// Stands in a log where a secret would.
pub(crate) struct Hidden;

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

/// Whether a field was marked.
macro_rules! is_secret {
    () => {
        false
    };
    (secret) => {
        true
    };
}
pub(crate) use is_secret;

/// Builds one direction's enum. Fields marked `[secret]` do not show in `Debug` output; a guard behind an opcode
/// chooses between two forms of it by the arguments.
macro_rules! instructions {
    ($(#[$doc:meta])* $enum:ident {
        $($(#[$variant_doc:meta])* $variant:ident = $opcode:literal $(if $guard:path)? {
            $($(#[$field_doc:meta])* $field:ident $([$secret:ident])?: $type:ty),* $(,)?
        })*
    }) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq)]
        #[non_exhaustive]
        pub enum $enum<'a> {
            $($(#[$variant_doc])* $variant { $($(#[$field_doc])* $field: $type),* },)*
            /// Any opcode that this side of the protocol does not know, kept as it came. Peers ignore such
            /// instructions and relays pass them on (P-015).
            Other {
                /// The word on the wire; empty for the tunnel's own messages
                /// ([`TunnelInstruction`](crate::TunnelInstruction)).
                opcode: &'a str,
                /// All arguments.
                args: Rest<'a>,
            },
        }

        impl<'a> $enum<'a> {
            /// Every opcode with a typed form.
            pub const OPCODES: &'static [&'static str] = &[$($opcode),*];

            /// The word on the wire.
            #[must_use]
            pub fn opcode(&self) -> &'a str {
                match self {
                    $(Self::$variant { .. } => $opcode,)*
                    Self::Other { opcode, .. } => opcode,
                }
            }

            fn from_elements<S: Elements<'a>>(source: &S) -> Result<Self, ArgumentError> {
                let mut all = arguments(source);
                let arguments: &mut dyn Iterator<Item = &'a str> = &mut all;
                match source.opcode() {
                    $($opcode $(if $guard(source))? => {
                        Ok(Self::$variant { $($field: take(arguments, $opcode, stringify!($field))?),* })
                    })*
                    opcode => Ok(Self::Other { opcode, args: Rest(arguments.collect()) }),
                }
            }
        }

        /// # Errors
        /// A known opcode with arguments missing or unusable. More arguments than are known are ignored, and an
        /// unknown opcode gives `Other`.
        impl<'a> TryFrom<&Instruction<'a>> for $enum<'a> {
            type Error = ArgumentError;

            fn try_from(instruction: &Instruction<'a>) -> Result<Self, ArgumentError> {
                Self::from_elements(instruction)
            }
        }

        impl<'a> TryFrom<&'a OwnedInstruction> for $enum<'a> {
            type Error = ArgumentError;

            fn try_from(instruction: &'a OwnedInstruction) -> Result<Self, ArgumentError> {
                Self::from_elements(&instruction)
            }
        }

        impl Encode for $enum<'_> {
            fn encode(&self, out: &mut Vec<u8>) {
                match self {
                    $(Self::$variant { $($field),* } => {
                        let writer = InstructionWriter::new(out, $opcode);
                        $(let writer = writer.arg($field);)*
                        writer.end();
                    })*
                    Self::Other { opcode, args } => InstructionWriter::new(out, opcode).arg(args).end(),
                }
            }
        }

        /// Arguments that may be secrets (`connect`, `argv`, `key`, `clipboard`, `blob` and their like) show as `…`.
        impl std::fmt::Debug for $enum<'_> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self {
                    $(Self::$variant { $($field),* } => {
                        f.debug_struct(stringify!($variant))
                            $(.field(
                                stringify!($field),
                                if is_secret!($($secret)?) { &Hidden as &dyn std::fmt::Debug } else { $field },
                            ))*
                            .finish()
                    })*
                    Self::Other { opcode, .. } => {
                        f.debug_struct("Other").field("opcode", opcode).field("args", &Hidden).finish()
                    }
                }
            }
        }

        #[cfg(feature = "serde")]
        impl crate::json::Fields for $enum<'_> {
            fn write_fields<M: serde::ser::SerializeMap>(&self, map: &mut M, redact: bool) -> Result<(), M::Error> {
                map.serialize_entry("opcode", self.opcode())?;
                match self {
                    $(Self::$variant { $($field),* } => {
                        $(if redact && is_secret!($($secret)?) {
                            map.serialize_entry(stringify!($field), &())?;
                        } else {
                            map.serialize_entry(stringify!($field), $field)?;
                        })*
                    })*
                    Self::Other { .. } if redact => map.serialize_entry("args", &())?,
                    Self::Other { args, .. } => map.serialize_entry("args", args)?,
                }
                Ok(())
            }
        }

        #[cfg(feature = "serde")]
        impl serde::Serialize for $enum<'_> {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                crate::json::serialize(self, serializer, false)
            }
        }
    };
}
pub(crate) use instructions;

#[cfg(test)]
mod tests;
