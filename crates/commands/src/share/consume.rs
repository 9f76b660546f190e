//! `ottla share consume`: records of a share group, printed and acknowledged.

use crate::consume::show::{Show, ShowArgs};
use crate::produce::set_all;
use ottla_client::{
    AcknowledgeType, AcquireMode, Admin, Client, ConfigChange, ConfigResource, ConsumerRecord, ShareConsumerOptions,
};
use ottla_terminal::cluster::ClusterArgs;
use ottla_terminal::executor::{self, Threads};
use ottla_terminal::failure::Failure;
use ottla_terminal::output::{OutputArgs, Sink};
use ottla_terminal::reading::Next;
use ottla_terminal::share_reading::ShareReading;
use std::time::Duration;

/// How long a member waits for its partitions before the time without records begins: a first share group makes the cluster
/// make the topic of its state.
const JOIN_MAX: Duration = Duration::from_secs(30);

/// What becomes of the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Ack {
    /// They are done.
    Accept,
    /// Somebody gets them again.
    Release,
    /// Nobody gets them again; they go to the dead-letter topic where there is one.
    Reject,
}

/// What `ottla share consume` accepts.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name of the share group.
    group: String,
    /// Names of topics.
    #[arg(required = true)]
    topics: Vec<String>,
    /// What becomes of the records.
    #[arg(long, short = 'a', value_name = "WORD", value_enum, default_value = "accept")]
    ack: Ack,
    /// Let the group begin with the oldest records where it has none yet: sets its share.auto.offset.reset.
    #[arg(long)]
    from_beginning: bool,
    /// Wait for more when there is nothing to do.
    #[arg(long, short = 'f', conflicts_with = "wait")]
    follow: bool,
    /// End when nothing came for so many seconds, joining the group left aside.
    #[arg(long, short = 'w', value_name = "SECONDS", default_value_t = 5)]
    wait: u64,
    /// End after so many records; no more are taken.
    #[arg(long, short = 'n', value_name = "N")]
    max_messages: Option<usize>,
    #[command(flatten)]
    show: ShowArgs,
    /// What becomes of records that --jq leaves out. Released ones come again, perhaps to this member, as often as the group
    /// delivers a record. [default: as --ack]
    #[cfg(feature = "jq")]
    #[arg(long, value_name = "WORD", value_enum, requires = "jq")]
    left_out: Option<Ack>,
    /// A consumer config by Kafka's name; may be given several times.
    #[arg(long = "property", short = 'X', value_name = "KEY=VALUE")]
    properties: Vec<String>,
}

impl Args {
    /// What becomes of a record that was printed, or left out.
    fn ack_of(&self, is_printed: bool) -> Ack {
        #[cfg(feature = "jq")]
        if let (false, Some(left_out)) = (is_printed, self.left_out) {
            return left_out;
        }
        let _ = is_printed;
        self.ack
    }
}

impl Ack {
    fn kind(self) -> AcknowledgeType {
        match self {
            Ack::Accept => AcknowledgeType::Accept,
            Ack::Release => AcknowledgeType::Release,
            Ack::Reject => AcknowledgeType::Reject,
        }
    }
}

/// Runs the command.
pub(super) fn run(cluster: &ClusterArgs, output: OutputArgs, args: &Args) -> Result<(), Failure> {
    let (bootstrap, mut properties) = cluster.resolve()?;
    set_all(&mut properties, &args.properties)?;
    let base = executor::impatient("ottla-cli");
    let mut options = properties.share_consumer_options(ShareConsumerOptions::group(&args.group))?;
    options.group_id = args.group.clone();
    if args.max_messages.is_some() {
        // What would not be printed is left to others.
        options.acquire_mode = AcquireMode::RecordLimit;
    }
    let show = Show::new(&args.show, None, output)?;
    executor::run(&bootstrap, properties.client_options(base)?, Threads::One, async |client: Client| {
        if args.from_beginning {
            let (name, value) = ("share.auto.offset.reset".to_string(), "earliest".to_string());
            let group = ConfigResource::Group(args.group.clone());
            Admin::new(&client).alter_configs(&group, &[ConfigChange::Set { name, value }], false).await?;
        }
        let topics: Vec<&str> = args.topics.iter().map(String::as_str).collect();
        for topic in &topics {
            let admin = Admin::new(&client);
            crate::topic::explain_unknown_topic(&admin, topic, admin.describe_topic(topic).await).await?;
        }
        let mut reading = ShareReading::new(&client, options, &topics)?;
        let printed = print(args, &mut reading, &show).await;
        let lost = reading.close().await;
        printed.and(lost.map_or(Ok(()), |lost| Err(lost.into())))
    })
}

/// Prints records and acknowledges them. What could not be printed is given back.
async fn print(args: &Args, reading: &mut ShareReading, show: &Show) -> Result<(), Failure> {
    let (mut sink, mut unwritten) = (Sink::new(), Vec::new());
    let taken = take(args, reading, show, (&mut sink, &mut unwritten)).await;
    let written = match taken {
        Ok(true) => sink.flush(),
        not_taken => not_taken,
    };
    if !matches!(written, Ok(true)) {
        for record in &unwritten {
            reading.acknowledge(record, AcknowledgeType::Release)?;
        }
    }
    written.map(drop)
}

/// False when nobody reads any more: `| head`.
async fn take(
    args: &Args,
    reading: &mut ShareReading,
    show: &Show,
    (sink, unwritten): (&mut Sink, &mut Vec<ConsumerRecord>),
) -> Result<bool, Failure> {
    let wait = (!args.follow).then(|| Duration::from_secs(args.wait));
    let max = args.max_messages.unwrap_or(usize::MAX);
    if max > 0 {
        reading.join(JOIN_MAX, max).await?;
    }
    for left in (1..=max).rev() {
        let Next::Record(record) = reading.next(wait, left).await? else { break };
        let is_printed = show.print(&record, sink)?;
        reading.acknowledge(&record, args.ack_of(is_printed).kind())?;
        unwritten.push(record);
        if !sink.take(reading.has_more())? {
            return Ok(false);
        }
        if sink.buffer().is_empty() {
            unwritten.clear();
        }
    }
    Ok(true)
}
