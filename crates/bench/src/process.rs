//! CPU time and memory of the broker's process, from outside.

use anyhow::{Context, Result};
use std::fs;

/// Clock ticks per second in `/proc`; the same on every Linux that we run on.
const TICKS_PER_SECOND: f64 = 100.0;

/// One look at a process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    /// User and system time, seconds since its start.
    pub(crate) cpu_s: f64,
    /// Resident memory, MB.
    pub(crate) resident_mb: f64,
    /// The most it ever was, MB.
    pub(crate) peak_mb: f64,
}

/// Reads `/proc/PID`.
pub(crate) fn usage(pid: u32) -> Result<Usage> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).with_context(|| format!("there is no process {pid}"))?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok()).context("unreadable stat");
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let megabytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).context("unreadable status")?;
        let kilobytes = line.split_whitespace().next().context("unreadable status")?;
        anyhow::Ok(kilobytes.parse::<f64>()? / 1024.0)
    };
    Ok(Usage {
        cpu_s: (ticks(11)? + ticks(12)?) / TICKS_PER_SECOND,
        resident_mb: megabytes("VmRSS:")?,
        peak_mb: megabytes("VmHWM:")?,
    })
}
