//! What the system says of this process, read when it is asked for: names as Prometheus' own client libraries have them.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use std::fs;

/// Reads `/proc/self` whenever the metrics are written.
#[derive(Debug)]
pub(crate) struct Process;

/// `(name, help)` of the numbers below.
pub(crate) const ROWS: &[(&str, &str)] = &[
    ("process_cpu_seconds", "Processor time that this process has used."),
    ("process_resident_memory_bytes", "Memory that this process occupies."),
    ("process_open_fds", "Files and sockets that this process has open."),
    ("process_threads", "Threads of this process."),
];

impl Collector for Process {
    // What the system says of this very process; in the simulator nobody looks.
    #[allow(clippy::disallowed_methods)]
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let mut write = |row: usize, metric: &dyn Written| metric.write(&mut encoder, ROWS[row]);
        if let Some(stat) = Stat::read() {
            write(0, &ConstCounter::new(stat.cpu_seconds))?;
            write(1, &ConstGauge::new(stat.resident_bytes))?;
            write(3, &ConstGauge::new(stat.threads))?;
        }
        match fs::read_dir("/proc/self/fd") {
            // The directory itself is open while it is read.
            Ok(open) => write(2, &ConstGauge::new(i64::try_from(open.count()).unwrap_or(i64::MAX) - 1)),
            Err(_) => Ok(()),
        }
    }
}

/// A number that can be written under a name.
trait Written {
    fn write(&self, encoder: &mut DescriptorEncoder<'_>, row: (&str, &str)) -> Result<(), std::fmt::Error>;
}

impl<M: EncodeMetric> Written for M {
    fn write(&self, encoder: &mut DescriptorEncoder<'_>, (name, help): (&str, &str)) -> Result<(), std::fmt::Error> {
        let metric = encoder.encode_descriptor(name, help, None, self.metric_type())?;
        self.encode(metric)
    }
}

/// What is used of `/proc/self/stat` and `status` (see proc(5)).
#[derive(Debug, PartialEq)]
struct Stat {
    cpu_seconds: f64,
    resident_bytes: i64,
    threads: i64,
}

impl Stat {
    fn read() -> Option<Stat> {
        Stat::parse(&fs::read_to_string("/proc/self/stat").ok()?, &fs::read_to_string("/proc/self/status").ok()?)
    }

    fn parse(stat: &str, status: &str) -> Option<Stat> {
        // The program's name stands in parentheses and may hold anything.
        let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
        let hundredths = |field: usize| fields.get(field - 3)?.parse::<i64>().ok();
        let of_status = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        Some(Stat {
            cpu_seconds: (hundredths(14)? + hundredths(15)?) as f64 / 100.0,
            resident_bytes: of_status("VmRSS:")?.strip_suffix(" kB")?.parse::<i64>().ok()? * 1024,
            threads: of_status("Threads:")?.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_behind_any_name() {
        let mut stat = "7 (a) b) S".to_string();
        for field in 4..=30 {
            stat.push_str(&format!(" {}", field * 100));
        }
        let status = "Name:\tx\nVmRSS:\t    2400 kB\nThreads:\t3\n";
        let expected = Stat { cpu_seconds: 29.0, resident_bytes: 2400 * 1024, threads: 3 };
        assert_eq!(Stat::parse(&stat, status), Some(expected));
        assert_eq!(Stat::parse("7 (a) S 1 2", status), None);
        assert!(Stat::read().is_some_and(|stat| stat.threads > 0 && stat.resident_bytes > 0));
    }
}
