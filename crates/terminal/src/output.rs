//! What commands print: for people by default, for programs with `--output json` or `--output yaml`.

use crate::failure::Failure;
use serde::Serialize;

/// How results are printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
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
pub struct OutputArgs {
    /// Print for people (table) or for programs (json, yaml).
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t, global = true)]
    pub output: Output,
}

impl OutputArgs {
    /// Prints `result`: as a document, or as `human` writes it.
    pub fn print<T: Serialize>(self, result: &T, human: impl FnOnce(&T) -> String) -> Result<(), Failure> {
        let text = match self.output {
            Output::Table => human(result),
            Output::Json => {
                serde_json::to_string_pretty(result).map_err(|error| Failure::new(error.to_string()))? + "\n"
            }
            Output::Yaml => serde_yaml_ng::to_string(result).map_err(|error| Failure::new(error.to_string()))?,
        };
        write_out(&text)
    }

    /// Prints one of many results: as a line of JSON, as a YAML document, or as `human` writes it.
    pub fn print_item<T: Serialize>(self, item: &T, human: impl FnOnce(&T) -> String) -> Result<(), Failure> {
        let text = self.item(item)?;
        write_out(&text.unwrap_or_else(|| human(item)))
    }

    /// Adds one of many results: a line of JSON, or a YAML document; nothing for people.
    pub fn write_item<T: Serialize>(self, item: &T, sink: &mut Sink) -> Result<(), Failure> {
        let text = self.item(item)?;
        sink.buffer().extend(text.unwrap_or_default().into_bytes());
        Ok(())
    }

    fn item<T: Serialize>(self, item: &T) -> Result<Option<String>, Failure> {
        Ok(match self.output {
            Output::Table => None,
            Output::Json => Some(serde_json::to_string(item).map_err(|error| Failure::new(error.to_string()))? + "\n"),
            Output::Yaml => {
                let document = serde_yaml_ng::to_string(item).map_err(|error| Failure::new(error.to_string()))?;
                Some(format!("---\n{document}"))
            }
        })
    }
}

/// Writes to stdout. A reader that has gone away (`| head`) ends the program quietly, as other tools do.
pub fn write_out(text: &str) -> Result<(), Failure> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        written => written.map_err(|error| Failure::new(format!("cannot write to stdout: {error}"))),
    }
}

/// Standard output for many small pieces: written when much has gathered, or when the next piece may take a while.
#[derive(Debug, Default)]
pub struct Sink {
    buffer: Vec<u8>,
}

/// Bytes that may gather.
const GATHERED_MAX: usize = 64 * 1024;

impl Sink {
    /// An empty one.
    pub fn new() -> Sink {
        Sink::default()
    }

    /// Where to add.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// Writes what has gathered unless `more` comes at once. False when nobody reads any more.
    pub fn take(&mut self, more: bool) -> Result<bool, Failure> {
        if more && self.buffer.len() < GATHERED_MAX {
            return Ok(true);
        }
        self.flush()
    }

    /// Writes what has gathered. False when nobody reads any more.
    pub fn flush(&mut self) -> Result<bool, Failure> {
        use std::io::Write;
        let mut out = std::io::stdout().lock();
        let written = out.write_all(&self.buffer).and_then(|()| out.flush());
        self.buffer.clear();
        match written {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
            Err(error) => Err(Failure::new(format!("cannot write to stdout: {error}"))),
        }
    }
}
