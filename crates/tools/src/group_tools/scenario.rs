//! Where `--reset-offsets` moves offsets to: the options, and what they mean for partitions.

use super::plan::{Plan, parse_plan};
use super::{Done, Trouble, conflict, error_line};
use crate::java::described_error;
use ottla_client::{Admin, Offsets};
use ottla_terminal::group::offsets::{TopicWord, named_partitions};
use ottla_terminal::group::parse_datetime;
use ottla_terminal::group::reset::{self, Note, ResetError, Target, ago};
use ottla_terminal::output::write_out;
use ottla_types::TopicPartition;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// The ways to say new offsets of groups that commit offsets; one of them is given.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Scenarios {
    /// Reset offsets to a specific offset.
    #[arg(long, value_name = "offset")]
    to_offset: Option<i64>,
    /// Reset offsets to values defined in a CSV file.
    #[arg(long, value_name = "path to CSV file")]
    from_file: Option<PathBuf>,
    /// Reset offsets to offset from datetime. Format: 'YYYY-MM-DDThh:mm:ss.sss'
    #[arg(long, value_name = "datetime")]
    to_datetime: Option<String>,
    /// Reset offsets to offset by duration from current timestamp. Format: 'PnDTnHnMnS'
    #[arg(long, value_name = "duration")]
    by_duration: Option<String>,
    /// Reset offsets to earliest offset.
    #[arg(long)]
    to_earliest: bool,
    /// Reset offsets to latest offset.
    #[arg(long)]
    to_latest: bool,
    /// Reset offsets to current offset.
    #[arg(long)]
    to_current: bool,
    /// Shift current offsets by 'n', where 'n' can be positive or negative.
    #[arg(long, value_name = "number-of-offsets")]
    shift_by: Option<i64>,
}

impl Scenarios {
    /// By the names of their options.
    fn all(&self) -> [(&'static str, bool); 8] {
        [
            ("to-offset", self.to_offset.is_some()),
            ("shift-by", self.shift_by.is_some()),
            ("to-datetime", self.to_datetime.is_some()),
            ("by-duration", self.by_duration.is_some()),
            ("to-earliest", self.to_earliest),
            ("to-latest", self.to_latest),
            ("to-current", self.to_current),
            ("from-file", self.from_file.is_some()),
        ]
    }

    /// Two that were given at once, in Kafka's words.
    pub(crate) fn conflict(&self) -> Option<String> {
        let used: Vec<&str> = self.all().into_iter().filter(|(_, is_used)| *is_used).map(|(name, _)| name).collect();
        match used[..] {
            [first, second, ..] => Some(conflict(first, second)),
            _ => None,
        }
    }

    /// Whether new offsets follow from the offsets that are committed.
    pub(crate) fn needs_committed(&self) -> bool {
        self.to_current || self.shift_by.is_some()
    }

    /// Whether partitions need not be named, since a file does that.
    pub(crate) fn is_from_file(&self) -> bool {
        self.from_file.is_some()
    }

    /// The file of `--from-file`, if there is one.
    pub(crate) fn read_plan(&self, groups: &[String]) -> Done<Option<Plan>> {
        let Some(file) = &self.from_file else { return Ok(None) };
        let text = std::fs::read_to_string(file);
        let text = text.map_err(|error| Trouble::Said(format!("Unable to read file {}: {error}", file.display())))?;
        parse_plan(&text, groups).map(Some).map_err(Trouble::Said)
    }

    /// What the options say for a group; `None` when the plan has nothing for it, which is said.
    pub(crate) fn target(&self, group: &str, plan: Option<&Plan>) -> Done<Option<Target>> {
        if let Some(target) = self.stated()? {
            return Ok(Some(target));
        }
        let Some(plan) = plan else {
            let all = self.all().map(|(name, _)| format!("[{name}]")).join(", ");
            let cause = format!("Option '[reset-offsets]' requires one of the following scenarios: [{all}]");
            return Err(Trouble::Usage(cause));
        };
        match plan.get(group) {
            Some(of_group) => Ok(Some(Target::Plan(of_group.clone()))),
            None => {
                write_out(&error_line(&format!("No reset plan for group {group} found")))?;
                Ok(None)
            }
        }
    }

    fn stated(&self) -> Done<Option<Target>> {
        let plain = [
            (self.to_earliest, Target::Earliest),
            (self.to_latest, Target::Latest),
            (self.to_current, Target::Current),
        ];
        if let Some((_, target)) = plain.into_iter().find(|(is_wanted, _)| *is_wanted) {
            return Ok(Some(target));
        }
        if let Some(text) = &self.to_datetime {
            return datetime(text).map(Some);
        }
        if let Some(text) = &self.by_duration {
            let ms = ottla_config::parse_iso8601_ms(text);
            let ms = ms.ok_or_else(|| Trouble::Said("Text cannot be parsed to a Duration".to_string()))?;
            return Ok(Some(Target::Timestamp(ago(ms))));
        }
        Ok(self.to_offset.map(Target::Offset).or(self.shift_by.map(Target::ShiftBy)))
    }
}

/// The target of `--to-datetime`.
pub(crate) fn datetime(text: &str) -> Done<Target> {
    parse_datetime(text).map(Target::Timestamp).map_err(Trouble::Said)
}

/// The partitions that words `TOPIC` or `TOPIC:PARTITION,...` name.
pub(crate) async fn partitions(admin: &Admin, words: &[String]) -> Done<BTreeSet<TopicPartition>> {
    let words = words.iter().map(|word| TopicWord::parse(word)).collect::<Result<Vec<_>, _>>();
    let named = named_partitions(admin, &words.map_err(Trouble::Usage)?).await;
    named.map_err(|(_, error)| Trouble::Said(described_error(&error)))
}

/// Fails unless all of them exist and have leaders.
pub(crate) async fn check_exist(admin: &Admin, partitions: &BTreeSet<TopicPartition>) -> Done<()> {
    reset::check(admin, partitions).await.map_err(trouble)
}

/// The offsets that a target means; says what is special about them. Changes nothing.
pub(crate) async fn new_offsets(
    admin: &Admin,
    committed: &Offsets,
    partitions: &BTreeSet<TopicPartition>,
    target: &Target,
) -> Done<BTreeMap<TopicPartition, i64>> {
    let (offsets, notes) = reset::new_offsets(admin, committed, partitions, target).await.map_err(trouble)?;
    for note in notes {
        match note {
            Note::NothingSince(_) => write_out(&format!("\nWarn: {note}\n"))?,
            Note::AboveLatest(..) | Note::BelowEarliest(..) => eprintln!("WARN {note}"),
        }
    }
    Ok(offsets)
}

fn trouble(error: ResetError) -> Trouble {
    match error {
        ResetError::NothingCommitted(_) => Trouble::Usage(error.to_string()),
        ResetError::Client(error) => error.into(),
        other => Trouble::Said(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_way_is_chosen() {
        let both = Scenarios { to_earliest: true, to_offset: Some(1), ..Scenarios::default() };
        let cause = "Option \"[to-offset]\" can't be used with option \"[to-earliest]\"";
        assert_eq!(both.conflict().as_deref(), Some(cause));
        let one = Scenarios { shift_by: Some(-1), ..Scenarios::default() };
        assert!(one.conflict().is_none() && one.needs_committed());
        assert!(matches!(one.target("g", None), Ok(Some(Target::ShiftBy(-1)))));
        assert!(matches!(Scenarios::default().target("g", None), Err(Trouble::Usage(_))));
        let plan: Plan = [("g".to_string(), BTreeMap::new())].into();
        assert!(matches!(Scenarios::default().target("g", Some(&plan)), Ok(Some(Target::Plan(_)))));
    }
}
