//! Works off a topic as a member of a share group: every record is accepted, except that those with the value `bad` are
//! rejected, until nothing came for ten seconds.
//!
//! `cargo run -p ottla-client --example share -- 127.0.0.1:9092 jobs workers`. A new group begins at the end of the topic unless
//! its `share.auto.offset.reset` says otherwise.

use ottla_client::{AcknowledgeType, AcknowledgementMode, Client, ClientOptions, ShareConsumer, ShareConsumerOptions};
use ottla_runtime::{RealOptions, Runtime};
use std::time::Duration;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let bootstrap = arguments.next().unwrap_or_else(|| "127.0.0.1:9092".to_string());
    let topic = arguments.next().unwrap_or_else(|| "jobs".to_string());
    let group = arguments.next().unwrap_or_else(|| "workers".to_string());

    let runtime = Runtime::real(RealOptions::default())?;
    let client = Client::new(&runtime, &bootstrap, ClientOptions::default())?;
    let acknowledgement_mode = AcknowledgementMode::Explicit;
    let options = ShareConsumerOptions { acknowledgement_mode, ..ShareConsumerOptions::group(group) };
    let mut consumer = ShareConsumer::new(&client, options)?;
    consumer.set_acknowledgement_commit_callback(|acknowledged| {
        if let Err(error) = &acknowledged.outcome {
            println!("{} {:?} will come again: {error}", acknowledged.partition, acknowledged.offsets);
        }
    });
    consumer.subscribe(&[topic.as_str()])?;
    loop {
        let records = consumer.poll(Duration::from_secs(10)).await?;
        if records.is_empty() {
            break;
        }
        for record in &records {
            let value = record.value.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
            let times = record.delivery_count.unwrap_or(1);
            println!("{}-{}@{}, delivery {times}: {value}", record.topic, record.partition, record.offset);
            let is_bad = value == "bad";
            consumer.acknowledge(record, if is_bad { AcknowledgeType::Reject } else { AcknowledgeType::Accept })?;
        }
        consumer.commit().await?;
    }
    Ok(consumer.close().await?)
}
