//! Loads a year of flights and asks questions; everything is in the library, see [`ese_examples::flights`].

use ese_examples::flights::command::run;
use std::{env, io, process::ExitCode};

// Standard error stays unlocked: the progress bar is drawn on it by other threads.
fn main() -> ExitCode {
    ExitCode::from(run(env::args_os(), &mut io::stdout().lock(), &mut io::stderr()))
}
