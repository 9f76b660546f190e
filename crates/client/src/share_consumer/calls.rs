//! What the calls of a share consumer are made of.

use super::acknowledgements::{Acknowledged, merge_all};
use super::in_flight::InFlight;
use super::state::{Completed, Outcomes};
use super::{AcknowledgeType, AcknowledgementMode, ShareConsumer, membership};
use crate::consumer::ConsumerRecord;
use crate::error::ClientError;
use ottla_runtime::Instant;
use std::time::Duration;
use tokio::sync::oneshot;

impl ShareConsumer {
    /// # Errors
    /// `Invalid` when the application owes an acknowledgement.
    pub(super) fn acknowledge_before_poll(&mut self) -> Result<(), ClientError> {
        self.acknowledge_implicitly();
        match self.in_flight.unacknowledged() {
            0 => {
                self.take_acknowledged();
                Ok(())
            }
            left => {
                let why = format!("{left} records of the last poll are not acknowledged, which explicit mode asks for");
                Err(ClientError::Invalid(why))
            }
        }
    }

    pub(super) fn acknowledge_implicitly(&mut self) {
        if self.options().acknowledgement_mode == AcknowledgementMode::Implicit {
            self.in_flight.acknowledge_all(AcknowledgeType::Accept);
        }
    }

    pub(super) fn take_acknowledged(&mut self) {
        let taken = self.in_flight.take_acknowledged();
        merge_all(&mut self.unsent, taken);
    }

    pub(super) async fn poll_until(&mut self, deadline: Instant) -> Result<Vec<ConsumerRecord>, ClientError> {
        loop {
            self.shared.note_poll();
            self.tell_completed();
            if self.shared.signal.take() {
                return Err(ClientError::Wakeup);
            }
            if let Some(error) = self.shared.lock().next_error() {
                return Err(error);
            }
            let records = self.collect();
            if !records.is_empty() || self.shared.runtime().now() >= deadline {
                return Ok(records);
            }
            // In time for the member to be seen polling.
            let until = deadline.min(self.shared.runtime().now() + self.options().max_poll_interval / 2);
            tokio::select! {
                biased;
                () = self.shared.signal.notified() => {}
                () = self.shared.runtime().sleep_until(until) => {}
            }
        }
    }

    /// What there is; when there is nothing, brokers are asked, and acknowledgements go along.
    fn collect(&mut self) -> Vec<ConsumerRecord> {
        if self.in_flight.has_renewals() {
            self.send_unsent();
            return self.in_flight.take_renewed();
        }
        let mut records = Vec::new();
        let records_max = self.shared.lock().records_max;
        while records.len() < records_max {
            let delivered = self.shared.lock().take_delivered(self.shared.runtime().now());
            let Some(delivered) = delivered else { break };
            let place = delivered.place.clone();
            self.in_flight.lock_timeout = delivered.lock_timeout.or(self.in_flight.lock_timeout);
            let read = delivered.read(self.options().check_crcs);
            self.in_flight.put(&place, &read.records, read.unseen);
            read.errors.into_iter().for_each(|error| self.shared.report(error));
            records.extend(read.records);
        }
        if records.is_empty() {
            // Of what had no record at all it is said at once.
            self.take_acknowledged();
            let along = std::mem::take(&mut self.unsent);
            self.shared.want_records(along);
        }
        records
    }

    /// Sends what is acknowledged by itself, one commit for each broker.
    pub(super) fn send_unsent(&mut self) {
        let retry_until = self.shared.runtime().now() + self.shared.client.options().api_timeout;
        self.begin_commits(retry_until, None);
    }

    fn begin_commits(&mut self, retry_until: Instant, mut waiting: Option<&mut Vec<oneshot::Receiver<Outcomes>>>) {
        for (node, acknowledgements) in self.shared.by_node(std::mem::take(&mut self.unsent)) {
            let (done, receiver) = oneshot::channel();
            let done = waiting.as_mut().map(|waiting| {
                waiting.push(receiver);
                done
            });
            self.shared.commit(node, acknowledgements, retry_until, done);
        }
    }

    /// Sends what is acknowledged, tries again for so long, and waits for the outcome a little longer.
    ///
    /// # Errors
    /// `Timeout`; `Wakeup`, if it may be ended so.
    pub(super) async fn commit_unsent(
        &mut self,
        (retry, answer): (Duration, Duration),
        wakes: bool,
    ) -> Result<Vec<Acknowledged>, ClientError> {
        let (begun, after) = (self.shared.runtime().now(), retry + answer);
        let mut waiting = Vec::new();
        self.begin_commits(begun + retry, Some(&mut waiting));
        let deadline = begun + after;
        let mut acknowledged = Vec::new();
        for mut receiver in waiting {
            let outcomes = loop {
                if wakes && self.shared.signal.take() {
                    return Err(ClientError::Wakeup);
                }
                tokio::select! {
                    biased;
                    outcomes = &mut receiver => break outcomes.map_err(|_| ClientError::Closed("the share consumer"))?,
                    () = self.shared.signal.notified() => {}
                    () = self.shared.runtime().sleep_until(deadline) => {
                        return Err(ClientError::Timeout { api: "commit", after });
                    }
                }
            };
            acknowledged.extend(outcomes);
        }
        acknowledged.retain(|acknowledged| !acknowledged.offsets.is_empty() || acknowledged.outcome.is_err());
        Ok(acknowledged)
    }

    /// As [`ShareConsumer::unsubscribe`], with this limit for all of it.
    pub(super) async fn unsubscribe_within(&mut self, limit: Duration) {
        let Some(subscription) = self.subscription.take() else { return };
        self.take_acknowledged();
        self.in_flight = InFlight::default();
        let unsent = std::mem::take(&mut self.unsent);
        let runtime = self.shared.runtime().clone();
        let deadline = runtime.now() + limit;
        // The coordinator is to be told, too.
        let closing = self.shared.close_sessions(unsent, runtime.now() + limit / 2);
        if runtime.timeout(limit / 2, closing).await.is_err() {
            tracing::debug!("not all share sessions were closed in time");
        }
        drop(subscription.task);
        self.shared.forget_records();
        membership::leave(&self.shared, deadline.saturating_duration_since(runtime.now())).await;
        self.tell_completed();
    }

    /// Renewed records come back, and the callback hears how it went.
    pub(super) fn tell_completed(&mut self) {
        let completed = std::mem::take(&mut self.shared.lock().completed);
        for Completed { place, acknowledgements, outcome, lock_timeout } in completed {
            self.in_flight.completed(&place, &acknowledgements, outcome.is_ok());
            self.in_flight.lock_timeout = lock_timeout.or(self.in_flight.lock_timeout);
            let offsets = acknowledgements.offsets();
            if let Some(callback) = self.callback.as_mut().filter(|_| !offsets.is_empty()) {
                callback(&Acknowledged { partition: place.partition, offsets, outcome });
            }
        }
    }
}
