//! `ottla txn`: who has which transaction open, and ending one that its producer does not end.

use clap::Subcommand;
use ottla_client::{ActiveProducer, Admin, Client, TransactionDescription, TransactionFilter};
use ottla_terminal::cluster::ClientArgs;
use ottla_terminal::failure::Failure;
use ottla_terminal::hanging::{self, Hanging, Scope};
use ottla_terminal::output::OutputArgs;
use ottla_terminal::table;
use ottla_terminal::times::{now_ms, parse_duration};
use ottla_types::{ErrorCode, TopicPartition};
use serde::Serialize;
use std::time::Duration;

/// What `ottla txn` accepts.
pub type Args = ClientArgs<Command>;

/// The commands of `ottla txn`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show transactional ids and what they are doing.
    List {
        /// Only in this state, for example Ongoing; may be given several times.
        #[arg(long = "state", value_name = "STATE")]
        states: Vec<String>,
        /// Only with a transaction that is open for longer than this: 30s, 10m, 2h.
        #[arg(long, value_name = "TIME", value_parser = duration)]
        older_than: Option<Duration>,
        /// Only ids that match this regular expression as a whole.
        #[arg(long, value_name = "REGEX")]
        pattern: Option<String>,
    },
    /// Show who holds a transaction, since when, and in which partitions.
    Describe {
        /// Transactional id.
        id: String,
    },
    /// Find transactions that no coordinator will end: readers of committed records stand before them.
    Hanging {
        /// Only in this topic.
        #[arg(long)]
        topic: Option<String>,
        /// Only in this partition of --topic.
        #[arg(long, requires = "topic")]
        partition: Option<i32>,
        /// Only of producers that have not written for this long.
        #[arg(long, value_name = "TIME", value_parser = duration, default_value = "15m")]
        older_than: Duration,
        /// End all that are found: an abort marker is written for each.
        #[arg(long)]
        end: bool,
    },
    /// End the open transaction of an id: it is aborted, and its producer is fenced.
    End {
        /// Transactional id.
        id: String,
        /// Only say who holds it.
        #[arg(long)]
        dry_run: bool,
    },
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "write 30s, 10m or 2h".to_string())
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), Failure> {
    args.cluster.run(async |client: Client| {
        let admin = Admin::new(&client);
        match &args.command {
            Command::List { states, older_than, pattern } => {
                let (states, older_than, pattern) = (states.clone(), *older_than, pattern.clone());
                let filter = TransactionFilter { states, older_than, pattern, ..TransactionFilter::default() };
                list(&admin, &filter, args.output).await
            }
            Command::Describe { id } => {
                let holder = holder(&admin, id).await?;
                args.output.print(&holder, Holder::render)
            }
            Command::Hanging { topic, partition, older_than, end } => {
                let (topic, partition, older_than) = (topic.clone(), *partition, *older_than);
                hang(&admin, &Scope { broker_id: None, topic, partition, older_than }, *end, args.output).await
            }
            Command::End { id, dry_run } => end(&admin, id, *dry_run, args.output).await,
        }
    })
}

#[derive(Debug, Serialize)]
struct Listed {
    transactional_id: String,
    state: String,
    producer_id: i64,
    coordinator_id: i32,
}

async fn list(admin: &Admin, filter: &TransactionFilter, output: OutputArgs) -> Result<(), Failure> {
    let rows = admin.list_transactions(filter).await?.into_iter().map(|row| Listed {
        transactional_id: row.transactional_id,
        state: row.state,
        producer_id: row.producer_id,
        coordinator_id: row.coordinator_id,
    });
    output.print(&rows.collect::<Vec<_>>(), |rows| {
        if rows.is_empty() {
            return "No transactional ids.\n".to_string();
        }
        let cells = |row: &Listed| {
            vec![
                row.transactional_id.clone(),
                row.state.clone(),
                row.producer_id.to_string(),
                row.coordinator_id.to_string(),
            ]
        };
        table::render(&["TRANSACTIONAL ID", "STATE", "#PRODUCER", "#COORDINATOR"], rows.iter().map(cells))
    })
}

/// Who holds a transaction.
#[derive(Debug, Serialize)]
struct Holder {
    transactional_id: String,
    state: String,
    producer_id: i64,
    producer_epoch: i16,
    coordinator_id: i32,
    timeout_ms: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    open_for_ms: Option<i64>,
    partitions: Vec<Held>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<bool>,
}

/// A partition of a transaction.
#[derive(Debug, Serialize)]
struct Held {
    topic: String,
    partition: i32,
    /// Where readers of committed records stand.
    #[serde(skip_serializing_if = "Option::is_none")]
    start_offset: Option<i64>,
    /// How long ago its producer wrote last.
    #[serde(skip_serializing_if = "Option::is_none")]
    idle_ms: Option<i64>,
}

async fn holder(admin: &Admin, id: &str) -> Result<Holder, Failure> {
    let described = match admin.describe_transaction(id).await {
        Ok(described) => described,
        Err(error) if error.code() == Some(ErrorCode::TransactionalIdNotFound) => {
            let all = admin.list_transactions(&TransactionFilter::default()).await?;
            let names: Vec<String> = all.into_iter().map(|row| row.transactional_id).collect();
            return Err(Failure::unknown(&format!("transactional id '{id}'"), id, &names, "see `ottla txn list`"));
        }
        Err(error) => return Err(error.into()),
    };
    let mut producers = admin.describe_producers(&described.partitions, None).await;
    // What a partition's leader knows is left out where it cannot be asked: the coordinator's word is enough to go on.
    let mut known = |partition| producers.remove(partition).and_then(Result::ok).unwrap_or_default();
    let partitions = described.partitions.iter();
    let partitions = partitions.map(|partition| held(partition, known(partition), &described)).collect();
    Ok(Holder {
        transactional_id: described.transactional_id,
        state: described.state,
        producer_id: described.producer_id,
        producer_epoch: described.producer_epoch,
        coordinator_id: described.coordinator_id,
        timeout_ms: described.timeout_ms,
        open_for_ms: described.start_time_ms.map(|time| (now_ms() - time).max(0)),
        partitions,
        ended: None,
    })
}

fn held(partition: &TopicPartition, producers: Vec<ActiveProducer>, described: &TransactionDescription) -> Held {
    let ours = producers.into_iter().find(|producer| producer.producer_id == described.producer_id);
    Held {
        topic: partition.topic.to_string(),
        partition: partition.partition,
        start_offset: ours.and_then(|producer| producer.current_txn_start_offset),
        idle_ms: ours.map(|producer| (now_ms() - producer.last_timestamp).max(0)),
    }
}

impl Holder {
    fn render(&self) -> String {
        let ago = |ms: i64| format!("{:.1} s", ms as f64 / 1000.0);
        let mut text = format!(
            "{}: {}, held by producer {} of epoch {}, coordinator {}\n",
            self.transactional_id, self.state, self.producer_id, self.producer_epoch, self.coordinator_id
        );
        if let Some(open_for) = self.open_for_ms {
            text += &format!("open for {}, times out after {}\n", ago(open_for), ago(i64::from(self.timeout_ms)));
        }
        if !self.partitions.is_empty() {
            let cells = |held: &Held| {
                vec![
                    held.topic.clone(),
                    held.partition.to_string(),
                    held.start_offset.map(|offset| offset.to_string()).unwrap_or_default(),
                    held.idle_ms.map(ago).unwrap_or_default(),
                ]
            };
            let rows = self.partitions.iter().map(cells);
            text += &table::render(&["TOPIC", "#PARTITION", "#START OFFSET", "#LAST WRITE AGO"], rows);
        }
        text += match self.ended {
            Some(true) => "The transaction is aborted and the producer is fenced.\n",
            Some(false) => "Nothing was ended.\n",
            None => "",
        };
        text
    }
}

async fn end(admin: &Admin, id: &str, dry_run: bool, output: OutputArgs) -> Result<(), Failure> {
    let mut holder = holder(admin, id).await?;
    let is_open = holder.open_for_ms.is_some();
    if is_open && !dry_run {
        admin.terminate_transaction(id).await?;
    }
    holder.ended = Some(is_open && !dry_run);
    output.print(&holder, Holder::render)
}

#[derive(Debug, Serialize)]
struct Hung {
    topic: String,
    partition: i32,
    start_offset: i64,
    producer_id: i64,
    producer_epoch: i16,
    idle_ms: i64,
    ended: bool,
}

async fn hang(admin: &Admin, scope: &Scope, end: bool, output: OutputArgs) -> Result<(), Failure> {
    let found = hanging::find(admin, scope).await?;
    let mut rows = Vec::new();
    for one in found {
        if end {
            let mut open = one.open.clone();
            open.coordinator_epoch = open.coordinator_epoch.max(0);
            admin.abort_transaction(&open).await?;
        }
        rows.push(hung(&one, end));
    }
    output.print(&rows, |rows| {
        if rows.is_empty() {
            return "No transaction hangs.\n".to_string();
        }
        let cells = |row: &Hung| {
            let state = if row.ended { "aborted" } else { "open" };
            let numbers = [row.start_offset, row.producer_id, row.idle_ms / 60_000].map(|number| number.to_string());
            let [start, producer, minutes] = numbers;
            vec![row.topic.clone(), row.partition.to_string(), start, producer, minutes, state.to_string()]
        };
        let headings = ["TOPIC", "#PARTITION", "#START OFFSET", "#PRODUCER", "#IDLE MINUTES", "STATE"];
        table::render(&headings, rows.iter().map(cells))
    })
}

fn hung(one: &Hanging, ended: bool) -> Hung {
    Hung {
        topic: one.open.partition.topic.to_string(),
        partition: one.open.partition.partition,
        start_offset: one.start_offset,
        producer_id: one.open.producer_id,
        producer_epoch: one.open.producer_epoch,
        idle_ms: (now_ms() - one.last_timestamp).max(0),
        ended,
    }
}
