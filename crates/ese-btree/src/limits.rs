//! What fits a node, with the proofs.

use crate::node::layout::{CHILD_BYTES, HEADER_BYTES, KEY_BYTES, RUN_REF_BYTES, TRAILER_BYTES};
use ese_base::limits::{PAGE_SIZE_MAX_BYTES, PAGE_SIZE_MIN_BYTES, key_max_bytes};

/// The most levels a tree may have; a page that claims a higher level is damaged.
pub const HEIGHT_MAX: u8 = 32;

/// The longest value that lies in its leaf; longer ones get pages of their own.
#[must_use]
pub const fn value_inline_max_bytes(page_size: usize) -> usize {
    page_size / 4
}

/// The longest key a tree takes: twice a user's longest key (an index key and a bookmark), less what an inner node
/// needs to hold two separators.
#[must_use]
pub const fn tree_key_max_bytes(page_size: usize) -> usize {
    let twice = 2 * key_max_bytes(page_size);
    let two_fit = (page_size - HEADER_BYTES - TRAILER_BYTES - PREFIX_PAD - 3 * CHILD_BYTES) / 2 - KEY_BYTES;
    if twice < two_fit { twice } else { two_fit }
}

/// A prefix is padded to a multiple of this, so cutting one may cost up to as much.
const PREFIX_PAD: usize = 8;

/// Bytes of an inner node with two separators of `len` bytes that share nothing.
const fn inner_bytes(len: usize) -> usize {
    HEADER_BYTES + PREFIX_PAD + 2 * (KEY_BYTES + len) + 3 * CHILD_BYTES + TRAILER_BYTES
}

/// Bytes of a leaf with one row of the longest key and the longest inline value.
const fn leaf_bytes(page_size: usize) -> usize {
    HEADER_BYTES
        + PREFIX_PAD
        + KEY_BYTES
        + tree_key_max_bytes(page_size)
        + value_inline_max_bytes(page_size)
        + TRAILER_BYTES
}

// A tree of longest keys branches at least three ways, a longest row fits a leaf, users' keys are a part of what trees
// take, and offsets within a page fit 16 bits: at every page size.
const _: () = {
    let mut page_size = PAGE_SIZE_MIN_BYTES;
    while page_size <= PAGE_SIZE_MAX_BYTES {
        assert!(inner_bytes(tree_key_max_bytes(page_size)) <= page_size);
        assert!(leaf_bytes(page_size) <= page_size);
        assert!(key_max_bytes(page_size) <= tree_key_max_bytes(page_size));
        assert!(value_inline_max_bytes(page_size) >= RUN_REF_BYTES);
        assert!(page_size <= u16::MAX as usize);
        page_size *= 2;
    }
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn index_entries_get_nearly_twice_a_users_key() {
        assert!(tree_key_max_bytes(4096) > 1900);
        assert_eq!(tree_key_max_bytes(8192), 4000);
        assert_eq!(tree_key_max_bytes(32768), 4000);
    }
}
