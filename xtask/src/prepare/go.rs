//! The Go suites, compiled once; their modules come from the checksummed `go.sum`.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use super::{Workshop, cached, contents, files_below, run};
use crate::paths;

/// Folder of the compiled programs, one for each suite, called like its folder in `compat/go`; and `recipe.test`, the tests of
/// the folder `recipe`.
pub(super) fn programs(workshop: &mut Workshop) -> Result<PathBuf> {
    let go = workshop.debian("go", "golang-go")?;
    let source = paths::root().join("compat/go");
    let inputs = contents(&files_below(&source, &[".go", "go.mod", "go.sum"])?)?;
    let inputs: Vec<&[u8]> = inputs.iter().map(Vec::as_slice).collect();
    cached("go-suites", &inputs, |dir| {
        run(Command::new(&go).current_dir(&source).args(["build", "-mod=readonly", "-o"]).arg(dir).arg("./..."))?;
        let tests = dir.join("recipe.test");
        run(Command::new(&go)
            .current_dir(&source)
            .args(["test", "-mod=readonly", "-c", "-o"])
            .arg(tests)
            .arg("./recipe"))
    })
}
