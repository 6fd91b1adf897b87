//! The rows every engine gets: random keys, incompressible values, and what reading them must add up to.
//!
//! A value is a slice of one random pool, at a place that row and version name; so making one costs nothing inside the
//! measured time, the pool stays in the processor's cache, and no engine can compress a page of them.

use rand::{Rng, RngCore, SeedableRng, rngs::SmallRng, seq::SliceRandom};

/// Bytes of a key.
pub const KEY_BYTES: usize = 24;
/// Bytes of a value.
pub const VALUE_BYTES: usize = 150;

/// A key.
pub type Key = [u8; KEY_BYTES];

const POOL_PLACES: u64 = 1 << 20;

/// Which value a row has: 0 for none, then counted up by every overwrite.
pub type Version = u16;

/// Rows in insertion order, which is random in key order; the tail is kept for rows that are inserted later.
#[derive(Debug)]
pub struct Data {
    seed: u64,
    rows: usize,
    keys: Vec<Key>,
    pool: Vec<u8>,
}

impl Data {
    /// `rows` rows to load and `spare` more for later inserts.
    #[must_use]
    pub fn new(seed: u64, rows: usize, spare: usize) -> Self {
        let mut random = SmallRng::seed_from_u64(seed);
        let mut keys = vec![[0; KEY_BYTES]; rows + spare];
        for key in &mut keys {
            random.fill_bytes(key);
        }
        let places = usize::try_from(POOL_PLACES).expect("the pool is small");
        let mut pool = vec![0; places + VALUE_BYTES];
        random.fill_bytes(&mut pool);
        Data { seed, rows, keys, pool }
    }

    /// What everything comes from.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// How many rows a load inserts.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many keys there are, spare ones included.
    #[must_use]
    pub fn keys_total(&self) -> usize {
        self.keys.len()
    }

    /// The key of a row.
    #[must_use]
    pub fn key(&self, row: usize) -> &Key {
        &self.keys[row]
    }

    /// The value of a row in a version.
    #[must_use]
    #[inline]
    pub fn value(&self, row: usize, version: Version) -> &[u8] {
        let mixed = (row as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)
            ^ u64::from(version).wrapping_mul(0xD6E8_FEB8_6659_FD93);
        let place = usize::try_from((mixed >> 20) % POOL_PLACES).expect("below the size of the pool");
        &self.pool[place..place + VALUE_BYTES]
    }

    /// The rows of a load in key order.
    #[must_use]
    pub fn sorted(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.rows).collect();
        order.sort_unstable_by_key(|&row| self.keys[row]);
        order
    }

    /// The rows of a load in a random order; `salt` names it.
    #[must_use]
    pub fn shuffled(&self, salt: u64) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.rows).collect();
        order.shuffle(&mut self.random(salt));
        order
    }

    /// `count` loaded rows picked at random; `salt` names the choice.
    #[must_use]
    pub fn picked(&self, salt: u64, count: usize) -> Vec<usize> {
        let mut random = self.random(salt);
        (0..count).map(|_| random.random_range(0..self.rows)).collect()
    }

    /// A generator of its own for each `salt`.
    #[must_use]
    pub fn random(&self, salt: u64) -> SmallRng {
        SmallRng::seed_from_u64(self.seed ^ salt.wrapping_mul(0xA076_1D64_78BD_642F))
    }
}

/// What reading a value adds to a sum: its length, its first and its last eight bytes. It has to be fetched for that,
/// and a sum does not depend on the order.
#[must_use]
#[inline]
pub fn touch(value: &[u8]) -> u64 {
    let first = value.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let last = value.last_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    first.wrapping_add(last.rotate_left(17)).wrapping_add(value.len() as u64)
}

/// What a store must hold: the version of each row, kept without any engine.
#[derive(Debug, Clone)]
pub struct Expected {
    versions: Vec<Version>,
}

impl Expected {
    /// An empty store.
    #[must_use]
    pub fn empty(data: &Data) -> Self {
        Expected { versions: vec![0; data.keys_total()] }
    }

    /// A store right after the load.
    #[must_use]
    pub fn loaded(data: &Data) -> Self {
        let mut expected = Self::empty(data);
        expected.versions[..data.rows()].fill(1);
        expected
    }

    /// The version a row has; 0: it is not there.
    #[must_use]
    pub fn version(&self, row: usize) -> Version {
        self.versions[row]
    }

    /// Notes an insert or an overwrite and returns the version to write.
    pub fn write(&mut self, row: usize) -> Version {
        self.versions[row] += 1;
        self.versions[row]
    }

    /// Notes a removal.
    pub fn remove(&mut self, row: usize) {
        self.versions[row] = 0;
    }

    /// Count and sum of all rows, as a full scan must find them.
    #[must_use]
    pub fn scan(&self, data: &Data) -> Sum {
        let mut sum = Sum::default();
        for (row, &version) in self.versions.iter().enumerate().filter(|(_, version)| **version > 0) {
            sum.add(data.value(row, version));
        }
        sum
    }
}

/// Rows read and what they added up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sum {
    /// How many rows.
    pub rows: u64,
    /// The wrapping sum of [`touch`].
    pub touched: u64,
}

impl Sum {
    /// Adds a value.
    #[inline]
    pub fn add(&mut self, value: &[u8]) {
        self.rows += 1;
        self.touched = self.touched.wrapping_add(touch(value));
    }

    /// Adds another sum.
    #[must_use]
    pub fn plus(self, other: Sum) -> Sum {
        Sum { rows: self.rows + other.rows, touched: self.touched.wrapping_add(other.touched) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_differ_by_row_and_version() {
        let data = Data::new(1, 100, 10);
        assert_ne!(data.value(3, 1), data.value(4, 1));
        assert_ne!(data.value(3, 1), data.value(3, 2));
        assert_eq!(data.value(3, 1), Data::new(1, 100, 10).value(3, 1));
    }

    #[test]
    fn a_missing_row_changes_the_sum() {
        let data = Data::new(2, 50, 5);
        let mut expected = Expected::loaded(&data);
        let all = expected.scan(&data);
        assert_eq!(all.rows, 50);
        expected.remove(7);
        assert_ne!(expected.scan(&data).touched, all.touched);
        assert_eq!(expected.write(52), 1);
        assert_eq!(expected.scan(&data).rows, 50);
    }

    #[test]
    fn orders_are_permutations() {
        let data = Data::new(3, 500, 0);
        let sorted = data.sorted();
        assert!(sorted.windows(2).all(|pair| data.key(pair[0]) < data.key(pair[1])));
        let mut shuffled = data.shuffled(9);
        assert_ne!(shuffled, (0..500).collect::<Vec<_>>());
        shuffled.sort_unstable();
        assert_eq!(shuffled, (0..500).collect::<Vec<_>>());
    }
}
