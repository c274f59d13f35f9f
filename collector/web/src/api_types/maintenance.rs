//! Maintenance windows, for which devices they are, and who stands in on a rota.

use serde::{Deserialize, Serialize};

use ioc_common::clock::Timestamp;
use ioc_judge::maintenance as inside;

use super::all;
use super::device::DeviceKind;

/// Whom something is for: a rule, a maintenance window, a route. An empty list means everyone; of lists that are not empty, each
/// must name the device.
#[derive(Debug, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Scope {
    /// Kinds of device, any of which.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    kinds: Vec<DeviceKind>,
    /// Identifiers of devices, any of which.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    devices: Vec<String>,
    /// Rooms, or racks behind a slash, any of which.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    places: Vec<String>,
    /// Groups, any of which.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
}

impl From<ioc_judge::Scope> for Scope {
    fn from(inside: ioc_judge::Scope) -> Self {
        Self { kinds: all(inside.kinds), devices: inside.devices, places: inside.places, tags: inside.tags }
    }
}

impl From<Scope> for ioc_judge::Scope {
    fn from(published: Scope) -> Self {
        Self { kinds: all(published.kinds), devices: published.devices, places: published.places, tags: published.tags }
    }
}

/// A maintenance window, or a freeze: a time at which no maintenance may be planned.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Window {
    /// Number of the window, counted upwards.
    id: u64,
    /// What is done.
    title: String,
    /// On which devices. A freeze is for all.
    scope: Scope,
    /// When it is open.
    when: When,
    /// An event at the centre: no maintenance meanwhile.
    freeze: bool,
    /// Who planned it.
    who: String,
    /// Warnings that were overruled when it was planned.
    overruled: Vec<String>,
}

impl From<inside::Window> for Window {
    fn from(inside: inside::Window) -> Self {
        Self {
            id: inside.id,
            title: inside.title,
            scope: inside.scope.into(),
            when: inside.when.into(),
            freeze: inside.freeze,
            who: inside.who,
            overruled: inside.overruled,
        }
    }
}

/// When a window is open.
#[derive(Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(crate) enum When {
    /// One time.
    Once {
        /// When it opens.
        from: Timestamp,
        /// When it closes.
        until: Timestamp,
    },
    /// On the same days of every week.
    Weekly {
        /// On which days, 1 Monday to 7 Sunday.
        days: Vec<i8>,
        /// From which local time, `HH:MM`.
        at: String,
        /// For how many minutes.
        minutes: i64,
        /// In which zone, an IANA name.
        zone: String,
        /// The first moment at which it may be open.
        from: Timestamp,
    },
}

impl From<inside::WindowSchedule> for When {
    fn from(inside: inside::WindowSchedule) -> Self {
        use inside::WindowSchedule as Inside;
        match inside {
            Inside::Once { from, until } => Self::Once { from, until },
            Inside::Weekly { days, at, minutes, zone, from } => Self::Weekly { days, at, minutes, zone, from },
        }
    }
}

impl From<When> for inside::WindowSchedule {
    fn from(published: When) -> Self {
        match published {
            When::Once { from, until } => Self::Once { from, until },
            When::Weekly { days, at, minutes, zone, from } => Self::Weekly { days, at, minutes, zone, from },
        }
    }
}

/// Someone stands in on a rota for whoever would be on duty.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Cover {
    /// Number of the stand-in, counted upwards.
    id: u64,
    /// Name of the rota.
    rota: String,
    /// Name of the person who stands in.
    person: String,
    /// When they begin to stand in.
    from: Timestamp,
    /// When the rota goes on as written.
    until: Timestamp,
    /// Who wrote it down.
    who: String,
    /// Why, as it was written down; may be empty.
    note: String,
}

impl From<ioc_judge::duty::Cover> for Cover {
    fn from(inside: ioc_judge::duty::Cover) -> Self {
        Self {
            id: inside.id,
            rota: inside.rota,
            person: inside.person,
            from: inside.from,
            until: inside.until,
            who: inside.who,
            note: inside.note,
        }
    }
}
