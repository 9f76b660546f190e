//! The name of every fsync in this crate. Tests turn each one off and show that something is lost then.

/// Batches of a segment, by group commit, by the seal of a segment, or at the close.
pub const SEGMENT: &str = "storage.segment";
/// Offset index of a sealed or closed segment.
pub const INDEX: &str = "storage.index";
/// Time index of a sealed or closed segment.
pub const TIME_INDEX: &str = "storage.timeindex";
/// Aborted transactions of a sealed or closed segment.
pub const TXN_INDEX: &str = "storage.txnindex";
/// Producer state at a roll or close.
pub const SNAPSHOT: &str = "storage.snapshot";
/// Leader epochs (`.file` and `.dir`).
pub const LEADER_EPOCHS: &str = "storage.leader-epochs";
/// Names of a partition's files.
pub const PARTITION_DIR: &str = "storage.partition-dir";
/// Topic id of a partition.
pub const PARTITION_METADATA: &str = "storage.partition-metadata";
/// Names of partition directories in a log directory.
pub const LOG_DIR: &str = "storage.log-dir";
/// Names of partition directories that are to be removed, before anything in them is.
pub const DELETED_NAMES: &str = "storage.deleted-names";
/// Names of a new log directory and of those above it.
pub const LOG_DIR_ANCESTORS: &str = "storage.log-dir-ancestors";
/// The dirty marker (`.file` and `.dir`).
pub const DIRTY_MARKER: &str = "storage.dirty-marker";
/// `meta.properties` (`.file` and `.dir`).
pub const META_PROPERTIES: &str = "storage.meta-properties";
/// `recovery-point-offset-checkpoint` (`.file` and `.dir`).
pub const RECOVERY_POINTS: &str = "storage.recovery-points";
/// `log-start-offset-checkpoint` (`.file` and `.dir`).
pub const LOG_STARTS: &str = "storage.log-starts";
/// `cleaner-offset-checkpoint` (`.file` and `.dir`).
pub const CLEANER_OFFSETS: &str = "storage.cleaner-offsets";
/// Batches of a segment that compaction wrote.
pub const CLEANED_SEGMENT: &str = "storage.cleaned-segment";
/// Its offset index.
pub const CLEANED_INDEX: &str = "storage.cleaned-index";
/// Its time index.
pub const CLEANED_TIME_INDEX: &str = "storage.cleaned-timeindex";
/// Its aborted transactions.
pub const CLEANED_TXN_INDEX: &str = "storage.cleaned-txnindex";
/// Names of a new segment's files, before it counts.
pub const CLEANED_DIR: &str = "storage.cleaned-dir";
/// Names, after each step of its way into its place.
pub const SWAP_DIR: &str = "storage.swap-dir";
/// Bytes cut from a log, before they leave it.
pub const CUT_FILE: &str = "storage.cut-file";
/// Names of cut files, before the bytes leave the log.
pub const CUT_DIR: &str = "storage.cut-dir";
/// Batches that recovery found and keeps.
pub const RECOVERED_SEGMENT: &str = "storage.recovered-segment";
/// Names of recovered files.
pub const RECOVERED_DIR: &str = "storage.recovered-dir";
/// Topic id of a recovered partition.
pub const RECOVERED_METADATA: &str = "storage.recovered-metadata";
/// Names of partition directories that an unclean run left.
pub const RECOVERED_LOG_DIR: &str = "storage.recovered-log-dir";
/// Batches of a segment that was copied to another log directory.
pub const MOVED_SEGMENT: &str = "storage.moved-segment";
/// Its offset index.
pub const MOVED_INDEX: &str = "storage.moved-index";
/// Its time index.
pub const MOVED_TIME_INDEX: &str = "storage.moved-timeindex";
/// Its aborted transactions.
pub const MOVED_TXN_INDEX: &str = "storage.moved-txnindex";
/// Producer state at its start.
pub const MOVED_SNAPSHOT: &str = "storage.moved-snapshot";
/// Leader epochs of a log that was copied.
pub const MOVED_EPOCHS: &str = "storage.moved-epochs";
/// Its topic id.
pub const MOVED_METADATA: &str = "storage.moved-metadata";
/// Names of its files.
pub const MOVED_DIR: &str = "storage.moved-dir";
/// The name with which a copy takes the place of its source.
pub const MOVED_LOG_DIR: &str = "storage.moved-log-dir";
/// The marker in a source that is about to be replaced (`.file` and `.dir`).
pub const MOVE_MARKER: &str = "storage.move-marker";
