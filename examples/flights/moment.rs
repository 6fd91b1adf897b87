//! Hours and days: what the tables are keyed by.
//!
//! An [`Hour`] counts hours of UTC since 1970, a [`Day`] is a date of the local calendar in one number that sorts by
//! time (20130108). Both are plain integers in keys.

use std::fmt;

/// An hour of UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hour(pub u32);

/// A date as year · 10,000 + month · 100 + day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub u32);

impl Hour {
    /// Reads `2013-01-01T10:00:00Z`; full hours from 1970 on only.
    #[must_use]
    pub fn parse(text: &str) -> Option<Hour> {
        let (date, hour) = text.strip_suffix(":00:00Z")?.split_once('T')?;
        let mut parts = date.splitn(3, '-');
        let year = parts.next().and_then(|part| digits(part, 4))?;
        let month = parts.next().and_then(|part| digits(part, 2))?;
        let day = parts.next().and_then(|part| digits(part, 2))?;
        let hour = digits(hour, 2).filter(|hour| *hour < 24)?;
        Some(Hour(days_since_1970(year, month, day)? * 24 + hour))
    }
}

fn digits(text: &str, count: usize) -> Option<u32> {
    (text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

const fn is_leap(year: u32) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

const fn days_in_year(year: u32) -> u32 {
    if is_leap(year) { 366 } else { 365 }
}

const fn days_in_month(year: u32, month: u32) -> u32 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn days_since_1970(year: u32, month: u32, day: u32) -> Option<u32> {
    let valid = (1970..2100).contains(&year)
        && (1..=12).contains(&month)
        && (1..=days_in_month(year, month)).contains(&day);
    let years: u32 = (1970..year).map(days_in_year).sum();
    let months: u32 = (1..month).map(|earlier| days_in_month(year, earlier)).sum();
    valid.then(|| years + months + day - 1)
}

impl fmt::Display for Hour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut days, hour) = (self.0 / 24, self.0 % 24);
        let (mut year, mut month) = (1970, 1);
        while days >= days_in_year(year) {
            days -= days_in_year(year);
            year += 1;
        }
        while days >= days_in_month(year, month) {
            days -= days_in_month(year, month);
            month += 1;
        }
        write!(f, "{year:04}-{month:02}-{:02}T{hour:02}:00:00Z", days + 1)
    }
}

impl Day {
    /// The date of these parts; `None` when there is no such date.
    #[must_use]
    pub fn new(year: u32, month: u32, day: u32) -> Option<Day> {
        days_since_1970(year, month, day).map(|_| Day(year * 10_000 + month * 100 + day))
    }

    /// The month, 1 to 12.
    #[must_use]
    pub fn month(self) -> u8 {
        u8::try_from(self.0 / 100 % 100).expect("a month has two digits")
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.0 / 10_000, self.0 / 100 % 100, self.0 % 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_print_as_they_were_read() {
        for text in
            ["1970-01-01T00:00:00Z", "2013-02-28T23:00:00Z", "2012-02-29T05:00:00Z", "2013-12-31T23:00:00Z"]
        {
            assert_eq!(Hour::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Hour::parse("1970-01-02T03:00:00Z"), Some(Hour(27)));
        // 2013-01-01T00:00:00Z is second 1,356,998,400 of the Unix epoch.
        assert_eq!(Hour::parse("2013-01-01T00:00:00Z"), Some(Hour(1_356_998_400 / 3600)));
    }

    #[test]
    fn nonsense_is_no_hour() {
        for text in [
            "",
            "2013-01-01",
            "2013-01-01T10:00:00",
            "2013-02-29T10:00:00Z",
            "2013-13-01T10:00:00Z",
            "2013-00-01T10:00:00Z",
            "2013-01-01T24:00:00Z",
            "2013-01-01T10:30:00Z",
            "+013-01-01T10:00:00Z",
            "2013-01-01-01T10:00:00Z",
            "1969-12-31T10:00:00Z",
        ] {
            assert_eq!(Hour::parse(text), None, "{text}");
        }
    }

    #[test]
    fn days_sort_by_time() {
        let days = [(2013, 1, 31), (2013, 2, 1), (2013, 10, 1), (2014, 1, 1)];
        let days = days.map(|(year, month, day)| Day::new(year, month, day).unwrap());
        assert!(days.is_sorted());
        assert_eq!(days[2].month(), 10);
        assert_eq!(days[0].to_string(), "2013-01-31");
        assert_eq!(Day::new(2013, 2, 29), None);
    }
}
