//! Numbers that nobody keeps up to date: they are asked for when somebody looks.
//!
//! What has a label per group, topic or partition would be a series for ever if it were a handle. A [`Collector`] computes
//! such series for one look, as many as it allows, and they are gone afterwards.

use crate::{MetricInfo, MetricKind};
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use std::fmt;
use std::pin::Pin;

/// Computes series when somebody looks. It bounds their number and the time it takes by itself.
pub trait Collector: Send + Sync + 'static {
    /// The series of now.
    fn collect(&self) -> Pin<Box<dyn Future<Output = Vec<Family>> + Send + '_>>;
}

/// All series of one name.
#[derive(Debug, Clone)]
pub struct Family {
    info: &'static MetricInfo,
    series: Vec<Series>,
}

#[derive(Debug, Clone)]
struct Series {
    labels: Vec<(&'static str, String)>,
    value: i64,
}

impl Family {
    /// No series yet. Only gauges and counters can be collected.
    pub fn new(info: &'static MetricInfo) -> Family {
        Family { info, series: Vec::new() }
    }

    /// Adds a series. No two may have the same labels.
    pub fn push(&mut self, labels: Vec<(&'static str, String)>, value: i64) {
        self.series.push(Series { labels, value });
    }

    /// With one series that has no label.
    #[must_use]
    pub fn of_value(info: &'static MetricInfo, value: i64) -> Family {
        Family { info, series: vec![Series { labels: Vec::new(), value }] }
    }
}

impl Series {
    fn encode(&self, kind: MetricType, encoder: &mut MetricEncoder<'_>) -> fmt::Result {
        match kind {
            MetricType::Counter => {
                let value = u64::try_from(self.value).unwrap_or(0);
                encoder.encode_counter::<NoLabelSet, u64, u64>(&value, None)
            }
            _ => encoder.encode_gauge(&self.value),
        }
    }
}

/// What collectors found, on its way into the text.
#[derive(Debug)]
pub(crate) struct Collected(pub(crate) Vec<Family>);

impl prometheus_client::collector::Collector for Collected {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for family in &self.0 {
            let kind = match family.info.kind {
                MetricKind::Counter | MetricKind::RequestCounters => MetricType::Counter,
                MetricKind::Gauge | MetricKind::Histogram | MetricKind::ApiTimes => MetricType::Gauge,
            };
            let mut encoder = encoder.encode_descriptor(family.info.name, family.info.help, None, kind)?;
            for series in &family.series {
                match series.labels.is_empty() {
                    true => series.encode(kind, &mut encoder)?,
                    false => series.encode(kind, &mut encoder.encode_family(&series.labels)?)?,
                }
            }
        }
        Ok(())
    }
}
