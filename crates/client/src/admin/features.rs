//! Features: what brokers support, which levels the cluster has agreed on, and changing them (KIP-584).

use super::Admin;
use crate::call::Call;
use crate::error::ClientError;
use crate::versions::BrokerVersions;
use ottla_protocol::UpdateFeaturesRequest;
use ottla_protocol::update_features_request::FeatureUpdateKey;
use std::collections::BTreeMap;

/// From this version on there is one answer for all features.
const ALL_OR_NOTHING_VERSION: i16 = 2;

/// Which way a level may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeatureChange {
    /// Up only.
    Upgrade,
    /// Down only, if no metadata is lost.
    SafeDowngrade,
    /// Down only, even if metadata is lost.
    UnsafeDowngrade,
}

impl FeatureChange {
    /// `FeatureUpdate.UpgradeType`.
    fn code(self) -> i8 {
        match self {
            FeatureChange::Upgrade => 1,
            FeatureChange::SafeDowngrade => 2,
            FeatureChange::UnsafeDowngrade => 3,
        }
    }
}

impl Admin {
    /// Versions and features of a broker: of this one, or of any.
    ///
    /// # Errors
    /// Those of the connection.
    pub fn describe_features<'a>(&'a self, node_id: Option<i32>) -> Call<'a, BrokerVersions> {
        Box::pin(async move {
            let broker = match node_id {
                Some(node_id) => self.client.broker(node_id).await?,
                None => self.client.any_broker().await?,
            };
            Ok(broker.versions().clone())
        })
    }

    /// Changes levels of features; 0 takes a feature away. Each has its result; brokers since Kafka 4.0 change all or
    /// nothing.
    ///
    /// # Errors
    /// `NoCommonVersion` where features cannot be changed ... and those of the connection.
    pub fn update_features<'a>(
        &'a self,
        levels: &'a BTreeMap<String, i16>,
        change: FeatureChange,
        validate_only: bool,
    ) -> Call<'a, BTreeMap<String, Result<(), ClientError>>> {
        Box::pin(async move {
            let update = |(feature, level): (&String, &i16)| FeatureUpdateKey {
                feature: feature.clone(),
                max_version_level: *level,
                // Of version 0 alone, which has no kind of change.
                allow_downgrade: false,
                upgrade_type: change.code(),
            };
            let request = UpdateFeaturesRequest {
                timeout_ms: self.timeout_ms(),
                feature_updates: levels.iter().map(update).collect(),
                validate_only,
            };
            self.patiently(|| async {
                let controller = self.client.controller().await?;
                let version = controller.version_of::<UpdateFeaturesRequest>()?;
                let response = controller.begin(&request, version, &[]).await?.wait().await?;
                let subject = |feature: &str| format!("feature '{feature}'");
                let whole = |feature: &str| {
                    ClientError::check(response.error_code, response.error_message.as_deref(), || subject(feature))
                };
                if let Err(error) = whole("")
                    && super::asks_for_patience(&error)
                {
                    return Err(error);
                }
                if version >= ALL_OR_NOTHING_VERSION || response.results.is_empty() {
                    return Ok(levels.keys().map(|feature| (feature.clone(), whole(feature))).collect());
                }
                let results = response.results.iter().map(|row| {
                    let message = row.error_message.as_deref();
                    let result = ClientError::check(row.error_code, message, || subject(&row.feature));
                    (row.feature.clone(), whole(&row.feature).and(result))
                });
                Ok(results.collect())
            })
            .await
        })
    }
}
