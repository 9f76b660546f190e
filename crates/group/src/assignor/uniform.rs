//! `uniform`: as even as possible, then as sticky as possible.

use super::{Assignment, AssignorError, GroupSpec, SubscriptionType, uniform_heterogeneous, uniform_homogeneous};

pub(super) fn assign(group: &GroupSpec) -> Result<Vec<Assignment>, AssignorError> {
    match group.subscription_type {
        SubscriptionType::Homogeneous => uniform_homogeneous::assign(group),
        SubscriptionType::Heterogeneous => uniform_heterogeneous::assign(group),
    }
}
