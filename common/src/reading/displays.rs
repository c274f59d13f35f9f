//! Displays on a controller, compared with the wall as it should be.

use serde::{Deserialize, Serialize};

use super::probe_info::HOUR_S;
use super::{Findings, ProbeInfo, Sink};
use crate::clock::Timestamp;

/// Every connector, and what differs from the expected wall.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Displays {
    /// Outputs of the graphics cards, with a display or without one, by name.
    pub connectors: Vec<Connector>,
    /// Whether an expected wall is configured.
    pub wall_configured: bool,
    /// The connectors of the expected wall, row by row from the upper left.
    pub wall: Vec<String>,
    /// How many of them hang beside each other; 0 where nobody said.
    pub columns: u32,
    /// What differs from it.
    pub differences: Vec<Difference>,
    /// Outputs whose display did not tell what it is, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
}

/// One connector.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Connector {
    /// Name without the card where that is unique: `DP-1`; else `card1-DP-1`.
    pub name: String,
    /// Something is plugged in; none where the driver cannot tell.
    pub connected: Option<bool>,
    /// It is driven with a picture.
    pub enabled: Option<bool>,
    /// Power state: `On`, `Standby`, `Suspend`, `Off`.
    pub power: String,
    /// Mode in use, or the first of its list where the kernel does not tell: `1920x1080`.
    pub mode: String,
    /// The panel, by its EDID.
    pub panel: Option<Panel>,
}

impl Connector {
    /// Whether this name means it, with the card or without.
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
        self.name == name || self.name.strip_suffix(name).is_some_and(|before| before.ends_with('-'))
    }
}

/// A panel, as its EDID tells (VESA E-EDID 1.4).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Panel {
    /// Three letters of the maker (PNP ID).
    pub maker: String,
    /// Name of the model from its EDID.
    pub model: String,
    /// Serial number.
    pub serial: String,
    /// Width and height of the picture, millimetres; 0 for a projector.
    pub width_mm: u32,
    /// Height of the panel, millimetres; 0 when it is not known.
    pub height_mm: u32,
    /// Native mode.
    pub native: String,
    /// Year of making.
    pub year: u32,
}

/// One difference from the expected wall.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Difference {
    /// On which connector.
    pub connector: String,
    /// `missing`, `extra`, `swapped`, `mode`, `off`.
    pub kind: String,
    /// What the configuration expects there.
    pub expected: String,
    /// What is connected instead; empty for nothing.
    pub found: String,
}

impl Findings for Displays {
    const PROBE: ProbeInfo = ProbeInfo::survey("displays", HOUR_S, &["display."])
        .members(&[("/connectors", &["name"]), ("/differences", &["connector", "kind"])]);

    fn numbers(&self, _: Timestamp, sink: &mut dyn Sink) {
        let connected = self.connectors.iter().filter(|one| one.connected == Some(true)).count();
        sink.put("display.connected", "", connected as f64);
        for (kind, metric) in [
            ("missing", "display.missing"),
            ("extra", "display.extra"),
            ("swapped", "display.swapped"),
            ("mode", "display.wrong_mode"),
            ("off", "display.off"),
        ] {
            let count = self.differences.iter().filter(|difference| difference.kind == kind).count() as f64;
            sink.put(metric, "", if self.wall_configured { count } else { f64::NAN });
        }
    }
}
