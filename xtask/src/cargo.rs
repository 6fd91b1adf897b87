//! Runs cargo in the workspace's root, with its output on our own.

use anyhow::{Context, Result, ensure};
use std::{
    ffi::OsStr,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    let here = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&here).parent().unwrap_or(Path::new(".")).to_path_buf()
}

/// A cargo that will run in the root.
pub(crate) fn cargo<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).args(arguments).stdin(Stdio::null());
    command
}

/// Runs it to its end.
///
/// # Errors
/// When it cannot be started or fails.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    announce(command);
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    ensure!(status.success(), "{} failed: {status}", words(command));
    Ok(())
}

/// Runs a cargo that tests, passes its output on, and fails when it ran no test at all.
///
/// # Errors
/// As [`run`]; when no line `running N tests` with N above 0 came.
pub(crate) fn run_some_tests(command: &mut Command) -> Result<()> {
    announce(command);
    let mut child =
        command.stdout(Stdio::piped()).spawn().with_context(|| format!("cannot start {command:?}"))?;
    let output = child.stdout.take().context("the output of cargo is piped")?;
    let mut count = 0;
    let mut ours = std::io::stdout().lock();
    for line in BufReader::new(output).lines() {
        let line = line?;
        count += tests_announced(&line);
        writeln!(ours, "{line}")?;
    }
    let status = child.wait()?;
    ensure!(status.success(), "{} failed: {status}", words(command));
    ensure!(count > 0, "{} ran no test", words(command));
    Ok(())
}

/// Lets it build under a `cfg` of its own: in its own folder, so that it does not throw out the ordinary results, and
/// without the optimisation across crates, which takes longer than these tests run.
///
/// # Errors
/// What `cargo metadata` reports.
pub(crate) fn configure(command: &mut Command, configuration: &str) -> Result<()> {
    let metadata = cargo_metadata::MetadataCommand::new().current_dir(root()).no_deps().exec()?;
    command
        .env("RUSTFLAGS", format!("--cfg {configuration}"))
        .env("CARGO_TARGET_DIR", metadata.target_directory.join(configuration))
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
    Ok(())
}

/// How many tests a line of a test harness's output announces.
fn tests_announced(line: &str) -> u64 {
    let number = line
        .strip_prefix("running ")
        .and_then(|rest| rest.strip_suffix(" tests").or(rest.strip_suffix(" test")));
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn announce(command: &Command) {
    eprintln!("$ {}", words(command));
}

/// The command as one would type it.
fn words(command: &Command) -> String {
    let settings = command
        .get_envs()
        .filter_map(|(name, value)| Some(format!("{}={:?} ", name.to_string_lossy(), value?)))
        .collect::<String>();
    let arguments = command.get_args().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
    format!("{settings}cargo {arguments}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_tests_by_the_harness_lines() {
        assert_eq!(tests_announced("running 12 tests"), 12);
        assert_eq!(tests_announced("running 1 test"), 1);
        assert_eq!(tests_announced("running 0 tests"), 0);
        assert_eq!(tests_announced("test a ... ok"), 0);
        assert_eq!(tests_announced("running late tests"), 0);
    }

    #[test]
    fn words_show_settings_and_arguments() {
        let mut command = cargo(["test", "-p", "ese"]);
        command.env("RUSTFLAGS", "--cfg loom");
        assert_eq!(words(&command), "RUSTFLAGS=\"--cfg loom\" cargo test -p ese");
    }

    #[test]
    fn the_root_has_the_lock_file() {
        assert!(root().join("Cargo.lock").is_file());
    }
}
