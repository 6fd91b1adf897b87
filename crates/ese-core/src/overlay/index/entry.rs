//! An entry: the payload of a key with the key right behind it, in the arena.
//!
//! ```text
//! payload | key length u32 | key bytes …
//! ```
//!
//! Key and length are written before the entry is linked and never change. Nodes keep the thin address; a reference to
//! an entry carries the key's length, which is read from the entry.

use crate::overlay::arena::Arena;
use std::{
    mem::offset_of,
    ptr::{NonNull, slice_from_raw_parts},
};

/// See the head of the module.
#[repr(C)]
pub(crate) struct Entry<P> {
    payload: P,
    key_len: u32,
    key: [u8],
}

/// The beginning of an [`Entry`]: what is there whatever the key's length. Never referred to as a whole: its padding may
/// be key bytes.
#[repr(C)]
pub(super) struct Thin<P> {
    payload: P,
    key_len: u32,
}

impl<P> Thin<P> {
    const KEY_AT: usize = offset_of!(Thin<P>, key_len) + size_of::<u32>();
}

impl<P> Entry<P> {
    /// The key.
    #[inline]
    pub(crate) fn key(&self) -> &[u8] {
        &self.key
    }

    /// What belongs to the key.
    #[inline]
    pub(crate) fn payload(&self) -> &P {
        &self.payload
    }

    /// A new entry in the arena, linked nowhere yet.
    pub(super) fn create(arena: &Arena, key: &[u8]) -> NonNull<Thin<P>>
    where
        P: Default,
    {
        let key_len = u32::try_from(key.len()).expect("keys are far shorter than 4 GiB");
        let align = align_of::<Thin<P>>();
        let bytes = (Thin::<P>::KEY_AT + key.len()).next_multiple_of(align);
        let thin = arena.alloc(bytes, align).cast::<Thin<P>>();
        let at = thin.as_ptr();
        // SAFETY: fresh memory, aligned for the entry and long enough for its fields and `key.len()` bytes at `KEY_AT`.
        unsafe {
            (&raw mut (*at).payload).write(P::default());
            (&raw mut (*at).key_len).write(key_len);
            at.cast::<u8>().add(Thin::<P>::KEY_AT).copy_from_nonoverlapping(key.as_ptr(), key.len());
        }
        thin
    }

    /// The entry at an address.
    ///
    /// # Safety
    /// `thin` came from [`Self::create`], that call happened before this one, and the arena lives for `'a`.
    #[inline]
    pub(super) unsafe fn at<'a>(thin: *const Thin<P>) -> &'a Self {
        // SAFETY: both types begin alike (`repr(C)`), and the length is the one the memory was allocated for, rounded up
        // to the alignment as the size of a value is. Nothing of it changes any more, save what the payload itself
        // shares.
        unsafe {
            let key_len = (&raw const (*thin).key_len).read();
            &*(slice_from_raw_parts(thin, key_len as usize) as *const Self)
        }
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    fn round_trip<P: Default + PartialEq + std::fmt::Debug>() {
        let arena = Arena::new(64, 4096);
        let keys: Vec<Vec<u8>> = (0..70_u8).map(|len| vec![len; len.into()]).collect();
        let made: Vec<NonNull<Thin<P>>> = keys.iter().map(|key| Entry::create(&arena, key)).collect();
        for (thin, key) in made.iter().zip(&keys) {
            // SAFETY: made above, and the arena is alive.
            let entry = unsafe { Entry::at(thin.as_ptr()) };
            assert_eq!(entry.key(), key);
            assert_eq!(*entry.payload(), P::default());
            assert!(size_of_val(entry) >= Thin::<P>::KEY_AT + key.len());
        }
    }

    #[test]
    fn payloads_of_any_alignment_have_their_key_behind_them() {
        round_trip::<()>();
        round_trip::<u8>();
        round_trip::<u64>();
        round_trip::<(u64, u32)>();
        round_trip::<u128>();
    }
}
