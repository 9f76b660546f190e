//! Which options go together, with Kafka's words for those that do not.

use super::Topics;
use crate::shared::{required, usage};
use ottla_terminal::failure::Failure;

impl Topics {
    /// Refuses what Kafka's tool refuses; returns the address of the cluster.
    pub(super) fn check(&self) -> Result<&str, Failure> {
        let actions = [self.create, self.list, self.alter, self.describe, self.delete];
        if actions.iter().filter(|action| **action).count() != 1 {
            return Err(usage(
                "Command must include exactly one action: --list, --describe, --create, --alter or --delete",
            ));
        }
        if !self.delete_config.is_empty() {
            eprintln!(
                "delete-config option is no longer supported and deprecated since version 4.0. The config will be fully \
                 removed in future releases."
            );
        }
        let bootstrap = self.bootstrap_server.as_deref();
        let bootstrap = bootstrap.ok_or_else(|| Failure::new("--bootstrap-server must be specified"))?;
        if self.describe && self.if_exists && self.topic.is_none() && self.topic_id.is_none() {
            return Err(usage("--topic or --topic-id is required to describe a topic"));
        }
        if !self.list && !self.describe {
            required(&self.topic, "topic")?;
        }
        if self.alter {
            if !self.config.is_empty() {
                return Err(usage(
                    "Option combination \"[bootstrap-server],[config]\" can't be used with option \"[alter]\" (To alter \
                     topic configurations, the kafka-configs tool can be used.)",
                ));
            }
            required(&self.partitions, "partitions")?;
        }
        self.check_combinations()?;
        Ok(bootstrap)
    }

    fn check_combinations(&self) -> Result<(), Failure> {
        let (create, alter, describe, delete, list) = ("create", "alter", "describe", "delete", "list");
        self.only_with("config", !self.config.is_empty(), &[alter, create])?;
        self.only_with("partitions", self.partitions.is_some(), &[alter, create])?;
        self.only_with("replication-factor", self.replication_factor.is_some(), &[create])?;
        self.only_with("replica-assignment", self.replica_assignment.is_some(), &[alter, create])?;
        if self.create && self.replica_assignment.is_some() {
            let others =
                [("partitions", self.partitions.is_some()), ("replication-factor", self.replication_factor.is_some())];
            if let Some((other, _)) = others.into_iter().find(|(_, is_set)| *is_set) {
                return Err(clash("replica-assignment", other));
            }
        }
        let reports = [
            ("under-replicated-partitions", self.under_replicated_partitions),
            ("under-min-isr-partitions", self.under_min_isr_partitions),
            ("at-min-isr-partitions", self.at_min_isr_partitions),
            ("unavailable-partitions", self.unavailable_partitions),
        ];
        for (report, is_set) in reports {
            self.only_with(report, is_set, &[describe])?;
            if is_set && self.topics_with_overrides {
                return Err(clash(report, "topics-with-overrides"));
            }
        }
        self.only_with("topics-with-overrides", self.topics_with_overrides, &[describe])?;
        self.only_with("if-exists", self.if_exists, &[alter, delete, describe])?;
        self.only_with("if-not-exists", self.if_not_exists, &[create])?;
        self.only_with("exclude-internal", self.exclude_internal, &[list, describe])
    }

    fn only_with(&self, option: &str, is_set: bool, actions: &[&str]) -> Result<(), Failure> {
        let all = [
            ("alter", self.alter),
            ("create", self.create),
            ("describe", self.describe),
            ("list", self.list),
            ("delete", self.delete),
        ];
        match all.into_iter().find(|(action, chosen)| *chosen && !actions.contains(action)) {
            Some((action, _)) if is_set => Err(clash(option, action)),
            _ => Ok(()),
        }
    }
}

fn clash(option: &str, other: &str) -> Failure {
    usage(format!("Option \"[{option}]\" can't be used with option \"[{other}]\""))
}
