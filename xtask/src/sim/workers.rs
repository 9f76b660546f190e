//! Spreads simulated runs over the cores.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::tally::Tally;
use crate::test::cargo;

/// What one process does.
#[derive(Debug, Clone)]
pub(super) enum Plan {
    /// A seed, as the simulator reads it.
    Seed(String),
    /// Seeds with everything that happens.
    Trace(Vec<String>),
    /// An error that some run must fail with, and the bound on seeds.
    Planted { error: String, tries: u64 },
}

/// What is to be done.
#[derive(Debug, Default)]
pub(super) struct Runs {
    pub(super) plans: Vec<Plan>,
    /// After that, fresh seeds until this time has passed.
    pub(super) fresh_for: Option<Duration>,
}

/// The work that is left, and what came of the rest.
struct Shared {
    program: PathBuf,
    queue: Mutex<VecDeque<Plan>>,
    deadline: Option<Instant>,
    tally: Mutex<Tally>,
}

/// Does everything; the output of each process is shown when it has ended.
pub(super) fn run(runs: Runs) -> Result<Tally> {
    let shared = Shared {
        program: cargo::program("ottla-sim", "ottla-sim")?,
        queue: Mutex::new(runs.plans.into()),
        deadline: runs.fresh_for.map(|time| Instant::now() + time),
        tally: Mutex::default(),
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while let Some(plan) = shared.next() {
                    shared.execute(&plan)
                }
            });
        }
    });
    Ok(shared.tally.into_inner().unwrap_or_else(PoisonError::into_inner))
}

impl Shared {
    fn next(&self) -> Option<Plan> {
        let queued = self.queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let is_early = self.deadline.is_some_and(|deadline| Instant::now() < deadline);
        queued.or_else(|| if is_early { super::fresh().next() } else { None })
    }

    fn execute(&self, plan: &Plan) {
        let (name, arguments) = match plan {
            Plan::Seed(seed) => (format!("sim seed {seed}"), vec!["--seed".to_owned(), seed.clone()]),
            Plan::Trace(seeds) => {
                let seeds = seeds.iter().flat_map(|seed| ["--seed".to_owned(), seed.clone()]);
                ("sim".to_owned(), seeds.chain(["--trace".to_owned()]).collect())
            }
            Plan::Planted { error, tries } => {
                let arguments = ["--plant", error, "--find", &tries.to_string()].map(str::to_owned);
                (format!("sim planted {error}"), arguments.to_vec())
            }
        };
        let tally = match execute(&self.program, &arguments) {
            Ok((output, true)) => {
                print!("{output}");
                Tally::passed(1)
            }
            Ok((output, false)) => {
                print!("{output}");
                Tally::one_failed(&name, "see the output above")
            }
            Err(error) => Tally::one_failed(&name, &error.to_string()),
        };
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).add(tally);
    }
}

/// The names of the errors that the simulator can plant.
pub(super) fn planted_errors() -> Result<Vec<String>> {
    let program = cargo::program("ottla-sim", "ottla-sim")?;
    let (output, is_well) = execute(&program, &["--list-planted".to_owned()])?;
    anyhow::ensure!(is_well, "the simulator does not list the errors that it can plant");
    Ok(output.lines().map(str::to_owned).collect())
}

/// The program's output, and whether it ended well.
fn execute(program: &Path, arguments: &[String]) -> Result<(String, bool)> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    Ok((String::from_utf8_lossy(&output.stdout).into_owned(), output.status.success()))
}
