//! Calls to cargo: `cargo test` with its counts read, and the path of the built `ottla`.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::paths;
use crate::tally::Tally;

/// The cargo that runs us.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(cargo_program());
    command.current_dir(paths::root());
    command
}

/// Its path, for a checkout other than ours.
pub(crate) fn cargo_program() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Builds the `ottla` binary in the profile of the tests and returns its path; `OTTLA_BIN` overrides it.
pub(crate) fn ottla_program() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("OTTLA_BIN") {
        return Ok(path.into());
    }
    program("ottla-cli", "ottla")
}

/// Builds a binary in the profile of the tests and returns its path.
pub(crate) fn program(package: &str, binary: &str) -> Result<PathBuf> {
    build(package, binary, "dev")
}

/// Where cargo puts what it builds.
pub(crate) fn target_dir() -> Result<PathBuf> {
    let metadata = cargo_metadata::MetadataCommand::new().current_dir(paths::root()).no_deps().exec()?;
    Ok(metadata.target_directory.into_std_path_buf())
}

/// Builds a binary in a cargo profile and returns its path.
pub(crate) fn build(package: &str, binary: &str, profile: &str) -> Result<PathBuf> {
    let output = cargo()
        .args(["build", "--quiet", "--profile", profile, "--package", package, "--bin", binary])
        .arg("--message-format=json-render-diagnostics")
        .stderr(Stdio::inherit())
        .output()?;
    ensure!(output.status.success(), "cargo build of {binary} failed");
    let artifacts = String::from_utf8(output.stdout)?;
    let path = artifacts.lines().rev().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        message["executable"].as_str().map(PathBuf::from)
    });
    path.context("cargo named no executable")
}

/// Runs `cargo test ARGUMENTS`, passing its output through, and counts what it says.
pub(crate) fn test(arguments: &[&str]) -> Result<Tally> {
    let mut child = cargo().arg("test").args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let output = child.stdout.take().context("standard output is piped")?;
    let mut tally = Tally::default();
    for line in BufReader::new(output).lines() {
        count_line(&line?, &mut tally);
    }
    let status = child.wait()?;
    if !status.success() && tally.failures.is_empty() {
        tally.failures.push(format!("cargo test {}: {status}", arguments.join(" ")));
    }
    Ok(tally)
}

/// Runs `cargo run ARGUMENTS`, passing its output through; its line `N passed, N failed` is what counts.
pub(crate) fn run(name: &str, arguments: &[&str]) -> Result<Tally> {
    let mut child =
        cargo().args(["run", "--quiet"]).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let output = child.stdout.take().context("standard output is piped")?;
    let (mut passed, mut failed) = (0, 0);
    for line in BufReader::new(output).lines() {
        let line = line?;
        println!("{line}");
        if let Some(counts) = closing_line(&line) {
            (passed, failed) = counts;
        }
    }
    let status = child.wait()?;
    let mut tally = Tally::passed(passed);
    if !status.success() || failed > 0 {
        tally.failures.push(format!("{name}: {failed} failed, {status}, see the output above"));
    }
    Ok(tally)
}

/// Reads `N passed, N failed`, whatever stands behind it.
fn closing_line(line: &str) -> Option<(usize, usize)> {
    let (passed, rest) = line.split_once(" passed, ")?;
    let (failed, _) = rest.split_once(" failed")?;
    Some((passed.parse().ok()?, failed.parse().ok()?))
}

/// Adds one line of a test binary's output; lines that are no passing test are shown.
fn count_line(line: &str, tally: &mut Tally) {
    match line.strip_prefix("test ").and_then(|rest| rest.rsplit_once(" ... ")) {
        Some((_, "ok")) => tally.passed += 1,
        Some((name, "FAILED")) => tally.failures.push(format!("{name}: see the output above")),
        Some((name, end)) if end.starts_with("ignored") => tally.failures.push(format!("{name}: is ignored")),
        _ if line.trim().is_empty() || line.starts_with("running ") || line.starts_with("test result: ok") => {}
        _ => println!("{line}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closing_line_is_read() {
        assert_eq!(closing_line("12 passed, 3 failed"), Some((12, 3)));
        assert_eq!(closing_line("1 passed, 0 failed, 2 skipped"), Some((1, 0)));
        assert_eq!(closing_line("frames: 12 inputs"), None);
    }

    #[test]
    fn passing_failing_and_ignored_tests_are_counted() {
        let mut tally = Tally::default();
        for line in
            ["running 3 tests", "test a ... ok", "test b ... FAILED", "test c ... ignored", "test result: ok. 1"]
        {
            count_line(line, &mut tally);
        }
        assert_eq!(tally.passed, 1);
        assert_eq!(tally.failures, ["b: see the output above", "c: is ignored"]);
    }
}
