//! Kafka's own tools under their own names: `ottla kafka-topics ...`, or the binary called as `kafka-topics` or
//! `kafka-topics.sh`. Each takes the flags of Kafka's script and prints what that prints, so that scripts and tutorials
//! keep working; the work is done by the same code that the commands of ottla use.

use crate::failure::Failure;
use clap::ArgMatches;
use std::path::Path;

/// One of Kafka's tools.
pub(crate) trait KafkaTool: clap::Parser {
    /// Name of Kafka's script, without `.sh`.
    const NAME: &'static str;

    /// Does what the script does.
    fn run(&self) -> Result<(), Failure>;
}

/// A [`KafkaTool`] as a value.
pub(crate) struct Tool {
    /// Name of Kafka's script, without `.sh`.
    pub(crate) name: &'static str,
    command: fn() -> clap::Command,
    run: fn(&ArgMatches) -> Result<(), Failure>,
}

/// Every tool, in the order of the alphabet.
pub(crate) const TOOLS: &[Tool] = &[];

impl Tool {
    #[allow(dead_code)]
    const fn of<T: KafkaTool>() -> Tool {
        Tool {
            name: T::NAME,
            command: || T::command(),
            run: |matches| match T::from_arg_matches(matches) {
                Ok(tool) => tool.run(),
                Err(error) => error.exit(),
            },
        }
    }

    /// The declaration of its command line.
    pub(crate) fn command(&self) -> clap::Command {
        // Kafka's option parser takes any unambiguous beginning of an option's name.
        (self.command)().name(self.name).bin_name(self.name).infer_long_args(true)
    }

    /// Runs it with a command line that [`Tool::command`] has parsed.
    pub(crate) fn run(&self, matches: &ArgMatches) -> Result<(), Failure> {
        (self.run)(matches)
    }
}

/// The tool of this name.
pub(crate) fn tool(name: &str) -> Option<&'static Tool> {
    TOOLS.iter().find(|tool| tool.name == name)
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
        for tool in TOOLS {
            tool.command().debug_assert();
            let script = format!("/opt/kafka/bin/{}.sh", tool.name);
            assert_eq!(tool_of_program(Path::new(&script)).map(|found| found.name), Some(tool.name));
        }
        assert!(TOOLS.is_sorted_by(|a, b| a.name < b.name), "in the order of the alphabet");
        assert!(tool_of_program(Path::new("/usr/bin/ottla")).is_none());
    }
}
