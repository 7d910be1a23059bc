//! The old authentication schemes, kept for the servers that know nothing else.

use des::{
    Des,
    cipher::{Block, BlockCipherEncrypt, KeyInit},
};

/// Answers the challenge of VNC authentication (RFC 6143 §7.2.2): DES in ECB mode, keyed with the first eight bytes
/// of the password, each with its bits in reverse order.
pub(crate) fn vnc_response(challenge: [u8; 16], password: &str) -> [u8; 16] {
    let mut key = [0; 8];
    for (slot, byte) in key.iter_mut().zip(password.bytes()) {
        *slot = byte.reverse_bits();
    }
    let cipher = Des::new(&key.into());
    let mut response = challenge;
    let (blocks, _) = response.as_chunks_mut::<8>();
    for block in blocks {
        let mut buffer = Block::<Des>::from(*block);
        cipher.encrypt_block(&mut buffer);
        *block = buffer.into();
    }
    response
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
}
