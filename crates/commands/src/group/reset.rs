//! `ottla group reset-offsets`.

use super::explain_unknown_group;
use crate::topic::partitions_of;
use ottla_client::{Admin, OffsetAndMetadata, Offsets};
use ottla_terminal::failure::Failure;
use ottla_terminal::group::parse_datetime;
use ottla_terminal::group::reset::{Target, ago, new_offsets};
use ottla_terminal::input::read_text;
use ottla_terminal::output::OutputArgs;
use ottla_terminal::table;
use ottla_types::{ErrorCode, TopicPartition};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// What `ottla group reset-offsets` accepts.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name of the group.
    group: String,
    /// TOPIC, or TOPIC:PARTITION,...; may be given several times.
    #[arg(long = "topic", value_name = "TOPIC[:P,...]", required_unless_present_any = ["all_topics", "from_file"])]
    topics: Vec<String>,
    /// Every partition that the group has committed an offset of.
    #[arg(long, conflicts_with = "topics")]
    all_topics: bool,
    #[command(flatten)]
    place: Place,
    /// To where the group stands; to the end where it has committed nothing.
    #[arg(long, group = "target")]
    to_current: bool,
    /// So many records further, or back if negative.
    #[arg(long, group = "target", value_name = "N", allow_hyphen_values = true)]
    shift_by: Option<i64>,
    /// To the offsets in a file: what --output json or yaml printed, or lines TOPIC,PARTITION,OFFSET.
    #[arg(long, group = "target", value_name = "FILE", conflicts_with_all = ["topics", "all_topics"])]
    from_file: Option<PathBuf>,
    /// Do it; without this the command only shows what would change.
    #[arg(long)]
    execute: bool,
}

/// Where offsets of any group are moved to. One of these is given, or one of the others of the group "target".
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("target").required(true)))]
pub(crate) struct Place {
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
}

impl Place {
    /// The one that is given.
    pub(crate) fn target(&self) -> Option<Target> {
        let ends = [(self.to_earliest, Target::Earliest), (self.to_latest, Target::Latest)];
        let end = ends.into_iter().find(|(is_wanted, _)| *is_wanted).map(|(_, end)| end);
        let time = self.to_datetime.or(self.by_duration.map(ago)).map(Target::Timestamp);
        end.or(self.to_offset.map(Target::Offset)).or(time)
    }
}

/// One offset before and after.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Change {
    topic: String,
    partition: i32,
    before: Option<i64>,
    #[serde(alias = "offset")]
    after: i64,
}

/// What the command shows.
#[derive(Debug, Serialize)]
pub(crate) struct Reset {
    group: String,
    executed: bool,
    offsets: Vec<Change>,
}

pub(super) async fn run(admin: &Admin, args: &Args, output: OutputArgs) -> Result<(), Failure> {
    let described = admin.describe_group(&args.group).await;
    match &described {
        Ok(group) if args.execute && !["Empty", "Dead"].contains(&group.state.as_str()) => {
            let cause = format!("group '{}' is {}: its members hold their offsets", args.group, group.state);
            return Err(Failure::new(cause).then("stop its consumers, then try again"));
        }
        // Offsets may also be set for a group that is yet to come.
        Err(error) if error.code() == Some(ErrorCode::GroupIdNotFound) && !args.all_topics => {}
        _ => drop(explain_unknown_group(admin, &args.group, described).await?),
    }
    let committed = admin.list_group_offsets(&args.group).await?;
    let partitions = args.partitions(admin, &committed).await?;
    let after = moved(admin, &committed, &partitions, &args.target()?).await?;
    if args.execute {
        let offsets = after.iter().map(|(partition, offset)| (partition.clone(), OffsetAndMetadata::new(*offset)));
        admin.alter_group_offsets(&args.group, &offsets.collect()).await?;
    }
    let before = |partition: &TopicPartition| committed.get(partition).map(|offset| offset.offset);
    Reset::new(&args.group, args.execute, before, after).print(output)
}

/// New offsets; what is special about them is said.
pub(crate) async fn moved(
    admin: &Admin,
    committed: &Offsets,
    partitions: &BTreeSet<TopicPartition>,
    target: &Target,
) -> Result<BTreeMap<TopicPartition, i64>, Failure> {
    let (after, notes) = new_offsets(admin, committed, partitions, target).await?;
    for note in &notes {
        eprintln!("note: {note}");
    }
    Ok(after)
}

impl Reset {
    /// From where partitions stood `before` to where they stand `after`.
    pub(crate) fn new(
        group: &str,
        executed: bool,
        before: impl Fn(&TopicPartition) -> Option<i64>,
        after: BTreeMap<TopicPartition, i64>,
    ) -> Reset {
        let change = |(partition, after): (TopicPartition, i64)| Change {
            before: before(&partition),
            topic: partition.topic.to_string(),
            partition: partition.partition,
            after,
        };
        Reset { group: group.to_string(), executed, offsets: after.into_iter().map(change).collect() }
    }

    pub(crate) fn print(&self, output: OutputArgs) -> Result<(), Failure> {
        output.print(self, render)
    }
}

impl Args {
    fn target(&self) -> Result<Target, Failure> {
        if let Some(file) = &self.from_file {
            return parse_plan(&read_text(file)?)
                .map(Target::Plan)
                .map_err(|why| Failure::new(format!("{}: {why}", file.display())));
        }
        let here = self.to_current.then_some(Target::Current);
        let target = self.place.target().or(here).or(self.shift_by.map(Target::ShiftBy));
        target.ok_or_else(|| Failure::new("no new offset is named"))
    }

    async fn partitions(&self, admin: &Admin, committed: &Offsets) -> Result<BTreeSet<TopicPartition>, Failure> {
        if self.all_topics {
            return Ok(committed.keys().cloned().collect());
        }
        partitions_of(admin, &self.topics).await
    }
}

fn duration(text: &str) -> Result<i64, String> {
    ottla_config::parse_iso8601_ms(text).ok_or_else(|| "write an ISO 8601 duration, such as PT2H30M or P1D".to_string())
}

/// A plan as this command prints it, or as lines of topic, partition and offset.
fn parse_plan(text: &str) -> Result<BTreeMap<TopicPartition, i64>, String> {
    #[derive(Deserialize)]
    struct Document {
        offsets: Vec<Change>,
    }
    // YAML holds JSON too.
    if let Ok(document) = serde_yaml_ng::from_str::<Document>(text) {
        let offsets = document.offsets.into_iter();
        return Ok(offsets.map(|row| (TopicPartition::new(row.topic, row.partition), row.after)).collect());
    }
    let mut plan = BTreeMap::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let fields: Vec<&str> = line.trim().split(',').map(|field| field.trim_matches('"')).collect();
        let parsed = match fields[..] {
            [topic, partition, offset] => partition.parse().ok().zip(offset.parse().ok()).map(|(p, o)| (topic, p, o)),
            _ => None,
        };
        let (topic, partition, offset) =
            parsed.ok_or_else(|| format!("line {} is not of the form TOPIC,PARTITION,OFFSET", number + 1))?;
        plan.insert(TopicPartition::new(topic, partition), offset);
    }
    Ok(plan)
}

fn render(reset: &Reset) -> String {
    let row = |change: &Change| {
        let before = change.before.map_or("-".to_string(), |offset| offset.to_string());
        let moved = change.before.map_or("-".to_string(), |before| format!("{:+}", change.after - before));
        vec![change.topic.clone(), change.partition.to_string(), before, change.after.to_string(), moved]
    };
    let rows = table::render(&["TOPIC", "#PARTITION", "#BEFORE", "#AFTER", "#MOVED"], reset.offsets.iter().map(row));
    match (reset.offsets.is_empty(), reset.executed) {
        (true, _) => "There is nothing to reset.\n".to_string(),
        (false, true) => format!("{rows}Reset the offsets of group {}.\n", reset.group),
        (false, false) => format!("{rows}Nothing was changed. Add --execute to do it.\n"),
    }
}

#[cfg(test)]
#[path = "reset/tests.rs"]
mod tests;
