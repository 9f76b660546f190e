//! raft-rs logs through slog; here its lines become tracing events, two levels quieter for its chatter.

use slog::{Drain, KV, Key, Level, Logger, OwnedKVList, Record, Serializer};
use std::convert::Infallible;
use std::fmt::Write;

/// A logger whose lines go to tracing, under the target `raft`.
pub(crate) fn logger() -> Logger {
    Logger::root(ToTracing, slog::o!())
}

struct ToTracing;

impl Drain for ToTracing {
    type Ok = ();
    type Err = Infallible;

    fn log(&self, record: &Record<'_>, values: &OwnedKVList) -> Result<(), Infallible> {
        // What raft-rs calls "info" (every vote, every role) is for whoever debugs the quorum.
        match record.level() {
            Level::Critical | Level::Error => tracing::error!(target: "raft", "{}", line(record, values)),
            Level::Warning => tracing::warn!(target: "raft", "{}", line(record, values)),
            Level::Info => tracing::debug!(target: "raft", "{}", line(record, values)),
            Level::Debug | Level::Trace => tracing::trace!(target: "raft", "{}", line(record, values)),
        }
        Ok(())
    }
}

fn line(record: &Record<'_>, values: &OwnedKVList) -> String {
    let mut text = Text(record.msg().to_string());
    // Writing into a string cannot fail.
    let _ = record.kv().serialize(record, &mut text);
    let _ = values.serialize(record, &mut text);
    text.0
}

struct Text(String);

impl Serializer for Text {
    fn emit_arguments(&mut self, key: Key, value: &std::fmt::Arguments<'_>) -> slog::Result {
        write!(self.0, " {key}={value}").map_err(slog::Error::from)
    }
}
