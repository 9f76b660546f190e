//! Log compaction.

use crate::table::metrics_table;

metrics_table! {
    /// What the log cleaners count.
    CleanerMetrics {
        threads Gauge "ottla_log_cleaner_threads" "Cleaners that run.";
        cleanings Counter "ottla_log_cleaner_cleanings" "Logs that were compacted.";
        bytes_read Counter "ottla_log_cleaner_bytes_read" "Bytes of segments that were compacted.";
        bytes_written Counter "ottla_log_cleaner_bytes_written" "Bytes of the segments that took their place.";
        records_removed Counter "ottla_log_cleaner_records_removed" "Records that compaction removed.";
        recopy_percent Gauge "kafka_log_logcleaner_cleaner_recopy_percent"
            "Bytes kept by the last cleaning, in percent of those it read.";
        buffer_utilization_percent Gauge "kafka_log_logcleaner_max_buffer_utilization_percent"
            "How full the offset map of the last cleaning was.";
        clean_time_seconds Gauge "kafka_log_logcleaner_max_clean_time_secs" "How long the last cleaning took.";
        compaction_delay_seconds Gauge "kafka_log_logcleaner_max_compaction_delay_secs"
            "By how much the last look found max.compaction.lag.ms exceeded.";
        max_dirty_percent Gauge "kafka_log_logcleanermanager_max_dirty_percent"
            "How dirty the dirtiest log was at the last look.";
        uncleanable_partitions Gauge "kafka_log_logcleanermanager_uncleanable_partitions_count"
            "Logs that cannot be compacted until somebody mends what the log line names.";
        uncleanable_bytes Gauge "kafka_log_logcleanermanager_uncleanable_bytes" "Bytes of those logs.";
        since_last_run_ms Gauge "kafka_log_logcleanermanager_time_since_last_run_ms"
            "Milliseconds between the last two looks for something to clean.";
        disk_full Counter "ottla_log_cleaner_disk_full"
            "Cleanings that were put off because the log directory had no room for their result.";
    }
}
