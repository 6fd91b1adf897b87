//! Counters inside values: where each lies, and how they are read.

use super::figures::Counters;

/// Bytes of a counter.
pub const BYTES: u32 = 8;

/// The counters of a carrier; the number is the place in the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counter {
    /// Flights.
    Flights = 0,
    /// Flights that did not leave.
    Cancelled = 1,
    /// Minutes of departure delay.
    DepartureDelay = 2,
    /// Flights in the timetable.
    Listed = 3,
}

/// A carrier's counters before anything is counted.
pub const ZEROES: [u8; 32] = [0; 32];

impl Counter {
    /// The offset in the value.
    #[must_use]
    pub const fn offset(self) -> u32 {
        self as u32 * BYTES
    }

    fn of(self, value: &[u8]) -> i64 {
        let start = self as usize * BYTES as usize;
        value.get(start..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| i64::from_le_bytes(*bytes))
    }
}

impl Counters {
    /// Reads a carrier's counters.
    #[must_use]
    pub fn of(value: &[u8]) -> Counters {
        Counters {
            flights: Counter::Flights.of(value),
            cancelled: Counter::Cancelled.of(value),
            departure_delay: Counter::DepartureDelay.of(value),
            listed: Counter::Listed.of(value),
        }
    }
}

/// Reads a value that is one counter.
#[must_use]
pub fn single(value: &[u8]) -> i64 {
    Counter::Flights.of(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_lie_side_by_side() {
        let value: Vec<u8> = [5_i64, -6, i64::MAX, 8].iter().flat_map(|count| count.to_le_bytes()).collect();
        let counters = Counters { flights: 5, cancelled: -6, departure_delay: i64::MAX, listed: 8 };
        assert_eq!(Counters::of(&value), counters);
        assert_eq!(value.len(), ZEROES.len());
        assert_eq!(Counter::Listed.offset(), 24);
        assert_eq!(single(&value[..8]), 5);
    }
}
