//! `roundrobin`: all partitions in a row, dealt in turn to the members that subscribe to them, wherever they are.

use super::{Assignments, Members, Topics, in_order, nothing};
use ottla_types::TopicPartition;

pub(super) fn assign(members: &Members, topics: &Topics) -> Assignments {
    let mut assignments = nothing(members);
    let order = in_order(members);
    let mut next = 0;
    for (topic, partitions) in topics {
        if !members.values().any(|member| member.topics.contains(topic)) {
            continue;
        }
        for partition in (0..).take(partitions.len()) {
            while !members[order[next % order.len()]].topics.contains(topic) {
                next += 1;
            }
            let id = order[next % order.len()];
            next += 1;
            let partition = TopicPartition::new(topic.as_str(), partition);
            assignments.get_mut(id).expect("every member has an entry").insert(partition);
        }
    }
    assignments
}
