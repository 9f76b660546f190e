//! Nodes that run on this machine, out of `/proc`.

use std::fs;
use std::path::{Path, PathBuf};

/// A process that runs a node of this program.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NodeProcess {
    pub(crate) pid: u32,
    /// Its configuration file, if it has one.
    pub(crate) config_file: Option<PathBuf>,
}

/// Files that a process may open, and has open.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Descriptors {
    pub(crate) limit: u64,
    pub(crate) open: usize,
}

/// Every process whose program file is this one's and that was called to run a node.
pub(crate) fn nodes() -> Vec<NodeProcess> {
    let Ok(own) = std::env::current_exe().and_then(|own| own.canonicalize()) else { return Vec::new() };
    let entries = fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let mut nodes: Vec<NodeProcess> = pids.filter_map(|pid| node(pid, &own)).collect();
    nodes.sort_by_key(|node| node.pid);
    nodes
}

/// The limits of a process and what it has open; `None` when they cannot be read.
pub(crate) fn descriptors(pid: u32) -> Option<Descriptors> {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).ok()?;
    let open = fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count();
    Some(Descriptors { limit: open_files_limit(&limits)?, open })
}

fn open_files_limit(limits: &str) -> Option<u64> {
    let line = limits.lines().find(|line| line.starts_with("Max open files"))?;
    line.split_whitespace().nth(3).map(|soft| soft.parse().unwrap_or(u64::MAX))
}

fn node(pid: u32, own: &Path) -> Option<NodeProcess> {
    let program = fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    // A program file that was replaced meanwhile has a mark behind its name.
    let program = program.to_str()?.trim_end_matches(" (deleted)").to_string();
    if Path::new(&program) != own {
        return None;
    }
    let command = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let words: Vec<String> =
        command.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    let cwd = fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
    let config_file = node_words(&words)?;
    Some(NodeProcess { pid, config_file: config_file.map(|file| cwd.join(file)) })
}

/// The configuration file that the words of a node name; `None` when they run no node.
fn node_words(words: &[String]) -> Option<Option<PathBuf>> {
    let (program, rest) = words.split_first()?;
    let name = Path::new(program).file_name()?.to_str()?.trim_end_matches(".sh");
    let (is_script, rest) = match rest.split_first() {
        _ if name == "kafka-server-start" => (true, rest),
        Some((first, rest)) if first == "kafka-server-start" => (true, rest),
        Some((first, rest)) if first == "serve" => (false, rest),
        _ => return None,
    };
    let file = match is_script {
        // The script that starts a node in the background runs none itself.
        true if rest.first().is_some_and(|word| word == "-daemon") => return None,
        true => rest.iter().find(|word| !word.starts_with('-') && !word.is_empty()).cloned(),
        false => {
            let after = rest.iter().skip_while(|word| *word != "--config").nth(1).cloned();
            after.or_else(|| rest.iter().find_map(|word| word.strip_prefix("--config=").map(str::to_string)))
        }
    };
    Some(file.map(PathBuf::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_known_by_their_words() {
        let file = |line: &str| {
            let words: Vec<String> = line.split_whitespace().map(str::to_string).collect();
            node_words(&words)
        };
        let named = |name: &str| Some(Some(PathBuf::from(name)));
        assert_eq!(file("/k/bin/kafka-server-start.sh a.properties --override x=y"), named("a.properties"));
        assert_eq!(file("ottla kafka-server-start -detached a.properties"), named("a.properties"));
        assert_eq!(file("/usr/bin/ottla serve --config b.properties"), named("b.properties"));
        assert_eq!(file("ottla serve --data-dir d"), Some(None));
        for other in ["ottla topic list", "kafka-topics.sh --list", "ottla", "kafka-server-start -daemon a"] {
            assert_eq!(file(other), None, "{other}");
        }
    }

    #[test]
    fn limits_are_read_as_the_kernel_writes_them() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units\nMax open files            1024                 4096                 files\n";
        assert_eq!(open_files_limit(limits), Some(1024));
        assert_eq!(open_files_limit(&limits.replace("1024", "unlimited")), Some(u64::MAX));
        assert!(descriptors(std::process::id()).is_some_and(|found| found.open > 0));
    }
}
