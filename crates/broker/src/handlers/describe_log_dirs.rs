//! DescribeLogDirs (key 35), versions 1 to 5.
//!
//! v3 top-level error (KIP-784), v4 total and usable bytes (KIP-827), v5 cordoned (KIP-1066). The log directories of this
//! node with their partitions and sizes; a directory that failed answers KAFKA_STORAGE_ERROR. A partition that is on its way
//! to another directory (AlterReplicaLogDirs) is listed there, too, as a future one.

use super::codec::{Handled, decode, respond};
use crate::Broker;
use ottla_net::{Outcome, Request};
use ottla_protocol::generated::describe_log_dirs_request::DescribeLogDirsRequest;
use ottla_protocol::generated::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResponse, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use ottla_storage::{LogDir, LogDirState};
use ottla_types::{ErrorCode, Uuid};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Partitions of one log directory, by topic.
type Usage = BTreeMap<Arc<str>, Vec<DescribeLogDirsPartition>>;

pub(super) fn handle(broker: &Arc<Broker>, request: Request) -> Handled {
    let body: DescribeLogDirsRequest = decode(&request)?;
    let header = request.header;
    let broker = Arc::clone(broker);
    Ok(Outcome::Later(Box::pin(async move {
        let mut usage = usage(&broker, &body);
        let mut results = Vec::new();
        for dir in broker.log_dirs().dirs() {
            results.push(describe(dir, usage.remove(&dir.id()).unwrap_or_default()).await);
        }
        results.extend(failed(&broker));
        respond(&broker, &header, &DescribeLogDirsResponse { results, ..DescribeLogDirsResponse::default() })
    })))
}

fn usage(broker: &Broker, body: &DescribeLogDirsRequest) -> BTreeMap<Uuid, Usage> {
    let asked: Option<BTreeSet<(&str, i32)>> = body.topics.as_ref().map(|topics| {
        topics.iter().flat_map(|topic| topic.partitions.iter().map(|&index| (topic.topic.as_str(), index))).collect()
    });
    let mut usage: BTreeMap<Uuid, Usage> = BTreeMap::new();
    for partition in broker.partitions.all() {
        let is_asked = asked.as_ref().is_none_or(|asked| asked.contains(&(&*partition.topic, partition.index)));
        let Some(log) = partition.usage().filter(|_| is_asked) else { continue };
        let mut add = |dir: Uuid, bytes: u64, offset_lag: i64, is_future_key: bool| {
            let topics = usage.entry(dir).or_default();
            topics.entry(Arc::clone(&partition.topic)).or_default().push(DescribeLogDirsPartition {
                partition_index: partition.index,
                partition_size: i64::try_from(bytes).unwrap_or(i64::MAX),
                offset_lag,
                is_future_key,
            });
        };
        add(log.dir, log.bytes, 0, false);
        if let Some(future) = partition.future() {
            add(future.dir, future.bytes, future.offset_lag, true);
        }
    }
    usage
}

async fn describe(dir: &LogDir, usage: Usage) -> DescribeLogDirsResult {
    let space = dir.space().await.ok();
    let is_failed = matches!(dir.state(), LogDirState::Offline { .. }) || space.is_none();
    let bytes = |bytes: Option<u64>| bytes.map_or(-1, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
    DescribeLogDirsResult {
        error_code: if is_failed { ErrorCode::KafkaStorageError.code() } else { 0 },
        log_dir: dir.path().display().to_string(),
        topics: usage.into_iter().map(|(name, partitions)| topic(&name, partitions)).collect(),
        total_bytes: bytes(space.as_ref().map(|space| space.total)),
        usable_bytes: bytes(space.as_ref().map(|space| space.available)),
        is_cordoned: false,
    }
}

fn topic(name: &str, partitions: Vec<DescribeLogDirsPartition>) -> DescribeLogDirsTopic {
    DescribeLogDirsTopic { name: name.to_string(), partitions }
}

/// Configured directories that could not be opened at the start.
fn failed(broker: &Broker) -> Vec<DescribeLogDirsResult> {
    let opened: BTreeSet<String> =
        broker.log_dirs().dirs().iter().map(|dir| dir.path().display().to_string()).collect();
    let configured = broker.static_config().storage.log_dirs.iter();
    let missing = configured.filter(|dir| !opened.contains(*dir));
    let result = |log_dir: &String| DescribeLogDirsResult {
        error_code: ErrorCode::KafkaStorageError.code(),
        log_dir: log_dir.clone(),
        total_bytes: -1,
        usable_bytes: -1,
        ..DescribeLogDirsResult::default()
    };
    missing.map(result).collect()
}
