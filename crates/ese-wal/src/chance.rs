//! Random numbers: identities and salts, which must not be met twice.

use std::hash::{BuildHasher, Hasher, RandomState};

/// A number drawn from the keys that the standard library draws from the operating system for its hash tables.
pub(crate) fn draw() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// An identity.
pub(crate) fn draw_wide() -> u128 {
    u128::from(draw()) << 64 | u128::from(draw())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_number_comes_twice() {
        assert_eq!((0..1000).map(|_| draw()).collect::<HashSet<_>>().len(), 1000);
        assert_ne!(draw_wide(), draw_wide());
    }
}
