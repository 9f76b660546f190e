//! `ottla log repair`: first what would be lost, then the question, then the cut.

use super::verify::{Verdict, plans, render};
use super::{label, refused};
use ottla_runtime::Runtime;
use ottla_storage::repair::{RepairDone, RepairPlan, apply};
use ottla_terminal::failure::Failure;
use ottla_terminal::output::{Output, OutputArgs};
use serde::Serialize;
use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;

/// What `ottla log repair` accepts.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A partition directory, or a log directory with all its partitions.
    #[arg(required = true, value_name = "DIR")]
    directories: Vec<PathBuf>,
    /// Do it without a question. Without a terminal nothing is done unless this is given.
    #[arg(long)]
    yes: bool,
    /// Only show what would be lost.
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
}

/// What was done to a partition.
#[derive(Debug, Serialize)]
struct Repaired {
    partition: String,
    /// The log ends here now; nothing if nothing was cut.
    end_offset: Option<i64>,
    kept_in: Vec<PathBuf>,
    to_be_rebuilt: Vec<PathBuf>,
}

pub(super) async fn run(runtime: &Runtime, args: &Args, output: OutputArgs) -> Result<(), Failure> {
    let plans = plans(runtime, &args.directories).await?;
    let damaged: Vec<&RepairPlan> = plans.iter().filter(|plan| !plan.is_sound()).collect();
    let verdicts: Vec<Verdict> = damaged.iter().map(|plan| Verdict::of(plan)).collect();
    if damaged.is_empty() || args.dry_run {
        return output.print(&verdicts, |verdicts| match verdicts.is_empty() {
            true => "There is nothing to repair.\n".to_string(),
            false => verdicts.iter().map(render).collect(),
        });
    }
    if output.output == Output::Table {
        print!("{}", verdicts.iter().map(render).collect::<String>());
    }
    if !args.yes && !agrees()? {
        return Err(Failure::new("nothing was changed").then("say --yes to repair"));
    }
    let mut repaired = Vec::new();
    for plan in damaged {
        let done = apply(runtime, plan).await.map_err(refused)?;
        repaired.extend(done.map(|done| Repaired::of(plan, done)));
    }
    output.print(&repaired, |repaired| repaired.iter().map(say).collect())
}

/// Asks on the terminal; without one the answer is no.
fn agrees() -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() {
        return Ok(false);
    }
    let failed = |error: std::io::Error| Failure::new(format!("cannot ask: {error}"));
    print!("Cut here and keep the cut bytes in side files? [y/N] ");
    std::io::stdout().flush().map_err(failed)?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(failed)?;
    Ok(["y", "yes"].contains(&answer.trim().to_lowercase().as_str()))
}

impl Repaired {
    fn of(plan: &RepairPlan, done: RepairDone) -> Repaired {
        Repaired {
            partition: label(&plan.directory),
            end_offset: done.end_offset,
            kept_in: done.kept_in,
            to_be_rebuilt: done.to_be_rebuilt,
        }
    }
}

fn say(repaired: &Repaired) -> String {
    let mut text = match repaired.end_offset {
        Some(end) => format!("{}: cut, the log ends at offset {end} now\n", repaired.partition),
        None => format!("{}: repaired\n", repaired.partition),
    };
    for path in &repaired.kept_in {
        text += &format!("  cut bytes are in {}\n", path.display());
    }
    for path in &repaired.to_be_rebuilt {
        text += &format!("  {} is built again at the next start\n", path.display());
    }
    text + "  start the node: it brings the partition back\n"
}
