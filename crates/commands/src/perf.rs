//! `ottla perf`: how fast a cluster takes records, gives them back, and both.

mod consume;
mod latency;
mod meter;
mod paced;
mod produce;

use crate::topic::explain_unknown_topic;
use clap::Subcommand;
use ottla_client::{Admin, Client, ClientProperties, NewTopic, TopicMetadata};
use ottla_terminal::cluster::ClientArgs;
use ottla_terminal::executor::{self, Threads};
use ottla_terminal::failure::Failure;
use ottla_types::ErrorCode;
use std::time::Duration;

/// What `ottla perf` accepts.
pub type Args = ClientArgs<Command>;

/// The commands of `ottla perf`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write records as fast as possible, or at a rate.
    Produce(produce::Args),
    /// Read records as fast as possible.
    Consume(consume::Args),
    /// Send records, one after another or at a rate, and read each back.
    Latency(latency::Args),
}

/// What every measurement has.
#[derive(Debug, clap::Args)]
struct Common {
    /// Name of the topic.
    topic: String,
    /// Make the topic with so many partitions when it is not there.
    #[arg(long, value_name = "PARTITIONS", value_parser = clap::value_parser!(i32).range(1..))]
    create: Option<i32>,
    /// Clients that work at the same time, each with connections of its own.
    #[arg(long, short = 'c', value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    connections: u32,
    /// End after this time, such as 30s.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    duration: Option<Duration>,
    /// Do not count what happens in this time at the beginning.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "0s")]
    warm_up: Duration,
    /// A client config by Kafka's name; may be given several times.
    #[arg(long = "property", short = 'X', value_name = "KEY=VALUE")]
    properties: Vec<String>,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), Failure> {
    let common = match &args.command {
        Command::Produce(produce) => &produce.common,
        Command::Consume(consume) => &consume.common,
        Command::Latency(latency) => &latency.common,
    };
    let (bootstrap, mut properties) = args.cluster.resolve()?;
    crate::produce::set_all(&mut properties, &common.properties)?;
    let options = properties.client_options(executor::impatient("ottla-perf"))?;
    executor::run(&bootstrap, options, Threads::Many, async |client: Client| {
        let topic = common.topic(&client).await?;
        let setup = Setup { client, bootstrap: bootstrap.clone(), properties: properties.clone(), topic };
        match &args.command {
            Command::Produce(produce) => produce.run(&setup, args.output).await,
            Command::Consume(consume) => consume.run(&setup, args.output).await,
            Command::Latency(latency) => latency.run(&setup, args.output).await,
        }
    })
}

/// What a measurement works with.
struct Setup {
    client: Client,
    bootstrap: String,
    properties: ClientProperties,
    topic: TopicMetadata,
}

impl Setup {
    /// A client with connections of its own.
    fn another_client(&self) -> Result<Client, Failure> {
        Ok(Client::new(self.client.runtime(), &self.bootstrap, self.client.options().clone())?)
    }

    fn partitions(&self) -> Vec<i32> {
        let partitions = self.topic.partitions.as_deref().unwrap_or_default();
        partitions.iter().map(|partition| partition.partition).collect()
    }
}

impl Common {
    async fn topic(&self, client: &Client) -> Result<TopicMetadata, Failure> {
        let admin = Admin::new(client);
        if let Some(partitions) = self.create {
            let new = NewTopic { name: self.topic.clone(), partitions: Some(partitions), ..NewTopic::default() };
            match admin.create_topic(&new, false).await {
                Err(error) if error.code() != Some(ErrorCode::TopicAlreadyExists) => return Err(error.into()),
                _ => {}
            }
        }
        let described = explain_unknown_topic(&admin, &self.topic, admin.describe_topic(&self.topic).await);
        described.await.map(|described| described.metadata).map_err(|failure| match failure.code {
            Failure::NOT_FOUND => {
                let steps = failure.next_step.map(|step| format!("{step} (--create 6 makes it)"));
                Failure { next_step: steps, ..failure }
            }
            _ => failure,
        })
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    ottla_terminal::times::parse_duration(text).ok_or_else(|| "write a time such as 500ms, 30s or 2m".to_string())
}
