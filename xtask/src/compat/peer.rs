//! `xtask peer`: turns this process into a broker, so that its process id is the broker's.
//!
//! The harness and the suites that kill and restart brokers start them in this one way: the first line on standard
//! output holds `HOST:PORT`, and the broker answers ApiVersions there soon after.

use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;

use super::PeerKind;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// What to become.
    #[arg(value_enum)]
    pub(crate) kind: PeerKind,
    /// Where the broker keeps its data; made when missing.
    #[arg(long)]
    pub(crate) data_dir: PathBuf,
    /// Port on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    pub(crate) port: u16,
    /// Broker configs.
    #[arg(short = 'o', value_name = "KEY=VALUE")]
    pub(crate) options: Vec<String>,
    /// The ottla program.
    #[arg(long, env = "OTTLA_BIN")]
    pub(crate) ottla: Option<PathBuf>,
    /// Folder of Apache Kafka's jars.
    #[arg(long, env = "COMPAT_JARS")]
    pub(crate) jars: Option<PathBuf>,
}

/// Does not return unless the broker cannot be started.
pub(crate) fn exec(args: &Args) -> Result<()> {
    // A suite that dies takes its brokers along.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    std::fs::create_dir_all(&args.data_dir).with_context(|| format!("creating {}", args.data_dir.display()))?;
    let mut command = match args.kind {
        PeerKind::Ottla => ottla(args)?,
        PeerKind::Kafka => kafka(args)?,
    };
    let error = command.exec();
    Err(error).with_context(|| format!("becoming {command:?}"))
}

fn ottla(args: &Args) -> Result<Command> {
    let program = args.ottla.as_ref().context("--ottla or OTTLA_BIN must name the program")?;
    let mut command = Command::new(program);
    command.arg("serve").arg("--data-dir").arg(&args.data_dir).arg("--listen").arg(format!("127.0.0.1:{}", args.port));
    if !args.options.iter().any(|option| option.starts_with("listeners=")) {
        // As Kafka's: a listener for the tools that are given `--bootstrap-controller`.
        let listeners = format!("listeners=PLAINTEXT://127.0.0.1:{},CONTROLLER://127.0.0.1:0", args.port);
        command.args(["-o", &listeners, "-o", "controller.listener.names=CONTROLLER"]);
    }
    for option in &args.options {
        command.args(["-o", option]);
    }
    Ok(command)
}

fn kafka(args: &Args) -> Result<Command> {
    let jars = args.jars.as_ref().context("--jars or COMPAT_JARS must name the folder of Kafka's jars")?;
    // Kafka must know its ports before it starts; holding both listeners keeps the two from being the same.
    let (broker, controller) = (TcpListener::bind(("127.0.0.1", args.port))?, TcpListener::bind("127.0.0.1:0")?);
    let (port, controller_port) = (broker.local_addr()?.port(), controller.local_addr()?.port());
    drop((broker, controller));
    let properties = args.data_dir.with_extension("properties");
    std::fs::write(&properties, kafka_properties(&args.data_dir, port, controller_port, &args.options))?;
    if !args.data_dir.join("meta.properties").exists() {
        format_storage(jars, &properties)?;
    }
    println!("kafka starts on 127.0.0.1:{port}");
    let mut command = java(jars);
    command.args(["-Xms256m", "-Xmx1g", "kafka.Kafka"]).arg(&properties);
    Ok(command)
}

fn java(jars: &Path) -> Command {
    let mut command = Command::new("java");
    command.args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"]).arg(jars.join("*"));
    command
}

fn format_storage(jars: &Path, properties: &Path) -> Result<()> {
    let output = java(jars)
        .args(["kafka.tools.StorageTool", "format", "--standalone", "--ignore-formatted"])
        .args(["--cluster-id", "b3R0bGEtY29tcGF0LWNsdQ", "--config"])
        .arg(properties)
        .output()
        .context("starting java")?;
    ensure!(output.status.success(), "formatting Kafka's storage: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

fn kafka_properties(data_dir: &Path, port: u16, controller_port: u16, options: &[String]) -> String {
    let mut text = format!(
        "process.roles=broker,controller\n\
         node.id=1\n\
         controller.quorum.bootstrap.servers=127.0.0.1:{controller_port}\n\
         listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:{port}\n\
         controller.listener.names=CONTROLLER\n\
         listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT\n\
         log.dirs={}\n\
         offsets.topic.num.partitions=3\n\
         offsets.topic.replication.factor=1\n\
         transaction.state.log.num.partitions=3\n\
         transaction.state.log.replication.factor=1\n\
         transaction.state.log.min.isr=1\n\
         share.coordinator.state.topic.num.partitions=3\n\
         share.coordinator.state.topic.replication.factor=1\n\
         share.coordinator.state.topic.min.isr=1\n",
        data_dir.display()
    );
    for option in options {
        text.push_str(option);
        text.push('\n');
    }
    text
}
