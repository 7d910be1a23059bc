//! Numbers as arguments: the length prefix and the digits in one go.

/// Appends `,LENGTH.VALUE`.
#[inline]
pub(crate) fn write_integer(out: &mut Vec<u8>, value: i64) {
    match usize::try_from(value).ok().and_then(|index| SMALL.get(index)) {
        Some(entry) => append(out, entry, usize::from(entry[7])),
        None => write_long(out, value),
    }
}

/// Appends `,LENGTH.`, in front of a value.
#[inline]
pub(crate) fn write_length(out: &mut Vec<u8>, length: usize) {
    match LENGTHS.get(length) {
        Some(entry) => append(out, entry, usize::from(entry[7])),
        None => {
            out.push(b',');
            write_digits(out, length as u64);
            out.push(b'.');
        }
    }
}

/// Appends `,LENGTH.VALUE` in the form of `%g`: plain where the exponent is small, otherwise with an exponent; as many
/// digits as it takes to read the same number again. What is no number is written as 0, since no peer reads it.
pub(crate) fn write_float(out: &mut Vec<u8>, value: f64) {
    use std::io::Write as _;

    let value = if value.is_finite() { value } else { 0.0 };
    let exponent = if value == 0.0 { 0.0 } else { value.abs().log10().floor() };
    let mut text = [0_u8; FLOAT_BYTES];
    let mut rest: &mut [u8] = &mut text;
    // The logarithm may be off by one next to a power of ten, where either form is as good.
    let written = if (-4.0..16.0).contains(&exponent) { write!(rest, "{value}") } else { write!(rest, "{value:e}") };
    let left = rest.len();
    debug_assert!(written.is_ok(), "FLOAT_BYTES holds any number");
    let text = text.get(..FLOAT_BYTES - left).unwrap_or_default();
    write_length(out, text.len());
    out.extend_from_slice(text);
}

/// Room for any number: sign, 17 digits, point, `e-308`, and the zeros before a small one.
const FLOAT_BYTES: usize = 32;

/// Appends the first `len` bytes of a block. A copy of fixed size and a cut are cheaper than a copy of any size.
#[inline(always)]
fn append<const N: usize>(out: &mut Vec<u8>, block: &[u8; N], len: usize) {
    let end = out.len() + len;
    out.extend_from_slice(block);
    out.truncate(end);
}

/// Numbers beyond the table: timestamps, keysyms above it, negative ones.
fn write_long(out: &mut Vec<u8>, value: i64) {
    let magnitude = value.unsigned_abs();
    let digits = digits_of(magnitude);
    let length = digits + usize::from(value < 0);
    write_length(out, length);
    if value < 0 {
        out.push(b'-');
    }
    write_digits_of(out, magnitude, digits);
}

fn write_digits(out: &mut Vec<u8>, value: u64) {
    write_digits_of(out, value, digits_of(value));
}

/// Appends the `digits` decimal digits of a number.
fn write_digits_of(out: &mut Vec<u8>, value: u64, digits: usize) {
    let mut text = [0_u8; MAX_DIGITS];
    let mut rest = value;
    // From the last digit on, two at a time; the places are fixed, so that the copy starts where the digits do.
    for pair in text.rchunks_exact_mut(2) {
        let two = PAIRS.get(usize::try_from(rest % 100).unwrap_or_default()).copied().unwrap_or_default();
        pair.copy_from_slice(&two);
        rest /= 100;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(text.get(MAX_DIGITS - digits..).unwrap_or_default());
}

fn digits_of(value: u64) -> usize {
    value.checked_ilog10().map_or(1, |log| log as usize + 1)
}

/// Digits of the largest number, 2^64 - 1.
const MAX_DIGITS: usize = 20;

/// `,LENGTH.VALUE` of small numbers, their own length in the last byte. Coordinates on all but the largest displays,
/// indices, colours and flags are in it.
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which checks it")]
static SMALL: [[u8; 8]; 4096] = {
    let mut table = [[0; 8]; 4096];
    let mut value = 0;
    while value < table.len() {
        table[value] = entry(value, true);
        value += 1;
    }
    table
};

/// `,LENGTH.` of short values, its own length in the last byte.
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which checks it")]
static LENGTHS: [[u8; 8]; 256] = {
    let mut table = [[0; 8]; 256];
    let mut length = 0;
    while length < table.len() {
        table[length] = entry(length, false);
        length += 1;
    }
    table
};

/// The two digits of numbers up to 99.
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which checks it")]
static PAIRS: [[u8; 2]; 100] = {
    let mut table = [[0; 2]; 100];
    let mut value = 0;
    while value < table.len() {
        table[value] = [digit(value / 10), digit(value)];
        value += 1;
    }
    table
};

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which checks it")]
const fn entry(value: usize, with_length: bool) -> [u8; 8] {
    let digits = if value < 10 {
        1
    } else if value < 100 {
        2
    } else if value < 1000 {
        3
    } else {
        4
    };
    let mut bytes = [0; 8];
    bytes[0] = b',';
    let mut at = 1;
    if with_length {
        bytes[1] = digit(digits);
        bytes[2] = b'.';
        at = 3;
    }
    let mut left = digits;
    let mut rest = value;
    while left > 0 {
        left -= 1;
        bytes[at + left] = digit(rest);
        rest /= 10;
    }
    at += digits;
    if !with_length {
        bytes[at] = b'.';
        at += 1;
    }
    #[expect(clippy::cast_possible_truncation, reason = "at most 7")]
    {
        bytes[7] = at as u8;
    }
    bytes
}

#[expect(clippy::cast_possible_truncation, reason = "a digit")]
const fn digit(value: usize) -> u8 {
    b'0' + (value % 10) as u8
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn integer(value: i64) -> String {
        let mut out = Vec::new();
        write_integer(&mut out, value);
        String::from_utf8(out).unwrap()
    }

    fn float(value: f64) -> String {
        let mut out = Vec::new();
        write_float(&mut out, value);
        String::from_utf8(out).unwrap()
    }

    fn plain(value: impl ToString) -> String {
        let text = value.to_string();
        format!(",{}.{text}", text.len())
    }

    #[test]
    fn integers_at_every_edge_are_written_plainly() {
        let powers = (0..19).map(|power| 10_i64.pow(power));
        let edges = powers.flat_map(|power| [power - 1, power, power + 1, -power, 1 - power]);
        for value in edges.chain(0..5000).chain([i64::MIN, i64::MAX]) {
            assert_eq!(integer(value), plain(value));
        }
    }

    #[test]
    fn lengths_at_every_edge_are_written_plainly() {
        for length in (0..1100).chain([6048, 8064, 8191, 8192, 9999, 10_000]) {
            let mut out = Vec::new();
            write_length(&mut out, length);
            assert_eq!(String::from_utf8(out).unwrap(), format!(",{length}."));
        }
    }

    #[test]
    fn floats_have_an_exponent_where_they_would_be_long() {
        for (value, text) in [
            (0.0, "0"),
            (1.0, "1"),
            (-1.5, "-1.5"),
            (0.1, "0.1"),
            (0.0001, "0.0001"),
            (0.000_01, "1e-5"),
            (1e15, "1000000000000000"),
            (1e22, "1e22"),
            (-2.5e-300, "-2.5e-300"),
            (f64::NAN, "0"),
            (f64::INFINITY, "0"),
        ] {
            assert_eq!(float(value), format!(",{}.{text}", text.len()));
        }
    }

    proptest! {
        #[test]
        fn any_integer_is_written_plainly(value in any::<i64>(), shift in 0..63) {
            prop_assert_eq!(integer(value >> shift), plain(value >> shift));
        }

        #[test]
        fn any_float_is_read_again_and_short(value in any::<f64>().prop_filter("finite", |value| value.is_finite())) {
            let text = float(value);
            let (_, number) = text.split_once('.').unwrap();
            prop_assert_eq!(number.parse::<f64>().unwrap(), value);
            prop_assert!(number.len() <= 24, "{}", number);
        }
    }
}
