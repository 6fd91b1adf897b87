//! The process that is killed: opens the folder, writes from several threads, closes it, and says so.

use super::{
    draw::{Draw, Folder},
    line::{Acknowledged, Line},
    rows::World,
};
use crate::seed::Dice;
use ese::{Durability, Instance, Result};
use std::{
    env,
    io::{self, Write},
    panic,
    path::PathBuf,
    process::Command,
    thread,
};

/// The variables that hand a child its job.
const FOLDER: &str = "ESE_CRASH_FOLDER";
const SEED: &str = "ESE_CRASH_SEED";
const IS_NEW: &str = "ESE_CRASH_NEW";

/// What a child is to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Job {
    /// The folder to open.
    pub folder: PathBuf,
    /// What its settings follow from.
    pub seed: u64,
    /// Whether it is the folder's first opening.
    pub is: Folder,
}

impl Job {
    /// The job of this process, if it is a child.
    #[must_use]
    pub fn given() -> Option<Job> {
        let folder = env::var_os(FOLDER)?.into();
        let seed = env::var(SEED).ok()?.parse().ok()?;
        let is = if env::var_os(IS_NEW).is_some() { Folder::New } else { Folder::Old };
        Some(Job { folder, seed, is })
    }

    /// Hands the job to a program.
    #[must_use]
    pub fn command(&self, mut program: Command) -> Command {
        program.env(FOLDER, &self.folder).env(SEED, self.seed.to_string()).env_remove(IS_NEW);
        if self.is == Folder::New {
            program.env(IS_NEW, "1");
        }
        program
    }

    /// The settings it uses.
    #[must_use]
    pub fn draw(&self) -> Draw {
        Draw::new(self.seed, self.is)
    }

    /// Does it, in this process.
    ///
    /// # Errors
    /// What the engine reports.
    pub fn run(&self) -> Result<()> {
        let draw = self.draw();
        say(Line::Opening);
        let db = draw.builder().open(&self.folder)?;
        let world = World::open(&db)?;
        say(Line::Opened(db.read(|s| world.counts(s))?));
        thread::scope(|scope| {
            let writers: Vec<_> = (0..draw.writers)
                .map(|thread| {
                    let (db, world, draw) = (&db, &world, &draw);
                    let dice = Dice::new(self.seed ^ thread as u64);
                    scope.spawn(move || write(db, world, draw, thread, &dice))
                })
                .collect();
            let joined = writers
                .into_iter()
                .map(|writer| writer.join().unwrap_or_else(|panic| panic::resume_unwind(panic)));
            joined.collect::<Result<()>>()
        })?;
        say(Line::Closing);
        db.close()?;
        say(Line::Closed);
        Ok(())
    }
}

/// One writer's transactions.
fn write(db: &Instance, world: &World, draw: &Draw, thread: usize, dice: &Dice) -> Result<()> {
    let mut session = db.session()?;
    for _ in 0..draw.transactions {
        let is_lazy = dice.percent(draw.lazy_percent);
        let mut tx = session.begin()?;
        let n = world.write(&mut tx, thread)?;
        let commit = tx.commit_with(if is_lazy { Durability::Lazy } else { Durability::Sync })?;
        let is_waited_for = is_lazy && dice.percent(2);
        if is_waited_for {
            db.wait_durable(commit)?;
        }
        if let Some(commit) = commit {
            let is_durable = !is_lazy || is_waited_for;
            say(Line::Acknowledged(Acknowledged { thread, n, position: commit.position.0, is_durable }));
        }
        match dice.below(400) {
            0 => db.merge()?,
            1 => db.checkpoint()?,
            _ => {}
        }
    }
    Ok(())
}

/// Says a line in one write: a pipe takes it as a whole or not at all.
fn say(line: Line) {
    // Who listens has died when this fails; there is nobody to be told.
    let _ = io::stdout().lock().write_all(format!("{line}\n").as_bytes());
}
