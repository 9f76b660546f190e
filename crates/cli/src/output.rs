//! What commands print: for people by default, for programs with `--output json` or `--output yaml`.

use crate::failure::Failure;
use serde::Serialize;

/// How results are printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Output {
    /// For people.
    #[default]
    Table,
    /// One JSON document, or one line per record where records are streamed.
    Json,
    /// One YAML document.
    Yaml,
}

/// The option that every command has.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub(crate) struct OutputArgs {
    /// Print for people (table) or for programs (json, yaml).
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t, global = true)]
    pub(crate) output: Output,
}

impl OutputArgs {
    /// Prints `result`: as a document, or as `human` writes it.
    pub(crate) fn print<T: Serialize>(self, result: &T, human: impl FnOnce(&T) -> String) -> Result<(), Failure> {
        let text = match self.output {
            Output::Table => human(result),
            Output::Json => {
                serde_json::to_string_pretty(result).map_err(|error| Failure::new(error.to_string()))? + "\n"
            }
            Output::Yaml => serde_yaml_ng::to_string(result).map_err(|error| Failure::new(error.to_string()))?,
        };
        write_out(&text)
    }
}

/// Writes to stdout. A reader that has gone away (`| head`) ends the program quietly, as other tools do.
pub(crate) fn write_out(text: &str) -> Result<(), Failure> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        written => written.map_err(|error| Failure::new(format!("cannot write to stdout: {error}"))),
    }
}
