//! Committed offsets beside the ends of their partitions, and the partitions that words on a command line name.

use ottla_client::{Admin, ClientError, Isolation, OffsetSpec, Offsets, TopicMetadata};
use ottla_types::TopicPartition;
use std::collections::{BTreeMap, BTreeSet};

/// What one `TOPIC` or `TOPIC:PARTITION,...` names.
#[derive(Debug, PartialEq, Eq)]
pub struct TopicWord {
    /// Its name.
    pub topic: String,
    /// All of them, if `None`.
    pub partitions: Option<Vec<i32>>,
}

impl TopicWord {
    /// Reads it. The messages are Kafka's.
    pub fn parse(word: &str) -> Result<TopicWord, String> {
        let Some((topic, partitions)) = word.split_once(':') else {
            return Ok(TopicWord { topic: word.to_string(), partitions: None });
        };
        if partitions.is_empty() || partitions.contains(':') {
            return Err(format!("Invalid topic arg '{word}', expected topic name and partitions"));
        }
        let number = |text: &str| {
            text.parse::<i32>().map_err(|_| format!("Invalid partition '{text}' specified in topic arg '{word}''"))
        };
        let partitions = partitions.split(',').map(number).collect::<Result<_, _>>()?;
        Ok(TopicWord { topic: topic.to_string(), partitions: Some(partitions) })
    }
}

/// The partitions that the words name; topics without partitions are looked up. An error is the first topic's own.
pub async fn named_partitions(
    admin: &Admin,
    words: &[TopicWord],
) -> Result<BTreeSet<TopicPartition>, (String, ClientError)> {
    let mut named = BTreeSet::new();
    for word in words {
        let of = |partition: i32| TopicPartition::new(word.topic.as_str(), partition);
        match &word.partitions {
            Some(partitions) => named.extend(partitions.iter().map(|partition| of(*partition))),
            None => {
                let topic = admin.describe_topic(&word.topic).await.map_err(|error| (word.topic.clone(), error))?;
                named.extend(partitions_of(&topic.metadata).map(|partition| of(partition.0)));
            }
        }
    }
    Ok(named)
}

/// Partitions of a topic, and whether each has a leader.
fn partitions_of(topic: &TopicMetadata) -> impl Iterator<Item = (i32, bool)> + '_ {
    let partitions = topic.partitions.as_deref().unwrap_or_default();
    partitions.iter().map(|partition| (partition.partition, partition.leader.is_some()))
}

/// Those of `wanted` that exist, with whether they have a leader.
pub async fn existing(
    admin: &Admin,
    wanted: &BTreeSet<TopicPartition>,
) -> Result<BTreeMap<TopicPartition, bool>, ClientError> {
    let cluster = admin.list_topics().await?;
    let has_leader = |partition: &TopicPartition| {
        let topic = cluster.topics.get(&*partition.topic)?;
        partitions_of(topic).find(|(index, _)| *index == partition.partition).map(|(_, has_leader)| has_leader)
    };
    Ok(wanted.iter().filter_map(|partition| Some((partition.clone(), has_leader(partition)?))).collect())
}

/// One offset of each of `wanted` that has a leader.
pub async fn listed(
    admin: &Admin,
    wanted: &BTreeSet<TopicPartition>,
    spec: OffsetSpec,
) -> Result<BTreeMap<TopicPartition, i64>, ClientError> {
    let existing = existing(admin, wanted).await?;
    let asked = existing.into_iter().filter(|(_, has_leader)| *has_leader).map(|(partition, _)| (partition, spec));
    let found = admin.list_offsets(&asked.collect(), Isolation::ReadUncommitted).await?;
    Ok(found.into_iter().map(|(partition, listed)| (partition, listed.offset)).collect())
}

/// A committed offset beside the end of its partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The committed offset, if there is one.
    pub committed: Option<i64>,
    /// The leader epoch of the record before it, if it was committed too.
    pub leader_epoch: Option<i32>,
    /// The end of the partition; nothing without a leader.
    pub log_end: Option<i64>,
}

impl Position {
    /// Records that are still to be read.
    pub fn lag(&self) -> Option<i64> {
        Some(self.log_end? - self.committed?)
    }
}

/// Where a group stands in each of `wanted`.
pub async fn positions(
    admin: &Admin,
    committed: &Offsets,
    wanted: &BTreeSet<TopicPartition>,
) -> Result<BTreeMap<TopicPartition, Position>, ClientError> {
    let ends = listed(admin, wanted, OffsetSpec::Latest).await?;
    let position = |partition: &TopicPartition| {
        let offset = committed.get(partition);
        Position {
            committed: offset.map(|offset| offset.offset),
            leader_epoch: offset.map(|offset| offset.leader_epoch).filter(|epoch| *epoch >= 0),
            log_end: ends.get(partition).copied(),
        }
    };
    Ok(wanted.iter().map(|partition| (partition.clone(), position(partition))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_named_with_or_without_partitions() {
        let word = |text| TopicWord::parse(text);
        assert_eq!(word("a").unwrap(), TopicWord { topic: "a".to_string(), partitions: None });
        assert_eq!(word("a:0,2").unwrap().partitions, Some(vec![0, 2]));
        assert_eq!(word("a:x").unwrap_err(), "Invalid partition 'x' specified in topic arg 'a:x''");
        assert_eq!(word("a:1:2").unwrap_err(), "Invalid topic arg 'a:1:2', expected topic name and partitions");
        assert!(word("a:").is_err());
    }

    #[test]
    fn lag_needs_both_ends() {
        let position = |committed, log_end| Position { committed, leader_epoch: None, log_end };
        assert_eq!(position(Some(3), Some(10)).lag(), Some(7));
        assert_eq!(position(None, Some(10)).lag(), None);
        assert_eq!(position(Some(3), None).lag(), None);
    }
}
