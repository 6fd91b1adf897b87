//! Files to rows: finds a table as `name.csv` or `name.csv.zst`, unpacks it, and checks every field.
//!
//! The header must be the expected one; what a line lacks is reported with file and line.

use super::error::{Error, Result};
use std::{
    collections::HashSet,
    fs,
    hash::Hash,
    io::{BufReader, Read},
    path::{Path, PathBuf},
    str::FromStr,
};

/// One line of a table, its fields taken by number.
pub struct Fields<'a> {
    record: &'a csv::StringRecord,
    columns: &'a [&'a str],
}

impl<'a> Fields<'a> {
    fn text(&self, column: &str) -> Result<&'a str, String> {
        let place = self.columns.iter().position(|name| *name == column);
        place.and_then(|place| self.record.get(place)).ok_or_else(|| format!("there is no column {column}"))
    }

    /// A field that must be there.
    ///
    /// # Errors
    /// A sentence about it when it is empty, `NA` or no `T`.
    pub fn get<T: FromStr>(&self, column: &str) -> Result<T, String> {
        self.maybe(column)?.ok_or_else(|| format!("{column} is missing"))
    }

    /// A field that may be `NA`.
    ///
    /// # Errors
    /// A sentence about it when it is empty or no `T`.
    pub fn maybe<T: FromStr>(&self, column: &str) -> Result<Option<T>, String> {
        match self.text(column)? {
            "" => Err(format!("{column} is empty")),
            "NA" => Ok(None),
            text => text
                .parse()
                .map(Some)
                .map_err(|_| format!("{column} is {text:?}, which is no {}", std::any::type_name::<T>())),
        }
    }
}

/// A row of a table: how it is read and what is unique in it.
pub trait Row: Sized {
    /// The name of the table and its files.
    const TABLE: &'static str;
    /// The header.
    const COLUMNS: &'static [&'static str];
    /// What no two rows may share.
    type Key: Hash + Eq;

    /// Reads a row.
    ///
    /// # Errors
    /// A sentence about the first field that is wrong.
    fn read(fields: &Fields<'_>) -> Result<Self, String>;

    /// What no two rows may share.
    fn key(&self) -> Self::Key;
}

/// A table as it was read.
#[derive(Debug)]
pub struct Rows<T> {
    /// The file it came from.
    pub file: PathBuf,
    /// Its rows in the order of the file; row `i` stands in line `i + 2`.
    pub rows: Vec<T>,
}

impl<T> Rows<T> {
    /// An error about a row.
    #[must_use]
    pub fn wrong(&self, row: usize, what: impl Into<String>) -> Error {
        Error::Line { file: self.file.clone(), line: row as u64 + 2, what: what.into() }
    }
}

/// Reads the table of `T` in `directory`, at most `rows_max` rows of it.
///
/// # Errors
/// A missing or unreadable file; a wrong header; a line that is no row or stands twice.
pub fn read<T: Row>(directory: &Path, rows_max: Option<usize>) -> Result<Rows<T>> {
    let (file, stream) = open(directory, T::TABLE)?;
    let mut table = Rows { file, rows: Vec::new() };
    let mut reader = csv::ReaderBuilder::new().has_headers(true).from_reader(stream);
    let header = reader.headers().map_err(|error| broken(&table.file, &error))?.clone();
    if header.iter().ne(T::COLUMNS.iter().copied()) {
        let found = header.iter().collect::<Vec<_>>().join(",");
        let what = format!("the columns are {found:?}, but must be {:?}", T::COLUMNS.join(","));
        return Err(Error::Line { file: table.file, line: 1, what });
    }
    let mut seen = HashSet::new();
    let mut record = csv::StringRecord::new();
    while rows_max.is_none_or(|most| table.rows.len() < most)
        && reader.read_record(&mut record).map_err(|error| broken(&table.file, &error))?
    {
        let line = record.position().map_or(0, csv::Position::line);
        let wrong = |what: String| Error::Line { file: table.file.clone(), line, what };
        let row = T::read(&Fields { record: &record, columns: T::COLUMNS }).map_err(wrong)?;
        if !seen.insert(row.key()) {
            return Err(wrong("another row has the same key".into()));
        }
        table.rows.push(row);
    }
    Ok(table)
}

/// Finds and opens the file of a table.
fn open(directory: &Path, table: &str) -> Result<(PathBuf, Box<dyn Read>)> {
    let plain = directory.join(format!("{table}.csv"));
    let packed = directory.join(format!("{table}.csv.zst"));
    if plain.exists() {
        let bytes = bytes(&plain)?;
        return Ok((plain, Box::new(bytes)));
    }
    if packed.exists() {
        let bytes = bytes(&packed)?;
        let reader = zstd::Decoder::with_buffer(bytes).map_err(|error| Error::File {
            file: packed.clone(),
            what: format!("cannot be unpacked: {error}"),
        })?;
        return Ok((packed, Box::new(reader)));
    }
    Err(Error::File { file: plain, what: "there is no such file, nor one with .zst behind its name".into() })
}

#[expect(clippy::disallowed_methods, reason = "the input of a program; ese-io is for the engine's own files")]
fn bytes(file: &Path) -> Result<BufReader<fs::File>> {
    let opened =
        fs::File::open(file).map_err(|error| Error::File { file: file.into(), what: error.to_string() })?;
    Ok(BufReader::with_capacity(1 << 16, opened))
}

/// Puts an error of the CSV reader into our words.
fn broken(file: &Path, error: &csv::Error) -> Error {
    let file = file.to_owned();
    match (error.kind(), error.position().map(csv::Position::line)) {
        (csv::ErrorKind::UnequalLengths { expected_len, len, .. }, Some(line)) => {
            Error::Line { file, line, what: format!("it has {len} fields, but must have {expected_len}") }
        }
        (csv::ErrorKind::Utf8 { .. }, Some(line)) => {
            Error::Line { file, line, what: "it is not UTF-8".into() }
        }
        (csv::ErrorKind::Io(error), _) => Error::File { file, what: error.to_string() },
        (_, Some(line)) => Error::Line { file, line, what: error.to_string() },
        (_, None) => Error::File { file, what: error.to_string() },
    }
}
