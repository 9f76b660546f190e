//! `ottla consume`: records of topics, read to their end or followed.
//!
//! Without a group the partitions are read by hand and nothing is left behind in the cluster. Where reading begins and ends is
//! decided before the first record (`plan.rs`); what is printed and what is left out is decided for each (`show.rs`, `format.rs`).

mod format;
#[cfg(feature = "jq")]
mod jq;
mod plan;
pub(crate) mod show;
mod watched;

use crate::produce::set_all;
use ottla_client::{Client, ConsumerOptions, GroupProtocol, Isolation, OffsetReset};
use ottla_terminal::cluster::ClusterArgs;
use ottla_terminal::executor::{self, Threads};
use ottla_terminal::failure::Failure;
use ottla_terminal::output::{OutputArgs, Sink};
use ottla_terminal::reading::{Next, Reading};
use ottla_types::TopicPartition;
use show::{Show, ShowArgs};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use watched::Watched;

/// How often it is looked whether the ends are reached, while nothing comes.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// How long a member of a group that is not to follow waits for partitions.
const ASSIGNMENT_MAX: Duration = Duration::from_secs(60);

/// What `ottla consume` accepts.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    output: OutputArgs,
    /// Names of topics.
    #[arg(required = true)]
    topics: Vec<String>,
    /// The names are regular expressions for whole names.
    #[arg(long, short = 'r')]
    regex: bool,
    /// Begin with the oldest record. [default without --follow]
    #[arg(long)]
    from_beginning: bool,
    /// Read as a member of this group: from what it committed, else from the beginning; commits what was printed.
    #[arg(long, short = 'g', value_name = "GROUP", conflicts_with_all = ["partitions", "offset", "since", "until"])]
    group: Option<String>,
    /// Only these partitions: 0 or 0,2,5.
    #[arg(long = "partition", short = 'p', value_name = "N", value_delimiter = ',')]
    partitions: Vec<i32>,
    /// Begin at this offset, -10 for the last ten records of each partition, earliest or latest.
    #[arg(long, short = 'o', value_name = "OFFSET", allow_hyphen_values = true, conflicts_with_all = ["from_beginning", "since"])]
    offset: Option<String>,
    /// Begin with records of this time: 10m, 1h30m, 2d (ago), 2026-01-31T12:00:00Z, milliseconds.
    #[arg(long, short = 's', value_name = "TIME", conflicts_with = "from_beginning")]
    since: Option<String>,
    /// End before records of this time.
    #[arg(long, value_name = "TIME", conflicts_with = "follow")]
    until: Option<String>,
    /// Go on when the end is reached; begin with new records unless something else is said.
    #[arg(long, short = 'f')]
    follow: bool,
    /// End after so many records.
    #[arg(long, short = 'n', value_name = "N")]
    max_messages: Option<u64>,
    #[command(flatten)]
    show: ShowArgs,
    /// Only records whose key or value matches this regular expression.
    #[arg(long, value_name = "REGEX")]
    grep: Option<String>,
    /// Leave out records of transactions that are open or were aborted.
    #[arg(long)]
    read_committed: bool,
    /// A consumer config by Kafka's name; may be given several times.
    #[arg(long = "property", short = 'X', value_name = "KEY=VALUE")]
    properties: Vec<String>,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), Failure> {
    let (bootstrap, mut properties) = args.cluster.resolve()?;
    set_all(&mut properties, &args.properties)?;
    let base = executor::impatient("ottla-cli");
    let defaults = ConsumerOptions {
        group_id: args.group.clone(),
        offset_reset: if args.follow && !args.from_beginning { OffsetReset::Latest } else { OffsetReset::Earliest },
        isolation: if args.read_committed { Isolation::ReadCommitted } else { Isolation::ReadUncommitted },
        auto_commit: args.group.is_some(),
        // A misspelt name is told, not made.
        allow_auto_create_topics: false,
        ..ConsumerOptions::default()
    };
    let mut options = properties.consumer_options(defaults)?;
    if args.group.is_some() {
        options.group_id = args.group.clone();
        if properties.get("group.protocol").is_none() && properties.get("partition.assignment.strategy").is_none() {
            // The modern protocol joins without waiting for a rebalance of everybody.
            options.protocol = GroupProtocol::Consumer { assignor: None };
        }
    }
    let show = Show::new(&args.show, args.grep.as_deref(), args.output)?;
    executor::run(&bootstrap, properties.client_options(base)?, Threads::One, async |client: Client| {
        let topics = plan::topics(args, &client).await?;
        let mut reading = Reading::new(&client, options.clone())?;
        let ends = plan::begin(args, &client, &topics, &mut reading, options.isolation).await?;
        let mut sink = Sink::new();
        let printed = print(args, &mut reading, ends, &show, &mut sink).await;
        let flushed = sink.flush().map(|_| ());
        let closed = reading.close().await;
        printed.and(flushed).and(closed)
    })
}

/// Prints records until the ends are reached; `None` follows for ever.
async fn print(
    args: &Args,
    reading: &mut Reading,
    ends: Option<BTreeMap<TopicPartition, i64>>,
    show: &Show,
    sink: &mut Sink,
) -> Result<(), Failure> {
    let max = args.max_messages.unwrap_or(u64::MAX);
    let (mut count, begun) = (0, Instant::now());
    let mut watched = Watched::begin(args, reading, ends.as_ref()).await?;
    while count < max {
        if ends.is_some() && reading.consumer().assignment().is_empty() && begun.elapsed() > ASSIGNMENT_MAX {
            let next_step = Some("see who has them with `ottla group describe`".to_string());
            return Err(Failure { next_step, ..Failure::new("the group gave this member no partitions") });
        }
        if let Some(ends) = &ends
            && !reading.has_more()
            && is_at_end(args, reading, ends).await?
        {
            return Ok(());
        }
        let record = match reading.next(ends.as_ref().map(|_| LOOK_INTERVAL)).await? {
            Next::Record(record) => record,
            Next::Nothing => continue,
            Next::Stopped => return Ok(()),
        };
        let end = ends.as_ref().and_then(|ends| ends.get(&TopicPartition::new(record.topic.clone(), record.partition)));
        if end.is_some_and(|end| record.offset >= *end) {
            continue;
        }
        let is_printed = show.print(&record, sink)?;
        watched.read(&record, is_printed);
        count += u64::from(is_printed);
        if !sink.take(reading.has_more())? {
            // Nobody reads any more: `| head`.
            return Ok(());
        }
    }
    Ok(())
}

/// Whether everything before the ends was read. A member of a group is done with the partitions that it has, once it has any.
async fn is_at_end(args: &Args, reading: &mut Reading, ends: &BTreeMap<TopicPartition, i64>) -> Result<bool, Failure> {
    let consumer = reading.consumer();
    let assigned = consumer.assignment();
    if args.group.is_some() && consumer.membership().1 < 0 {
        return Ok(false);
    }
    if assigned.is_empty() {
        return Ok(args.group.is_none());
    }
    for partition in assigned {
        let Some(end) = ends.get(&partition).filter(|end| **end > 0) else { continue };
        // Committed offsets and those by time are being found at first; a poll that waits a little lets that go on.
        if consumer.position(&partition).await? < *end {
            return Ok(false);
        }
    }
    Ok(true)
}
