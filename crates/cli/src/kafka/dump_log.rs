//! `kafka-dump-log`.

mod index;
mod records;
mod states;

use crate::segment::Kind;
use crate::segment::decode::{Decoder, Plain};
use ottla_terminal::failure::Failure;
use ottla_terminal::output::write_out;
use ottla_tools::KafkaTool;
use ottla_tools::shared::required;
use std::path::Path;

/// Parse a log file and dump its contents to the console, useful for debugging a seemingly corrupt log segment.
#[derive(Debug, Default, clap::Parser)]
pub(super) struct DumpLog {
    /// Print the messages. Automatically set if any decoder option is specified.
    #[arg(long)]
    print_data_log: bool,
    /// Just verify the index log without printing its content.
    #[arg(long)]
    verify_index_only: bool,
    /// Just check the index sanity without printing its content.
    #[arg(long)]
    index_sanity_check: bool,
    /// REQUIRED: The comma separated list of data and index log files to be dumped.
    #[arg(long, value_name = "file1, file2, ...")]
    files: Option<String>,
    /// Size of largest message.
    #[arg(long, value_name = "size", default_value_t = 5 * 1024 * 1024)]
    max_message_size: u32,
    /// Limit the amount of total batches read in bytes avoiding reading the whole .log file(s).
    #[arg(long, value_name = "size")]
    max_bytes: Option<u64>,
    /// Also look into batches. Automatically set if print-data-log is enabled.
    #[arg(long)]
    deep_iteration: bool,
    /// How values are shown: one of Kafka's decoders for text, integers, longs or bytes.
    #[arg(long, num_args = 0..=1, default_missing_value = "StringDecoder")]
    value_decoder_class: Option<String>,
    /// How keys are shown: one of Kafka's decoders for text, integers, longs or bytes.
    #[arg(long, num_args = 0..=1, default_missing_value = "StringDecoder")]
    key_decoder_class: Option<String>,
    /// Log data will be parsed as offset data from the __consumer_offsets topic.
    #[arg(long)]
    offsets_decoder: bool,
    /// Log data will be parsed as transaction metadata from the __transaction_state topic.
    #[arg(long)]
    transaction_log_decoder: bool,
    /// Log data will be parsed as cluster metadata records.
    #[arg(long)]
    cluster_metadata_decoder: bool,
    /// Log data will be parsed as remote log metadata records.
    #[arg(long)]
    remote_log_metadata_decoder: bool,
    /// Log data will be parsed as share group state data from the __share_group_state topic.
    #[arg(long)]
    share_group_state_decoder: bool,
    /// Skip metadata when printing records. This flag also skips control records.
    #[arg(long)]
    skip_record_metadata: bool,
}

/// What is wrong with files, said when all of them were read.
#[derive(Debug, Default)]
struct Complaints {
    /// By the order in which Kafka's tool says them: offset indexes, time indexes, logs.
    sections: [Vec<String>; 5],
}

impl KafkaTool for DumpLog {
    const NAME: &'static str = "kafka-dump-log";

    fn run(&self) -> Result<(), Failure> {
        let files = required(&self.files, "files")?;
        let decoder = self.decoder()?;
        let mut complaints = Complaints::default();
        for file in files.split(',') {
            write_out(&format!("Dumping {file}\n"))?;
            let path = Path::new(file);
            let done = match Kind::of(path) {
                Some(Kind::Log | Kind::Checkpoint) => records::dump(self, path, decoder, &mut complaints),
                Some(Kind::Index) => index::dump_offsets(self, path, &mut complaints),
                Some(Kind::TimeIndex) => index::dump_times(self, path, &mut complaints),
                Some(Kind::TxnIndex) => states::dump_aborted(path),
                Some(Kind::ProducerSnapshot) => states::dump_producers(path),
                None => {
                    eprintln!("Ignoring unknown file {file}");
                    Ok(())
                }
            };
            done?;
        }
        for line in complaints.sections.iter().flatten() {
            eprintln!("{line}");
        }
        Ok(())
    }
}

impl DumpLog {
    fn prints_records(&self) -> bool {
        let is_named = self.value_decoder_class.is_some() || self.key_decoder_class.is_some();
        self.print_data_log || is_named || self.topic_decoder().is_some()
    }

    fn is_deep(&self) -> bool {
        self.deep_iteration || self.prints_records()
    }

    fn topic_decoder(&self) -> Option<Decoder> {
        let all = [
            (self.offsets_decoder, Decoder::Offsets),
            (self.transaction_log_decoder, Decoder::Transactions),
            (self.cluster_metadata_decoder, Decoder::Metadata),
            (self.remote_log_metadata_decoder, Decoder::RemoteLog),
            (self.share_group_state_decoder, Decoder::ShareState),
        ];
        all.into_iter().find(|(is_wanted, _)| *is_wanted).map(|(_, decoder)| decoder)
    }

    fn decoder(&self) -> Result<Decoder, Failure> {
        let plain = |class: &Option<String>| match class.as_deref().unwrap_or("StringDecoder").rsplit('.').next() {
            Some("StringDecoder") => Ok(Plain::Text),
            Some("IntegerDecoder") => Ok(Plain::Int),
            Some("LongDecoder") => Ok(Plain::Long),
            Some("DefaultDecoder") => Ok(Plain::Bytes),
            _ => Err(Failure::new("Failed to load decoder class").then(
                "name StringDecoder, IntegerDecoder, LongDecoder or DefaultDecoder: this program runs no Java classes",
            )),
        };
        match self.topic_decoder() {
            Some(decoder) => Ok(decoder),
            None => Ok(Decoder::Plain(plain(&self.key_decoder_class)?, plain(&self.value_decoder_class)?)),
        }
    }
}

/// A file that cannot be read.
fn unreadable(path: &Path, error: impl std::fmt::Display) -> Failure {
    Failure::new(format!("cannot read {}: {error}", path.display()))
}

/// The file with its whole path, as complaints name it.
fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf()).display().to_string()
}

/// Java's `OptionalLong.toString`.
fn optional_long(value: Option<i64>) -> String {
    value.map_or("OptionalLong.empty".to_string(), |value| format!("OptionalLong[{value}]"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[test]
    fn decoders_make_the_tool_print_records() {
        let tool = |line: &str| DumpLog::try_parse_from(format!("kafka-dump-log {line}").split_whitespace()).unwrap();
        assert!(!tool("--files a.log").is_deep());
        assert!(tool("--files a.log --deep-iteration").is_deep());
        assert!(tool("--offsets-decoder --files a.log").prints_records());
        assert_eq!(tool("--offsets-decoder").decoder().unwrap(), Decoder::Offsets);
        let longs = tool("--value-decoder-class kafka.serializer.LongDecoder").decoder().unwrap();
        assert_eq!(longs, Decoder::Plain(Plain::Text, Plain::Long));
        assert!(tool("--key-decoder-class x.Y").decoder().is_err());
    }
}
