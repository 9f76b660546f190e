//! What one image changes of another. What they share is not looked at, so this is cheap however many topics there are.

use super::{MetadataImage, ResourceType, Topic};
use imbl::ordmap::DiffItem;
use ottla_types::Uuid;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A topic that differs between two images, or whose configs do.
#[derive(Debug, Clone, Copy)]
pub struct TopicChange<'a> {
    /// As it was; `None` if it is new.
    pub before: Option<&'a Arc<Topic>>,
    /// As it is; `None` if it was deleted.
    pub now: Option<&'a Arc<Topic>>,
}

impl MetadataImage {
    /// The topics that this image changes, creates or deletes, as seen from `before`; also those whose own configs it
    /// changes. In the order of their ids.
    pub fn changed_topics<'a>(&'a self, before: &'a MetadataImage) -> Vec<TopicChange<'a>> {
        let mut changes: BTreeMap<Uuid, TopicChange<'a>> = BTreeMap::new();
        for item in before.topics.diff(&self.topics) {
            let (id, change) = match item {
                DiffItem::Add(id, now) => (id, TopicChange { before: None, now: Some(now) }),
                DiffItem::Remove(id, before) => (id, TopicChange { before: Some(before), now: None }),
                DiffItem::Update { old: (id, before), new: (_, now) } => {
                    (id, TopicChange { before: Some(before), now: Some(now) })
                }
            };
            changes.insert(*id, change);
        }
        for item in before.configs.diff(&self.configs) {
            let resource = match item {
                DiffItem::Add(resource, _) | DiffItem::Remove(resource, _) => resource,
                DiffItem::Update { new: (resource, _), .. } => resource,
            };
            if resource.resource_type == ResourceType::Topic
                && let Some(now) = self.topic(&resource.name)
            {
                let before = before.topic_by_id(now.id);
                changes.entry(now.id).or_insert(TopicChange { before, now: Some(now) });
            }
        }
        changes.into_values().collect()
    }
}
