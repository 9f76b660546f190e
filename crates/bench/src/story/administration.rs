//! Administration beside the basics: lists of configs, topics in pages and by id, many partitions at once, fencing, members.

use crate::groups::EAGER;
use crate::stage::{Outcome, PATIENCE, Stage, equal, poll_until};
use ottla_client::{
    ClientError, ConfigChange, ConfigResource, Consumer, ConsumerOptions, Isolation, MembersToRemove, NewPartitions,
    OffsetSpec, Producer, ProducerOptions, ProducerRecord,
};
use ottla_types::{ErrorCode, TopicPartition, Uuid};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// An id that no broker has.
const NOBODY: i32 = 77;

fn code<T>(result: Result<T, ClientError>) -> Option<ErrorCode> {
    result.err().and_then(|error| error.code())
}

pub(crate) async fn lists(stage: &Stage) -> Outcome {
    let resource = ConfigResource::Topic(stage.topic(1).await?);
    let steps = [
        (ConfigChange::append("cleanup.policy", "compact"), "delete,compact"),
        (ConfigChange::append("cleanup.policy", "compact"), "delete,compact"),
        (ConfigChange::subtract("cleanup.policy", "delete"), "compact"),
    ];
    for (change, expected) in steps {
        stage.admin.alter_configs(&resource, std::slice::from_ref(&change), false).await?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let configs = stage.admin.describe_configs(&resource).await?;
            let found = configs.into_iter().find(|entry| entry.name == "cleanup.policy").and_then(|entry| entry.value);
            if found.as_deref() == Some(expected) {
                break;
            }
            if Instant::now() > deadline {
                return Err(format!("after {change:?} it is {found:?}").into());
            }
        }
    }
    let refused = stage.admin.alter_configs(&resource, &[ConfigChange::append("retention.ms", "5")], false).await;
    equal("appended to what is no list", code(refused), Some(ErrorCode::InvalidConfig))
}

pub(crate) async fn topics(stage: &Stage) -> Outcome {
    // More than a page of either broker.
    let (large, small, missing) = (stage.topic(2100).await?, stage.topic(1).await?, stage.fresh("topic"));
    let described = stage.admin.describe_topics(&[&small, &missing, &large]).await?;
    let large_partitions = described[&large].partitions.clone()?;
    equal("the large one", large_partitions.iter().map(|row| row.partition).eq(0..2100), true)?;
    equal("the small one", described[&small].partitions.clone()?.len(), 1)?;
    let unknown = described[&missing].partitions.clone();
    equal("the missing one", code(unknown), Some(ErrorCode::UnknownTopicOrPartition))?;
    stage.admin.delete_topic(&large).await?;

    let topic_id = described[&small].topic_id;
    equal("by id", stage.admin.describe_topic_by_id(topic_id).await?.name, small)?;
    stage.admin.delete_topic_by_id(topic_id).await?;
    equal("deleted twice", code(stage.admin.delete_topic_by_id(topic_id).await), Some(ErrorCode::UnknownTopicId))?;
    let nobody = stage.admin.describe_topic_by_id(Uuid([7; 16])).await;
    equal("an id that nothing has", code(nobody), Some(ErrorCode::UnknownTopicId))
}

pub(crate) async fn batches(stage: &Stage) -> Outcome {
    let name = stage.topic(20).await?;
    stage.send(&name, &["one", "two"]).await?;
    let all: BTreeSet<TopicPartition> = (0..20).map(|index| TopicPartition::new(name.as_str(), index)).collect();
    let mut wanted: BTreeMap<TopicPartition, OffsetSpec> =
        all.iter().map(|partition| (partition.clone(), OffsetSpec::Latest)).collect();
    let first = TopicPartition::new(name.as_str(), 0);
    let listed = stage.admin.list_offsets(&wanted, Isolation::ReadUncommitted).await?;
    equal("how many", listed.len(), 20)?;
    equal("records", (listed[&first].offset, listed.values().map(|found| found.offset).sum::<i64>()), (2, 2))?;
    wanted.insert(first.clone(), OffsetSpec::EarliestLocal);
    wanted.insert(TopicPartition::new(name.as_str(), 1), OffsetSpec::MaxTimestamp);
    let unknown = TopicPartition::new(name.as_str(), 99);
    wanted.insert(unknown.clone(), OffsetSpec::Latest);
    let mut listed = stage.admin.list_offsets_each(&wanted, Isolation::ReadUncommitted).await;
    let missing = listed.remove(&unknown).ok_or("nothing is told")?;
    equal("no such partition", code(missing), Some(ErrorCode::UnknownTopicOrPartition))?;
    for (partition, found) in listed {
        let expected = if partition.partition == 1 { -1 } else { 0 };
        equal(&partition.to_string(), found?.offset, expected)?;
    }

    let mut producers = stage.admin.describe_producers(&all, None).await;
    let of_first = producers.remove(&first).ok_or("nothing is told")??;
    equal("its producer", of_first.iter().map(|producer| producer.last_sequence).collect::<Vec<_>>(), vec![1])?;
    for (partition, others) in producers {
        equal(&partition.to_string(), others?.len(), 0)?;
    }
    let node = *stage.admin.describe_cluster().await?.brokers.keys().next().ok_or("no broker")?;
    let of_broker = stage.admin.describe_producers(&[first.clone(), unknown.clone()].into(), Some(node)).await;
    equal("of the broker", of_broker[&first].as_ref().map(Vec::len).ok(), Some(1))?;
    let missing = of_broker[&unknown].clone();
    equal("no such partition", code(missing), Some(ErrorCode::UnknownTopicOrPartition))
}

pub(crate) async fn placement(stage: &Stage) -> Outcome {
    let name = stage.topic(1).await?;
    let node = *stage.admin.describe_cluster().await?.brokers.keys().next().ok_or("no broker")?;
    let refused = [
        (NewPartitions::increase_to(1), ErrorCode::InvalidPartitions),
        (NewPartitions::increase_to(2).on(vec![vec![NOBODY]]), ErrorCode::InvalidReplicaAssignment),
        (NewPartitions::increase_to(3).on(vec![vec![node]]), ErrorCode::InvalidReplicaAssignment),
    ];
    for (wanted, expected) in refused {
        let found = stage.admin.create_partitions(&name, &wanted, true).await;
        equal(&format!("{wanted:?}"), code(found), Some(expected))?;
    }
    let wanted = NewPartitions::increase_to(3).on(vec![vec![node], vec![node]]);
    stage.admin.create_partitions(&name, &wanted, true).await?;
    stage.admin.create_partitions(&name, &wanted, false).await?;
    let deadline = Instant::now() + PATIENCE;
    while stage.admin.describe_topics(&[&name]).await?[&name].partitions.clone()?.len() < 3 {
        equal("there in time", Instant::now() < deadline, true)?;
    }
    Ok(())
}

pub(crate) async fn fencing(stage: &Stage) -> Outcome {
    let topic = stage.topic(1).await?;
    let ids = [stage.fresh("txn"), stage.fresh("txn")];
    let mut producers = Vec::new();
    for id in &ids {
        let options = ProducerOptions { transactional_id: Some(id.clone()), ..ProducerOptions::default() };
        let producer = Producer::new(&stage.client, options)?;
        producer.init_transactions().await?;
        producer.begin_transaction()?;
        producer.send_and_wait(ProducerRecord::new(topic.as_str(), id.clone()).partition(0)).await?;
        producers.push(producer);
    }
    let fenced = stage.admin.fence_producers(&[&ids[0], &ids[1]]).await;
    for (id, producer) in ids.iter().zip(producers) {
        let (taken, had) = (fenced[id].clone()?, producer.identity().ok_or("no identity")?);
        equal("the id is taken over", taken != had, true)?;
        equal("who is fenced", producer.commit_transaction().await.err().map(|error| error.is_fenced()), Some(true))?;
    }
    equal("nothing is committed", stage.read(&topic, Isolation::ReadCommitted).await?, Vec::new())
}

pub(crate) async fn members(stage: &Stage) -> Outcome {
    let (topic, group) = (stage.topic(3).await?, stage.fresh("group"));
    let options = |instance: Option<&str>| ConsumerOptions {
        group_instance_id: instance.map(ToString::to_string),
        ..stage.member(&group, &EAGER.protocol())
    };
    let mut consumers = Vec::new();
    for instance in [Some("one"), Some("two"), None] {
        let mut consumer = Consumer::new(&stage.client, options(instance))?;
        consumer.subscribe(&[topic.as_str()])?;
        consumers.push(consumer);
    }
    poll_until(&mut consumers, |found, _| crate::stage::is_shared(found, &topic, 3)).await?;
    // Without a word, so that the group waits for them.
    drop(consumers);
    let gone = MembersToRemove::Static(&["one", "nobody"]);
    let removed = stage.admin.remove_group_members(&group, gone, Some("it is broken")).await?;
    let outcomes: BTreeMap<_, _> =
        removed.into_iter().map(|member| (member.group_instance_id, code(member.result))).collect();
    let expected = [(Some("one".to_string()), None), (Some("nobody".to_string()), Some(ErrorCode::UnknownMemberId))];
    equal("of two", outcomes, expected.into())?;
    let removed = stage.admin.remove_group_members(&group, MembersToRemove::All, None).await?;
    equal("they are gone", removed.iter().all(|member| member.result.is_ok()), true)?;
    let instances: BTreeSet<_> = removed.into_iter().map(|member| member.group_instance_id).collect();
    equal("who was there", instances, [Some("two".to_string()), None].into())?;
    equal("nobody is left", stage.admin.remove_group_members(&group, MembersToRemove::All, None).await?.len(), 0)
}
