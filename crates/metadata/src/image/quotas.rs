//! Client quotas.

use super::MetadataImage;
use ottla_protocol::client_quota_record::EntityData;
use ottla_protocol::{ClientQuotaRecord, MetadataRecord};
use ottla_security::quotas::{ClientLimits, QuotaEntity, QuotaKey};
use std::collections::BTreeMap;
use std::sync::Arc;

impl MetadataImage {
    /// All entities that have quotas, with their limits.
    pub fn client_quotas(&self) -> impl Iterator<Item = (&QuotaEntity, &BTreeMap<QuotaKey, f64>)> {
        self.client_quotas.iter().map(|(entity, limits)| (entity, limits.as_ref()))
    }

    /// What is set for one entity.
    pub fn client_quota(&self, entity: &QuotaEntity, key: QuotaKey) -> Option<f64> {
        self.client_quotas.get(entity)?.get(&key).copied()
    }

    /// All limits, to look up what holds for a client.
    pub fn client_limits(&self) -> ClientLimits {
        let of_entity = |(entity, limits): (&QuotaEntity, &BTreeMap<QuotaKey, f64>)| {
            let entity = entity.clone();
            limits.clone().into_iter().map(move |(key, limit)| (entity.clone(), key, limit))
        };
        ClientLimits::new(self.client_quotas().flat_map(of_entity))
    }

    /// Whether both images have the very same quotas; cheap.
    pub fn has_quotas_of(&self, other: &MetadataImage) -> bool {
        self.client_quotas.ptr_eq(&other.client_quotas)
    }

    pub(super) fn set_client_quota(&mut self, record: &ClientQuotaRecord) -> Result<(), String> {
        let parts = record.entity.iter().map(|part| (part.entity_type.as_str(), part.entity_name.as_deref()));
        let entity = QuotaEntity::parse(parts).map_err(|error| error.to_string())?;
        let key = QuotaKey::of_entity(&entity, &record.key).map_err(|error| error.to_string())?;
        let mut limits = self.client_quotas.get(&entity).map(|limits| limits.as_ref().clone()).unwrap_or_default();
        if record.remove {
            limits.remove(&key);
        } else {
            key.check(record.value).map_err(|error| error.to_string())?;
            limits.insert(key, record.value);
        }
        match limits.is_empty() {
            true => self.client_quotas.remove(&entity),
            false => self.client_quotas.insert(entity, Arc::new(limits)),
        };
        Ok(())
    }
}

/// The record that sets a quota, or with `None` removes it.
pub(crate) fn client_quota_record(entity: &QuotaEntity, key: QuotaKey, value: Option<f64>) -> MetadataRecord {
    let part = |(kind, name): (&str, Option<&str>)| EntityData {
        entity_type: kind.to_string(),
        entity_name: name.map(str::to_string),
    };
    MetadataRecord::ClientQuota(ClientQuotaRecord {
        entity: entity.parts().into_iter().map(part).collect(),
        key: key.name().to_string(),
        value: value.unwrap_or_default(),
        remove: value.is_none(),
    })
}
