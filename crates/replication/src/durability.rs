//! What an acknowledgement promises: `write.caching`.

/// Which of a replica's offsets counts, for the high watermark and for being in sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// What is on stable storage.
    Flushed,
    /// What is in the log, as in Kafka.
    LogEnd,
}

/// The state of `write.caching` on a leader.
///
/// 1. `Off`: only flushed records count.
/// 2. `On`, at once when it is turned on: records count when they are in the log.
/// 3. `TurningOff`, when it is turned off: from now on only flushed records move the high watermark, but what is
///    already below it may be unflushed. Once all of it is flushed on every in-sync replica, the state is `Off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteCaching {
    /// Acknowledged records are on stable storage of every in-sync replica.
    Off,
    /// Acknowledged records are in the log of every in-sync replica.
    On,
    /// New acknowledgements are as with `Off`; older ones are being made good.
    TurningOff,
}

impl WriteCaching {
    /// The state of a leader that starts with this config. A log that begins with everything below its high watermark
    /// flushed needs no transition.
    pub(crate) fn at_start(is_on: bool) -> WriteCaching {
        if is_on { WriteCaching::On } else { WriteCaching::TurningOff }
    }

    /// Which offset counts.
    pub fn counted(self) -> Counted {
        match self {
            WriteCaching::Off | WriteCaching::TurningOff => Counted::Flushed,
            WriteCaching::On => Counted::LogEnd,
        }
    }

    /// The config was set.
    pub(crate) fn set(self, is_on: bool) -> WriteCaching {
        match (self, is_on) {
            (_, true) => WriteCaching::On,
            (WriteCaching::On, false) => WriteCaching::TurningOff,
            (already, false) => already,
        }
    }

    /// Everything below the high watermark is flushed on every in-sync replica.
    pub(crate) fn all_flushed(self) -> WriteCaching {
        match self {
            WriteCaching::TurningOff => WriteCaching::Off,
            other => other,
        }
    }
}
