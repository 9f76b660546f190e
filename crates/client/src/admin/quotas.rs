//! Client quotas (KIP-546): for users, client ids and IP addresses, with defaults for each.

use super::Admin;
use crate::call::Call;
use crate::error::ClientError;
use ottla_protocol::alter_client_quotas_request::{self as alter, EntityData, OpData};
use ottla_protocol::describe_client_quotas_request::ComponentData;
use ottla_protocol::{AlterClientQuotasRequest, DescribeClientQuotasRequest};
use std::collections::BTreeMap;

/// Whom a quota is for: `user`, `client-id` and `ip` to a name, or `None` for the default of that kind.
pub type QuotaEntity = BTreeMap<String, Option<String>>;

/// Which name of one kind is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QuotaMatch {
    /// This name.
    Name(String),
    /// The default.
    Default,
    /// Every name, and the default.
    Any,
}

/// Entities of exactly these kinds.
pub type QuotaFilter = BTreeMap<String, QuotaMatch>;

impl QuotaMatch {
    /// `DescribeClientQuotasRequest.MATCH_TYPE_*`.
    fn code(&self) -> i8 {
        match self {
            QuotaMatch::Name(_) => 0,
            QuotaMatch::Default => 1,
            QuotaMatch::Any => 2,
        }
    }
}

impl Admin {
    /// The quotas of every entity that matches.
    ///
    /// # Errors
    /// `NoCommonVersion` where quotas are not served, CLUSTER_AUTHORIZATION_FAILED ... and those of the connection.
    pub fn describe_client_quotas<'a>(
        &'a self,
        filter: &'a QuotaFilter,
    ) -> Call<'a, Vec<(QuotaEntity, BTreeMap<String, f64>)>> {
        Box::pin(async move {
            let component = |(kind, wanted): (&String, &QuotaMatch)| ComponentData {
                entity_type: kind.clone(),
                match_type: wanted.code(),
                r#match: match wanted {
                    QuotaMatch::Name(name) => Some(name.clone()),
                    QuotaMatch::Default | QuotaMatch::Any => None,
                },
            };
            let request =
                DescribeClientQuotasRequest { components: filter.iter().map(component).collect(), strict: true };
            self.patiently(|| async {
                let response = self.client.any_broker().await?.send(&request).await?;
                ClientError::check(response.error_code, response.error_message.as_deref(), || "quotas".to_string())?;
                let entries = response.entries.unwrap_or_default().into_iter();
                let described = entries.map(|entry| {
                    let entity = entry.entity.into_iter().map(|part| (part.entity_type, part.entity_name)).collect();
                    (entity, entry.values.into_iter().map(|value| (value.key, value.value)).collect())
                });
                Ok(described.collect())
            })
            .await
        })
    }

    /// Sets quotas of one entity, or removes those whose value is `None`.
    ///
    /// # Errors
    /// `NoCommonVersion` where quotas are not served, INVALID_REQUEST ... and those of the connection.
    pub fn alter_client_quotas<'a>(
        &'a self,
        entity: &'a QuotaEntity,
        changes: &'a BTreeMap<String, Option<f64>>,
    ) -> Call<'a, ()> {
        Box::pin(async move {
            let part = |(kind, name): (&String, &Option<String>)| EntityData {
                entity_type: kind.clone(),
                entity_name: name.clone(),
            };
            let change = |(key, value): (&String, &Option<f64>)| OpData {
                key: key.clone(),
                value: value.unwrap_or_default(),
                remove: value.is_none(),
            };
            let entry = alter::EntryData {
                entity: entity.iter().map(part).collect(),
                ops: changes.iter().map(change).collect(),
            };
            let request = AlterClientQuotasRequest { entries: vec![entry], validate_only: false };
            self.patiently(|| async {
                let response = self.client.controller().await?.send(&request).await?;
                let result = response.entries.into_iter().next();
                let result = result.ok_or_else(|| ClientError::missing("AlterClientQuotas", "the entity"))?;
                ClientError::check(result.error_code, result.error_message.as_deref(), || "quotas".to_string())
            })
            .await
        })
    }
}
