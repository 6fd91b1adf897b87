//! Rows in key order, read from either end.
//!
//! [`Scan`] is what a transaction lends. [`BaseScan`] is what a store makes: a scan that can also be told where rows of
//! another source come in between, so that whoever joins the two compares once for each of those rows, and not for each
//! of its own.

use ese_base::{Result, Value};

/// Which way a scan or a walk goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// Ascending keys.
    Forward,
    /// Descending keys.
    Backward,
}

/// A range being read from either end; lends the key from its own buffer, because nodes cut keys.
///
/// It stays on the thread of its session. After `None` from one end both ends return `None`. After an error every
/// further call returns an error of the same kind: a loop cannot take a broken scan for a short one.
pub trait Scan<'s> {
    /// The next row from the front.
    ///
    /// # Errors
    /// What the store reports.
    fn next(&mut self) -> Result<Option<(&[u8], Value<'s>)>>;

    /// The next row from the back.
    ///
    /// # Errors
    /// What the store reports.
    fn next_back(&mut self) -> Result<Option<(&[u8], Value<'s>)>>;
}

/// A scan over a base. A scan with a stop is read from one end only.
///
/// A store whose rows are a sorted iterator need not write one: [`IterScan`] is.
pub trait BaseScan<'b>: Scan<'b> {
    /// The key of the row given last; empty before the first.
    fn key(&self) -> &[u8];

    /// Whether the next call from that end gives a row without more ado: whoever joins scans need not look at what it
    /// gives then. `false` is always right.
    fn is_at_hand(&self, direction: Direction) -> bool;

    /// Makes the scan end before `key`, whichever end is read: there it returns `None`, until
    /// [`BaseScan::take_stop`] or the next stop. Rows that were passed do not come back.
    fn stop_at(&mut self, key: &[u8]);

    /// Takes the stop away, and the row at its key, if it has one and that comes next: its value.
    ///
    /// # Errors
    /// What the store reports.
    fn take_stop(&mut self, direction: Direction) -> Result<Option<Value<'b>>>;
}

/// A base's scan over a sorted iterator, whose keys are ascending.
///
/// ```
/// use ese_base::Value;
/// use ese_core::{BaseScan, Direction, IterScan, Scan};
/// # fn main() -> ese_base::Result<()> {
/// let rows = ["a", "c", "e"].map(|key| (key, Value::Borrowed(b"1")));
/// let mut scan = IterScan::new(rows.into_iter());
/// scan.stop_at(b"c");
/// assert_eq!(scan.next()?.map(|row| row.0.to_vec()), Some(b"a".to_vec()));
/// assert!(scan.next()?.is_none(), "the stop");
/// assert!(scan.take_stop(Direction::Forward)?.is_some(), "there is a row at its key");
/// assert_eq!(scan.next()?.map(|row| row.0.to_vec()), Some(b"e".to_vec()));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct IterScan<'b, I, K> {
    rows: I,
    /// Taken from an end of `rows`, and not given out yet.
    front: Option<(K, Value<'b>)>,
    back: Option<(K, Value<'b>)>,
    stop: Option<Vec<u8>>,
    last: Option<K>,
}

impl<'b, K, I> IterScan<'b, I, K>
where
    I: DoubleEndedIterator<Item = (K, Value<'b>)>,
    K: AsRef<[u8]>,
{
    /// A scan over all of `rows`.
    pub fn new(rows: I) -> Self {
        IterScan { rows, front: None, back: None, stop: None, last: None }
    }

    /// The row that comes next from an end.
    fn peek(&mut self, direction: Direction) -> Option<&K> {
        let (rows, front, back) = (&mut self.rows, &mut self.front, &mut self.back);
        let (mine, other) = match direction {
            Direction::Forward => (front, back),
            Direction::Backward => (back, front),
        };
        if mine.is_none() {
            let next = match direction {
                Direction::Forward => rows.next(),
                Direction::Backward => rows.next_back(),
            };
            *mine = next.or_else(|| other.take());
        }
        mine.as_ref().map(|(key, _)| key)
    }

    /// Gives out the row that was looked at.
    fn give(&mut self, direction: Direction) -> Option<(&[u8], Value<'b>)> {
        let (key, value) = match direction {
            Direction::Forward => self.front.take()?,
            Direction::Backward => self.back.take()?,
        };
        let key: &K = self.last.insert(key);
        Some((key.as_ref(), value))
    }

    fn step(&mut self, direction: Direction) -> Option<(&[u8], Value<'b>)> {
        let stop = self.stop.take();
        let key = self.peek(direction)?.as_ref();
        let stops = match (&stop, direction) {
            (None, _) => false,
            (Some(stop), Direction::Forward) => key >= stop.as_slice(),
            (Some(stop), Direction::Backward) => key <= stop.as_slice(),
        };
        self.stop = stop;
        if stops { None } else { self.give(direction) }
    }
}

impl<'b, K, I> Scan<'b> for IterScan<'b, I, K>
where
    I: DoubleEndedIterator<Item = (K, Value<'b>)>,
    K: AsRef<[u8]>,
{
    fn next(&mut self) -> Result<Option<(&[u8], Value<'b>)>> {
        Ok(self.step(Direction::Forward))
    }

    fn next_back(&mut self) -> Result<Option<(&[u8], Value<'b>)>> {
        Ok(self.step(Direction::Backward))
    }
}

impl<'b, K, I> BaseScan<'b> for IterScan<'b, I, K>
where
    I: DoubleEndedIterator<Item = (K, Value<'b>)>,
    K: AsRef<[u8]>,
{
    fn key(&self) -> &[u8] {
        self.last.as_ref().map_or(&[], AsRef::as_ref)
    }

    fn is_at_hand(&self, _direction: Direction) -> bool {
        false
    }

    fn stop_at(&mut self, key: &[u8]) {
        self.stop = Some(key.to_vec());
    }

    fn take_stop(&mut self, direction: Direction) -> Result<Option<Value<'b>>> {
        let Some(stop) = self.stop.take() else { return Ok(None) };
        let is_next = self.peek(direction).is_some_and(|key| key.as_ref() == stop.as_slice());
        Ok(if is_next { self.give(direction).map(|(_, value)| value) } else { None })
    }
}
