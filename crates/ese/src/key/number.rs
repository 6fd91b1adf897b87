//! Numbers, truth values and characters: a fixed number of bytes each, the most significant first.

use super::{KeyBuffer, KeyInput, KeyOf, KeyType, invalid};
use ese_base::Result;

macro_rules! unsigned {
    ($($number:ty),*) => {$(
        impl KeyOf<$number> for $number {
            #[inline]
            fn encode(&self, out: &mut KeyBuffer) {
                out.extend(&self.to_be_bytes());
            }
        }

        impl KeyType for $number {
            #[inline]
            fn decode(input: &mut KeyInput<'_>) -> Result<Self> {
                input.array().map(<$number>::from_be_bytes)
            }
        }
    )*};
}

// With the sign bit flipped the two's complements count up from the least to the greatest.
macro_rules! signed {
    ($($number:ty),*) => {$(
        impl KeyOf<$number> for $number {
            #[inline]
            fn encode(&self, out: &mut KeyBuffer) {
                out.extend(&(self ^ <$number>::MIN).to_be_bytes());
            }
        }

        impl KeyType for $number {
            #[inline]
            fn decode(input: &mut KeyInput<'_>) -> Result<Self> {
                Ok(<$number>::from_be_bytes(input.array()?) ^ <$number>::MIN)
            }
        }
    )*};
}

// The bits of positive floats count up with their value, those of negative ones down.
macro_rules! float {
    ($($float:ty, $bits:ty, $sign:expr);*) => {$(
        impl KeyOf<$float> for $float {
            #[inline]
            fn encode(&self, out: &mut KeyBuffer) {
                let bits = self.to_bits();
                let sorted = if bits & $sign == 0 { bits ^ $sign } else { !bits };
                out.extend(&sorted.to_be_bytes());
            }
        }

        impl KeyType for $float {
            #[inline]
            fn decode(input: &mut KeyInput<'_>) -> Result<Self> {
                let sorted = <$bits>::from_be_bytes(input.array()?);
                let bits = if sorted & $sign == 0 { !sorted } else { sorted ^ $sign };
                Ok(<$float>::from_bits(bits))
            }
        }
    )*};
}

unsigned!(u8, u16, u32, u64, u128);
signed!(i8, i16, i32, i64, i128);
float!(f32, u32, 1 << 31; f64, u64, 1 << 63);

impl KeyOf<bool> for bool {
    fn encode(&self, out: &mut KeyBuffer) {
        out.push(u8::from(*self));
    }
}

impl KeyType for bool {
    fn decode(input: &mut KeyInput<'_>) -> Result<Self> {
        match input.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(invalid("a truth value is 0 or 1")),
        }
    }
}

impl KeyOf<char> for char {
    fn encode(&self, out: &mut KeyBuffer) {
        // Characters end at 0x10FFFF: the first of four bytes is always 0.
        let [_, bytes @ ..] = u32::from(*self).to_be_bytes();
        out.extend(&bytes);
    }
}

impl KeyType for char {
    fn decode(input: &mut KeyInput<'_>) -> Result<Self> {
        let [a, b, c] = input.array()?;
        char::from_u32(u32::from_be_bytes([0, a, b, c]))
            .ok_or_else(|| invalid("the number is not a character"))
    }
}
