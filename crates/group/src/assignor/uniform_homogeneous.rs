//! `uniform` when all members want the same topics: everybody gets the same number, give or take one.

use super::owners::Owners;
use super::{Assignment, AssignorError, GroupSpec};
use ottla_types::Uuid;

/// 1. Everybody keeps what they had up to their quota; 2. what is left goes to those with room.
pub(super) fn assign(group: &GroupSpec) -> Result<Vec<Assignment>, AssignorError> {
    let mut owners = Owners::of_last_assignment(group)?;
    let mut free: Vec<(Uuid, usize)> = owners.unassigned().collect();
    let room = give_up_what_exceeds_quotas(group, &mut owners, &mut free);
    let mut free = free.into_iter();
    for (member, room) in room {
        for (topic_id, partition) in free.by_ref().take(room) {
            owners.set(topic_id, partition, Some(member));
        }
    }
    assert!(free.next().is_none(), "quotas add up to the number of partitions, so none is left over");
    Ok(owners.into_assignments())
}

/// Fixes every member's quota in order, takes what is beyond it, and answers who has how much room.
fn give_up_what_exceeds_quotas(
    group: &GroupSpec,
    owners: &mut Owners,
    free: &mut Vec<(Uuid, usize)>,
) -> Vec<(usize, usize)> {
    let members = group.members.len();
    let quota_min = owners.partition_count() / members;
    // So many members get one more.
    let mut extras = owners.partition_count() % members;
    let mut room = Vec::new();
    for member in 0..members {
        let owned = owners.count(member);
        // A member that does not need the extra one leaves it to a later member, as long as enough of them are left.
        let must_take_extra = members - member <= extras;
        let takes_extra = extras > 0 && (owned > quota_min || must_take_extra);
        let quota = quota_min + usize::from(takes_extra);
        extras -= usize::from(takes_extra);
        if owned > quota {
            give_up(group, owners, member, quota, free);
        } else if owned < quota {
            room.push((member, quota - owned));
        }
    }
    room
}

fn give_up(group: &GroupSpec, owners: &mut Owners, member: usize, quota: usize, free: &mut Vec<(Uuid, usize)>) {
    let mut kept = 0;
    for (topic_id, partitions) in group.members[member].assignment.iter() {
        for partition in partitions {
            let Ok(partition) = usize::try_from(*partition) else { continue };
            if owners.of_topic(*topic_id).get(partition) != Some(&Some(member)) {
                continue;
            }
            if kept < quota {
                kept += 1;
            } else {
                owners.set(*topic_id, partition, None);
                free.push((*topic_id, partition));
            }
        }
    }
}
