//! Kafka's own tools under their own names: those of `ottla-tools`, which are clients, and those here, which look at this machine's
//! files or run a node.

mod dump_log;
mod metadata_quorum;
mod server;
mod storage;

use ottla_tools::Tool;
use std::path::Path;

/// The tools that need more than a client.
const OF_THIS_MACHINE: &[Tool] = &[
    Tool::of::<dump_log::DumpLog>(),
    Tool::of::<metadata_quorum::MetadataQuorum>(),
    Tool::of::<server::ServerStart>(),
    Tool::of::<server::ServerStop>(),
    Tool::of::<storage::Storage>(),
];

fn all() -> impl Iterator<Item = &'static Tool> {
    ottla_tools::CLIENT_TOOLS.iter().chain(OF_THIS_MACHINE)
}

/// Every tool, in the order of the alphabet.
pub(crate) fn tools() -> Vec<&'static Tool> {
    let mut tools: Vec<&Tool> = all().collect();
    tools.sort_by_key(|tool| tool.name);
    tools
}

/// The tool of this name.
pub(crate) fn tool(name: &str) -> Option<&'static Tool> {
    all().find(|tool| tool.name == name)
}

/// The tool that a program path names: its file name, without `.sh`.
pub(crate) fn tool_of_program(program: &Path) -> Option<&'static Tool> {
    let name = program.file_name()?.to_str()?;
    tool(name.strip_suffix(".sh").unwrap_or(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_is_declared_well_and_found_by_its_name() {
        for tool in tools() {
            tool.command().debug_assert();
            let script = format!("/opt/kafka/bin/{}.sh", tool.name);
            assert_eq!(tool_of_program(Path::new(&script)).map(|found| found.name), Some(tool.name));
        }
        assert!(tools().is_sorted_by(|a, b| a.name < b.name), "each name once");
        assert!(tool_of_program(Path::new("/usr/bin/ottla")).is_none());
    }
}
