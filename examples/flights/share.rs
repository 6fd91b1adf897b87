//! Deals the flights to writers: contiguous shares that end where a day ends.
//!
//! All flights of a day go to one writer in the order of the file. So it does not depend on who is faster which of two
//! flights with the same number on a day is the first one.

use super::model::Flight;
use std::ops::Range;

/// Cuts `flights` into at most `count` shares of about the same size, none empty, none beginning inside a day.
#[must_use]
pub fn shares(flights: &[Flight], count: usize) -> Vec<Range<usize>> {
    let mut shares = Vec::with_capacity(count);
    let mut start = 0;
    for share in 1..=count {
        let mut end = flights.len() * share / count;
        while end > start && end < flights.len() && flights[end].day == flights[end - 1].day {
            end += 1;
        }
        if end > start {
            shares.push(start..end);
            start = end;
        }
    }
    shares
}

/// Cuts a share into batches of at most `rows` flights.
pub fn batches(share: Range<usize>, rows: usize) -> impl Iterator<Item = Range<usize>> {
    let end = share.end;
    share.step_by(rows).map(move |start| start..(start + rows).min(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flights(days: &[u32]) -> Vec<Flight> {
        let flight = |day: &u32| Flight {
            day: *day,
            dep_time: None,
            sched_dep_time: 0,
            dep_delay: None,
            arr_time: None,
            sched_arr_time: 0,
            arr_delay: None,
            carrier: String::new(),
            flight: 0,
            tailnum: None,
            origin: String::new(),
            dest: String::new(),
            air_time: None,
            distance: 0,
            time_hour: 0,
        };
        days.iter().map(flight).collect()
    }

    #[test]
    fn shares_cover_everything_once_and_cut_at_days() {
        for days in [&[][..], &[1], &[1, 1, 1, 1], &[1, 1, 2, 2, 2, 3], &[1, 2, 3, 4, 5, 6, 7]] {
            let flights = flights(days);
            for count in 1..10 {
                let shares = shares(&flights, count);
                assert!(shares.len() <= count);
                assert_eq!(
                    shares.iter().cloned().flatten().collect::<Vec<_>>(),
                    (0..days.len()).collect::<Vec<_>>()
                );
                for share in &shares {
                    assert!(!share.is_empty());
                    assert!(
                        share.start == 0 || days[share.start - 1] != days[share.start],
                        "{days:?} {shares:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn batches_cover_a_share() {
        assert_eq!(batches(10..25, 10).collect::<Vec<_>>(), [10..20, 20..25]);
        assert_eq!(batches(3..3, 10).count(), 0);
        assert_eq!(batches(0..20, 10).collect::<Vec<_>>(), [0..10, 10..20]);
    }
}
