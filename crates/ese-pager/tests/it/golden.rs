//! Files as version 1 of the format has them: what is written is what was written, and what was written can be read.
//!
//! `tests/golden/*.txt` are databases as text, a line for each 16 bytes that are not all zero. A change of these files is
//! a change of the format and needs a new version (docs/format/database-file.md). `ESE_REWRITE=1` writes them anew.
#![expect(clippy::disallowed_methods, reason = "files are looked at and made from outside")]

use crate::common::{Pair, faults, rows};
use ese_core::Store;
use ese_io::NativeDisk;
use ese_pager::{Pager, PagerOptions};
use std::{fmt::Write, fs, path::PathBuf};

/// A database with everything that a file may hold: nodes of two levels, runs, a tree being dropped, free pages.
fn make(page_size: usize) -> (Vec<u8>, crate::common::Rows) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data.ese");
    let mut options = PagerOptions::default();
    options.page_size_bytes = Some(page_size);
    options.identity = Some(0x0F0E_0D0C_0B0A_0908_0706_0504_0302_0100);
    let mut pair = Pair::create(&path, options);
    let long = |number: u8| (1, [b"a long key that rows share ", [number].as_slice()].concat());
    let rows = (0..12).map(|number| (long(number).0, long(number).1, Some(vec![number; page_size / 5])));
    pair.merge(rows).unwrap();
    pair.merge([
        (2, b"".to_vec(), Some(b"the empty key".to_vec())),
        (2, b"run".to_vec(), Some(vec![b'r'; page_size * 3 / 2])),
        (2, b"short run".to_vec(), Some(vec![b's'; page_size / 3])),
    ])
    .unwrap();
    pair.merge((0..9).map(|number| (3, vec![number], Some(vec![number; page_size / 5])))).unwrap();
    pair.checkpoint().unwrap();
    assert!(!pair.drop_tree(3, 1).unwrap());
    pair.merge([(1, long(3).1, None)]).unwrap();
    pair.pager.reserve_tree_numbers(7).unwrap();
    pair.pager.close(true).unwrap();
    (fs::read(&path).unwrap(), pair.rows)
}

/// The bytes as text: equal lines are one line, with how many there are.
fn to_text(bytes: &[u8]) -> String {
    let mut text = format!("{} bytes\n", bytes.len());
    let mut lines = bytes.chunks(16).zip((0_usize..).step_by(16)).peekable();
    while let Some((line, offset)) = lines.next() {
        let mut count = 1;
        while lines.next_if(|(next, _)| *next == line).is_some() {
            count += 1;
        }
        if line.iter().any(|byte| *byte != 0) {
            let hex: String = line.iter().map(|byte| format!("{byte:02x}")).collect();
            writeln!(text, "{offset:06x} {hex} {count}").unwrap();
        }
    }
    text
}

fn from_text(text: &str) -> Vec<u8> {
    let mut lines = text.lines();
    let len = lines.next().unwrap().strip_suffix(" bytes").unwrap().parse().unwrap();
    let mut bytes = vec![0; len];
    for line in lines {
        let parts: Vec<&str> = line.split(' ').collect();
        let [offset, hex, count] = parts[..] else { panic!("{line}") };
        let offset = usize::from_str_radix(offset, 16).unwrap();
        let digits = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
        let line: Vec<u8> = digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect();
        let repeated = line.repeat(count.parse().unwrap());
        bytes[offset..offset + repeated.len()].copy_from_slice(&repeated);
    }
    bytes
}

/// Takes out who created the file, which changes with every release.
fn anonymous(mut bytes: Vec<u8>, page_size: usize) -> Vec<u8> {
    for meta in [0, page_size] {
        bytes[meta + 192..meta + 224].fill(0);
        bytes[meta..meta + 4].fill(0);
    }
    bytes
}

fn compare(page_size: usize) {
    let golden = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{page_size}.txt"));
    let (written, expected) = make(page_size);
    if std::env::var_os("ESE_REWRITE").is_some_and(|value| value == "1") {
        fs::write(&golden, to_text(&written)).unwrap();
    }
    let kept = from_text(&fs::read_to_string(&golden).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data.ese");
    fs::write(&path, &kept).unwrap();
    let pager = Pager::open(&NativeDisk::new(), &path, &PagerOptions::default(), &|_| false).unwrap();
    assert!(rows(&*pager.newest()).unwrap() == expected);
    assert!(pager.is_clean());
    assert_eq!(faults(&pager), [""; 0]);
    let (written, kept) = (anonymous(written, page_size), anonymous(kept, page_size));
    let differs = written.iter().zip(&kept).position(|(written, kept)| written != kept);
    assert_eq!((differs, written.len()), (None, kept.len()), "the format changed");
}

#[test]
fn files_of_version_1_with_pages_of_4_kib() {
    compare(4096);
}

#[test]
fn files_of_version_1_with_pages_of_32_kib() {
    compare(32768);
}
