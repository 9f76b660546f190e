//! UpdateFeatures (KIP-584): finalized levels.

use crate::image::records::feature_level_record;
use crate::{ApiError, DecideContext, Decision, Entry, MetadataImage, features};
use ottla_protocol::update_features_request::FeatureUpdateKey;
use ottla_protocol::update_features_response::UpdatableFeatureResult;
use ottla_protocol::{UpdateFeaturesRequest, UpdateFeaturesResponse};
use ottla_types::ErrorCode;

/// Kafka's codes of the kinds of an update.
const UPGRADE: i8 = 1;
const UNSAFE_DOWNGRADE: i8 = 3;

/// Changes the level of all features of the request, or of none.
pub fn update_features(
    image: &MetadataImage,
    request: &UpdateFeaturesRequest,
    context: &DecideContext<'_>,
) -> Decision<UpdateFeaturesResponse> {
    let mut records = Entry::new();
    for update in &request.feature_updates {
        match check(image, update, context) {
            Ok(level) if level == image.feature_level(&update.feature) => {}
            Ok(level) => records.push(feature_level_record(&update.feature, level)),
            Err(error) => return Decision::none(refusal(error)),
        }
    }
    let result = |update: &FeatureUpdateKey| UpdatableFeatureResult {
        feature: update.feature.clone(),
        error_code: ErrorCode::None.code(),
        error_message: None,
    };
    let results = request.feature_updates.iter().map(result).collect();
    let response = UpdateFeaturesResponse { results, ..Default::default() };
    if request.validate_only { Decision::none(response) } else { Decision::atomic(records, response) }
}

fn refusal(error: ApiError) -> UpdateFeaturesResponse {
    let reason = error.message.unwrap_or_default();
    UpdateFeaturesResponse {
        error_code: error.code.code(),
        error_message: Some(format!(
            "The update failed for all features since the following feature had an error: {reason}"
        )),
        ..Default::default()
    }
}

/// The new level, if the whole cluster supports it.
fn check(image: &MetadataImage, update: &FeatureUpdateKey, context: &DecideContext<'_>) -> Result<i16, ApiError> {
    let (name, level) = (update.feature.as_str(), update.max_version_level);
    let refuse = |reason: &str| {
        let text = format!("Invalid update version {level} for feature {name}. {reason}");
        Err(ApiError::new(ErrorCode::InvalidUpdateVersion, text))
    };
    // Version 0 of the request has a flag instead of a kind, and leaves the kind at its default.
    let is_downgrade = update.allow_downgrade || update.upgrade_type != UPGRADE;
    if !(UPGRADE..=UNSAFE_DOWNGRADE).contains(&update.upgrade_type) {
        return refuse("The controller does not support the given upgrade type.");
    }
    if level < 0 {
        return refuse("A feature version cannot be less than 0.");
    }
    let controller = format!("Local controller {}", context.config.node_id);
    if let Some(reason) = unsupported(&controller, features::supported(name), level) {
        return refuse(&reason);
    }
    for broker in image.brokers() {
        let range = broker.features.iter().find(|range| range.name == name).map(|range| (range.min, range.max));
        if let Some(reason) = unsupported(&format!("Broker {}", broker.id), range, level) {
            return refuse(&reason);
        }
    }
    let current = image.feature_level(name);
    if level < current && !is_downgrade {
        return refuse(
            "Can't downgrade the version of this feature without setting the upgrade type to either safe or unsafe \
             downgrade.",
        );
    }
    if level > current && is_downgrade {
        return refuse("Can't downgrade to a newer version.");
    }
    Ok(level)
}

fn unsupported(who: &str, range: Option<(i16, i16)>, level: i16) -> Option<String> {
    let (min, max) = range.unwrap_or((0, 0));
    match (min..=max).contains(&level) {
        true => None,
        false if max == 0 => Some(format!("{who} does not support this feature.")),
        false => Some(format!("{who} only supports versions {min}-{max}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::testing::Cluster;

    fn update(cluster: &mut Cluster, updates: &[(&str, i16, i8)]) -> String {
        let key = |(feature, max_version_level, upgrade_type): &(&str, i16, i8)| FeatureUpdateKey {
            feature: feature.to_string(),
            max_version_level: *max_version_level,
            upgrade_type: *upgrade_type,
            ..Default::default()
        };
        let request =
            UpdateFeaturesRequest { feature_updates: updates.iter().map(key).collect(), ..Default::default() };
        let response = cluster.run(|image, context| update_features(image, &request, context));
        let code = ErrorCode::from_code(response.error_code).unwrap();
        format!("{code} {}", response.error_message.unwrap_or_default())
    }

    #[test]
    fn the_current_levels_can_be_asked_for_again() {
        let mut cluster = Cluster::with_brokers(1);
        assert_eq!(update(&mut cluster, &[("metadata.version", 30, 1), ("transaction.version", 2, 1)]), "NONE ");
        assert_eq!(cluster.image.feature_level("metadata.version"), 30);
    }

    #[test]
    fn levels_that_somebody_does_not_support_are_refused() {
        let mut cluster = Cluster::with_brokers(1);
        for (feature, level, kind, reason) in [
            ("metadata.version", 29, 2, "Local controller 1 only supports versions 30-30"),
            ("share.version", 2, 1, "Local controller 1 only supports versions 0-1"),
            ("streams.version", 2, 1, "Local controller 1 only supports versions 0-1"),
            ("no.such.feature", 1, 1, "Local controller 1 does not support this feature."),
            ("transaction.version", -1, 1, "A feature version cannot be less than 0."),
            ("metadata.version", 30, 0, "The controller does not support the given upgrade type."),
        ] {
            assert_eq!(
                update(&mut cluster, &[(feature, level, kind)]),
                format!(
                    "INVALID_UPDATE_VERSION The update failed for all features since the following feature had an \
                     error: Invalid update version {level} for feature {feature}. {reason}"
                )
            );
        }
    }
}
