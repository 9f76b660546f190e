//! `cargo xtask codegen`: the message types of `crates/protocol`, made from Kafka's own schemas.
//!
//! 1. `jars` finds the released jars (a given directory, or Maven into the cache) and reads the schema files in them.
//! 2. `schema` parses and checks them: versions, types, defaults, tags.
//! 3. `message` writes one Rust file per message (`reading`, `writing` hold the two halves, `json` what tools show); `tables` writes the
//!    lists over all messages: API keys, request and response enums, record types.
//! 4. The result is written to `crates/protocol/src/generated/`, or with `--check` compared with what is there.
//!
//! Only names, types, versions and defaults come over; the prose of the schemas stays behind. Files in
//! `crates/protocol/schemas/` are our own node-to-node messages and pass through the same steps.

pub(crate) mod jars;
mod json;
mod message;
mod names;
mod reading;
pub(crate) mod schema;
mod tables;
mod writing;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::paths;

/// Arguments of `cargo xtask codegen`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Directory with Kafka's released jars; without it Maven fetches those of compat/pom.xml.
    #[arg(long)]
    jars: Option<PathBuf>,
    /// Only compare: fail when the committed code differs from fresh output.
    #[arg(long)]
    check: bool,
}

/// Generated files by name, relative to the output directory.
type Files = BTreeMap<String, String>;

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<()> {
    let jars = jars::locate(args.jars.as_deref())?;
    let output = paths::root().join("crates/protocol/src/generated");
    let files = generate(&jars)?;
    if args.check { check(&output, &files) } else { write(&output, &files) }
}

/// Every generated file, from the schemas in `jars` and our own.
fn generate(jars: &Path) -> Result<Files> {
    let schemas = jars::read(jars, &paths::root().join("crates/protocol/schemas"))?;
    let mut files = Files::new();
    for message in &schemas.messages {
        let name = format!("{}.rs", names::module(&message.name));
        let text = message::generate(message, &schemas.origin(message));
        if files.insert(name, text).is_some() {
            bail!("two messages are called {}", message.name);
        }
    }
    files.extend(tables::generate(&schemas));
    files.into_iter().map(|(name, text)| Ok((name, formatted(&text)?))).collect()
}

/// The text as rustfmt lays it out with this workspace's settings.
fn formatted(text: &str) -> Result<String> {
    let mut rustfmt = Command::new("rustfmt");
    rustfmt.args(["--edition", "2024", "--config-path"]).arg(paths::root());
    let mut child = rustfmt.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("cannot run rustfmt")?;
    // rustfmt reads all of its input before it writes, so the two pipes cannot block each other.
    child.stdin.take().context("rustfmt has no input")?.write_all(text.as_bytes())?;
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "rustfmt refused generated code ({})", output.status);
    Ok(String::from_utf8(output.stdout)?)
}

/// Replaces the output directory's files; touches only those that change, so that a rebuild stays small.
fn write(output: &Path, files: &Files) -> Result<()> {
    fs::create_dir_all(output)?;
    let mut changed = 0;
    for stale in existing(output)?.keys().filter(|name| !files.contains_key(*name)) {
        fs::remove_file(output.join(stale))?;
        changed += 1;
    }
    for (name, text) in files {
        let path = output.join(name);
        if fs::read_to_string(&path).ok().as_deref() != Some(text) {
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
            changed += 1;
        }
    }
    println!("codegen: {} files, {changed} changed", files.len());
    Ok(())
}

/// Fails by name on the first file that is missing, stale or different.
fn check(output: &Path, files: &Files) -> Result<()> {
    let existing = existing(output)?;
    let differing: Vec<&String> =
        files.keys().chain(existing.keys()).filter(|name| files.get(*name) != existing.get(*name)).collect();
    if let Some(first) = differing.first() {
        bail!("{} generated files differ from the schemas, first {first}: run `cargo xtask codegen`", differing.len());
    }
    println!("codegen: {} files are up to date", files.len());
    Ok(())
}

/// The files that are in the output directory now.
fn existing(output: &Path) -> Result<Files> {
    let mut files = Files::new();
    if output.is_dir() {
        for entry in fs::read_dir(output)? {
            let entry = entry?;
            files.insert(entry.file_name().to_string_lossy().into_owned(), fs::read_to_string(entry.path())?);
        }
    }
    Ok(files)
}
