//! The first entry of a new cluster.

use crate::features::{
    GROUP_VERSION, GROUP_VERSION_LEVEL, METADATA_VERSION, METADATA_VERSION_LEVEL, SHARE_VERSION, SHARE_VERSION_LEVEL,
    STREAMS_VERSION, STREAMS_VERSION_LEVEL, TRANSACTION_VERSION, TRANSACTION_VERSION_LEVEL,
};
use crate::image::records::{cluster_id_record, feature_level_record};
use crate::random::Random;
use crate::{DecideContext, Decision, MetadataImage};
use ottla_types::Uuid;

/// Gives the cluster its id and its features, if it has none yet. The reply is the id that it has then.
///
/// `wanted` is the id that the cluster shall have, for example one that a `meta.properties` names; otherwise it is
/// random.
pub fn bootstrap(image: &MetadataImage, wanted: Option<Uuid>, context: &DecideContext<'_>) -> Decision<Uuid> {
    if let Some(id) = image.cluster_id() {
        return Decision::none(id);
    }
    let id = wanted.unwrap_or_else(|| Random::new(context.random).uuid());
    let records = vec![
        cluster_id_record(id),
        feature_level_record(METADATA_VERSION, METADATA_VERSION_LEVEL),
        feature_level_record(GROUP_VERSION, GROUP_VERSION_LEVEL),
        feature_level_record(STREAMS_VERSION, STREAMS_VERSION_LEVEL),
        feature_level_record(SHARE_VERSION, SHARE_VERSION_LEVEL),
        feature_level_record(TRANSACTION_VERSION, TRANSACTION_VERSION_LEVEL),
    ];
    Decision::atomic(records, id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::testing::Cluster;

    #[test]
    fn a_new_cluster_gets_an_id_once() {
        let mut cluster = Cluster::unformed();
        let first = cluster.run(|image, context| bootstrap(image, None, context));
        assert_eq!(cluster.image.cluster_id(), Some(first));
        assert_eq!(cluster.image.feature_level(METADATA_VERSION), METADATA_VERSION_LEVEL);
        assert_eq!(cluster.image.feature_level(GROUP_VERSION), GROUP_VERSION_LEVEL);
        assert_eq!(cluster.image.feature_level(STREAMS_VERSION), STREAMS_VERSION_LEVEL);
        assert_eq!(cluster.image.feature_level(SHARE_VERSION), SHARE_VERSION_LEVEL);
        assert_eq!(cluster.image.feature_level(TRANSACTION_VERSION), TRANSACTION_VERSION_LEVEL);
        let again = cluster.decide(|image, context| bootstrap(image, Some(Uuid::METADATA_TOPIC), context));
        assert_eq!((again.entries.len(), again.response), (0, first));
    }
}
