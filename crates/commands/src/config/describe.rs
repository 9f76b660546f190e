//! `ottla config describe`.

use super::entity::{Entity, QUOTAS};
use ottla_client::{Admin, ConfigEntry, QuotaMatch};
use ottla_config::{Scope, catalog};
use ottla_terminal::failure::Failure;
use ottla_terminal::output::OutputArgs;
use ottla_terminal::table;
use serde::Serialize;

/// One config with its value.
#[derive(Debug, Serialize)]
struct Described {
    name: String,
    value: Option<String>,
    sensitive: bool,
    /// Where the value comes from: Kafka's name of it.
    source: &'static str,
    read_only: bool,
    doc: Option<&'static str>,
}

pub(super) async fn run(admin: &Admin, entity: &Entity, all: bool, output: OutputArgs) -> Result<(), Failure> {
    let configs = match entity {
        Entity::Resource(resource) => {
            let described = entity.explained(admin, admin.describe_configs(resource).await).await?;
            let scope = entity.scope();
            described
                .into_iter()
                .filter(|config| all || config.is_set)
                .map(|config| Described::of(config, scope))
                .collect()
        }
        Entity::Quota { kind, name } => {
            let wanted = name.clone().map_or(QuotaMatch::Default, QuotaMatch::Name);
            let found = admin.describe_client_quotas(&[((*kind).to_string(), wanted)].into()).await?;
            let quotas = found.into_iter().flat_map(|(_, values)| values);
            quotas.map(|(name, value)| Described::quota(name, value)).collect::<Vec<_>>()
        }
    };
    output.print(&configs, |configs| render(entity, configs, all))
}

impl Described {
    fn of(config: ConfigEntry, scope: Option<Scope>) -> Described {
        let doc = scope.and_then(|scope| catalog::find(scope, &config.name)).map(|key| key.doc);
        Described {
            value: config.value,
            sensitive: config.is_sensitive,
            source: config.source.name(),
            read_only: config.is_read_only,
            doc,
            name: config.name,
        }
    }

    fn quota(name: String, value: f64) -> Described {
        let doc = QUOTAS.iter().find(|(quota, _)| *quota == name).map(|(_, doc)| *doc);
        let value = Some(value.to_string());
        Described { name, value, sensitive: false, source: "QUOTA", read_only: false, doc }
    }
}

fn render(entity: &Entity, configs: &[Described], all: bool) -> String {
    if configs.is_empty() {
        let hint = if all { "" } else { " --all shows what holds by default." };
        return format!("Nothing is set on {entity}.{hint}\n");
    }
    let row = |config: &Described| {
        let value = if config.sensitive { "(hidden)" } else { config.value.as_deref().unwrap_or("(none)") };
        vec![config.name.clone(), value.to_string(), config.source.to_string(), config.doc.unwrap_or("").to_string()]
    };
    table::render(&["CONFIG", "VALUE", "SOURCE", "MEANING"], configs.iter().map(row))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_client::ConfigSource;

    #[test]
    fn configs_are_shown_with_source_and_meaning() {
        let entity: Entity = "topic/t".parse().unwrap();
        let config = ConfigEntry {
            name: "retention.ms".to_string(),
            value: Some("5".to_string()),
            source: ConfigSource::Topic,
            ..ConfigEntry::default()
        };
        let text = render(&entity, &[Described::of(config, entity.scope())], false);
        assert!(text.contains("retention.ms  5      DYNAMIC_TOPIC_CONFIG  How long records are kept"), "{text}");
        assert!(render(&entity, &[], false).contains("--all"));
    }
}
