//! How the figures are printed.

use super::measure::Measured;
use serde_json::json;

/// The form of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Output {
    /// For people.
    Table,
    /// One array with an object for each path.
    Json,
}

const MISSING: &str = "-";

impl Output {
    /// Before the first path.
    pub(super) fn begin(self) {
        if self == Output::Table {
            let columns = ["ns", "MB/s", "x CRC-32C", "allocations", "at most", "bytes allocated"];
            println!("{}", line("path, of one operation", columns.map(str::to_string)));
        }
    }

    /// One path was measured.
    pub(super) fn path(self, measured: &Measured) {
        if self == Output::Table {
            println!("{}", row(measured));
        }
    }

    /// All paths were measured.
    pub(super) fn end(self, all: &[Measured]) {
        if self == Output::Json {
            println!("{:#}", json!(all.iter().map(object).collect::<Vec<_>>()));
        }
    }
}

fn row(measured: &Measured) -> String {
    let optional = |value: Option<f64>, decimals: usize| {
        value.map_or_else(|| MISSING.to_string(), |value| format!("{value:.decimals$}"))
    };
    let columns = [
        format!("{:.0}", measured.nanoseconds),
        optional(measured.megabytes_per_second(), 0),
        optional(measured.checksums(), 1),
        format!("{:.2}", measured.allocations.count),
        format!("{}", measured.allocations_max),
        format!("{:.0}", measured.allocations.bytes),
    ];
    line(measured.name, columns)
}

fn line(name: &str, [time, rate, checksums, allocations, most, bytes]: [String; 6]) -> String {
    format!("{name:<50} {time:>8} {rate:>7} {checksums:>10} {allocations:>12} {most:>8} {bytes:>16}")
}

fn object(measured: &Measured) -> serde_json::Value {
    json!({
        "name": measured.name,
        "nanoseconds": measured.nanoseconds,
        "megabytes_per_second": measured.megabytes_per_second(),
        "checksums": measured.checksums(),
        "allocations": measured.allocations.count,
        "allocations_max": measured.allocations_max,
        "bytes_allocated": measured.allocations.bytes,
    })
}
