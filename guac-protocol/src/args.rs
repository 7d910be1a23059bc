//! The argument types of instructions: how each parses and how each is written.

use crate::decimal::{write_float, write_integer};
use crate::encoder::write_text;
use crate::{LayerIndex, ObjectIndex, Status, StreamIndex};

/// A value that stands in one argument (or, for [`Rest`], in all remaining ones).
pub trait Arg<'a>: Sized {
    /// What it should be, with its article, for error messages.
    const EXPECTED: &'static str;

    /// Parses the argument. `None` if it does not parse.
    fn parse(text: &'a str) -> Option<Self>;

    /// Appends `,LENGTH.VALUE`.
    fn write(&self, out: &mut Vec<u8>);

    /// Takes the value from the arguments left. The default takes one and fails when there is none.
    ///
    /// # Errors
    /// `false` when the argument is missing, `true` when it is there and does not parse.
    fn take(arguments: &mut dyn Iterator<Item = &'a str>) -> Result<Self, bool> {
        let text = arguments.next().ok_or(false)?;
        Self::parse(text).ok_or(true)
    }
}

impl<'a> Arg<'a> for &'a str {
    const EXPECTED: &'static str = "text";

    fn parse(text: &'a str) -> Option<Self> {
        Some(text)
    }

    fn write(&self, out: &mut Vec<u8>) {
        write_text(out, self);
    }
}

/// A whole number, tolerating a fraction behind it: browsers compute positions as floating point and guacd's `atoi`
/// reads the leading integer only.
#[inline]
fn parse_integer(text: &str) -> Option<i64> {
    // Up to four digits, as nearly all numbers are, cannot overflow and need no other check than that of each byte.
    let bytes = text.as_bytes();
    if let 1..=4 = bytes.len() {
        let mut value = 0;
        let mut plain = true;
        for &byte in bytes {
            let digit = byte.wrapping_sub(b'0');
            plain &= digit < 10;
            value = value * 10 + i64::from(digit);
        }
        if plain {
            return Some(value);
        }
    }
    let whole = text.split_once('.').map_or(text, |(whole, _)| whole);
    whole.parse().ok()
}

macro_rules! integer_arg {
    ($($type:ty),*) => {$(
        impl<'a> Arg<'a> for $type {
            const EXPECTED: &'static str = "a whole number in range";

            fn parse(text: &'a str) -> Option<Self> {
                parse_integer(text)?.try_into().ok()
            }

            fn write(&self, out: &mut Vec<u8>) {
                write_integer(out, i64::from(*self));
            }
        }
    )*};
}
integer_arg!(u8, u16, i32, u32, i64);

macro_rules! index_arg {
    ($($type:ident),*) => {$(
        impl<'a> Arg<'a> for $type {
            const EXPECTED: &'static str = "an index";

            fn parse(text: &'a str) -> Option<Self> {
                Arg::parse(text).map($type)
            }

            fn write(&self, out: &mut Vec<u8>) {
                self.0.write(out);
            }
        }
    )*};
}
index_arg!(LayerIndex, StreamIndex, ObjectIndex);

impl<'a> Arg<'a> for bool {
    const EXPECTED: &'static str = "0 or 1";

    fn parse(text: &'a str) -> Option<Self> {
        parse_integer(text).map(|number| number != 0)
    }

    fn write(&self, out: &mut Vec<u8>) {
        write_integer(out, i64::from(*self));
    }
}

impl<'a> Arg<'a> for f64 {
    const EXPECTED: &'static str = "a number";

    fn parse(text: &'a str) -> Option<Self> {
        text.parse().ok().filter(|number: &f64| number.is_finite())
    }

    fn write(&self, out: &mut Vec<u8>) {
        write_float(out, *self);
    }
}

/// Unknown numbers read as [`Status::ServerError`], as every peer treats them.
impl<'a> Arg<'a> for Status {
    const EXPECTED: &'static str = "a status number";

    fn parse(text: &'a str) -> Option<Self> {
        let code: u16 = Arg::parse(text)?;
        Some(Status::from_code(code).unwrap_or(Status::ServerError))
    }

    fn write(&self, out: &mut Vec<u8>) {
        write_integer(out, i64::from(self.code()));
    }
}

/// An argument that may be left out at the end, or be empty.
impl<'a, A: Arg<'a>> Arg<'a> for Option<A> {
    const EXPECTED: &'static str = A::EXPECTED;

    fn parse(text: &'a str) -> Option<Self> {
        if text.is_empty() { Some(None) } else { A::parse(text).map(Some) }
    }

    fn write(&self, out: &mut Vec<u8>) {
        if let Some(value) = self {
            value.write(out);
        }
    }

    fn take(arguments: &mut dyn Iterator<Item = &'a str>) -> Result<Self, bool> {
        arguments.next().map_or(Ok(None), |text| Self::parse(text).ok_or(true))
    }
}

/// All remaining arguments.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rest<'a>(pub Vec<&'a str>);

impl<'a> Arg<'a> for Rest<'a> {
    const EXPECTED: &'static str = "text";

    fn parse(text: &'a str) -> Option<Self> {
        Some(Self(vec![text]))
    }

    fn write(&self, out: &mut Vec<u8>) {
        for text in &self.0 {
            text.write(out);
        }
    }

    fn take(arguments: &mut dyn Iterator<Item = &'a str>) -> Result<Self, bool> {
        Ok(Self(arguments.collect()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::{ArgumentError, ClientInstruction, Decoder, InstructionWriter, ServerInstruction};

    fn client(text: &str) -> Result<String, ArgumentError> {
        let mut decoder = Decoder::new();
        decoder.feed(text.as_bytes()).unwrap();
        let instruction = decoder.next_instruction().unwrap().unwrap();
        ClientInstruction::try_from(&instruction).map(|typed| format!("{typed:?}"))
    }

    #[test]
    fn missing_and_wrong_arguments_are_errors() {
        assert_eq!(client("3.key,2.97;"), Err(ArgumentError::Missing { opcode: "key", name: "pressed" }));
        for wrong in ["3.key,1.x,1.1;", "3.key,2.-1,1.1;", "4.size,0.,1.1;", "4.size,11.99999999999,1.1;"] {
            assert!(matches!(client(wrong), Err(ArgumentError::Invalid { .. })), "{wrong}");
        }
        assert_eq!(client("7.unknown;").as_deref(), Ok("Other { opcode: \"unknown\", args: … }"));
        assert!(client("3.key,2.97,1.1,5.extra;").is_ok());
    }

    #[test]
    fn numbers_may_be_negative_broken_or_have_an_exponent() {
        let mouse = client("5.mouse,3.-10,6.12.875,1.0;").unwrap();
        assert!(mouse.contains("x: -10") && mouse.contains("y: 12"), "{mouse}");
        let touch = client("5.touch,1.0,1.1,1.2,1.3,1.4,3.0.5,4.5e-1;").unwrap();
        assert!(touch.contains("force: 0.5"), "{touch}");
        for bad in ["3.NaN", "3.inf", "5.1e999"] {
            assert!(client(&format!("5.touch,1.0,1.1,1.2,1.3,1.4,1.0,{bad};")).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_arguments_of_any_opcode_are_read_or_refused(
            opcode in prop::sample::select(vec![
                "ack", "argv", "audio", "blob", "cfill", "clipboard", "connect", "copy", "cursor", "end", "error", "img",
                "key", "mouse", "move", "msg", "rect", "select", "set", "shade", "size", "sync", "touch",
            ]),
            arguments in prop::collection::vec("-?[0-9]{0,12}|.{0,8}", 0..10),
        ) {
            let mut bytes = Vec::new();
            arguments.iter().fold(InstructionWriter::new(&mut bytes, opcode), |w, text| w.text(text)).end();
            let mut decoder = Decoder::new();
            decoder.feed(&bytes).unwrap();
            let instruction = decoder.next_instruction().unwrap().unwrap();
            let missing = |error| matches!(error, ArgumentError::Missing { .. });
            let given = arguments.len();
            if ClientInstruction::try_from(&instruction).is_err_and(missing) {
                prop_assert!(given < 7);
            }
            if ServerInstruction::try_from(&instruction).is_err_and(missing) {
                prop_assert!(given < 9);
            }
        }
    }
}
