//! Devices: what people say of them, whether they are heard, and how they stand with their settings.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_common::report::{GoodbyeReason, Position};
use ioc_store::inventory::DeviceRecord;

use super::authenticity::Authenticity;
use super::{names, or_empty};

names! {
    /// What sort of machine a device is.
    DeviceKind is ioc_judge::DeviceKind {
        /// A server (*máy chủ*).
        Server = "server",
        /// A workstation (*máy trạm*).
        Workstation = "workstation",
        /// A video-wall display controller (*bộ điều khiển màn hình*).
        Display = "display",
        /// A sensor of temperature, smoke, water, doors (*cảm biến*).
        Sensor = "sensor",
        /// An uninterruptible power supply (*bộ lưu điện*).
        Ups = "ups",
        /// A power meter (*đồng hồ điện*).
        Meter = "meter",
        /// An air conditioner or its controller (*điều hoà*).
        Cooling = "cooling",
        /// A projector or a panel that is controlled over the network (*máy chiếu*).
        Projector = "projector",
        /// Any other machine.
        Other = "other",
    }
}

names! {
    /// How much depends on a device. With a fault's severity it makes an incident's priority.
    Importance is ioc_judge::Importance {
        /// Others take over, or nobody waits for it.
        Low = "low",
        /// As much as on most devices.
        Normal = "normal",
        /// The centre cannot work without it.
        High = "high",
    }
}

/// What people say of a device (article 6.1): it is named and labelled, and someone is responsible for it.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct DeviceInfo {
    /// Identifier in the inventory and in topics.
    pub(crate) id: DeviceId,
    /// What sort of machine it is.
    kind: DeviceKind,
    /// Name, for people.
    name: String,
    /// Asset label, as it stands on the machine.
    label: String,
    /// Where it stands: room, and rack behind a slash.
    place: String,
    /// Name of the responsible officer.
    officer: String,
    /// Name of the responsible leader.
    leader: String,
    /// The device that speaks for it, when it is a sensor.
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<DeviceId>,
    /// The device that its network goes through. When that is down, this one is listed in its incident and pages nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    uplink: Option<DeviceId>,
    /// Devices with the same name here can stand in for each other: while one is down, work on another is warned of (article 11).
    #[serde(skip_serializing_if = "String::is_empty")]
    redundancy: String,
    /// How much depends on it.
    importance: Importance,
    /// Groups it belongs to: what rules, windows and routes can name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    /// Address at which the collector asks whether it is there, where no agent tells.
    #[serde(skip_serializing_if = "String::is_empty")]
    address: String,
    /// Serial number of the machine, as the asset register has it.
    #[serde(skip_serializing_if = "String::is_empty")]
    serial: String,
    /// Network address of the machine (MAC), lower case with colons.
    #[serde(skip_serializing_if = "String::is_empty")]
    mac: String,
}

impl From<ioc_judge::DeviceInfo> for DeviceInfo {
    fn from(inside: ioc_judge::DeviceInfo) -> Self {
        Self {
            id: inside.id,
            kind: inside.kind.into(),
            name: inside.name,
            label: inside.label,
            place: inside.place,
            officer: inside.officer,
            leader: inside.leader,
            parent: inside.parent,
            uplink: inside.uplink,
            redundancy: inside.redundancy,
            importance: inside.importance.into(),
            tags: inside.tags,
            address: inside.address,
            serial: inside.serial,
            mac: inside.mac,
        }
    }
}

/// Whether a device is heard, and since when.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub(crate) enum Presence {
    /// Enrolled, not yet heard.
    NeverSeen,
    /// It is connected and heard.
    Live {
        /// Since when without a break.
        since: Timestamp,
    },
    /// Said goodbye and means to return.
    Away {
        /// When it left.
        since: Timestamp,
        /// By when it means to be back.
        until: Timestamp,
        /// Why it left.
        reason: GoodbyeReason,
    },
    /// The link is broken; it may come back within `until`.
    Suspect {
        /// When the link broke.
        since: Timestamp,
        /// When it will be judged.
        until: Timestamp,
        /// The host itself has been asked.
        probing: bool,
    },
    /// Not heard any more.
    Silent {
        /// When the link broke.
        since: Timestamp,
        /// What the second probe found.
        host: HostAnswer,
    },
}

impl From<ioc_judge::Presence> for Presence {
    fn from(inside: ioc_judge::Presence) -> Self {
        use ioc_judge::Presence as Inside;
        match inside {
            Inside::NeverSeen => Self::NeverSeen,
            Inside::Live { since } => Self::Live { since },
            Inside::Away { since, until, reason } => Self::Away { since, until, reason },
            Inside::Suspect { since, until, probing } => Self::Suspect { since, until, probing },
            Inside::Silent { since, host } => Self::Silent { since, host: host.into() },
        }
    }
}

names! {
    /// What the host itself answered when its agent was gone.
    HostAnswer is ioc_judge::HostAnswer {
        /// The host answers: the agent is lost, not the machine.
        Yes = "yes",
        /// The host does not answer either.
        No = "no",
        /// It could not be asked.
        Unknown = "unknown",
    }
}

/// How a device stands, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DeviceState {
    /// Heard, and reporting.
    Live,
    /// The link is broken, and the host itself is being asked.
    Suspect,
    /// The link stands, but no sample has come for three intervals.
    Stale,
    /// Not heard any more.
    Silent,
    /// Not heard any more, and the host does not answer either.
    HostDown,
    /// Said goodbye and means to return.
    Away,
    /// Enrolled, not yet heard.
    NeverSeen,
}

impl From<ioc_judge::PresenceState> for DeviceState {
    /// Presence alone does not say whether samples stay away.
    fn from(presence: ioc_judge::PresenceState) -> Self {
        use ioc_judge::PresenceState as Inside;
        match presence {
            Inside::NeverSeen => Self::NeverSeen,
            Inside::Live => Self::Live,
            Inside::Away => Self::Away,
            Inside::Suspect => Self::Suspect,
            Inside::HostDown => Self::HostDown,
            Inside::Silent => Self::Silent,
        }
    }
}

impl DeviceState {
    /// The name used in the API and in keys of texts.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Suspect => "suspect",
            Self::Stale => "stale",
            Self::Silent => "silent",
            Self::HostDown => "host_down",
            Self::Away => "away",
            Self::NeverSeen => "never_seen",
        }
    }

    /// How a device stands at `now`.
    pub(crate) fn of(record: &DeviceRecord, now: Timestamp) -> Self {
        match Self::from(record.presence.state()) {
            Self::Live if record.is_stale(now) => Self::Stale,
            state => state,
        }
    }
}

/// Whether a device is heard and reporting at `now`.
pub(crate) fn is_live(record: &DeviceRecord, now: Timestamp) -> bool {
    DeviceState::of(record, now) == DeviceState::Live
}

/// A device with its state and newest numbers.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct DeviceItem {
    /// What people say of it.
    #[serde(flatten)]
    pub(crate) info: DeviceInfo,
    /// When it was enrolled.
    enrolled_at: Timestamp,
    /// When its right to report was revoked; none while it has it.
    revoked_at: Option<Timestamp>,
    /// Whether it is heard.
    presence: Presence,
    /// Place of the last report that is committed, with all before it.
    watermark: Position,
    /// Boot ID of its last hello; empty before the first.
    boot_id: String,
    /// Hardware fingerprint of its last hello, hex; empty before the first.
    fingerprint: String,
    /// Seconds between samples.
    interval_s: u32,
    /// MQTT keep-alive, seconds.
    keep_alive_s: u16,
    /// When anything was last received from it.
    last_heard: Option<Timestamp>,
    /// When its newest sample was taken.
    last_sample: Option<Timestamp>,
    /// Clock error, milliseconds with sign.
    clock_error_ms: Option<i64>,
    /// How many of its reports were lost in all.
    reports_lost: u64,
    /// How it stands, in one word.
    state: DeviceState,
    /// How far its newest numbers can be believed: they come together, so this holds for each of `values` that is not null, which is not
    /// known.
    authenticity: Authenticity,
    /// Its newest numbers by series.
    values: BTreeMap<String, Option<f64>>,
}

impl DeviceItem {
    /// Whether any of its numbers is of an account.
    pub(crate) fn names_people(&self) -> bool {
        self.values.keys().any(|series| ioc_common::metric::is_series_of_person(series))
    }

    /// A device as it stands at `now`, with its newest numbers.
    pub(crate) fn new(
        record: DeviceRecord,
        values: BTreeMap<String, Option<f64>>,
        now: Timestamp,
        collector_clock_doubted: bool,
    ) -> Self {
        Self {
            authenticity: record.authenticity(now, collector_clock_doubted).into(),
            state: DeviceState::of(&record, now),
            values,
            info: record.info.into(),
            enrolled_at: record.enrolled_at,
            revoked_at: record.revoked_at,
            presence: record.presence.into(),
            watermark: record.watermark,
            boot_id: record.boot_id,
            fingerprint: record.fingerprint,
            interval_s: record.interval_s,
            keep_alive_s: record.keep_alive_s,
            last_heard: record.last_heard,
            last_sample: record.last_sample,
            clock_error_ms: record.clock_error_ms,
            reports_lost: record.reports_lost,
        }
    }
}

/// What a person says of a device, field by field.
#[derive(Debug, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct NewDevice {
    /// Identifier; made up when empty.
    pub(crate) device: String,
    /// What sort of machine it is; a device needs one.
    #[serde(with = "or_empty")]
    #[schemars(schema_with = "or_empty::schema::<DeviceKind>")]
    kind: Option<DeviceKind>,
    /// Name, for people.
    name: String,
    /// Asset label, as it stands on the machine.
    label: String,
    /// Where it stands: room, and rack behind a slash.
    place: String,
    /// Name of the responsible officer.
    officer: String,
    /// Name of the responsible leader.
    leader: String,
    /// The device that its network goes through.
    uplink: String,
    /// Devices with the same name here can stand in for each other.
    redundancy: String,
    /// How much depends on it; normal when empty.
    #[serde(with = "or_empty")]
    #[schemars(schema_with = "or_empty::schema::<Importance>")]
    importance: Option<Importance>,
    /// Groups it belongs to.
    tags: Vec<String>,
    /// Address at which the collector asks whether it is there.
    address: String,
    /// Serial number of the machine: how it is known when it enrols.
    serial: String,
    /// Network address of the machine (MAC): by it, too, it is known when it enrols.
    mac: String,
}

impl From<NewDevice> for ioc_store::NewDevice {
    fn from(published: NewDevice) -> Self {
        let kind = published.kind.map(ioc_judge::DeviceKind::from);
        let importance = published.importance.map(ioc_judge::Importance::from);
        Self {
            device: published.device,
            kind: kind.map(|kind| kind.as_str().to_owned()).unwrap_or_default(),
            name: published.name,
            label: published.label,
            place: published.place,
            officer: published.officer,
            leader: published.leader,
            uplink: published.uplink,
            redundancy: published.redundancy,
            importance: importance.map(|importance| importance.as_str().to_owned()).unwrap_or_default(),
            tags: published.tags,
            address: published.address,
            serial: published.serial,
            mac: published.mac,
        }
    }
}

impl From<ioc_store::NewDevice> for NewDevice {
    fn from(inside: ioc_store::NewDevice) -> Self {
        Self {
            kind: ioc_judge::DeviceKind::parse(&inside.kind).map(DeviceKind::from),
            importance: ioc_judge::Importance::parse(&inside.importance).map(Importance::from),
            device: inside.device,
            name: inside.name,
            label: inside.label,
            place: inside.place,
            officer: inside.officer,
            leader: inside.leader,
            uplink: inside.uplink,
            redundancy: inside.redundancy,
            tags: inside.tags,
            address: inside.address,
            serial: inside.serial,
            mac: inside.mac,
        }
    }
}

/// A piece of software as the API names it.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct SoftwareItem {
    /// Package manager or list that it was found in.
    source: String,
    /// Its name there.
    name: String,
    /// Installed version; empty when it is not known.
    version: String,
    /// Who publishes it; empty when it is not known.
    publisher: String,
    /// Its licence, as the source writes it; empty when it is not known.
    licence: String,
    /// Where it is installed; empty when it is not known.
    place: String,
    /// Day on which it was installed; empty when it is not known.
    installed_on: String,
}

impl From<ioc_common::software::Item> for SoftwareItem {
    fn from(inside: ioc_common::software::Item) -> Self {
        let ioc_common::software::Item { source, name, version, publisher, licence, place, installed_on } = inside;
        Self { source, name, version, publisher, licence, place, installed_on }
    }
}

names! {
    /// How it stands with a device's settings.
    SettingsState is ioc_engine::config::SettingsState {
        /// It is given none, and has none.
        None = "none",
        /// They are in use.
        Applied = "applied",
        /// They are not yet with it.
        Waiting = "waiting",
        /// It refused them.
        Refused = "refused",
    }
}
