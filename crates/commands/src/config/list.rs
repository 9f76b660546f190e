//! `ottla config list`: the configs that exist, from the declarations that brokers check values with.

use super::entity::QUOTAS;
use ottla_config::{ConfigKey, DefaultValue, Effect, Scope, UpdateMode, catalog};
use ottla_terminal::failure::Failure;
use ottla_terminal::output::OutputArgs;
use serde::Serialize;

/// What `ottla config list` accepts.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Whose configs.
    #[arg(value_enum, default_value_t = Kind::Topics)]
    kind: Kind,
    /// Only configs whose name holds this text.
    #[arg(long, value_name = "TEXT")]
    grep: Option<String>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Kind {
    Topics,
    Brokers,
    Groups,
    Quotas,
}

/// One config, as it is listed.
#[derive(Debug, Serialize)]
struct Listed {
    name: &'static str,
    #[serde(rename = "type")]
    kind: String,
    default: Option<&'static str>,
    change: &'static str,
    has_effect: bool,
    doc: &'static str,
}

pub(super) fn run(args: &Args, output: OutputArgs) -> Result<(), Failure> {
    let listed: Vec<Listed> = match args.kind {
        Kind::Topics => of(Scope::Topic),
        Kind::Brokers => of(Scope::Broker),
        Kind::Groups => of(Scope::Group),
        Kind::Quotas => QUOTAS.iter().map(|(name, doc)| Listed::quota(name, doc)).collect(),
    };
    let is_wanted = |config: &Listed| args.grep.as_ref().is_none_or(|text| config.name.contains(text.as_str()));
    let listed: Vec<Listed> = listed.into_iter().filter(is_wanted).collect();
    output.print(&listed, |listed| render(listed))
}

fn of(scope: Scope) -> Vec<Listed> {
    catalog::all(scope).filter(|key| !key.is_internal()).map(Listed::of).collect()
}

impl Listed {
    fn of(key: &'static ConfigKey) -> Listed {
        Listed {
            name: key.name,
            kind: key.kind.name().to_lowercase(),
            default: match key.default {
                DefaultValue::Value(text) | DefaultValue::Derived(text) => Some(text),
                DefaultValue::Null => None,
            },
            change: match key.update {
                UpdateMode::ReadOnly => "restart",
                UpdateMode::PerBroker => "per broker",
                UpdateMode::ClusterWide => "at runtime",
                UpdateMode::PerResource => "at runtime",
            },
            has_effect: key.effect == Effect::Implemented,
            doc: key.doc,
        }
    }

    fn quota(name: &'static str, doc: &'static str) -> Listed {
        Listed { name, kind: "double".to_string(), default: None, change: "at runtime", has_effect: true, doc }
    }
}

fn render(configs: &[Listed]) -> String {
    let line = |config: &Listed| {
        let default = config
            .default
            .map_or("none".to_string(), |text| if text.is_empty() { "empty".to_string() } else { text.to_string() });
        let effect = if config.has_effect { "" } else { " (no effect yet)" };
        format!("{}  {}, default {default}, {}\n    {}{effect}\n", config.name, config.kind, config.change, config.doc)
    };
    configs.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configs_are_listed_with_default_and_documentation() {
        let listed: Vec<Listed> = of(Scope::Topic).into_iter().filter(|config| config.name == "retention.ms").collect();
        let text = render(&listed);
        assert!(text.starts_with("retention.ms  long, default 604800000, at runtime\n    How long"), "{text}");
        assert!(of(Scope::Broker).len() > 300);
    }
}
