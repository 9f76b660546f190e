//! Streams groups (KIP-1071).

use super::keys;

keys! { pub(super) KEYS
    "group.streams.assignment.interval.ms" Int "1000" min(0) Medium ClusterWide Implemented
        "Least time between two assignments of one streams group.";
    "group.streams.heartbeat.interval.ms" Int "5000" min(1) Medium ReadOnly Implemented
        "Heartbeat interval that members of streams groups are told.";
    "group.streams.initial.rebalance.delay.ms" Int "3000" min(0) Medium ReadOnly Implemented
        "How long an empty streams group waits for more members before its first assignment.";
    "group.streams.max.assignment.interval.ms" Int "15000" min(0) Medium ReadOnly Implemented
        "Largest assignment interval that a streams group may set.";
    "group.streams.max.heartbeat.interval.ms" Int "15000" min(1) Medium ReadOnly Implemented
        "Largest heartbeat interval that a streams group may set.";
    "group.streams.max.session.timeout.ms" Int "60000" min(1) Medium ReadOnly Implemented
        "Largest session timeout that a streams group may set.";
    "group.streams.max.size" Int "2147483647" min(1) Medium ReadOnly Implemented
        "Most members of one streams group.";
    "group.streams.max.standby.replicas" Int "2" min(0) Medium ReadOnly Implemented
        "Most standby tasks that a streams group may set.";
    "group.streams.min.assignment.interval.ms" Int "0" min(0) Medium ReadOnly Implemented
        "Smallest assignment interval that a streams group may set.";
    "group.streams.min.heartbeat.interval.ms" Int "5000" min(1) Medium ReadOnly Implemented
        "Smallest heartbeat interval that a streams group may set.";
    "group.streams.min.session.timeout.ms" Int "45000" min(1) Medium ReadOnly Implemented
        "Smallest session timeout that a streams group may set.";
    "group.streams.num.standby.replicas" Int "0" min(0) Medium ReadOnly Implemented
        "Standby copies of each task of a streams group.";
    "group.streams.session.timeout.ms" Int "45000" min(1) Medium ReadOnly Implemented
        "A member of a streams group that has not been heard of for this long is removed.";
}
