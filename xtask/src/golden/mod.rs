//! Golden bytes: every message in every version, byte for byte as Kafka's own Java code, both ways.
//!
//! 1. Java fills each message of each version in several ways and prints bytes and content; it also prints defaults,
//!    API keys, headers, prefixed records, and for one field at a time what every other version makes of it. The Rust
//!    side reads, compares the content field by field, and writes: the bytes must be the same.
//! 2. `filler` makes other messages straight from the schemas. The Rust side reads and writes them, Java then reads
//!    what Rust wrote, compares the content, and writes: the bytes must be the same.
//!
//! `cargo xtask golden --update` also rewrites the small selection that is committed, so that a unit test can compare
//! bytes where there is no Java.

mod filler;

use std::fmt;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::codegen::jars;
use crate::paths;
use filler::Filler;

/// Messages that are made from the schemas, per message and version.
const MADE_PER_VERSION: u64 = 6;

/// Arguments of `cargo xtask golden`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Directory with Kafka's released jars; without it Maven fetches those of compat/pom.xml.
    #[arg(long)]
    jars: Option<PathBuf>,
    /// Rewrite the committed selection in `compat/golden/vectors.txt`.
    #[arg(long)]
    update: bool,
}

/// What was compared, all of it equal.
#[derive(Debug)]
pub(crate) struct Summary {
    /// Facts printed by Java and checked by Rust.
    pub(crate) java_to_rust: usize,
    /// Messages written by Rust and checked by Java.
    pub(crate) rust_to_java: usize,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Summary { java_to_rust, rust_to_java } = self;
        write!(f, "golden bytes: {java_to_rust} facts from Java and {rust_to_java} messages from Rust, no difference")
    }
}

/// Runs the command.
pub(crate) fn command(args: &Args) -> Result<()> {
    let jars = jars::locate(args.jars.as_deref())?;
    let work = paths::cache()?.join("golden");
    let summary = run(&jars, &work)?;
    if args.update {
        java(&jars, &work, &["vectors".as_ref(), paths::root().join("compat/golden/vectors.txt").as_os_str()])?;
    }
    println!("{summary}");
    Ok(())
}

/// Compares everything, both ways; `work` holds the files that pass between the two sides.
///
/// # Errors
/// With the first differences, or when a side cannot run.
pub(crate) fn run(jars: &Path, work: &Path) -> Result<Summary> {
    fs::create_dir_all(work)?;
    compile(jars, work)?;
    let (facts, made, written) = (work.join("java.txt"), work.join("made.txt"), work.join("rust.txt"));
    java(jars, work, &["emit".as_ref(), facts.as_os_str()])?;
    let java_to_rust = counted(&rust(&["check".as_ref(), facts.as_os_str()])?)?;
    make(jars, &made)?;
    let made = counted(&rust(&["make".as_ref(), made.as_os_str(), written.as_os_str()])?)?;
    let rust_to_java = counted(&java(jars, work, &["check".as_ref(), written.as_os_str()])?)?;
    ensure!(made == rust_to_java, "{made} messages were made, Java saw {rust_to_java}");
    Ok(Summary { java_to_rust, rust_to_java })
}

/// Writes messages made from the schemas, one per line.
fn make(jars: &Path, file: &Path) -> Result<()> {
    let mut out = BufWriter::new(File::create(file)?);
    // Java knows nothing of our own messages, so only Kafka's are made.
    for message in jars::read(jars, Path::new(""))?.messages.iter() {
        for version in message.versions.low..=message.versions.high {
            for seed in 0..MADE_PER_VERSION {
                let bytes = Filler::new(message, version, seed).message();
                let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                let hex = if hex.is_empty() { "." } else { &hex };
                writeln!(out, "bytes {} {version} {hex}", message.name)?;
            }
        }
    }
    out.flush()?;
    Ok(())
}

fn compile(jars: &Path, work: &Path) -> Result<()> {
    let mut javac = Command::new("javac");
    javac
        .args(["-nowarn", "-Xlint:none", "--release", "17", "-cp"])
        .arg(jars.join("*"))
        .arg("-d")
        .arg(work.join("classes"));
    for entry in fs::read_dir(paths::root().join("compat/golden"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "java") {
            javac.arg(path);
        }
    }
    output(&mut javac).map(drop)
}

fn java(jars: &Path, work: &Path, args: &[&std::ffi::OsStr]) -> Result<String> {
    let separator = if cfg!(windows) { ";" } else { ":" };
    let mut class_path = work.join("classes").into_os_string();
    class_path.push(separator);
    class_path.push(jars.join("*"));
    output(Command::new("java").arg("-cp").arg(class_path).arg("Golden").args(args))
}

fn rust(args: &[&std::ffi::OsStr]) -> Result<String> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(paths::root()).args(["run", "--quiet", "-p", "ottla-protocol", "--example", "golden", "--"]);
    output(cargo.args(args))
}

/// Runs a command; what it prints, or an error with the end of that.
fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot run {}", command.get_program().to_string_lossy()))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        bail!("{command:?} failed: {}{text}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(text)
}

/// Reads `checked N differences M`, the last line of both sides, and fails with the differences in front of it.
fn counted(text: &str) -> Result<usize> {
    let last = text.lines().last().unwrap_or_default();
    match last.split(' ').collect::<Vec<_>>().as_slice() {
        ["checked", count, "differences", "0"] => Ok(count.parse()?),
        ["checked", _, "differences", differences] => bail!("{differences} differences in golden bytes:\n{text}"),
        _ => bail!("no outcome of the golden bytes in: {text}"),
    }
}
