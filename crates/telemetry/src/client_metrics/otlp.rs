//! Reading OTLP's `MetricsData` (OpenTelemetry's protobuf messages): gauges and sums of numbers.
//!
//! Only the fields that are needed are looked at; the others are skipped, so later versions of the messages are read as
//! well. Nothing is copied but names and labels, and those are cut to [`limits`](super::limits).

use super::limits::{LABELS_MAX, TEXT_BYTES_MAX};

/// Why bytes are no metrics.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the metrics are no OTLP MetricsData: {0}")]
pub struct OtlpError(&'static str);

/// One number.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// Name of the metric, as the client calls it.
    pub name: String,
    /// What the client says of the resource and of the point.
    pub labels: Vec<(String, String)>,
    /// The number.
    pub value: f64,
    /// Whether it is what was added since the point before, rather than the number itself.
    pub is_delta: bool,
}

/// A field's value, by wire type.
enum Value<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32,
}

/// The fields of one message, in order.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn next(&mut self) -> Result<Option<(u64, Value<'a>)>, OtlpError> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => {
                let len = usize::try_from(self.varint()?).map_err(|_| OtlpError("a length is too large"))?;
                Value::Bytes(self.take(len)?)
            }
            5 => {
                self.array::<4>()?;
                Value::Fixed32
            }
            _ => return Err(OtlpError("a field has an unknown wire type")),
        };
        Ok(Some((tag >> 3, value)))
    }

    fn varint(&mut self) -> Result<u64, OtlpError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array::<1>()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(OtlpError("a number is too long"))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], OtlpError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], OtlpError> {
        let (head, rest) = self.0.split_at_checked(len).ok_or(OtlpError("a field ends too late"))?;
        self.0 = rest;
        Ok(head)
    }
}

/// Calls `each` for every embedded message with this field number.
fn each_message<'a>(
    bytes: &'a [u8],
    number: u64,
    mut each: impl FnMut(&'a [u8]) -> Result<(), OtlpError>,
) -> Result<(), OtlpError> {
    let mut fields = Fields(bytes);
    while let Some((field, value)) = fields.next()? {
        if let Value::Bytes(bytes) = value
            && field == number
        {
            each(bytes)?;
        }
    }
    Ok(())
}

/// The gauges and sums in `bytes`, at most `points_max`; also how many others there are.
///
/// # Errors
/// When the bytes are no protobuf.
pub fn decode(bytes: &[u8], points_max: usize) -> Result<(Vec<Point>, u64), OtlpError> {
    let mut reading = Reading { points: Vec::new(), points_max, left_out: 0 };
    each_message(bytes, 1, |resource_metrics| {
        let mut labels = Vec::new();
        each_message(resource_metrics, 1, |resource| each_message(resource, 1, |pair| label(pair, &mut labels)))?;
        each_message(resource_metrics, 2, |scope_metrics| {
            each_message(scope_metrics, 2, |metric| reading.metric(metric, &labels))
        })
    })?;
    Ok((reading.points, reading.left_out))
}

struct Reading {
    points: Vec<Point>,
    points_max: usize,
    left_out: u64,
}

impl Reading {
    fn metric(&mut self, metric: &[u8], resource: &[(String, String)]) -> Result<(), OtlpError> {
        const GAUGE: u64 = 5;
        const SUM: u64 = 7;
        const DELTA: u64 = 1;
        let (mut name, mut data, mut fields) = (String::new(), None, Fields(metric));
        while let Some((field, value)) = fields.next()? {
            match (field, value) {
                (1, Value::Bytes(bytes)) => name = text(bytes),
                (GAUGE | SUM, Value::Bytes(bytes)) => data = Some(bytes),
                (9..=11, Value::Bytes(_)) => self.left_out += 1,
                _ => {}
            }
        }
        let Some(data) = data.filter(|_| !name.is_empty()) else { return Ok(()) };
        let (mut is_delta, mut points, mut fields) = (false, Vec::new(), Fields(data));
        while let Some((field, value)) = fields.next()? {
            match (field, value) {
                (1, Value::Bytes(point)) => points.push(point),
                (2, Value::Varint(temporality)) => is_delta = temporality == DELTA,
                _ => {}
            }
        }
        for point in points {
            if self.points.len() >= self.points_max {
                self.left_out += 1;
                continue;
            }
            let mut labels = resource.to_vec();
            match number(point, &mut labels)? {
                Some(value) => self.points.push(Point { name: name.clone(), labels, value, is_delta }),
                None => self.left_out += 1,
            }
        }
        Ok(())
    }
}

/// The number of a point; its labels are added to `labels`.
fn number(point: &[u8], labels: &mut Vec<(String, String)>) -> Result<Option<f64>, OtlpError> {
    let (mut number, mut fields) = (None, Fields(point));
    while let Some((field, value)) = fields.next()? {
        match (field, value) {
            (4, Value::Fixed64(bits)) => number = Some(f64::from_bits(bits)),
            (6, Value::Fixed64(bits)) => number = Some(bits.cast_signed() as f64),
            (7, Value::Bytes(pair)) => label(pair, labels)?,
            _ => {}
        }
    }
    Ok(number)
}

/// A key with its value, if that is a text, a number or a truth.
fn label(pair: &[u8], labels: &mut Vec<(String, String)>) -> Result<(), OtlpError> {
    let (mut key, mut told, mut fields) = (String::new(), None, Fields(pair));
    while let Some((field, value)) = fields.next()? {
        match (field, value) {
            (1, Value::Bytes(bytes)) => key = text(bytes),
            (2, Value::Bytes(bytes)) => told = any_value(bytes)?,
            _ => {}
        }
    }
    match told {
        Some(told) if !key.is_empty() && labels.len() < LABELS_MAX => labels.push((key, told)),
        _ => {}
    }
    Ok(())
}

fn any_value(bytes: &[u8]) -> Result<Option<String>, OtlpError> {
    let (mut told, mut fields) = (None, Fields(bytes));
    while let Some((field, value)) = fields.next()? {
        told = match (field, value) {
            (1, Value::Bytes(bytes)) => Some(text(bytes)),
            (2, Value::Varint(truth)) => Some((truth != 0).to_string()),
            (3, Value::Varint(bits)) => Some(bits.cast_signed().to_string()),
            (4, Value::Fixed64(bits)) => Some(f64::from_bits(bits).to_string()),
            _ => told,
        };
    }
    Ok(told)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(TEXT_BYTES_MAX)]).into_owned()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn varint(mut value: u64, out: &mut Vec<u8>) {
        while value >= 0x80 {
            out.push(value as u8 | 0x80);
            value >>= 7;
        }
        out.push(value as u8);
    }

    fn message(field: u64, content: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        varint(field << 3 | 2, &mut out);
        varint(content.len() as u64, &mut out);
        out.extend_from_slice(content);
        out
    }

    fn fixed64(field: u64, bits: u64) -> Vec<u8> {
        let mut out = Vec::new();
        varint(field << 3 | 1, &mut out);
        out.extend_from_slice(&bits.to_le_bytes());
        out
    }

    fn pair(key: &str, value: &str) -> Vec<u8> {
        [message(1, key.as_bytes()), message(2, &message(1, value.as_bytes()))].concat()
    }

    /// A push with one gauge and one sum of deltas.
    pub(in crate::client_metrics) fn push(gauge: f64, delta: i64) -> Vec<u8> {
        let point = [fixed64(4, gauge.to_bits()), message(7, &pair("node_id", "1"))].concat();
        let gauge = [message(1, b"org.apache.kafka.producer.latency.avg"), message(5, &message(1, &point))].concat();
        let point = fixed64(6, delta.cast_unsigned());
        let sum = [message(1, &point), vec![2 << 3, 1], vec![3 << 3, 1]].concat();
        let sum = [message(1, b"org.apache.kafka.producer.send.total"), message(7, &sum)].concat();
        let histogram = [message(1, b"h"), message(9, b"")].concat();
        let scope = [message(2, &gauge), message(2, &sum), message(2, &histogram)].concat();
        let resource = message(1, &pair("client_rack", "r1"));
        message(1, &[message(1, &resource), message(2, &scope)].concat())
    }

    #[test]
    fn gauges_and_sums_are_read() {
        let (points, left_out) = decode(&push(1.5, -7), 100).unwrap();
        let told: Vec<_> =
            points.iter().map(|p| format!("{} {:?} {} {}", p.name, p.labels, p.value, p.is_delta)).collect();
        assert_eq!(
            told,
            [
                r#"org.apache.kafka.producer.latency.avg [("client_rack", "r1"), ("node_id", "1")] 1.5 false"#,
                r#"org.apache.kafka.producer.send.total [("client_rack", "r1")] -7 true"#,
            ]
        );
        assert_eq!(left_out, 1);
        assert_eq!(decode(&push(1.0, 1), 1).unwrap().0.len(), 1);
    }

    #[test]
    fn broken_bytes_are_refused_wherever_they_end() {
        let whole = push(1.5, 7);
        for end in 1..whole.len() {
            assert!(decode(&whole[..end], 100).is_err(), "cut at {end}");
        }
        for bytes in [&b"hello"[..], &[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], &[7]] {
            assert!(decode(bytes, 100).is_err(), "{bytes:?}");
        }
        assert_eq!(decode(&[], 100).unwrap(), (Vec::new(), 0));
    }
}
