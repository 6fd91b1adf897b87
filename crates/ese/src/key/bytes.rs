//! Strings and byte strings: an end mark that sorts before every continuation.
//!
//! The end is a 0; a 0 inside is written as 1 1 and a 1 as 1 2. Every pair sorts as the byte it stands for does against
//! the bytes from 2 on, and above the end; text without control characters grows by the end mark alone.

use super::{KeyBuffer, KeyInput, KeyOf, KeyType, invalid};
use ese_base::Result;

const END: u8 = 0;
const ESCAPE: u8 = 1;

/// Appends the bytes without an end mark: the common beginning of all strings that begin with them.
pub(super) fn encode_open(bytes: &[u8], out: &mut KeyBuffer) {
    let mut rest = bytes;
    while let Some(special) = rest.iter().position(|&byte| byte <= ESCAPE) {
        out.extend(&rest[..special]);
        out.push(ESCAPE);
        out.push(rest[special] + 1);
        rest = &rest[special + 1..];
    }
    out.extend(rest);
}

fn encode_bytes(bytes: &[u8], out: &mut KeyBuffer) {
    encode_open(bytes, out);
    out.push(END);
}

fn decode_bytes(input: &mut KeyInput<'_>) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        match input.byte()? {
            END => return Ok(bytes),
            ESCAPE => match input.byte()? {
                escaped @ (1 | 2) => bytes.push(escaped - 1),
                _ => return Err(invalid("an escape in a string is 1 1 or 1 2")),
            },
            byte => bytes.push(byte),
        }
    }
}

impl KeyOf<Vec<u8>> for [u8] {
    fn encode(&self, out: &mut KeyBuffer) {
        encode_bytes(self, out);
    }
}

impl KeyOf<Vec<u8>> for Vec<u8> {
    fn encode(&self, out: &mut KeyBuffer) {
        encode_bytes(self, out);
    }
}

impl<const N: usize> KeyOf<Vec<u8>> for [u8; N] {
    fn encode(&self, out: &mut KeyBuffer) {
        encode_bytes(self, out);
    }
}

impl KeyType for Vec<u8> {
    fn decode(input: &mut KeyInput<'_>) -> Result<Self> {
        decode_bytes(input)
    }
}

impl KeyOf<String> for str {
    fn encode(&self, out: &mut KeyBuffer) {
        encode_bytes(self.as_bytes(), out);
    }
}

impl KeyOf<String> for String {
    fn encode(&self, out: &mut KeyBuffer) {
        encode_bytes(self.as_bytes(), out);
    }
}

impl KeyType for String {
    fn decode(input: &mut KeyInput<'_>) -> Result<Self> {
        String::from_utf8(decode_bytes(input)?).map_err(|_| invalid("the text is not UTF-8"))
    }
}

impl<const N: usize> KeyOf<[u8; N]> for [u8; N] {
    #[inline]
    fn encode(&self, out: &mut KeyBuffer) {
        out.extend(self);
    }
}

impl<const N: usize> KeyType for [u8; N] {
    #[inline]
    fn decode(input: &mut KeyInput<'_>) -> Result<Self> {
        input.array()
    }
}
