//! Reads and writes that go on after an interruption and after a part: what one call of the system may leave undone.
//!
//! The calls are passed in, so that tests can interrupt them. Nothing is tried for ever.

use std::io;

/// How often in a row a call may be interrupted before that is an error.
const INTERRUPTIONS_MAX: u32 = 1000;

/// Reads until the buffer is full or the file ends; returns how many bytes there were.
pub(super) fn read_full(
    buffer: &mut [u8],
    offset: u64,
    mut read: impl FnMut(&mut [u8], u64) -> io::Result<usize>,
) -> io::Result<usize> {
    let mut done = 0;
    while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
        let at = place(offset, done)?;
        match uninterrupted(|| read(rest, at))? {
            0 => break,
            more => done += more,
        }
    }
    Ok(done)
}

/// Writes all of `bytes`.
pub(super) fn write_full(
    bytes: &[u8],
    offset: u64,
    mut write: impl FnMut(&[u8], u64) -> io::Result<usize>,
) -> io::Result<()> {
    let mut done = 0;
    while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
        let at = place(offset, done)?;
        match uninterrupted(|| write(rest, at))? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            more => done += more,
        }
    }
    Ok(())
}

fn place(offset: u64, done: usize) -> io::Result<u64> {
    let done = u64::try_from(done).ok();
    done.and_then(|done| offset.checked_add(done)).ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

fn uninterrupted(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    let mut interruptions = 0;
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted && interruptions < INTERRUPTIONS_MAX => {
                interruptions += 1;
            }
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a scripted call answers.
    enum Answer {
        Upto(usize),
        Fail(io::ErrorKind),
    }
    use Answer::{Fail, Upto};

    fn write(script: Vec<Answer>) -> (io::Result<()>, Vec<u8>) {
        let (mut script, mut file) = (script.into_iter(), vec![0; 16]);
        let result = write_full(b"abcdef", 3, |bytes, at| match script.next().expect("no call too many") {
            Fail(kind) => Err(kind.into()),
            Upto(most) => {
                let (at, len) = (usize::try_from(at).unwrap(), bytes.len().min(most));
                file[at..at + len].copy_from_slice(&bytes[..len]);
                Ok(len)
            }
        });
        (result, file)
    }

    #[test]
    fn a_write_goes_on_after_a_part_and_an_interruption() {
        let (result, file) = write(vec![Upto(2), Fail(io::ErrorKind::Interrupted), Upto(1), Upto(9)]);
        result.unwrap();
        assert_eq!(&file[3..9], b"abcdef");
    }

    #[test]
    fn a_write_of_nothing_is_an_error_and_not_a_loop() {
        let (result, _) = write(vec![Upto(2), Upto(0)]);
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::WriteZero);
        let (result, file) = write(vec![Upto(2), Fail(io::ErrorKind::StorageFull)]);
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(&file[3..9], b"ab\0\0\0\0");
    }

    #[test]
    fn interruptions_end_after_a_while() {
        let mut calls = 0;
        let result = read_full(&mut [0; 4], 0, |_, _| {
            calls += 1;
            Err(io::ErrorKind::Interrupted.into())
        });
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::Interrupted);
        assert_eq!(calls, INTERRUPTIONS_MAX + 1);
    }

    #[test]
    fn a_read_is_short_at_the_end_only() {
        let file = b"0123456789";
        let read = |len: usize, offset: u64| {
            let mut buffer = vec![0; len];
            let done = read_full(&mut buffer, offset, |into, at| {
                let rest = &file[usize::try_from(at).unwrap().min(file.len())..];
                let len = rest.len().min(into.len()).min(3);
                into[..len].copy_from_slice(&rest[..len]);
                Ok(len)
            });
            buffer.truncate(done.unwrap());
            buffer
        };
        assert_eq!(read(7, 1), b"1234567");
        assert_eq!(read(7, 8), b"89");
        assert_eq!(read(7, 99), b"");
        assert!(write_full(b"a", u64::MAX, |_, _| Ok(1)).is_ok());
        assert!(write_full(b"ab", u64::MAX, |_, _| Ok(1)).is_err(), "offsets do not wrap around");
    }
}
