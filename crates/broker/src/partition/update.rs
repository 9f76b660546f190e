//! What follows from new metadata and configs.

use super::Partition;
use super::flushing::Urgency;
use super::state::{Leadership, Online, State, Status};
use ottla_config::TopicConfig;
use std::sync::Arc;

impl Partition {
    /// What the committed metadata and the configs say now.
    pub(crate) fn update(self: &Arc<Self>, leadership: Leadership, config: Arc<TopicConfig>) {
        let mut guard = self.lock();
        let state = &mut *guard;
        if state.is_leaving() {
            return;
        }
        // Configs first, so that a new leader begins with them.
        self.update_config(state, config);
        self.update_leadership(state, leadership);
        self.note_progress(state);
        state.recount(&self.shared.metrics.broker);
    }

    fn update_config(self: &Arc<Self>, state: &mut State, config: Arc<TopicConfig>) {
        state.config = Arc::clone(&config);
        let Status::Online(online) = &mut state.status else { return };
        let Online { open, leader } = &mut **online;
        let log_config = self.log_config(&config);
        if *open.log.config() != log_config {
            open.log.apply_config(log_config);
        }
        if let Some(leader) = leader {
            leader.set_min_insync_replicas(usize::try_from(config.min_insync_replicas).unwrap_or(1).max(1));
            leader.set_write_caching(config.write_caching);
        }
        // What was queued under the old configs may be due earlier now. Turning write.caching off takes effect when all
        // that was acknowledged is flushed: at once.
        let was_acknowledged = state.high_watermark > open.log.flushed_offset() && !config.write_caching;
        self.request_flush(open, Urgency::of_append(&config, was_acknowledged));
    }

    fn update_leadership(&self, state: &mut State, leadership: Leadership) {
        if state.leadership == leadership {
            return;
        }
        let before = std::mem::replace(&mut state.leadership, leadership);
        if let Status::Online(online) = &mut state.status {
            let Online { open, leader } = &mut **online;
            let is_same_epoch = before.leader_epoch == state.leadership.leader_epoch;
            match leader {
                Some(leader) if is_same_epoch && state.leadership.is_local => {
                    leader.set_replicas(&state.leadership.replicas);
                    leader.on_isr_committed(&state.leadership.isr);
                }
                leader => {
                    *leader = self.leader_state(&state.leadership, &state.config, &open.log, state.high_watermark);
                }
            }
        }
        state.watchers.wake_all();
    }
}
