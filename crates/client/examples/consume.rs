//! Reads a topic as a member of a group and commits what it has shown, until nothing came for ten seconds.
//!
//! `cargo run -p ottla-client --example consume -- 127.0.0.1:9092 events readers`; with `consumer` as a fourth word it speaks
//! the newer group protocol (KIP-848).

use ottla_client::{Client, ClientOptions, Consumer, ConsumerOptions, GroupProtocol, OffsetReset, RebalanceListener};
use ottla_runtime::{RealOptions, Runtime};
use ottla_types::TopicPartition;
use std::collections::BTreeSet;
use std::time::Duration;

/// Shows what comes and goes.
struct Shown;

impl RebalanceListener for Shown {
    fn on_assigned(&mut self, partitions: &BTreeSet<TopicPartition>) {
        println!("assigned: {}", partitions.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "));
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let bootstrap = arguments.next().unwrap_or_else(|| "127.0.0.1:9092".to_string());
    let topic = arguments.next().unwrap_or_else(|| "events".to_string());
    let group = arguments.next().unwrap_or_else(|| "readers".to_string());

    let runtime = Runtime::real(RealOptions::default())?;
    let client = Client::new(&runtime, &bootstrap, ClientOptions::default())?;
    let mut options = ConsumerOptions { offset_reset: OffsetReset::Earliest, ..ConsumerOptions::group(group) };
    if arguments.next().as_deref() == Some("consumer") {
        options.protocol = GroupProtocol::Consumer { assignor: None };
    }
    let mut consumer = Consumer::new(&client, options)?;
    consumer.set_rebalance_listener(Shown);
    consumer.subscribe(&[topic.as_str()])?;
    loop {
        let records = consumer.poll(Duration::from_secs(10)).await?;
        if records.is_empty() {
            break;
        }
        for record in &records {
            let value = record.value.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
            println!("{}-{}@{}: {value}", record.topic, record.partition, record.offset);
        }
        consumer.commit().await?;
    }
    Ok(consumer.close().await?)
}
