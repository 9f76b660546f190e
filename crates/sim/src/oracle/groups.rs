//! What is known of groups: what was committed, what the members have read, and who owns which partition.
//!
//! All members of a group begin where its offsets were committed, never commit less than they began with, and begin anew when
//! a commit's outcome is not known. So the committed offset of a partition can only rise, whoever commits it.
//!
//! | | classic | KIP-848 |
//! |---|---|---|
//! | an assignment | what one leader sent in this generation, to each member its part | overlaps no other member's |
//! | a member is fenced | once a higher generation was told | once its session can have ended |

use super::{Check, Oracle, broken};
use ottla_runtime::Instant;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Generations of a classic group whose assignments are remembered.
const GENERATIONS_MAX: usize = 16;

/// Who has which partitions of the one topic.
pub(crate) type Shares = BTreeMap<String, BTreeSet<i32>>;

/// What was known of a group when a request was sent.
#[derive(Debug, Clone)]
pub(crate) struct GroupSent {
    group: Arc<str>,
    /// See [`Oracle::process`].
    pub(crate) process: u32,
    at: Instant,
    committed: BTreeMap<i32, i64>,
    generation: i32,
}

/// One group.
#[derive(Debug, Default)]
pub(super) struct GroupHistory {
    /// The committed offset is at least this.
    committed: BTreeMap<i32, i64>,
    /// The highest offset that anybody asked to commit.
    asked: BTreeMap<i32, i64>,
    /// Offsets that members have read: end by start, no two touch.
    read: BTreeMap<i32, BTreeMap<i64, i64>>,
    /// The highest generation in which an assignment was told.
    generation: i32,
    /// What leaders have sent, by generation; more than one where the coordinator forgot the first.
    sent_shares: BTreeMap<i32, Vec<Shares>>,
    /// Members of a KIP-848 group or a streams group.
    owners: BTreeMap<String, Owner>,
}

/// A member of a KIP-848 group or a streams group, as it sees itself.
#[derive(Debug, Default)]
struct Owner {
    partitions: BTreeSet<i32>,
    /// Before this its session cannot have ended.
    held_until: Option<Instant>,
}

impl Oracle {
    /// What is known of a group, to be brought along with the answer.
    pub(crate) fn asking_group(&self, group: &str, now: Instant) -> GroupSent {
        let mut state = self.state();
        let process = state.life + state.ends;
        let history = state.groups.entry(group.into()).or_default();
        GroupSent {
            group: group.into(),
            process,
            at: now,
            committed: history.committed.clone(),
            generation: history.generation,
        }
    }

    /// Changes when a process begins, and when one has ended.
    pub(crate) fn process(&self) -> u32 {
        let state = self.state();
        state.life + state.ends
    }

    fn group<T>(&self, group: &str, with: impl FnOnce(&mut GroupHistory) -> T) -> T {
        with(self.state().groups.entry(group.into()).or_default())
    }

    /// A member has read these offsets of a partition.
    pub(crate) fn group_read(&self, group: &str, partition: i32, from: i64, to: i64) {
        self.group(group, |history| history.add_read(partition, from, to));
    }

    /// A member is about to commit an offset: everything in front of it has been read.
    pub(crate) fn committing(&self, group: &str, partition: i32, offset: i64) -> Check {
        self.group(group, |history| {
            let asked = history.asked.entry(partition).or_default();
            *asked = offset.max(*asked);
            history.check_read(group, partition, offset)
        })
    }

    /// A commit was answered; `generation` is that of a classic member.
    pub(crate) fn committed(&self, sent: &GroupSent, partition: i32, offset: i64, generation: Option<i32>) -> Check {
        self.state().counts.commits += 1;
        let known = sent.committed.get(&partition).copied().unwrap_or(0);
        if offset < known {
            let group = &sent.group;
            return broken(format!(
                "{group} took a commit of {offset} in partition {partition} when {known} was committed"
            ));
        }
        if let Some(generation) = generation {
            self.in_generation(sent, "a commit", generation)?;
        }
        self.group(&sent.group, |history| raise(&mut history.committed, partition, offset));
        Ok(())
    }

    /// OffsetFetch was answered; -1 is no offset.
    pub(crate) fn fetched_offset(&self, sent: &GroupSent, partition: i32, found: i64) -> Check {
        let known = sent.committed.get(&partition).copied().unwrap_or(-1);
        let group = &sent.group;
        if found < known {
            return broken(format!("{group} had committed {known} in partition {partition}, and says {found}"));
        }
        self.group(group, |history| {
            if found > history.asked.get(&partition).copied().unwrap_or(-1) {
                return broken(format!("{group} says {found} in partition {partition}, which nobody committed"));
            }
            if found >= 0 {
                raise(&mut history.committed, partition, found);
            }
            Ok(())
        })
    }

    /// The lowest offset that is not committed although it is behind it: which partition, what is committed, what must be.
    pub(crate) fn group_lag(&self, group: &str, ends: &BTreeMap<i32, i64>) -> Option<(i32, i64, i64)> {
        self.group(group, |history| {
            let committed = |partition: &i32| history.committed.get(partition).copied().unwrap_or(0);
            let behind = ends.iter().find(|(partition, end)| committed(partition) < **end);
            behind.map(|(partition, end)| (*partition, committed(partition), *end))
        })
    }

    // ---- classic groups

    /// An answer came to a member of this generation.
    pub(crate) fn in_generation(&self, sent: &GroupSent, what: &str, generation: i32) -> Check {
        if generation < sent.generation {
            let (group, known) = (&sent.group, sent.generation);
            return broken(format!("{group} took {what} of generation {generation} when {known} was under way"));
        }
        Ok(())
    }

    /// The leader of a generation is about to send the assignments.
    pub(crate) fn sharing(&self, group: &str, generation: i32, shares: &Shares) {
        self.group(group, |history| {
            let sent = history.sent_shares.entry(generation).or_default();
            if !sent.contains(shares) {
                sent.push(shares.clone());
            }
            while history.sent_shares.len() > GENERATIONS_MAX {
                history.sent_shares.pop_first();
            }
        });
    }

    /// A member was told its assignment.
    pub(crate) fn share_told(
        &self,
        sent: &GroupSent,
        generation: i32,
        member: &str,
        share: &BTreeSet<i32>,
        now: Instant,
    ) -> Check {
        self.in_generation(sent, "a SyncGroup", generation)?;
        self.state().counts.assignments += 1;
        self.tell(now, format!("{}: generation {generation}, {member} has {share:?}", sent.group));
        self.group(&sent.group, |history| {
            history.generation = history.generation.max(generation);
            let possible = history.sent_shares.entry(generation).or_default();
            // From now on it is known which one the coordinator took.
            possible.retain(|shares| shares.get(member).is_some_and(|given| given == share));
            if possible.is_empty() {
                let group = &sent.group;
                return broken(format!("{group} gave {share:?} to {member} in generation {generation}: not its share"));
            }
            Ok(())
        })
    }

    // ---- KIP-848 groups, and streams groups with tasks in place of partitions

    /// A member is about to say that it owns these partitions, or that it leaves with none.
    pub(crate) fn owning(&self, group: &str, member: &str, partitions: &BTreeSet<i32>) {
        self.group(group, |history| {
            let owner = history.owners.entry(member.to_string()).or_default();
            owner.partitions.retain(|partition| partitions.contains(partition));
        });
    }

    /// A heartbeat was answered, with an assignment where there is a new one.
    pub(crate) fn heartbeat(
        &self,
        sent: &GroupSent,
        member: &str,
        assigned: Option<&BTreeSet<i32>>,
        session: Duration,
        now: Instant,
    ) -> Check {
        self.state().counts.assignments += u64::from(assigned.is_some());
        if let Some(assigned) = assigned {
            self.tell(now, format!("{}: {member} has {assigned:?}", sent.group));
        }
        self.group(&sent.group, |history| {
            let own = history.owners.entry(member.to_string()).or_default();
            own.held_until = Some(sent.at + session);
            let Some(assigned) = assigned else { return Ok(()) };
            own.partitions.clone_from(assigned);
            let others = history.owners.iter().filter(|(other, _)| *other != member);
            for (other, owner) in others.filter(|(_, owner)| owner.held_until.is_some_and(|until| now < until)) {
                if let Some(partition) = owner.partitions.intersection(assigned).next() {
                    let group = &sent.group;
                    return broken(format!("{group} gave partition {partition} to {member} while {other} owned it"));
                }
            }
            Ok(())
        })
    }

    /// A partition or task of these that no member has whose session lasts, if there is one.
    pub(crate) fn unowned(&self, group: &str, all: &BTreeSet<i32>, now: Instant) -> Option<i32> {
        self.group(group, |history| {
            let lasts = |owner: &&Owner| owner.held_until.is_some_and(|until| now < until);
            let owned: BTreeSet<i32> =
                history.owners.values().filter(lasts).flat_map(|owner| owner.partitions.iter().copied()).collect();
            all.difference(&owned).next().copied()
        })
    }
}

impl GroupHistory {
    fn add_read(&mut self, partition: i32, from: i64, to: i64) {
        let ranges = self.read.entry(partition).or_default();
        let (mut start, mut end) = (from, to);
        while let Some((&other_start, &other_end)) = ranges.range(..=end).next_back().filter(|(_, end)| **end >= start)
        {
            ranges.remove(&other_start);
            (start, end) = (start.min(other_start), end.max(other_end));
        }
        ranges.insert(start, end);
    }

    /// At least once: what is committed has been read.
    fn check_read(&self, group: &str, partition: i32, offset: i64) -> Check {
        let first = self.read.get(&partition).and_then(|ranges| ranges.first_key_value());
        let read_to = first.filter(|(start, _)| **start == 0).map_or(0, |(_, end)| *end);
        if offset > read_to {
            return broken(format!(
                "{group} gets to offset {offset} of partition {partition}, nobody read offset {read_to}"
            ));
        }
        Ok(())
    }
}

fn raise(offsets: &mut BTreeMap<i32, i64>, partition: i32, offset: i64) {
    let known = offsets.entry(partition).or_insert(offset);
    *known = offset.max(*known);
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: Duration = Duration::from_secs(2);

    fn oracle() -> (Oracle, Instant) {
        let now = Instant::now();
        (Oracle::new(now), now)
    }

    #[test]
    fn committed_offsets_never_go_back_and_come_from_somebody() {
        let (oracle, now) = oracle();
        let early = oracle.asking_group("g", now);
        oracle.group_read("g", 0, 0, 9);
        oracle.committing("g", 0, 7).unwrap();
        oracle.committed(&early, 0, 7, None).unwrap();
        let late = oracle.asking_group("g", now);
        assert_eq!(oracle.fetched_offset(&early, 0, -1), Ok(()), "it was asked before");
        assert_eq!(oracle.fetched_offset(&late, 0, 7), Ok(()));
        assert!(oracle.fetched_offset(&late, 0, 6).is_err());
        assert!(oracle.fetched_offset(&late, 0, 8).is_err());
        assert!(oracle.committed(&late, 0, 6, None).is_err());
    }

    #[test]
    fn nothing_is_committed_that_nobody_read() {
        let (oracle, _) = oracle();
        oracle.group_read("g", 0, 0, 5);
        oracle.group_read("g", 0, 8, 9);
        assert!(oracle.committing("g", 0, 9).is_err());
        oracle.group_read("g", 0, 4, 8);
        assert_eq!(oracle.committing("g", 0, 9), Ok(()));
    }

    #[test]
    fn one_leader_shares_out_a_generation() {
        let (oracle, now) = oracle();
        let shares = |a: &[i32], b: &[i32]| {
            Shares::from([
                ("a".to_string(), a.iter().copied().collect()),
                ("b".to_string(), b.iter().copied().collect()),
            ])
        };
        let sent = oracle.asking_group("g", now);
        oracle.sharing("g", 3, &shares(&[0], &[1]));
        oracle.sharing("g", 3, &shares(&[1], &[0]));
        assert_eq!(oracle.share_told(&sent, 3, "a", &BTreeSet::from([1]), now), Ok(()));
        assert!(oracle.share_told(&sent, 3, "b", &BTreeSet::from([1]), now).is_err(), "that is the other leader's");
        let late = oracle.asking_group("g", now);
        assert!(oracle.in_generation(&late, "a commit", 2).is_err());
    }

    #[test]
    fn a_partition_has_one_owner_until_its_session_can_have_ended() {
        let (oracle, now) = oracle();
        let sent = oracle.asking_group("g", now);
        let part = BTreeSet::from([0]);
        oracle.heartbeat(&sent, "a", Some(&part), SESSION, now).unwrap();
        assert!(oracle.heartbeat(&sent, "b", Some(&part), SESSION, now).is_err());
        assert_eq!(oracle.heartbeat(&sent, "b", Some(&part), SESSION, now + SESSION), Ok(()));
        assert_eq!(oracle.unowned("g", &BTreeSet::from([0, 1]), now + SESSION), Some(0), "both sessions have ended");
        oracle.owning("g", "b", &BTreeSet::new());
        assert_eq!(oracle.heartbeat(&sent, "c", Some(&part), SESSION, now + SESSION), Ok(()));
    }
}
