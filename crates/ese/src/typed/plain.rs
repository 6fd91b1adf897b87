//! Values that need no library: nothing, numbers, bytes, text.

use super::ValueType;
use crate::key::invalid;
use ese_base::Result;

macro_rules! number {
    ($($number:ty),*) => {$(
        impl ValueType for $number {
            type Input = $number;
            type View = $number;
            type Owned = $number;

            #[inline]
            fn store<R>(value: &$number, put: impl FnOnce(&[u8]) -> R) -> Result<R> {
                Ok(put(&value.to_le_bytes()))
            }

            #[inline]
            fn view<R>(bytes: &[u8], see: impl FnOnce(&$number) -> R) -> Result<R> {
                Self::load(bytes).map(|value| see(&value))
            }

            #[inline]
            fn load(bytes: &[u8]) -> Result<$number> {
                <[u8; N]>::load(bytes).map(<$number>::from_le_bytes)
            }
        }
    )*};
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        const _: () = {
            const N: usize = size_of::<$number>();
            number!($number);
        };
    )*};
}

numbers!(u8, u16, u32, u64, u128, i8, i16, i32, i64, i128, f32, f64);

impl ValueType for () {
    type Input = ();
    type View = ();
    type Owned = ();

    fn store<R>((): &(), put: impl FnOnce(&[u8]) -> R) -> Result<R> {
        Ok(put(&[]))
    }

    fn view<R>(bytes: &[u8], see: impl FnOnce(&()) -> R) -> Result<R> {
        Self::load(bytes).map(|()| see(&()))
    }

    fn load(bytes: &[u8]) -> Result<()> {
        if bytes.is_empty() { Ok(()) } else { Err(invalid("an empty value has no bytes")) }
    }
}

impl ValueType for bool {
    type Input = bool;
    type View = bool;
    type Owned = bool;

    fn store<R>(value: &bool, put: impl FnOnce(&[u8]) -> R) -> Result<R> {
        Ok(put(&[u8::from(*value)]))
    }

    fn view<R>(bytes: &[u8], see: impl FnOnce(&bool) -> R) -> Result<R> {
        Self::load(bytes).map(|value| see(&value))
    }

    fn load(bytes: &[u8]) -> Result<bool> {
        match bytes {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => Err(invalid("a truth value is one byte, 0 or 1")),
        }
    }
}

impl<const N: usize> ValueType for [u8; N] {
    type Input = [u8; N];
    type View = [u8; N];
    type Owned = [u8; N];

    fn store<R>(value: &[u8; N], put: impl FnOnce(&[u8]) -> R) -> Result<R> {
        Ok(put(value))
    }

    fn view<R>(bytes: &[u8], see: impl FnOnce(&[u8; N]) -> R) -> Result<R> {
        bytes.try_into().map(see).map_err(|_| invalid("the value has another length"))
    }

    #[inline]
    fn load(bytes: &[u8]) -> Result<[u8; N]> {
        bytes.try_into().map_err(|_| invalid("the value has another length"))
    }
}

impl ValueType for Vec<u8> {
    type Input = [u8];
    type View = [u8];
    type Owned = Vec<u8>;

    fn store<R>(value: &[u8], put: impl FnOnce(&[u8]) -> R) -> Result<R> {
        Ok(put(value))
    }

    fn view<R>(bytes: &[u8], see: impl FnOnce(&[u8]) -> R) -> Result<R> {
        Ok(see(bytes))
    }

    fn load(bytes: &[u8]) -> Result<Vec<u8>> {
        Ok(bytes.to_vec())
    }
}

impl ValueType for String {
    type Input = str;
    type View = str;
    type Owned = String;

    fn store<R>(value: &str, put: impl FnOnce(&[u8]) -> R) -> Result<R> {
        Ok(put(value.as_bytes()))
    }

    fn view<R>(bytes: &[u8], see: impl FnOnce(&str) -> R) -> Result<R> {
        str::from_utf8(bytes).map(see).map_err(|_| invalid("the text is not UTF-8"))
    }

    fn load(bytes: &[u8]) -> Result<String> {
        Self::view(bytes, str::to_owned)
    }
}
