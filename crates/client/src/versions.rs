//! Which versions a broker serves, from its answer to ApiVersions.

use crate::error::ClientError;
use ottla_protocol::{ApiKey, ApiVersionsResponse};
use std::collections::BTreeMap;

/// What a broker advertises.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BrokerVersions {
    ranges: BTreeMap<i16, (i16, i16)>,
    /// Finalized features and their levels (`transaction.version` ...).
    pub finalized_features: BTreeMap<String, i16>,
    /// Features that the broker supports: lowest and highest level.
    pub supported_features: BTreeMap<String, (i16, i16)>,
    /// Rises with every change of a finalized feature; -1 from brokers that do not tell.
    pub finalized_features_epoch: i64,
}

impl BrokerVersions {
    pub(crate) fn from_response(response: &ApiVersionsResponse) -> BrokerVersions {
        let ranges = response.api_keys.iter().map(|api| (api.api_key, (api.min_version, api.max_version)));
        let features = response.finalized_features.iter().map(|f| (f.name.clone(), f.max_version_level));
        let supported = response.supported_features.iter().map(|f| (f.name.clone(), (f.min_version, f.max_version)));
        BrokerVersions {
            ranges: ranges.collect(),
            finalized_features: features.collect(),
            supported_features: supported.collect(),
            finalized_features_epoch: response.finalized_features_epoch,
        }
    }

    /// Everything that the broker serves: API key, lowest and highest version, by ascending key.
    pub fn ranges(&self) -> impl Iterator<Item = (i16, (i16, i16))> + '_ {
        self.ranges.iter().map(|(key, range)| (*key, *range))
    }

    /// Lowest and highest version that the broker serves.
    pub fn range(&self, api: ApiKey) -> Option<(i16, i16)> {
        self.ranges.get(&api.code()).copied()
    }

    /// The highest version within `ours` that the broker serves too.
    pub(crate) fn highest_common(&self, address: &str, api: ApiKey, ours: (i16, i16)) -> Result<i16, ClientError> {
        let theirs = self.range(api);
        let common = theirs.map(|(min, max)| (min.max(ours.0), max.min(ours.1))).filter(|(min, max)| min <= max);
        common.map(|(_, max)| max).ok_or_else(|| ClientError::NoCommonVersion {
            address: address.to_string(),
            api,
            theirs: theirs.map_or("not at all".to_string(), |(min, max)| format!("in versions {min} to {max}")),
            ours,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_common_version_is_chosen() {
        let ranges = [(ApiKey::Metadata.code(), (4, 9))].into();
        let versions = BrokerVersions { ranges, ..BrokerVersions::default() };
        assert_eq!(versions.highest_common("b", ApiKey::Metadata, (0, 13)), Ok(9));
        assert_eq!(versions.highest_common("b", ApiKey::Metadata, (0, 5)), Ok(5));
        let error = versions.highest_common("b:1", ApiKey::Metadata, (10, 13)).unwrap_err();
        assert_eq!(error.to_string(), "b:1 serves Metadata in versions 4 to 9, this client needs a version in 10..=13");
        assert!(versions.highest_common("b", ApiKey::Fetch, (0, 5)).unwrap_err().to_string().contains("not at all"));
    }
}
