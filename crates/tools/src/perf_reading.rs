//! What `kafka-consumer-perf-test` and `kafka-share-consumer-perf-test` have in common: options, their rules, warnings.

use super::shared::{Cluster, required, usage};
use ottla_terminal::failure::Failure;
use ottla_terminal::output::write_out;
use std::path::PathBuf;

/// Bytes of what Kafka's tools call a megabyte.
pub(super) const MEGABYTE: f64 = 1024.0 * 1024.0;

/// Options of both.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct PerfReadingArgs {
    /// REQUIRED: The server(s) to connect to.
    #[arg(long, value_name = "server to connect to")]
    bootstrap_server: Option<String>,
    /// Bytes in one answer, of one partition where the consumer is not a share consumer.
    #[arg(long, default_value_t = 1024 * 1024, value_name = "size")]
    pub(super) fetch_size: i32,
    /// A consumer config; may be given several times.
    #[arg(long, value_name = "prop1=val1")]
    command_property: Vec<String>,
    /// `receive.buffer.bytes`.
    #[arg(long, default_value_t = 2 * 1024 * 1024, value_name = "size")]
    socket_buffer_size: i32,
    /// Deprecated: use --command-config.
    #[arg(long = "consumer.config", value_name = "config file")]
    consumer_config: Option<PathBuf>,
    /// A file of consumer configs.
    #[arg(long, value_name = "config file")]
    command_config: Option<PathBuf>,
    /// Accepted as Kafka's tool accepts it; this client has no such metrics.
    #[arg(long)]
    print_metrics: bool,
    /// Print a line in each reporting interval.
    #[arg(long)]
    pub(super) show_detailed_stats: bool,
    /// How long there may be no records.
    #[arg(long, num_args = 0..=1, default_value_t = 10_000, default_missing_value = "10000", value_name = "milliseconds")]
    pub(super) timeout: i64,
    /// Deprecated: use --num-records.
    #[arg(long, value_name = "count")]
    messages: Option<i64>,
    /// REQUIRED: The number of records to consume.
    #[arg(long, value_name = "count")]
    num_records: Option<i64>,
    /// How often progress is printed.
    #[arg(long, default_value_t = 5000, value_name = "interval_ms")]
    pub(super) reporting_interval: i64,
    /// How times are printed, in the letters of Java's SimpleDateFormat; in UTC.
    #[arg(long, default_value = "yyyy-MM-dd HH:mm:ss:SSS", value_name = "date format")]
    pub(super) date_format: String,
    /// Leave out the line with the names of the columns.
    #[arg(long)]
    pub(super) hide_header: bool,
}

impl PerfReadingArgs {
    /// Where to connect to.
    pub(super) fn bootstrap(&self) -> Result<&str, Failure> {
        Ok(required(&self.bootstrap_server, "bootstrap-server")?)
    }

    /// How many records are wanted, when the options go together.
    pub(super) fn records(&self) -> Result<i64, Failure> {
        let records = match (self.messages, self.num_records) {
            (Some(records), None) | (None, Some(records)) => records,
            _ => return Err(usage("Exactly one of the following arguments is required: [messages], [num-records]")),
        };
        if self.consumer_config.is_some() && self.command_config.is_some() {
            return Err(usage("Option \"[consumer.config]\" can't be used with option \"[command-config]\""));
        }
        if self.reporting_interval <= 0 {
            return Err(Failure::new("Reporting interval must be greater than 0."));
        }
        Ok(records)
    }

    /// Says which options are deprecated.
    pub(super) fn warn(&self) -> Result<(), Failure> {
        if self.messages.is_some() {
            write_out("Warning: --messages is deprecated. Use --num-records instead.\n")?;
        }
        if self.consumer_config.is_some() {
            write_out("Warning: --consumer.config is deprecated. Use --command-config instead.\n")?;
        }
        Ok(())
    }

    /// The cluster, with the properties that were given.
    pub(super) fn cluster(&self, client_id: &str) -> Result<Cluster, Failure> {
        let file = self.command_config.as_deref().or(self.consumer_config.as_deref());
        let mut cluster = Cluster::new(self.bootstrap()?, file, &self.command_property, client_id)?;
        cluster.properties.set("check.crcs", "false");
        Ok(cluster)
    }

    /// Says that too little came.
    pub(super) fn tell_timeout(&self) -> Result<(), Failure> {
        write_out(&format!(
            "WARNING: Exiting before consuming the expected number of records: timeout ({} ms) exceeded. You can use \
             the --timeout option to increase the timeout.\n",
            self.timeout
        ))
    }
}
