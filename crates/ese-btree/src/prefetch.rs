//! Asking the processor for memory ahead of its use; a hint that changes nothing else.
#![expect(unsafe_code, reason = "the prefetch instruction takes a raw pointer")]

/// Bytes of a cache line.
const LINE_BYTES: usize = 64;

/// Asks for the cache line `at` bytes behind the start of `bytes`.
#[inline(always)]
pub fn line(bytes: &[u8], at: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch reads and writes nothing that a program can see and never faults, whatever the address
        // (so `at` needs no check); SSE, which it belongs to, is part of every x86-64.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(bytes.as_ptr().wrapping_add(at).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (bytes, at);
}

/// Asks for the cache lines that begin in the `len` bytes from `at` on.
#[inline(always)]
pub fn lines(bytes: &[u8], at: usize, len: usize) {
    let end = at + len;
    let mut at = (at + LINE_BYTES - 1) & !(LINE_BYTES - 1);
    while at < end {
        line(bytes, at);
        at += LINE_BYTES;
    }
}

/// Asks for what a descent looks at first in a node: of a leaf the header, its heads and slots; of an inner node the
/// header and the heads where a search among many looks first.
#[inline(always)]
pub fn node(bytes: &[u8], level: u8) {
    if level == 0 {
        for index in 0..5 {
            line(bytes, index * LINE_BYTES);
        }
    } else {
        for index in [0, 11, 6, 17, 3, 8, 14, 20] {
            line(bytes, index * LINE_BYTES);
        }
    }
}
