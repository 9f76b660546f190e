//! One request to each leader, however many partitions it leads. What moved meanwhile is asked for again, with fresh metadata.

use super::Admin;
use crate::connection::{Connection, PendingResponse};
use crate::error::ClientError;
use crate::metadata::ClusterMetadata;
use ottla_protocol::Request;
use ottla_types::{ErrorCode, TopicPartition};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What became of each partition.
pub(super) type Outcomes<T> = BTreeMap<TopicPartition, Result<T, ClientError>>;

/// A partition and the epoch of the leader that is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Led {
    pub(crate) partition: TopicPartition,
    pub(crate) leader_epoch: i32,
}

/// How far it has come: every partition has an outcome or is still to be asked for, or both after a try in vain.
struct Progress<T> {
    pending: BTreeSet<TopicPartition>,
    outcomes: Outcomes<T>,
}

impl Admin {
    /// Asks the leaders of these partitions, each one once in a round, in at least this version. `request` is what a leader is
    /// asked, `read` what its answer says.
    pub(super) async fn at_leaders<R: Request, T>(
        &self,
        partitions: BTreeSet<TopicPartition>,
        least_version: i16,
        request: impl Fn(&[Led]) -> R,
        read: impl Fn(R::Response) -> Vec<(TopicPartition, Result<T, ClientError>)>,
    ) -> Outcomes<T> {
        let progress = Mutex::new(Progress { pending: partitions, outcomes: BTreeMap::new() });
        let is_worth_it = |error: &ClientError| may_move(error) || self.outlasts(error);
        let round = || async {
            let pending = lock(&progress).pending.clone();
            let outcomes = self.round(&pending, least_version, &request, &read).await?;
            let mut progress = lock(&progress);
            let mut in_the_way = Ok(());
            for (partition, outcome) in outcomes {
                match &outcome {
                    Err(error) if is_worth_it(error) => in_the_way = Err(error.clone()),
                    _ => {
                        progress.pending.remove(&partition);
                    }
                }
                progress.outcomes.insert(partition, outcome);
            }
            in_the_way
        };
        let ended = crate::backoff::patiently(&self.client, is_worth_it, round).await;
        let Progress { pending, mut outcomes } = progress.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = ended {
            for partition in pending {
                outcomes.entry(partition).or_insert_with(|| Err(error.clone()));
            }
        }
        outcomes
    }

    /// One request to each leader; all are on their way before the first answer is waited for.
    async fn round<R: Request, T>(
        &self,
        pending: &BTreeSet<TopicPartition>,
        least_version: i16,
        request: impl Fn(&[Led]) -> R,
        read: impl Fn(R::Response) -> Vec<(TopicPartition, Result<T, ClientError>)>,
    ) -> Result<Outcomes<T>, ClientError> {
        let topics: BTreeSet<&str> = pending.iter().map(|partition| &*partition.topic).collect();
        let topics: Vec<&str> = topics.into_iter().collect();
        let metadata = self.client.fetch_metadata(Some(&topics), false).await?;
        let mut outcomes = BTreeMap::new();
        let mut by_leader: BTreeMap<i32, Vec<Led>> = BTreeMap::new();
        for partition in pending {
            match leader_of(&metadata, partition) {
                Ok((leader, led)) => by_leader.entry(leader).or_default().push(led),
                Err(error) => {
                    outcomes.insert(partition.clone(), Err(error));
                }
            }
        }
        let mut asked = Vec::new();
        for (leader, led) in by_leader {
            match self.begin_at(leader, &request(&led), least_version).await {
                Ok(answer) => asked.push((led, answer)),
                Err(error) => outcomes.extend(led.into_iter().map(|led| (led.partition, Err(error.clone())))),
            }
        }
        for (led, answer) in asked {
            let (mut told, otherwise) = match answer.wait().await {
                Ok(response) => (read(response).into_iter().collect(), None),
                Err(error) => (BTreeMap::new(), Some(error)),
            };
            for Led { partition, .. } in led {
                let missing = || ClientError::missing(R::KEY.name(), &partition.to_string());
                let outcome = told.remove(&partition);
                let outcome = outcome.unwrap_or_else(|| Err(otherwise.clone().unwrap_or_else(missing)));
                outcomes.insert(partition, outcome);
            }
        }
        Ok(outcomes)
    }

    async fn begin_at<R: Request>(
        &self,
        leader: i32,
        request: &R,
        least_version: i16,
    ) -> Result<PendingResponse<R>, ClientError> {
        let broker: Connection = self.client.broker(leader).await?;
        let newest = broker.version_of::<R>()?;
        let version = broker.version_within::<R>((least_version, newest.max(least_version)))?;
        broker.begin(request, version, &[]).await
    }
}

fn leader_of(metadata: &ClusterMetadata, partition: &TopicPartition) -> Result<(i32, Led), ClientError> {
    let error = |code| ClientError::Broker { subject: partition.to_string(), code, message: None };
    let topic = metadata.topics.get(&*partition.topic);
    let topic = topic.ok_or_else(|| ClientError::missing("Metadata", &partition.topic))?;
    topic.partitions.as_ref().map_err(Clone::clone)?;
    let found = topic.partition(partition.partition).ok_or_else(|| error(ErrorCode::UnknownTopicOrPartition))?;
    let leader = found.leader.ok_or_else(|| error(ErrorCode::LeaderNotAvailable))?;
    Ok((leader, Led { partition: partition.clone(), leader_epoch: found.leader_epoch }))
}

/// Errors that mean: the leader is another one, or not there yet.
pub(super) fn may_move(error: &ClientError) -> bool {
    use ErrorCode::{
        BrokerNotAvailable, FencedLeaderEpoch, LeaderNotAvailable, NotLeaderOrFollower, OffsetNotAvailable,
        UnknownLeaderEpoch,
    };
    let leads_elsewhere = [NotLeaderOrFollower, LeaderNotAvailable, FencedLeaderEpoch, UnknownLeaderEpoch];
    let not_yet = [OffsetNotAvailable, BrokerNotAvailable];
    error.code().is_some_and(|code| leads_elsewhere.contains(&code) || not_yet.contains(&code))
}

fn lock<T>(progress: &Mutex<Progress<T>>) -> MutexGuard<'_, Progress<T>> {
    progress.lock().unwrap_or_else(PoisonError::into_inner)
}
