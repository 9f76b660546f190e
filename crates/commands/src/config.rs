//! `ottla config`: configs of topics, brokers, groups and client quotas, with what each means.

mod describe;
mod entity;
mod list;

use clap::Subcommand;
use entity::{Entity, check_names};
use ottla_client::{Admin, Client, ConfigChange};
use ottla_terminal::cluster::ClientArgs;
use ottla_terminal::failure::Failure;
use ottla_terminal::output::OutputArgs;
use serde::Serialize;
use std::collections::BTreeMap;

/// What `ottla config` accepts.
pub type Args = ClientArgs<Command>;

/// The commands of `ottla config`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the configs that exist, with their defaults and what they do; needs no broker.
    List(list::Args),
    /// Show the configs of something: what was set on it, or with --all all that hold.
    Describe {
        /// topic/NAME, broker/ID, brokers, group/NAME, client/ID, clients, user/NAME, users, ip/ADDRESS or ips.
        entity: Entity,
        /// Also what holds by default or from elsewhere.
        #[arg(long)]
        all: bool,
    },
    /// Set configs of something.
    Set {
        /// topic/NAME, broker/ID, brokers, group/NAME, client/ID, clients, user/NAME, users, ip/ADDRESS or ips.
        entity: Entity,
        /// Configs to set.
        #[arg(required = true, value_name = "KEY=VALUE", value_parser = key_value)]
        configs: Vec<(String, String)>,
        /// Only say whether it could be done.
        #[arg(long)]
        dry_run: bool,
    },
    /// Go back to the defaults of configs.
    Unset {
        /// topic/NAME, broker/ID, brokers, group/NAME, client/ID, clients, user/NAME, users, ip/ADDRESS or ips.
        entity: Entity,
        /// Names of configs.
        #[arg(required = true, value_name = "KEY")]
        names: Vec<String>,
    },
}

/// Runs `ottla config`.
pub fn run(args: &Args) -> Result<(), Failure> {
    if let Command::List(list) = &args.command {
        return list::run(list, args.output);
    }
    args.cluster.run(async |client: Client| {
        let admin = Admin::new(&client);
        match &args.command {
            Command::List(_) => Ok(()),
            Command::Describe { entity, all } => describe::run(&admin, entity, *all, args.output).await,
            Command::Set { entity, configs, dry_run } => set(&admin, entity, configs, *dry_run, args.output).await,
            Command::Unset { entity, names } => unset(&admin, entity, names, args.output).await,
        }
    })
}

/// What was done.
#[derive(Debug, Serialize)]
struct Changed {
    entity: String,
    /// Names of the configs.
    configs: Vec<String>,
    /// Only checked.
    dry_run: bool,
}

impl Changed {
    fn text(&self) -> String {
        match self.dry_run {
            true => format!("{} would take these configs.\n", self.entity),
            false => format!("Changed the configs of {}.\n", self.entity),
        }
    }
}

async fn set(
    admin: &Admin,
    entity: &Entity,
    configs: &[(String, String)],
    dry_run: bool,
    output: OutputArgs,
) -> Result<(), Failure> {
    check_names(entity, configs.iter().map(|(name, _)| name.as_str()))?;
    let changes =
        configs.iter().map(|(name, value)| ConfigChange::Set { name: name.clone(), value: value.clone() }).collect();
    match dry_run {
        true => entity.check(admin, changes).await?,
        false => entity.alter(admin, changes).await?,
    }
    let configs = configs.iter().map(|(name, _)| name.clone()).collect();
    output.print(&Changed { entity: entity.to_string(), configs, dry_run }, Changed::text)
}

async fn unset(admin: &Admin, entity: &Entity, names: &[String], output: OutputArgs) -> Result<(), Failure> {
    check_names(entity, names.iter().map(String::as_str))?;
    let changes = names.iter().map(|name| ConfigChange::Delete { name: name.clone() }).collect();
    entity.alter(admin, changes).await?;
    let changed = Changed { entity: entity.to_string(), configs: names.to_vec(), dry_run: false };
    output.print(&changed, Changed::text)
}

/// `KEY=VALUE` on a command line.
pub(crate) fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_string(), value.trim().to_string())),
        _ => Err("write KEY=VALUE, for example retention.ms=86400000".to_string()),
    }
}

/// Quotas of a change: numbers to set, `None` to remove.
fn quota_changes(changes: Vec<ConfigChange>) -> Result<BTreeMap<String, Option<f64>>, Failure> {
    let change =
        |change| match change {
            ConfigChange::Delete { name } => Ok((name, None)),
            ConfigChange::Set { name, value } => match value.parse::<f64>() {
                Ok(number) if number.is_finite() => Ok((name, Some(number))),
                _ => Err(Failure::new(format!("{name}={value} is no number"))
                    .then("write bytes or percent, such as 1048576")),
            },
            ConfigChange::Append { name, .. } | ConfigChange::Subtract { name, .. } => {
                Err(Failure::new(format!("the quota {name} is no list")))
            }
        };
    changes.into_iter().map(change).collect()
}
