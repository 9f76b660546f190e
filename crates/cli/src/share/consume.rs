//! `ottla share consume`: records of a share group, printed and acknowledged.

use crate::cluster::ClusterArgs;
use crate::consume::show::{Show, ShowArgs};
use crate::executor::{self, Threads};
use crate::failure::Failure;
use crate::output::{OutputArgs, Sink};
use crate::produce::set_all;
use crate::reading::Next;
use crate::share_reading::ShareReading;
use ottla_client::{
    AcknowledgeType, AcquireMode, Admin, Client, ClientOptions, ConfigChange, ConfigResource, ShareConsumerOptions,
};
use std::time::Duration;

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
pub(super) struct Args {
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
    /// End when nothing came for so many seconds.
    #[arg(long, short = 'w', value_name = "SECONDS", default_value_t = 5)]
    wait: u64,
    /// End after so many records; no more are taken.
    #[arg(long, short = 'n', value_name = "N")]
    max_messages: Option<usize>,
    #[command(flatten)]
    show: ShowArgs,
    /// A consumer config by Kafka's name; may be given several times.
    #[arg(long = "property", short = 'X', value_name = "KEY=VALUE")]
    properties: Vec<String>,
}

/// Runs the command.
pub(super) fn run(cluster: &ClusterArgs, output: OutputArgs, args: &Args) -> Result<(), Failure> {
    let (bootstrap, mut properties) = cluster.resolve()?;
    set_all(&mut properties, &args.properties)?;
    let base = ClientOptions { client_id: "ottla-cli".to_string(), ..ClientOptions::default() };
    let mut options = properties.share_consumer_options(ShareConsumerOptions::group(&args.group))?;
    options.group_id = args.group.clone();
    if let Some(max) = args.max_messages {
        // What would not be printed is left to others.
        options.max_poll_records = options.max_poll_records.min(max.max(1));
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
        let mut sink = Sink::new();
        let printed = print(args, &mut reading, &show, &mut sink).await;
        let flushed = sink.flush().map(|_| ());
        let closed = reading.close().await;
        printed.and(flushed).and(closed)
    })
}

async fn print(args: &Args, reading: &mut ShareReading, show: &Show, sink: &mut Sink) -> Result<(), Failure> {
    let wait = (!args.follow).then(|| Duration::from_secs(args.wait));
    let kind = match args.ack {
        Ack::Accept => AcknowledgeType::Accept,
        Ack::Release => AcknowledgeType::Release,
        Ack::Reject => AcknowledgeType::Reject,
    };
    let max = args.max_messages.unwrap_or(usize::MAX);
    let mut count = 0;
    while count < max {
        let Next::Record(record) = reading.next(wait).await? else { return Ok(()) };
        show.print(&record, sink)?;
        count += 1;
        // Printed first: what nobody saw is delivered again.
        let is_read = sink.take(reading.has_more())?;
        reading.acknowledge(&record, kind)?;
        if !is_read {
            // Nobody reads any more: `| head`.
            return Ok(());
        }
    }
    Ok(())
}
