//! `ottla serve`: runs a node until it is told to stop.
//!
//! Configs come from, later over earlier: what the command line needs to be short (one node, both roles, 127.0.0.1:9092), the
//! file of `--config`, `--data-dir` and `--listen`, then each `-o`.

use anyhow::{Context, Result, bail};
use ottla_config::{BrokerConfig, ConfigMap, parse_override, parse_properties};
use ottla_node::Node;
use ottla_runtime::{RealOptions, Runtime};
use ottla_telemetry::LogFormat;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::task::Poll;
use std::time::Instant;

/// Where data goes when nobody says.
const DATA_DIR_DEFAULT: &str = "ottla-data";
/// Where a node listens when nobody says: this machine only.
const LISTEN_DEFAULT: &str = "127.0.0.1:9092";
/// The data directory that is none: everything stays in memory.
const IN_MEMORY: &str = ":memory:";
/// Path of the log directory on the disk in memory.
const IN_MEMORY_DIR: &str = "/ottla";
/// How log lines look, where no option says it.
const LOG_FORMAT_VARIABLE: &str = "OTTLA_LOG_FORMAT";
/// For tests that make a power loss without a reboot: used instead of the machine's boot id.
const BOOT_ID_VARIABLE: &str = "OTTLA_BOOT_ID";

/// What `ottla serve` accepts.
#[derive(Default, clap::Args)]
pub(crate) struct Args {
    /// Directory for topics and metadata, prepared by itself; `:memory:` keeps everything in memory.
    /// [default: ./ottla-data, or what --config says]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
    /// Address for clients; port 0 takes a free port. [default: 127.0.0.1:9092, or what --config says]
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
    /// A broker config file in Kafka's format, such as Kafka's own config/server.properties.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One broker config by Kafka's name; may be given several times.
    #[arg(short = 'o', long = "override", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// error, warn, info, debug or trace, or a list such as info,ottla_storage=debug (config logging.level).
    /// [default: $RUST_LOG, or what --config says, or info]
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
    /// How log lines look: text for people, json for machines (config logging.format).
    /// [default: $OTTLA_LOG_FORMAT, or what --config says, or text]
    #[arg(long, value_name = "FORMAT", value_enum)]
    log_format: Option<Format>,
    /// Serve /metrics, /healthz, /readyz and /debug here (config http.listener); port 0 takes a free port.
    #[arg(long, value_name = "HOST:PORT")]
    http: Option<String>,
    /// Print nothing but one line HOST:PORT on standard output, once the node is ready: for tests in any language.
    #[arg(long)]
    print_address: bool,
    /// Shut down when standard input ends, and so with the program that started the node, however that ends.
    #[arg(long)]
    stop_with_stdin: bool,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Format {
    Text,
    Json,
}

impl From<Format> for LogFormat {
    fn from(format: Format) -> LogFormat {
        match format {
            Format::Text => LogFormat::Text,
            Format::Json => LogFormat::Json,
        }
    }
}

impl Args {
    /// A node with this configuration file, and `KEY=VALUE` over it.
    pub(crate) fn of_file(config: PathBuf, overrides: Vec<String>) -> Args {
        Args { config: Some(config), overrides, ..Args::default() }
    }
}

/// Runs the node; returns after a clean shutdown.
pub(crate) fn run(args: &Args) -> Result<()> {
    let started = Instant::now();
    let config = BrokerConfig::parse(configs(args)?)?;
    let format = log_format(args, &config)?;
    ottla_telemetry::init_logs_as(args.log_level.as_deref(), &config.logging.level, format.into())?;
    allow_open_files();
    let in_memory = args.data_dir.as_deref() == Some(IN_MEMORY);
    let executor = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("ottla").build()?;
    executor.block_on(serve(config, in_memory, args, started))
}

/// The option, else the variable, else the config.
fn log_format(args: &Args, config: &BrokerConfig) -> Result<Format> {
    let configured = if config.logging.is_json { Format::Json } else { Format::Text };
    let from_environment = std::env::var(LOG_FORMAT_VARIABLE).ok().filter(|format| !format.is_empty());
    match (args.log_format, from_environment) {
        (Some(format), _) => Ok(format),
        (None, None) => Ok(configured),
        (None, Some(text)) => {
            let wrong = |_| anyhow::anyhow!("{LOG_FORMAT_VARIABLE} is '{text}': write text or json");
            <Format as clap::ValueEnum>::from_str(&text, true).map_err(wrong)
        }
    }
}

/// Raises the soft limit of open files to the hard one: partitions and connections need them, and nothing here uses `select`.
fn allow_open_files() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })
    {
        tracing::warn!(%error, "the limit of open files was not raised");
    }
}

async fn serve(config: BrokerConfig, in_memory: bool, args: &Args, started: Instant) -> Result<()> {
    let runtime = match in_memory {
        true => Runtime::in_memory(),
        false => Runtime::real(RealOptions {
            boot_id_override: std::env::var(BOOT_ID_VARIABLE).ok(),
            ..RealOptions::default()
        })?,
    };
    let data = if in_memory { "memory".to_string() } else { data_dirs(&config) };
    let controller_listeners = config.controller_listener_names.clone();
    let node = Node::start(&runtime, config).await?;
    let for_clients = node.addresses().iter().filter(|(name, _)| !controller_listeners.contains(name));
    let addresses: Vec<String> = for_clients.map(|(_, address)| address.to_string()).collect();
    let ready_line = match (args.print_address, addresses.first()) {
        (true, Some(address)) => address.clone(),
        _ => format!(
            "ottla {} ready on {} after {} ms (cluster {}, data in {data})",
            env!("CARGO_PKG_VERSION"),
            addresses.join(", "),
            started.elapsed().as_millis(),
            node.cluster_id(),
        ),
    };
    if let Some(http) = node.http_address() {
        tracing::info!(%http, "metrics, health and debug pages");
    }
    // The first poll installs the handlers: who has read the address may end the node at once, and cleanly.
    let mut signal = std::pin::pin!(runtime.shutdown_signal());
    let early = std::future::poll_fn(|context| Poll::Ready(signal.as_mut().poll(context))).await;
    // Who reads it may be gone; the node serves all the same.
    let _ = writeln!(std::io::stdout(), "{ready_line}");
    let signal = tokio::select! {
        biased;
        signal = told(early, signal) => signal?,
        () = end_of_stdin(args.stop_with_stdin) => "end of standard input",
    };
    tracing::info!(signal, "shutting down");
    node.shutdown().await;
    Ok(())
}

/// What the first poll of a future gave, or what it gives later.
async fn told<T>(early: Poll<T>, later: impl Future<Output = T>) -> T {
    match early {
        Poll::Ready(output) => output,
        Poll::Pending => later.await,
    }
}

/// Resolves when standard input ends; never when it is not to be watched.
async fn end_of_stdin(watched: bool) {
    let (ended, end) = tokio::sync::oneshot::channel();
    if watched {
        // A thread, because a read of standard input cannot be given up. It ends with the process.
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
            let _ = ended.send(());
        });
        let _ = end.await;
    } else {
        std::future::pending().await
    }
}

/// The configs that a node with these arguments goes by.
pub(crate) fn configs(args: &Args) -> Result<ConfigMap> {
    let mut configs = match &args.config {
        Some(file) => read_file(file)?,
        None => ConfigMap::new(),
    };
    if let Some(dir) = &args.data_dir {
        let dir = if dir == IN_MEMORY { IN_MEMORY_DIR } else { dir };
        set_data_dir(&mut configs, dir);
    }
    if let Some(address) = &args.listen {
        set_address(&mut configs, address)?;
    }
    if let Some(address) = &args.http {
        configs.insert("http.listener".to_string(), address.clone());
    }
    for text in &args.overrides {
        let (name, value) = parse_override(text)?;
        configs.insert(name, value);
    }
    let default = |configs: &mut ConfigMap, unless: &[&str], name: &str, value: &str| {
        if !unless.iter().any(|name| configs.contains_key(*name)) {
            configs.insert(name.to_string(), value.to_string());
        }
    };
    default(&mut configs, &["process.roles"], "process.roles", "broker,controller");
    default(&mut configs, &["node.id", "broker.id"], "node.id", "1");
    default(&mut configs, &["log.dirs", "log.dir"], "log.dirs", DATA_DIR_DEFAULT);
    default(&mut configs, &["listeners"], "listeners", &format!("PLAINTEXT://{LISTEN_DEFAULT}"));
    Ok(configs)
}

/// The log directories as they are shown: below the working directory without its path.
fn data_dirs(config: &BrokerConfig) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    let shown = |dir: &String| {
        let below = Path::new(dir).strip_prefix(&here).ok().filter(|below| !below.as_os_str().is_empty());
        below.unwrap_or(Path::new(dir)).display().to_string()
    };
    config.storage.log_dirs.iter().map(shown).collect::<Vec<_>>().join(", ")
}

/// Reads a configuration file.
pub(crate) fn read_file(file: &Path) -> Result<ConfigMap> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    parse_properties(&text).with_context(|| format!("{} is not a properties file", file.display()))
}

/// `--data-dir` replaces every directory of the file.
fn set_data_dir(configs: &mut ConfigMap, dir: &str) {
    for name in ["log.dir", "metadata.log.dir"] {
        configs.remove(name);
    }
    configs.insert("log.dirs".to_string(), dir.to_string());
}

/// `--listen` replaces the client listeners of the file; its controller listeners stay.
fn set_address(configs: &mut ConfigMap, address: &str) -> Result<()> {
    if !address.contains(':') {
        bail!("--listen {address} has no port: write HOST:PORT, for example 127.0.0.1:9092");
    }
    let controllers: Vec<String> = configs
        .get("controller.listener.names")
        .map(|names| names.split(',').map(|name| name.trim().to_ascii_uppercase()).collect())
        .unwrap_or_default();
    let kept = configs.get("listeners").map(|listeners| {
        let is_controller = |entry: &&str| {
            entry.split_once("://").is_some_and(|(name, _)| controllers.contains(&name.trim().to_ascii_uppercase()))
        };
        listeners.split(',').map(str::trim).filter(is_controller).map(str::to_string).collect::<Vec<_>>()
    });
    let mut listeners = vec![format!("PLAINTEXT://{address}")];
    listeners.extend(kept.unwrap_or_default());
    configs.insert("listeners".to_string(), listeners.join(","));
    configs.remove("advertised.listeners");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(listen: Option<&str>, overrides: &[&str]) -> Args {
        Args {
            data_dir: None,
            listen: listen.map(str::to_string),
            config: None,
            overrides: overrides.iter().map(ToString::to_string).collect(),
            log_level: None,
            log_format: None,
            http: None,
            print_address: false,
            stop_with_stdin: false,
        }
    }

    #[test]
    fn nothing_needs_to_be_said() {
        let config = BrokerConfig::parse(configs(&args(None, &[])).unwrap()).unwrap();
        assert_eq!(config.listeners[0].to_string(), "PLAINTEXT://127.0.0.1:9092");
        assert_eq!(data_dirs(&config), "ottla-data");
    }

    #[test]
    fn the_working_directory_itself_is_shown_with_its_path() {
        let config = BrokerConfig::parse(configs(&args(None, &["log.dirs=.,below"])).unwrap()).unwrap();
        let here = std::env::current_dir().unwrap();
        assert_eq!(data_dirs(&config), format!("{}, below", here.display()));
    }

    #[test]
    fn overrides_win_and_must_be_known() {
        let config = BrokerConfig::parse(configs(&args(Some("127.0.0.1:0"), &["node.id=7"])).unwrap()).unwrap();
        assert_eq!((config.node_id.0, config.listeners[0].port), (7, 0));
        let error = BrokerConfig::parse(configs(&args(None, &["num.partition=3"])).unwrap()).unwrap_err();
        assert!(error.to_string().contains("num.partitions"), "{error}");
    }

    #[test]
    fn listen_keeps_the_controllers_listener() {
        let mut configs =
            parse_properties("listeners=PLAINTEXT://:9092,CONTROLLER://:9093\ncontroller.listener.names=CONTROLLER\n")
                .unwrap();
        set_address(&mut configs, "127.0.0.1:0").unwrap();
        assert_eq!(configs["listeners"], "PLAINTEXT://127.0.0.1:0,CONTROLLER://:9093");
    }
}
