//! `[prometheus]`: what is said of each device beside its identifier.

use serde::Deserialize;

use ioc_judge::DeviceInfo;

/// What Prometheus may be told of a device; each is a label of all its series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExposedLabel {
    /// The name that people gave the device.
    Name,
    /// Room, and rack behind a slash.
    Place,
    /// The asset label.
    Label,
    /// The kind of device.
    Kind,
}

impl ExposedLabel {
    /// Its value for a device.
    #[must_use]
    pub fn of(self, device: &DeviceInfo) -> &str {
        match self {
            Self::Name => &device.name,
            Self::Place => &device.place,
            Self::Label => &device.label,
            Self::Kind => device.kind.as_str(),
        }
    }

    /// The label's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Place => "place",
            Self::Label => "label",
            Self::Kind => "kind",
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PrometheusForm {
    pub(super) labels: Vec<ExposedLabel>,
}
