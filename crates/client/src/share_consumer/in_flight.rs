//! The records that an application has: which of them it acknowledged, and which have their locks renewed.
//!
//! 1. `poll` puts records in.
//! 2. Each is acknowledged, by the application or by the next poll ([`InFlight::acknowledge_all`]).
//! 3. [`InFlight::take_acknowledged`] takes them out; those to be renewed are kept aside until the broker has answered.
//! 4. Renewed ones come back, and the next poll returns them once more.

use super::acknowledgements::{AcknowledgeType, Acknowledgements, ByPlace, Place};
use crate::consumer::ConsumerRecord;
use crate::error::ClientError;
use ottla_types::TopicPartition;
use std::collections::BTreeMap;
use std::time::Duration;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    places: BTreeMap<Place, Held>,
    /// How long the broker locks records.
    pub(super) lock_timeout: Option<Duration>,
}

/// Records of one partition, by offset.
#[derive(Debug, Default)]
struct Held {
    records: BTreeMap<i64, (ConsumerRecord, Option<AcknowledgeType>)>,
    /// What is said of offsets that the application never sees.
    unseen: Acknowledgements,
    renewing: BTreeMap<i64, ConsumerRecord>,
    renewed: BTreeMap<i64, ConsumerRecord>,
}

impl InFlight {
    /// Records that `poll` returns, and what is to be said of other offsets beside them.
    pub(super) fn put(&mut self, place: &Place, records: &[ConsumerRecord], unseen: Acknowledgements) {
        let held = self.places.entry(place.clone()).or_default();
        held.records.extend(records.iter().map(|record| (record.offset, (record.clone(), None))));
        held.unseen.merge(unseen);
    }

    /// # Errors
    /// `Invalid` for an offset that the application does not have.
    pub(super) fn acknowledge(
        &mut self,
        partition: &TopicPartition,
        offset: i64,
        kind: AcknowledgeType,
    ) -> Result<(), ClientError> {
        // After a change of leaders, both may have handed it out; the word is for each of them.
        let here = self.places.iter_mut().filter(|(place, _)| place.partition == *partition);
        let mut is_here = false;
        for (_, said) in here.filter_map(|(_, held)| held.records.get_mut(&offset)) {
            (*said, is_here) = (Some(kind), true);
        }
        if !is_here {
            let why = format!("{partition}@{offset} cannot be acknowledged: the last poll did not return it");
            return Err(ClientError::Invalid(why));
        }
        Ok(())
    }

    /// Says this of everything of which nothing was said yet.
    pub(super) fn acknowledge_all(&mut self, kind: AcknowledgeType) {
        for (_, said) in self.places.values_mut().flat_map(|held| held.records.values_mut()) {
            said.get_or_insert(kind);
        }
    }

    /// How many records the application has not acknowledged.
    pub(super) fn unacknowledged(&self) -> usize {
        let records = self.places.values().flat_map(|held| held.records.values());
        records.filter(|(_, said)| said.is_none()).count()
    }

    /// Everything that is to be told to brokers.
    pub(super) fn take_acknowledged(&mut self) -> ByPlace {
        let mut taken = ByPlace::new();
        for (place, held) in &mut self.places {
            let mut acknowledgements = std::mem::take(&mut held.unseen);
            for (offset, (record, said)) in std::mem::take(&mut held.records) {
                match said {
                    None => _ = held.records.insert(offset, (record, None)),
                    Some(kind) => {
                        acknowledgements.add(offset..=offset, kind);
                        if kind == AcknowledgeType::Renew {
                            held.renewing.insert(offset, record);
                        }
                    }
                }
            }
            if !acknowledgements.is_empty() {
                taken.insert(place.clone(), acknowledgements);
            }
        }
        self.tidy();
        taken
    }

    /// The broker has answered.
    pub(super) fn completed(&mut self, place: &Place, acknowledgements: &Acknowledgements, is_done: bool) {
        let Some(held) = self.places.get_mut(place) else { return };
        for offsets in acknowledgements.renewed() {
            // At most as many as are held, whatever the range.
            let found: Vec<i64> = held.renewing.range(offsets).map(|(offset, _)| *offset).collect();
            for offset in found {
                if let Some(record) = held.renewing.remove(&offset).filter(|_| is_done) {
                    held.renewed.insert(offset, record);
                }
            }
        }
        self.tidy();
    }

    /// Whether renewals are under way or have come back.
    pub(super) fn has_renewals(&self) -> bool {
        self.places.values().any(|held| !held.renewing.is_empty() || !held.renewed.is_empty())
    }

    /// Hands renewed records out again, with all others that the application still has.
    pub(super) fn take_renewed(&mut self) -> Vec<ConsumerRecord> {
        for held in self.places.values_mut() {
            let renewed = std::mem::take(&mut held.renewed);
            held.records.extend(renewed.into_iter().map(|(offset, record)| (offset, (record, None))));
        }
        let records = self.places.values().flat_map(|held| held.records.values());
        records.map(|(record, _)| record.clone()).collect()
    }

    fn tidy(&mut self) {
        self.places.retain(|_, held| {
            !held.records.is_empty() || !held.unseen.is_empty() || !held.renewing.is_empty() || !held.renewed.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use AcknowledgeType::{Accept, Release, Renew};
    use ottla_records::TimestampType;
    use ottla_types::Uuid;

    fn place() -> Place {
        Place { node: 1, partition: TopicPartition::new("t", 0), topic_id: Uuid::ZERO }
    }

    fn record(offset: i64) -> ConsumerRecord {
        ConsumerRecord {
            topic: "t".into(),
            partition: 0,
            offset,
            timestamp: 0,
            timestamp_type: TimestampType::CreateTime,
            leader_epoch: 0,
            delivery_count: Some(1),
            key: None,
            value: None,
            headers: Vec::new(),
        }
    }

    fn holding(offsets: &[i64]) -> InFlight {
        let mut in_flight = InFlight::default();
        let records: Vec<ConsumerRecord> = offsets.iter().map(|offset| record(*offset)).collect();
        in_flight.put(&place(), &records, Acknowledgements::default());
        in_flight
    }

    #[test]
    fn what_was_said_first_is_kept_when_the_rest_is_accepted() {
        let mut in_flight = holding(&[4, 5, 6]);
        in_flight.acknowledge(&place().partition, 5, Release).unwrap();
        assert_eq!(in_flight.unacknowledged(), 2);
        in_flight.acknowledge_all(Accept);
        assert_eq!(in_flight.take_acknowledged()[&place()].batches(), [(4, 6, vec![1, 2, 1])]);
        assert!(in_flight.take_acknowledged().is_empty());
        let gone = in_flight.acknowledge(&place().partition, 5, Accept).unwrap_err().to_string();
        assert!(gone.contains("t-0@5"), "{gone}");
    }

    #[test]
    fn a_renewed_record_comes_back_and_one_that_could_not_be_renewed_does_not() {
        let mut in_flight = holding(&[1, 2]);
        in_flight.acknowledge_all(Renew);
        let taken = in_flight.take_acknowledged();
        assert!(in_flight.has_renewals() && in_flight.unacknowledged() == 0);
        in_flight.completed(&place(), &taken[&place()], true);
        let again: Vec<i64> = in_flight.take_renewed().iter().map(|record| record.offset).collect();
        assert_eq!((again, in_flight.unacknowledged()), (vec![1, 2], 2));
        in_flight.acknowledge_all(Renew);
        let taken = in_flight.take_acknowledged();
        in_flight.completed(&place(), &taken[&place()], false);
        assert!(!in_flight.has_renewals() && in_flight.take_renewed().is_empty());
    }

    #[test]
    fn a_record_from_two_leaders_is_acknowledged_to_both() {
        let mut in_flight = holding(&[4]);
        let other = Place { node: 2, ..place() };
        in_flight.put(&other, &[record(4), record(5)], Acknowledgements::default());
        assert_eq!(in_flight.unacknowledged(), 3);
        in_flight.acknowledge(&place().partition, 4, Accept).unwrap();
        in_flight.acknowledge(&place().partition, 4, Accept).unwrap();
        in_flight.acknowledge(&place().partition, 5, Release).unwrap();
        assert_eq!(in_flight.unacknowledged(), 0);
        let taken = in_flight.take_acknowledged();
        assert_eq!(taken[&place()].batches(), [(4, 4, vec![1])]);
        assert_eq!(taken[&other].batches(), [(4, 5, vec![1, 2])]);
    }
}
