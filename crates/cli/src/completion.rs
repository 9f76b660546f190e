//! `ottla completion`: what a shell needs to complete this command line, made from its declaration.

use clap_complete::Shell;
use ottla_terminal::failure::Failure;
use ottla_terminal::output::write_out;

/// What `ottla completion` accepts.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which shell. bash: `source <(ottla completion bash)`; fish: `ottla completion fish | source`; zsh: a file `_ottla` on
    /// the fpath.
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the script for `command`.
pub(crate) fn run(args: &Args, mut command: clap::Command) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "ottla", &mut script);
    write_out(&String::from_utf8_lossy(&script))
}
