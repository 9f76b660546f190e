//! Groups: list, describe, delete.

use super::Admin;
use crate::assign::{decode_assignment, decode_member};
use crate::call::Call;
use crate::coordinator::Coordinated;
use crate::error::ClientError;
use ottla_protocol::{
    ApiKey, ConsumerGroupDescribeRequest, DeleteGroupsRequest, DescribeGroupsRequest, ListGroupsRequest,
    consumer_group_describe_response, describe_groups_response,
};
use ottla_types::{ErrorCode, TopicPartition};
use std::collections::{BTreeMap, BTreeSet};

/// The first version with a filter of states, and of types.
const STATES_VERSION: i16 = 4;
const TYPES_VERSION: i16 = 5;
/// Types of members in ConsumerGroupDescribe (KIP-1099).
const CLASSIC_MEMBER: i8 = 0;
const CONSUMER_MEMBER: i8 = 1;

/// A group as its coordinator lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupListing {
    /// Group id.
    pub group_id: String,
    /// `consumer` for consumers; empty for groups that only commit offsets.
    pub protocol_type: String,
    /// `Stable`, `Empty` ...; empty from brokers before Kafka 2.6.
    pub state: String,
    /// `classic`, `consumer` ..., in any case; empty from brokers before Kafka 3.7.
    pub group_type: String,
}

/// A group in detail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupDescription {
    /// Group id.
    pub group_id: String,
    /// Whether it speaks KIP-848.
    pub is_consumer_protocol: bool,
    /// `Stable`, `Empty`, `Dead` ...
    pub state: String,
    /// The assignor in use.
    pub assignor: String,
    /// Group epoch and assignment epoch of KIP-848; -1 for classic groups.
    pub epochs: (i32, i32),
    /// `consumer` for consumers; other programs (Connect ...) have names of their own.
    pub protocol_type: String,
    /// Node id of its coordinator.
    pub coordinator_id: i32,
    /// Address of its coordinator, `host:port`.
    pub coordinator: String,
    /// Its members, by member id.
    pub members: Vec<MemberDescription>,
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberDescription {
    /// Member id.
    pub member_id: String,
    /// `group.instance.id` of a static member.
    pub group_instance_id: Option<String>,
    /// `client.id`.
    pub client_id: String,
    /// Where it connects from.
    pub host: String,
    /// Topics that it subscribes to, when that can be told.
    pub topics: BTreeSet<String>,
    /// Its partitions, when that can be told.
    pub assignment: BTreeSet<TopicPartition>,
    /// Member epoch of KIP-848; -1 for classic members.
    pub member_epoch: i32,
    /// The partitions that it is to get (KIP-848).
    pub target_assignment: BTreeSet<TopicPartition>,
    /// Whether it speaks KIP-848 itself; `None` when that cannot be told.
    pub is_upgraded: Option<bool>,
}

impl Admin {
    /// All groups of the cluster, by group id; only those in one of `states` and of one of `types`, when such are given.
    ///
    /// # Errors
    /// Those of the connections: every broker is asked.
    pub fn list_groups<'a>(&'a self, states: &'a [&'a str], types: &'a [&'a str]) -> Call<'a, Vec<GroupListing>> {
        Box::pin(async move {
            self.patiently(|| async {
                let cluster = self.client.fetch_metadata(Some(&[]), false).await?;
                let mut groups = BTreeMap::new();
                for node_id in cluster.brokers.keys() {
                    for listing in self.list_groups_of(*node_id, states, types).await? {
                        groups.insert(listing.group_id.clone(), listing);
                    }
                }
                Ok(groups.into_values().collect())
            })
            .await
        })
    }

    async fn list_groups_of(
        &self,
        node_id: i32,
        states: &[&str],
        types: &[&str],
    ) -> Result<Vec<GroupListing>, ClientError> {
        let broker = self.client.broker(node_id).await?;
        let least = if types.is_empty() { if states.is_empty() { 0 } else { STATES_VERSION } } else { TYPES_VERSION };
        let version = broker.version_within::<ListGroupsRequest>((least, TYPES_VERSION))?;
        let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        let request = ListGroupsRequest { states_filter: owned(states), types_filter: owned(types) };
        let response = broker.begin(&request, version, &[]).await?.wait().await?;
        ClientError::check(response.error_code, None, || format!("groups of broker {node_id}"))?;
        let listing = |group: ottla_protocol::list_groups_response::ListedGroup| GroupListing {
            group_id: group.group_id,
            protocol_type: group.protocol_type,
            state: group.group_state,
            group_type: group.group_type,
        };
        Ok(response.groups.into_iter().map(listing).collect())
    }

    /// A group in detail, whichever protocol it speaks.
    ///
    /// # Errors
    /// GROUP_ID_NOT_FOUND, GROUP_AUTHORIZATION_FAILED ... and those of the connection.
    pub fn describe_group<'a>(&'a self, group_id: &'a str) -> Call<'a, GroupDescription> {
        Box::pin(async move {
            let modern = self.group_operation(group_id, || self.describe_consumer_group(group_id)).await?;
            match modern {
                Some(described) => Ok(described),
                None => self.group_operation(group_id, || self.describe_classic_group(group_id)).await,
            }
        })
    }

    /// `None` when it is not a group of KIP-848, or the broker knows none.
    async fn describe_consumer_group(&self, group_id: &str) -> Result<Option<GroupDescription>, ClientError> {
        let coordinator = self.client.group_coordinator(group_id).await?;
        if coordinator.versions().range(ApiKey::ConsumerGroupDescribe).is_none() {
            return Ok(None);
        }
        let group_ids = vec![group_id.to_string()];
        let request = ConsumerGroupDescribeRequest { group_ids, include_authorized_operations: false };
        let response = coordinator.send(&request).await?;
        let found = response.groups.into_iter().next();
        let found = found.ok_or_else(|| ClientError::missing("ConsumerGroupDescribe", group_id))?;
        if found.error_code == ErrorCode::GroupIdNotFound.code() {
            return Ok(None);
        }
        ClientError::check(found.error_code, found.error_message.as_deref(), || subject(group_id))?;
        Ok(Some(GroupDescription {
            group_id: found.group_id,
            is_consumer_protocol: true,
            state: found.group_state,
            assignor: found.assignor_name,
            epochs: (found.group_epoch, found.assignment_epoch),
            protocol_type: "consumer".to_string(),
            coordinator_id: self.client.known_coordinator(group_id).unwrap_or(-1),
            coordinator: coordinator.address().to_string(),
            members: found.members.into_iter().map(modern_member).collect(),
        }))
    }

    async fn describe_classic_group(&self, group_id: &str) -> Result<GroupDescription, ClientError> {
        let coordinator = self.client.group_coordinator(group_id).await?;
        let groups = vec![group_id.to_string()];
        let request = DescribeGroupsRequest { groups, include_authorized_operations: false };
        let response = coordinator.send(&request).await?;
        let found = response.groups.into_iter().next();
        let found = found.ok_or_else(|| ClientError::missing("DescribeGroups", group_id))?;
        ClientError::check(found.error_code, found.error_message.as_deref(), || subject(group_id))?;
        Ok(GroupDescription {
            group_id: found.group_id,
            is_consumer_protocol: false,
            state: found.group_state,
            assignor: found.protocol_data,
            epochs: (-1, -1),
            protocol_type: found.protocol_type,
            coordinator_id: self.client.known_coordinator(group_id).unwrap_or(-1),
            coordinator: coordinator.address().to_string(),
            members: found.members.into_iter().map(classic_member).collect(),
        })
    }

    /// Deletes a group without members, and its offsets.
    ///
    /// # Errors
    /// NON_EMPTY_GROUP, GROUP_ID_NOT_FOUND ... and those of the connection.
    pub fn delete_group<'a>(&'a self, group_id: &'a str) -> Call<'a, ()> {
        Box::pin(async move {
            let request = DeleteGroupsRequest { groups_names: vec![group_id.to_string()] };
            self.group_operation(group_id, || async {
                let response = self.client.group_coordinator(group_id).await?.send(&request).await?;
                let result = response.results.into_iter().next();
                let result = result.ok_or_else(|| ClientError::missing("DeleteGroups", group_id))?;
                ClientError::check(result.error_code, None, || subject(group_id))
            })
            .await
        })
    }

    /// Repeats `operation` while the coordinator is elsewhere, away or loads.
    pub(super) async fn group_operation<T, F>(
        &self,
        group_id: &str,
        operation: impl Fn() -> F,
    ) -> Result<T, ClientError>
    where
        F: Future<Output = Result<T, ClientError>>,
    {
        let is_worth_it =
            |error: &ClientError| self.outlasts(error) || error.code().is_some_and(|code| code.is_retriable());
        let remembering = || async { self.client.forgetting(Coordinated::Group, group_id, operation().await) };
        crate::backoff::patiently(&self.client, is_worth_it, remembering).await
    }
}

fn modern_member(member: consumer_group_describe_response::Member) -> MemberDescription {
    let pairs = |topic: consumer_group_describe_response::TopicPartitions| {
        let name = topic.topic_name;
        topic.partitions.into_iter().map(move |index| TopicPartition::new(name.as_str(), index))
    };
    let is_upgraded = match member.member_type {
        CLASSIC_MEMBER => Some(false),
        CONSUMER_MEMBER => Some(true),
        _ => None,
    };
    MemberDescription {
        member_id: member.member_id,
        group_instance_id: member.instance_id,
        client_id: member.client_id,
        host: member.client_host,
        topics: member.subscribed_topic_names.into_iter().collect(),
        assignment: member.assignment.topic_partitions.into_iter().flat_map(pairs).collect(),
        member_epoch: member.member_epoch,
        target_assignment: member.target_assignment.topic_partitions.into_iter().flat_map(pairs).collect(),
        is_upgraded,
    }
}

/// Members of other protocol types (Connect ...) carry bytes of their own, which are left out.
fn classic_member(member: describe_groups_response::DescribedGroupMember) -> MemberDescription {
    let topics = decode_member(None, &member.member_metadata).map(|read| read.topics).unwrap_or_default();
    MemberDescription {
        member_id: member.member_id,
        group_instance_id: member.group_instance_id,
        client_id: member.client_id,
        host: member.client_host,
        topics,
        assignment: decode_assignment(&member.member_assignment).unwrap_or_default(),
        member_epoch: -1,
        target_assignment: BTreeSet::new(),
        is_upgraded: None,
    }
}

pub(super) fn subject(group_id: &str) -> String {
    format!("group '{group_id}'")
}
