//! Sums of certificates, as administrators copy them.

use std::fmt;

use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha384, Sha512};

/// The sum of a whole certificate in DER.
///
/// In text it is `hash:digits`, with digits in hexadecimal, in either case, with or without colons; `hash` is `sha1`,
/// `sha256`, `sha384` or `sha512` (also `sha-256` and so on). Without a hash it is SHA-256.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    hash: Hash,
    sum: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Hash {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Fingerprint {
    /// The SHA-256 sum of a certificate in DER.
    #[must_use]
    pub fn sha256(certificate: &[u8]) -> Self {
        Self::new(Hash::Sha256, certificate)
    }

    fn new(hash: Hash, certificate: &[u8]) -> Self {
        Self { hash, sum: hash.sum(certificate) }
    }

    /// Reads one. `None` if it is not of the form above, or not as long as the hash demands.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let named = text.split_once(':').and_then(|(name, digits)| Some((Hash::named(name)?, digits)));
        let (hash, digits) = named.unwrap_or((Hash::Sha256, text));
        let digits: String = digits.chars().filter(|c| *c != ':').collect();
        let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
        if pairs.len() != hash.len_bytes() || !rest.is_empty() {
            return None;
        }
        let sum = pairs.iter().map(|&[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect::<Option<_>>()?;
        Some(Self { hash, sum })
    }

    /// Reads a list with commas between. One that does not parse is left out with a warning.
    #[must_use]
    pub fn parse_list(text: &str) -> Vec<Self> {
        let parse = |one| {
            let parsed = Self::parse(one);
            if parsed.is_none() {
                tracing::warn!("Fingerprint of a certificate is not hash:digits, ignored");
            }
            parsed
        };
        text.split(',').filter_map(parse).collect()
    }

    /// Whether this is the certificate's sum.
    #[must_use]
    pub fn matches(&self, certificate: &[u8]) -> bool {
        self.sum == self.hash.sum(certificate)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.hash.name())?;
        self.sum.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

impl Hash {
    const ALL: [Self; 4] = [Self::Sha1, Self::Sha256, Self::Sha384, Self::Sha512];

    fn named(name: &str) -> Option<Self> {
        let name = name.trim().to_ascii_lowercase().replace('-', "");
        Self::ALL.into_iter().find(|hash| hash.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }

    fn len_bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    fn sum(self, data: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => Sha1::digest(data).to_vec(),
            Self::Sha256 => Sha256::digest(data).to_vec(),
            Self::Sha384 => Sha384::digest(data).to_vec(),
            Self::Sha512 => Sha512::digest(data).to_vec(),
        }
    }
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_come_in_the_usual_forms() {
        let expected = Fingerprint { hash: Hash::Sha256, sum: vec![0xAB; 32] };
        let colons = vec!["AB"; 32].join(":");
        for text in [format!("sha256:{colons}"), format!(" SHA-256:{}", "ab".repeat(32)), colons, "aB".repeat(32)] {
            assert_eq!(Fingerprint::parse(&text), Some(expected.clone()), "{text}");
        }
        let list = format!("{}, sha256:{}", "ab".repeat(32), "AB".repeat(32));
        assert_eq!(Fingerprint::parse_list(&list), [expected.clone(), expected]);
    }

    #[test]
    fn each_hash_is_known_by_name_and_says_it_again() {
        for hash in Hash::ALL {
            let fingerprint = Fingerprint::new(hash, b"certificate");
            assert!(fingerprint.matches(b"certificate") && !fingerprint.matches(b"Certificate"));
            assert_eq!(Fingerprint::parse(&fingerprint.to_string()), Some(fingerprint));
        }
    }

    #[test]
    fn a_fingerprint_with_a_typo_is_none() {
        let (short, long, wrong) = ("ab".repeat(31), "ab".repeat(33), "xy".repeat(32));
        let (sha1, md5, plus) =
            (format!("sha1:{}", "ab".repeat(32)), format!("md5:{}", "ab".repeat(16)), "+a".repeat(32));
        for typo in ["ab", &short, &long, &wrong, &sha1, &md5, &plus, "sha256:", ""] {
            assert_eq!(Fingerprint::parse(typo), None, "{typo}");
        }
    }
}
