//! `kafka-verifiable-producer`: rising numbers, and a line of JSON for each that was acknowledged.

use super::shared::{Cluster, usage};
use super::{KafkaTool, WithoutWords};
use ottla_client::{Client, ClientError, Producer, ProducerOptions, ProducerRecord};
use ottla_terminal::executor::Threads;
use ottla_terminal::failure::Failure;
use ottla_terminal::output::write_out;
use ottla_terminal::reading::stop_signal;
use ottla_terminal::times::now_ms;
use ottla_terminal::tracker::{Pacer, Tracker};
use serde::Serialize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Produce increasing integers and print JSON for each acknowledgement.
#[derive(Debug, clap::Parser)]
pub(super) struct VerifiableProducer {
    /// REQUIRED: Produce messages to this topic.
    #[arg(long)]
    topic: Option<String>,
    /// REQUIRED: The server(s) to connect to.
    #[arg(long, value_name = "HOST1:PORT1[,HOST2:PORT2[...]]")]
    bootstrap_server: Option<String>,
    /// Produce this many messages; -1 until the process is ended.
    #[arg(long, default_value_t = -1)]
    max_messages: i64,
    /// At most about so many messages per second; -1 for no limit.
    #[arg(long, default_value_t = -1)]
    throughput: i64,
    /// 0, 1 or -1.
    #[arg(long, default_value_t = -1, value_parser = clap::value_parser!(i16).range(-1..=1))]
    acks: i16,
    /// Deprecated: use --command-config.
    #[arg(long = "producer.config", value_name = "CONFIG-FILE")]
    producer_config: Option<PathBuf>,
    /// Creation time of the first message, in milliseconds since the epoch; -1 for now.
    #[arg(long, default_value_t = -1, value_name = "CREATE-TIME")]
    message_create_time: i64,
    /// A number and a dot before each value.
    #[arg(long)]
    value_prefix: Option<i32>,
    /// Keys from 0 up to this number, and again.
    #[arg(long)]
    repeating_keys: Option<i64>,
    /// A file of producer configs, over the command line.
    #[arg(long, value_name = "CONFIG-FILE")]
    command_config: Option<PathBuf>,
}

/// A line of JSON. The order of the fields is that of Kafka's tool.
#[derive(Debug, Serialize)]
struct Event<T> {
    timestamp: i64,
    name: &'static str,
    #[serde(flatten)]
    data: T,
}

#[derive(Debug, Serialize)]
struct Success {
    key: Option<String>,
    value: String,
    offset: i64,
    topic: String,
    partition: i32,
}

#[derive(Debug, Serialize)]
struct Failed {
    key: Option<String>,
    value: String,
    topic: String,
    exception: String,
    message: String,
}

#[derive(Debug, Serialize)]
struct Summary {
    sent: u64,
    acked: u64,
    target_throughput: i64,
    avg_throughput: f64,
}

#[derive(Debug, Serialize)]
struct Nothing {}

/// A line of JSON that says what happened.
pub(super) fn event(name: &'static str, data: impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(&Event { timestamp: now_ms(), name, data });
    write_out(&(text.map_err(|error| Failure::new(error.to_string()))? + "\n"))
}

/// The same without data.
pub(super) fn bare_event(name: &'static str) -> Result<(), Failure> {
    event(name, Nothing {})
}

impl KafkaTool for VerifiableProducer {
    const NAME: &'static str = "kafka-verifiable-producer";
    const WITHOUT_WORDS: WithoutWords = WithoutWords::Helps;

    fn run(&self) -> Result<(), Failure> {
        let missing = |name: &str| usage(format!("verifiable-producer: error: argument {name} is required"));
        let topic = self.topic.as_deref().ok_or_else(|| missing("--topic"))?;
        let bootstrap = self.bootstrap_server.as_deref().ok_or_else(|| missing("--bootstrap-server"))?;
        if self.producer_config.is_some() && self.command_config.is_some() {
            let why = "Options --producer.config and --command-config are mutually exclusive.";
            return Err(usage(format!("verifiable-producer: error: {why}")));
        }
        if self.producer_config.is_some() {
            write_out(
                "Option --producer.config has been deprecated and will be removed in a future version. Use \
                 --command-config instead.\n",
            )?;
        }
        let file = self.command_config.as_deref().or(self.producer_config.as_deref());
        let mut cluster = Cluster::new(bootstrap, file, &[], "verifiable-producer")?;
        // The file wins, as in Kafka.
        cluster.properties.set_default("acks", self.acks.to_string());
        cluster.properties.set_default("retries", "0");
        let options = cluster.properties.producer_options(ProducerOptions::default())?;
        cluster.run(Threads::Many, async |client: Client| {
            let producer = Producer::new(&client, options)?;
            self.produce(topic, &producer).await
        })
    }
}

impl VerifiableProducer {
    async fn produce(&self, topic: &str, producer: &Producer) -> Result<(), Failure> {
        bare_event("startup_complete")?;
        let begun = now_ms();
        let acked = Arc::new(AtomicU64::new(0));
        let (counter, name) = (acked.clone(), topic.to_string());
        let mut tracker: Tracker<(Option<String>, String)> = Tracker::new(Arc::new(move |(key, value), result| {
            let topic = name.clone();
            // A reader that is gone is seen at the end.
            let _ = match result {
                Ok(done) => {
                    counter.fetch_add(1, Ordering::Relaxed);
                    let (partition, offset) = (done.partition, done.offset);
                    event("producer_send_success", Success { key, value, topic, partition, offset })
                }
                Err(error) => failed(key, value, topic, &error),
            };
        }));
        let sent = self.send_all(topic, producer, &mut tracker, begun).await?;
        producer.flush().await;
        tracker.finish().await;
        producer.close(Duration::from_secs(60)).await?;
        bare_event("shutdown_complete")?;
        let acked = acked.load(Ordering::Relaxed);
        let elapsed_ms = (now_ms() - begun).max(1) as f64;
        let avg_throughput = 1000.0 * (acked as f64 / elapsed_ms);
        event("tool_data", Summary { sent, acked, target_throughput: self.throughput, avg_throughput })
    }

    /// Returns how many were handed over, when that is enough or somebody ends the process.
    async fn send_all(
        &self,
        topic: &str,
        producer: &Producer,
        tracker: &mut Tracker<(Option<String>, String)>,
        begun: i64,
    ) -> Result<u64, Failure> {
        let mut stop = std::pin::pin!(stop_signal());
        let mut pacer = Pacer::new(Some(self.throughput as f64));
        let mut created = Some(self.message_create_time).filter(|time| *time != -1);
        let (mut key_counter, mut sent) = (0, 0);
        let max = u64::try_from(self.max_messages).unwrap_or(u64::MAX);
        while sent < max {
            let key = self.repeating_keys.map(|keys| {
                let key = key_counter;
                key_counter = if key + 1 == keys { 0 } else { key + 1 };
                key.to_string()
            });
            let value = self.value_prefix.map_or(sent.to_string(), |prefix| format!("{prefix}.{sent}"));
            let mut record = ProducerRecord::new(topic, value.clone());
            record.key = key.clone().map(Into::into);
            record.timestamp = created;
            created = created.map(|created| created + now_ms() - begun);
            let next = async {
                pacer.next().await;
                producer.send(record).await
            };
            sent += 1;
            tokio::select! {
                biased;
                _ = &mut stop => return Ok(sent - 1),
                handed_over = next => match handed_over {
                    Ok(delivery) => tracker.track((key, value), delivery),
                    Err(error) => failed(key, value, topic.to_string(), &error)?,
                }
            }
        }
        Ok(sent)
    }
}

fn failed(key: Option<String>, value: String, topic: String, error: &ClientError) -> Result<(), Failure> {
    let (exception, message) = (exception(error), error.to_string());
    event("producer_send_error", Failed { key, value, topic, exception, message })
}

/// The Java class that stands for an error.
fn exception(error: &ClientError) -> String {
    let name = match (error.code(), error) {
        (Some(code), _) => {
            let words = code.name().split('_').map(|word| word[..1].to_string() + &word[1..].to_ascii_lowercase());
            words.collect::<String>()
        }
        (None, ClientError::Timeout { .. }) => "Timeout".to_string(),
        (None, ClientError::Undelivered { why, .. }) => return exception(why),
        (None, _) => "Network".to_string(),
    };
    let name = name.strip_suffix("Exception").unwrap_or(&name);
    format!("class org.apache.kafka.common.errors.{name}Exception")
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_types::ErrorCode;

    #[test]
    fn errors_have_java_names() {
        let error = |code| exception(&ClientError::Broker { subject: "t-0".to_string(), code, message: None });
        assert_eq!(
            error(ErrorCode::NotEnoughReplicas),
            "class org.apache.kafka.common.errors.NotEnoughReplicasException"
        );
        assert_eq!(
            error(ErrorCode::InvalidTopicException),
            "class org.apache.kafka.common.errors.InvalidTopicException"
        );
    }

    #[test]
    fn events_begin_with_time_and_name() {
        let success = Success { key: None, value: "7".to_string(), offset: 3, topic: "t".to_string(), partition: 0 };
        let text =
            serde_json::to_string(&Event { timestamp: 5, name: "producer_send_success", data: success }).unwrap();
        let expected = r#"{"timestamp":5,"name":"producer_send_success","key":null,"value":"7","offset":3,"topic":"t","partition":0}"#;
        assert_eq!(text, expected);
        let bare = serde_json::to_string(&Event { timestamp: 5, name: "startup_complete", data: Nothing {} }).unwrap();
        assert_eq!(bare, r#"{"timestamp":5,"name":"startup_complete"}"#);
    }
}
