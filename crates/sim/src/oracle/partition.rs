//! What is known of one partition: which record is where, and how much of that is promised to stay.
//!
//! Promises are of two strengths. *Firm*: below `firm_end` everything stays for ever (or until retention and
//! DeleteRecords take it from the front). *Soft*: below `soft_end` everything survives the end of the process, as long as
//! nothing is wrong with the disk, but not a power loss.
//!
//! | topic | firm | soft |
//! |---|---|---|
//! | durable | acks=all, high watermark, whatever was read | acks=1 |
//! | write.caching | what is older than a background flush | all of these |
//! | turned back to durable, until an acks=all proves it | as write.caching | |
//!
//! Whoever asks takes a [`Sent`] along: what is true of an answer depends on what was promised before the question.

use super::{Check, PartitionKey, broken};
use ottla_runtime::Instant;
use std::collections::BTreeMap;
use std::time::Duration;

/// Age at which records of a write-caching topic have been flushed in the background: two seconds, and some margin.
const BACKGROUND_FLUSHED_AFTER: Duration = Duration::from_secs(4);

/// `write.caching`, as far as clients know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caching {
    Off,
    On,
    /// It was turned off, but no acknowledgement shows yet that what is below the high watermark is flushed.
    Settling,
}

/// What backs a promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backing {
    /// The leader has appended it: acks=1.
    Appended,
    /// An acknowledgement with acks=all.
    Acknowledged,
    /// It is below the high watermark.
    Visible,
}

/// What was known when a request was sent.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) key: PartitionKey,
    pub(crate) life: u32,
    generation: u32,
    high_watermark: i64,
    firm_end: i64,
    soft_end: i64,
    log_start: i64,
    answered_start: i64,
}

impl Sent {
    /// Everything below this was promised to stay.
    pub(crate) fn firm_end(&self) -> i64 {
        self.firm_end
    }
}

/// How well the node's disk does in this life.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Health {
    /// Writes or syncs fail: only firm promises hold.
    pub(super) is_failing: bool,
    /// Syncs take long: nothing is known of the age at which records are flushed.
    pub(super) is_slow: bool,
}

#[derive(Debug)]
pub(super) struct PartitionHistory {
    /// Record numbers by offset, as far as known.
    slots: BTreeMap<i64, u64>,
    firm_end: i64,
    soft_end: i64,
    /// The high watermark is at least here; as strong as soft promises.
    visible_end: i64,
    /// What a former process left behind, if this one has not confirmed it yet.
    carried: Option<i64>,
    pub(super) caching: Caching,
    /// Rises with every change of `write.caching`.
    generation: u32,
    /// When soft ends of a write-caching topic were reached.
    reached: Vec<(Instant, i64)>,
    /// Never undercut: DeleteRecords was answered.
    answered_start: i64,
    /// Never undercut in this life.
    seen_start: i64,
    /// DeleteRecords was asked for, up to here.
    asked_start: i64,
    /// Leader epoch and the life in which it was seen.
    leader_epoch: Option<(u32, i32)>,
}

impl PartitionHistory {
    pub(super) fn new(caching: bool) -> PartitionHistory {
        PartitionHistory {
            slots: BTreeMap::new(),
            firm_end: 0,
            soft_end: 0,
            visible_end: 0,
            carried: None,
            caching: if caching { Caching::On } else { Caching::Off },
            generation: 0,
            reached: Vec::new(),
            answered_start: 0,
            seen_start: 0,
            asked_start: 0,
            leader_epoch: None,
        }
    }

    pub(super) fn sent(&self, key: &PartitionKey, life: u32) -> Sent {
        Sent {
            key: key.clone(),
            life,
            generation: self.generation,
            high_watermark: self.firm_end.max(self.visible_end),
            firm_end: self.firm_end,
            soft_end: self.soft_end,
            log_start: self.seen_start,
            answered_start: self.answered_start,
        }
    }

    /// Everything below this stays.
    pub(super) fn firm_end(&self) -> i64 {
        self.firm_end
    }

    /// Whether the topic was always durable: only then a lost sequence is the node's fault.
    pub(super) fn was_always_durable(&self) -> bool {
        self.generation == 0 && self.caching == Caching::Off
    }

    /// Notes a promise that everything below `end` is there; whether it is worth noting what is there.
    pub(super) fn promised(
        &mut self,
        sent: &Sent,
        end: i64,
        backing: Backing,
        life: u32,
        health: Health,
        now: Instant,
    ) -> bool {
        let is_this_life = sent.life == life;
        if is_this_life && let Some(carried) = self.carried.take() {
            // The log is open, so what recovery found is flushed.
            self.firm_end = self.firm_end.max(carried);
        }
        let is_of_now = sent.generation == self.generation;
        if self.caching == Caching::Settling && is_of_now && backing == Backing::Acknowledged {
            self.caching = Caching::Off;
        }
        let is_firm = self.caching == Caching::Off && is_of_now && backing != Backing::Appended;
        let is_soft = is_this_life && !health.is_failing;
        if is_soft && backing != Backing::Appended {
            self.visible_end = self.visible_end.max(end);
        }
        if is_firm {
            self.firm_end = self.firm_end.max(end);
            self.soft_end = self.soft_end.max(end);
        } else if is_soft && end > self.soft_end {
            self.soft_end = end;
            if self.caching != Caching::Off {
                self.reached.push((now, end));
            }
        }
        // An answer that was long under way may tell of records that were lost since, and of others in their place.
        is_firm || is_soft || end <= sent.firm_end
    }

    /// Record `number` is at `offset`.
    pub(super) fn place(&mut self, key: &PartitionKey, offset: i64, number: u64) -> Check {
        match self.slots.insert(offset, number) {
            Some(other) if other != number => {
                broken(format!("{key} had record {other} at offset {offset}, and now has record {number} there"))
            }
            _ => Ok(()),
        }
    }

    /// A Fetch or ListOffsets named the high watermark.
    pub(super) fn check_high_watermark(&self, sent: &Sent, found: i64, health: Health) -> Check {
        let floor = if health.is_failing { sent.high_watermark.min(self.firm_end) } else { sent.high_watermark };
        if found < floor {
            return broken(format!("the high watermark of {} went back from {floor} to {found}", sent.key));
        }
        Ok(())
    }

    /// ListOffsets named the end: whoever got an acknowledgement and then asks sees the record.
    pub(super) fn check_latest(&self, sent: &Sent, found: i64, life: u32, health: Health) -> Check {
        let is_calm = !health.is_failing && !health.is_slow && sent.life == life;
        if is_calm && found < sent.soft_end {
            let end = sent.soft_end;
            return broken(format!("ListOffsets of {} says {found}, but {end} was acknowledged before", sent.key));
        }
        Ok(())
    }

    /// An answer named the log start offset. Returns whether it rose.
    pub(super) fn check_log_start(
        &mut self,
        sent: &Sent,
        found: i64,
        may_retain: bool,
        life: u32,
        health: Health,
    ) -> Check<bool> {
        let floor = if health.is_failing || sent.life != life { sent.answered_start } else { sent.log_start };
        if found < floor {
            return broken(format!("the log start offset of {} went back from {floor} to {found}", sent.key));
        }
        if found > self.asked_start && !may_retain {
            let asked = self.asked_start;
            return broken(format!(
                "the log start offset of {} is {found}, DeleteRecords only asked for {asked}",
                sent.key
            ));
        }
        let rose = sent.life == life && found > self.seen_start;
        if rose {
            self.seen_start = found;
        }
        Ok(rose)
    }

    /// Record numbers in front of `end` from `start` on.
    pub(super) fn numbers(&self, start: i64, end: i64) -> impl Iterator<Item = (i64, u64)> {
        let start = start.min(end);
        self.slots.range(start..end).map(|(offset, number)| (*offset, *number))
    }

    pub(super) fn seen_start(&self) -> i64 {
        self.seen_start
    }

    pub(super) fn asked_start(&self) -> i64 {
        self.asked_start
    }

    /// DeleteRecords is about to be asked for; `None` is "all".
    pub(super) fn deletion_asked(&mut self, offset: Option<i64>) {
        self.asked_start = self.asked_start.max(offset.unwrap_or(i64::MAX));
    }

    /// DeleteRecords was answered.
    pub(super) fn deleted(&mut self, sent: &Sent, asked: Option<i64>, low_watermark: i64) -> Check {
        if low_watermark < asked.unwrap_or(sent.high_watermark) {
            return broken(format!("DeleteRecords of {} up to {asked:?} answered {low_watermark}", sent.key));
        }
        self.answered_start = self.answered_start.max(low_watermark);
        self.seen_start = self.seen_start.max(self.answered_start);
        Ok(())
    }

    /// Metadata named the leader epoch.
    pub(super) fn check_leader_epoch(&mut self, key: &PartitionKey, life: u32, epoch: i32) -> Check {
        let known = self.leader_epoch;
        let is_fine = known.is_none_or(|(then, known)| if life > then { epoch > known } else { epoch >= known });
        if !is_fine {
            return broken(format!(
                "{key} had {known:?} as life and leader epoch, and has epoch {epoch} in life {life}"
            ));
        }
        self.leader_epoch = Some((life, epoch));
        Ok(())
    }

    /// `write.caching` is about to be turned on: from now on nothing new is firm.
    pub(super) fn caching_on(&mut self) {
        self.caching = Caching::On;
        self.generation += 1;
    }

    /// `write.caching` was turned off.
    pub(super) fn caching_off(&mut self) {
        self.caching = Caching::Settling;
        self.generation += 1;
    }

    /// A process begins: what it finds, it flushes before it serves.
    pub(super) fn life_begins(&mut self) {
        self.carried = Some(self.soft_end);
        // An answer of the former process may have come after its end.
        self.forget_seen_start();
        self.reached.clear();
        if self.caching == Caching::Settling {
            self.caching = Caching::Off;
        }
    }

    /// Takes in what the background flush has made firm.
    pub(super) fn age(&mut self, now: Instant) {
        let is_old = |at: Instant| now.saturating_duration_since(at) >= BACKGROUND_FLUSHED_AFTER;
        let old = self.reached.iter().filter(|(at, _)| is_old(*at)).map(|(_, end)| *end).max().unwrap_or(0);
        self.firm_end = self.firm_end.max(old);
        self.reached.retain(|(at, _)| !is_old(*at));
    }

    /// A clean shutdown has flushed everything.
    pub(super) fn closed_cleanly(&mut self) {
        self.firm_end = self.firm_end.max(self.soft_end);
    }

    /// The process is gone, or its disk fails: unanswered deletions may be undone.
    pub(super) fn forget_seen_start(&mut self) {
        self.seen_start = self.answered_start;
    }

    /// Only firm promises are left; returns what is not known any more.
    pub(super) fn forget_soft(&mut self) -> BTreeMap<i64, u64> {
        self.soft_end = self.firm_end;
        self.visible_end = self.firm_end;
        self.carried = None;
        self.reached.clear();
        self.slots.split_off(&self.firm_end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::Broken;

    const HEALTHY: Health = Health { is_failing: false, is_slow: false };

    fn key() -> PartitionKey {
        PartitionKey::new("topic", 0, 0)
    }

    fn now() -> Instant {
        Instant::now()
    }

    #[test]
    fn firm_promises_of_a_durable_topic_outlive_a_power_loss_and_soft_ones_do_not() {
        let mut history = PartitionHistory::new(false);
        let sent = history.sent(&key(), 1);
        assert!(history.promised(&sent, 5, Backing::Acknowledged, 1, HEALTHY, now()));
        assert!(history.promised(&sent, 8, Backing::Appended, 1, HEALTHY, now()));
        for offset in 0..8 {
            history.place(&key(), offset, offset as u64).unwrap();
        }
        let forgotten = history.forget_soft();
        assert_eq!(forgotten.into_keys().collect::<Vec<_>>(), [5, 6, 7]);
        assert_eq!(history.place(&key(), 5, 9), Ok(()));
        assert!(history.place(&key(), 4, 9).is_err());
    }

    #[test]
    fn a_write_caching_topic_keeps_what_is_old_enough() {
        let mut history = PartitionHistory::new(true);
        let sent = history.sent(&key(), 1);
        let start = now();
        history.promised(&sent, 5, Backing::Visible, 1, HEALTHY, start);
        history.promised(&sent, 7, Backing::Visible, 1, HEALTHY, start + BACKGROUND_FLUSHED_AFTER);
        history.age(start + BACKGROUND_FLUSHED_AFTER);
        history.forget_soft();
        assert_eq!(history.firm_end(), 5);
    }

    #[test]
    fn the_high_watermark_is_compared_with_what_was_known_at_the_question() {
        let mut history = PartitionHistory::new(false);
        let early = history.sent(&key(), 1);
        history.promised(&early, 5, Backing::Visible, 1, HEALTHY, now());
        let late = history.sent(&key(), 1);
        assert_eq!(history.check_high_watermark(&early, 3, HEALTHY), Ok(()));
        assert!(history.check_high_watermark(&late, 3, HEALTHY).is_err());
    }

    #[test]
    fn a_late_answer_of_a_dead_process_makes_no_soft_promise() {
        let mut history = PartitionHistory::new(false);
        let sent = history.sent(&key(), 1);
        assert!(!history.promised(&sent, 5, Backing::Appended, 2, HEALTHY, now()));
        assert_eq!(history.sent(&key(), 2).soft_end, 0);
    }

    #[test]
    fn a_late_answer_says_nothing_about_what_came_in_the_place_of_lost_records() {
        let mut history = PartitionHistory::new(true);
        let early = history.sent(&key(), 1);
        history.caching_off();
        history.life_begins();
        let late = history.sent(&key(), 2);
        assert!(history.promised(&late, 9, Backing::Acknowledged, 2, HEALTHY, now()));
        assert_eq!(history.firm_end(), 9);
        assert!(!history.promised(&early, 5, Backing::Acknowledged, 2, HEALTHY, now()));
    }

    #[test]
    fn leader_epochs_must_rise_with_every_life() {
        let mut history = PartitionHistory::new(false);
        history.check_leader_epoch(&key(), 1, 3).unwrap();
        history.check_leader_epoch(&key(), 1, 3).unwrap();
        assert!(matches!(history.check_leader_epoch(&key(), 2, 3), Err(Broken(_))));
    }
}
