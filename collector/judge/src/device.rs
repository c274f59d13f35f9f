//! What people say of a device. What the judge knows of it while it runs is [`crate::Device`].

use serde::{Deserialize, Serialize};

use ioc_common::id::DeviceId;

/// What sort of machine a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceKind {
    /// A server (*máy chủ*).
    Server,
    /// A workstation (*máy trạm*).
    Workstation,
    /// A video-wall display controller (*bộ điều khiển màn hình*).
    Display,
    /// A sensor of temperature, smoke, water, doors (*cảm biến*).
    Sensor,
    /// An uninterruptible power supply (*bộ lưu điện*).
    Ups,
    /// A power meter (*đồng hồ điện*).
    Meter,
    /// An air conditioner or its controller (*điều hoà*).
    Cooling,
    /// A projector or a panel that is controlled over the network (*máy chiếu*).
    Projector,
    /// Anything else, such as a switch or a camera.
    Other,
}

impl DeviceKind {
    /// In the order in which people choose among them.
    pub const ALL: [Self; 9] = [
        Self::Server,
        Self::Workstation,
        Self::Display,
        Self::Sensor,
        Self::Ups,
        Self::Meter,
        Self::Cooling,
        Self::Projector,
        Self::Other,
    ];

    /// The name used in configuration, API and database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Workstation => "workstation",
            Self::Display => "display",
            Self::Sensor => "sensor",
            Self::Ups => "ups",
            Self::Meter => "meter",
            Self::Cooling => "cooling",
            Self::Projector => "projector",
            Self::Other => "other",
        }
    }

    /// The kind with this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// How many uplinks above each other there may be.
pub const UPLINK_DEPTH_MAX: usize = 8;

/// What people say of a device (article 6.1): it is named and labelled, and someone is responsible for it.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceInfo {
    pub id: DeviceId,
    pub kind: DeviceKind,
    /// What people call it.
    pub name: String,
    /// The asset label that stands on it; may be empty.
    #[serde(default)]
    pub label: String,
    /// Where it stands: room, and rack behind a slash; may be empty.
    #[serde(default)]
    pub place: String,
    /// Who looks after it; may be empty.
    #[serde(default)]
    pub officer: String,
    /// Who answers for it; may be empty.
    #[serde(default)]
    pub leader: String,
    /// The device that speaks for it, when it is a sensor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<DeviceId>,
    /// The device that its network goes through. When that is down, this one is listed in its incident and pages nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uplink: Option<DeviceId>,
    /// Devices with the same name here can stand in for each other: while one is down, work on another is warned of (article 11).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub redundancy: String,
    /// How much depends on it.
    #[serde(default)]
    pub importance: Importance,
    /// Groups it belongs to: what rules, windows and routes can name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Address at which the collector asks whether it is there, where no agent tells.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub address: String,
    /// Serial number of the machine, as the asset register has it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub serial: String,
    /// Network address of the machine (MAC), lower case with colons.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub mac: String,
}

impl DeviceInfo {
    /// Whether it is a machine that people use or that serves them, and that speaks for itself.
    #[must_use]
    pub const fn is_computer(&self) -> bool {
        matches!(self.kind, DeviceKind::Server | DeviceKind::Workstation | DeviceKind::Display) && self.parent.is_none()
    }

    /// A device of which nothing is said but its name and kind.
    #[must_use]
    pub fn new(id: DeviceId, kind: DeviceKind, name: impl Into<String>) -> Self {
        Self {
            id,
            kind,
            name: name.into(),
            label: String::new(),
            place: String::new(),
            officer: String::new(),
            leader: String::new(),
            parent: None,
            uplink: None,
            redundancy: String::new(),
            importance: Importance::Normal,
            tags: Vec::new(),
            address: String::new(),
            serial: String::new(),
            mac: String::new(),
        }
    }
}

/// How much depends on a device. With a fault's severity it makes an incident's priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Importance {
    /// Others take over, or nobody waits for it.
    Low,
    /// As much as on most.
    #[default]
    Normal,
    /// The centre cannot work without it.
    High,
}

impl Importance {
    /// From the least to the most.
    pub const ALL: [Self; 3] = [Self::Low, Self::Normal, Self::High];

    /// The name used in configuration, API and pages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
        }
    }

    /// The importance with this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }
}
