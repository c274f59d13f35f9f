//! Dashboards that people put together: panels with charts, numbers, states, rooms and walls; kept to oneself, or shared by role. What a panel shows is
//! read by whoever looks, within their own reach; here is only what it is of.

use serde::{Deserialize, Serialize};

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;

use crate::role::Role;

/// Most dashboards of one account, and of all.
pub const DASHBOARDS_OWN_MAX: usize = 50;
/// Most that are kept, of all accounts.
pub const DASHBOARDS_MAX: usize = 500;
/// Most panels of one: more fit no screen.
pub const PANELS_MAX: usize = 24;
/// Most devices of a panel.
pub const PANEL_DEVICES_MAX: usize = 12;
/// The widest panel, in quarters of the page.
pub const PANEL_WIDTH_MAX: u8 = 4;

/// What a panel shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PanelKind {
    /// A metric of devices over time.
    Chart,
    /// The newest number of a device.
    Number,
    /// How devices are.
    State,
    /// How all is in a room.
    Room,
    /// The video wall that a device drives.
    VideoWall,
    /// Incidents that are not over.
    Incidents,
}

impl PanelKind {
    /// All of them, in the order in which they are offered.
    pub const ALL: [Self; 6] = [Self::Chart, Self::Number, Self::State, Self::Room, Self::VideoWall, Self::Incidents];

    /// Its name in the store, the API and texts.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Chart => "chart",
            Self::Number => "number",
            Self::State => "state",
            Self::Room => "room",
            Self::VideoWall => "video_wall",
            Self::Incidents => "incidents",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// Whether it is of devices.
    #[must_use]
    pub const fn wants_devices(self) -> bool {
        match self {
            Self::Chart | Self::Number | Self::State | Self::VideoWall => true,
            Self::Room | Self::Incidents => false,
        }
    }

    /// Whether it is of a number.
    #[must_use]
    pub const fn wants_metric(self) -> bool {
        match self {
            Self::Chart | Self::Number => true,
            Self::State | Self::Room | Self::VideoWall | Self::Incidents => false,
        }
    }
}

/// One panel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Panel {
    /// What it shows.
    pub kind: PanelKind,
    /// What stands above it; empty for what it is of.
    pub title: String,
    /// The devices that it is of.
    pub devices: Vec<DeviceId>,
    /// The metric, or for a number the series by its whole name; empty where it is of none.
    pub metric: String,
    /// The room; empty where it is of none.
    pub room: String,
    /// Quarters of the page, 1 to 4.
    pub width: u8,
}

/// A dashboard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dashboard {
    /// Its number, from 1.
    pub number: u64,
    /// Counts up whenever it is saved, from 1.
    pub version: u64,
    /// What it is called.
    pub name: String,
    /// The account that keeps it.
    pub owner: String,
    /// The roles that see it, too; none while it is kept to oneself.
    pub roles: Vec<Role>,
    /// Its panels, in their order.
    pub panels: Vec<Panel>,
    /// Who saved it last.
    pub by: String,
    /// When that was.
    pub at: Timestamp,
}

impl Dashboard {
    /// Whether this account sees it.
    #[must_use]
    pub fn is_for(&self, account: &str, role: Role) -> bool {
        self.owner == account || self.roles.contains(&role)
    }
}
