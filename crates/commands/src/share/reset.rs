//! `ottla share reset-offsets`: a share group begins elsewhere, and forgets what it has not done. Where that is, the rules of
//! `ottla group reset-offsets` say.

use super::{explain_members, explain_unknown};
use crate::group::reset::{Place, Reset, moved};
use crate::topic::partitions_of;
use ottla_client::{Admin, Offsets, ShareOffsets};
use ottla_terminal::failure::Failure;
use ottla_terminal::output::OutputArgs;
use ottla_types::{ErrorCode, TopicPartition};
use std::collections::BTreeSet;

/// What `ottla share reset-offsets` accepts.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name of the share group.
    group: String,
    /// TOPIC, or TOPIC:PARTITION,...; may be given several times.
    #[arg(long = "topic", value_name = "TOPIC[:P,...]", required_unless_present = "all_topics")]
    topics: Vec<String>,
    /// Every partition that the group knows.
    #[arg(long, conflicts_with = "topics")]
    all_topics: bool,
    #[command(flatten)]
    place: Place,
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
    let target = args.place.target().ok_or_else(|| Failure::new("no new offset is named"))?;
    let after = moved(admin, &Offsets::new(), &partitions, &target).await?;
    if args.execute && !after.is_empty() {
        let results = admin.alter_share_group_offsets(&args.group, &after).await.map_err(explain_members)?;
        results.into_values().collect::<Result<(), _>>()?;
    }
    let before = |partition: &TopicPartition| Some(before.get(partition)?.as_ref()?.start_offset);
    Reset::new(&args.group, args.execute, before, after).print(output)
}

impl Args {
    async fn partitions(&self, admin: &Admin, known: &ShareOffsets) -> Result<BTreeSet<TopicPartition>, Failure> {
        if self.all_topics {
            return Ok(known.keys().cloned().collect());
        }
        partitions_of(admin, &self.topics).await
    }
}
