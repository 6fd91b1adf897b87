//! Kills processes at random moments and looks at what they leave: `cargo xtask crash --rounds 600`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that tells what it found")]

use clap::Parser;
use ese_sim::crash::{Crash, Job};
use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::Duration,
};

/// Kills processes at random moments and looks at what they leave.
#[derive(Parser)]
struct Arguments {
    /// How many rounds, each with a look at everything.
    #[arg(long, default_value_t = 100)]
    rounds: u64,
    /// No round begins after so many minutes.
    #[arg(long)]
    minutes: Option<u64>,
    /// What plans and settings follow from; the moments of the kills are the machine's.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The folder to make the instance's folder in; default: /dev/shm where there is one, else that for temporary files.
    #[arg(long)]
    dir: Option<PathBuf>,
}

fn main() -> ExitCode {
    if let Some(job) = Job::given() {
        return match job.run() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("child: {error}");
                ExitCode::FAILURE
            }
        };
    }
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => {
            eprintln!("{what}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), String> {
    let broken = |error: std::io::Error| error.to_string();
    let shared = Path::new("/dev/shm");
    let parent = match &arguments.dir {
        Some(dir) => dir.clone(),
        None if shared.is_dir() => shared.to_owned(),
        None => env::temp_dir(),
    };
    let guard = tempfile::Builder::new().prefix("ese-crash-").tempdir_in(parent).map_err(broken)?;
    let program = env::current_exe().map_err(broken)?;
    let crash = Crash {
        folder: &guard.path().join("instance"),
        seed: arguments.seed,
        rounds: arguments.rounds,
        at_most: arguments.minutes.map(|minutes| Duration::from_secs(minutes * 60)),
    };
    match crash.run(&|| Command::new(&program)) {
        Ok(report) => {
            println!("seed {}: {report}; every promise was kept", arguments.seed);
            Ok(())
        }
        Err(what) => Err(format!("{what}\nleft in {}", guard.keep().display())),
    }
}
