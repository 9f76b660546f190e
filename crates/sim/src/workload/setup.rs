//! The topics that are there from the beginning to the end.

use super::{Actor, compacting, sharing, streaming, transacting};
use crate::Load;
use crate::oracle::Check;
use ottla_client::{Admin, ClientError, NewTopic};
use ottla_types::ErrorCode;

/// Name, partitions and configs of a topic.
type TopicRow = (&'static str, i32, &'static [(&'static str, &'static str)]);

/// Name, partitions, configs besides [`COMMON`].
const TOPICS: &[TopicRow] = &[
    ("durable", 3, &[("retention.ms", "-1")]),
    ("cached", 2, &[("retention.ms", "-1"), ("write.caching", "true")]),
    ("sized", 1, &[("retention.ms", "-1"), ("retention.bytes", "12000"), ("internal.segment.bytes", "2500")]),
    ("timed", 1, &[("retention.ms", "4000"), ("internal.segment.bytes", "2500")]),
    ("toggled", 1, &[("retention.ms", "-1"), ("write.caching", "false")]),
];

/// The same under the load of groups.
const GROUP_TOPICS: &[TopicRow] = &[(GROUPED, GROUPED_PARTITIONS, &[("retention.ms", "-1")])];

/// The same under the load of transactions.
const TRANSACTION_TOPICS: &[TopicRow] = &[(SOURCE, SOURCE_PARTITIONS, &[("retention.ms", "-1")])];

/// The same under the load of share groups.
const SHARE_TOPICS: &[TopicRow] = &[(SHARED, SHARED_PARTITIONS, &[("retention.ms", "-1")])];

/// The same under the load of streams groups.
const STREAMS_TOPICS: &[TopicRow] = &[(STREAMED, STREAMED_PARTITIONS, &[("retention.ms", "-1")])];

/// The topic that transactions consume, and its partitions.
pub(crate) const SOURCE: &str = "source";
pub(crate) const SOURCE_PARTITIONS: i32 = 2;

/// The topic that groups read, and its partitions.
pub(crate) const GROUPED: &str = "grouped";
pub(crate) const GROUPED_PARTITIONS: i32 = 4;

/// The topic that the share group reads, and its partitions.
pub(crate) const SHARED: &str = "shared";
pub(crate) const SHARED_PARTITIONS: i32 = 2;

/// The topic that the streams group reads, and its partitions.
pub(crate) const STREAMED: &str = "streamed";
pub(crate) const STREAMED_PARTITIONS: i32 = 4;

/// Segments of a few batches.
const COMMON: &[(&str, &str)] =
    &[("internal.segment.bytes", "5000"), ("index.interval.bytes", "300"), ("file.delete.delay.ms", "100")];

/// Creates the topics, one after the other.
pub(super) async fn run(actor: Actor) -> Check {
    let topics = match actor.load {
        Load::Logs => TOPICS,
        Load::Groups => GROUP_TOPICS,
        Load::Transactions => TRANSACTION_TOPICS,
        Load::Shares => SHARE_TOPICS,
        Load::Streams => STREAMS_TOPICS,
    };
    for (name, partitions, configs) in topics {
        let mut all: Vec<(String, String)> = Vec::new();
        for (config, value) in COMMON.iter().chain(*configs) {
            all.retain(|(known, _)| known != config);
            all.push(((*config).to_string(), (*value).to_string()));
        }
        actor.oracle.creating(name, *partitions, &all, true);
        if !create(&actor, name, *partitions, &all).await? {
            return Ok(());
        }
        actor.pause(100).await;
    }
    match actor.load {
        Load::Logs => Ok(()),
        Load::Groups => compacting::set_up(&actor).await,
        Load::Transactions => transacting::set_up(&actor).await,
        Load::Shares => sharing::set_up(&actor).await,
        Load::Streams => streaming::set_up(&actor).await,
    }
}

/// Creates a topic, again and again until it exists; `false` when the run is over before.
pub(super) async fn create(actor: &Actor, name: &str, partitions: i32, configs: &[(String, String)]) -> Check<bool> {
    if !try_create(actor, name, partitions, configs).await? {
        return Ok(false);
    }
    actor.oracle.tell(actor.now(), format!("{name} is created"));
    actor.oracle.created(name);
    // An earlier topic of this name had another id.
    actor.client.forget_topic(name);
    Ok(true)
}

/// The same without a word to the oracle.
pub(super) async fn try_create(
    actor: &Actor,
    name: &str,
    partitions: i32,
    configs: &[(String, String)],
) -> Check<bool> {
    let topic = NewTopic {
        name: name.to_string(),
        partitions: Some(partitions),
        replication_factor: Some(1),
        configs: configs.to_vec(),
        ..NewTopic::default()
    };
    let mut is_first_try = true;
    loop {
        match Admin::cautious(&actor.client).create_topic(&topic, false).await {
            Ok(_) => break,
            // Our own earlier try.
            Err(ClientError::Broker { code: ErrorCode::TopicAlreadyExists, .. }) if !is_first_try => break,
            Err(error) => actor.expect(&format!("CreateTopics {name}"), &error, &[])?,
        }
        is_first_try = false;
        if !actor.pause(200).await {
            return Ok(false);
        }
    }
    Ok(true)
}
