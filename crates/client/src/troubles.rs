//! What the log is told of a broker that is away: once, not with every try.

use crate::error::ClientError;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// Troubles that are remembered; beyond that all are forgotten.
const TOLD_MAX: usize = 1_000;

/// What was told and is not over. Shared by the clients of one program that are of one cluster.
#[derive(Debug, Default)]
pub(crate) struct Troubles {
    /// Addresses that could not be reached, and texts of other errors.
    told: Mutex<BTreeSet<String>>,
}

impl Troubles {
    /// Warns of what is not told yet: a broker that cannot be reached, an answer that does not come. What a broker says is
    /// part of its work, and only there for who looks closely.
    pub(crate) fn tell(&self, error: &ClientError, node_of: &dyn Fn(&str) -> i32) {
        match error {
            ClientError::NoBrokers { tried } => tried.iter().for_each(|error| self.tell(error, node_of)),
            ClientError::Connect { address, failure } => {
                if self.is_news(address) {
                    let node_id = node_of(address);
                    // The beginning is what Kafka's clients say.
                    tracing::warn!("Connection to node {node_id} ({address}) could not be established: {failure}");
                }
            }
            error if error.is_network() => {
                let text = error.to_string();
                if self.is_news(&text) {
                    tracing::warn!("{text}; trying again");
                }
            }
            error => tracing::debug!(%error, "trying again"),
        }
    }

    /// This address was reached.
    pub(crate) fn is_over(&self, address: &str) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).remove(address);
    }

    fn is_news(&self, trouble: &str) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() >= TOLD_MAX {
            told.clear();
        }
        told.insert(trouble.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ConnectFailure;

    #[test]
    fn a_broker_that_is_away_is_told_once_until_it_was_back() {
        let troubles = Troubles::default();
        let refused = ClientError::Connect { address: "a:1".to_string(), failure: ConnectFailure::Refused };
        troubles.tell(&refused, &|_| -1);
        assert!(!troubles.is_news("a:1") && troubles.is_news("b:1"));
        troubles.is_over("a:1");
        assert!(troubles.is_news("a:1"));
        for number in 0..TOLD_MAX {
            troubles.is_news(&number.to_string());
        }
        assert!(troubles.told.lock().unwrap().len() <= TOLD_MAX);
    }
}
