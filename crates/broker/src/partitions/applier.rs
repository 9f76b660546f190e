//! Turns each new image into work: new partitions are created, changed ones told, vanished ones deleted.
//!
//! At the start it also pairs the directories that were found with the image: a known topic id is opened (in the background;
//! each log directory has its own bound of how many at a time), an unknown one is set aside. Deletions and creations are awaited,
//! so that an image counts as applied only when what it brought can be used; one that takes too long (a recovery under way, a disk
//! that hangs) goes on in the background. A partition is created only when an earlier one of the same name has left its directory.

use super::Partitions;
use crate::follow::has_other_configs;
use crate::partition::Partition;
use crate::partition::jobs::{Job, Jobs};
use crate::tasks::Tasks;
use futures_util::StreamExt;
use futures_util::stream::{self, FuturesUnordered};
use ottla_config::{BrokerConfig, TopicConfig};
use ottla_metadata::{MetadataImage, Topic, TopicChange};
use ottla_runtime::watch;
use ottla_storage::{FoundPartition, LogDir};
use ottla_types::{TopicPartition, Uuid};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Logs that are created or deleted at the same time.
const CHANGES_IN_PARALLEL: usize = 16;
/// How long an image waits for the deletions and for the creations that it brings.
const CHANGES_PATIENCE: Duration = Duration::from_secs(10);

/// How long a node that shuts down goes on opening logs. Shorter than it waits for its tasks.
const OPENING_PATIENCE: Duration = Duration::from_secs(10);

/// What is remembered from one image to the next. Owned by the one task that applies images.
pub(crate) struct Applier {
    partitions: Arc<Partitions>,
    applied: Arc<MetadataImage>,
    /// Directories that no image has claimed yet. Several may have one name: after a power loss a directory whose deletion
    /// was not durable stands beside that of the topic that was created anew, in another of `log.dirs`.
    found: BTreeMap<TopicPartition, Vec<FoundPartition>>,
    /// Whether one of `log.dirs` could not be opened: what is missing at the start may be there.
    has_failed_directory: bool,
    /// Deleted partitions that may still have their directory.
    leaving: BTreeMap<TopicPartition, Arc<Jobs>>,
    tasks: Arc<Tasks>,
}

/// Partitions of one image whose logs are to be created or opened.
#[derive(Default)]
struct Newcomers {
    create: Vec<(Arc<Partition>, Job)>,
    /// By the id of their log directory.
    open: BTreeMap<Uuid, Vec<(Arc<Partition>, Job)>>,
    /// Log directories with a log of which it is not known whether it is the partition's: it is not opened.
    unclear: BTreeSet<Uuid>,
}

impl Applier {
    pub(crate) fn new(
        partitions: Arc<Partitions>,
        found: Vec<FoundPartition>,
        has_failed_directory: bool,
        tasks: Arc<Tasks>,
    ) -> Applier {
        let mut by_name: BTreeMap<TopicPartition, Vec<FoundPartition>> = BTreeMap::new();
        for found in found {
            by_name.entry(found.topic_partition.clone()).or_default().push(found);
        }
        let (applied, leaving) = (Arc::new(MetadataImage::empty()), BTreeMap::new());
        Applier { partitions, applied, found: by_name, has_failed_directory, leaving, tasks }
    }

    /// Brings the node's partitions to what `image` says. The first image also opens, in the background, the logs that
    /// were found.
    pub(crate) async fn apply(&mut self, image: &Arc<MetadataImage>, config: &BrokerConfig) {
        let expiration_ms = i64::from(config.storage.producer_id_expiration_ms);
        self.partitions.shared.producer_id_expiration_ms.store(expiration_ms, Ordering::Relaxed);
        self.partitions.shared.log_dirs.set_recovery_threads(config.storage.num_recovery_threads_per_data_dir);
        let before = std::mem::replace(&mut self.applied, Arc::clone(image));
        let is_first = before.cluster_id().is_none();
        let changes = image.changed_topics(&before);
        self.delete_vanished(&changes).await;
        let mut newcomers = Newcomers::default();
        // Configs that all topics inherit.
        let has_other_defaults =
            before.broker_count() != image.broker_count() || has_other_configs(&before, image, config);
        let topics: Vec<_> = match has_other_defaults {
            true => image.topics().collect(),
            false => changes.iter().filter_map(|change| change.now).collect(),
        };
        for topic in topics {
            let topic_config = Arc::new(image.topic_config(topic, config));
            self.apply_topic(topic, &topic_config, is_first, &mut newcomers);
        }
        self.create(newcomers.create).await;
        if is_first {
            for dir in self.partitions.shared.log_dirs.dirs() {
                let logs = newcomers.open.remove(&dir.id()).unwrap_or_default();
                self.start_openings(Arc::clone(dir), logs, newcomers.unclear.contains(&dir.id()));
            }
        }
    }

    /// Sets aside the directories that no topic of the first image claimed.
    pub(crate) async fn set_strays_aside(&mut self) {
        for found in std::mem::take(&mut self.found).into_values().flatten() {
            self.set_aside(&found).await;
        }
    }

    fn apply_topic(&mut self, topic: &Topic, config: &Arc<TopicConfig>, is_first: bool, newcomers: &mut Newcomers) {
        for (index, metadata) in topic.partitions.iter().enumerate() {
            let index = i32::try_from(index).expect("a topic has fewer partitions than that");
            if !metadata.replicas.contains(&self.partitions.shared.node_id) {
                continue;
            }
            let leadership = self.partitions.leadership(metadata);
            if let Some(partition) = self.partitions.local(topic.id, index) {
                partition.update(leadership, Arc::clone(config));
                continue;
            }
            let name = TopicPartition::new(Arc::clone(&topic.name), index);
            let mut found = self.claim(&name, topic.id);
            let several = if found.len() > 1 { std::mem::take(&mut found) } else { Vec::new() };
            let found = found.pop();
            let dir = found.as_ref().map(|found| found.dir.id());
            let shared = Arc::clone(&self.partitions.shared);
            let partition = Partition::new(shared, topic.id, &name, leadership, Arc::clone(config), found);
            self.partitions.insert(&partition);
            let opening = partition.begin_job();
            if let Some(dir) = dir {
                newcomers.open.entry(dir).or_default().push((partition, opening));
            } else if !several.is_empty() {
                newcomers.unclear.extend(several.iter().map(|found| found.dir.id()));
                partition.on_several_directories(&several);
            } else if is_first && self.has_failed_directory {
                partition.on_failed_directory();
            } else {
                newcomers.create.push((partition, opening));
            }
        }
    }

    /// The directories that were found for the partition and are that topic's. More than one must not be chosen from.
    fn claim(&mut self, name: &TopicPartition, topic_id: Uuid) -> Vec<FoundPartition> {
        let Some(candidates) = self.found.get_mut(name) else { return Vec::new() };
        let mut claimed: Vec<_> = candidates.extract_if(.., |found| found.topic_id == Some(topic_id)).collect();
        // One without an id may be its own only if no other is; nothing in it was ever acknowledged.
        if claimed.is_empty()
            && let Some(index) = candidates.iter().position(|found| found.topic_id.is_none())
        {
            claimed.push(FoundPartition { topic_id: Some(topic_id), ..candidates.swap_remove(index) });
        }
        claimed
    }

    async fn create(&mut self, newcomers: Vec<(Arc<Partition>, Job)>) {
        if newcomers.is_empty() {
            return;
        }
        self.leaving.retain(|_, leaving| !leaving.is_idle());
        let mut creations = Vec::with_capacity(newcomers.len());
        for (partition, opening) in newcomers {
            // A stray directory of the same name, of another topic id, would be in the way.
            for found in self.found.remove(&partition.name()).unwrap_or_default() {
                self.set_aside(&found).await;
            }
            let predecessor = self.leaving.get(&partition.name()).cloned();
            creations.push(async move {
                if let Some(predecessor) = predecessor {
                    predecessor.settled().await;
                }
                partition.create(opening).await;
            });
        }
        self.run_all("broker.create-logs", creations).await;
    }

    async fn delete_vanished(&mut self, changes: &[TopicChange<'_>]) {
        let node_id = self.partitions.shared.node_id;
        let mut deletions = Vec::new();
        for &TopicChange { before, now } in changes {
            let Some(topic) = before else { continue };
            for index in 0..i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX) {
                let replica = now.and_then(|now| now.partition(index));
                if replica.is_some_and(|partition| partition.replicas.contains(&node_id)) {
                    continue;
                }
                let Some(partition) = self.partitions.take(topic.id, index) else { continue };
                let leaving = Arc::new(Jobs::default());
                let gone = leaving.begin();
                self.leaving.insert(partition.name(), leaving);
                let deletion = partition.delete();
                deletions.push(async move {
                    deletion.await;
                    drop(gone);
                });
            }
        }
        if !deletions.is_empty() {
            self.run_all("broker.delete-logs", deletions).await;
        }
    }

    /// Runs changes to their end, in a task that outlives a wait that takes too long.
    async fn run_all<F>(&self, name: &'static str, changes: Vec<F>)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let all = Arc::new(Jobs::default());
        let running = all.begin();
        self.tasks.spawn(name, |_| async move {
            stream::iter(changes).for_each_concurrent(CHANGES_IN_PARALLEL, |change| change).await;
            drop(running);
        });
        let runtime = &self.partitions.shared.runtime;
        if runtime.timeout(CHANGES_PATIENCE, all.settled()).await.is_err() {
            tracing::warn!(
                task = name,
                "partitions are still being created or deleted; this goes on in the background"
            );
        }
    }

    /// Opens the logs that were found in a directory; after that the end of its recovery is recorded.
    fn start_openings(&self, dir: Arc<LogDir>, logs: Vec<(Arc<Partition>, Job)>, is_unclear: bool) {
        let runtime = self.partitions.shared.runtime.clone();
        self.tasks.spawn("broker.open-logs", |mut stopping| async move {
            let given_up = watch::Sender::new(false);
            // All at once: the directory knows how many of them may be at work.
            let openings = logs.into_iter().map(|(partition, opening)| {
                let mut given_up = given_up.subscribe();
                partition.open(opening, async move { drop(given_up.wait_for(|is_given_up| *is_given_up).await) })
            });
            let openings: FuturesUnordered<_> = openings.collect();
            let mut opened = std::pin::pin!(openings.fold(!is_unclear, async |all, one| all && one));
            let give_up = async {
                stopping.set().await;
                // A log that was never opened cannot be closed cleanly: a node that ends soon after its start first opens
                // what can be opened in a short while.
                runtime.sleep(OPENING_PATIENCE).await;
                given_up.send_replace(true);
            };
            let all_opened = tokio::select! {
                biased;
                all_opened = &mut opened => all_opened,
                () = give_up => opened.await,
            };
            if let Err(error) = dir.finish_recovery(all_opened).await {
                let log_dir = dir.path().display();
                tracing::error!(%log_dir, %error, "the end of recovery could not be recorded; the next start recovers again");
            }
        });
    }

    async fn set_aside(&self, found: &FoundPartition) {
        if let Err(error) = self.partitions.shared.log_dirs.set_aside_stray(found).await {
            tracing::warn!(partition = %found.topic_partition, %error, "a stray partition directory could not be set aside");
        }
    }
}
