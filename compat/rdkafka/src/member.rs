//! A consumer in a group that remembers what it read and what it had to give up, and what the cases need beside it.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, Rebalance};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, ClientContext, Message};

use crate::cases::{Outcome, bootstrap, equal, eventually, fresh_name};

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

/// The protocols in which a consumer can be a member.
pub const PROTOCOLS: [&str; 2] = ["classic", "consumer"];

/// What the rebalance callback saw.
#[derive(Default)]
pub struct Seen {
    pub assigned: usize,
    pub revoked: usize,
}

/// Counts what rebalances bring and take.
#[derive(Default)]
pub struct Context(Mutex<Seen>);

impl ClientContext for Context {}

impl ConsumerContext for Context {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let mut seen = self.0.lock().expect("no other holder panics");
        match rebalance {
            Rebalance::Assign(partitions) => seen.assigned += partitions.count(),
            Rebalance::Revoke(partitions) => seen.revoked += partitions.count(),
            Rebalance::Error(_) => {}
        }
    }
}

/// One message that was read.
pub struct Read {
    pub partition: i32,
    pub offset: i64,
    pub payload: Vec<u8>,
}

/// One member of a group.
pub struct Member {
    pub consumer: BaseConsumer<Context>,
    pub messages: Vec<Read>,
}

impl Member {
    /// Joins; `configs` come on top of what suits short cases.
    pub fn join(protocol: &str, group: &str, topics: &[&str], configs: &[(&str, &str)]) -> Fallible<Member> {
        let mut config = ClientConfig::new();
        for (name, value) in [
            ("group.id", group),
            ("group.protocol", protocol),
            ("auto.offset.reset", "earliest"),
            ("enable.auto.commit", "false"),
            ("topic.metadata.refresh.interval.ms", "500"),
            ("fetch.wait.max.ms", "50"),
            ("fetch.message.max.bytes", "12000000"),
        ] {
            config.set(name, value);
        }
        if protocol == "classic" {
            config.set("session.timeout.ms", "6000").set("heartbeat.interval.ms", "200");
        }
        for (name, value) in configs {
            config.set(*name, *value);
        }
        let consumer: BaseConsumer<Context> =
            config.set("bootstrap.servers", bootstrap()).create_with_context(Context::default())?;
        consumer.subscribe(topics)?;
        Ok(Member { consumer, messages: Vec::new() })
    }

    /// Polls once.
    pub fn poll(&mut self) -> Outcome {
        if let Some(message) = self.consumer.poll(Duration::from_millis(20)) {
            let message = message?;
            let payload = message.payload().unwrap_or_default().to_vec();
            self.messages.push(Read { partition: message.partition(), offset: message.offset(), payload });
        }
        Ok(())
    }

    /// Polls until so many messages have come in all.
    pub fn read(&mut self, count: usize) -> Fallible<&[Read]> {
        eventually(&format!("{count} messages"), || {
            if self.messages.len() < count {
                self.poll()?;
            }
            Ok(self.messages.len() >= count)
        })?;
        Ok(&self.messages)
    }

    /// What it holds, as (topic, partition).
    pub fn assignment(&self) -> BTreeSet<(String, i32)> {
        let held = self.consumer.assignment().map(|list| list.to_topic_map()).unwrap_or_default();
        held.into_keys().collect()
    }

    /// Partitions that were assigned and revoked so far.
    pub fn seen(&self) -> (usize, usize) {
        let seen = self.consumer.context().0.lock().expect("no other holder panics");
        (seen.assigned, seen.revoked)
    }
}

/// Polls these members until they hold all partitions, each at least so many and none twice.
pub fn share(topic: &str, partitions: i32, least: usize, members: &mut [&mut Member]) -> Outcome {
    let everything: Vec<(String, i32)> = (0..partitions).map(|partition| (topic.to_owned(), partition)).collect();
    eventually(&format!("{} members share {partitions} partitions", members.len()), || {
        let mut held = Vec::new();
        let mut enough = true;
        for member in members.iter_mut() {
            member.poll()?;
            let assignment = member.assignment();
            enough &= assignment.len() >= least;
            held.extend(assignment);
        }
        held.sort();
        Ok(enough && held == everything)
    })
}

/// An admin client.
pub fn admin() -> Fallible<AdminClient<DefaultClientContext>> {
    Ok(ClientConfig::new().set("bootstrap.servers", bootstrap()).create()?)
}

/// Runs one call of the admin client.
pub fn block_on<T>(call: impl Future<Output = T>) -> Fallible<T> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(call))
}

/// Makes a topic with a fresh name and waits until it is known.
pub fn topic(prefix: &str, partitions: i32, configs: &[(&str, &str)]) -> Fallible<String> {
    let name = fresh_name(prefix);
    let admin = admin()?;
    let mut topic = NewTopic::new(&name, partitions, TopicReplication::Fixed(1)).set("retention.ms", "-1");
    for (key, value) in configs {
        topic = topic.set(key, value);
    }
    for result in block_on(admin.create_topics(&[topic], &AdminOptions::new()))?? {
        result.map_err(|(_, code)| code)?;
    }
    eventually("the topic is known", || {
        let metadata = admin.inner().fetch_metadata(Some(&name), Duration::from_secs(10))?;
        Ok(metadata.topics().iter().any(|topic| topic.partitions().len() == usize::try_from(partitions).unwrap_or(0)))
    })?;
    Ok(name)
}

/// Sends these payloads to one partition and waits until all are acknowledged.
pub fn send(topic: &str, partition: i32, codec: &str, payloads: &[Vec<u8>]) -> Outcome {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap())
        .set("compression.type", codec)
        .set("enable.idempotence", "true")
        .set("message.max.bytes", "6000000")
        .create()?;
    for payload in payloads {
        let record = BaseRecord::<(), Vec<u8>>::to(topic).partition(partition).payload(payload);
        producer.send(record).map_err(|(error, _)| error)?;
    }
    producer.flush(Duration::from_secs(20))?;
    equal(0, producer.in_flight_count(), "messages left in the queue")
}

/// A member in a process of its own, so that it can be killed.
pub struct OtherProcess(Child, Option<BufReader<std::process::ChildStdout>>);

impl OtherProcess {
    /// Starts this program as `PROGRAM member PROTOCOL GROUP TOPIC`.
    pub fn start(protocol: &str, group: &str, topic: &str) -> Fallible<OtherProcess> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["member", protocol, group, topic])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().map(BufReader::new);
        Ok(OtherProcess(child, output))
    }

    /// A thread that ends once the other has partitions; the members here must poll meanwhile.
    pub fn joined(&mut self) -> std::thread::JoinHandle<bool> {
        let output = self.1.take();
        std::thread::spawn(move || {
            let mut line = String::new();
            output.is_some_and(|mut output| output.read_line(&mut line).is_ok()) && line == "joined\n"
        })
    }
}

impl Drop for OtherProcess {
    /// kill -9: it does not leave its group.
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// What the other process does.
pub fn be_a_member(protocol: &str, group: &str, topic: &str) -> Outcome {
    let configs: &[(&str, &str)] = if protocol == "classic" { &[("session.timeout.ms", "2000")] } else { &[] };
    let mut member = Member::join(protocol, group, &[topic], configs)?;
    let mut told = false;
    loop {
        member.poll()?;
        if !told && !member.assignment().is_empty() {
            println!("joined");
            told = true;
        }
    }
}
