//! Engines that skip work, made from the locked map, must not get a figure.

use anyhow::Result;
use ese_bench::{
    adapter::btreemap::Locked,
    data::Key,
    engine::{Background, Engine, Opening, Read, Session, Write},
    lane::{EngineLane, Lane},
    row::Row,
    run::{Plan, run_lanes},
};

/// What a liar does wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lie {
    /// Nothing: the control.
    None,
    /// Reads without handing out the value.
    SkipsValues,
    /// Forgets every write with an odd last byte of the key.
    LosesWrites,
    /// Leaves out the last row of a scan.
    ShortScan,
    /// Leaves the row of a removal.
    KeepsRemoved,
    /// Says that background work is done already although it was to be held.
    MergesAnyway,
}

#[derive(Clone)]
struct Liar<const LIE: u8>(Locked);

const fn lie(number: u8) -> Lie {
    match number {
        1 => Lie::SkipsValues,
        2 => Lie::LosesWrites,
        3 => Lie::ShortScan,
        4 => Lie::KeepsRemoved,
        5 => Lie::MergesAnyway,
        _ => Lie::None,
    }
}

struct In<const LIE: u8, T>(T);

impl<const LIE: u8> Engine for Liar<LIE> {
    type Session = Liar<LIE>;
    const NAME: &'static str = "liar";
    const SETTINGS: &'static str = "none";

    fn open(opening: Opening<'_>) -> Result<Self> {
        assert!(matches!(opening.background, Background::Free | Background::Held));
        Ok(Liar(Locked::open(opening)?))
    }

    fn session(&self) -> Result<Self> {
        Ok(self.clone())
    }

    fn backlog(&self) -> Option<u64> {
        (lie(LIE) == Lie::MergesAnyway).then_some(0)
    }
}

impl<const LIE: u8> Session for Liar<LIE> {
    type Read<'t> = In<LIE, &'t <Locked as Session>::Read<'t>>;
    type Write<'t> = In<LIE, &'t mut dyn Writes>;

    fn read<T>(&mut self, work: impl FnOnce(&Self::Read<'_>) -> Result<T>) -> Result<T> {
        self.0.read(|read| work(&In(read)))
    }

    fn write<T>(&mut self, mut work: impl FnMut(&mut Self::Write<'_>) -> Result<T>) -> Result<T> {
        self.0.write(|write| work(&mut In(write)))
    }

    fn empty_read(&mut self) -> Result<()> {
        self.0.empty_read()
    }

    fn savepoints(&mut self, levels: usize) -> Result<bool> {
        self.0.savepoints(levels)
    }
}

impl<const LIE: u8, R: Read> Read for In<LIE, &R> {
    fn get(&self, key: &Key, value: impl FnOnce(&[u8])) -> Result<bool> {
        match lie(LIE) {
            Lie::SkipsValues => self.0.get(key, |_| ()),
            _ => self.0.get(key, value),
        }
    }

    fn from(&self, key: &Key, limit: usize, row: impl FnMut(&[u8], &[u8])) -> Result<()> {
        self.0.from(key, limit, row)
    }

    fn all(&self, mut row: impl FnMut(&[u8], &[u8])) -> Result<()> {
        let mut held: Option<(Vec<u8>, Vec<u8>)> = None;
        self.0.all(|key, value| {
            if let Some((key, value)) = held.replace((key.to_vec(), value.to_vec())) {
                row(&key, &value);
            }
        })?;
        if let Some((key, value)) = held.filter(|_| lie(LIE) != Lie::ShortScan) {
            row(&key, &value);
        }
        Ok(())
    }
}

/// The writes of an engine as an object.
trait Writes {
    fn put(&mut self, key: &Key, value: &[u8]) -> Result<()>;
    fn remove(&mut self, key: &Key) -> Result<bool>;
}

impl<W: Write> Writes for W {
    fn put(&mut self, key: &Key, value: &[u8]) -> Result<()> {
        Write::put(self, key, value)
    }

    fn remove(&mut self, key: &Key) -> Result<bool> {
        Write::remove(self, key)
    }
}

impl<const LIE: u8> Write for In<LIE, &mut dyn Writes> {
    fn put(&mut self, key: &Key, value: &[u8]) -> Result<()> {
        if lie(LIE) == Lie::LosesWrites && key[key.len() - 1] % 2 == 1 {
            Ok(())
        } else {
            self.0.put(key, value)
        }
    }

    fn remove(&mut self, key: &Key) -> Result<bool> {
        if lie(LIE) == Lie::KeepsRemoved { Ok(true) } else { self.0.remove(key) }
    }
}

fn measure<const LIE: u8>(row: Row) -> Result<()> {
    let lanes: Vec<Box<dyn Lane>> =
        vec![Box::new(EngineLane::<Locked>::default()), Box::new(EngineLane::<Liar<LIE>>::default())];
    let plan = Plan {
        rows: 300,
        rounds: 1,
        seed: 3,
        only: vec![row],
        engines: Vec::new(),
        directory: std::env::temp_dir(),
        disk: std::env::temp_dir(),
        program: Some(env!("CARGO_BIN_EXE_ese-bench").into()),
    };
    run_lanes(plan, lanes, |_| {}).map(|_| ())
}

#[test]
fn an_honest_engine_passes() {
    for row in Row::memory() {
        measure::<0>(row).unwrap();
    }
}

#[test]
fn skipped_values_are_noticed() {
    for row in [Row::Get, Row::Get2, Row::GetTransaction, Row::GetMany] {
        assert!(measure::<1>(row).is_err(), "{row:?}");
    }
}

#[test]
fn lost_writes_are_noticed() {
    for row in [Row::Load, Row::Append, Row::Commit, Row::Mixed50, Row::ScanOverlay] {
        assert!(measure::<2>(row).is_err(), "{row:?}");
    }
}

#[test]
fn short_scans_are_noticed() {
    assert!(measure::<3>(Row::Scan).is_err());
}

#[test]
fn kept_rows_are_noticed() {
    assert!(measure::<4>(Row::Remove).is_err());
}

#[test]
fn merged_overlays_are_noticed() {
    assert!(measure::<5>(Row::ScanOverlay).is_err());
}
