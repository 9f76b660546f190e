//! One life of the node's process, from its start to its end.

mod configs;

use crate::faults::{self, Aim, End, Plan};
use crate::oracle::{Check, Down, Oracle, broken};
use crate::planted::{GroupError, Planted, ShareError, StreamsError};
use crate::verify;
use crate::workload::Workload;
use crate::{LOG_DIRS, Load, NODE};
use ottla_config::BrokerConfig;
use ottla_node::Node;
use ottla_runtime::sim::{Outage, World};
use ottla_runtime::watch;
use ottla_runtime::{AbortOnDrop, Runtime, TaskHandle};
use std::path::Path;
use std::time::Duration;

/// A start without faults takes no longer.
const START_MAX: Duration = Duration::from_secs(60);
/// A shutdown without faults takes no longer.
const SHUTDOWN_MAX: Duration = Duration::from_secs(60);
/// How long a failing node is given before it is ended from outside.
const PATIENCE_WITH_FAULTS: Duration = Duration::from_secs(15);
/// After a full disk, a slow one or a cut, the node is as before within this time.
const HEALED_AFTER: Duration = Duration::from_secs(3);

/// What an error that an operator sees must hold.
const NEXT_STEP: &str = "Next step";

/// Directories of the offsets topic's partitions.
const OFFSETS_LOGS: &str = "__consumer_offsets-";
/// Directories of the partitions that hold the states of share groups.
const SHARE_STATE_LOGS: &str = "__share_group_state-";

/// The simulation, as the driver sees it.
#[derive(Clone)]
pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) oracle: Oracle,
    /// A machine of its own, for the driver's clock and its readings.
    pub(crate) observer: Runtime,
    pub(crate) load: Load,
    pub(crate) clients: u64,
    pub(crate) planted: Option<Planted>,
    /// Whether what a power loss left is looked at before it is mended: topics come back as soon as they are gone, and the
    /// cleaner rests in lives that begin with a look.
    pub(crate) hurries: bool,
}

/// How far a process has come.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Progress {
    Starting,
    Serving,
}

/// How a process ended by itself.
#[derive(Debug)]
enum Ended {
    Cleanly,
    Refused(String),
}

impl Stage {
    fn now(&self) -> ottla_runtime::Instant {
        self.observer.now()
    }

    fn tell(&self, line: impl AsRef<str>) {
        self.oracle.tell(self.now(), line);
    }

    /// Runs the process through a life, in which the load ends if it is given.
    pub(crate) async fn live(&self, plan: &Plan, load: Option<Workload>) -> Check {
        let life = self.oracle.life_begins();
        self.tell(format!("life {life} begins: {}", told(plan)));
        let runtime = self.world.node(NODE);
        let disk = self.world.disk_faults(NODE);
        let _aiming = self.planted.as_ref().and_then(Planted::site).map(|site| self.leave_out(site, plan.aimed));
        if self.has(GroupError::OffsetsUnsynced) || self.has(StreamsError::MembersUnsynced) {
            disk.ignore_syncs_of(OFFSETS_LOGS);
        }
        if self.has(ShareError::StateUnsynced) {
            disk.ignore_syncs_of(SHARE_STATE_LOGS);
        }
        if let Some((operations, outage)) = plan.outage_at {
            disk.plan_outage(operations, outage);
        }
        let (progress, watching) = watch::channel(Progress::Starting);
        let process = runtime.spawn("process", process(runtime.clone(), self.config(plan), progress));
        let ended = tokio::select! {
            biased;
            () = self.world.down(NODE) => None,
            ended = self.run_process(&runtime, process, plan, load, watching) => ended?,
        };
        self.end(plan, ended).await
    }

    /// The sync at this site does nothing from now on. If it is aimed at, the power fails soon after it was passed.
    fn leave_out(&self, site: String, aim: Option<Aim>) -> AbortOnDrop<()> {
        let (passing, mut passes) = watch::channel(0);
        self.world.disk_faults(NODE).ignore_syncs(move |passed| {
            let is_it = passed == site;
            if is_it {
                passing.send_modify(|passes| *passes += 1);
            }
            is_it
        });
        let disk = self.world.disk_faults(NODE);
        let aiming = self.observer.spawn("aim", async move {
            let Some(aim) = aim else { return };
            if passes.wait_for(|passes| *passes >= aim.passes).await.is_ok() {
                disk.plan_outage(aim.operations, Outage::PowerLoss);
            }
        });
        aiming.abort_on_drop()
    }

    /// Lets the plan happen; returns how the process ended by itself, if it did.
    async fn run_process(
        &self,
        node: &Runtime,
        mut process: TaskHandle<Ended>,
        plan: &Plan,
        load: Option<Workload>,
        watching: watch::Receiver<Progress>,
    ) -> Check<Option<Ended>> {
        let happening = tokio::select! {
            biased;
            ended = &mut process => return Ok(ended.ok()),
            happened = self.happen(node, plan, load, watching) => happened,
        };
        happening?;
        if plan.end != End::Terminate {
            return Ok(None);
        }
        self.tell("SIGTERM");
        self.oracle.process_ends();
        self.world.terminate(NODE);
        let has_faults = !plan.is_clean();
        let patience = if has_faults { PATIENCE_WITH_FAULTS } else { SHUTDOWN_MAX };
        match self.observer.timeout(patience, process).await {
            Ok(ended) => Ok(ended.ok()),
            Err(_) if has_faults => Ok(None),
            Err(_) => broken(format!("the node did not shut down within {} s", SHUTDOWN_MAX.as_secs())),
        }
    }

    /// What happens while the process runs.
    async fn happen(
        &self,
        node: &Runtime,
        plan: &Plan,
        load: Option<Workload>,
        mut watching: watch::Receiver<Progress>,
    ) -> Check {
        if let Some(fault) = &plan.early {
            fault.strike(&self.world, &self.oracle, &self.observer, node).await;
        }
        let serving = watching.wait_for(|progress| *progress == Progress::Serving);
        match self.observer.timeout(START_MAX, serving).await {
            Ok(Ok(_)) => self.tell("the node serves"),
            // The process has ended; that is told elsewhere.
            Ok(Err(_)) => std::future::pending().await,
            Err(_) if plan.is_undisturbed_at_start() => {
                return broken(format!("the node did not start within {} s", START_MAX.as_secs()));
            }
            Err(_) => {}
        }
        if plan.verify_first {
            verify::everything(self).await?;
        }
        if plan.looks_up {
            verify::lookups::agree(self).await?;
        }
        for (pause, fault) in &plan.faults {
            self.observer.sleep(*pause).await;
            fault.strike(&self.world, &self.oracle, &self.observer, node).await;
        }
        self.observer.sleep(plan.rest).await;
        if plan.heals() {
            faults::clear(&self.world, self.clients);
            // The longest slow sync may have begun just now.
            self.observer.sleep(HEALED_AFTER).await;
            verify::writable(self).await?;
        }
        if let Some(load) = load {
            load.end(&self.observer).await?;
            self.oracle.load_is_over();
            self.tell("the load has ended");
            verify::everything(self).await?;
        }
        Ok(())
    }

    /// Takes everything down and leaves a disk without faults.
    async fn end(&self, plan: &Plan, ended: Option<Ended>) -> Check {
        let was_up = self.world.is_up(NODE);
        let mut down = match (was_up, plan.end, plan.outage()) {
            (false, _, Some(Outage::PowerLoss)) => Down::PowerLoss,
            (false, _, _) => Down::Crash,
            (true, End::Outage(Outage::PowerLoss), _) => Down::PowerLoss,
            (true, _, _) => Down::Crash,
        };
        if let Some(ended) = &ended {
            down = match ended {
                Ended::Cleanly => Down::Cleanly,
                Ended::Refused(_) => Down::Crash,
            };
        }
        let outage = if down == Down::PowerLoss { Outage::PowerLoss } else { Outage::Crash };
        if was_up {
            self.world.take_down(NODE, outage);
        }
        self.oracle.node_is_down(down, self.now());
        self.tell(format!("the node is down: {down:?}"));
        if plan.power_loss_behind && down != Down::PowerLoss {
            self.tell("the machine loses power");
            self.world.power_loss(NODE);
            self.oracle.node_is_down(Down::PowerLoss, self.now());
        }
        faults::clear(&self.world, self.clients);
        if self.has(GroupError::OffsetsLost) {
            self.lose_offsets().await;
        }
        self.observer.sleep(plan.pause).await;
        match ended {
            Some(Ended::Refused(error)) => self.judge_refusal(plan, &error),
            _ => Ok(()),
        }
    }

    /// Whether this error is planted.
    pub(crate) fn has(&self, error: impl Into<Planted>) -> bool {
        self.planted.as_ref() == Some(&error.into())
    }

    /// Removes the offsets topic's logs while no process runs.
    async fn lose_offsets(&self) {
        let runtime = self.world.node(NODE);
        for dir in LOG_DIRS.iter().map(Path::new) {
            let names = runtime.disk().list(dir).await.unwrap_or_default();
            for entry in names.iter().filter(|entry| entry.name.starts_with(OFFSETS_LOGS)) {
                let gone = runtime.disk().remove_dir_all(&dir.join(&entry.name)).await;
                self.tell(format!("{} is removed: {gone:?}", entry.name));
            }
        }
        self.world.take_down(NODE, Outage::Crash);
    }

    /// A node may refuse to start while its disk fails, and must then say what to do.
    fn judge_refusal(&self, plan: &Plan, error: &str) -> Check {
        self.tell(format!("the node did not start: {error}"));
        self.oracle.count(|counts| counts.refused_starts += 1);
        if plan.is_undisturbed_at_start() {
            return broken(format!("the node does not start: {error}"));
        }
        if !error.contains(NEXT_STEP) {
            return broken(format!("the node did not start, and its error names no next step: {error}"));
        }
        Ok(())
    }
}

impl Plan {
    /// Whether nothing but the end goes wrong.
    fn is_clean(&self) -> bool {
        self.faults.is_empty() && self.is_undisturbed_at_start()
    }
}

fn told(plan: &Plan) -> String {
    let outage = plan.outage_at.map(|(operations, outage)| format!("{outage:?} in disk operation {operations}, "));
    let early = plan.early.as_ref().map(|fault| format!("{fault:?} from the start, "));
    let aimed = plan.aimed.map(|Aim { passes, operations }| format!("power loss {operations} after pass {passes}, "));
    let (outage, early, aimed) = (outage.unwrap_or_default(), early.unwrap_or_default(), aimed.unwrap_or_default());
    format!("{outage}{aimed}{early}{} faults, then {:?}", plan.faults.len(), plan.end)
}

/// What the binary does: start, serve, close at SIGTERM.
async fn process(runtime: Runtime, config: BrokerConfig, progress: watch::Sender<Progress>) -> Ended {
    let node = match Node::start(&runtime, config).await {
        Ok(node) => node,
        Err(error) => return Ended::Refused(error.to_string()),
    };
    progress.send_replace(Progress::Serving);
    // Only the real world can fail to hear signals.
    let _ = runtime.shutdown_signal().await;
    node.shutdown().await;
    Ended::Cleanly
}
