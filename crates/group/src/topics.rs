//! What groups need to know of the cluster's topics. The broker builds it of the metadata image and sends it whenever
//! topics change; cloning is cheap.

use ottla_types::Uuid;
use std::sync::Arc;

/// One topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicInfo {
    /// Its name.
    pub name: Arc<str>,
    /// Its id.
    pub id: Uuid,
    /// One entry per partition, by index: the racks of its replicas, sorted, one per replica as Kafka hashes them;
    /// empty where brokers name none.
    pub partition_racks: Vec<Vec<Arc<str>>>,
}

impl TopicInfo {
    /// How many partitions it has.
    pub fn partition_count(&self) -> i32 {
        i32::try_from(self.partition_racks.len()).unwrap_or(i32::MAX)
    }
}

/// All topics by name and by id.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GroupTopics {
    by_name: imbl::OrdMap<Arc<str>, Arc<TopicInfo>>,
    by_id: imbl::OrdMap<Uuid, Arc<TopicInfo>>,
}

impl GroupTopics {
    /// Adds a topic, or takes its new partitions and racks. A topic of the same name with another id is gone.
    pub fn put(&mut self, topic: TopicInfo) {
        self.remove(&topic.name.clone());
        let topic = Arc::new(topic);
        self.by_name.insert(topic.name.clone(), topic.clone());
        self.by_id.insert(topic.id, topic);
    }

    /// Forgets a topic.
    pub fn remove(&mut self, name: &str) -> Option<Arc<TopicInfo>> {
        let topic = self.by_name.remove(name)?;
        self.by_id.remove(&topic.id);
        Some(topic)
    }

    /// The topic of this name.
    pub fn by_name(&self, name: &str) -> Option<&Arc<TopicInfo>> {
        self.by_name.get(name)
    }

    /// The topic with this id.
    pub fn by_id(&self, id: Uuid) -> Option<&Arc<TopicInfo>> {
        self.by_id.get(&id)
    }

    /// All topics, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<TopicInfo>> {
        self.by_name.values()
    }
}
