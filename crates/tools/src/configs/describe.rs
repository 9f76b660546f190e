//! `--describe`.

use super::{Configs, Entities, Kind};
use crate::java_text::double;
use ottla_client::{Admin, ClientError, ConfigEntry, ConfigResource, QuotaEntity, QuotaFilter, QuotaMatch};
use ottla_terminal::failure::Failure;
use ottla_terminal::output::write_out;
use ottla_types::ErrorCode;
use std::collections::{BTreeMap, BTreeSet};

pub(super) async fn run(tool: &Configs, admin: &Admin, entities: &Entities) -> Result<(), Failure> {
    match entities.kinds[0].quota_kind() {
        Some(_) => quotas(tool, admin, entities).await,
        None => resources(tool, admin, entities).await.map_err(|error| tool.refused(&error))?,
    }
}

/// The outer error is a broker's, to be said as Kafka's tool says it.
async fn resources(tool: &Configs, admin: &Admin, entities: &Entities) -> Result<Result<(), Failure>, ClientError> {
    let kind = entities.kinds[0];
    // A controller does not list topics; of one that is missing it says so itself.
    let is_listed = tool.bootstrap_controller.is_none() || kind != Kind::Topics;
    let names = match entities.names.first() {
        Some(name) if !is_listed => vec![name.clone()],
        Some(name) if tool.all || name.is_empty() && kind == Kind::Brokers => vec![name.clone()],
        Some(name) if existing(admin, kind).await?.contains(name) => vec![name.clone()],
        Some(name) => {
            let text = format!("The {} '{name}' doesn't exist and doesn't have dynamic config.\n", kind.singular());
            return Ok(write_out(&text));
        }
        None => {
            let mut names: Vec<String> = existing(admin, kind).await?.into_iter().collect();
            names.extend((kind == Kind::Brokers).then(String::new));
            names
        }
    };
    for name in names {
        let (resource, source) = match kind.resource(&name) {
            Ok(Some(found)) => found,
            Ok(None) => continue,
            Err(failure) => return Ok(Err(failure)),
        };
        let mut configs = admin.describe_configs(&resource).await?;
        configs.sort_by(|a, b| a.name.cmp(&b.name));
        let is_wanted = |config: &&ConfigEntry| tool.all || config.source == source;
        let head = match (name.is_empty(), tool.all) {
            (true, _) => format!("Default configs for {} in the cluster are:\n", kind.word()),
            (false, true) => format!("All configs for {} {name} are:\n", kind.singular()),
            (false, false) => format!("Dynamic configs for {} {name} are:\n", kind.singular()),
        };
        let text = head + &configs.iter().filter(is_wanted).map(line).collect::<String>();
        if let Err(failure) = write_out(&text) {
            return Ok(Err(failure));
        }
    }
    Ok(Ok(()))
}

/// The entities of a type that exist, or have configs all the same.
async fn existing(admin: &Admin, kind: Kind) -> Result<BTreeSet<String>, ClientError> {
    let resources = async || match admin.list_config_resources().await {
        // Brokers before Kafka 4.1 list none.
        Err(ClientError::NoCommonVersion { .. }) => Ok(Vec::new()),
        Err(error) if error.code() == Some(ErrorCode::ClusterAuthorizationFailed) => Ok(Vec::new()),
        listed => listed,
    };
    Ok(match kind {
        Kind::Topics => admin.list_topics().await?.topics.into_keys().collect(),
        Kind::Brokers | Kind::BrokerLoggers => {
            admin.describe_cluster().await?.brokers.into_keys().map(|id| id.to_string()).collect()
        }
        Kind::Groups => {
            let mut names: BTreeSet<String> =
                admin.list_groups(&[], &[]).await?.into_iter().map(|group| group.group_id).collect();
            let of_configs = resources().await?.into_iter();
            names.extend(of_configs.filter_map(|resource| match resource {
                ConfigResource::Group(name) => Some(name),
                _ => None,
            }));
            names
        }
        _ => resources()
            .await?
            .into_iter()
            .filter_map(|resource| match resource {
                ConfigResource::ClientMetrics(name) => Some(name),
                _ => None,
            })
            .collect(),
    })
}

fn line(config: &ConfigEntry) -> String {
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "null".to_string());
    let synonyms: Vec<String> = config
        .synonyms
        .iter()
        .map(|synonym| format!("{}:{}={}", synonym.source.name(), synonym.name, text(&synonym.value)))
        .collect();
    format!(
        "  {}={} sensitive={} synonyms={{{}}}\n",
        config.name,
        text(&config.value),
        config.is_sensitive,
        synonyms.join(", ")
    )
}

async fn quotas(tool: &Configs, admin: &Admin, entities: &Entities) -> Result<(), Failure> {
    let mut filter = QuotaFilter::new();
    for (index, kind) in entities.kinds.iter().enumerate() {
        let wanted = match entities.names.get(index) {
            None => QuotaMatch::Any,
            Some(name) if name.is_empty() => QuotaMatch::Default,
            Some(name) => QuotaMatch::Name(name.clone()),
        };
        filter.insert(kind.quota_kind().unwrap_or_default().to_string(), wanted);
    }
    let found = admin.describe_client_quotas(&filter).await.map_err(|error| tool.refused(&error))?;
    write_out(&found.iter().map(|(entity, values)| quota_line(entity, values)).collect::<String>())
}

fn quota_line(entity: &QuotaEntity, values: &BTreeMap<String, f64>) -> String {
    let part = |kind: &str, label: &str| {
        let name = entity.get(kind)?;
        Some(name.as_ref().map_or(format!("the default {label}"), |name| format!("{label} '{name}'")))
    };
    let parts = [part("user", "user-principal"), part("client-id", "client-id"), part("ip", "ip")];
    let values: Vec<String> = values.iter().map(|(name, value)| format!("{name}={}", double(*value))).collect();
    format!(
        "Quota configs for {} are {}\n",
        parts.into_iter().flatten().collect::<Vec<_>>().join(", "),
        values.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_client::{ConfigSource, ConfigSynonym};

    #[test]
    fn configs_are_printed_with_their_synonyms() {
        let synonym = |name: &str, value: Option<&str>, source| ConfigSynonym {
            name: name.to_string(),
            value: value.map(str::to_string),
            source,
        };
        let config = ConfigEntry {
            name: "retention.ms".to_string(),
            value: Some("5".to_string()),
            source: ConfigSource::Topic,
            synonyms: vec![
                synonym("retention.ms", Some("5"), ConfigSource::Topic),
                synonym("log.retention.ms", None, ConfigSource::Default),
            ],
            ..ConfigEntry::default()
        };
        let expected = "  retention.ms=5 sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:retention.ms=5, DEFAULT_CONFIG:log.retention.ms=null}\n";
        assert_eq!(line(&config), expected);
    }

    #[test]
    fn quotas_name_user_client_and_address() {
        let entity = [("user".to_string(), Some("bob".to_string())), ("client-id".to_string(), None)].into();
        let values = [("producer_byte_rate".to_string(), 1024.0)].into();
        assert_eq!(
            quota_line(&entity, &values),
            "Quota configs for user-principal 'bob', the default client-id are producer_byte_rate=1024.0\n"
        );
    }
}
