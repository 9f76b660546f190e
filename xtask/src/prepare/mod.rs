//! Gets what the suites need: Debian packages, Python environment, npm packages, Maven jars, compiled helpers.
//!
//! Everything lands in the cache under a name that contains a fingerprint of its inputs, says once what it installs,
//! and is reused while the inputs stay the same. What cannot be prepared is an error that fails the suites that need it.

mod debian;
mod go;
mod java;
mod npm;
mod python;
mod rdkafka;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::paths;

/// One thing a suite cannot run without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Need {
    /// Virtual environment of `compat/python/requirements.txt`.
    Python,
    /// `npm ci` of `compat/kafkajs`.
    KafkaJs,
    /// `npm ci` of `compat/confluent-js`, and its librdkafka compiled from the package's sources.
    ConfluentJs,
    /// Jars of `compat/pom.xml`.
    Jars,
    /// Classes compiled from the Java folders of `compat`.
    JavaClasses,
    /// Folder of the programs of `compat/go`.
    Go,
    /// The program of `compat/rdkafka`.
    Rdkafka,
    /// The program of `bench/librdkafka`, a release build.
    RdkafkaBench,
    /// A command and the Debian package that brings it.
    Debian { command: &'static str, package: &'static str },
    /// A C header below `/usr/include` and the Debian package that brings it.
    Header { file: &'static str, package: &'static str },
    /// File systems are made, mounted and shut down.
    Root,
    /// Our own client as a suite: the program `rust-client` of `ottla-bench`.
    RustClient,
    /// Our own client in the suite `kill9-transactions`: the program `transformer` of `ottla-bench`.
    Transformer,
    /// The built `ottla`, also when the peer is another.
    Ottla,
    /// The program that judges histories of transactions.
    History,
}

/// Prepares each need once and remembers the outcome.
#[derive(Default)]
pub(crate) struct Workshop {
    outcomes: BTreeMap<Need, Result<PathBuf, String>>,
    apt_is_fresh: bool,
}

impl Workshop {
    /// The folder or file that `need` was prepared into. The error says what failed, in one line.
    pub(crate) fn get(&mut self, need: Need) -> Result<PathBuf> {
        if !self.outcomes.contains_key(&need) {
            let outcome = self.prepare(need).map_err(|error| format!("{error:#}").replace('\n', " | "));
            self.outcomes.insert(need, outcome);
        }
        self.outcomes[&need].clone().map_err(anyhow::Error::msg)
    }

    fn prepare(&mut self, need: Need) -> Result<PathBuf> {
        match need {
            Need::Python => python::environment(self),
            Need::KafkaJs => npm::kafkajs(self),
            Need::ConfluentJs => npm::confluent(self),
            Need::Jars => java::jars(self),
            Need::JavaClasses => java::classes(self),
            Need::Go => go::programs(self),
            Need::Rdkafka => rdkafka::SUITE.get(self),
            Need::RdkafkaBench => rdkafka::BENCH.get(self),
            Need::Debian { command, package } => debian::command(self, command, package),
            Need::Header { file, package } => debian::header(self, file, package),
            Need::RustClient => crate::test::cargo::program("ottla-bench", "rust-client"),
            Need::Transformer => crate::test::cargo::program("ottla-bench", "transformer"),
            Need::Ottla => crate::test::cargo::ottla_program(),
            Need::History => crate::test::cargo::program("ottla-testkit", "ottla-history"),
            Need::Root if rustix::process::geteuid().is_root() => Ok(PathBuf::new()),
            Need::Root => bail!("needs root (file systems are mounted); run as root or leave it out with --skip"),
        }
    }

    /// Shorthand for a Debian package, used by the other preparations.
    fn debian(&mut self, command: &'static str, package: &'static str) -> Result<PathBuf> {
        self.get(Need::Debian { command, package })
    }
}

/// Every file below `dir` whose name ends like this, in a fixed order.
fn files_below(dir: &Path, endings: &[&str]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).with_context(|| format!("listing {}", dir.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(files_below(&path, endings)?);
        } else if endings.iter().any(|ending| path.to_string_lossy().ends_with(ending)) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The content of each file, for a fingerprint.
fn contents(files: &[PathBuf]) -> Result<Vec<Vec<u8>>> {
    files.iter().map(|path| std::fs::read(path).with_context(|| format!("reading {}", path.display()))).collect()
}

/// A folder in the cache that is filled once: `fill` writes into it, a marker file says that it finished.
fn cached(kind: &str, inputs: &[&[u8]], fill: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let dir = paths::cache()?.join("prepared").join(format!("{kind}-{}", paths::fingerprint(inputs)));
    let marker = dir.join(".ready");
    if !marker.exists() {
        if dir.exists() {
            std::fs::remove_dir_all(&dir).with_context(|| format!("removing the unfinished {}", dir.display()))?;
        }
        std::fs::create_dir_all(&dir).with_context(|| format!("creating {}", dir.display()))?;
        println!("prepare  {kind} into {}", dir.display());
        fill(&dir)?;
        std::fs::write(&marker, b"")?;
    }
    Ok(dir)
}

/// Runs a command quietly; the error holds the last lines that it printed.
fn run(command: &mut Command) -> Result<()> {
    let shown = format!("{command:?}");
    let output = command.output().with_context(|| format!("starting {shown}"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let tail: Vec<&str> = text.lines().rev().take(8).collect();
    bail!("{shown} ended with {}: {}", output.status, tail.into_iter().rev().collect::<Vec<_>>().join(" | "))
}

/// True when `name` is found on PATH.
fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file())
}
