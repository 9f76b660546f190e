//! What is printed of a record, and which are left out.

use super::format::{Template, headers};
#[cfg(feature = "jq")]
use super::jq::Jq;
use crate::record::JsonRecord;
use ottla_client::ConsumerRecord;
use ottla_terminal::failure::Failure;
use ottla_terminal::output::{Output, OutputArgs, Sink};
use regex::bytes::Regex;

/// How records are to be printed.
#[derive(Debug, clap::Args)]
pub(crate) struct ShowArgs {
    /// Print the key before the value.
    #[arg(long, short = 'k')]
    key: bool,
    /// Print the headers before the key.
    #[arg(long)]
    headers: bool,
    /// Print each record by a template: %s value, %k key, %h headers, %t topic, %p partition, %o offset, %T timestamp, %d delivery
    /// count in a share group, %S and %K lengths, %R length as 4 bytes, \n, \t, \xHH.
    #[arg(long, value_name = "TEMPLATE", conflicts_with_all = ["key", "headers", "output"])]
    format: Option<String>,
    /// Print what a filter in jq's language makes of each record, a line for each output: .value.price, select(.key == "a") | .value.
    /// Its input is the record as --output json shows it, with JSON keys and values parsed.
    #[cfg(feature = "jq")]
    #[arg(long, value_name = "FILTER", conflicts_with_all = ["key", "headers", "format"])]
    jq: Option<String>,
}

/// How records are shown.
pub(crate) struct Show {
    grep: Option<Regex>,
    template: Option<Template>,
    #[cfg(feature = "jq")]
    jq: Option<Jq>,
    output: OutputArgs,
    key: bool,
    headers: bool,
}

impl Show {
    /// Only records that match `grep` are shown.
    pub(crate) fn new(args: &ShowArgs, grep: Option<&str>, output: OutputArgs) -> Result<Show, Failure> {
        let grep = grep.map(Regex::new).transpose();
        let wrong = |error| Failure::new(format!("--grep is no regular expression: {error}"));
        let template = args.format.as_deref().map(Template::parse).transpose().map_err(Failure::new)?;
        Ok(Show {
            grep: grep.map_err(wrong)?,
            template,
            #[cfg(feature = "jq")]
            jq: args.jq.as_deref().map(|code| Jq::new(code, output.output == Output::Json)).transpose()?,
            output,
            key: args.key,
            headers: args.headers,
        })
    }

    /// Adds a record; false when it is left out.
    pub(crate) fn print(&self, record: &ConsumerRecord, sink: &mut Sink) -> Result<bool, Failure> {
        if let Some(grep) = &self.grep {
            let is_match = |bytes: &Option<bytes::Bytes>| bytes.as_deref().is_some_and(|bytes| grep.is_match(bytes));
            if !is_match(&record.value) && !is_match(&record.key) {
                return Ok(false);
            }
        }
        #[cfg(feature = "jq")]
        if let Some(jq) = &self.jq {
            return Ok(jq.print(record, sink.buffer())? > 0);
        }
        if let Some(template) = &self.template {
            template.write(record, sink.buffer());
            return Ok(true);
        }
        if self.output.output != Output::Table {
            self.output.write_item(&JsonRecord::of(record), sink)?;
            return Ok(true);
        }
        self.print_line(record, sink.buffer());
        Ok(true)
    }

    /// Headers, key and value with tabs between them. A value is written as it is, a null as nothing.
    fn print_line(&self, record: &ConsumerRecord, out: &mut Vec<u8>) {
        if self.headers {
            out.extend(headers(record));
            out.push(b'\t');
        }
        if self.key {
            out.extend(record.key.as_deref().unwrap_or_default());
            out.push(b'\t');
        }
        out.extend(record.value.as_deref().unwrap_or_default());
        out.push(b'\n');
    }
}
