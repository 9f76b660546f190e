//! The language of the stories:
//!
//! ```text
//! version LEVEL                          transaction.version is finalized
//! init NAME ID [timeout=MS] [as=PID:EPOCH] [two-phase=true] [keep=true]
//! add NAME ID PID:EPOCH t-0 t-1 [tv=2]   verify NAME ID PID:EPOCH t-0
//! end NAME ID PID:EPOCH commit|abort [tv=2]
//! answered ID PID:EPOCH t-0=NONE t-1=CODE
//! allocated ID                           epoch ID EPOCH (as if it had been raised so often)
//! observe NAME
//! describe NAME ID                       list NAME [states=A,B] [ids=1] [longer=MS] [like=PATTERN]
//! advance MS                             reload
//! ```

use super::rig::{Happened, Rig};
use ottla_coordinator::{Position, ReplySlot};
use ottla_protocol::ListTransactionsRequest;
use ottla_txn::{
    AddPartitions, EndTxn, InitProducerId, MarkersAnswered, Producer, Transaction, TransactionFilter, TxnConfig,
    TxnEffect, TxnEvent, TxnReply, TxnRequest, TxnTimer,
};
use ottla_types::{ErrorCode, TopicPartition};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) struct Script {
    rig: Rig,
    names: BTreeMap<ReplySlot, String>,
}

struct Command<'l> {
    words: Vec<&'l str>,
    options: BTreeMap<&'l str, &'l str>,
}

impl<'l> Command<'l> {
    fn parse(line: &'l str) -> Command<'l> {
        let is_option =
            |word: &&str| word.split_once('=').is_some_and(|(key, _)| !key.contains('-') || key == "two-phase");
        let (options, words): (Vec<&str>, Vec<&str>) = line.split_whitespace().partition(is_option);
        Command { words, options: options.into_iter().filter_map(|option| option.split_once('=')).collect() }
    }

    fn number(&self, key: &str, otherwise: i64) -> i64 {
        self.options.get(key).map_or(otherwise, |text| text.parse().expect("a number"))
    }

    fn has(&self, key: &str) -> bool {
        self.options.contains_key(key)
    }

    fn partitions(&self, from: usize) -> Vec<TopicPartition> {
        self.words[from..].iter().map(|word| partition(word)).collect()
    }
}

fn partition(text: &str) -> TopicPartition {
    let (topic, index) = text.rsplit_once('-').expect("topic-partition");
    TopicPartition::new(topic, index.parse().expect("a partition"))
}

fn producer(text: &str) -> Producer {
    let (id, epoch) = text.split_once(':').expect("producer id and epoch");
    Producer { id: id.parse().expect("a producer id"), epoch: epoch.parse().expect("an epoch") }
}

fn code(name: &str) -> ErrorCode {
    let mut codes = (0..200).filter_map(ErrorCode::from_code);
    codes.find(|code| code.name() == name).unwrap_or_else(|| panic!("no error code {name}"))
}

impl Script {
    pub(crate) fn new() -> Script {
        let config = TxnConfig {
            max_timeout_ms: 900_000,
            id_expiration_ms: 604_800_000,
            abort_timed_out_interval_ms: 10_000,
            remove_expired_interval_ms: 3_600_000,
            two_phase_commit: false,
            transaction_version: 2,
        };
        Script { rig: Rig::new(config), names: BTreeMap::new() }
    }

    /// Runs a command; what happened, a line each.
    pub(crate) fn run(&mut self, line: &str) -> String {
        let command = Command::parse(line);
        match command.words[0] {
            "version" | "config" => {
                let mut config = (*self.rig.shard.config).clone();
                match command.words.get(1) {
                    Some(level) => config.transaction_version = level.parse().expect("a level"),
                    None => config.two_phase_commit = command.has("two-phase"),
                }
                self.rig.handle(TxnEvent::ConfigChanged(Arc::new(config)), None);
            }
            "answered" => self.answered(&command),
            "allocated" => {
                let fresh = self.rig.fresh_producer_id();
                self.rig.handle(TxnEvent::AbortTimedOut(Arc::from(command.words[1]), Some(fresh)), None);
            }
            "epoch" => self.set_epoch(&command),
            "advance" => self.rig.advance(command.words[1].parse().expect("milliseconds")),
            "reload" => self.rig.reload(),
            _ => {
                let slot = self.rig.ask(request(&command));
                self.names.insert(slot, command.words[1].to_string());
            }
        }
        self.rig.check_durable();
        let happened = std::mem::take(&mut self.rig.happened);
        happened.iter().map(|happened| format!("{}\n", self.show(happened))).collect()
    }

    fn answered(&mut self, command: &Command<'_>) {
        let result = |word: &&str| {
            let (place, name) = word.split_once('=').expect("partition=code");
            (partition(place), code(name))
        };
        let answered = MarkersAnswered {
            transactional_id: Arc::from(command.words[1]),
            producer: producer(command.words[2]),
            results: command.words[3..].iter().map(result).collect(),
        };
        self.rig.handle(TxnEvent::MarkersAnswered(answered), None);
    }

    fn set_epoch(&mut self, command: &Command<'_>) {
        let producer_epoch = command.words[2].parse().expect("an epoch");
        let next = Transaction { producer_epoch, ..self.rig.shard.transactions[command.words[1]].clone() };
        let version = self.rig.shard.config.transaction_version;
        self.rig.append(ottla_txn::encode(command.words[1], &next, version).expect("a short id"));
    }

    fn show(&self, happened: &Happened) -> String {
        match happened {
            Happened::Appended(record) => {
                let position = Position { offset: 0, timestamp_ms: 0, producer_id: None };
                let (id, transaction) =
                    ottla_txn::decode(record, position).expect("a record").expect("a known version");
                match transaction {
                    None => format!("append {id} deleted"),
                    Some(transaction) => format!("append {id} {}", state(&transaction)),
                }
            }
            Happened::Fired(TxnTimer::RetryMarkers(id)) => format!("timer retry {id}"),
            Happened::Fired(timer) => format!("timer {timer:?}"),
            Happened::Called(TxnEffect::AllocateProducerId(id)) => format!("allocate for {id}"),
            Happened::Called(TxnEffect::WriteMarkers(markers)) => {
                let end = if markers.committed { "commit" } else { "abort" };
                let Producer { id, epoch } = markers.producer;
                let places: Vec<String> = markers.partitions.iter().map(ToString::to_string).collect();
                let (version, coordinator) = (markers.transaction_version, markers.coordinator_epoch);
                let name = &markers.transactional_id;
                format!(
                    "markers {name} {id}:{epoch} {end} tv={version} coordinator={coordinator} [{}]",
                    places.join(" ")
                )
            }
            Happened::Replied(slot, reply) => {
                let name = self.names.get(slot).cloned();
                format!("{}: {}", name.unwrap_or_else(|| "?".to_string()), show_reply(reply))
            }
        }
    }
}

fn request(command: &Command<'_>) -> TxnRequest {
    let transactional_id: Arc<str> = match command.words.get(2) {
        Some(&"''") | None => Arc::from(""),
        Some(id) => Arc::from(*id),
    };
    let client_version = i16::try_from(command.number("tv", 0)).expect("a version");
    match command.words[0] {
        "init" => TxnRequest::InitProducerId(InitProducerId {
            transactional_id,
            timeout_ms: i32::try_from(command.number("timeout", 60_000)).expect("milliseconds"),
            expected: command.options.get("as").map(|text| producer(text)),
            two_phase_commit: command.has("two-phase"),
            keep_prepared: command.has("keep"),
        }),
        "add" | "verify" => TxnRequest::AddPartitions(AddPartitions {
            transactional_id,
            producer: producer(command.words[3]),
            partitions: command.partitions(4),
            client_version,
            verify_only: command.words[0] == "verify",
        }),
        "end" => TxnRequest::EndTxn(EndTxn {
            transactional_id,
            producer: producer(command.words[3]),
            committed: command.words[4] == "commit",
            client_version,
        }),
        "describe" => TxnRequest::Describe(transactional_id),
        "observe" => TxnRequest::Observe,
        "list" => {
            let list = |key: &str| command.options.get(key).map(|text| text.split(',').map(str::to_string).collect());
            let ids: Option<Vec<String>> = list("ids");
            let asked = ListTransactionsRequest {
                state_filters: list("states").unwrap_or_default(),
                producer_id_filters: ids.iter().flatten().map(|id| id.parse().expect("a producer id")).collect(),
                duration_filter: command.number("longer", -1),
                transactional_id_pattern: command.options.get("like").map(ToString::to_string),
            };
            TxnRequest::List(Arc::new(TransactionFilter::new(&asked).expect("a pattern").0))
        }
        other => panic!("no command {other}"),
    }
}

fn state(transaction: &Transaction) -> String {
    let Transaction { producer_id, producer_epoch, previous_producer_id, next_producer_id, .. } = transaction;
    let mut text = format!("{} {producer_id}:{producer_epoch}", transaction.state.name());
    if previous_producer_id != producer_id {
        text.push_str(&format!(" previous={previous_producer_id}"));
    }
    if *next_producer_id != -1 {
        text.push_str(&format!(" next={next_producer_id}"));
    }
    let places: Vec<String> = transaction.partitions.iter().map(ToString::to_string).collect();
    if !places.is_empty() {
        text.push_str(&format!(" [{}]", places.join(" ")));
    }
    text
}

fn show_reply(reply: &TxnReply) -> String {
    match reply {
        TxnReply::ProducerIdNeeded => "a producer id is needed".to_string(),
        TxnReply::Producer(Ok(producer)) => format!("{}:{}", producer.id, producer.epoch),
        TxnReply::Added(Ok(())) => "added".to_string(),
        TxnReply::Producer(Err(error)) | TxnReply::Added(Err(error)) | TxnReply::Verified(Err(error)) => {
            error.name().to_string()
        }
        TxnReply::Verified(Ok(results)) => {
            let results: Vec<String> = results.iter().map(|(place, code)| format!("{place}={}", code.name())).collect();
            results.join(" ")
        }
        TxnReply::Described(found) if found.error_code != 0 => {
            ErrorCode::from_code(found.error_code).map_or("?", ErrorCode::name).to_string()
        }
        TxnReply::Described(found) => {
            let topic = |topic: &ottla_protocol::describe_transactions_response::TopicData| {
                format!("{}{:?}", topic.topic, topic.partitions)
            };
            let topics: Vec<String> = found.topics.iter().map(topic).collect();
            let (id, epoch) = (found.producer_id, found.producer_epoch);
            let (timeout, start) = (found.transaction_timeout_ms, found.transaction_start_time_ms);
            format!("{} {id}:{epoch} timeout {timeout} since {start} [{}]", found.transaction_state, topics.join(" "))
        }
        TxnReply::Observed(seen) => {
            let states: Vec<String> = seen.states.iter().map(|(state, count)| format!("{state} {count}")).collect();
            let oldest = seen.oldest_open_ms.map_or("none".to_string(), |began_ms| began_ms.to_string());
            format!("[{}] oldest {oldest}", states.join(", "))
        }
        TxnReply::Listed(listed) => {
            let all: Vec<String> = listed
                .iter()
                .map(|found| format!("{} {} {}", found.transactional_id, found.producer_id, found.transaction_state))
                .collect();
            format!("[{}]", all.join(", "))
        }
    }
}
