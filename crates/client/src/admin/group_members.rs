//! Taking members out of groups (KIP-345, KIP-571).

use super::Admin;
use super::groups::subject;
use crate::call::Call;
use crate::error::ClientError;
use ottla_protocol::LeaveGroupRequest;
use ottla_protocol::leave_group_request::MemberIdentity;

/// What the broker's log says of it when nobody gave a reason: Kafka's own words.
const DEFAULT_REASON: &str = "member was removed by an admin";
/// Brokers refuse longer reasons (KIP-800): characters.
const REASON_LEN_MAX: usize = 255;
/// The first version that takes several members, and static ones.
const SEVERAL_VERSION: i16 = 3;

/// Which members are to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MembersToRemove<'a> {
    /// Those that the group has now.
    All,
    /// Static members, by `group.instance.id`.
    Static(&'a [&'a str]),
}

/// How it went with one member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemovedMember {
    /// Member id; empty where a static member was named by its instance and the broker does not tell more.
    pub member_id: String,
    /// `group.instance.id` of a static member.
    pub group_instance_id: Option<String>,
    /// UNKNOWN_MEMBER_ID where the group has no such member (any more).
    pub result: Result<(), ClientError>,
}

impl Admin {
    /// Takes members out of a group, whose partitions then go to the others at once. A member that lives joins again; one that
    /// is gone for good is not waited for. `reason` is for the broker's log.
    ///
    /// ```text
    /// let gone = MembersToRemove::Static(&["worker-7"]);
    /// for member in admin.remove_group_members("billing", gone, Some("the machine is scrapped")).await? {
    ///     member.result?;
    /// }
    /// ```
    ///
    /// # Errors
    /// GROUP_ID_NOT_FOUND, GROUP_AUTHORIZATION_FAILED ... and those of the connection. A member's own are its result.
    pub fn remove_group_members<'a>(
        &'a self,
        group_id: &'a str,
        members: MembersToRemove<'a>,
        reason: Option<&'a str>,
    ) -> Call<'a, Vec<RemovedMember>> {
        Box::pin(async move {
            let reason = reason.filter(|reason| !reason.is_empty()).unwrap_or(DEFAULT_REASON);
            let reason: String = reason.chars().take(REASON_LEN_MAX).collect();
            let identities = self.identities(group_id, members).await?;
            let identities: Vec<MemberIdentity> = identities
                .into_iter()
                .map(|member| MemberIdentity { reason: Some(reason.clone()), ..member })
                .collect();
            if identities.is_empty() {
                return Ok(Vec::new());
            }
            let request =
                LeaveGroupRequest { group_id: group_id.to_string(), member_id: String::new(), members: identities };
            self.group_operation(group_id, || async {
                let coordinator = self.client.group_coordinator(group_id).await?;
                let newest = coordinator.version_of::<LeaveGroupRequest>()?;
                let version =
                    coordinator.version_within::<LeaveGroupRequest>((SEVERAL_VERSION, newest.max(SEVERAL_VERSION)))?;
                let response = coordinator.begin(&request, version, &[]).await?.wait().await?;
                ClientError::check(response.error_code, None, || subject(group_id))?;
                let removed = response.members.into_iter().map(|member| {
                    let name = member.group_instance_id.clone().unwrap_or_else(|| member.member_id.clone());
                    let result = ClientError::check(member.error_code, None, || {
                        format!("member '{name}' of {}", subject(group_id))
                    });
                    let group_instance_id = member.group_instance_id;
                    RemovedMember { member_id: member.member_id, group_instance_id, result }
                });
                Ok(removed.collect())
            })
            .await
        })
    }

    /// Static members are named by their instances, because another process may hold one when the request comes.
    async fn identities(
        &self,
        group_id: &str,
        members: MembersToRemove<'_>,
    ) -> Result<Vec<MemberIdentity>, ClientError> {
        let by_instance = |instance: String| MemberIdentity { group_instance_id: Some(instance), ..Default::default() };
        if let MembersToRemove::Static(instances) = members {
            return Ok(instances.iter().map(|instance| by_instance((*instance).to_string())).collect());
        }
        let described = self.describe_group(group_id).await?;
        let identity = |member: super::MemberDescription| match member.group_instance_id {
            Some(instance) => by_instance(instance),
            None => MemberIdentity { member_id: member.member_id, ..Default::default() },
        };
        Ok(described.members.into_iter().map(identity).collect())
    }
}
