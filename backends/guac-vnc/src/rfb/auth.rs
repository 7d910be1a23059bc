//! The old authentication schemes, kept for the servers that know nothing else.
//!
//! None of them proves who the server is, and all are weak by today's measure; they differ in how much a listener
//! learns.

use aes::Aes128;
use des::{
    Des,
    cipher::{Block, BlockCipherEncrypt, KeyInit},
};
use md5::Md5;
use num_bigint::BigUint;
use sha2::{Digest, Sha256};

use super::{
    error::{Stop, check_limit},
    reader::Reader,
};

/// Longest Diffie-Hellman modulus, in bytes. Apple uses 128; 4096 bits take some 0.1 s of computing.
const ARD_KEY_BYTES: u16 = 512;

/// Room for a user name and for a password with Apple, each with a closing zero byte.
const ARD_FIELD_BYTES: usize = 64;

/// Answers the challenge of VNC authentication (RFC 6143 §7.2.2): DES in ECB mode, keyed with the first eight bytes
/// of the password, each with its bits in reverse order.
pub(crate) fn vnc_response(challenge: [u8; 16], password: &str) -> [u8; 16] {
    let mut key = [0; 8];
    for (slot, byte) in key.iter_mut().zip(password.bytes()) {
        *slot = byte;
    }
    let cipher = reversed_des(key);
    let mut response = challenge;
    let (blocks, _) = response.as_chunks_mut::<8>();
    for block in blocks {
        *block = encrypt(&cipher, *block);
    }
    response
}

/// DES as VNC uses it, with the bits of each byte of the key in reverse order.
fn reversed_des(key: [u8; 8]) -> Des {
    Des::new(&key.map(u8::reverse_bits).into())
}

fn encrypt(cipher: &Des, block: [u8; 8]) -> [u8; 8] {
    let mut buffer = Block::<Des>::from(block);
    cipher.encrypt_block(&mut buffer);
    buffer.into()
}

/// Apple's Diffie-Hellman authentication (security type 30).
#[derive(Clone, Debug)]
pub(crate) struct ArdChallenge {
    generator: u16,
    modulus: Vec<u8>,
    server_key: Vec<u8>,
}

impl ArdChallenge {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Stop> {
        let generator = reader.u16()?;
        let len = reader.u16()?;
        check_limit("key", len, ARD_KEY_BYTES)?;
        let modulus = reader.take(len.into())?.to_vec();
        let server_key = reader.take(len.into())?.to_vec();
        // An even modulus is no prime, and zero divides nothing.
        if modulus.last().is_none_or(|last| last & 1 == 0) || BigUint::from_bytes_be(&modulus) <= BigUint::from(2_u8) {
            return Err(Stop::malformed("Diffie-Hellman modulus"));
        }
        Ok(Self { generator, modulus, server_key })
    }

    /// Encrypted credentials and our public key. `seed` is random and used once; fields too long are cut.
    pub(crate) fn response(&self, username: &str, password: &str, seed: &[u8; 32]) -> Vec<u8> {
        let len = self.modulus.len();
        let number = BigUint::from_bytes_be;
        let (modulus, private) = (number(&self.modulus), number(&expand(seed, b'k', len)));
        let public = BigUint::from(self.generator).modpow(&private, &modulus);
        let shared = number(&self.server_key).modpow(&private, &modulus);
        let key: [u8; 16] = Md5::digest(padded(&shared, len)).into();
        let mut fields = expand(seed, b'p', 2 * ARD_FIELD_BYTES);
        for (field, text) in fields.chunks_exact_mut(ARD_FIELD_BYTES).zip([username, password]) {
            let text = text.bytes().take(ARD_FIELD_BYTES - 1).chain([0]);
            field.iter_mut().zip(text).for_each(|(slot, byte)| *slot = byte);
        }
        let cipher = Aes128::new(&key.into());
        let (blocks, _) = fields.as_chunks_mut::<16>();
        for block in blocks {
            let mut buffer = Block::<Aes128>::from(*block);
            cipher.encrypt_block(&mut buffer);
            *block = buffer.into();
        }
        fields.extend(padded(&public, len));
        fields
    }
}

/// A number in exactly `len` bytes, which its modulus fits in.
fn padded(number: &BigUint, len: usize) -> Vec<u8> {
    let bytes = number.to_bytes_be();
    let mut out = vec![0; len.saturating_sub(bytes.len())];
    out.extend(bytes);
    out
}

/// `len` bytes that nobody predicts who does not know `seed`; `purpose` tells uses apart.
fn expand(seed: &[u8; 32], purpose: u8, len: usize) -> Vec<u8> {
    let blocks = (0_u32..).map(|counter| {
        Sha256::new().chain_update(seed).chain_update([purpose]).chain_update(counter.to_be_bytes()).finalize()
    });
    blocks.flatten().take(len).collect()
}

/// UltraVNC's MS-Logon II (security type 113): Diffie-Hellman with 64 bits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MsLogonChallenge {
    generator: u64,
    modulus: u64,
    server_key: u64,
}

impl MsLogonChallenge {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Stop> {
        let mut number = || reader.array().map(u64::from_be_bytes);
        let challenge = Self { generator: number()?, modulus: number()?, server_key: number()? };
        if challenge.modulus < 2 {
            return Err(Stop::malformed("Diffie-Hellman modulus"));
        }
        Ok(challenge)
    }

    /// Our public key and the encrypted credentials.
    pub(crate) fn response(self, username: &str, password: &str, seed: &[u8; 32]) -> Vec<u8> {
        let private = expand(seed, b'k', 8).iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        let public = power(self.generator, private, self.modulus);
        let key = power(self.server_key, private, self.modulus).to_be_bytes();
        let mut out = public.to_be_bytes().to_vec();
        for (text, len) in [(username, 256), (password, 64)] {
            let mut field: Vec<u8> = text.bytes().take(len - 1).collect();
            field.resize(len, 0);
            out.extend(encrypt_chain(key, &field));
        }
        out
    }
}

/// DES in CBC mode that starts from the key itself.
fn encrypt_chain(key: [u8; 8], plain: &[u8]) -> Vec<u8> {
    let cipher = reversed_des(key);
    let mut last = key;
    let mut out = Vec::with_capacity(plain.len());
    for block in plain.as_chunks::<8>().0 {
        for (last, plain) in last.iter_mut().zip(block) {
            *last ^= plain;
        }
        last = encrypt(&cipher, last);
        out.extend(last);
    }
    out
}

/// `base` to the power of `exponent`, modulo `modulus`, which is not 0.
fn power(base: u64, mut exponent: u64, modulus: u64) -> u64 {
    let modulus = u128::from(modulus);
    let (mut result, mut square) = (1 % modulus, u128::from(base) % modulus);
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = result * square % modulus;
        }
        square = square * square % modulus;
        exponent >>= 1;
    }
    // Below a modulus that came from 64 bits.
    u64::try_from(result).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_a_known_challenge() {
        // From `openssl enc -des-ecb -nopad -K 0a86ceceeef64e26`, the key being "Password" with its bits reversed.
        let block = [0xd9, 0x4b, 0xb7, 0x47, 0x98, 0xa1, 0x07, 0xc7];
        assert_eq!(vnc_response([0; 16], "Password"), [block, block].concat()[..]);
    }

    #[test]
    fn ignores_what_follows_the_eighth_byte() {
        assert_eq!(vnc_response([7; 16], "12345678"), vnc_response([7; 16], "123456789"));
        assert_ne!(vnc_response([7; 16], "12345678"), vnc_response([7; 16], "1234567"));
    }

    fn ard(modulus: &[u8], server_key: &[u8]) -> Result<ArdChallenge, Stop> {
        let len = u16::try_from(modulus.len()).unwrap().to_be_bytes();
        let bytes = [&[0, 2], &len[..], modulus, server_key].concat();
        ArdChallenge::read(&mut Reader::new(&bytes))
    }

    #[test]
    fn apples_server_reads_the_credentials() {
        // 2^127 - 1, and a server whose private key is 12345.
        let modulus = BigUint::from(u128::MAX >> 1);
        let secret = BigUint::from(12345_u32);
        let server_key = padded(&BigUint::from(2_u8).modpow(&secret, &modulus), 16);
        let challenge = ard(&padded(&modulus, 16), &server_key).unwrap();
        let mut response = challenge.response("ann", &"p".repeat(99), &[7; 32]);
        let ours = BigUint::from_bytes_be(&response.split_off(128));
        let key: [u8; 16] = Md5::digest(padded(&ours.modpow(&secret, &modulus), 16)).into();
        let cipher = Aes128::new(&key.into());
        for block in response.as_chunks_mut::<16>().0 {
            let mut buffer = Block::<Aes128>::from(*block);
            des::cipher::BlockCipherDecrypt::decrypt_block(&cipher, &mut buffer);
            *block = buffer.into();
        }
        assert_eq!(response[..4], *b"ann\0");
        assert_eq!(response[64..], *[&[b'p'; 63][..], &[0]].concat());
        assert_ne!(response[4..64], [0; 60], "unused room is random");
    }

    #[test]
    fn keys_without_sense_are_refused() {
        for modulus in [&[0; 16][..], &[1], &[2], &[6], &[]] {
            assert!(ard(modulus, &vec![0; modulus.len()]).is_err(), "{modulus:?}");
        }
        assert!(ard(&[7], &[0]).is_ok());
        assert!(ard(&[0xFF; 512], &[0; 512]).is_ok());
        assert!(ard(&[0xFF; 513], &[0; 513]).is_err());
        assert!(MsLogonChallenge::read(&mut Reader::new(&[0; 24])).is_err());
    }

    #[test]
    fn ultravncs_server_reads_the_credentials() {
        let (modulus, secret) = (0xFFFF_FFFF_FFFF_FFC5, 987_654_321);
        let challenge = MsLogonChallenge { generator: 5, modulus, server_key: power(5, secret, modulus) };
        let response = challenge.response("ann", "secret", &[9; 32]);
        assert_eq!(response.len(), 8 + 256 + 64);
        let ours = u64::from_be_bytes(response[..8].try_into().unwrap());
        let key = power(ours, secret, modulus).to_be_bytes();
        let plain = |encrypted: &[u8]| {
            let cipher = reversed_des(key);
            let mut last = key;
            let mut plain = Vec::new();
            for block in encrypted.as_chunks::<8>().0 {
                let mut buffer = Block::<Des>::from(*block);
                des::cipher::BlockCipherDecrypt::decrypt_block(&cipher, &mut buffer);
                plain.extend(buffer.iter().zip(last).map(|(byte, last)| byte ^ last));
                last = *block;
            }
            plain
        };
        assert!(plain(&response[8..264]).starts_with(b"ann\0"));
        assert!(plain(&response[264..]).starts_with(b"secret\0"));
    }

    #[test]
    fn powers_are_right_up_to_the_largest_modulus() {
        assert_eq!(power(3, 4, 7), 81 % 7);
        assert_eq!(power(u64::MAX, 2, u64::MAX - 1), 1);
        assert_eq!(power(5, 0, 1), 0);
    }
}
