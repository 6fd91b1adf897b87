//! The artefact of a run: every sample in one small file that a later run is compared with.
//!
//! ```text
//! mark, 12 bytes | crc32c of what follows, u32 little-endian | archive of [`Artefact`] by rkyv
//! ```
//! The mark ends with the version of the format. A file is read whole, its sum is compared, and the archive is validated
//! before anything of it is looked at: damage is an error, never a wrong figure.

use crate::{report::median, run::Outcome};
use anyhow::{Context, Result, ensure};
use rkyv::{rancor, util::AlignedVec};
use std::{fs, path::Path};

/// What a file begins with.
const MARK: &[u8; 12] = b"ese-bench\0\0\x01";
const HEAD_BYTES: usize = MARK.len() + size_of::<u32>();

/// What a run has measured.
#[derive(Debug, Clone, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct Artefact {
    /// Rows of a load.
    pub rows: u64,
    /// How often everything was repeated.
    pub rounds: u64,
    /// What data and choices came from.
    pub seed: u64,
    /// Rows and engines that were measured, in the order of the report.
    pub results: Vec<Measured>,
}

/// The figures of one row of one engine.
#[derive(Debug, Clone, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct Measured {
    /// The row's name.
    pub row: String,
    /// The unit's word.
    pub unit: String,
    /// The engine's name.
    pub engine: String,
    /// One a round.
    pub samples: Vec<f64>,
}

impl Artefact {
    /// What is kept of an outcome: rows without a sample are left out.
    #[must_use]
    pub fn of(outcome: &Outcome) -> Artefact {
        let mut results = Vec::new();
        for row in outcome.rows() {
            for (engine, _) in &outcome.engines {
                let samples = outcome.figures(row, engine).map_or(&[][..], |figures| &figures.samples);
                if !samples.is_empty() {
                    results.push(Measured {
                        row: row.name().to_owned(),
                        unit: row.unit().word().to_owned(),
                        engine: (*engine).to_owned(),
                        samples: samples.to_vec(),
                    });
                }
            }
        }
        let plan = &outcome.plan;
        Artefact { rows: plan.rows as u64, rounds: plan.rounds, seed: plan.seed, results }
    }

    /// As the bytes of a file.
    ///
    /// # Errors
    /// None that data of ours can cause; what `rkyv` reports.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let archive = rkyv::to_bytes::<rancor::Error>(self)?;
        let sum = crc32c::crc32c(&archive).to_le_bytes();
        Ok([MARK, &sum[..], &archive].concat())
    }

    /// From the bytes of a file.
    ///
    /// # Errors
    /// When they are not a whole and sound artefact of this format.
    pub fn from_bytes(bytes: &[u8]) -> Result<Artefact> {
        let (head, body) = bytes.split_at_checked(HEAD_BYTES).context("it is too short")?;
        let (mark, sum) = head.split_at(MARK.len());
        ensure!(mark == MARK, "it is no artefact of this version of ese-bench");
        ensure!(sum == crc32c::crc32c(body).to_le_bytes(), "it is damaged: its sum is wrong");
        // An archive lies at a multiple of its own alignment.
        let mut archive: AlignedVec = AlignedVec::with_capacity(body.len());
        archive.extend_from_slice(body);
        let archived = rkyv::access::<ArchivedArtefact, rancor::Error>(&archive).context("it is damaged")?;
        rkyv::deserialize::<Artefact, rancor::Error>(archived).context("it is damaged")
    }

    /// From a file.
    ///
    /// # Errors
    /// As [`Artefact::from_bytes`], with the file; when it cannot be read.
    #[expect(clippy::disallowed_methods, reason = "a file of the bench, and no engine's")]
    pub fn read(path: &Path) -> Result<Artefact> {
        let read = || Artefact::from_bytes(&fs::read(path)?);
        read().with_context(|| format!("reading the artefact {}", path.display()))
    }

    /// The figures of a row of an engine.
    #[must_use]
    pub fn measured(&self, row: &str, engine: &str) -> Option<&Measured> {
        self.results.iter().find(|measured| measured.row == row && measured.engine == engine)
    }
}

impl Measured {
    /// The median.
    #[must_use]
    pub fn median(&self) -> Option<f64> {
        median(&self.samples)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn artefact() -> Artefact {
        let measured = |row: &str, engine: &str, samples: &[f64]| Measured {
            row: row.into(),
            unit: "gets/s".into(),
            engine: engine.into(),
            samples: samples.to_vec(),
        };
        let results =
            vec![measured("get", "ese", &[3.0, 1.0, 2.0]), measured("a longer name", "lmdb", &[4.5])];
        Artefact { rows: 1000, rounds: 3, seed: 7, results }
    }

    #[test]
    fn what_was_written_is_read() {
        let bytes = artefact().to_bytes().unwrap();
        assert_eq!(Artefact::from_bytes(&bytes).unwrap(), artefact());
        // Wherever the bytes lie.
        let shifted = [&[0][..], &bytes].concat();
        assert_eq!(Artefact::from_bytes(&shifted[1..]).unwrap(), artefact());
        assert_eq!(artefact().measured("get", "ese").unwrap().median(), Some(2.0));
        assert_eq!(artefact().measured("get", "lmdb"), None);
    }

    #[test]
    fn damage_is_an_error_wherever_it_is() {
        let bytes = artefact().to_bytes().unwrap();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << bit;
                assert!(Artefact::from_bytes(&damaged).is_err(), "bit {bit} of byte {at}");
            }
            assert!(Artefact::from_bytes(&bytes[..at]).is_err(), "cut at {at}");
        }
        let longer = [&bytes[..], &[0]].concat();
        assert!(Artefact::from_bytes(&longer).is_err());
    }

    /// A right sum proves nothing about the archive behind it.
    #[test]
    fn what_has_a_right_sum_is_validated_all_the_same() {
        let bytes = artefact().to_bytes().unwrap();
        let mut refused = 0;
        for at in HEAD_BYTES..bytes.len() {
            for value in [0, 0x7f, 0xff] {
                let mut damaged = bytes.clone();
                damaged[at] = value;
                let sum = crc32c::crc32c(&damaged[HEAD_BYTES..]).to_le_bytes();
                damaged[MARK.len()..HEAD_BYTES].copy_from_slice(&sum);
                // A figure may be another one now; what leads nowhere is refused.
                refused += usize::from(Artefact::from_bytes(&damaged).is_err());
            }
        }
        assert!(refused > 0);
        for body in [&[][..], &[0xff; 3], &[0xff; 64]] {
            let sum = crc32c::crc32c(body).to_le_bytes();
            assert!(Artefact::from_bytes(&[MARK, &sum[..], body].concat()).is_err());
        }
    }
}
