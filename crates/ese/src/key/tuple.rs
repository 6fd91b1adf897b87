//! Tuples: the encodings of the parts one behind the other.

use super::{KeyBuffer, KeyInput, KeyOf, KeyType};
use ese_base::Result;

macro_rules! tuple {
    ($($key:ident $part:ident $at:tt),+) => {
        impl<$($key, $part: KeyOf<$key>),+> KeyOf<($($key,)+)> for ($($part,)+) {
            #[inline]
            fn encode(&self, out: &mut KeyBuffer) {
                $(self.$at.encode(out);)+
            }
        }

        impl<$($key: KeyType),+> KeyType for ($($key,)+) {
            #[inline]
            fn decode(input: &mut KeyInput<'_>) -> Result<Self> {
                Ok(($($key::decode(input)?,)+))
            }
        }
    };
}

tuple!(A P 0);
tuple!(A P 0, B Q 1);
tuple!(A P 0, B Q 1, C R 2);
tuple!(A P 0, B Q 1, C R 2, D S 3);
tuple!(A P 0, B Q 1, C R 2, D S 3, E T 4);
tuple!(A P 0, B Q 1, C R 2, D S 3, E T 4, F U 5);
tuple!(A P 0, B Q 1, C R 2, D S 3, E T 4, F U 5, G V 6);
tuple!(A P 0, B Q 1, C R 2, D S 3, E T 4, F U 5, G V 6, H W 7);
