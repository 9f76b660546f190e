//! `ottla log verify`.

use super::{check_stopped, label, partitions, refused, segments, size};
use ottla_runtime::Runtime;
use ottla_storage::repair::{Damage, RepairPlan, plan};
use ottla_terminal::failure::Failure;
use ottla_terminal::output::OutputArgs;
use ottla_terminal::progress::{Progress, Unit};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// What was found in a partition.
#[derive(Debug, Serialize)]
pub(super) struct Verdict {
    partition: String,
    valid_bytes: u64,
    damage: Option<Found>,
    /// Indexes that cannot be read; nothing is lost with them.
    unreadable_indexes: Vec<PathBuf>,
}

/// The first thing that is wrong, and what follows it.
#[derive(Debug, Serialize)]
struct Found {
    segment: PathBuf,
    position: u64,
    /// First offset that would be lost.
    offset: i64,
    reason: String,
    lost_bytes: u64,
    lost_segments: usize,
}

pub(super) async fn run(runtime: &Runtime, directories: &[PathBuf], output: OutputArgs) -> Result<(), Failure> {
    let plans = plans(runtime, directories).await?;
    let verdicts: Vec<Verdict> = plans.iter().map(Verdict::of).collect();
    output.print(&verdicts, |verdicts| verdicts.iter().map(render).collect())?;
    let damaged: Vec<&RepairPlan> = plans.iter().filter(|plan| !plan.is_sound()).collect();
    match damaged.first() {
        None => Ok(()),
        Some(first) => Err(Failure::new(format!("{} of {} partitions are damaged", damaged.len(), plans.len()))
            .then(format!("`ottla log repair {}` shows what would be lost", first.directory.display()))),
    }
}

/// What a check of every partition finds; refuses those of a running node.
pub(super) async fn plans(runtime: &Runtime, directories: &[PathBuf]) -> Result<Vec<RepairPlan>, Failure> {
    let mut wanted = Vec::new();
    for directory in directories {
        wanted.extend(partitions(Path::new(directory))?);
    }
    let progress = Progress::of(wanted.iter().flat_map(|partition| segments(partition)).map(size).sum(), Unit::Bytes);
    let mut plans = Vec::new();
    for partition in wanted {
        check_stopped(runtime, &partition).await?;
        plans.push(plan(runtime, &partition, |bytes| progress.advance(bytes)).await.map_err(refused)?);
    }
    Ok(plans)
}

impl Verdict {
    pub(super) fn of(plan: &RepairPlan) -> Verdict {
        let found = |damage: &Damage| Found {
            segment: damage.segment.clone(),
            position: damage.position,
            offset: damage.offset,
            reason: damage.reason.clone(),
            lost_bytes: damage.lost_bytes,
            lost_segments: damage.lost_segments,
        };
        Verdict {
            partition: label(&plan.directory),
            valid_bytes: plan.valid_bytes,
            damage: plan.damage.as_ref().map(found),
            unreadable_indexes: plan.unreadable_indexes.iter().map(|(_, path)| path.clone()).collect(),
        }
    }
}

/// A partition's verdict in words.
pub(super) fn render(verdict: &Verdict) -> String {
    let mut text = match &verdict.damage {
        None if verdict.unreadable_indexes.is_empty() => {
            format!("{}: ok, {} bytes\n", verdict.partition, verdict.valid_bytes)
        }
        None => format!("{}: every batch is valid\n", verdict.partition),
        Some(found) => {
            let segments = match found.lost_segments {
                0 => String::new(),
                1 => ", with 1 whole segment".to_string(),
                count => format!(", with {count} whole segments"),
            };
            format!(
                "{}: damaged at position {} of {} ({})\n  valid: {} bytes, up to offset {}\n  a cut there would lose {} bytes from \
                 offset {} on{segments}\n",
                verdict.partition,
                found.position,
                found.segment.display(),
                found.reason,
                verdict.valid_bytes,
                found.offset - 1,
                found.lost_bytes,
                found.offset
            )
        }
    };
    for index in &verdict.unreadable_indexes {
        text += &format!("  {} cannot be read; it is built again from the log\n", index.display());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_shown_with_what_a_cut_loses() {
        let damage = Damage {
            segment: PathBuf::from("/d/t-0/00000000000000000012.log"),
            base_offset: 12,
            position: 100,
            offset: 15,
            reason: "wrong CRC".to_string(),
            lost_bytes: 500,
            lost_segments: 1,
            lost_up_to: Some(24),
        };
        let plan = RepairPlan {
            directory: PathBuf::from("/d/t-0"),
            valid_bytes: 400,
            damage: Some(damage),
            unreadable_indexes: vec![],
        };
        let expected = "\
t-0: damaged at position 100 of /d/t-0/00000000000000000012.log (wrong CRC)
  valid: 400 bytes, up to offset 14
  a cut there would lose 500 bytes from offset 15 on, with 1 whole segment
";
        assert_eq!(render(&Verdict::of(&plan)), expected);
        let sound = RepairPlan { damage: None, ..plan };
        assert_eq!(render(&Verdict::of(&sound)), "t-0: ok, 400 bytes\n");
    }
}
