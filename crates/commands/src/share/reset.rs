//! `ottla share reset-offsets`: a share group begins elsewhere, and forgets what it has not done. Where that is, the rules of
//! `ottla group reset-offsets` say.

use super::{explain_members, explain_unknown};
use crate::group::reset::{Change, Reset, duration, render};
use ottla_client::{Admin, Offsets, ShareOffsets};
use ottla_terminal::failure::Failure;
use ottla_terminal::group::offsets::{named_partitions, words};
use ottla_terminal::group::parse_datetime;
use ottla_terminal::group::reset::{Target, ago, new_offsets};
use ottla_terminal::output::OutputArgs;
use ottla_types::{ErrorCode, TopicPartition};
use std::collections::BTreeSet;

/// What `ottla share reset-offsets` accepts.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("target").required(true)))]
pub(super) struct Args {
    /// Name of the share group.
    group: String,
    /// TOPIC, or TOPIC:PARTITION,...; may be given several times.
    #[arg(long = "topic", value_name = "TOPIC[:P,...]", required_unless_present = "all_topics")]
    topics: Vec<String>,
    /// Every partition that the group knows.
    #[arg(long, conflicts_with = "topics")]
    all_topics: bool,
    /// To the first record.
    #[arg(long, group = "target")]
    to_earliest: bool,
    /// To the end.
    #[arg(long, group = "target")]
    to_latest: bool,
    /// To this offset.
    #[arg(long, group = "target", value_name = "OFFSET")]
    to_offset: Option<i64>,
    /// To the first record at or after this time.
    #[arg(long, group = "target", value_name = "YYYY-MM-DDThh:mm:ss", value_parser = parse_datetime, allow_hyphen_values = true)]
    to_datetime: Option<i64>,
    /// To the first record that is not older than this, such as PT2H30M.
    #[arg(long, group = "target", value_name = "PnDTnHnMnS", value_parser = duration)]
    by_duration: Option<i64>,
    /// Do it; without this the command only shows what would change.
    #[arg(long)]
    execute: bool,
}

pub(super) async fn run(admin: &Admin, args: &Args, output: OutputArgs) -> Result<(), Failure> {
    let described = admin.describe_share_groups(&[&args.group]).await.remove(&args.group);
    match described {
        Some(Ok(group)) if args.execute && !["Empty", "Dead"].contains(&group.state.as_str()) => {
            let cause = format!("share group '{}' is {}: its members are at work", args.group, group.state);
            return Err(Failure::new(cause).then("stop its consumers, then try again"));
        }
        // It may be yet to come.
        Some(Err(error)) if error.code() == Some(ErrorCode::GroupIdNotFound) && !args.all_topics => {}
        Some(described) => drop(explain_unknown(admin, &args.group, described).await?),
        None => {}
    }
    let before = match admin.list_share_group_offsets(&args.group).await {
        Err(error) if error.code() == Some(ErrorCode::GroupIdNotFound) => ShareOffsets::new(),
        before => before?,
    };
    let partitions = args.partitions(admin, &before).await?;
    let (after, notes) = new_offsets(admin, &Offsets::new(), &partitions, &args.target()?).await?;
    for note in &notes {
        eprintln!("note: {note}");
    }
    if args.execute && !after.is_empty() {
        let results = admin.alter_share_group_offsets(&args.group, &after).await.map_err(explain_members)?;
        results.into_values().collect::<Result<(), _>>()?;
    }
    let change = |(partition, after): (&TopicPartition, &i64)| Change {
        topic: partition.topic.to_string(),
        partition: partition.partition,
        before: before.get(partition).and_then(Option::as_ref).map(|offset| offset.start_offset),
        after: *after,
    };
    let offsets = after.iter().map(change).collect();
    output.print(&Reset { group: args.group.clone(), executed: args.execute, offsets }, render)
}

impl Args {
    fn target(&self) -> Result<Target, Failure> {
        if self.to_earliest {
            return Ok(Target::Earliest);
        }
        if self.to_latest {
            return Ok(Target::Latest);
        }
        let target = self.to_offset.map(Target::Offset).or(self.to_datetime.map(Target::Timestamp));
        let target = target.or(self.by_duration.map(|ms| Target::Timestamp(ago(ms))));
        target.ok_or_else(|| Failure::new("no new offset is named"))
    }

    async fn partitions(&self, admin: &Admin, known: &ShareOffsets) -> Result<BTreeSet<TopicPartition>, Failure> {
        if self.all_topics {
            return Ok(known.keys().cloned().collect());
        }
        match named_partitions(admin, &words(&self.topics)?).await {
            Ok(partitions) => Ok(partitions),
            Err((topic, error)) => crate::topic::explain_unknown_topic(admin, &topic, Err(error)).await,
        }
    }
}
