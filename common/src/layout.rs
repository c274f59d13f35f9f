//! The layout of a device's samples: which series stands at which place.
//!
//! A sample is a plain array of numbers; their names are sent once, in a layout, and again only when they change. That is
//! what keeps 150 numbers within 1.5 kB on the wire.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Most series one layout may name (bounds memory per device).
pub const LAYOUT_MAX_SERIES: usize = 4096;
/// Longest series name in bytes: metric, `|`, subject.
pub const SERIES_MAX_BYTES: usize = 200;

/// A series name: a metric of the catalogue, and a subject where one device has several (`fs.used_pct|/var`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Series(Box<str>);

impl Series {
    /// Builds a name of metric and subject; an empty subject means the device as a whole.
    #[must_use]
    pub fn new(metric: &str, subject: &str) -> Self {
        if subject.is_empty() { Self(metric.into()) } else { Self(format!("{metric}|{subject}").into()) }
    }

    /// Metric and subject as on the wire: `fs.used_pct|/var`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The metric's name in the catalogue.
    #[must_use]
    pub fn metric(&self) -> &str {
        self.0.split_once('|').map_or(&*self.0, |(metric, _)| metric)
    }

    /// The subject, or an empty text.
    #[must_use]
    pub fn subject(&self) -> &str {
        self.0.split_once('|').map_or("", |(_, subject)| subject)
    }

    /// Whether this is the name that `new(metric, subject)` would build; compares without allocating.
    #[must_use]
    pub fn is(&self, metric: &str, subject: &str) -> bool {
        let name = &*self.0;
        match name.strip_prefix(metric) {
            Some("") => subject.is_empty(),
            Some(rest) => !subject.is_empty() && rest.strip_prefix('|') == Some(subject),
            None => false,
        }
    }
}

/// A layout's identifier: a hash of its series, so that equal layouts have equal identifiers on every host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LayoutId(pub u64);

impl LayoutId {
    /// The identifier of a layout with these series: the first 48 bits of SHA-256 over the names, one a line.
    #[must_use]
    pub fn of(series: &[Series]) -> Self {
        let mut context = ring::digest::Context::new(&ring::digest::SHA256);
        for one in series {
            context.update(one.as_str().as_bytes());
            context.update(b"\n");
        }
        let digest = context.finish();
        let mut bytes = [0_u8; 8];
        bytes[2..].copy_from_slice(&digest.as_ref()[..6]);
        Self(u64::from_be_bytes(bytes))
    }
}

impl fmt::Display for LayoutId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:012x}", self.0)
    }
}

impl Serialize for LayoutId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LayoutId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Hex;
        impl serde::de::Visitor<'_> for Hex {
            type Value = LayoutId;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("twelve hex digits")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<LayoutId, E> {
                let hex = text.len() == 12 && text.bytes().all(|b| b.is_ascii_hexdigit());
                let value = if hex { u64::from_str_radix(text, 16).ok() } else { None };
                value.map(LayoutId).ok_or_else(|| E::custom("layout is not twelve hex digits"))
            }
        }
        deserializer.deserialize_str(Hex)
    }
}

/// The series of a device's samples, in order. Clones share them: whoever knows a layout holds on to it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Vec<Series>")]
pub struct Layout {
    id: LayoutId,
    series: Arc<[Series]>,
}

impl Layout {
    /// A layout of these series.
    ///
    /// # Errors
    /// [`LayoutError`] when there are too many series, a name is too long, empty, holds a control character, or stands twice.
    pub fn new(series: Vec<Series>) -> Result<Self, LayoutError> {
        if series.len() > LAYOUT_MAX_SERIES {
            return Err(LayoutError::TooMany { found: series.len() });
        }
        let mut seen = std::collections::HashSet::with_capacity(series.len());
        for one in &series {
            let name = one.as_str();
            if name.is_empty() || name.len() > SERIES_MAX_BYTES || name.chars().any(char::is_control) {
                return Err(LayoutError::Name { found: name.chars().take(80).collect() });
            }
            if !seen.insert(name) {
                return Err(LayoutError::Twice { found: name.to_owned() });
            }
        }
        Ok(Self { id: LayoutId::of(&series), series: series.into() })
    }

    /// The hash of its series, by which samples name it.
    #[must_use]
    pub const fn id(&self) -> LayoutId {
        self.id
    }

    /// The series, in the order of a sample's numbers.
    #[must_use]
    pub fn series(&self) -> &[Series] {
        &self.series
    }
}

impl TryFrom<Vec<Series>> for Layout {
    type Error = LayoutError;
    fn try_from(series: Vec<Series>) -> Result<Self, LayoutError> {
        Self::new(series)
    }
}

impl Serialize for Layout {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.series())
    }
}

/// A layout that is not allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// Too many series.
    #[error("layout names {found} series; allowed are {LAYOUT_MAX_SERIES}")]
    TooMany {
        /// How many there are.
        found: usize,
    },
    /// A name that is not allowed.
    #[error("layout names a series {found:?}; allowed are 1 to {SERIES_MAX_BYTES} bytes without control characters")]
    Name {
        /// The name, cut to 80 characters.
        found: String,
    },
    /// A name that stands twice.
    #[error("layout names the series {found:?} twice")]
    Twice {
        /// The name that stands a second time.
        found: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_know_their_parts_without_allocating() {
        let root = Series::new("fs.used_pct", "/");
        assert_eq!((root.metric(), root.subject()), ("fs.used_pct", "/"));
        assert!(root.is("fs.used_pct", "/") && !root.is("fs.used_pct", "") && !root.is("fs.used", "_pct|/"));
        let load = Series::new("load.1", "");
        assert!(load.is("load.1", "") && !load.is("load", ".1") && !load.is("load.15", ""));
    }

    #[test]
    fn equal_series_give_equal_identifiers() {
        let series = || vec![Series::new("load.1", ""), Series::new("fs.used_pct", "/")];
        let layout = Layout::new(series()).expect("allowed");
        assert_eq!(layout.id(), LayoutId::of(&series()));
        assert_eq!(layout.id().to_string().len(), 12);
        assert!(Layout::new(vec![Series::new("a", ""), Series::new("a", "")]).is_err());
    }
}
