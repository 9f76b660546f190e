//! `cargo xtask bench [CASE]...`: builds the programs as they are packaged and measures.
//!
//! Most cases are `bench/compare.py`'s, beside Apache Kafka and beside the floor (see `bench/README.md`); `groups` keeps 10,000
//! groups with 100,000 members alive over 1,000 connections, in both protocols (`ottla-bench groups`, see
//! `crates/bench/README.md`); `micro` runs the hot paths each alone in a loop (the program `hot-paths` of `ottla-bench`).

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Result, ensure};

use crate::compat::ready;
use crate::paths;
use crate::prepare::{Need, Workshop};
use crate::tally::Tally;
use crate::test::cargo;

/// The cases that `bench/compare.py` does not know.
const GROUPS: &str = "groups";
const MICRO: &str = "micro";
/// How long each hot path runs in the short form. Milliseconds.
const MICRO_SHORT_MS: &str = "5";
/// How the cases begin that need librdkafka.
const WITH_LIBRDKAFKA: [&str; 2] = ["client-", "librdkafka-"];

#[derive(clap::Args)]
pub(crate) struct Args {
    /// What to measure: groups, micro, or a case of bench/compare.py such as produce-1k; everything if nothing is named.
    cases: Vec<String>,
    /// Only these brokers: ottla, ottla-durable, kafka, floor; of the clients ottla-client, librdkafka (repeatable).
    #[arg(long, value_name = "NAME")]
    peer: Vec<String>,
    /// Runs of each case with each broker.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Size of the loads, as a part of the ordinary one.
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// A few cases, small, once: does everything work.
    #[arg(long)]
    short: bool,
    /// groups: seconds in which the formed groups are kept alive.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
}

/// The command.
pub(crate) fn run(args: &Args) -> Result<()> {
    let is_named = |name: &str| args.cases.iter().any(|case| case == name);
    if args.cases.is_empty() || is_named(MICRO) {
        micro(&built("OTTLA_HOT_PATHS_BIN", "ottla-bench", "hot-paths")?, args.short.then_some(MICRO_SHORT_MS))?;
    }
    let compared: Vec<&String> = args.cases.iter().filter(|case| *case != GROUPS && *case != MICRO).collect();
    let is_compared = args.cases.is_empty() || !compared.is_empty();
    let with_groups = args.cases.is_empty() && !args.short || is_named(GROUPS);
    if !is_compared && !with_groups {
        return Ok(());
    }
    let bench = built("OTTLA_BENCH_BIN", "ottla-bench", "ottla-bench")?;
    let program = built("OTTLA_BIN", "ottla-cli", "ottla")?;
    if is_compared {
        compare(args, &compared, &program, &bench)?;
    }
    if with_groups { groups(args, &program, &bench) } else { Ok(()) }
}

/// A program as it is packaged, built here or named by a variable of the environment.
fn built(variable: &str, package: &str, name: &str) -> Result<PathBuf> {
    match std::env::var_os(variable) {
        Some(path) => Ok(path.into()),
        None => cargo::build(package, name, "dist"),
    }
}

/// The step of the test suite: the short form without Kafka, with programs in the profile of the tests. Figures are printed, not
/// judged; what fails is a measurement that does not work.
pub(crate) fn step() -> Result<Tally> {
    micro(&cargo::program("ottla-bench", "hot-paths")?, Some(MICRO_SHORT_MS))?;
    let bench = cargo::program("ottla-bench", "ottla-bench")?;
    let mut command = comparison(&cargo::ottla_program()?, &bench);
    let results = paths::cache()?.join("bench-results");
    command
        .args(["--short", "--peer", "ottla", "--peer", "ottla-durable", "--peer", "floor"])
        .arg("--results")
        .arg(results);
    let status = command.status()?;
    Ok(if status.success() { Tally::passed(1) } else { Tally::one_failed("bench", &status.to_string()) })
}

fn comparison(program: &Path, bench: &Path) -> Command {
    let mut command = Command::new("python3");
    command.arg(paths::root().join("bench/compare.py")).arg("--ottla").arg(program).arg("--bench").arg(bench);
    command
}

fn compare(args: &Args, cases: &[&String], program: &Path, bench: &Path) -> Result<()> {
    let mut workshop = Workshop::default();
    let mut command = comparison(program, bench);
    command.arg("--jars").arg(workshop.get(Need::Jars)?);
    if cases.is_empty() && !args.short || cases.iter().any(|case| needs_librdkafka(case)) {
        command.arg("--librdkafka").arg(workshop.get(Need::RdkafkaBench)?);
    }
    command.args(["--rounds", &args.rounds.to_string(), "--scale", &args.scale.to_string()]);
    command.args(cases.iter().flat_map(|case| ["--case", case]));
    command.args(args.peer.iter().flat_map(|peer| ["--peer", peer]));
    command.args(args.short.then_some("--short"));
    let status = command.status()?;
    ensure!(status.success(), "the comparison failed: {status}");
    Ok(())
}

fn needs_librdkafka(case: &str) -> bool {
    WITH_LIBRDKAFKA.iter().any(|start| case.starts_with(start))
}

/// The hot paths, each for so many milliseconds.
fn micro(program: &Path, milliseconds: Option<&str>) -> Result<()> {
    let mut command = Command::new(program);
    command.args(milliseconds.iter().flat_map(|time| ["--milliseconds", *time]));
    let status = command.status()?;
    ensure!(status.success(), "the hot paths failed: {status}");
    Ok(())
}

fn groups(args: &Args, program: &Path, bench: &Path) -> Result<()> {
    for protocol in ["classic", "consumer"] {
        println!("groups of the {protocol} protocol:");
        let broker = Broker::start(program, protocol)?;
        let status = Command::new(bench)
            .args(["groups", "--protocol", protocol, "--bootstrap-server", &broker.address])
            .args(["--seconds", &args.seconds.to_string(), "--broker-pid", &broker.child.id().to_string()])
            .status()?;
        ensure!(status.success(), "the groups of the {protocol} protocol failed: {status}");
    }
    Ok(())
}

/// A broker of our own on a free port; killed, and its data removed, in the end.
struct Broker {
    child: Child,
    address: String,
    dir: PathBuf,
}

impl Broker {
    fn start(program: &Path, name: &str) -> Result<Broker> {
        let dir = std::env::temp_dir().join(format!("ottla-bench-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&dir)?;
        let child = Command::new(program)
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(dir.join("data"))
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(dir.join("broker.log"))?)
            .spawn()?;
        let mut broker = Broker { child, address: String::new(), dir };
        broker.address = ready::wait(&mut broker.child)?.to_string();
        Ok(broker)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // It may have ended by itself; what it leaves is removed all the same.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}
