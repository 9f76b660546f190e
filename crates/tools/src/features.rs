//! `kafka-features`.

use super::KafkaTool;
use super::java::described_error;
use super::shared::{Cluster, usage};
use crate::feature_levels::{self as levels, METADATA_VERSION};
use ottla_client::{Admin, Client, FeatureChange};
use ottla_terminal::executor::Threads;
use ottla_terminal::failure::Failure;
use ottla_terminal::output::write_out;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// This tool manages feature flags in Kafka.
#[derive(Debug, clap::Parser)]
pub(super) struct Features {
    /// A comma-separated list of host:port pairs to use for establishing the connection to the Kafka cluster.
    #[arg(long, conflicts_with = "bootstrap_controller")]
    bootstrap_server: Option<String>,
    /// A comma-separated list of host:port pairs to use for establishing the connection to the KRaft quorum.
    #[arg(long)]
    bootstrap_controller: Option<String>,
    /// Property file containing configs to be passed to Admin Client.
    #[arg(long)]
    command_config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Describes the current active feature flags.
    Describe {
        /// The node id to which the requests should be sent.
        #[arg(long)]
        node_id: Option<i32>,
    },
    /// Upgrade one or more feature flags.
    Upgrade(Change),
    /// Downgrade one or more feature flags.
    Downgrade {
        #[command(flatten)]
        change: Change,
        /// Perform this downgrade even if it may irreversibly destroy metadata.
        #[arg(long = "unsafe")]
        is_unsafe: bool,
    },
    /// Disable one or more feature flags. This is the same as downgrading the version to zero.
    Disable {
        /// A feature flag to disable.
        #[arg(long)]
        feature: Vec<String>,
        /// Disable this feature flag even if it may irreversibly destroy metadata.
        #[arg(long = "unsafe")]
        is_unsafe: bool,
        /// Perform a dry-run of this disable operation.
        #[arg(long)]
        dry_run: bool,
    },
    /// Look up the corresponding features for a given metadata version.
    VersionMapping {
        /// The release version to use for the corresponding feature mapping.
        #[arg(long)]
        release_version: Option<String>,
    },
    /// Look up dependencies for a given feature version.
    FeatureDependencies {
        /// The feature and version to look up dependencies for, in feature=version format.
        #[arg(long, required = true)]
        feature: Vec<String>,
    },
}

#[derive(Debug, clap::Args)]
struct Change {
    /// DEPRECATED -- The level of the metadata. For example, 3.3-IV3.
    #[arg(long)]
    metadata: Option<String>,
    /// The release version to change all features to.
    #[arg(long)]
    release_version: Option<String>,
    /// A feature and its level, in feature=level format.
    #[arg(long)]
    feature: Vec<String>,
    /// Validate this change, but do not perform it.
    #[arg(long)]
    dry_run: bool,
}

impl KafkaTool for Features {
    const NAME: &'static str = "kafka-features";

    fn run(&self) -> Result<(), Failure> {
        match &self.command {
            Command::VersionMapping { release_version } => {
                return write_out(&levels::mapping(release_version.as_deref())?);
            }
            Command::FeatureDependencies { feature } => return write_out(&levels::dependencies(feature)?),
            _ => {}
        }
        let bootstrap = self.bootstrap_server.as_ref().or(self.bootstrap_controller.as_ref());
        let bootstrap = bootstrap.ok_or_else(|| {
            usage("Command line error: You must specify either --bootstrap-controller or --bootstrap-server.")
        })?;
        let cluster = Cluster::new(bootstrap, self.command_config.as_deref(), &[], "kafka-features")?
            .of_controllers(self.bootstrap_controller.is_some());
        cluster.run(Threads::One, async |client: Client| {
            let admin = Admin::new(&client);
            match &self.command {
                Command::Describe { node_id } => describe(&admin, *node_id).await,
                Command::Upgrade(change) => {
                    let wanted = change.levels(FeatureChange::Upgrade)?;
                    update(&admin, "upgrade", &wanted, FeatureChange::Upgrade, change.dry_run).await
                }
                Command::Downgrade { change, is_unsafe } => {
                    let way = downgrade(*is_unsafe);
                    update(&admin, "downgrade", &change.levels(way)?, way, change.dry_run).await
                }
                Command::Disable { feature, is_unsafe, dry_run } => {
                    let mut wanted = BTreeMap::new();
                    feature.iter().try_for_each(|name| add(&mut wanted, name.clone(), 0))?;
                    update(&admin, "disable", &wanted, downgrade(*is_unsafe), *dry_run).await
                }
                Command::VersionMapping { .. } | Command::FeatureDependencies { .. } => Ok(()),
            }
        })
    }
}

fn downgrade(is_unsafe: bool) -> FeatureChange {
    if is_unsafe { FeatureChange::UnsafeDowngrade } else { FeatureChange::SafeDowngrade }
}

fn add(wanted: &mut BTreeMap<String, i16>, name: String, level: i16) -> Result<(), Failure> {
    match wanted.insert(name.clone(), level) {
        None => Ok(()),
        Some(_) => Err(Failure::new(format!("Feature {name} was specified more than once."))),
    }
}

impl Change {
    fn levels(&self, way: FeatureChange) -> Result<BTreeMap<String, i16>, Failure> {
        let mut wanted = BTreeMap::new();
        if let Some(release) = &self.release_version {
            if self.metadata.is_some() || !self.feature.is_empty() {
                return Err(Failure::new("Can not specify `release-version` with other feature flags."));
            }
            let level = levels::metadata_version(release)?;
            wanted.insert(METADATA_VERSION.to_string(), level);
            // A feature is not raised to 0.
            let sent = levels::defaults(level).filter(|(_, level)| way != FeatureChange::Upgrade || *level > 0);
            wanted.extend(sent.map(|(name, level)| (name.to_string(), level)));
            return Ok(wanted);
        }
        if let Some(release) = &self.metadata {
            write_out(" `metadata` flag is deprecated and may be removed in a future release.\n")?;
            wanted.insert(METADATA_VERSION.to_string(), levels::metadata_version(release)?);
        }
        for feature in &self.feature {
            let (name, level) = levels::parse(feature)?;
            add(&mut wanted, name, level)?;
        }
        Ok(wanted)
    }
}

async fn describe(admin: &Admin, node_id: Option<i32>) -> Result<(), Failure> {
    if let Some(node_id) = node_id.filter(|id| *id < 0) {
        return Err(Failure::new(format!("Invalid node id {node_id}: must be non-negative.")));
    }
    let found = admin.describe_features(node_id).await?;
    let epoch =
        if found.finalized_features_epoch < 0 { "-".to_string() } else { found.finalized_features_epoch.to_string() };
    let mut text = String::new();
    for (feature, (min, max)) in &found.supported_features {
        let finalized = found.finalized_features.get(feature).copied().unwrap_or(0);
        let [min, max, finalized] = [*min, *max, finalized].map(|level| levels::name_of(feature, level));
        text += &format!(
            "Feature: {feature:<40}  SupportedMinVersion: {min:<15}  SupportedMaxVersion: {max:<15}  \
             FinalizedVersionLevel: {finalized:<15}  Epoch: {epoch}\n"
        );
    }
    write_out(&text)
}

async fn update(
    admin: &Admin,
    operation: &str,
    wanted: &BTreeMap<String, i16>,
    way: FeatureChange,
    dry_run: bool,
) -> Result<(), Failure> {
    if wanted.is_empty() {
        return Err(Failure::new(format!("You must specify at least one feature to {operation}")));
    }
    let results = admin.update_features(wanted, way, dry_run).await?;
    let (mut text, mut failures) = (String::new(), 0);
    for (feature, result) in &results {
        let level = wanted.get(feature).copied().unwrap_or(0);
        let is_disable = operation == "disable";
        match result {
            Ok(()) => {
                let verb = if dry_run { "can be" } else { "was" };
                let what = if is_disable { "disabled.".to_string() } else { format!("{operation}d to {level}.") };
                text += &format!("{feature} {verb} {what}\n");
            }
            Err(error) => {
                failures += 1;
                let helper = if dry_run { "Can not" } else { "Could not" };
                let what = if is_disable { feature.clone() } else { format!("{feature} to {level}") };
                text += &format!("{helper} {operation} {what}. {}\n", described_error(error));
            }
        }
    }
    write_out(&text)?;
    match failures {
        0 => Ok(()),
        _ => Err(Failure::new(format!("{failures} out of {} operation(s) failed.", wanted.len()))),
    }
}
