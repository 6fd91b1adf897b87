//! Descending order: no encoding is the beginning of another, so inverting all bits turns the order round exactly.

use super::{KeyBuffer, KeyInput, KeyOf, KeyType};
use ese_base::Result;
use std::cmp::Reverse;

impl<K, Q: KeyOf<K>> KeyOf<Reverse<K>> for Reverse<Q> {
    fn encode(&self, out: &mut KeyBuffer) {
        let from = out.len();
        self.0.encode(out);
        out.invert(from);
    }
}

impl<K: KeyType> KeyType for Reverse<K> {
    fn decode(input: &mut KeyInput<'_>) -> Result<Self> {
        input.inverted(K::decode).map(Reverse)
    }
}
