//! A hash of all that was asked of a disk: equal for equal runs, on every machine and in every version, which the
//! standard library's hashers do not promise.

/// The hash. It is not made to withstand anybody, only to differ.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Trace(u64);

impl Trace {
    pub(super) const fn new() -> Self {
        Trace(0xcbf2_9ce4_8422_2325)
    }

    pub(super) fn value(self) -> u64 {
        self.0
    }

    pub(super) fn number(&mut self, number: u64) {
        let mixed = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 29);
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.number(u64::from_le_bytes(word));
        }
        self.number(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_boundaries_count() {
        let hash = |parts: &[&[u8]]| {
            let mut trace = Trace::new();
            parts.iter().for_each(|part| trace.bytes(part));
            trace.value()
        };
        let all = [hash(&[]), hash(&[b""]), hash(&[b"ab"]), hash(&[b"a", b"b"]), hash(&[b"b", b"a"])];
        let different: std::collections::BTreeSet<u64> = all.into_iter().collect();
        assert_eq!(different.len(), all.len());
    }
}
