//! Logs and their flushes.

use crate::table::metrics_table;

metrics_table! {
    /// What the storage layer counts.
    LogMetrics {
        fsync Counter "ottla_log_fsync" "Flushes of log files to stable storage.";
        fsync_seconds Histogram "kafka_log_logflushstats_logflush_time_seconds" "How long one flush took.";
        fsync_errors Counter "ottla_log_fsync_errors" "Flushes that failed; each takes its partition offline.";
        bytes_written Counter "ottla_log_bytes_written" "Bytes of record batches appended.";
        dirty_bytes Gauge "ottla_log_dirty_bytes" "Bytes of record batches appended and not yet on stable storage.";
        segments Gauge "ottla_log_segments" "Segment files.";
        log_bytes Gauge "ottla_log_bytes" "Bytes of all segments.";
        write_errors Counter "ottla_log_write_errors" "Appends refused because of a full disk or a failing write.";
        offline_log_dirs Gauge "kafka_log_logmanager_offlinelogdirectorycount" "Log directories that failed.";
        moves_running Gauge "ottla_log_moves_running" "Partitions that are being moved to another log directory.";
        moves_completed Counter "ottla_log_moves_completed" "Partitions that were moved to another log directory.";
        moves_failed Counter "ottla_log_moves_failed" "Moves to another log directory that failed; the partition stays where it was.";
        recovered_bytes_cut Counter "ottla_log_recovery_bytes_cut" "Bytes cut off torn tails at recovery.";
    }
}
