//! `__consumer_offsets`, `__transaction_state` and `__share_group_state`: created when what they keep is first looked for.

use ottla_config::{BrokerConfig, ConfigValue};
use ottla_metadata::{ControllerChannel, MetadataImage, topic_name};
use ottla_protocol::generated::create_topics_request::{CreatableTopic, CreatableTopicConfig, CreateTopicsRequest};
use ottla_runtime::Runtime;
use ottla_types::ErrorCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Replicas where nothing is configured and there are enough brokers.
const REPLICATION_FACTOR_DEFAULT: usize = 3;
/// How long one creation may take; whoever looks for a group then asks again.
const CREATION_PATIENCE: Duration = Duration::from_secs(10);

/// Creates the topic, once at a time, for all who wait for it. Cheap to clone.
#[derive(Clone)]
pub(crate) struct InternalTopic {
    inner: Arc<Inner>,
}

struct Inner {
    runtime: Runtime,
    name: &'static str,
    controller: Arc<dyn ControllerChannel>,
    is_creating: AtomicBool,
    ended: Notify,
    /// Why the last creation failed.
    failure: Mutex<Option<String>>,
}

impl InternalTopic {
    /// The topic of committed offsets.
    pub(crate) fn offsets(runtime: &Runtime, controller: Arc<dyn ControllerChannel>) -> InternalTopic {
        InternalTopic::new(topic_name::GROUP_METADATA, runtime, controller)
    }

    /// The topic of states of share partitions.
    pub(crate) fn share_state(runtime: &Runtime, controller: Arc<dyn ControllerChannel>) -> InternalTopic {
        InternalTopic::new(topic_name::SHARE_GROUP_STATE, runtime, controller)
    }

    /// The topic of transactions.
    pub(crate) fn transaction_state(runtime: &Runtime, controller: Arc<dyn ControllerChannel>) -> InternalTopic {
        InternalTopic::new(topic_name::TRANSACTION_STATE, runtime, controller)
    }

    fn new(name: &'static str, runtime: &Runtime, controller: Arc<dyn ControllerChannel>) -> InternalTopic {
        let inner = Inner {
            runtime: runtime.clone(),
            name,
            controller,
            is_creating: AtomicBool::new(false),
            ended: Notify::new(),
            failure: Mutex::default(),
        };
        InternalTopic { inner: Arc::new(inner) }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.inner.name
    }

    /// Asks the controller for the topic; resolves when that has ended, with the reason if it failed. The creation goes on
    /// when nobody waits any more.
    pub(crate) fn create(
        &self,
        image: &MetadataImage,
        config: &BrokerConfig,
    ) -> impl Future<Output = Result<(), String>> + Send + use<> + 'static {
        let inner = Arc::clone(&self.inner);
        if !inner.is_creating.swap(true, Ordering::AcqRel) {
            let under_way = inner.controller.submit(creation(inner.name, image, config).into());
            let topic = Arc::clone(&inner);
            inner.runtime.spawn("broker.create-internal-topic", async move {
                let outcome = match topic.runtime.timeout(CREATION_PATIENCE, under_way).await {
                    Ok(Ok(response)) => outcome(response.into_create_topics()),
                    Ok(Err(error)) => Err(error.to_string()),
                    Err(_) => Err("the controller did not answer in time".to_string()),
                };
                if let Err(error) = &outcome {
                    tracing::error!(
                        topic = topic.name,
                        error,
                        "the topic cannot be created; groups or transactions do not work without it"
                    );
                }
                *topic.failure.lock().unwrap_or_else(PoisonError::into_inner) = outcome.err();
                topic.is_creating.store(false, Ordering::Release);
                topic.ended.notify_waiters();
            });
        }
        async move {
            loop {
                let ended = inner.ended.notified();
                if !inner.is_creating.load(Ordering::Acquire) {
                    let failure = inner.failure.lock().unwrap_or_else(PoisonError::into_inner).clone();
                    return failure.map_or(Ok(()), Err);
                }
                ended.await;
            }
        }
    }
}

/// As Kafka creates them: compacted, except states of share partitions, whose coordinator deletes what it no longer needs.
fn creation(name: &str, image: &MetadataImage, config: &BrokerConfig) -> CreateTopicsRequest {
    let config_of = |name: &str, value: String| CreatableTopicConfig { name: name.to_string(), value: Some(value) };
    let (prefix, compression, cleanup) = match name {
        topic_name::GROUP_METADATA => ("offsets.topic", "producer", "compact"),
        topic_name::SHARE_GROUP_STATE => ("share.coordinator.state.topic", "producer", "delete"),
        _ => ("transaction.state.log", "uncompressed", "compact"),
    };
    let partitions = config.long(&format!("{prefix}.num.partitions"));
    let replication_factor = replication_factor(&format!("{prefix}.replication.factor"), image, config);
    let mut configs = vec![
        config_of("compression.type", compression.to_string()),
        config_of("cleanup.policy", cleanup.to_string()),
        config_of("segment.bytes", config.long(&format!("{prefix}.segment.bytes")).to_string()),
    ];
    if name != topic_name::GROUP_METADATA {
        // Never more than there are replicas, or nothing could be written.
        let min_isr = match config.get(&format!("{prefix}.min.isr")) {
            Some(ConfigValue::Int(min_isr)) => (*min_isr).clamp(1, i32::from(replication_factor)),
            Some(ConfigValue::Short(min_isr)) => i32::from((*min_isr).clamp(1, replication_factor)),
            _ => 1.max(i32::from(replication_factor) - 1),
        };
        configs.push(config_of("min.insync.replicas", min_isr.to_string()));
        let (last, value) = match name {
            topic_name::SHARE_GROUP_STATE => ("retention.ms", "-1"),
            _ => ("unclean.leader.election.enable", "false"),
        };
        configs.push(config_of(last, value.to_string()));
    }
    let topic = CreatableTopic {
        name: name.to_string(),
        num_partitions: i32::try_from(partitions).unwrap_or(1),
        replication_factor,
        configs,
        ..CreatableTopic::default()
    };
    let timeout_ms = i32::try_from(CREATION_PATIENCE.as_millis()).unwrap_or(i32::MAX);
    CreateTopicsRequest { topics: vec![topic], timeout_ms, validate_only: false }
}

/// Never more than there are brokers, so that a small cluster works.
fn replication_factor(config_name: &str, image: &MetadataImage, config: &BrokerConfig) -> i16 {
    let brokers = image.broker_count().max(1);
    let wanted = match config.get(config_name) {
        Some(ConfigValue::Short(factor)) => usize::try_from(*factor).unwrap_or(1),
        _ => REPLICATION_FACTOR_DEFAULT,
    };
    i16::try_from(wanted.min(brokers)).unwrap_or(1)
}

fn outcome(response: ottla_protocol::CreateTopicsResponse) -> Result<(), String> {
    let Some(result) = response.topics.first() else { return Err("the controller answered nothing".to_string()) };
    match ErrorCode::from_code(result.error_code) {
        Some(ErrorCode::None | ErrorCode::TopicAlreadyExists) => Ok(()),
        code => {
            let name = code.unwrap_or(ErrorCode::UnknownServerError).name();
            Err(format!("{name}: {}", result.error_message.as_deref().unwrap_or("no reason given")))
        }
    }
}
