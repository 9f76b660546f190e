//! `ottla generate`: man pages and shell completions out of the command tree, for packages. Hidden, because who wants
//! completions for a shell of his own asks `ottla completion`.

use anyhow::{Context, Result};
use clap_complete::Shell;
use ottla_terminal::failure::Failure;
use std::fs;
use std::path::{Path, PathBuf};

const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];

/// What `ottla generate` accepts.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Directory for `man/` and `completions/`; made when missing.
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

/// Writes one man page per command, and one file per shell.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    generate(crate::command(), &args.dir).map_err(Failure::from)
}

fn generate(mut command: clap::Command, dir: &Path) -> Result<()> {
    let completions = made(&dir.join("completions"))?;
    for shell in SHELLS {
        let file = clap_complete::generate_to(shell, &mut command.clone(), "ottla", &completions);
        file.with_context(|| format!("cannot write into {}", completions.display()))?;
    }
    let man = made(&dir.join("man"))?;
    command.build();
    pages(&command, "ottla", &man)
}

/// The page of a command and those of everything below it; hidden commands have none.
fn pages(command: &clap::Command, name: &str, dir: &Path) -> Result<()> {
    let page = clap_mangen::Man::new(command.clone().display_name(name))
        .manual("ottla")
        .source(format!("ottla {}", env!("CARGO_PKG_VERSION")));
    let mut text = Vec::new();
    page.render(&mut text)?;
    let file = dir.join(format!("{name}.1"));
    fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    for below in command.get_subcommands().filter(|below| !below.is_hide_set() && below.get_name() != "help") {
        pages(below, &format!("{name}-{}", below.get_name()), dir)?;
    }
    Ok(())
}

fn made(dir: &Path) -> Result<PathBuf> {
    fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    Ok(dir.to_path_buf())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_and_every_shell_a_file() {
        let dir = tempfile::tempdir().unwrap();
        generate(crate::command(), dir.path()).unwrap();
        let page = fs::read_to_string(dir.path().join("man/ottla-serve.1")).unwrap();
        assert!(page.contains(r"\-\-data\-dir"), "{page}");
        assert!(dir.path().join("man/ottla-topic-create.1").exists());
        assert!(!dir.path().join("man/ottla-generate.1").exists(), "hidden");
        for (file, part) in
            [("ottla.bash", "complete -F"), ("_ottla", "#compdef ottla"), ("ottla.fish", "complete -c ottla")]
        {
            let text = fs::read_to_string(dir.path().join("completions").join(file)).unwrap();
            assert!(text.contains(part), "{file}");
        }
    }
}
