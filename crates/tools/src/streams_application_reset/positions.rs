//! Where the offsets of an application's topics are moved to.

use super::java;
use crate::group_tools::conflict;
use ottla_client::{Admin, Isolation, OffsetSpec};
use ottla_terminal::failure::Failure;
use ottla_terminal::group::parse_datetime;
use ottla_terminal::group::reset::ago;
use ottla_terminal::input::read_text;
use ottla_terminal::output::write_out;
use ottla_types::TopicPartition;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

type Offsets = BTreeMap<TopicPartition, i64>;

/// The ways to say new offsets of input topics; without one they go to the first record.
#[derive(Debug, Default, clap::Args)]
pub(super) struct Positions {
    /// Reset offsets to a specific offset.
    #[arg(long, value_name = "Long")]
    to_offset: Option<i64>,
    /// Reset offsets to offset from datetime. Format: 'YYYY-MM-DDThh:mm:ss.sss'
    #[arg(long, value_name = "String")]
    to_datetime: Option<String>,
    /// Reset offsets to offset by duration from current timestamp. Format: 'PnDTnHnMnS'
    #[arg(long, value_name = "String")]
    by_duration: Option<String>,
    /// Reset offsets to earliest offset.
    #[arg(long)]
    to_earliest: bool,
    /// Reset offsets to latest offset.
    #[arg(long)]
    to_latest: bool,
    /// Reset offsets to values defined in CSV file.
    #[arg(long, value_name = "String")]
    from_file: Option<PathBuf>,
    /// Reset offsets shifting current offset by 'n', where 'n' can be positive or negative.
    #[arg(long, value_name = "number-of-offsets")]
    shift_by: Option<i64>,
}

impl Positions {
    /// Two that were given at once, in Kafka's words.
    pub(super) fn conflict(&self) -> Option<String> {
        let all = [
            ("to-offset", self.to_offset.is_some()),
            ("to-datetime", self.to_datetime.is_some()),
            ("by-duration", self.by_duration.is_some()),
            ("to-earliest", self.to_earliest),
            ("to-latest", self.to_latest),
            ("from-file", self.from_file.is_some()),
            ("shift-by", self.shift_by.is_some()),
        ];
        let used: Vec<&str> = all.into_iter().filter(|(_, is_used)| *is_used).map(|(name, _)| name).collect();
        match used[..] {
            [first, second, ..] => Some(conflict(first, second)),
            _ => None,
        }
    }

    /// New offsets of the input topics, which are said.
    pub(super) async fn of_inputs(
        &self,
        admin: &Admin,
        application: &str,
        partitions: &BTreeSet<TopicPartition>,
    ) -> Result<Offsets, Failure> {
        if partitions.is_empty() {
            return Ok(Offsets::new());
        }
        write_out(&format!("Following input topics offsets will be reset to (for consumer group {application})\n"))?;
        let offsets = self.offsets(admin, application, partitions).await?;
        for (partition, offset) in &offsets {
            let (topic, index) = (&partition.topic, partition.partition);
            write_out(&format!("Topic: {topic} Partition: {index} Offset: {offset}\n"))?;
        }
        Ok(offsets)
    }

    async fn offsets(
        &self,
        admin: &Admin,
        application: &str,
        partitions: &BTreeSet<TopicPartition>,
    ) -> Result<Offsets, Failure> {
        if let Some(offset) = self.to_offset {
            let wanted = partitions.iter().map(|partition| (partition.clone(), offset)).collect();
            return within(admin, wanted).await;
        }
        if self.to_latest {
            return listed(admin, partitions, OffsetSpec::Latest).await;
        }
        if let Some(shift) = self.shift_by {
            let committed = admin.list_group_offsets(application).await.map_err(java)?;
            let mut wanted = listed(admin, partitions, OffsetSpec::Latest).await?;
            for (partition, offset) in &mut wanted {
                let stands_at = committed.get(partition).map_or(*offset, |committed| committed.offset);
                *offset = stands_at.saturating_add(shift);
            }
            return within(admin, wanted).await;
        }
        if let Some(text) = &self.to_datetime {
            let timestamp = parse_datetime(text).map_err(failed)?;
            return since(admin, partitions, timestamp).await;
        }
        if let Some(text) = &self.by_duration {
            let ms = ottla_config::parse_iso8601_ms(text);
            let ms = ms.ok_or_else(|| Failure::new("Text cannot be parsed to a Duration"))?;
            return since(admin, partitions, ago(ms)).await;
        }
        if let Some(file) = &self.from_file {
            let plan = parse_plan(&read_text(file).map_err(|failure| failed(failure.cause))?).map_err(failed)?;
            if let Some(partition) = plan.keys().find(|partition| !partitions.contains(*partition)) {
                return Err(Failure::new(format!("{partition} of the plan is no partition of an input topic")));
            }
            if let Some(partition) = partitions.iter().find(|partition| !plan.contains_key(*partition)) {
                return Err(Failure::new(format!("the plan has no offset of {partition}")));
            }
            return within(admin, plan).await;
        }
        listed(admin, partitions, OffsetSpec::Earliest).await
    }
}

/// The ends of intermediate topics, which are said.
pub(super) async fn of_intermediates(
    admin: &Admin,
    application: &str,
    partitions: &BTreeSet<TopicPartition>,
) -> Result<Offsets, Failure> {
    if partitions.is_empty() {
        return Ok(Offsets::new());
    }
    let what = "Following intermediate topics offsets will be reset to end";
    write_out(&format!("{what} (for consumer group {application})\n"))?;
    partitions.iter().try_for_each(|partition| write_out(&format!("Topic: {}\n", partition.topic)))?;
    listed(admin, partitions, OffsetSpec::Latest).await
}

/// Said before what is wrong with the offsets that were asked for.
fn failed(cause: String) -> Failure {
    eprintln!("ERROR: Resetting offsets failed.");
    Failure::new(cause)
}

async fn listed(admin: &Admin, partitions: &BTreeSet<TopicPartition>, spec: OffsetSpec) -> Result<Offsets, Failure> {
    let wanted = partitions.iter().map(|partition| (partition.clone(), spec)).collect();
    let found = admin.list_offsets(&wanted, Isolation::ReadUncommitted).await.map_err(java)?;
    Ok(found.into_iter().map(|(partition, found)| (partition, found.offset)).collect())
}

/// The first records at or after this time; the ends where there is none, which is said.
async fn since(admin: &Admin, partitions: &BTreeSet<TopicPartition>, timestamp: i64) -> Result<Offsets, Failure> {
    let mut offsets = listed(admin, partitions, OffsetSpec::AtTimestamp(timestamp)).await?;
    let nothing: BTreeSet<TopicPartition> =
        offsets.iter().filter(|(_, offset)| **offset < 0).map(|(partition, _)| partition.clone()).collect();
    for partition in &nothing {
        let TopicPartition { topic, partition } = partition;
        write_out(&format!(
            "Partition {partition} from topic {topic} is empty, without a committed record. Falling back to latest known \
             offset.\n"
        ))?;
    }
    offsets.extend(listed(admin, &nothing, OffsetSpec::Latest).await?);
    Ok(offsets)
}

/// Brings offsets between the ends of their partitions, and says where that is so.
async fn within(admin: &Admin, wanted: Offsets) -> Result<Offsets, Failure> {
    let partitions = wanted.keys().cloned().collect();
    let earliest = listed(admin, &partitions, OffsetSpec::Earliest).await?;
    let latest = listed(admin, &partitions, OffsetSpec::Latest).await?;
    let mut offsets = Offsets::new();
    for (partition, offset) in wanted {
        let (first, end) = (earliest[&partition], latest[&partition]);
        // Kafka's tool says so of the ends themselves too.
        let kept = if offset >= end {
            write_out(&format!("New offset ({offset}) is higher than latest offset. Value will be set to {end}\n"))?;
            end
        } else if offset <= first {
            write_out(&format!("New offset ({offset}) is lower than earliest offset. Value will be set to {first}\n"))?;
            first
        } else {
            offset
        };
        offsets.insert(partition, kept);
    }
    Ok(offsets)
}

/// Lines `TOPIC,PARTITION,OFFSET`.
fn parse_plan(text: &str) -> Result<Offsets, String> {
    if text.is_empty() {
        return Err("java.text.ParseException: Error parsing reset plan CSV file. It is empty,".to_string());
    }
    let mut plan = Offsets::new();
    for line in text.lines() {
        let [topic, partition, offset] = line.split(',').collect::<Vec<_>>()[..] else {
            let cause = "Reset plan CSV file is not following the format `TOPIC,PARTITION,OFFSET`.";
            return Err(format!("java.text.ParseException: {cause}"));
        };
        let wrong = |text: &str| format!("java.lang.NumberFormatException: For input string: \"{text}\"");
        let index = partition.parse().map_err(|_| wrong(partition))?;
        plan.insert(TopicPartition::new(topic, index), offset.parse().map_err(|_| wrong(offset))?);
    }
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_has_a_line_for_each_partition() {
        let expected = [(TopicPartition::new("t", 0), 5), (TopicPartition::new("t", 1), 7)];
        assert_eq!(parse_plan("t,0,5\nt,1,7\n"), Ok(expected.into()));
        assert!(parse_plan("").unwrap_err().contains("It is empty,"));
        assert!(parse_plan("t,0").unwrap_err().contains("`TOPIC,PARTITION,OFFSET`"));
        assert!(parse_plan("t,x,5").unwrap_err().contains("\"x\""));
    }

    #[test]
    fn one_way_is_chosen() {
        let both = Positions { to_latest: true, to_offset: Some(1), ..Positions::default() };
        let cause = "Option \"[to-offset]\" can't be used with option \"[to-latest]\"";
        assert_eq!(both.conflict().as_deref(), Some(cause));
        assert_eq!(Positions { shift_by: Some(-1), ..Positions::default() }.conflict(), None);
    }
}
