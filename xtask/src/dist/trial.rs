//! Everything that was made is tried: installed into an empty root, started in a chroot, asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::stage::Stage;
use super::{call, image};
use crate::compat::answers;
use crate::tally::Tally;

/// Runs every trial.
pub(super) fn all(stage: &Stage, deb: &Path, rpm: &Path, rootfs: &Path, out: &Path) -> Tally {
    let mut tally = Tally::default();
    for (name, outcome) in [
        ("deb-holds-every-file", deb_files(stage, deb)),
        ("rpm-holds-every-file", rpm_files(stage, rpm)),
        ("deb-installs-and-runs", deb_runs(stage, deb, out)),
        ("image-runs", image_runs(rootfs)),
        ("unit-is-valid", unit(stage)),
        ("completions-are-valid", completions(stage)),
        ("man-pages-are-valid", man_pages(stage)),
    ] {
        match outcome {
            Ok(()) => tally.passed += 1,
            Err(error) => tally.failures.push(format!("dist/{name}: {error:#}")),
        }
    }
    tally
}

fn same_files(expected: &[String], found: impl Iterator<Item = String>) -> Result<()> {
    let mut found: Vec<String> = found.collect();
    found.sort();
    ensure!(found == expected, "the package holds {found:?} instead of {expected:?}");
    Ok(())
}

fn deb_files(stage: &Stage, deb: &Path) -> Result<()> {
    // MODE OWNER SIZE DATE TIME ./PATH; folders end in a slash.
    let text = call(Command::new("dpkg-deb").arg("--contents").arg(deb))?;
    ensure!(text.lines().all(|line| line.contains(" root/root ")), "a file is not root's: {text}");
    let paths = text.lines().filter_map(|line| line.split_whitespace().last()?.strip_prefix('.'));
    same_files(&stage.files, paths.filter(|path| !path.ends_with('/')).map(str::to_owned))
}

fn rpm_files(stage: &Stage, rpm: &Path) -> Result<()> {
    let text = call(Command::new("rpm").args(["-qpl", "--nosignature"]).arg(rpm))?;
    same_files(&stage.files, text.lines().map(str::to_owned))?;
    let needs = call(Command::new("rpm").args(["-qp", "--requires", "--nosignature"]).arg(rpm))?;
    ensure!(needs.lines().any(|line| line.starts_with("libc.so.6(GLIBC_2.")), "rpm found no need of glibc: {needs}");
    let config = call(Command::new("rpm").args(["-qpc", "--nosignature"]).arg(rpm))?;
    ensure!(config.trim() == "/etc/ottla/server.properties", "config files: {config}");
    Ok(())
}

/// dpkg installs into a root that holds nothing but the libraries, which it is told to overlook.
fn deb_runs(stage: &Stage, deb: &Path, out: &Path) -> Result<()> {
    let root = out.join("installed");
    for folder in ["var/lib/dpkg/info", "var/lib/dpkg/updates", "proc", "var/lib/ottla", "tmp"] {
        std::fs::create_dir_all(root.join(folder))?;
    }
    std::fs::write(root.join("var/lib/dpkg/status"), "")?;
    call(
        Command::new("dpkg")
            .arg(format!("--root={}", root.display()))
            .args(["--force-depends", "--force-not-root", "--force-script-chrootless", "--install"])
            .arg(deb),
    )?;
    image::copy_libraries(&stage.root.join("usr/bin/ottla"), &root)?;
    let outcome = started(&root, &["--config", "/etc/ottla/server.properties"]);
    std::fs::remove_dir_all(&root).ok();
    outcome
}

fn image_runs(root: &Path) -> Result<()> {
    let outcome = started(root, &["--config", "/etc/ottla/server.properties"]);
    let data = root.join("var/lib/ottla");
    std::fs::remove_dir_all(&data).and_then(|()| std::fs::create_dir(&data))?;
    outcome
}

/// Starts the broker of a root as the image's user, with processes and mounts of its own, and asks it.
fn started(root: &Path, arguments: &[&str]) -> Result<()> {
    chown(root.join("var/lib/ottla"), Some(image::USER), Some(image::USER)).context("only root can try a chroot")?;
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "--pid", "--fork", "--kill-child=SIGKILL"])
        .arg(format!("--mount-proc={}", root.join("proc").display()))
        .args(["chroot", &format!("--userspec={0}:{0}", image::USER)])
        .arg(root)
        .args(["/usr/bin/ottla", "serve"])
        .args(arguments)
        // Ports of the trial's own: the machine's may be in use.
        .args(["--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--print-address", "--stop-with-stdin"])
        .args(["--log-format", "json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut broker = command.spawn().context("starting unshare")?;
    // Both pipes stay open until the end.
    let mut output = BufReader::new(broker.stdout.take().context("a pipe")?);
    let mut log = BufReader::new(broker.stderr.take().context("a pipe")?);
    let outcome = ask(&mut output, &mut log);
    drop(broker.stdin.take());
    let status = broker.wait()?;
    outcome?;
    ensure!(status.success(), "the broker ended with {status}");
    Ok(())
}

fn ask(output: &mut impl BufRead, log: &mut impl BufRead) -> Result<()> {
    let mut line = String::new();
    output.read_line(&mut line)?;
    let Ok(address) = line.trim().parse() else {
        let mut told = String::new();
        log.read_to_string(&mut told)?;
        anyhow::bail!("no address in {line:?}: {told}");
    };
    answers(address)?;
    // The line about the pages comes before the address is printed.
    let http = log.by_ref().lines().map_while(Result::ok).find_map(|line| http_address(&line));
    let ready = get(http.context("the log names no HTTP address")?, "/readyz")?;
    ensure!(ready.starts_with("HTTP/1.1 200 "), "/readyz: {ready}");
    Ok(())
}

fn http_address(line: &str) -> Option<SocketAddr> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    line.get("http")?.as_str()?.parse().ok()
}

fn get(address: SocketAddr, path: &str) -> Result<String> {
    let mut connection = TcpStream::connect(address)?;
    write!(connection, "GET {path} HTTP/1.1\r\nHost: ottla\r\nConnection: close\r\n\r\n")?;
    let mut reply = String::new();
    connection.read_to_string(&mut reply)?;
    Ok(reply)
}

/// systemd reads the unit; where it is not installed, the unit's program and config must at least be staged.
fn unit(stage: &Stage) -> Result<()> {
    let text = std::fs::read_to_string(stage.root.join("usr/lib/systemd/system/ottla.service"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("ExecStart=")).context("the unit has an ExecStart")?;
    for path in line.split_whitespace().filter(|word| word.starts_with('/')) {
        ensure!(stage.files.iter().any(|file| file == path), "the unit names {path}, which is not installed");
    }
    let mut verify = Command::new("systemd-analyze");
    verify.args(["verify", "--man=no", "--recursive-errors=no"]).arg(format!("--root={}", stage.root.display()));
    match verify.arg("ottla.service").output() {
        Err(_) => Ok(()),
        Ok(output) => {
            let told = String::from_utf8_lossy(&output.stderr);
            let about_us: Vec<&str> = told.lines().filter(|line| line.contains("ottla.service:")).collect();
            ensure!(about_us.is_empty(), "systemd says: {}", about_us.join(" | "));
            Ok(())
        }
    }
}

fn completions(stage: &Stage) -> Result<()> {
    let file = stage.root.join("usr/share/bash-completion/completions/ottla");
    let script = format!(". {} && complete -p ottla", file.display());
    let registered = call(Command::new("bash").args(["--norc", "-ec", &script]))?;
    ensure!(registered.contains("ottla"), "bash registered {registered:?}");
    Ok(())
}

/// Every page says its name, as `man` and `apropos` want it.
fn man_pages(stage: &Stage) -> Result<()> {
    let pages: Vec<&String> = stage.files.iter().filter(|file| file.ends_with(".1.gz")).collect();
    ensure!(pages.iter().any(|page| page.ends_with("/ottla-serve.1.gz")), "no page of serve in {pages:?}");
    for page in pages {
        let text = call(Command::new("gzip").arg("-dc").arg(stage.root.join(&page[1..])))?;
        ensure!(text.contains(".SH NAME") && text.contains(".TH "), "{page} is no man page");
    }
    Ok(())
}
