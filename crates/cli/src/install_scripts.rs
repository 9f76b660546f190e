//! `ottla install-scripts`: links the names of Kafka's scripts to this program.

use crate::kafka::tools;
use ottla_terminal::failure::Failure;
use std::fs;
use std::path::{Path, PathBuf};

/// What `ottla install-scripts` accepts.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder for the links, made if it is not there; put it on the PATH.
    dir: PathBuf,
    /// Replace files that are there under these names, such as Kafka's own scripts.
    #[arg(long)]
    force: bool,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let failed = |what: &str, path: &Path, error: std::io::Error| {
        Failure::new(format!("cannot {what} {}: {error}", path.display()))
    };
    let program = std::env::current_exe().map_err(|error| Failure::new(format!("cannot tell where I am: {error}")))?;
    fs::create_dir_all(&args.dir).map_err(|error| failed("make", &args.dir, error))?;
    let tools = tools();
    for name in tools.iter().flat_map(|tool| [tool.name.to_string(), format!("{}.sh", tool.name)]) {
        let link = args.dir.join(name);
        match fs::symlink_metadata(&link) {
            Ok(found) if found.is_symlink() && fs::read_link(&link).is_ok_and(|target| target == program) => continue,
            Ok(found) if found.is_symlink() || args.force => {
                fs::remove_file(&link).map_err(|error| failed("replace", &link, error))?;
            }
            Ok(_) => {
                return Err(Failure {
                    next_step: Some("name another folder, or replace it with --force".to_string()),
                    ..Failure::new(format!("{} is there already and is no link", link.display()))
                });
            }
            Err(_) => {}
        }
        std::os::unix::fs::symlink(&program, &link).map_err(|error| failed("make", &link, error))?;
    }
    ottla_terminal::output::write_out(&format!(
        "Linked {} tools of Kafka in {}, each with and without .sh.\n",
        tools.len(),
        args.dir.display()
    ))
}
