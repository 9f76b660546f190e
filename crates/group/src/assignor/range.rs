//! `range`: contiguous partitions, the same numbers of every topic where topics and subscriptions agree.
//!
//! Static members come first, ordered by instance id, so that a rolling restart gives everybody the same ranges again.

use super::{Assignment, AssignorError, GroupSpec, MemberSpec, SubscriptionType};
use ottla_types::Uuid;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// How much of one topic has been given away.
struct TopicRanges {
    partitions: usize,
    quota_min: usize,
    /// So many more members get one more.
    extras: usize,
    next: usize,
}

pub(super) fn assign(group: &GroupSpec) -> Result<Vec<Assignment>, AssignorError> {
    let mut topics = topics(group)?;
    let mut order: Vec<usize> = (0..group.members.len()).collect();
    order.sort_by(|left, right| compare(&group.members[*left], &group.members[*right]));
    let mut assignments = vec![Assignment::new(); group.members.len()];
    for index in order {
        for topic_id in group.members[index].subscribed_topic_ids.iter() {
            if let Some(range) = topics.get_mut(topic_id).and_then(TopicRanges::take) {
                assignments[index].insert(*topic_id, range.map(|partition| partition as i32).collect());
            }
        }
    }
    Ok(assignments)
}

fn topics(group: &GroupSpec) -> Result<BTreeMap<Uuid, TopicRanges>, AssignorError> {
    let mut subscribers: BTreeMap<Uuid, usize> = BTreeMap::new();
    match group.subscription_type {
        SubscriptionType::Homogeneous => {
            for topic_id in group.members.first().into_iter().flat_map(|member| member.subscribed_topic_ids.iter()) {
                subscribers.insert(*topic_id, group.members.len());
            }
        }
        SubscriptionType::Heterogeneous => {
            for topic_id in group.members.iter().flat_map(|member| member.subscribed_topic_ids.iter()) {
                *subscribers.entry(*topic_id).or_default() += 1;
            }
        }
    }
    let mut topics = BTreeMap::new();
    for (topic_id, members) in subscribers {
        let partitions = group.partition_count(topic_id)?;
        let (quota_min, extras) = (partitions / members, partitions % members);
        topics.insert(topic_id, TopicRanges { partitions, quota_min, extras, next: 0 });
    }
    Ok(topics)
}

impl TopicRanges {
    /// The next member's range; None when the topic has fewer partitions than members and all are given.
    fn take(&mut self) -> Option<std::ops::Range<usize>> {
        let quota = self.quota_min + usize::from(self.extras > 0);
        self.extras = self.extras.saturating_sub(1);
        let start = self.next;
        self.next = (start + quota).min(self.partitions);
        (start < self.next).then_some(start..self.next)
    }
}

fn compare(left: &MemberSpec, right: &MemberSpec) -> Ordering {
    match (&left.instance_id, &right.instance_id) {
        (Some(left), Some(right)) => left.cmp(right),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => left.member_id.cmp(&right.member_id),
    }
}
