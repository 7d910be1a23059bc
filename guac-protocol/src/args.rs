//! The argument types of instructions: how each parses and how each is written.

use crate::encoder::{write_number, write_text};
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
        out.push(b',');
        write_text(out, self);
    }
}

/// A whole number, tolerating a fraction behind it: browsers compute positions as floating point and guacd's `atoi`
/// reads the leading integer only.
fn parse_integer(text: &str) -> Option<i64> {
    let whole = text.split_once('.').map_or(text, |(whole, _)| whole);
    whole.parse().ok()
}

fn write_signed(out: &mut Vec<u8>, value: i64) {
    let mut text = Vec::with_capacity(21);
    if value < 0 {
        text.push(b'-');
    }
    write_number(&mut text, value.unsigned_abs(), b'.');
    text.pop();
    out.push(b',');
    write_number(out, text.len() as u64, b'.');
    out.extend_from_slice(&text);
}

macro_rules! integer_arg {
    ($($type:ty),*) => {$(
        impl<'a> Arg<'a> for $type {
            const EXPECTED: &'static str = "a whole number in range";

            fn parse(text: &'a str) -> Option<Self> {
                parse_integer(text)?.try_into().ok()
            }

            fn write(&self, out: &mut Vec<u8>) {
                write_signed(out, i64::from(*self));
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
        write_signed(out, i64::from(*self));
    }
}

impl<'a> Arg<'a> for f64 {
    const EXPECTED: &'static str = "a number";

    fn parse(text: &'a str) -> Option<Self> {
        text.parse().ok().filter(|number: &f64| number.is_finite())
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(b',');
        write_text(out, &self.to_string());
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
        write_signed(out, i64::from(self.code()));
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
