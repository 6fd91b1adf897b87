//! Runs a child, listens to it, and kills it when its time has come.

use super::line::Line;
use crate::seed::Dice;
use ese_base::clock::{Clock, SystemClock};
use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

/// A child that says nothing for so long hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// When a child is killed: a while after it has said something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Plan {
    /// After this …
    pub after: After,
    /// … and then so long.
    pub wait: Duration,
}

/// What a child has said or done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum After {
    /// It is opening the folder, and recovers.
    Opening,
    /// It has acknowledged so many commits.
    Acknowledged(u64),
    /// It is closing the folder.
    Closing,
    /// It lives until it ends.
    TheEnd,
}

impl Plan {
    /// At any moment of a life.
    #[must_use]
    pub fn any(dice: &Dice) -> Plan {
        let (after, most) = match dice.below(100) {
            0..20 => (After::Opening, 20_000),
            20..75 => (After::Acknowledged(1 + dice.below(dice.pick(&[10, 500, 4_000]))), 500),
            75..92 => (After::Closing, 8_000),
            _ => (After::TheEnd, 1),
        };
        Plan { after, wait: Duration::from_micros(dice.below(most)) }
    }

    /// In recovery, or a little later.
    #[must_use]
    pub fn soon(dice: &Dice) -> Plan {
        Plan {
            after: After::Opening,
            wait: Duration::from_micros(dice.below(dice.pick(&[500, 5_000, 20_000]))),
        }
    }
}

/// What became of a child.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Life {
    /// All that it said.
    pub lines: Vec<Line>,
    /// Whether it was killed.
    pub was_killed: bool,
}

impl Life {
    /// Whether it had opened the folder.
    #[must_use]
    pub fn has_opened(&self) -> bool {
        self.lines.iter().any(|line| matches!(line, Line::Opened(_)))
    }

    /// Whether it had come to the close.
    #[must_use]
    pub fn has_begun_to_close(&self) -> bool {
        self.lines.contains(&Line::Closing)
    }
}

/// Runs a child and kills it by the plan.
///
/// # Errors
/// A sentence when it cannot be started, hangs, fails, or says what nobody understands.
pub fn run_child(command: &mut Command, plan: &Plan) -> Result<Life, String> {
    let broken = |error: std::io::Error| error.to_string();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(broken)?;
    let output = child.stdout.take().ok_or("a child has no output")?;
    let clock = SystemClock::new();
    let mut life = Life { lines: Vec::new(), was_killed: false };
    let mut is_planned = true;
    let mut heard = Ok(());
    thread::scope(|scope| {
        let (sender, lines) = mpsc::channel();
        scope.spawn(move || {
            let texts = BufReader::new(output).lines().map_while(Result::ok);
            // Nobody listens any more when this fails.
            texts.filter_map(|text| Line::find(&text)).try_for_each(|line| sender.send(line))
        });
        let mut deadline = None;
        let mut acknowledged = 0;
        loop {
            let patience =
                deadline.map_or(PATIENCE, |deadline: Duration| deadline.saturating_sub(clock.now()));
            match lines.recv_timeout(patience) {
                Ok(Ok(line)) => {
                    life.lines.push(line);
                    acknowledged += u64::from(matches!(line, Line::Acknowledged(_)));
                    if is_planned && plan.after.is_it(line, acknowledged) {
                        deadline = Some(clock.now() + plan.wait);
                        is_planned = false;
                    }
                }
                Ok(Err(what)) => heard = Err(what),
                Err(RecvTimeoutError::Timeout) => {
                    if deadline.take().is_none() {
                        heard = Err(format!("it was silent for {} s", PATIENCE.as_secs()));
                    }
                    // It may have ended by itself in the meantime.
                    life.was_killed = child.kill().is_ok();
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
    });
    let status = child.wait().map_err(broken)?;
    heard?;
    let has_ended = life.lines.last() == Some(&Line::Closed);
    if !(status.success() && has_ended || life.was_killed && status.code().is_none()) {
        return Err(format!("it ended with {status}, after {:?}", life.lines.last()));
    }
    life.was_killed = !status.success();
    Ok(life)
}

impl After {
    fn is_it(self, line: Line, acknowledged: u64) -> bool {
        match self {
            After::Opening => line == Line::Opening,
            After::Acknowledged(count) => acknowledged >= count,
            After::Closing => line == Line::Closing,
            After::TheEnd => false,
        }
    }
}
