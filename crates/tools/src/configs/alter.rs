//! `--alter`.

use super::{Configs, Entities, Kind};
use ottla_client::{Admin, ConfigChange, QuotaEntity, QuotaFilter, QuotaMatch};
use ottla_terminal::cluster::read_properties;
use ottla_terminal::failure::Failure;
use ottla_terminal::output::write_out;
use std::collections::BTreeMap;

const QUOTAS: &[&str] = &["consumer_byte_rate", "controller_mutation_rate", "producer_byte_rate", "request_percentage"];
const IP_QUOTA: &str = "connection_creation_rate";
const SCRAM: &[&str] = &["SCRAM-SHA-256", "SCRAM-SHA-512"];

pub(super) async fn run(tool: &Configs, admin: &Admin, entities: &Entities) -> Result<(), Failure> {
    let added = added(tool)?;
    let deleted: Vec<String> = tool.delete_config.iter().map(|name| name.trim().to_string()).collect();
    let (kind, name) = (entities.kinds[0], &entities.names[0]);
    match kind.resource(name)? {
        Some((resource, _)) => {
            let deletions = deleted.iter().map(|name| ConfigChange::Delete { name: name.clone() });
            let additions =
                added.iter().map(|(name, value)| ConfigChange::Set { name: name.clone(), value: value.clone() });
            let changes: Vec<ConfigChange> = deletions.chain(additions).collect();
            admin.alter_configs(&resource, &changes, false).await.map_err(|error| tool.refused(&error))?;
        }
        None => alter_quotas(tool, admin, entities, &added, &deleted).await?,
    }
    write_out(&match name.is_empty() {
        false => format!("Completed updating config for {} {name}.\n", kind.singular()),
        true => format!("Completed updating default config for {} in the cluster.\n", kind.word()),
    })
}

/// The configs of `--add-config` or its file.
fn added(tool: &Configs) -> Result<BTreeMap<String, String>, Failure> {
    let mut added = match &tool.add_config_file {
        Some(file) => {
            let properties = read_properties(file)?;
            properties.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
        }
        None => BTreeMap::new(),
    };
    if let Some(text) = &tool.add_config {
        added.extend(parse_pairs(text)?);
    }
    let is_valid = |c: char| c.is_ascii_alphanumeric() || "$._-".contains(c);
    match added.keys().find(|name| !name.chars().all(is_valid)) {
        Some(name) => Err(Failure::new(format!("Invalid character found for config key: {name}"))),
        None => Ok(added),
    }
}

/// `k1=v1,k2=[v1,v2]`: commas and equals signs inside square brackets belong to the value.
fn parse_pairs(text: &str) -> Result<BTreeMap<String, String>, Failure> {
    let mut pairs = BTreeMap::new();
    for pair in split_outside_brackets(text, ',') {
        let parts = split_outside_brackets(&pair, '=');
        let [name, value] = &parts[..] else {
            return Err(Failure::new(
                "requirement failed: Invalid entity config: all configs to be added must be in the format \"key=val\" or  \
                 \"key=[val1,val2]\" to group values which contain commas.",
            ));
        };
        pairs.insert(name.trim().to_string(), value.replace(['[', ']'], "").trim().to_string());
    }
    Ok(pairs)
}

fn split_outside_brackets(text: &str, separator: char) -> Vec<String> {
    let (mut parts, mut depth) = (vec![String::new()], 0_u32);
    for c in text.chars() {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        match parts.last_mut() {
            Some(last) if c != separator || depth > 0 => last.push(c),
            _ => parts.push(String::new()),
        }
    }
    parts
}

async fn alter_quotas(
    tool: &Configs,
    admin: &Admin,
    entities: &Entities,
    added: &BTreeMap<String, String>,
    deleted: &[String],
) -> Result<(), Failure> {
    check_quota_names(entities, added, deleted)?;
    let (mut entity, mut filter) = (QuotaEntity::new(), QuotaFilter::new());
    for (kind, name) in entities.kinds.iter().zip(&entities.names) {
        let kind = kind.quota_kind().unwrap_or_default().to_string();
        let name = Some(name.clone()).filter(|name| !name.is_empty());
        filter.insert(kind.clone(), name.clone().map_or(QuotaMatch::Default, QuotaMatch::Name));
        entity.insert(kind, name);
    }
    let present = admin.describe_client_quotas(&filter).await.map_err(|error| tool.refused(&error))?;
    let present = present.into_iter().next().map(|(_, values)| values).unwrap_or_default();
    let missing: Vec<&str> = deleted.iter().filter(|name| !present.contains_key(*name)).map(String::as_str).collect();
    if !missing.is_empty() {
        return Err(Failure::new(format!("Invalid config(s): {}", missing.join(","))));
    }
    let mut changes: BTreeMap<String, Option<f64>> = deleted.iter().map(|name| (name.clone(), None)).collect();
    for (name, value) in added {
        let number = value
            .parse::<f64>()
            .map_err(|_| Failure::new(format!("Cannot parse quota configuration value for {name}: {value}")))?;
        changes.insert(name.clone(), Some(number));
    }
    admin.alter_client_quotas(&entity, &changes).await.map_err(|error| tool.refused(&error))
}

fn check_quota_names(entities: &Entities, added: &BTreeMap<String, String>, deleted: &[String]) -> Result<(), Failure> {
    let names = || added.keys().chain(deleted);
    if names().any(|name| SCRAM.contains(&name.as_str())) {
        return Err(Failure::new("SCRAM credentials cannot be set here yet")
            .then("use kafka-configs of Apache Kafka for credentials"));
    }
    if entities.kinds[0] == Kind::Ips {
        let unknown: Vec<&str> = names().map(String::as_str).filter(|name| *name != IP_QUOTA).collect();
        return match unknown.is_empty() {
            true => Ok(()),
            false => Err(Failure::new(format!(
                "Only connection quota configs can be added for 'ips' using --bootstrap-server. Unexpected config names: {}",
                unknown.join(",")
            ))),
        };
    }
    let of_client = entities.kinds.contains(&Kind::Clients);
    let what = if of_client { "quota configs can be" } else { "quota and SCRAM credential configs can be" };
    let kind = if of_client { "clients" } else { "users" };
    let unknown = |names: &mut dyn Iterator<Item = &String>| {
        names.map(String::as_str).filter(|name| !QUOTAS.contains(name)).collect::<Vec<_>>().join(", ")
    };
    for (verb, unknown) in [("added", unknown(&mut added.keys())), ("deleted", unknown(&mut deleted.iter()))] {
        if !unknown.is_empty() {
            return Err(Failure::new(format!(
                "Only {what} {verb} for '{kind}' using --bootstrap-server. Unexpected config names: Set({unknown})"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_with_commas_stand_in_brackets() {
        let pairs = parse_pairs("a=1, b=[x,y=z],c=").unwrap();
        let got: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(got, ["a=1", "b=x,y=z", "c="]);
        assert!(parse_pairs("a").is_err());
        assert!(parse_pairs("a=b=c").is_err());
    }

    #[test]
    fn only_quotas_are_set_on_users_clients_and_addresses() {
        let entities = |kind| Entities { kinds: vec![kind], names: vec!["x".to_string()] };
        let added = |name: &str| [(name.to_string(), "1".to_string())].into();
        assert!(check_quota_names(&entities(Kind::Users), &added("producer_byte_rate"), &[]).is_ok());
        assert!(check_quota_names(&entities(Kind::Users), &added("retention.ms"), &[]).is_err());
        assert!(check_quota_names(&entities(Kind::Ips), &added("connection_creation_rate"), &[]).is_ok());
        assert!(check_quota_names(&entities(Kind::Ips), &added("producer_byte_rate"), &[]).is_err());
        assert!(check_quota_names(&entities(Kind::Users), &added("SCRAM-SHA-256"), &[]).is_err());
    }
}
