//! What groups need to know of the cluster's topics. The broker builds it of the metadata image and sends it whenever
//! topics change; cloning is cheap.

use imbl::ordmap::DiffItem;
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

    /// Names of topics that are new, gone, or other than in `before`, and whether there is a new one among them. Takes time
    /// in proportion to what has changed, if the one was made of the other.
    pub fn changed_since<'a>(&'a self, before: &'a GroupTopics) -> (Vec<&'a Arc<str>>, bool) {
        let (mut changed, mut has_new) = (Vec::new(), false);
        for difference in before.by_name.diff(&self.by_name) {
            let name = match difference {
                DiffItem::Add(name, _) => {
                    has_new = true;
                    name
                }
                DiffItem::Update { old: (_, old), new: (name, new) } => {
                    has_new |= old.id != new.id;
                    name
                }
                DiffItem::Remove(name, _) => name,
            };
            changed.push(name);
        }
        (changed, has_new)
    }

    /// All topics, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<TopicInfo>> {
        self.by_name.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(name: &str, id: u8, partitions: usize) -> TopicInfo {
        TopicInfo { name: Arc::from(name), id: Uuid([id; 16]), partition_racks: vec![Vec::new(); partitions] }
    }

    #[track_caller]
    fn check(before: &GroupTopics, after: &GroupTopics, expected: &[&str], is_new_expected: bool) {
        let (changed, has_new) = after.changed_since(before);
        assert_eq!(
            (changed.iter().map(|name| &***name).collect::<Vec<_>>(), has_new),
            (expected.to_vec(), is_new_expected)
        );
    }

    #[test]
    fn what_has_changed_is_named() {
        let mut before = GroupTopics::default();
        ["a", "b", "c"].into_iter().zip(1..).for_each(|(name, id)| before.put(topic(name, id, 1)));
        let changed = |change: &dyn Fn(&mut GroupTopics)| {
            let mut after = before.clone();
            change(&mut after);
            after
        };
        check(&before, &before.clone(), &[], false);
        check(&before, &changed(&|topics| topics.put(topic("b", 2, 1))), &[], false);
        check(&before, &changed(&|topics| topics.put(topic("b", 2, 2))), &["b"], false);
        check(&before, &changed(&|topics| topics.put(topic("b", 9, 1))), &["b"], true);
        check(&before, &changed(&|topics| drop(topics.remove("a"))), &["a"], false);
        check(&before, &changed(&|topics| topics.put(topic("d", 4, 1))), &["d"], true);
        check(&GroupTopics::default(), &before, &["a", "b", "c"], true);
    }
}
