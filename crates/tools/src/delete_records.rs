//! `kafka-delete-records`.

use super::KafkaTool;
use super::shared::{Cluster, required};
use ottla_client::{Admin, Client};
use ottla_terminal::executor::Threads;
use ottla_terminal::failure::Failure;
use ottla_terminal::input::read_text;
use ottla_terminal::output::write_out;
use ottla_types::TopicPartition;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Delete records of partitions up to an offset.
#[derive(Debug, clap::Parser)]
pub(super) struct DeleteRecords {
    /// REQUIRED: The server to connect to.
    #[arg(long, value_name = "server(s) to use for bootstrapping")]
    bootstrap_server: Option<String>,
    /// REQUIRED: The JSON file with an offset for each partition:
    /// {"partitions": [{"topic": "foo", "partition": 1, "offset": 1}], "version": 1}
    #[arg(long, value_name = "Offset json file path")]
    offset_json_file: Option<PathBuf>,
    /// Property file containing configs of the client.
    #[arg(long, value_name = "command config property file path")]
    command_config: Option<PathBuf>,
}

/// The file of `--offset-json-file`.
#[derive(Debug, Deserialize)]
struct OffsetFile {
    #[serde(default = "first_version")]
    version: i32,
    partitions: Option<Vec<PartitionOffset>>,
}

#[derive(Debug, Deserialize)]
struct PartitionOffset {
    topic: String,
    partition: i32,
    offset: i64,
}

impl KafkaTool for DeleteRecords {
    const NAME: &'static str = "kafka-delete-records";

    fn run(&self) -> Result<(), Failure> {
        let bootstrap = required(&self.bootstrap_server, "bootstrap-server")?;
        let file = required(&self.offset_json_file, "offset-json-file")?;
        let cluster = Cluster::new(bootstrap, self.command_config.as_deref(), &[], "kafka-delete-records")?;
        let offsets = parse(&read_text(file)?)?;
        cluster.run(Threads::One, async |client: Client| {
            let admin = Admin::new(&client);
            write_out("Executing records delete operation\n")?;
            let mut text = "Records delete operation completed:\n".to_string();
            for (partition, offset) in offsets {
                // -1 means the end.
                let before = Some(offset).filter(|offset| *offset != -1);
                text += &match admin.delete_records(&partition, before).await {
                    Ok(low_watermark) => format!("partition: {partition}\tlow_watermark: {low_watermark}\n"),
                    Err(error) => format!("partition: {partition}\terror: {error}\n"),
                };
            }
            write_out(&text)
        })
    }
}

fn first_version() -> i32 {
    1
}

fn parse(text: &str) -> Result<BTreeMap<TopicPartition, i64>, Failure> {
    let not_json = |error: serde_json::Error| Failure {
        next_step: Some(error.to_string()),
        ..Failure::new("The input string is not a valid JSON")
    };
    let file: OffsetFile = serde_json::from_str(text).map_err(not_json)?;
    if file.version != 1 {
        return Err(Failure::new(format!("Not supported version field value {}", file.version)));
    }
    let partitions = file.partitions.ok_or_else(|| Failure::new("Missing partitions field"))?;
    let (mut offsets, mut duplicates) = (BTreeMap::new(), Vec::new());
    for row in partitions {
        let partition = TopicPartition::new(row.topic.as_str(), row.partition);
        if offsets.insert(partition.clone(), row.offset).is_some() && !duplicates.contains(&partition) {
            duplicates.push(partition);
        }
    }
    if !duplicates.is_empty() {
        let names: Vec<String> = duplicates.iter().map(ToString::to_string).collect();
        let names = names.join(",");
        return Err(Failure::new(format!("Offset json file contains duplicate topic partitions: {names}")));
    }
    Ok(offsets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_names_each_partition_once() {
        let row = r#"{"topic": "t", "partition": 1, "offset": 5}"#;
        let file = |rows: &str| parse(&format!(r#"{{"partitions": [{rows}], "version": 1}}"#)).map_err(|f| f.cause);
        assert_eq!(file(row).unwrap(), [(TopicPartition::new("t", 1), 5)].into());
        let twice = file(&format!("{row},{row}")).unwrap_err();
        assert_eq!(twice, "Offset json file contains duplicate topic partitions: t-1");
        assert_eq!(parse(r#"{"version": 2}"#).unwrap_err().cause, "Not supported version field value 2");
        assert_eq!(parse("{}").unwrap_err().cause, "Missing partitions field");
        assert_eq!(parse("x").unwrap_err().cause, "The input string is not a valid JSON");
    }
}
