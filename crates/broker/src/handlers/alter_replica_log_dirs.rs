//! AlterReplicaLogDirs (key 34), versions 1 and 2 (KIP-113).
//!
//! Moves partitions between the log directories of this node; the answer comes when the moves have begun. A partition that is
//! there already is left alone, and a move of it elsewhere is stopped. Errors of partitions: LOG_DIR_NOT_FOUND,
//! KAFKA_STORAGE_ERROR (a directory or the partition is offline), INVALID_TOPIC_EXCEPTION (the name is too long),
//! REPLICA_NOT_AVAILABLE (not here, or not yet: it will be created there), UNKNOWN_TOPIC_OR_PARTITION.

use super::codec::{Handled, decode, respond};
use crate::Broker;
use ottla_net::{Outcome, Request};
use ottla_protocol::generated::alter_replica_log_dirs_request::AlterReplicaLogDirsRequest;
use ottla_protocol::generated::alter_replica_log_dirs_response::{
    AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult, AlterReplicaLogDirsResponse,
};
use ottla_types::TopicPartition;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) fn handle(broker: &Arc<Broker>, request: Request) -> Handled {
    let body: AlterReplicaLogDirsRequest = decode(&request)?;
    let header = request.header;
    let broker = Arc::clone(broker);
    Ok(Outcome::Later(Box::pin(async move {
        let mut topics: BTreeMap<String, Vec<AlterReplicaLogDirPartitionResult>> = BTreeMap::new();
        for (name, path) in wanted(body) {
            let altered = broker.moves.alter(&name, &path).await;
            if let Err(error) = &altered {
                tracing::warn!(partition = %name, path, %error, "a partition is not moved to another log directory");
            }
            topics.entry(name.topic.to_string()).or_default().push(AlterReplicaLogDirPartitionResult {
                partition_index: name.partition,
                error_code: altered.err().map_or(0, |error| error.code.code()),
            });
        }
        let result = |(topic_name, partitions)| AlterReplicaLogDirTopicResult { topic_name, partitions };
        let results = topics.into_iter().map(result).collect();
        respond(&broker, &header, &AlterReplicaLogDirsResponse { results, ..AlterReplicaLogDirsResponse::default() })
    })))
}

/// The directory of each partition; the last one that names it, as in Kafka.
fn wanted(body: AlterReplicaLogDirsRequest) -> BTreeMap<TopicPartition, String> {
    let mut wanted = BTreeMap::new();
    for dir in body.dirs {
        for topic in dir.topics {
            for partition in topic.partitions {
                wanted.insert(TopicPartition::new(topic.name.as_str(), partition), dir.path.clone());
            }
        }
    }
    wanted
}
