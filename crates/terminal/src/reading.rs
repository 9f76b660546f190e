//! Records of a consumer, one after another, until there are no more, time is over, or somebody presses Ctrl-C.

use crate::failure::Failure;
use ottla_client::{Admin, Client, ClientError, Consumer, ConsumerOptions, ConsumerRecord, ConsumerWaker};
use ottla_types::TopicPartition;
use regex::Regex;
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How often new topics of a pattern are looked for.
const PATTERN_INTERVAL: Duration = Duration::from_secs(5);
/// A poll that has nothing returns after this, so that other things are looked at.
const POLL_MAX: Duration = Duration::from_secs(1);

/// How long leaving the group may take when somebody has asked for the end.
const STOP_MAX: Duration = Duration::from_secs(5);
/// What the shell says of a program that Ctrl-C has ended.
const INTERRUPTED: i32 = 130;

/// What came.
#[derive(Debug)]
pub enum Next {
    /// A record.
    Record(ConsumerRecord),
    /// Nothing within the time.
    Nothing,
    /// The program was told to stop.
    Stopped,
}

/// Which topics a group member reads.
#[derive(Debug, Clone)]
pub enum Topics {
    /// These.
    Named(Vec<String>),
    /// All whose whole name matches, also those that come later.
    Pattern(Regex),
}

impl Topics {
    /// `options` for these topics: what a pattern has matched once is not made again when somebody deletes it.
    pub fn options(&self, options: ConsumerOptions) -> ConsumerOptions {
        match self {
            Topics::Named(_) => options,
            Topics::Pattern(_) => ConsumerOptions { allow_auto_create_topics: false, ..options },
        }
    }

    /// Topics by a pattern for the whole name.
    pub fn pattern(text: &str) -> Result<Topics, Failure> {
        let pattern = Regex::new(&format!("^(?:{text})$"));
        let wrong = |error| Failure::new(format!("{text} is no regular expression: {error}"));
        Ok(Topics::Pattern(pattern.map_err(wrong)?))
    }
}

/// Reads records.
pub struct Reading {
    consumer: Consumer,
    client: Client,
    pattern: Option<(Regex, Instant)>,
    pending: VecDeque<ConsumerRecord>,
    is_stopped: bool,
}

impl Reading {
    /// A reader without partitions; ends when the program is told to stop.
    pub fn new(client: &Client, options: ConsumerOptions) -> Result<Reading, Failure> {
        let consumer = Consumer::new(client, options)?;
        stop_on_signal(consumer.waker());
        let (pattern, pending) = (None, VecDeque::new());
        Ok(Reading { consumer, client: client.clone(), pattern, pending, is_stopped: false })
    }

    /// The consumer itself.
    pub fn consumer(&mut self) -> &mut Consumer {
        &mut self.consumer
    }

    /// Joins the group for these topics.
    pub async fn subscribe(&mut self, topics: &Topics) -> Result<(), Failure> {
        match topics {
            Topics::Named(names) => {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                Ok(self.consumer.subscribe(&names)?)
            }
            Topics::Pattern(pattern) => {
                self.pattern = Some((pattern.clone(), Instant::now()));
                self.look_for_topics().await
            }
        }
    }

    async fn look_for_topics(&mut self) -> Result<(), Failure> {
        let Some((pattern, due)) = &mut self.pattern else { return Ok(()) };
        if Instant::now() < *due {
            return Ok(());
        }
        *due = Instant::now() + PATTERN_INTERVAL;
        let is_first = self.consumer.subscription().is_empty();
        let listed = match is_first {
            true => Admin::new(&self.client).list_topics().await,
            // A broker that is away for a while ends nothing, and polling must go on.
            false => self.client.fetch_metadata(None, false).await,
        };
        let cluster = match listed {
            Err(error) if !is_first && error.is_retriable() => {
                tracing::debug!(%error, "new topics are looked for later");
                return Ok(());
            }
            listed => listed?,
        };
        let found = cluster.topics.values().filter(|topic| !topic.is_internal && pattern.is_match(&topic.name));
        let names: Vec<&str> = found.map(|topic| topic.name.as_str()).collect();
        if !names.is_empty() {
            self.consumer.subscribe(&names)?;
        }
        Ok(())
    }

    /// The next record; waits at most for `timeout`, or for ever.
    pub async fn next(&mut self, timeout: Option<Duration>) -> Result<Next, Failure> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            if self.is_stopped {
                return Ok(Next::Stopped);
            }
            if let Some(record) = self.pending.pop_front() {
                return Ok(Next::Record(record));
            }
            self.look_for_topics().await?;
            let left = deadline.map_or(POLL_MAX, |deadline| deadline.saturating_duration_since(Instant::now()));
            match self.consumer.poll(left.min(POLL_MAX)).await {
                Ok(records) => self.pending.extend(records),
                Err(ClientError::Wakeup) => self.is_stopped = true,
                Err(error) => return Err(error.into()),
            }
            let is_over = deadline.is_some_and(|deadline| Instant::now() >= deadline);
            if is_over && self.pending.is_empty() && !self.is_stopped {
                return Ok(Next::Nothing);
            }
        }
    }

    /// Whether records are there that [`Reading::next`] gives at once.
    pub fn has_more(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Leaves the group, after a commit where that is automatic. Records that were fetched and not taken are not committed.
    pub async fn close(self) -> Result<(), Failure> {
        let mut first_left: BTreeMap<TopicPartition, i64> = BTreeMap::new();
        for record in &self.pending {
            first_left.entry(TopicPartition::new(record.topic.clone(), record.partition)).or_insert(record.offset);
        }
        for (partition, offset) in first_left {
            // Who lost the partition meanwhile commits nothing for it anyway.
            let _ = self.consumer.seek(&partition, offset);
        }
        match self.is_stopped {
            // Somebody waits for the end.
            true => self.consumer.close_within(STOP_MAX).await?,
            false => self.consumer.close().await?,
        }
        Ok(())
    }
}

/// Ends the polls of a consumer when the program is told to stop.
pub fn stop_on_signal(waker: ConsumerWaker) {
    // Ends with the process.
    drop(tokio::spawn(async move {
        if stop_signal().await.is_ok() {
            waker.wakeup();
        }
    }));
}

/// Waits for SIGINT (Ctrl-C) or SIGTERM. A second one ends the process at once.
pub async fn stop_signal() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    next_of(&mut terminate, &mut interrupt).await;
    // Ends with the process.
    drop(tokio::spawn(async move {
        next_of(&mut terminate, &mut interrupt).await;
        std::process::exit(INTERRUPTED);
    }));
    Ok(())
}

async fn next_of(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        biased;
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}
