//! Writes and reads records with librdkafka, and prints what `ottla perf --output json` prints.
//!
//! `ottla-bench-librdkafka produce|consume BOOTSTRAP TOPIC RECORDS SIZE RATE [KEY=VALUE]...`: RATE is records per second, 0 as many
//! as it can; the last are librdkafka's configs.

use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaErrorCode;
use std::error::Error;
use std::sync::Mutex;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(120);

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [mode, bootstrap, topic, records, size, rate, configs @ ..] = &arguments[..] else {
        return Err("usage: produce|consume BOOTSTRAP TOPIC RECORDS SIZE RATE [KEY=VALUE]...".into());
    };
    let load = Load { records: records.parse()?, size: size.parse()?, rate: rate.parse()? };
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap);
    for pair in configs {
        let (key, value) = pair.split_once('=').ok_or("a config is KEY=VALUE")?;
        config.set(key, value);
    }
    match mode.as_str() {
        "produce" => produce(&config, topic, &load),
        "consume" => consume(&mut config, topic, load.records),
        other => Err(format!("neither produce nor consume: {other}").into()),
    }
}

/// What to write.
struct Load {
    records: u64,
    /// Bytes of a value.
    size: usize,
    /// Records per second; 0 is as many as possible.
    rate: f64,
}

/// Latencies in microseconds, and what failed.
#[derive(Default)]
struct Delivered {
    latencies: Mutex<Vec<u32>>,
    errors: Mutex<u64>,
}

impl ClientContext for Delivered {}

impl ProducerContext for Delivered {
    type DeliveryOpaque = Box<Instant>;

    fn delivery(&self, result: &DeliveryResult<'_>, sent: Box<Instant>) {
        match result {
            Ok(_) => self.latencies.lock().unwrap().push(sent.elapsed().as_micros() as u32),
            Err(_) => *self.errors.lock().unwrap() += 1,
        }
    }
}

/// Waits until the record of this number is due, and delivers reports meanwhile; returns the moment from which its latency counts.
fn due(producer: &BaseProducer<Delivered>, began: Instant, number: u64, rate: f64) -> Instant {
    if rate == 0.0 {
        return Instant::now();
    }
    let due = began + Duration::from_secs_f64(number as f64 / rate);
    while due > Instant::now() {
        // As fine as the timer of the other client.
        producer.poll(Duration::from_millis(1));
    }
    due
}

fn produce(config: &ClientConfig, topic: &str, load: &Load) -> Result<(), Box<dyn Error>> {
    let producer: BaseProducer<Delivered> = config.create_with_context(Delivered::default())?;
    let value: Vec<u8> = (0..load.size).map(|at| b'a' + (at % 26) as u8).collect();
    // The connection, the metadata and the producer id are no part of what is measured.
    let first = BaseRecord::<(), [u8], _>::with_opaque_to(topic, Box::new(Instant::now())).payload(&value[..]);
    producer.send(first).map_err(|(error, _)| error)?;
    producer.flush(PATIENCE)?;
    producer.context().latencies.lock().unwrap().clear();
    let began = Instant::now();
    for number in 0..load.records {
        let opaque = Box::new(due(&producer, began, number, load.rate));
        let mut record = BaseRecord::<(), [u8], _>::with_opaque_to(topic, opaque).payload(&value[..]);
        loop {
            match producer.send(record) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) => {
                    producer.poll(Duration::from_millis(10));
                    record = again;
                }
                Err((error, _)) => return Err(error.into()),
            }
        }
        producer.poll(Duration::ZERO);
    }
    producer.flush(PATIENCE)?;
    let seconds = began.elapsed().as_secs_f64();
    let context = producer.context();
    let mut latencies = std::mem::take(&mut *context.latencies.lock().unwrap());
    latencies.sort_unstable();
    report(latencies.len() as u64, *context.errors.lock().unwrap(), latencies.len() as u64 * load.size as u64, seconds, &latencies);
    Ok(())
}

fn consume(config: &mut ClientConfig, topic: &str, records: u64) -> Result<(), Box<dyn Error>> {
    let consumer: BaseConsumer = config.set("group.id", "bench").set("enable.auto.commit", "false").create()?;
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE)?;
    let mut assignment = TopicPartitionList::new();
    for partition in metadata.topics().iter().flat_map(|topic| topic.partitions()) {
        assignment.add_partition_offset(topic, partition.id(), Offset::Beginning)?;
    }
    consumer.assign(&assignment)?;
    let began = Instant::now();
    let (mut read, mut bytes) = (0, 0);
    while read < records {
        let message = consumer.poll(PATIENCE).ok_or("no record came")??;
        read += 1;
        bytes += message.payload_len() as u64;
    }
    report(read, 0, bytes, began.elapsed().as_secs_f64(), &[]);
    Ok(())
}

fn report(records: u64, errors: u64, bytes: u64, seconds: f64, latencies: &[u32]) {
    let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize] as f64 / 1000.0;
    let latency = match latencies {
        [] => String::new(),
        [..] => format!(
            r#"{{"of":"delivery","p50_ms":{},"p99_ms":{},"p999_ms":{},"max_ms":{}}}"#,
            at(0.5), at(0.99), at(0.999), at(1.0)
        ),
    };
    println!(
        r#"{{"records":{records},"errors":{errors},"bytes":{bytes},"seconds":{seconds},"records_per_second":{},"megabytes_per_second":{},"latency":[{latency}]}}"#,
        records as f64 / seconds,
        bytes as f64 / 1e6 / seconds
    );
}
