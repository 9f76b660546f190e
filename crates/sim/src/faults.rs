//! What a life of the node meets, drawn from the seed.

use crate::life::Stage;
use crate::oracle::Oracle;
use crate::{Load, NODE};
use ottla_runtime::Runtime;
use ottla_runtime::sim::{Outage, World};
use std::path::Path;
use std::time::Duration;

/// Parts of paths that faults hit: anything, record batches, small files, the metadata log.
const PLACES: &[&str] = &[
    "",
    ".log",
    ".index",
    ".timeindex",
    ".snapshot",
    "leader-epoch",
    "checkpoint",
    "durable-0",
    "cached-",
    "sized-",
    "/a/",
    "/b/",
    "metadata",
];

/// The same under the load of groups.
const GROUP_PLACES: &[&str] =
    &["", ".log", ".index", "__consumer_offsets", "keyed-", "cleaner-offset", "cleaned", "metadata"];

/// The same under the load of transactions.
const TRANSACTION_PLACES: &[&str] = &[
    "",
    ".log",
    ".txnindex",
    ".snapshot",
    "__consumer_offsets",
    "__transaction_state",
    "copied-",
    "audited-",
    "cleaned",
    "metadata",
];

/// The same under the load of share groups.
const SHARE_PLACES: &[&str] =
    &["", ".log", ".index", "__share_group_state", "__share_group_state", "__consumer_offsets", "shared-", "metadata"];

/// The same under the load of streams groups.
const STREAMS_PLACES: &[&str] = &["", ".log", ".index", "__consumer_offsets", "__consumer_offsets", "app-", "metadata"];

/// How a life ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Outage(Outage),
    /// SIGTERM; the process closes everything.
    Terminate,
}

/// Something that goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    FailWrites {
        place: &'static str,
        count: u32,
    },
    FailSyncs {
        place: &'static str,
        count: u32,
    },
    FailReads {
        place: &'static str,
        count: u32,
    },
    SlowSyncs {
        place: &'static str,
        count: u32,
        time: Duration,
    },
    /// This many bytes are left, and then none.
    FullDisk {
        left: u64,
        time: Duration,
    },
    /// A client cannot reach the node.
    Cut {
        client: String,
        time: Duration,
    },
    /// The wall clock jumps to this distance from where it would stand.
    Clock {
        skew_ms: i64,
    },
    SlowNetwork {
        up_to: Duration,
    },
    /// Percent of reads that find nothing in memory.
    ColdReads {
        percent: u8,
    },
}

/// A power loss that is aimed at a sync site.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Aim {
    pub(crate) passes: u64,
    pub(crate) operations: u64,
}

/// A life, as planned.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// The life ends inside this disk operation, counted from the start, if it gets so far.
    pub(crate) outage_at: Option<(u64, Outage)>,
    /// The power fails this many disk operations after the planted sync was passed so many times.
    pub(crate) aimed: Option<Aim>,
    /// Goes wrong before the process begins.
    pub(crate) early: Option<Fault>,
    /// Everything is read back before anything goes wrong.
    pub(crate) verify_first: bool,
    /// Then lookups are compared with what was read.
    pub(crate) looks_up: bool,
    /// What goes wrong, each after a pause.
    pub(crate) faults: Vec<(Duration, Fault)>,
    /// How long it goes on after that.
    pub(crate) rest: Duration,
    pub(crate) end: End,
    /// The machine loses power while no process runs.
    pub(crate) power_loss_behind: bool,
    /// How long no process runs.
    pub(crate) pause: Duration,
}

impl Plan {
    /// Draws a life.
    pub(crate) fn draw(stage: &Stage, mostly_power_losses: bool) -> Plan {
        let world = &stage.world;
        let chance = |percent: u64| world.random_range(0..100) < percent;
        let millis = |range: std::ops::Range<u64>| Duration::from_millis(world.random_range(range));
        let outage = match mostly_power_losses || chance(50) {
            true => Outage::PowerLoss,
            false => Outage::Crash,
        };
        let outage_at = match world.random_range(0..100) {
            // While it starts, or soon after.
            0..25 => Some((world.random_range(1..150), outage)),
            25..50 => Some((world.random_range(1..2500), outage)),
            _ => None,
        };
        let early = (outage_at.is_none() && !mostly_power_losses && chance(15)).then(|| draw_fault(stage));
        let verify_first = outage_at.is_none() && early.is_none() && chance(60);
        let count = if mostly_power_losses { 0 } else { world.random_range(0..4) };
        let faults = (0..count).map(|_| (millis(0..800), draw_fault(stage))).collect();
        let end = if chance(if mostly_power_losses { 10 } else { 25 }) { End::Terminate } else { End::Outage(outage) };
        let rest = if mostly_power_losses { millis(0..1500) } else { millis(0..4000) };
        let (power_loss_behind, pause) = (chance(30), millis(0..300));
        Plan {
            outage_at,
            aimed: None,
            early,
            verify_first,
            looks_up: false,
            faults,
            rest,
            end,
            power_loss_behind,
            pause,
        }
    }

    /// The same life, but ended by a power loss soon after the planted sync, which is passed now often, now seldom; or it begins
    /// with a look at what the last one left.
    pub(crate) fn aimed(self, world: &World) -> Plan {
        if world.random_range(0..100) < 40 {
            return Plan { outage_at: None, early: None, verify_first: true, ..self };
        }
        let passes = 1 + world.random_range(0..1 << world.random_range(0..7));
        let operations = 1 + world.random_range(0..1 << world.random_range(0..6));
        let rest = Duration::from_millis(world.random_range(500..4000));
        Plan { outage_at: None, aimed: Some(Aim { passes, operations }), verify_first: false, rest, ..self }
    }

    /// How a life ends that does not reach its planned end.
    pub(crate) fn outage(&self) -> Option<Outage> {
        self.outage_at.map(|(_, outage)| outage).or(self.aimed.map(|_| Outage::PowerLoss))
    }

    /// Whether the process itself has no reason to fail before it is ended from outside.
    pub(crate) fn is_undisturbed_at_start(&self) -> bool {
        self.outage().is_none() && self.early.is_none()
    }

    /// Whether the node must be well again by itself once the faults are over.
    pub(crate) fn heals(&self) -> bool {
        self.is_undisturbed_at_start() && !self.faults.is_empty() && self.faults.iter().all(|(_, fault)| fault.heals())
    }

    /// A life in which nothing goes wrong.
    pub(crate) fn calm() -> Plan {
        Plan {
            outage_at: None,
            aimed: None,
            early: None,
            verify_first: true,
            looks_up: false,
            faults: Vec::new(),
            rest: Duration::ZERO,
            end: End::Terminate,
            power_loss_behind: false,
            pause: Duration::ZERO,
        }
    }
}

fn draw_fault(stage: &Stage) -> Fault {
    let Stage { world, clients, .. } = stage;
    let places = match stage.load {
        Load::Logs => PLACES,
        Load::Groups => GROUP_PLACES,
        Load::Transactions => TRANSACTION_PLACES,
        Load::Shares => SHARE_PLACES,
        Load::Streams => STREAMS_PLACES,
    };
    let place = places[world.random_range(0..places.len() as u64) as usize];
    let count = if world.random_range(0..3) == 0 { world.random_range(2..20) } else { 1 } as u32;
    let millis = |range: std::ops::Range<u64>| Duration::from_millis(world.random_range(range));
    match world.random_range(0..12) {
        0..2 => Fault::FailWrites { place, count },
        2..5 => Fault::FailSyncs { place, count },
        5 => Fault::FailReads { place, count },
        6 => Fault::SlowSyncs { place, count, time: millis(100..7000) },
        7..9 => Fault::FullDisk { left: world.random_range(0..60_000), time: millis(100..4000) },
        9 => Fault::Cut { client: client_name(world.random_range(0..*clients)), time: millis(50..3000) },
        10 => match world.random_range(0..2) {
            0 => Fault::Clock { skew_ms: world.random_range(0..120_000) as i64 - 60_000 },
            _ => Fault::ColdReads { percent: world.random_range(0..101) as u8 },
        },
        _ => Fault::SlowNetwork { up_to: millis(2..200) },
    }
}

/// Name of the node that client `index` runs on.
pub(crate) fn client_name(index: u64) -> String {
    format!("client-{index}")
}

impl Fault {
    /// Whether the node must be well again by itself once this is over, without a new start.
    fn heals(&self) -> bool {
        !matches!(self, Fault::FailWrites { .. } | Fault::FailSyncs { .. } | Fault::FailReads { .. })
    }

    /// Makes it happen to the process on `node`; returns when its time is over.
    pub(crate) async fn strike(&self, world: &World, oracle: &Oracle, observer: &Runtime, node: &Runtime) {
        oracle.tell(observer.now(), format!("fault: {self:?}"));
        oracle.count(|counts| counts.faults += 1);
        let disk = world.disk_faults(NODE);
        match self {
            Fault::FailWrites { place, count } => {
                oracle.disk_fails(observer.now());
                disk.fail_writes(place, *count);
            }
            Fault::FailSyncs { place, count } => {
                oracle.disk_fails(observer.now());
                disk.fail_syncs(place, *count);
            }
            // A log that cannot be read while it is opened stays offline, which is as good as a failing disk.
            Fault::FailReads { place, count } => {
                oracle.disk_fails(observer.now());
                disk.fail_reads(place, *count);
            }
            Fault::SlowSyncs { place, count, time } => {
                oracle.disk_is_slow(observer.now());
                disk.slow_syncs(place, *count, *time);
            }
            Fault::FullDisk { left, time } => {
                let space = node.disk().space(Path::new("/")).await;
                let used = space.map_or(0, |space| space.total - space.available);
                disk.set_capacity(Some(used + left));
                observer.sleep(*time).await;
                disk.set_capacity(None);
            }
            Fault::Cut { client, time } => {
                oracle.share_locks_end();
                world.cut(NODE, client);
                observer.sleep(*time).await;
                world.heal(NODE, client);
            }
            Fault::Clock { skew_ms } => {
                // What retention does, it does by the clock of its time.
                oracle.wall_clock(observer.wall_clock_ms());
                world.set_wall_clock_skew_ms(*skew_ms);
            }
            Fault::SlowNetwork { up_to } => world.set_network_time(Duration::ZERO..*up_to),
            Fault::ColdReads { percent } => disk.set_cold_read_percent(*percent),
        }
    }
}

/// Takes everything back that may be on.
pub(crate) fn clear(world: &World, clients: u64) {
    let disk = world.disk_faults(NODE);
    disk.cancel_outage();
    disk.clear_errors();
    disk.set_capacity(None);
    disk.set_cold_read_percent(10);
    world.set_network_time(Duration::ZERO..Duration::from_millis(3));
    for client in 0..clients {
        world.heal(NODE, &client_name(client));
    }
}
