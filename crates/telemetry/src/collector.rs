//! Numbers that nobody keeps up to date: they are asked for when somebody looks.
//!
//! What has a label per group, topic or partition would be a series for ever if it were a handle. A [`Collector`] computes
//! such series for one look, as many as it allows, and they are gone afterwards.

use crate::{MetricInfo, MetricKind};
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use std::borrow::Cow;
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
    name: Cow<'static, str>,
    help: Cow<'static, str>,
    kind: MetricKind,
    series: Vec<Series>,
}

#[derive(Debug, Clone)]
struct Series {
    labels: Vec<(Cow<'static, str>, String)>,
    value: Value,
}

#[derive(Debug, Clone, Copy)]
enum Value {
    Whole(i64),
    Real(f64),
}

impl Family {
    /// No series yet. Only gauges and counters can be collected.
    pub fn new(info: &'static MetricInfo) -> Family {
        Family { name: info.name.into(), help: info.help.into(), kind: info.kind, series: Vec::new() }
    }

    /// No series yet, under a name that is not in our tables: what others measure. Gauges.
    pub fn of_others(name: String, help: String) -> Family {
        Family { name: name.into(), help: help.into(), kind: MetricKind::Gauge, series: Vec::new() }
    }

    /// Adds a series. No two may have the same labels.
    pub fn push(&mut self, labels: Vec<(&'static str, String)>, value: i64) {
        let labels = labels.into_iter().map(|(name, value)| (name.into(), value)).collect();
        self.series.push(Series { labels, value: Value::Whole(value) });
    }

    /// As [`Family::push`], with labels of others.
    pub fn push_real(&mut self, labels: Vec<(String, String)>, value: f64) {
        let labels = labels.into_iter().map(|(name, value)| (name.into(), value)).collect();
        self.series.push(Series { labels, value: Value::Real(value) });
    }

    /// With one series that has no label.
    #[must_use]
    pub fn of_value(info: &'static MetricInfo, value: i64) -> Family {
        let mut family = Family::new(info);
        family.push(Vec::new(), value);
        family
    }
}

impl Series {
    fn encode(&self, kind: MetricType, encoder: &mut MetricEncoder<'_>) -> fmt::Result {
        match (kind, self.value) {
            (MetricType::Counter, Value::Whole(value)) => {
                let value = u64::try_from(value).unwrap_or(0);
                encoder.encode_counter::<NoLabelSet, u64, u64>(&value, None)
            }
            (_, Value::Whole(value)) => encoder.encode_gauge(&value),
            (_, Value::Real(value)) => encoder.encode_gauge(&value),
        }
    }
}

/// What collectors found, on its way into the text.
#[derive(Debug)]
pub(crate) struct Collected(pub(crate) Vec<Family>);

impl prometheus_client::collector::Collector for Collected {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for family in &self.0 {
            let kind = match family.kind {
                MetricKind::Counter | MetricKind::RequestCounters => MetricType::Counter,
                MetricKind::Gauge | MetricKind::Histogram | MetricKind::ApiTimes => MetricType::Gauge,
            };
            let mut encoder = encoder.encode_descriptor(&family.name, &family.help, None, kind)?;
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
