//! What every shard is told: the cluster's topics, and the configs of groups.

use ottla_config::{BrokerConfig, ConfigMap};
use ottla_group::{DeletedTopic, GroupConfig, GroupTopics, TopicInfo};
use ottla_metadata::topic_name::GROUP_METADATA;
use ottla_metadata::{ConfigResource, MetadataImage, ResourceType, Topic};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The newest of it. Clones of what is inside are cheap.
pub(super) struct Told {
    state: Mutex<State>,
}

struct State {
    image: Arc<MetadataImage>,
    topics: GroupTopics,
    config: Arc<GroupConfig>,
}

/// What has changed with an image.
#[derive(Debug, Clone, Default)]
pub(super) struct News {
    pub(super) topics: Option<GroupTopics>,
    pub(super) deleted: Vec<DeletedTopic>,
    pub(super) config: Option<Arc<GroupConfig>>,
}

impl Told {
    pub(super) fn new(image: &Arc<MetadataImage>, config: &BrokerConfig) -> Told {
        let mut topics = GroupTopics::default();
        image.topics().for_each(|topic| topics.put(info(image, topic)));
        let config = Arc::new(group_config(image, config));
        Told { state: Mutex::new(State { image: Arc::clone(image), topics, config }) }
    }

    pub(super) fn topics(&self) -> GroupTopics {
        self.lock().topics.clone()
    }

    pub(super) fn config(&self) -> Arc<GroupConfig> {
        Arc::clone(&self.lock().config)
    }

    /// Takes a new image; `config` is that of the broker as it stands now.
    pub(super) fn update(&self, image: &Arc<MetadataImage>, config: &BrokerConfig) -> News {
        let mut guard = self.lock();
        let state = &mut *guard;
        let before = std::mem::replace(&mut state.image, Arc::clone(image));
        let mut news = News::default();
        let mut has_changed = false;
        for topic in before.topics().filter(|topic| image.topic_by_id(topic.id).is_none()) {
            if state.topics.by_id(topic.id).is_some() {
                state.topics.remove(&topic.name);
            }
            news.deleted.push(DeletedTopic { name: Arc::clone(&topic.name), id: topic.id });
            has_changed = true;
        }
        let has_other_racks = racks(&before) != racks(image);
        for topic in image.topics() {
            let is_as_before = before.topic_by_id(topic.id).is_some_and(|old| Arc::ptr_eq(old, topic));
            if is_as_before && !has_other_racks {
                continue;
            }
            let info = info(image, topic);
            if state.topics.by_id(topic.id).is_none_or(|known| **known != info) {
                state.topics.put(info);
                has_changed = true;
            }
        }
        news.topics = has_changed.then(|| state.topics.clone());
        let config = group_config(image, config);
        if *state.config != config {
            state.config = Arc::new(config);
            news.config = Some(Arc::clone(&state.config));
        }
        news
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn racks(image: &MetadataImage) -> Vec<(i32, Option<&str>)> {
    image.brokers().map(|broker| (broker.id.0, broker.rack.as_deref())).collect()
}

fn info(image: &MetadataImage, topic: &Topic) -> TopicInfo {
    let racks = topic.partitions.iter().map(|partition| {
        let racks = partition.replicas.iter().filter_map(|id| image.broker(*id)?.rack.as_deref());
        let mut racks: Vec<Arc<str>> = racks.map(Arc::from).collect();
        racks.sort_unstable();
        racks
    });
    TopicInfo { name: Arc::clone(&topic.name), id: topic.id, partition_racks: racks.collect() }
}

fn group_config(image: &MetadataImage, config: &BrokerConfig) -> GroupConfig {
    let resources = image.resources_with_configs(ResourceType::Group);
    let of = |resource: &ConfigResource| (resource.name.clone(), image.configs(resource).clone());
    let groups: BTreeMap<String, ConfigMap> = resources.map(of).collect();
    GroupConfig::new(config, &groups, max_message_bytes(image, config))
}

/// `max.message.bytes` of the offsets topic, or what it will be when the topic is created.
fn max_message_bytes(image: &MetadataImage, config: &BrokerConfig) -> usize {
    let own = image.configs(&ConfigResource::topic(GROUP_METADATA)).get("max.message.bytes");
    let own = own.and_then(|text| text.trim().parse().ok());
    own.or_else(|| usize::try_from(config.long("message.max.bytes")).ok()).unwrap_or(0)
}
