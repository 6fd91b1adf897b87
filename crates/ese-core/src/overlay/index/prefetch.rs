//! Tells the processor what will be read soon.

/// The lines that a value of type `T` lies on.
#[inline]
pub(super) fn prefetch<T>(at: *const T) {
    prefetch_lines(at.cast(), size_of::<T>());
}

/// As many lines as `bytes` bytes take.
#[inline]
pub(crate) fn prefetch_lines(at: *const u8, bytes: usize) {
    for offset in (0..bytes).step_by(64) {
        prefetch_line(at.wrapping_add(offset));
    }
}

#[inline]
#[cfg(target_arch = "x86_64")]
pub(crate) fn prefetch_line(at: *const u8) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: every x86-64 has the instruction; it reads nothing that could fault.
    unsafe { _mm_prefetch(at.cast(), _MM_HINT_T0) };
}

#[inline]
#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn prefetch_line(_at: *const u8) {}
