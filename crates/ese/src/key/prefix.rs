//! Beginnings of typed keys: the first parts of a tuple, the beginning of a string.

use super::{KeyBuffer, KeyOf, bytes::encode_open};

/// What can stand for the beginning of keys of type `K`: a tuple of the first parts of a longer one, the beginning of a
/// string (`&str`, `String`) or of a byte string (`&[u8]`, `[u8; N]`, `Vec<u8>`), or a reference to one of these.
///
/// ```
/// # fn main() -> ese::Result<()> {
/// let db = ese::Instance::in_memory()?;
/// let placed = db.typed_tree::<(u32, i64, String), ()>("placed")?;
/// db.write(|tx| {
///     placed.put(tx, (7, 1, "apple"), &())?;
///     placed.put(tx, (7, 2, "pear"), &())?;
///     placed.put(tx, (8, 1, "plum"), &())
/// })?;
/// assert_eq!(db.read(|s| Ok(placed.prefix(s, (7,))?.count()))?, 2);
/// # Ok(())
/// # }
/// ```
pub trait PrefixOf<K> {
    /// Appends the bytes that the encodings of all such keys begin with, and of no other.
    fn encode_prefix(&self, out: &mut KeyBuffer);
}

impl<K, T: PrefixOf<K> + ?Sized> PrefixOf<K> for &T {
    fn encode_prefix(&self, out: &mut KeyBuffer) {
        (**self).encode_prefix(out);
    }
}

impl PrefixOf<String> for str {
    fn encode_prefix(&self, out: &mut KeyBuffer) {
        encode_open(self.as_bytes(), out);
    }
}

impl PrefixOf<String> for String {
    fn encode_prefix(&self, out: &mut KeyBuffer) {
        encode_open(self.as_bytes(), out);
    }
}

impl PrefixOf<Vec<u8>> for [u8] {
    fn encode_prefix(&self, out: &mut KeyBuffer) {
        encode_open(self, out);
    }
}

impl PrefixOf<Vec<u8>> for Vec<u8> {
    fn encode_prefix(&self, out: &mut KeyBuffer) {
        encode_open(self, out);
    }
}

impl<const N: usize> PrefixOf<Vec<u8>> for [u8; N] {
    fn encode_prefix(&self, out: &mut KeyBuffer) {
        encode_open(self, out);
    }
}

// `[first parts] [parts that may follow]`: one impl for the first parts as they are, then again with one part more.
macro_rules! prefixes {
    ([$($key:ident $part:ident $at:tt),+] []) => {};
    ([$($key:ident $part:ident $at:tt),+] [$next:ident $next_part:ident $next_at:tt $(, $rest:ident $rest_part:ident $rest_at:tt)*]) => {
        impl<$($key, $part: KeyOf<$key>,)+ $next $(, $rest)*> PrefixOf<($($key,)+ $next, $($rest,)*)> for ($($part,)+) {
            fn encode_prefix(&self, out: &mut KeyBuffer) {
                $(self.$at.encode(out);)+
            }
        }
        prefixes!([$($key $part $at,)+ $next $next_part $next_at] [$($rest $rest_part $rest_at),*]);
    };
}

prefixes!([A P 0] [B Q 1]);
prefixes!([A P 0] [B Q 1, C R 2]);
prefixes!([A P 0] [B Q 1, C R 2, D S 3]);
prefixes!([A P 0] [B Q 1, C R 2, D S 3, E T 4]);
prefixes!([A P 0] [B Q 1, C R 2, D S 3, E T 4, F U 5]);
prefixes!([A P 0] [B Q 1, C R 2, D S 3, E T 4, F U 5, G V 6]);
prefixes!([A P 0] [B Q 1, C R 2, D S 3, E T 4, F U 5, G V 6, H W 7]);
