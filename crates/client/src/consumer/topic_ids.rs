//! Names of the topic ids by which coordinators assign partitions.

use crate::client::Client;
use crate::error::ClientError;
use ottla_types::{TopicPartition, Uuid};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Topics that a member subscribes to.
#[derive(Debug, Default)]
pub(crate) struct TopicIds {
    by_name: BTreeMap<String, Uuid>,
}

impl TopicIds {
    pub(crate) fn get(&self, name: &str) -> Option<Uuid> {
        self.by_name.get(name).copied()
    }

    /// Whether all of them have a name.
    pub(crate) fn know(&self, mut topic_ids: impl Iterator<Item = Uuid>) -> bool {
        topic_ids.all(|topic_id| self.by_name.values().any(|known| *known == topic_id))
    }

    /// Asks the cluster for the ids of these topics.
    ///
    /// # Errors
    /// Those of the connection.
    pub(crate) async fn learn(&mut self, client: &Client, topics: &BTreeSet<String>) -> Result<(), ClientError> {
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        let metadata = client.fetch_metadata(Some(&names), false).await?;
        self.by_name = metadata.topics.into_iter().map(|(name, topic)| (name, topic.topic_id)).collect();
        Ok(())
    }

    /// Assigned partitions by name. A topic that is already gone is left out; the coordinator will notice too.
    pub(crate) fn partitions<'a>(
        &self,
        assigned: impl Iterator<Item = (Uuid, &'a [i32])>,
    ) -> BTreeMap<TopicPartition, Uuid> {
        let mut named = BTreeMap::new();
        for (topic_id, partitions) in assigned {
            if let Some((name, _)) = self.by_name.iter().find(|(_, known)| **known == topic_id) {
                let name: Arc<str> = name.as_str().into();
                named.extend(partitions.iter().map(|index| (TopicPartition::new(name.clone(), *index), topic_id)));
            }
        }
        named
    }
}
