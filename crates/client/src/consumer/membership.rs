//! Being a member of a group: what the classic protocol and KIP-848 have in common.
//!
//! A task of its own keeps the membership alive while the application works. It asks `poll` for each step that changes the
//! partitions and goes on with heartbeats until that is done. Who does not poll for `max.poll.interval.ms` leaves.

mod classic;
mod modern;

use super::rebalance::Step;
use super::subscription::Wanted;
use super::{GroupProtocol, Shared};
use crate::backoff::Backoff;
use crate::coordinator::Coordinated;
use crate::error::ClientError;
use ottla_runtime::{Runtime, watch};
use ottla_types::TopicPartition;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// A member at work.
pub(super) struct Member {
    shared: Arc<Shared>,
    group_id: String,
    steps: mpsc::UnboundedSender<Step>,
    /// What is subscribed to; changes are told.
    wanted: watch::Receiver<Wanted>,
    owned: BTreeSet<TopicPartition>,
}

/// Why a member's round ends.
#[derive(Debug)]
enum Round {
    /// Join again.
    Again,
    /// The member is not known any more: its partitions are lost, join anew.
    Lost,
    /// It has not polled for too long: leave, and join anew with the next poll.
    Idle,
}

/// Runs as long as there is a subscription. What cannot be mended ends it and is told by `poll`.
pub(super) async fn run(
    shared: Arc<Shared>,
    group_id: String,
    steps: mpsc::UnboundedSender<Step>,
    wanted: watch::Receiver<Wanted>,
) {
    let mut member = Member { shared, group_id, steps, wanted, owned: BTreeSet::new() };
    let ended = match member.shared.options.protocol.clone() {
        GroupProtocol::Classic { assignors } => member.run_classic(&assignors).await,
        GroupProtocol::Consumer { assignor } => member.run_modern(assignor).await,
    };
    let Err(error) = ended else { return };
    tracing::warn!(group_id = member.group_id, %error, "membership ended");
    member.shared.lock().errors.push_back(error);
    member.shared.signal.notify();
}

/// Waits until the next heartbeat is due; `true` when the subscription changed before.
pub(crate) async fn subscription_changes<T>(
    runtime: &Runtime,
    wanted: &mut watch::Receiver<T>,
    interval: Duration,
) -> bool {
    tokio::select! {
        biased;
        changed = wanted.changed() => {
            if changed.is_err() {
                // The subscription is gone; this task is about to be ended.
                std::future::pending::<()>().await;
            }
            true
        }
        () = runtime.sleep(interval) => false,
    }
}

impl Member {
    /// Whether the application has stopped polling.
    fn is_idle(&self) -> bool {
        let polled = *self.shared.polled.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let silent = self.shared.runtime().now().saturating_duration_since(polled);
        silent > self.shared.options.max_poll_interval
    }

    async fn wait_until_polled(&self) {
        while self.is_idle() {
            self.shared.runtime().sleep(self.shared.client.options().retry_backoff_max).await;
        }
    }

    /// Hands a step to `poll`; the receiver ends when it is done.
    fn begin_step(&self, step: impl FnOnce(oneshot::Sender<()>) -> Step) -> oneshot::Receiver<()> {
        let (done, is_done) = oneshot::channel();
        // When polling is over for good, nobody answers and this task is about to be ended.
        let _ = self.steps.send(step(done));
        self.shared.signal.notify();
        is_done
    }

    /// All partitions are lost.
    async fn lose_all(&mut self) {
        let owned = std::mem::take(&mut self.owned);
        if !owned.is_empty() {
            let _ = self.begin_step(|done| Step::Lose(owned, done)).await;
        }
    }

    fn become_member(&self, member_id: &str, epoch: i32) {
        let mut membership = self.shared.membership.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        membership.member_id = member_id.to_string();
        membership.epoch = epoch;
    }

    /// The topics that are subscribed to now; a pattern is matched with all topics of the cluster.
    async fn topics_now(&self) -> Result<BTreeSet<String>, ClientError> {
        let wanted = self.wanted.borrow().clone();
        match wanted {
            Wanted::Topics(topics) => Ok(topics),
            Wanted::Pattern(pattern) => Ok(pattern.matching(&self.shared.client.fetch_metadata(None, false).await?)),
        }
    }

    /// Pauses after an error that a later try may mend, returns any other.
    async fn patience(&self, error: ClientError, backoff: &mut Backoff) -> Result<(), ClientError> {
        if error.is_coordinator_gone() {
            self.shared.coordinating.forget_coordinator(Coordinated::Group, &self.group_id);
        }
        if !error.is_transient() {
            return Err(error);
        }
        tracing::debug!(group_id = self.group_id, %error, "group waits");
        backoff.pause(self.shared.runtime()).await;
        Ok(())
    }
}
