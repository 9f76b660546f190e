//! `ottla perf consume`.

use super::meter::Meter;
use super::produce::joined;
use super::{Common, Setup};
use bytes::Bytes;
use ottla_client::{Admin, Consumer, ConsumerOptions, Isolation, OffsetReset, OffsetSpec};
use ottla_terminal::failure::Failure;
use ottla_terminal::output::OutputArgs;
use ottla_types::TopicPartition;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// How long a poll waits before it is looked whether the measurement is over.
const POLL: Duration = Duration::from_millis(100);

/// What `ottla perf consume` accepts.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub(super) common: Common,
    /// Records to read. [default: those that are there; with --duration also those that come]
    #[arg(long, short = 'n', value_name = "N")]
    records: Option<u64>,
    /// Leave out records of transactions that are open or were aborted.
    #[arg(long)]
    read_committed: bool,
}

impl Args {
    pub(super) async fn run(&self, setup: &Setup, output: OutputArgs) -> Result<(), Failure> {
        let isolation = if self.read_committed { Isolation::ReadCommitted } else { Isolation::ReadUncommitted };
        let defaults = ConsumerOptions {
            offset_reset: OffsetReset::Earliest,
            auto_commit: false,
            max_poll_records: 10_000,
            isolation,
            ..ConsumerOptions::default()
        };
        let options = setup.properties.consumer_options(defaults)?;
        let partitions: Vec<TopicPartition> = setup
            .partitions()
            .into_iter()
            .map(|index| TopicPartition::new(self.common.topic.as_str(), index))
            .collect();
        let there = self.there(setup, &partitions, isolation).await?;
        let records_max = match (self.records, self.common.duration) {
            (Some(records), _) => records,
            (None, Some(_)) => u64::MAX,
            (None, None) => there,
        };
        if records_max == 0 {
            let next_step = Some(format!("write some with `ottla perf produce {}`", self.common.topic));
            return Err(Failure { next_step, ..Failure::new(format!("topic '{}' has no records", self.common.topic)) });
        }
        let meter = Arc::new(Meter::new(records_max, self.common.duration, self.common.warm_up, &[]));
        let mut workers = JoinSet::new();
        let connections = self.common.connections as usize;
        for index in 0..connections {
            let own: Vec<TopicPartition> = partitions.iter().skip(index).step_by(connections).cloned().collect();
            // More connections than partitions: these read what others read too.
            let own = if own.is_empty() { vec![partitions[index % partitions.len()].clone()] } else { own };
            let mut consumer = Consumer::new(&setup.another_client()?, options.clone())?;
            consumer.assign(own.iter().cloned())?;
            consumer.seek_to_beginning(&own)?;
            workers.spawn(read(consumer, meter.clone()));
        }
        meter.watch(joined(workers)).await?;
        meter.report()?.print("read", output)
    }

    /// Offsets between the beginning and the end of all partitions.
    async fn there(&self, setup: &Setup, partitions: &[TopicPartition], isolation: Isolation) -> Result<u64, Failure> {
        let admin = Admin::new(&setup.client);
        let all = |spec| -> BTreeMap<TopicPartition, OffsetSpec> {
            partitions.iter().map(|partition| (partition.clone(), spec)).collect()
        };
        let sum =
            |listed: BTreeMap<_, ottla_client::ListedOffset>| listed.values().map(|found| found.offset).sum::<i64>();
        let first = sum(admin.list_offsets(&all(OffsetSpec::Earliest), isolation).await?);
        let last = sum(admin.list_offsets(&all(OffsetSpec::Latest), isolation).await?);
        Ok(u64::try_from(last - first).unwrap_or(0))
    }
}

/// Reads until the measurement is over. Nothing for ten seconds without a `--duration` means that offsets have gaps.
async fn read(mut consumer: Consumer, meter: Arc<Meter>) -> Result<(), Failure> {
    const IDLE_POLLS_MAX: u32 = 100;
    let mut idle = 0;
    while !meter.is_over() && idle < IDLE_POLLS_MAX {
        let records = consumer.poll(POLL).await?;
        idle = if records.is_empty() { idle + 1 } else { 0 };
        let length = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len) as u64;
        let bytes = records.iter().map(|record| length(&record.key) + length(&record.value)).sum();
        if !records.is_empty() {
            meter.count(records.len() as u64, bytes, &[]);
        }
    }
    Ok(consumer.close().await?)
}
