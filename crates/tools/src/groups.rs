//! `kafka-groups`.

use super::KafkaTool;
use super::java::java_error;
use super::shared::{Cluster, required, usage};
use ottla_client::{Admin, Client, GroupListing};
use ottla_terminal::executor::Threads;
use ottla_terminal::failure::Failure;
use ottla_terminal::output::write_out;
use std::path::PathBuf;

/// List groups of all types.
#[derive(Debug, clap::Parser)]
pub(super) struct Groups {
    /// REQUIRED: The Kafka server to connect to.
    #[arg(long, value_name = "server to connect to")]
    bootstrap_server: Option<String>,
    /// Property file containing configs of the client.
    #[arg(long, value_name = "command config property file")]
    command_config: Option<PathBuf>,
    /// List the groups.
    #[arg(long)]
    list: bool,
    /// Only groups of this type: classic, consumer, share or streams.
    #[arg(long, value_name = "type")]
    group_type: Option<String>,
    /// Only groups of this protocol type.
    #[arg(long, value_name = "protocol")]
    protocol: Option<String>,
    /// Only groups of consumers.
    #[arg(long)]
    consumer: bool,
    /// Only share groups.
    #[arg(long)]
    share: bool,
    /// Only streams groups.
    #[arg(long)]
    streams: bool,
}

const TYPES: &[&str] = &["Unknown", "Consumer", "Classic", "Share", "Streams"];

impl KafkaTool for Groups {
    const NAME: &'static str = "kafka-groups";

    fn run(&self) -> Result<(), Failure> {
        let bootstrap = required(&self.bootstrap_server, "bootstrap-server")?;
        required(&Some(()).filter(|()| self.list), "list")?;
        self.check()?;
        let cluster = Cluster::new(bootstrap, self.command_config.as_deref(), &[], "kafka-groups")?;
        cluster.run(Threads::One, async |client: Client| match Admin::new(&client).list_groups(&[], &[]).await {
            Ok(groups) => write_out(&render(groups.iter().filter(|group| self.is_wanted(group)))),
            Err(error) => {
                write_out(&format!("Error while executing groups command : {}\n", java_error(&error)))?;
                Err(Failure::said())
            }
        })
    }
}

impl Groups {
    fn check(&self) -> Result<(), Failure> {
        let filters = [
            ("consumer", self.consumer, ["group-type", "protocol", "share", "streams"].as_slice()),
            ("share", self.share, &["consumer", "group-type", "protocol", "streams"]),
            ("streams", self.streams, &["consumer", "group-type", "protocol", "share"]),
        ];
        let is_used = |name: &str| match name {
            "group-type" => self.group_type.is_some(),
            "protocol" => self.protocol.is_some(),
            "consumer" => self.consumer,
            "share" => self.share,
            _ => self.streams,
        };
        for (name, is_set, others) in filters {
            if let (true, Some(other)) = (is_set, others.iter().find(|other| is_used(other))) {
                return Err(usage(format!("Option \"[{name}]\" can't be used with option \"[{other}]\"")));
            }
        }
        match &self.group_type {
            Some(text) if canonical(text).is_none_or(|known| known == "Unknown") => {
                Err(usage("--group-type must be a valid group type."))
            }
            _ => Ok(()),
        }
    }

    fn is_wanted(&self, group: &GroupListing) -> bool {
        let group_type = canonical(&group.group_type);
        let protocol = group.protocol_type.as_str();
        if let Some(wanted) = &self.group_type {
            return group_type == canonical(wanted) && self.protocol.as_ref().is_none_or(|wanted| wanted == protocol);
        }
        match &self.protocol {
            Some(wanted) => wanted == protocol,
            None if self.consumer => ["consumer", ""].contains(&protocol) || group_type == Some("Consumer"),
            None if self.share => group_type == Some("Share"),
            None if self.streams => group_type == Some("Streams"),
            None => true,
        }
    }
}

fn canonical(text: &str) -> Option<&'static str> {
    TYPES.iter().find(|known| known.eq_ignore_ascii_case(text.trim())).copied()
}

fn render<'a>(groups: impl Iterator<Item = &'a GroupListing>) -> String {
    let rows: Vec<[String; 3]> = groups
        .map(|group| {
            let group_type = canonical(&group.group_type).unwrap_or_default();
            [group.group_id.clone(), group_type.to_string(), group.protocol_type.clone()]
        })
        .collect();
    let width = rows.iter().flatten().map(|cell| cell.chars().count()).max().unwrap_or(0).max(20);
    let mut text = format!("{:<width$} {:<width$} {:<width$}\n", "GROUP", "TYPE", "PROTOCOL");
    for [group, group_type, protocol] in rows {
        text += &format!("{group:<width$} {group_type:<width$} {protocol:<width$} \n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn listing(group_id: &str, group_type: &str, protocol_type: &str) -> GroupListing {
        let [group_id, group_type, protocol_type] = [group_id, group_type, protocol_type].map(str::to_string);
        GroupListing { group_id, protocol_type, state: "Empty".to_string(), group_type }
    }

    #[test]
    fn filters_choose_as_kafkas_do() {
        let groups =
            [listing("a", "classic", ""), listing("b", "Consumer", "consumer"), listing("c", "share", "share")];
        let chosen = |flags: &str| {
            let words = format!("kafka-groups --list --bootstrap-server a:1 {flags}");
            let tool = Groups::try_parse_from(words.split_whitespace()).unwrap();
            tool.check().unwrap();
            groups.iter().filter(|group| tool.is_wanted(group)).map(|group| group.group_id.as_str()).collect::<String>()
        };
        assert_eq!(chosen(""), "abc");
        assert_eq!(chosen("--consumer"), "ab");
        assert_eq!(chosen("--share"), "c");
        assert_eq!(chosen("--group-type CLASSIC"), "a");
        assert_eq!(chosen("--protocol consumer"), "b");
        let head = format!("{:<20} {:<20} {:<20}\n", "GROUP", "TYPE", "PROTOCOL");
        assert_eq!(render(groups.iter().take(1)), format!("{head}{:<20} {:<20} {:<20} \n", "a", "Classic", ""));
    }
}
