//! Values that may be missing: `None` sorts first.

use super::{KeyBuffer, KeyInput, KeyOf, KeyType, invalid};
use ese_base::Result;

impl<K, Q: KeyOf<K>> KeyOf<Option<K>> for Option<Q> {
    fn encode(&self, out: &mut KeyBuffer) {
        match self {
            None => out.push(0),
            Some(key) => {
                out.push(1);
                key.encode(out);
            }
        }
    }
}

impl<K: KeyType> KeyType for Option<K> {
    fn decode(input: &mut KeyInput<'_>) -> Result<Self> {
        match input.byte()? {
            0 => Ok(None),
            1 => K::decode(input).map(Some),
            _ => Err(invalid("an option begins with 0 or 1")),
        }
    }
}
