//! `kafka-topics --describe`: tab-separated lines that scripts parse.

use super::Topics;
use ottla_client::{Admin, ConfigSource, PartitionMetadata, TopicDescription};
use ottla_terminal::failure::Failure;
use ottla_terminal::output::write_out;
use ottla_types::Uuid;
use std::collections::BTreeSet;
use std::fmt::Write;

/// Which partitions are shown.
struct Report<'a> {
    options: &'a Topics,
    live_brokers: BTreeSet<i32>,
}

impl Topics {
    pub(super) async fn describe(&self, admin: &Admin) -> Result<(), Failure> {
        let wanted = self.topic_id.as_deref().map(str::parse::<Uuid>).transpose();
        let wanted = wanted.map_err(|_| {
            Failure::new(format!("Input string `{}` is no topic id", self.topic_id.as_deref().unwrap_or("")))
        })?;
        let wanted = wanted.filter(|id| *id != Uuid::ZERO);
        let topics = match wanted {
            Some(id) => self.topic_with_id(admin, id).await?,
            None => self.existing(admin).await?,
        };
        let live_brokers = admin.list_topics().await?.brokers.into_keys().collect();
        let report = Report { options: self, live_brokers };
        let mut text = String::new();
        for topic in topics {
            let described = admin.describe_topic(&topic).await?;
            report.describe(&described, &mut text);
        }
        write_out(&text)
    }

    async fn topic_with_id(&self, admin: &Admin, id: Uuid) -> Result<Vec<String>, Failure> {
        let cluster = admin.list_topics().await?;
        let found =
            cluster.topics.values().find(|topic| topic.topic_id == id && !(self.exclude_internal && topic.is_internal));
        match found {
            Some(topic) => Ok(vec![topic.name.clone()]),
            None if self.if_exists => Ok(Vec::new()),
            None => Err(Failure::new(format!("TopicId '{id}' does not exist as expected"))),
        }
    }
}

impl Report<'_> {
    fn describe(&self, topic: &TopicDescription, text: &mut String) {
        let options = self.options;
        let partitions = topic.metadata.partitions.as_deref().unwrap_or_default();
        let some_partitions = options.under_replicated_partitions
            || options.unavailable_partitions
            || options.under_min_isr_partitions
            || options.at_min_isr_partitions;
        let set: Vec<String> = topic
            .configs
            .iter()
            .filter(|config| config.source != ConfigSource::Default)
            .map(|config| format!("{}={}", config.name, config.value.as_deref().unwrap_or("null")))
            .collect();
        if !some_partitions && (!options.topics_with_overrides || !set.is_empty()) {
            let id = topic.metadata.topic_id;
            let id = if id == Uuid::ZERO { String::new() } else { format!("\tTopicId: {id}") };
            let replicas = partitions.first().map_or(0, |partition| partition.replicas.len());
            let (name, count, configs) = (&topic.metadata.name, partitions.len(), set.join(","));
            let _ = writeln!(
                text,
                "Topic: {name}{id}\tPartitionCount: {count}\tReplicationFactor: {replicas}\tConfigs: {configs}"
            );
        }
        if options.topics_with_overrides {
            return;
        }
        let min_isr = topic.configs.iter().find(|config| config.name == "min.insync.replicas");
        let min_isr = min_isr.and_then(|config| config.value.as_deref()?.parse().ok()).unwrap_or(1);
        for partition in partitions {
            if !some_partitions || self.is_reported(partition, min_isr) {
                line(&topic.metadata.name, partition, text);
            }
        }
    }

    fn is_reported(&self, partition: &PartitionMetadata, min_isr: usize) -> bool {
        let options = self.options;
        let leader = partition.leader;
        (options.under_replicated_partitions && partition.isr.len() < partition.replicas.len())
            || (options.unavailable_partitions && leader.is_none_or(|leader| !self.live_brokers.contains(&leader)))
            || (options.under_min_isr_partitions && (leader.is_none() || partition.isr.len() < min_isr))
            || (options.at_min_isr_partitions && partition.isr.len() == min_isr)
    }
}

/// One partition. Eligible leader replicas (KIP-966) are told by brokers that keep them.
fn line(topic: &str, partition: &PartitionMetadata, text: &mut String) {
    let ids = |nodes: &[i32]| nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let told = |nodes: &Option<Vec<i32>>| nodes.as_deref().map_or("N/A".to_string(), ids);
    let leader = partition.leader.map_or("none".to_string(), |leader| leader.to_string());
    let _ = writeln!(
        text,
        "\tTopic: {topic}\tPartition: {}\tLeader: {leader}\tReplicas: {}\tIsr: {}\tElr: {}\tLastKnownElr: {}",
        partition.partition,
        ids(&partition.replicas),
        ids(&partition.isr),
        told(&partition.eligible_leader_replicas),
        told(&partition.last_known_elr),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use ottla_client::{ConfigEntry, TopicMetadata};

    fn described(line: &str) -> String {
        let partition = |partition, leader, isr: &[i32]| PartitionMetadata {
            partition,
            leader,
            leader_epoch: 0,
            replicas: vec![1, 2],
            isr: isr.to_vec(),
            eligible_leader_replicas: Some(if leader.is_none() { vec![1] } else { vec![] }),
            last_known_elr: Some(vec![]),
            ..PartitionMetadata::default()
        };
        let config = |name: &str, source| ConfigEntry {
            name: name.to_string(),
            value: Some("2".to_string()),
            source,
            ..ConfigEntry::default()
        };
        let partitions = Ok(vec![partition(0, Some(1), &[1, 2]), partition(1, None, &[2])]);
        let metadata = TopicMetadata { name: "t".to_string(), topic_id: Uuid::ZERO, is_internal: false, partitions };
        let configs =
            vec![config("min.insync.replicas", ConfigSource::Topic), config("segment.ms", ConfigSource::Default)];
        let options = Topics::try_parse_from(["kafka-topics", "--describe"].into_iter().chain(line.split_whitespace()));
        let report = Report { options: &options.unwrap(), live_brokers: [1, 2].into() };
        let mut text = String::new();
        report.describe(&TopicDescription { metadata, configs }, &mut text);
        text
    }

    #[test]
    fn partitions_are_shown_as_kafka_shows_them() {
        let first = "\tTopic: t\tPartition: 0\tLeader: 1\tReplicas: 1,2\tIsr: 1,2\tElr: \tLastKnownElr: \n";
        let second = "\tTopic: t\tPartition: 1\tLeader: none\tReplicas: 1,2\tIsr: 2\tElr: 1\tLastKnownElr: \n";
        let head = "Topic: t\tPartitionCount: 2\tReplicationFactor: 2\tConfigs: min.insync.replicas=2\n";
        assert_eq!(described(""), format!("{head}{first}{second}"));
        assert_eq!(described("--topics-with-overrides"), head);
        assert_eq!(described("--under-replicated-partitions"), second);
        assert_eq!(described("--unavailable-partitions"), second);
        assert_eq!(described("--at-min-isr-partitions"), first);
    }
}
