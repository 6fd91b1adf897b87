//! The integers that can be counters inside a value.

use ese_core::Delta;

/// An integer that [`Tree::add`](crate::Tree::add) can add: `i32` or `i64`; its width is the width of the counter. The
/// trait is sealed.
pub trait Counter: sealed::Counter {}

impl Counter for i32 {}
impl Counter for i64 {}

pub(crate) mod sealed {
    use super::Delta;

    pub trait Counter {
        fn delta(self) -> Delta;
        /// The counter from the engine's 64 bits, cut to its own width: a sum that does not fit wraps.
        fn from_counter(value: i64) -> Self;
    }
}

impl sealed::Counter for i32 {
    fn delta(self) -> Delta {
        Delta::I32(self)
    }

    fn from_counter(value: i64) -> Self {
        let [a, b, c, d, ..] = value.to_le_bytes();
        i32::from_le_bytes([a, b, c, d])
    }
}

impl sealed::Counter for i64 {
    fn delta(self) -> Delta {
        Delta::I64(self)
    }

    fn from_counter(value: i64) -> Self {
        value
    }
}

#[cfg(test)]
mod tests {
    use super::sealed::Counter;

    #[test]
    fn narrow_counters_wrap() {
        for value in [0, 1, -1, i64::from(i32::MAX), i64::from(i32::MIN)] {
            assert_eq!(i64::from(i32::from_counter(value)), value);
        }
        assert_eq!(i32::from_counter(i64::from(i32::MAX) + 1), i32::MIN);
        assert_eq!(i64::from_counter(i64::MIN), i64::MIN);
    }
}
