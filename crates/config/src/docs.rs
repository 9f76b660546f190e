//! `docs/configuration.md`, made out of the catalog.

use crate::catalog::{BROKER_SECTIONS, CLIENT_METRICS_SECTIONS, GROUP_SECTIONS, TOPIC_SECTIONS};
use crate::key::{Check, ConfigKey, DefaultValue, Differs, Effect, Importance, UpdateMode};
use crate::synonyms;
use std::fmt::Write;

const INTRO: &str = "\
# Configuration

<!-- Made out of crates/config by `cargo xtask docs`. -->

Names, types and defaults are those of Apache Kafka 4.3. Where a default differs, the table says so and why; \
the section at the end lists all of these. Every config of Kafka is accepted; those marked *no effect yet* are \
checked and kept, and change nothing. `ottla config list brokers` shows the same on a terminal, and `ottla doctor --config FILE` \
checks a file.

Broker configs are given in a `.properties` file (`ottla serve --config FILE`) or as `-o name=value`, and some of \
them at runtime (*per-broker*: for one broker; *cluster-wide*: for one or for all). Topic configs are given when a \
topic is created or altered. A value set for the topic wins over one set at runtime for the broker, over one set at \
runtime for all brokers, over the file, over the default.
";

/// The whole page.
pub fn markdown() -> String {
    let mut page = INTRO.to_string();
    for (title, sections, with_mode) in [
        ("Topic configs", TOPIC_SECTIONS, false),
        ("Broker configs", BROKER_SECTIONS, true),
        ("Group configs", GROUP_SECTIONS, false),
        ("Client metrics configs", CLIENT_METRICS_SECTIONS, false),
    ] {
        write(&mut page, format_args!("\n## {title}\n"));
        for (heading, keys) in sections {
            if sections.len() > 1 {
                write(&mut page, format_args!("\n### {heading}\n"));
            }
            table(&mut page, keys, with_mode);
        }
    }
    differences(&mut page);
    page
}

fn write(page: &mut String, text: std::fmt::Arguments<'_>) {
    page.write_fmt(text).expect("writing into a String cannot fail");
}

fn table(page: &mut String, keys: &[ConfigKey], with_mode: bool) {
    let (mode_head, mode_rule) = if with_mode { (" change |", " --- |") } else { ("", "") };
    write(page, format_args!("\n| name | type | default | accepted |{mode_head} what it does |\n"));
    write(page, format_args!("| --- | --- | --- | --- |{mode_rule} --- |\n"));
    for key in keys.iter().filter(|key| key.importance != Importance::Internal) {
        let mode = match key.update {
            _ if !with_mode => "",
            UpdateMode::ReadOnly => " restart |",
            UpdateMode::PerBroker => " per-broker |",
            UpdateMode::ClusterWide | UpdateMode::PerResource => " cluster-wide |",
        };
        write(
            page,
            format_args!(
                "| `{}` | {} | {} | {} |{mode} {} |\n",
                key.name,
                key.kind.name().to_ascii_lowercase(),
                default(key),
                accepted(key),
                description(key, with_mode)
            ),
        );
    }
}

fn default(key: &ConfigKey) -> String {
    match key.default {
        DefaultValue::Value("") => "(empty)".to_string(),
        DefaultValue::Value(text) => format!("`{text}`"),
        DefaultValue::Null => "(none)".to_string(),
        DefaultValue::Derived(rule) => rule.to_string(),
    }
}

fn accepted(key: &ConfigKey) -> String {
    match key.check {
        Check::Any | Check::List { allowed: [], empty_ok: true } => String::new(),
        Check::Range { min, max } if max.is_infinite() => format!("{min} or more"),
        Check::Range { min, max } => format!("{min} to {max}"),
        Check::OneOf(allowed) | Check::OneOfIgnoreCase(allowed) => allowed.join(", "),
        Check::List { allowed: [], empty_ok: false } | Check::NonEmpty => "not empty".to_string(),
        Check::List { allowed, .. } => allowed.join(", "),
        Check::GzipLevel => "1 to 9, or -1".to_string(),
        Check::ThrottledReplicas => "`*`, or partition:broker,...".to_string(),
        Check::OffsetReset => "earliest, latest, by_duration:PnDTnHnMn.nS".to_string(),
    }
}

fn description(key: &ConfigKey, is_broker: bool) -> String {
    let mut text = key.doc.to_string();
    if !is_broker {
        let names: Vec<String> =
            synonyms::of_topic_config(key.name).iter().map(|synonym| format!("`{}`", synonym.broker_config)).collect();
        if !names.is_empty() {
            text += &format!(" Broker: {}.", names.join(", "));
        }
    }
    match key.differs {
        Some(Differs::Ours) => text += " *Not in Kafka.*",
        Some(Differs::Default { kafka, .. }) => text += &format!(" *Kafka's default: `{kafka}`.*"),
        None => {}
    }
    if key.effect == Effect::Accepted {
        text += " *No effect yet.*";
    }
    text
}

fn differences(page: &mut String) {
    page.push_str("\n## Where we differ from Kafka\n\n| name | Kafka | here | why |\n| --- | --- | --- | --- |\n");
    let keys = TOPIC_SECTIONS.iter().chain(BROKER_SECTIONS).flat_map(|(_, keys)| keys.iter());
    for key in keys {
        match key.differs {
            Some(Differs::Default { kafka, reason }) => {
                write(page, format_args!("| `{}` | `{kafka}` | {} | {reason} |\n", key.name, default(key)));
            }
            Some(Differs::Ours) => {
                write(page, format_args!("| `{}` | no such config | {} | {} |\n", key.name, default(key), key.doc));
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_page_names_every_config_that_is_not_for_tests() {
        let page = super::markdown();
        for name in [
            "`retention.ms`",
            "`log.retention.hours`",
            "`consumer.session.timeout.ms`",
            "## Where we differ from Kafka",
        ] {
            assert!(page.contains(name), "{name}");
        }
    }
}
