//! `ottla quota`: how much users, client ids and addresses may ask of a broker.

use clap::Subcommand;
use ottla_client::{Admin, Client, QuotaEntity, QuotaFilter, QuotaMatch};
use ottla_terminal::cluster::ClientArgs;
use ottla_terminal::failure::Failure;
use ottla_terminal::output::OutputArgs;
use ottla_terminal::table;
use serde::Serialize;
use std::collections::BTreeMap;

/// What stands for everybody who has no quota of his own, as in Kafka.
const DEFAULT: &str = "<default>";

/// What `ottla quota` accepts.
pub type Args = ClientArgs<Command>;

/// The commands of `ottla quota`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show quotas: all, or those of somebody.
    List(Whom),
    /// Set quotas of somebody.
    Set {
        #[command(flatten)]
        whom: Whom,
        /// Quotas: producer_byte_rate=1048576, consumer_byte_rate=..., request_percentage=..., controller_mutation_rate=...,
        /// for addresses connection_creation_rate=...
        #[arg(required = true, value_name = "QUOTA=NUMBER", value_parser = quota)]
        quotas: Vec<(String, f64)>,
    },
    /// Remove quotas of somebody: these, or all.
    Remove {
        #[command(flatten)]
        whom: Whom,
        /// Names of quotas.
        #[arg(value_name = "QUOTA")]
        names: Vec<String>,
    },
}

/// Whom a quota is for.
#[derive(Debug, clap::Args)]
pub struct Whom {
    /// A user's name; '<default>' for all users without quotas of their own.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// A client id; with --user that user's client; '<default>' as above.
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// An IP address; '<default>' as above.
    #[arg(long, value_name = "ADDRESS", conflicts_with_all = ["user", "client_id"])]
    ip: Option<String>,
}

fn quota(text: &str) -> Result<(String, f64), String> {
    let (name, value) = text.split_once('=').ok_or("write QUOTA=NUMBER")?;
    let number: f64 = value.trim().parse().map_err(|_| format!("'{value}' is no number"))?;
    match number.is_finite() && number >= 0.0 {
        true => Ok((name.trim().to_string(), number)),
        false => Err("a quota is not negative".to_string()),
    }
}

impl Whom {
    fn parts(&self) -> impl Iterator<Item = (&'static str, &String)> {
        let parts = [("user", &self.user), ("client-id", &self.client_id), ("ip", &self.ip)];
        parts.into_iter().filter_map(|(kind, name)| Some((kind, name.as_ref()?)))
    }

    fn entity(&self) -> Result<QuotaEntity, Failure> {
        let name = |name: &String| Some(name.clone()).filter(|name| name != DEFAULT);
        let entity: QuotaEntity = self.parts().map(|(kind, given)| (kind.to_string(), name(given))).collect();
        match entity.is_empty() {
            true => {
                Err(Failure { code: Failure::USAGE, ..Failure::new("whose quota? name --user, --client-id or --ip") })
            }
            false => Ok(entity),
        }
    }

    fn filter(&self) -> QuotaFilter {
        let wanted = |name: &String| match name == DEFAULT {
            true => QuotaMatch::Default,
            false => QuotaMatch::Name(name.clone()),
        };
        self.parts().map(|(kind, name)| (kind.to_string(), wanted(name))).collect()
    }
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), Failure> {
    args.cluster.run(async |client: Client| {
        let admin = Admin::new(&client);
        match &args.command {
            Command::List(whom) => list(&admin, whom, args.output).await,
            Command::Set { whom, quotas } => {
                let changes = quotas.iter().map(|(name, value)| (name.clone(), Some(*value))).collect();
                change(&admin, &whom.entity()?, &changes, args.output).await
            }
            Command::Remove { whom, names } => {
                let entity = whom.entity()?;
                let names = match names.is_empty() {
                    false => names.clone(),
                    true => names_of(&admin, whom).await?,
                };
                let changes = names.into_iter().map(|name| (name, None)).collect();
                change(&admin, &entity, &changes, args.output).await
            }
        }
    })
}

/// The quotas of one entity.
#[derive(Debug, Serialize, PartialEq)]
struct Entry {
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<String>,
    /// A quota that was removed is null.
    quotas: BTreeMap<String, Option<f64>>,
}

impl Entry {
    fn new(entity: &QuotaEntity, quotas: BTreeMap<String, Option<f64>>) -> Entry {
        let part = |kind: &str| entity.get(kind).map(|name| name.clone().unwrap_or_else(|| DEFAULT.to_string()));
        Entry { user: part("user"), client_id: part("client-id"), ip: part("ip"), quotas }
    }
}

async fn described(admin: &Admin, whom: &Whom) -> Result<Vec<Entry>, Failure> {
    let filters = match whom.parts().next() {
        Some(_) => vec![whom.filter()],
        None => [&["user"][..], &["client-id"], &["user", "client-id"], &["ip"]]
            .iter()
            .map(|kinds| kinds.iter().map(|kind| (kind.to_string(), QuotaMatch::Any)).collect())
            .collect(),
    };
    let mut entries = Vec::new();
    for filter in filters {
        for (entity, quotas) in admin.describe_client_quotas(&filter).await? {
            entries.push(Entry::new(&entity, quotas.into_iter().map(|(name, value)| (name, Some(value))).collect()));
        }
    }
    Ok(entries)
}

async fn names_of(admin: &Admin, whom: &Whom) -> Result<Vec<String>, Failure> {
    let entries = described(admin, whom).await?;
    let names: Vec<String> = entries.into_iter().flat_map(|entry| entry.quotas.into_keys()).collect();
    match names.is_empty() {
        true => Err(Failure { code: Failure::NOT_FOUND, ..Failure::new("there are no quotas for that") }
            .then("see `ottla quota list`")),
        false => Ok(names),
    }
}

async fn list(admin: &Admin, whom: &Whom, output: OutputArgs) -> Result<(), Failure> {
    output.print(&described(admin, whom).await?, |entries| render(entries, "No quotas.\n"))
}

async fn change(
    admin: &Admin,
    entity: &QuotaEntity,
    changes: &BTreeMap<String, Option<f64>>,
    output: OutputArgs,
) -> Result<(), Failure> {
    admin.alter_client_quotas(entity, changes).await?;
    output.print(&vec![Entry::new(entity, changes.clone())], |entries| render(entries, ""))
}

fn render(entries: &[Entry], nothing: &str) -> String {
    if entries.is_empty() {
        return nothing.to_string();
    }
    let rows = entries.iter().flat_map(|entry| {
        entry.quotas.iter().map(|(name, value)| {
            let value = value.map_or("removed".to_string(), |value| value.to_string());
            let part = |part: &Option<String>| part.clone().unwrap_or_default();
            vec![part(&entry.user), part(&entry.client_id), part(&entry.ip), name.clone(), value]
        })
    });
    table::render(&["USER", "CLIENT ID", "IP", "QUOTA", "#VALUE"], rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::parsed;

    #[test]
    fn entities_are_named_as_kafka_names_them() {
        let whom = parsed::<Whom>;
        let entity = whom("--user alice --client-id <default>").unwrap().entity().unwrap();
        assert_eq!(entity, [("user".to_string(), Some("alice".to_string())), ("client-id".to_string(), None)].into());
        assert!(whom("").unwrap().entity().unwrap_err().cause.contains("--user"));
        assert!(whom("--ip 10.0.0.1 --user alice").is_err());
    }

    #[test]
    fn quotas_are_numbers_and_shown_in_a_table() {
        assert_eq!(quota("producer_byte_rate=1024"), Ok(("producer_byte_rate".to_string(), 1024.0)));
        assert!(quota("producer_byte_rate").is_err() && quota("a=x").is_err() && quota("a=-1").is_err());
        let entity = [("user".to_string(), None)].into();
        let entry =
            Entry::new(&entity, [("request_percentage".to_string(), Some(12.5)), ("x".to_string(), None)].into());
        let text = render(&[entry], "");
        assert!(text.contains("<default>") && text.contains("12.5") && text.contains("removed"), "{text}");
        assert_eq!(render(&[], "No quotas.\n"), "No quotas.\n");
    }
}
