//! `ottla log`: the files of a node that is stopped.

mod dump;
mod repair;
mod verify;

use crate::segment::Kind;
use clap::Subcommand;
use ottla_runtime::{RealOptions, Runtime};
use ottla_storage::{LogError, lock_dir};
use ottla_terminal::failure::Failure;
use ottla_terminal::output::OutputArgs;
use std::path::{Path, PathBuf};

/// What `ottla log` accepts.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    output: OutputArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the batches of segments, and with --records what is in them.
    Dump(dump::Args),
    /// Check every batch and index of partitions. Changes nothing; ends with exit code 1 when something is damaged.
    Verify {
        /// A partition directory, or a log directory with all its partitions.
        #[arg(required = true, value_name = "DIR")]
        directories: Vec<PathBuf>,
    },
    /// Show what damaged partitions would lose, and after a question cut their logs there; the cut bytes are kept.
    Repair(repair::Args),
}

/// Runs `ottla log`.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    match &args.command {
        Command::Dump(dump) => dump::run(dump, args.output),
        Command::Verify { directories } => {
            on_disk(async |runtime| verify::run(&runtime, directories, args.output).await)
        }
        Command::Repair(repair) => on_disk(async |runtime| repair::run(&runtime, repair, args.output).await),
    }
}

/// Runs `command` with the real disk.
pub(crate) fn on_disk(command: impl AsyncFnOnce(Runtime) -> Result<(), Failure>) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::new(format!("cannot start: {error}"));
    let executor = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    executor.block_on(async { command(Runtime::real(RealOptions::default()).map_err(failed)?).await })
}

/// The partition directories that a path names: itself, or those in it.
fn partitions(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    let unreadable = |error: std::io::Error| {
        let failure = Failure::new(format!("cannot read {}: {error}", path.display()));
        match error.kind() {
            std::io::ErrorKind::NotFound => Failure { code: Failure::NOT_FOUND, ..failure },
            _ => failure,
        }
    };
    let path = &path.canonicalize().map_err(unreadable)?;
    if is_partition(path) {
        return Ok(vec![path.clone()]);
    }
    let entries = std::fs::read_dir(path).map_err(unreadable)?.filter_map(Result::ok);
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| is_partition(path)).collect();
    found.sort();
    match found.is_empty() {
        true => Err(Failure::new(format!("{} holds no partition", path.display()))
            .then("name a directory such as DATA_DIR/my-topic-0, or the data directory itself")),
        false => Ok(found),
    }
}

/// A directory `topic-N` with a segment in it.
fn is_partition(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let is_named =
        name.rsplit_once('-').is_some_and(|(topic, index)| !topic.is_empty() && index.parse::<i32>().is_ok());
    let has_segment = || {
        let entries = std::fs::read_dir(path).into_iter().flatten().filter_map(Result::ok);
        entries.into_iter().any(|entry| entry.path().extension().is_some_and(|suffix| suffix == "log"))
    };
    is_named && path.is_dir() && has_segment()
}

/// The segments of a partition directory, in order.
fn segments(partition: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(partition).into_iter().flatten().filter_map(Result::ok);
    let paths = entries.map(|entry| entry.path());
    let mut segments: Vec<PathBuf> = paths.filter(|path| Kind::of(path) == Some(Kind::Log)).collect();
    segments.sort();
    segments
}

/// Bytes of a file; 0 where it cannot be told.
fn size(file: PathBuf) -> u64 {
    std::fs::metadata(file).map_or(0, |found| found.len())
}

/// Refuses a directory that a node uses.
async fn check_stopped(runtime: &Runtime, partition: &Path) -> Result<(), Failure> {
    let log_dir = partition.parent().unwrap_or(Path::new("."));
    // Only a log directory that was used has a lock; a copy of a partition may stand anywhere.
    if !log_dir.join(".lock").exists() {
        return Ok(());
    }
    lock_dir(runtime.disk(), log_dir).await.map(drop).map_err(refused)
}

/// An error of the storage, with the lock's own next step.
fn refused(error: LogError) -> Failure {
    match &error {
        LogError::Io { source, .. } if source.kind() == std::io::ErrorKind::WouldBlock => {
            Failure::new(source.to_string()).then("stop the node that uses this directory, then try again")
        }
        _ => Failure::new(error.to_string()),
    }
}

/// `topic-0` of a path.
fn label(partition: &Path) -> String {
    partition.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_found_by_name_and_segment() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["t-0", "t-1", "empty-0", "metadata", "x-y"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        for name in ["t-0", "t-1", "metadata", "x-y"] {
            std::fs::write(dir.path().join(name).join("00000000000000000000.log"), "").unwrap();
        }
        let found = |path: &Path| partitions(path).unwrap().iter().map(|path| label(path)).collect::<Vec<_>>();
        assert_eq!(found(dir.path()), ["t-0", "t-1"]);
        assert_eq!(found(&dir.path().join("t-1")), ["t-1"]);
        assert_eq!(partitions(&dir.path().join("nothing")).unwrap_err().code, 4);
        assert!(partitions(&dir.path().join("empty-0")).is_err());
    }
}
