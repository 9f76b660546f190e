//! AlterClientQuotas (KIP-546): sets and removes limits of users, client ids and addresses.

use crate::image::records::client_quota_record;
use crate::{ApiError, Decision, Entry, MetadataImage, limits};
use ottla_protocol::alter_client_quotas_request::{EntryData, OpData};
use ottla_protocol::{AlterClientQuotasRequest, AlterClientQuotasResponse, alter_client_quotas_response};
use ottla_security::quotas::{QuotaEntity, QuotaError, QuotaKey};
use ottla_types::ErrorCode;
use std::collections::{BTreeMap, BTreeSet};

/// Alters each entity as a whole or not at all; the entities of a request are independent of each other.
pub fn alter_client_quotas(
    image: &MetadataImage,
    request: &AlterClientQuotasRequest,
) -> Decision<AlterClientQuotasResponse> {
    let (mut records, mut entries, mut seen) =
        (Entry::new(), Vec::with_capacity(request.entries.len()), BTreeSet::new());
    for asked in &request.entries {
        let error = match alter(image, asked, &mut seen) {
            Ok(mut entry) => {
                records.append(&mut entry);
                ErrorCode::None.into()
            }
            Err(error) => ApiError::new(ErrorCode::InvalidRequest, error.to_string()),
        };
        let part =
            |part: &ottla_protocol::alter_client_quotas_request::EntityData| alter_client_quotas_response::EntityData {
                entity_type: part.entity_type.clone(),
                entity_name: part.entity_name.clone(),
            };
        entries.push(alter_client_quotas_response::EntryData {
            error_code: error.code.code(),
            error_message: error.message,
            entity: asked.entity.iter().map(part).collect(),
        });
    }
    let response = AlterClientQuotasResponse { entries, ..Default::default() };
    if request.validate_only { Decision::none(response) } else { Decision::split(records, response) }
}

fn alter(image: &MetadataImage, asked: &EntryData, seen: &mut BTreeSet<QuotaEntity>) -> Result<Entry, QuotaError> {
    let parts = asked.entity.iter().map(|part| (part.entity_type.as_str(), part.entity_name.as_deref()));
    let entity = QuotaEntity::parse(parts)?;
    entity.check()?;
    let names = entity.parts();
    if let Some((_, Some(name))) =
        names.iter().find(|(_, name)| name.is_some_and(|name| name.len() > limits::CONFIG_VALUE_BYTES_MAX))
    {
        return Err(QuotaError(format!("A name of {} bytes is too long", name.len())));
    }
    let mut changes: BTreeMap<QuotaKey, Option<f64>> = BTreeMap::new();
    for OpData { key: name, value, remove } in &asked.ops {
        let key = QuotaKey::of_entity(&entity, name)?;
        let value = (!remove).then_some(*value);
        if let Some(value) = value {
            key.check(value)?;
        }
        if changes.insert(key, value).is_some() {
            return Err(QuotaError(format!("Duplicate quota key {name} not updating quota for this entity")));
        }
    }
    if !seen.insert(entity.clone()) {
        return Err(QuotaError("Ignoring duplicate entity".to_string()));
    }
    let is_new = |(key, value): &(QuotaKey, Option<f64>)| image.client_quota(&entity, *key) != *value;
    let changes = changes.into_iter().filter(is_new);
    Ok(changes.map(|(key, value)| client_quota_record(&entity, key, value)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::testing::Cluster;
    use ottla_protocol::alter_client_quotas_request::EntityData;

    fn entry(entity: &[(&str, Option<&str>)], ops: &[(&str, Option<f64>)]) -> EntryData {
        let part = |(kind, name): &(&str, Option<&str>)| EntityData {
            entity_type: kind.to_string(),
            entity_name: name.map(str::to_string),
        };
        let op = |(key, value): &(&str, Option<f64>)| OpData {
            key: key.to_string(),
            value: value.unwrap_or_default(),
            remove: value.is_none(),
        };
        EntryData { entity: entity.iter().map(part).collect(), ops: ops.iter().map(op).collect() }
    }

    fn run(cluster: &mut Cluster, entries: Vec<EntryData>) -> Vec<String> {
        let request = AlterClientQuotasRequest { entries, validate_only: false };
        let response = cluster.run(|image, _| alter_client_quotas(image, &request));
        response.entries.into_iter().map(|entry| entry.error_message.unwrap_or_default()).collect()
    }

    #[test]
    fn quotas_are_set_changed_and_removed() {
        let mut cluster = Cluster::with_brokers(1);
        let alice = [("user", Some("alice"))];
        let set = entry(&alice, &[("producer_byte_rate", Some(1024.0)), ("request_percentage", Some(50.5))]);
        let ip = entry(&[("ip", None)], &[("connection_creation_rate", Some(10.0))]);
        assert_eq!(run(&mut cluster, vec![set.clone(), ip]), ["", ""]);
        assert_eq!(cluster.image.client_quotas().count(), 2);
        let image = cluster.image.clone();
        let again = AlterClientQuotasRequest { entries: vec![set], validate_only: false };
        assert!(alter_client_quotas(&image, &again).entries.is_empty());
        let gone = entry(&alice, &[("producer_byte_rate", None), ("request_percentage", None)]);
        assert_eq!(run(&mut cluster, vec![gone]), [""]);
        assert_eq!(cluster.image.client_quotas().count(), 1);
    }

    #[test]
    fn bad_alterations_leave_others_alone() {
        let mut cluster = Cluster::with_brokers(1);
        let answers = run(
            &mut cluster,
            vec![
                entry(&[("user", Some("a"))], &[("producer_byte_rate", Some(0.0))]),
                entry(&[("user", Some("b"))], &[("producer_byte_rate", Some(10.0))]),
                entry(&[("user", Some("b"))], &[("consumer_byte_rate", Some(10.0))]),
                entry(&[("ip", Some("not an address"))], &[("connection_creation_rate", Some(10.0))]),
                entry(&[("user", Some("c"))], &[("producer_byte_rate", Some(1.0)), ("producer_byte_rate", None)]),
            ],
        );
        assert_eq!(answers[0], "Quota producer_byte_rate must be greater than 0");
        assert_eq!((answers[1].as_str(), answers[2].as_str()), ("", "Ignoring duplicate entity"));
        assert!(answers[3].contains("is not a valid IP"));
        assert!(answers[4].starts_with("Duplicate quota key producer_byte_rate"));
        assert_eq!(cluster.image.client_quotas().count(), 1);
    }
}
