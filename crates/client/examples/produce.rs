//! Reads lines from standard input and sends each as a record.
//!
//! `echo hello | cargo run -p ottla-client --example produce -- 127.0.0.1:9092 events`

use ottla_client::{Client, ClientOptions, Compression, Producer, ProducerOptions, ProducerRecord};
use ottla_runtime::{RealOptions, Runtime};
use std::time::Duration;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let bootstrap = arguments.next().unwrap_or_else(|| "127.0.0.1:9092".to_string());
    let topic = arguments.next().unwrap_or_else(|| "events".to_string());

    let runtime = Runtime::real(RealOptions::default())?;
    let client = Client::new(&runtime, &bootstrap, ClientOptions::default())?;
    let options = ProducerOptions { compression: Compression::Lz4.into(), ..ProducerOptions::default() };
    let producer = Producer::new(&client, options)?;

    let mut deliveries = Vec::new();
    for line in std::io::stdin().lines() {
        deliveries.push(producer.send(ProducerRecord::new(topic.as_str(), line?)).await?);
    }
    producer.flush().await;
    for delivery in deliveries {
        let written = delivery.wait().await?;
        println!("partition {} offset {}", written.partition, written.offset);
    }
    Ok(producer.close(Duration::from_secs(10)).await?)
}
