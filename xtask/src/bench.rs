//! `cargo xtask bench [CASE]...`: builds the release programs and measures.
//!
//! `kafka` compares with Apache Kafka (`bench/first_look.py`); `groups` keeps 10,000 groups with 100,000 members alive over
//! 1,000 connections, in both protocols (`ottla-bench groups`, see `crates/bench/README.md`).

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Result, ensure};

use crate::compat::ready;
use crate::paths;
use crate::prepare::{Need, Workshop};
use crate::test::cargo;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// What to measure; everything if nothing is named.
    #[arg(value_enum)]
    cases: Vec<Case>,
    /// kafka: records of 1 KiB to produce and fetch.
    #[arg(long, default_value_t = 2_000_000)]
    records: u64,
    /// kafka: seconds of idling that are measured.
    #[arg(long, default_value_t = 20)]
    idle: u64,
    /// groups: seconds in which the formed groups are kept alive.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Case {
    /// Produce, fetch and idle beside Apache Kafka.
    Kafka,
    /// Many consumer groups on one node.
    Groups,
}

/// The command.
pub(crate) fn run(args: &Args) -> Result<()> {
    let program = match std::env::var_os("OTTLA_BIN") {
        Some(path) => path.into(),
        None => cargo::build("ottla-cli", "ottla", "release")?,
    };
    let all = [Case::Kafka, Case::Groups];
    for case in all.into_iter().filter(|case| args.cases.is_empty() || args.cases.contains(case)) {
        match case {
            Case::Kafka => kafka(args, &program)?,
            Case::Groups => groups(args, &program)?,
        }
    }
    Ok(())
}

fn kafka(args: &Args, program: &Path) -> Result<()> {
    let mut workshop = Workshop::default();
    let jars = workshop.get(Need::Jars)?;
    let status = Command::new("python3")
        .arg(paths::root().join("bench/first_look.py"))
        .arg("--ottla")
        .arg(program)
        .arg("--jars")
        .arg(jars)
        .args(["--records", &args.records.to_string(), "--idle", &args.idle.to_string()])
        .status()?;
    ensure!(status.success(), "the comparison failed: {status}");
    Ok(())
}

fn groups(args: &Args, program: &Path) -> Result<()> {
    let bench: PathBuf = match std::env::var_os("OTTLA_BENCH_BIN") {
        Some(path) => path.into(),
        None => cargo::build("ottla-bench", "ottla-bench", "release")?,
    };
    for protocol in ["classic", "consumer"] {
        println!("groups of the {protocol} protocol:");
        let broker = Broker::start(program, protocol)?;
        let status = Command::new(&bench)
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
