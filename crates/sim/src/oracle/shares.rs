//! What is known of the share group: which records it is done with, who has which and until when, and how often they came.
//!
//! A record is *certainly open* unless somebody may have finished it: an acknowledgement that ends it was sent and not
//! refused, or it may have been delivered as often as the group allows, deliveries of lost answers included. Certainly open
//! records must come again, and the start offset does not pass them.
//!
//! A member has a record *for certain* from the answer that brought it until the lock that began no earlier than its question
//! can end, as long as it does nothing that gives it back, its connection is not cut, and the process runs and is not told to end,
//! with a disk that does not fail. What it says after its lock can have ended may be taken without being written: the record is
//! given up already, and if that was not written, comes again.

use super::{Check, Oracle, broken};
use ottla_runtime::Instant;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

/// `group.share.record.lock.duration.ms`.
pub(crate) const LOCK: Duration = Duration::from_millis(1500);
/// `group.share.delivery.count.limit`.
pub(crate) const DELIVERIES_MAX: i16 = 4;
/// `group.share.partition.max.record.locks`.
pub(crate) const IN_FLIGHT_MAX: i64 = 100;
/// The node counts milliseconds.
const ROUNDING: Duration = Duration::from_millis(2);
/// A batch is handed out whole, beyond what may be in flight.
const BATCH_RECORDS_MAX: i64 = 30;

/// What a member says of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    Accept,
    Release,
    Reject,
    Renew,
}

/// What was known when a request was sent.
#[derive(Debug, Clone)]
pub(crate) struct ShareSent {
    /// See [`Oracle::process`].
    process: u32,
    /// Its place among all requests.
    turn: u64,
    at: Instant,
    starts: BTreeMap<i32, i64>,
}

/// What a member is saying of records of one partition.
#[derive(Debug, Clone)]
pub(crate) struct Saying {
    partition: i32,
    /// Offset, delivery count, what is said.
    records: Vec<(i64, i16, Said)>,
    /// The member has all of them for certain, until then.
    held_until: Option<Instant>,
}

/// How it was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ShareAnswer {
    Done,
    /// The member does not have them.
    NotTheirs,
    /// Nothing was done, for another reason.
    Refused,
    Unknown,
}

/// The one share group.
#[derive(Debug, Default)]
pub(super) struct ShareHistory {
    /// Whether its configs are set.
    has_begun: bool,
    /// The process was told to end: sessions end with their connections.
    is_ending: bool,
    turn: u64,
    /// Fetches that are not answered yet, by turn: when they were sent.
    fetches: BTreeMap<u64, Instant>,
    partitions: BTreeMap<i32, SharedPartition>,
}

#[derive(Debug, Default)]
struct SharedPartition {
    /// The start offset is at least this.
    start: i64,
    /// Records that came at least once.
    records: BTreeMap<i64, SharedRecord>,
    /// For every fetch without an answer: what it may have acquired lies below this.
    lost: Vec<i64>,
}

#[derive(Debug, Default)]
struct SharedRecord {
    /// Highest delivery count that was told, and the length of `lost` then.
    count: i16,
    lost_before: usize,
    held: Option<Held>,
    /// Who got it last, and before when the lock of that cannot have ended.
    locked: Option<(String, Instant)>,
    /// Since this turn the group is done with it.
    done: Option<u64>,
    /// It was given back, and since this turn the group knows that it had been delivered so often.
    given_back: Option<(u64, i16)>,
    /// Acknowledgements that end it, which were sent and not refused: several members may say something of it at a time.
    endings: usize,
}

#[derive(Debug, Clone)]
struct Held {
    member: String,
    since: u64,
    until: Instant,
}

impl Oracle {
    /// The group's configs are set: members may join.
    pub(crate) fn shares_begin(&self) {
        self.state().shares.has_begun = true;
    }

    pub(crate) fn shares_have_begun(&self) -> bool {
        self.state().shares.has_begun
    }

    /// What is known of the share group, to be brought along with the answer.
    pub(crate) fn asking_shares(&self, now: Instant) -> ShareSent {
        let state = &mut *self.state();
        state.shares.turn += 1;
        let starts = state.shares.partitions.iter().map(|(partition, shared)| (*partition, shared.start)).collect();
        ShareSent { process: state.life + state.ends, turn: state.shares.turn, at: now, starts }
    }

    /// The same for a fetch, of which [`Oracle::share_fetched`] or [`Oracle::share_fetch_lost`] is to follow.
    pub(crate) fn asking_share_fetch(&self, now: Instant) -> ShareSent {
        let sent = self.asking_shares(now);
        self.state().shares.fetches.insert(sent.turn, now);
        sent
    }

    /// A fetch was answered.
    pub(crate) fn share_fetched(&self, sent: &ShareSent) {
        self.state().shares.fetches.remove(&sent.turn);
    }

    /// A member acquired records.
    pub(crate) fn shares_delivered(
        &self,
        sent: &ShareSent,
        member: &str,
        partition: i32,
        offsets: RangeInclusive<i64>,
        count: i16,
        now: Instant,
    ) -> Check {
        self.tell(now, format!("{member} has {offsets:?} of partition {partition}, delivery {count}"));
        let state = &mut *self.state();
        state.counts.share_deliveries += u64::try_from(offsets.end() - offsets.start() + 1).unwrap_or(0);
        let locks = !state.health.is_failing && !state.shares.is_ending && sent.process == state.life + state.ends;
        let turn = state.shares.turn;
        let shared = state.shares.partitions.entry(partition).or_default();
        if !(1..=DELIVERIES_MAX).contains(&count) {
            return broken(format!("{offsets:?} of shared-{partition} came with delivery count {count}"));
        }
        let start = sent.starts.get(&partition).copied().unwrap_or(0);
        if *offsets.start() < start {
            return broken(format!("{offsets:?} of shared-{partition} came, the share group starts at {start}"));
        }
        for offset in offsets {
            let lost_before = shared.lost.len();
            let record = shared.records.entry(offset).or_default();
            let wrong = record.check_delivery(sent, count, now);
            if let Some(wrong) = wrong {
                return broken(format!("offset {offset} of shared-{partition} came to {member}, {wrong}"));
            }
            let is_newest = record.held.as_ref().is_none_or(|held| sent.turn > held.since);
            let until = sent.at + LOCK - ROUNDING;
            record.held = (locks && is_newest).then(|| Held { member: member.to_string(), since: turn, until });
            record.locked = Some((member.to_string(), until));
            if count >= record.count {
                (record.count, record.lost_before) = (count, lost_before);
            }
        }
        Ok(())
    }

    /// A fetch had no answer: the member may have acquired what it does not know of.
    pub(crate) fn share_fetch_lost(&self, sent: &ShareSent, now: Instant) {
        let shares = &mut self.state().shares;
        let late = shares.late_fetches(now);
        shares.fetches.remove(&sent.turn);
        for shared in shares.partitions.values_mut() {
            let end = shared.first_open(late) + IN_FLIGHT_MAX + BATCH_RECORDS_MAX;
            shared.lost.push(end);
        }
    }

    /// A member is about to say something of records: offset, delivery count, and what.
    pub(crate) fn saying(&self, member: &str, partition: i32, records: Vec<(i64, i16, Said)>) -> Saying {
        let shared = &mut self.state().shares;
        let shared = shared.partitions.entry(partition).or_default();
        let mut saying = Saying { partition, records, held_until: None };
        let mut held: Vec<Option<Instant>> = Vec::new();
        for (offset, count, said) in &saying.records {
            let record = shared.records.entry(*offset).or_default();
            held.push(record.held.as_ref().filter(|held| held.member == member).map(|held| held.until));
            if *said != Said::Renew {
                record.held = None;
            }
            record.endings += usize::from(said.ends(*count));
        }
        saying.held_until = held.into_iter().collect::<Option<Vec<Instant>>>().and_then(|all| all.into_iter().min());
        saying
    }

    /// It was answered, or will not be.
    pub(crate) fn said(
        &self,
        sent: &ShareSent,
        member: &str,
        saying: &Saying,
        answer: ShareAnswer,
        now: Instant,
    ) -> Check {
        let partition = saying.partition;
        self.tell(now, format!("{member} said of partition {partition} {:?}: {answer:?}", saying.records));
        let state = &mut *self.state();
        let is_calm = !state.health.is_failing && !state.health.is_slow && sent.process == state.life + state.ends;
        let turn = state.shares.turn;
        let shared = state.shares.partitions.entry(partition).or_default();
        match answer {
            ShareAnswer::Unknown => return Ok(()),
            ShareAnswer::NotTheirs | ShareAnswer::Refused => {
                for (offset, count, said) in &saying.records {
                    shared.records.entry(*offset).or_default().endings -= usize::from(said.ends(*count));
                }
                if answer == ShareAnswer::NotTheirs && is_calm && saying.held_until.is_some_and(|until| now < until) {
                    let offsets: Vec<i64> = saying.records.iter().map(|(offset, ..)| *offset).collect();
                    return broken(format!("{member} had {offsets:?} of shared-{partition} and was not believed"));
                }
                return Ok(());
            }
            ShareAnswer::Done => {}
        }
        state.counts.share_acknowledgements += saying.records.len() as u64;
        for (offset, count, said) in &saying.records {
            let record = shared.records.entry(*offset).or_default();
            let in_time = record.locked.as_ref().is_some_and(|(of, until)| of == member && now < *until);
            if !in_time {
                continue;
            }
            if said.ends(*count) {
                record.done.get_or_insert(turn);
            } else if *said == Said::Release {
                let known = record.given_back.map_or(0, |(_, known)| known);
                if *count > known {
                    record.given_back = Some((turn, *count));
                }
            } else {
                let until = sent.at + LOCK - ROUNDING;
                record.locked = Some((member.to_string(), until));
                if let Some(held) = record.held.as_mut().filter(|held| held.member == member) {
                    held.until = held.until.max(until);
                }
            }
        }
        Ok(())
    }

    /// The node may take back what members have, without their doing: a connection is cut.
    pub(crate) fn share_locks_end(&self) {
        self.state().shares.forget_locks();
    }

    /// The process was told to end.
    pub(crate) fn process_ends(&self) {
        let shares = &mut self.state().shares;
        shares.is_ending = true;
        shares.forget_locks();
    }

    /// A member does something that gives back all that it has.
    pub(crate) fn gives_up_shares(&self, member: &str) {
        let partitions = &mut self.state().shares.partitions;
        for record in partitions.values_mut().flat_map(|shared| shared.records.values_mut()) {
            record.held.take_if(|held| held.member == member);
        }
    }

    /// The group told its start offset of a partition; -1 is none.
    pub(crate) fn share_start(&self, sent: &ShareSent, partition: i32, found: i64, now: Instant) -> Check {
        let shares = &mut self.state().shares;
        let late = shares.late_fetches(now);
        let shared = shares.partitions.entry(partition).or_default();
        let known = sent.starts.get(&partition).copied().unwrap_or(0);
        if found < known && known > 0 {
            return broken(format!("the share group started at {known} in shared-{partition}, and starts at {found}"));
        }
        let open = shared.first_open(late);
        if found > open {
            return broken(format!(
                "the share group starts at {found} in shared-{partition}, nobody is done with offset {open}"
            ));
        }
        shared.start = shared.start.max(found);
        Ok(())
    }

    /// A record that is certainly open, if there is one: partition and offset.
    pub(crate) fn open_share(&self, ends: &BTreeMap<i32, i64>, now: Instant) -> Option<(i32, i64)> {
        let shares = &self.state().shares;
        let late = shares.late_fetches(now);
        ends.iter().find_map(|(partition, end)| {
            let open = shares.partitions.get(partition).map_or(0, |shared| shared.first_open(late));
            (open < *end).then_some((*partition, open))
        })
    }
}

impl ShareHistory {
    /// A process begins.
    pub(super) fn life_begins(&mut self) {
        self.is_ending = false;
    }

    /// The process is gone, or its disk fails: nobody has anything for certain.
    pub(super) fn forget_locks(&mut self) {
        let records = self.partitions.values_mut().flat_map(|shared| shared.records.values_mut());
        records.for_each(|record| record.held = None);
    }

    /// Fetches whose records may have come and gone while nobody was told: locks last longer than any other.
    fn late_fetches(&self, now: Instant) -> usize {
        self.fetches.values().filter(|sent| now >= **sent + LOCK).count()
    }
}

impl SharedPartition {
    /// The first offset that is certainly open; it may lie behind the end of the log.
    fn first_open(&self, late: usize) -> i64 {
        let known = (self.start..).find(|offset| !self.may_be_done(*offset, 0)).unwrap_or(i64::MAX);
        let reach = known + IN_FLIGHT_MAX + BATCH_RECORDS_MAX;
        (known..reach).find(|offset| !self.may_be_done(*offset, late)).unwrap_or(reach)
    }

    /// `late` fetches may have delivered it, too.
    fn may_be_done(&self, offset: i64, late: usize) -> bool {
        let record = self.records.get(&offset);
        let (count, lost_before) = record.map_or((0, 0), |record| (record.count, record.lost_before));
        let lost = late + self.lost.iter().skip(lost_before).filter(|end| offset < **end).count();
        // A request of a connection that was given up may be served after the answer that told the count.
        let untold = if lost > 0 { lost + 1 } else { 0 };
        let may_be_given_up = usize::try_from(count).unwrap_or(0) + untold >= DELIVERIES_MAX as usize;
        may_be_given_up || record.is_some_and(|record| record.endings > 0 || record.done.is_some())
    }
}

impl SharedRecord {
    /// What is wrong with a delivery, if something is.
    fn check_delivery(&self, sent: &ShareSent, count: i16, now: Instant) -> Option<String> {
        if self.done.is_some_and(|done| sent.turn > done) {
            return Some("and the group was done with it".to_string());
        }
        if let Some((_, known)) = self.given_back.filter(|(since, known)| sent.turn > *since && count <= *known) {
            return Some(format!("with delivery count {count}, and had come {known} times"));
        }
        let held = self.held.as_ref().filter(|held| sent.turn > held.since && now < held.until)?;
        Some(format!("and {} had it", held.member))
    }
}

impl Saying {
    /// Of which partition.
    pub(crate) fn partition(&self) -> i32 {
        self.partition
    }
}

impl Said {
    /// Whether the group is done with a record of which this is said.
    fn ends(self, count: i16) -> bool {
        match self {
            Said::Accept | Said::Reject => true,
            Said::Release => count >= DELIVERIES_MAX,
            Said::Renew => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oracle() -> (Oracle, Instant) {
        let now = Instant::now();
        let oracle = Oracle::new(now);
        oracle.life_begins();
        (oracle, now)
    }

    fn deliver(oracle: &Oracle, member: &str, offset: i64, count: i16, now: Instant) -> Check {
        let sent = oracle.asking_shares(now);
        oracle.shares_delivered(&sent, member, 0, offset..=offset, count, now)
    }

    fn say(oracle: &Oracle, member: &str, record: (i64, i16, Said), answer: ShareAnswer, now: Instant) -> Check {
        let sent = oracle.asking_shares(now);
        let saying = oracle.saying(member, 0, vec![record]);
        oracle.said(&sent, member, &saying, answer, now)
    }

    #[test]
    fn what_is_done_with_does_not_come_again() {
        let (oracle, now) = oracle();
        deliver(&oracle, "a", 0, 1, now).unwrap();
        let early = oracle.asking_shares(now);
        say(&oracle, "a", (0, 1, Said::Accept), ShareAnswer::Done, now).unwrap();
        assert_eq!(oracle.shares_delivered(&early, "b", 0, 0..=0, 1, now), Ok(()), "it may have come before");
        assert!(deliver(&oracle, "b", 0, 2, now).is_err());
    }

    #[test]
    fn a_record_of_which_two_members_speak_may_be_done_though_one_is_refused() {
        let (oracle, now) = oracle();
        let (sent, later) = (oracle.asking_shares(now), now + LOCK * 2);
        deliver(&oracle, "a", 0, 1, now).unwrap();
        let of_a = oracle.saying("a", 0, vec![(0, 1, Said::Accept)]);
        deliver(&oracle, "b", 0, 2, now + LOCK).unwrap();
        let of_b = oracle.saying("b", 0, vec![(0, 2, Said::Accept)]);
        let ends = BTreeMap::from([(0, 1)]);
        oracle.said(&sent, "a", &of_a, ShareAnswer::NotTheirs, later).unwrap();
        assert_eq!(oracle.open_share(&ends, later), None, "the other one may be believed");
        oracle.said(&sent, "b", &of_b, ShareAnswer::Refused, later).unwrap();
        assert_eq!(oracle.open_share(&ends, later), Some((0, 0)));
    }

    #[test]
    fn a_record_has_one_member_until_its_lock_can_have_ended() {
        let (oracle, now) = oracle();
        deliver(&oracle, "a", 0, 1, now).unwrap();
        assert!(deliver(&oracle, "b", 0, 2, now + LOCK / 2).is_err());
        say(&oracle, "a", (0, 1, Said::Renew), ShareAnswer::Done, now + LOCK / 2).unwrap();
        assert!(deliver(&oracle, "b", 0, 2, now + LOCK).is_err());
        assert_eq!(deliver(&oracle, "b", 0, 2, now + LOCK * 2), Ok(()));
        oracle.gives_up_shares("b");
        assert_eq!(deliver(&oracle, "a", 0, 3, now + LOCK * 2), Ok(()));
    }

    #[test]
    fn who_has_a_record_is_believed() {
        let (oracle, now) = oracle();
        deliver(&oracle, "a", 0, 1, now).unwrap();
        assert!(say(&oracle, "a", (0, 1, Said::Accept), ShareAnswer::NotTheirs, now).is_err());
        deliver(&oracle, "a", 1, 1, now).unwrap();
        assert_eq!(say(&oracle, "a", (1, 1, Said::Accept), ShareAnswer::NotTheirs, now + LOCK), Ok(()));
    }

    #[test]
    fn what_was_given_back_comes_again_with_a_higher_count_up_to_the_limit() {
        let (oracle, now) = oracle();
        deliver(&oracle, "a", 0, 1, now).unwrap();
        say(&oracle, "a", (0, 1, Said::Release), ShareAnswer::Done, now).unwrap();
        assert!(deliver(&oracle, "b", 0, 1, now).is_err());
        assert_eq!(deliver(&oracle, "b", 0, 2, now), Ok(()));
        assert!(deliver(&oracle, "b", 1, DELIVERIES_MAX + 1, now).is_err());
    }

    #[test]
    fn the_start_passes_only_what_may_be_done_with_and_never_goes_back() {
        let (oracle, now) = oracle();
        let ends = BTreeMap::from([(0, 3)]);
        for offset in 0..3 {
            deliver(&oracle, "a", offset, 1, now).unwrap();
        }
        say(&oracle, "a", (0, 1, Said::Accept), ShareAnswer::Done, now).unwrap();
        say(&oracle, "a", (1, 1, Said::Reject), ShareAnswer::Unknown, now).unwrap();
        assert_eq!(oracle.open_share(&ends, now), Some((0, 2)));
        let sent = oracle.asking_shares(now);
        assert!(oracle.share_start(&sent, 0, 3, now).is_err());
        oracle.share_start(&sent, 0, 2, now).unwrap();
        assert_eq!(oracle.share_start(&sent, 0, 1, now), Ok(()), "it was asked before");
        assert!(oracle.share_start(&oracle.asking_shares(now), 0, 1, now).is_err());
        for _ in 0..DELIVERIES_MAX {
            oracle.share_fetch_lost(&oracle.asking_share_fetch(now), now);
        }
        assert_eq!(oracle.open_share(&ends, now), None, "it may have been given up");
    }
}
