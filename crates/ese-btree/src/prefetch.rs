//! Asking the processor for memory ahead of its use; a hint that changes nothing else.
#![expect(unsafe_code, reason = "the prefetch instruction takes a raw pointer")]

/// Bytes of a cache line.
const LINE_BYTES: usize = 64;

/// Asks for the cache line that holds `bytes[at]`; nothing when `at` lies outside.
#[inline]
pub fn line(bytes: &[u8], at: usize) {
    #[cfg(target_arch = "x86_64")]
    if let Some(byte) = bytes.get(at) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch reads and writes nothing that a program can see and never faults, whatever the address;
        // SSE, which it belongs to, is part of every x86-64. The address is that of a live byte.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(byte).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (bytes, at);
}

/// Asks for the first `lines` cache lines of `bytes`.
#[inline]
pub fn start(bytes: &[u8], lines: usize) {
    for index in 0..lines {
        line(bytes, index * LINE_BYTES);
    }
}
