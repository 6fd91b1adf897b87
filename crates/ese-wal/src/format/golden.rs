//! Golden files: what this library writes is, byte for byte, what the ones before it wrote, and it reads what they wrote.
//!
//! `golden/*.txt` are dumps of three segments: a line for every 16 bytes that are not all zeros. `ESE_GOLDEN=write` writes
//! them anew; a change of theirs is a change of the format and needs a new version.
#![expect(clippy::disallowed_methods, reason = "golden files are the test's own")]

use super::segment::{SegmentHeader, Takeover};
use crate::{
    folder::Folder,
    format::{
        frame::{FrameKind, encode_head},
        part::BatchKind,
        wide,
    },
    reader::{chain::Chain, replay::replay},
    segment::Segment,
    writer::{Batch, Writer},
};
use ese_base::{Position, Result};
use ese_io::{NativeDisk, OpenMode};
use std::{fmt::Write as _, path::Path, sync::Arc};

const LENGTH: u64 = 2048;

fn header(number: u64, begins: Option<Takeover>) -> SegmentHeader {
    SegmentHeader {
        identity: 0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10,
        number,
        salt: 0x1122_3344_5566_7788 + number,
        length: LENGTH,
        block: 512,
        epoch: 1,
        begins,
    }
}

fn make(folder: &Folder, header: SegmentHeader) -> Result<Segment> {
    let file = folder.disk.open(&folder.segment_path(header.number), OpenMode::CreateNew)?;
    file.allocate(LENGTH)?;
    file.write_all_at(&header.encode(), 0)?;
    Ok(Segment { header, file })
}

/// An epoch, a batch of two frames, one cut by the segment's end, a mark and a close.
fn write(folder: &Folder) -> Result<()> {
    let first = make(folder, header(1, Some(Takeover::NOTHING)))?;
    let mut writer = Writer::new(first, Takeover::NOTHING, Arc::default());
    let next = &mut |full: &Segment| make(folder, header(full.header.number + 1, None));
    let plain = |at: u64, payload: &[u8]| {
        let mut frame = encode_head(Position(at), wide(payload.len()), FrameKind::Plain).to_vec();
        frame.extend_from_slice(payload);
        frame
    };
    writer.write(&Batch::of(BatchKind::Epoch, Position(1)), next)?;
    let (one, two, three) = (plain(1, b"one"), plain(3, b""), plain(4, &[0xab; 700]));
    let body = vec![one.as_slice(), two.as_slice()];
    writer.write(&Batch { kind: BatchKind::Frames, next: Position(4), frames: 2, body }, next)?;
    let body = vec![three.as_slice()];
    writer.write(&Batch { kind: BatchKind::Frames, next: Position(5), frames: 1, body }, next)?;
    writer.write(&Batch::of(BatchKind::Closed, Position(7)), next)
}

fn dump(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (line, row) in bytes.chunks(16).enumerate().filter(|(_, row)| row.iter().any(|byte| *byte != 0)) {
        let _ = write!(text, "{:04x}:", 16 * line);
        for byte in row {
            let _ = write!(text, " {byte:02x}");
        }
        text.push('\n');
    }
    text
}

fn undump(text: &str) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(LENGTH).unwrap()];
    for line in text.lines() {
        let (offset, row) = line.split_once(':').unwrap();
        let offset = usize::from_str_radix(offset, 16).unwrap();
        for (place, byte) in row.split_whitespace().enumerate() {
            bytes[offset + place] = u8::from_str_radix(byte, 16).unwrap();
        }
    }
    bytes
}

fn read(folder: &Folder) -> Vec<(u64, Vec<u8>)> {
    let chain = Chain::open(folder, &folder.list().unwrap().segments, OpenMode::Read).unwrap();
    let mut frames = Vec::new();
    let found = replay(&chain, folder, Position::FIRST, &mut |at, frame| {
        frames.push((at.0, frame.to_vec()));
        Ok(())
    });
    let found = found.unwrap();
    assert!(found.closed && found.next == Position(7) && found.doubtful.len() == 1);
    frames
}

#[test]
fn the_format_is_what_it_was() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let expected = [(1, b"one".to_vec()), (3, Vec::new()), (4, vec![0xab; 700])];
    let (new, then) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let of = |path: &Path| Folder::new(Arc::new(NativeDisk::new()), path);
    let (written, old) = (of(new.path()), of(then.path()));
    write(&written).unwrap();
    assert_eq!(read(&written), expected);
    for number in 1..=3 {
        let now = dump(&std::fs::read(written.segment_path(number)).unwrap());
        let path = golden.join(format!("v1_segment_{number}.txt"));
        if std::env::var_os("ESE_GOLDEN").is_some_and(|value| value == "write") {
            std::fs::create_dir_all(&golden).unwrap();
            std::fs::write(&path, &now).unwrap();
        }
        let then = std::fs::read_to_string(&path).unwrap();
        assert_eq!(now, then, "{}", path.display());
        std::fs::write(old.segment_path(number), undump(&then)).unwrap();
    }
    assert_eq!(read(&old), expected);
}
