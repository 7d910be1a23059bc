//! The public key in a certificate, whatever else is odd about it.

use rustls::pki_types::CertificateDer;

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const SEQUENCE: u8 = 0x30;
/// The version, which certificates of version 1 leave out.
const VERSION: u8 = 0xA0;

/// The public key of a certificate: the content of the `subjectPublicKey` bit string, without the byte that counts
/// unused bits. This is what CredSSP binds to. `None` if `certificate` is none.
///
/// # Specification
/// RFC 5280, section 4.1; MS-CSSP, section 3.1.5.
#[must_use]
pub fn public_key_of(certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    SubjectPublicKey::of(certificate).map(|key| key.bits.to_vec())
}

/// The `SubjectPublicKeyInfo` of a certificate.
pub(crate) struct SubjectPublicKey<'a> {
    /// Content of the `AlgorithmIdentifier`.
    pub(crate) algorithm: &'a [u8],
    /// Content of the bit string, in whole bytes.
    pub(crate) bits: &'a [u8],
}

impl<'a> SubjectPublicKey<'a> {
    /// Reads no more than the way to it: what webpki refuses (version 1, odd extensions) is none of our business where
    /// nobody asks who signed.
    pub(crate) fn of(certificate: &'a [u8]) -> Option<Self> {
        let mut rest = certificate;
        let mut certificate = expect(&mut rest, SEQUENCE)?;
        let mut fields = expect(&mut certificate, SEQUENCE)?;
        if fields.first() == Some(&VERSION) {
            expect(&mut fields, VERSION)?;
        }
        // Serial number, signature algorithm, issuer, validity, subject.
        for tag in [INTEGER, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE] {
            expect(&mut fields, tag)?;
        }
        let mut info = expect(&mut fields, SEQUENCE)?;
        let algorithm = expect(&mut info, SEQUENCE)?;
        let (unused, bits) = expect(&mut info, BIT_STRING)?.split_first()?;
        (*unused == 0).then_some(Self { algorithm, bits })
    }
}

/// Takes a value with this tag off the front.
fn expect<'a>(input: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    let (found, rest) = input.split_first()?;
    let (length, rest) = rest.split_first()?;
    let (length, rest) = match length {
        0..=0x7F => (usize::from(*length), rest),
        // One to four bytes of length; the indefinite form (0x80) is no DER.
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(length & 0x7F))?;
            let length = bytes.iter().fold(0u32, |length, byte| (length << 8) | u32::from(*byte));
            (usize::try_from(length).ok()?, rest)
        }
        _ => return None,
    };
    let (value, rest) = rest.split_at_checked(length)?;
    *input = rest;
    (*found == tag).then_some(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, prop_assert, proptest};
    use rcgen::{CertifiedKey, KeyPair, PublicKeyData as _};

    use super::*;

    fn certificate() -> CertifiedKey<KeyPair> {
        rcgen::generate_simple_self_signed(["desk.example".to_owned()]).unwrap()
    }

    #[test]
    fn the_public_key_is_found() {
        let made = certificate();
        let key = made.signing_key.der_bytes().to_vec();
        assert_eq!(public_key_of(made.cert.der()), Some(key));
    }

    #[test]
    fn a_certificate_cut_anywhere_before_its_key_ends_has_none() {
        let made = certificate();
        let der = made.cert.der();
        // After the key come the extensions and the signature, which nobody reads.
        for length in 0..der.len() - 1 {
            assert_eq!(public_key_of(&CertificateDer::from_slice(&der[..length])), None, "{length}");
        }
    }

    proptest! {
        #[test]
        fn any_change_of_a_byte_is_survived(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut der = certificate().cert.der().to_vec();
            let at = at.index(der.len());
            der[at] = byte;
            let length = der.len();
            prop_assert!(public_key_of(&der.into()).is_none_or(|key| key.len() < length));
        }
    }
}
