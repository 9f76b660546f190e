//! What the calls of a share consumer are made of.

use super::acknowledgements::{Acknowledged, Acknowledgements, merge_all};
use super::state::{Completed, Outcomes};
use super::{AcknowledgeType, AcknowledgementMode, ShareConsumer};
use crate::consumer::ConsumerRecord;
use crate::error::ClientError;
use ottla_runtime::Instant;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
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
            if let Some(error) = self.shared.lock().errors.pop_front() {
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
            self.send_unsent(None);
            return self.in_flight.take_renewed();
        }
        let mut records = Vec::new();
        while records.len() < self.options().max_poll_records {
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
    pub(super) fn send_unsent(&mut self, mut waiting: Option<&mut Vec<oneshot::Receiver<Outcomes>>>) {
        for (node, acknowledgements) in self.shared.by_node(std::mem::take(&mut self.unsent)) {
            let (done, receiver) = oneshot::channel();
            let done = waiting.as_mut().map(|waiting| {
                waiting.push(receiver);
                done
            });
            self.shared.commit(node, acknowledgements, done);
        }
    }

    /// # Errors
    /// `Timeout`; `Wakeup`, if it may be ended so.
    pub(super) async fn commit_unsent(&mut self, wakes: bool) -> Result<Vec<Acknowledged>, ClientError> {
        let mut waiting = Vec::new();
        let offsets: BTreeMap<_, Vec<RangeInclusive<i64>>> =
            self.unsent.iter().map(|(place, said)| (place.clone(), Acknowledgements::offsets(said))).collect();
        self.send_unsent(Some(&mut waiting));
        let after = self.shared.client.options().api_timeout + self.shared.client.options().request_timeout;
        let deadline = self.shared.runtime().now() + after;
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
            acknowledged.extend(outcomes.into_iter().map(|(place, outcome)| Acknowledged {
                offsets: offsets.get(&place).cloned().unwrap_or_default(),
                partition: place.partition,
                outcome,
            }));
        }
        acknowledged.retain(|acknowledged| !acknowledged.offsets.is_empty() || acknowledged.outcome.is_err());
        Ok(acknowledged)
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
