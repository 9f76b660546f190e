//! Runs suites: prepares, starts the broker, starts the suite's program, reads its lines, ends what outlives its limit.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use super::suite::{Broker, Program, Reader, Suite};
use super::suites::SHARED_BROKER_OPTIONS;
use super::{PeerKind, ready};
use crate::paths;
use crate::prepare::{Need, Workshop};
use crate::tally::Tally;

/// How long a broker may take to stop after SIGTERM before it is killed.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// Folders with logs of earlier runs that stay in the cache.
const RUNS_KEPT: usize = 10;

/// Everything that outlives one suite: the shared broker and the folder of this run.
pub(super) struct Stage {
    kind: PeerKind,
    long: bool,
    dir: PathBuf,
    broker: Option<RunningBroker>,
    /// The words that start a broker, once they are known.
    start: Option<Vec<String>>,
    /// Why the shared broker never started; the other suites need not wait to learn the same.
    cannot_start: Option<String>,
}

struct RunningBroker {
    child: Child,
    address: SocketAddr,
    data_dir: PathBuf,
}

impl Stage {
    pub(super) fn new(kind: PeerKind, long: bool) -> Result<Stage> {
        let runs = paths::cache()?.join("runs");
        forget_old_runs(&runs);
        let dir = runs.join(format!("{}-{}", kind.name(), std::process::id()));
        std::fs::create_dir_all(&dir).with_context(|| format!("creating {}", dir.display()))?;
        // Cargo may replace the program file while we run; the suites start brokers with this copy.
        std::fs::copy("/proc/self/exe", dir.join("xtask")).context("copying this program")?;
        println!("compat   peer {}, logs in {}", kind.name(), dir.display());
        Ok(Stage { kind, long, dir, broker: None, start: None, cannot_start: None })
    }

    /// Runs one suite; whatever goes wrong becomes a failure under its name.
    pub(super) fn run_suite(&mut self, suite: &Suite, workshop: &mut Workshop) -> Tally {
        let started = Instant::now();
        let mut tally = match self.command(suite, workshop) {
            Ok(command) => self.watch(suite, command),
            Err(error) => Tally::one_failed(suite.name, &format!("{error:#}")),
        };
        if let Some(reason) = self.broker_death() {
            tally.failures.push(format!("{}/broker: {reason}", suite.name));
        }
        if tally.failures.is_empty() {
            std::fs::remove_dir_all(self.dir.join(suite.name)).ok();
        }
        println!("compat   {:<26} {tally}  ({:.1} s)", suite.name, started.elapsed().as_secs_f32());
        tally
    }

    /// The suite's program with everything in its environment that `compat/README.md` promises.
    fn command(&mut self, suite: &Suite, workshop: &mut Workshop) -> Result<Command> {
        for need in suite.needs {
            workshop.get(*need).context("cannot be prepared")?;
        }
        let start = self.start_command(workshop)?;
        let mut command = program(suite.program, workshop)?;
        let work = self.dir.join(suite.name);
        std::fs::create_dir_all(&work)?;
        command
            .current_dir(&work)
            .env("COMPAT_PEER", self.kind.name())
            .env("COMPAT_LONG", if self.long { "1" } else { "0" })
            .env("COMPAT_WORK", &work)
            .env("COMPAT_DIR", paths::root().join("compat"))
            .env("COMPAT_START", serde_json::to_string(&start)?)
            .env("PYTHONPATH", paths::root().join("compat/lib"))
            .env("PYTHONDONTWRITEBYTECODE", "1");
        for need in suite.needs.iter().filter(|need| matches!(need, Need::KafkaJs | Need::ConfluentJs)) {
            command.env("NODE_PATH", workshop.get(*need)?);
        }
        if suite.needs.contains(&Need::Ottla) {
            command.env("COMPAT_OTTLA", self.own_copy(&workshop.get(Need::Ottla)?)?);
        }
        if suite.needs.contains(&Need::History) {
            command.env("COMPAT_HISTORY", workshop.get(Need::History)?);
        }
        if suite.needs.contains(&Need::Transformer) {
            command.env("COMPAT_TRANSFORMER", workshop.get(Need::Transformer)?);
        }
        if suite.needs.contains(&Need::JavaClasses) {
            command.env("COMPAT_CLASSPATH", class_path(workshop)?);
        }
        if suite.needs.contains(&Need::Go) {
            command.env("COMPAT_GO", workshop.get(Need::Go)?);
        }
        if suite.broker == Broker::Shared {
            let broker = self.shared_broker(&start)?;
            command
                .env("COMPAT_BOOTSTRAP", broker.address.to_string())
                .env("COMPAT_DATA_DIR", &broker.data_dir)
                .env("COMPAT_PID", broker.child.id().to_string());
        }
        Ok(command)
    }

    /// The words that start a broker of this kind; `--data-dir DIR [--port PORT] [-o KEY=VALUE]...` follow.
    fn start_command(&mut self, workshop: &mut Workshop) -> Result<Vec<String>> {
        if let Some(words) = &self.start {
            return Ok(words.clone());
        }
        let (flag, path) = match self.kind {
            PeerKind::Ottla => ("--ottla", self.own_copy(&crate::test::cargo::ottla_program()?)?),
            PeerKind::Kafka => ("--jars", workshop.get(Need::Jars)?),
        };
        let this = self.dir.join("xtask");
        let words = [&*this.to_string_lossy(), "peer", self.kind.name(), flag, &*path.to_string_lossy()];
        let words: Vec<String> = words.map(str::to_owned).into();
        self.start = Some(words.clone());
        Ok(words)
    }

    /// A whole run tests one program, also when somebody builds meanwhile.
    fn own_copy(&self, program: &Path) -> Result<PathBuf> {
        let copy = self.dir.join("ottla");
        if copy.exists() {
            return Ok(copy);
        }
        std::fs::copy(program, &copy).with_context(|| format!("copying {}", program.display()))?;
        Ok(copy)
    }

    fn shared_broker(&mut self, start: &[String]) -> Result<&RunningBroker> {
        if let Some(reason) = &self.cannot_start {
            bail!("the shared broker did not start: {reason}");
        }
        if self.broker.is_none() {
            match self.start_shared_broker(start) {
                Ok(broker) => self.broker = Some(broker),
                Err(error) => {
                    self.cannot_start = Some(format!("{error:#}"));
                    return Err(error);
                }
            }
        }
        self.broker.as_ref().context("the shared broker is running")
    }

    fn start_shared_broker(&self, start: &[String]) -> Result<RunningBroker> {
        let (data_dir, log_path) = (self.dir.join("shared-broker"), self.dir.join("shared-broker.log"));
        let log = File::options().create(true).append(true).open(&log_path)?;
        let mut command = Command::new(&start[0]);
        command.args(&start[1..]).arg("--data-dir").arg(&data_dir);
        for option in SHARED_BROKER_OPTIONS {
            command.args(["-o", option]);
        }
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn()?;
        match ready::wait(&mut child) {
            Ok(address) => Ok(RunningBroker { child, address, data_dir }),
            Err(error) => {
                end(&mut child);
                Err(error.context(format!("log: {}", log_path.display())))
            }
        }
    }

    /// Why the shared broker no longer serves; it is then started anew for the next suite.
    fn broker_death(&mut self) -> Option<String> {
        let broker = self.broker.as_mut()?;
        let reason = match broker.child.try_wait() {
            Ok(None) => format!("does not answer: {:#}", ready::answers(broker.address).err()?),
            Ok(Some(status)) => format!("ended: {status}"),
            Err(error) => error.to_string(),
        };
        end(&mut broker.child);
        let data_dir = broker.data_dir.clone();
        let kept = data_dir.with_extension(format!("of-pid-{}", broker.child.id()));
        std::fs::rename(&data_dir, &kept).ok();
        self.broker = None;
        Some(format!("{reason}; its data is kept in {}", kept.display()))
    }

    /// Starts the program and reads its lines until it ends or its time is over.
    fn watch(&self, suite: &Suite, mut command: Command) -> Tally {
        let mut reader = Reader::default();
        let end = self.watch_lines(suite, &mut command, &mut reader);
        reader.finish(suite.name, end.map_err(|error| format!("{error:#}")))
    }

    fn watch_lines(&self, suite: &Suite, command: &mut Command, reader: &mut Reader) -> Result<()> {
        let log_path = self.dir.join(format!("{}.log", suite.name));
        let mut log = File::create(&log_path)?;
        let limit = Duration::from_secs(if self.long { suite.limit_seconds.1 } else { suite.limit_seconds.0 });
        let deadline = Instant::now() + limit;
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log.try_clone()?).spawn()?;
        let output = child.stdout.take().context("standard output is piped")?;
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    return;
                }
            }
        });
        loop {
            match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    writeln!(log, "{line}")?;
                    if reader.line(suite.name, &line) && !line.starts_with("ok ") {
                        println!("  {line}");
                    }
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    end(&mut child);
                    reader.tally.failures.push(format!("{}/limit: not finished after {limit:?}", suite.name));
                    return Ok(());
                }
            }
        }
        let status = child.wait()?;
        ensure!(status.success(), "{status}, log: {}", log_path.display());
        Ok(())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some(broker) = self.broker.as_mut() {
            end(&mut broker.child);
            std::fs::remove_dir_all(&broker.data_dir).ok();
        }
        for program in ["ottla", "xtask"] {
            std::fs::remove_file(self.dir.join(program)).ok();
        }
    }
}

/// Removes the folders of all but the newest runs; one that is in use keeps itself by being young.
fn forget_old_runs(runs: &Path) {
    let mut found: Vec<_> = std::fs::read_dir(runs)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok().and_then(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path()))))
        .collect();
    found.sort();
    for (_, path) in found.iter().rev().skip(RUNS_KEPT) {
        std::fs::remove_dir_all(path).ok();
    }
}

/// SIGTERM, and SIGKILL when that does not end it in time.
fn end(child: &mut Child) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let (Some(pid), Ok(None)) = (pid, child.try_wait()) {
        kill_process(pid, Signal::TERM).ok();
    }
    let deadline = Instant::now() + STOP_LIMIT;
    while matches!(child.try_wait(), Ok(None)) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().ok();
    child.wait().ok();
}

/// Our Java classes and Kafka's.
fn class_path(workshop: &mut Workshop) -> Result<String> {
    let (classes, jars) = (workshop.get(Need::JavaClasses)?, workshop.get(Need::Jars)?);
    Ok(format!("{}:{}/*", classes.display(), jars.display()))
}

fn program(program: Program, workshop: &mut Workshop) -> Result<Command> {
    let compat = paths::root().join("compat");
    Ok(match program {
        Program::Python(script) => {
            let mut command = Command::new(workshop.get(Need::Python)?);
            command.arg(compat.join(script));
            command
        }
        Program::Java(class) => {
            let mut command = Command::new("java");
            command.args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx512m", "-cp"]);
            command.arg(class_path(workshop)?).arg(class);
            command
        }
        Program::Node(script) => {
            let mut command = Command::new("node");
            command.arg(compat.join(script));
            command
        }
        Program::Go(name) => Command::new(workshop.get(Need::Go)?.join(name)),
        Program::RustClient => Command::new(workshop.get(Need::RustClient)?),
        Program::Rdkafka => Command::new(workshop.get(Need::Rdkafka)?),
    })
}
