//! `range`: of every topic each member gets a consecutive range; the first members get one more when it does not divide.

use super::{Assignments, Members, PartitionCounts, in_order, nothing};
use ottla_types::TopicPartition;

pub(super) fn assign(members: &Members, counts: &PartitionCounts) -> Assignments {
    let mut assignments = nothing(members);
    let order = in_order(members);
    for (topic, count) in counts {
        let subscribed: Vec<&&String> = order.iter().filter(|id| members[**id].topics.contains(topic)).collect();
        let Ok(each) = i32::try_from(subscribed.len()) else { continue };
        if each == 0 {
            continue;
        }
        let (quota, extra) = (count / each, count % each);
        let mut next = 0;
        for (index, id) in (0..).zip(subscribed) {
            let len = quota + i32::from(index < extra);
            let range = (next..next + len).map(|partition| TopicPartition::new(topic.as_str(), partition));
            assignments.get_mut(*id).expect("every member has an entry").extend(range);
            next += len;
        }
    }
    assignments
}
