//! Ranges of versions, as the schemas write them.

use anyhow::{Context, Result};

/// A closed range of versions; empty when `low > high`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Versions {
    pub(crate) low: i16,
    pub(crate) high: i16,
}

impl Versions {
    pub(crate) const NONE: Versions = Versions { low: 0, high: -1 };

    /// Parses `none`, `3`, `3-5` or `3+`.
    pub(super) fn parse(text: &str) -> Result<Versions> {
        let number = |text: &str| text.trim().parse::<i16>().with_context(|| format!("bad version '{text}'"));
        match text {
            "none" => Ok(Versions::NONE),
            open if open.ends_with('+') => Ok(Versions { low: number(&open[..open.len() - 1])?, high: i16::MAX }),
            range if range.contains('-') => {
                let (low, high) = range.split_once('-').context("a range")?;
                Ok(Versions { low: number(low)?, high: number(high)? })
            }
            one => Ok(Versions { low: number(one)?, high: number(one)? }),
        }
    }

    pub(crate) fn is_empty(self) -> bool {
        self.low > self.high
    }

    pub(crate) fn contains(self, version: i16) -> bool {
        self.low <= version && version <= self.high
    }

    pub(crate) fn intersect(self, other: Versions) -> Versions {
        Versions { low: self.low.max(other.low), high: self.high.min(other.high) }
    }

    /// What is left below and above `other`.
    pub(crate) fn subtract(self, other: Versions) -> Vec<Versions> {
        let common = self.intersect(other);
        if common.is_empty() {
            return if self.is_empty() { vec![] } else { vec![self] };
        }
        let below = Versions { low: self.low, high: common.low - 1 };
        let above = Versions { low: common.high.saturating_add(1), high: self.high };
        let above = if common.high == i16::MAX { Versions::NONE } else { above };
        [below, above].into_iter().filter(|range| !range.is_empty()).collect()
    }
}

impl std::fmt::Display for Versions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.low, self.high) {
            _ if self.is_empty() => f.write_str("none"),
            (low, i16::MAX) => write!(f, "{low}+"),
            (low, high) if low == high => write!(f, "{low}"),
            (low, high) => write!(f, "{low}-{high}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_parse_and_subtract() {
        let open = Versions::parse("3+").unwrap();
        assert_eq!(open.to_string(), "3+");
        let all = Versions::parse("0-9").unwrap();
        assert_eq!(all.subtract(open), vec![Versions { low: 0, high: 2 }]);
        assert_eq!(all.subtract(Versions::parse("2-4").unwrap()).len(), 2);
        assert!(Versions::parse("none").unwrap().is_empty());
        assert!(Versions::parse("x").is_err());
    }
}
