//! How machines come in: tokens, and requests that wait for a person's word.

use serde::Serialize;

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_common::report::Facts;

use super::device::{DeviceInfo, NewDevice};
use super::{all, names};

/// What a token makes.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(tag = "for", rename_all = "lowercase")]
pub(crate) enum Grant {
    /// One device, whose identifier is settled.
    Device {
        /// What people say of it.
        info: Box<DeviceInfo>,
        /// What was known of it then; none for a new one.
        base: Option<Box<DeviceInfo>>,
    },
    /// Machines that say themselves who they are: an asset that is registered, or a new device that takes these fields over.
    Group {
        /// Kind, place, officer, leader, importance and groups of new devices.
        template: Box<NewDevice>,
    },
}

impl From<ioc_store::Grant> for Grant {
    fn from(inside: ioc_store::Grant) -> Self {
        let known = |info: Box<ioc_judge::DeviceInfo>| Box::new(DeviceInfo::from(*info));
        match inside {
            ioc_store::Grant::Device { info, base } => Self::Device { info: known(info), base: base.map(known) },
            ioc_store::Grant::Group { template } => Self::Group { template: Box::new((*template).into()) },
        }
    }
}

/// An enrolment token, as it is kept: without its secret.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct TokenRecord {
    /// SHA-256 over the secret, hex.
    pub(crate) digest: String,
    /// What it makes.
    grant: Grant,
    /// What it is for, in a person's words.
    label: String,
    /// How often it can be used.
    uses_max: u32,
    /// Every machine waits until a person approves it.
    approve: bool,
    /// Who made it.
    created_by: String,
    /// When it was made.
    created_at: Timestamp,
    /// Until when it can be used.
    expires_at: Timestamp,
    /// How often it was used.
    uses: u32,
    /// When it was last used.
    used_at: Option<Timestamp>,
    /// When a person ended it.
    ended_at: Option<Timestamp>,
}

impl From<ioc_store::TokenRecord> for TokenRecord {
    fn from(inside: ioc_store::TokenRecord) -> Self {
        Self {
            digest: inside.digest,
            grant: inside.grant.into(),
            label: inside.label,
            uses_max: inside.uses_max,
            approve: inside.approve,
            created_by: inside.created_by,
            created_at: inside.created_at,
            expires_at: inside.expires_at,
            uses: inside.uses,
            used_at: inside.used_at,
            ended_at: inside.ended_at,
        }
    }
}

/// Why a request waits for a person.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(tag = "why", rename_all = "lowercase")]
pub(crate) enum RequestReason {
    /// Its token says so.
    Asked,
    /// The asset that it is has an agent already: it was installed anew, or someone pretends.
    Enrolled {
        /// The asset that has an agent already.
        device: DeviceId,
    },
    /// A device has the name that it would get.
    Name {
        /// The device that has the name.
        device: DeviceId,
    },
    /// The asset that it says it is has another kind than its token is for.
    Kind {
        /// The asset of another kind.
        device: DeviceId,
    },
    /// The asset stands elsewhere than its token is for.
    Place {
        /// The asset that stands elsewhere.
        device: DeviceId,
    },
    /// Others are behind the asset, or it is behind another uplink than its token says.
    Uplink {
        /// The asset whose uplink differs.
        device: DeviceId,
    },
    /// More depends on the asset than its token says: its importance, or others that it stands in for.
    Importance {
        /// The asset that more depends on.
        device: DeviceId,
    },
    /// The asset has an address, and the request does not come from it.
    Address {
        /// The asset with another address.
        device: DeviceId,
    },
    /// The serial number or network address that is written down is not what the machine says, or is another asset's.
    Hardware {
        /// The asset whose register entry and machine differ, or the other one that has this hardware.
        device: DeviceId,
    },
    /// Its name looks like another device's.
    Look {
        /// The device with the similar name.
        device: DeviceId,
    },
    /// A device of its name was taken out; its history would be this machine's.
    Removed {
        /// The device that was taken out.
        device: DeviceId,
    },
    /// Another device reports from the same machine, or from one it was copied from.
    Machine {
        /// The device that reports from that machine.
        device: DeviceId,
    },
}

impl From<ioc_store::ApprovalReason> for RequestReason {
    fn from(inside: ioc_store::ApprovalReason) -> Self {
        use ioc_store::ApprovalReason as Inside;
        match inside {
            Inside::Asked => Self::Asked,
            Inside::Enrolled { device } => Self::Enrolled { device },
            Inside::Name { device } => Self::Name { device },
            Inside::Kind { device } => Self::Kind { device },
            Inside::Place { device } => Self::Place { device },
            Inside::Uplink { device } => Self::Uplink { device },
            Inside::Importance { device } => Self::Importance { device },
            Inside::Address { device } => Self::Address { device },
            Inside::Hardware { device } => Self::Hardware { device },
            Inside::Look { device } => Self::Look { device },
            Inside::Removed { device } => Self::Removed { device },
            Inside::Machine { device } => Self::Machine { device },
        }
    }
}

names! {
    /// What became of a request.
    RequestState is ioc_store::RequestState {
        /// It waits for a person.
        Waiting = "waiting",
        /// The machine gets its certificate when it asks again.
        Approved = "approved",
        /// The machine is told so when it asks again.
        Refused = "refused",
        /// It has come in.
        Enrolled = "enrolled",
    }
}

/// A machine that asks to come in.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct RequestRecord {
    /// The beginning of SHA-256 over its request, hex: it is the same each time that machine asks.
    id: String,
    /// Digest of its token.
    token: String,
    /// When it first asked.
    at: Timestamp,
    /// When it last asked.
    seen_at: Timestamp,
    /// IP address that the request came from.
    peer: String,
    /// What it says of itself.
    facts: Facts,
    /// What it would be.
    info: DeviceInfo,
    /// What was known of that device when this was said; none for a new one.
    base: Option<DeviceInfo>,
    /// Why it waits.
    reasons: Vec<RequestReason>,
    /// What became of it.
    state: RequestState,
}

impl From<ioc_store::RequestRecord> for RequestRecord {
    fn from(inside: ioc_store::RequestRecord) -> Self {
        Self {
            id: inside.id,
            token: inside.token,
            at: inside.at,
            seen_at: inside.seen_at,
            peer: inside.peer,
            facts: inside.facts,
            info: inside.info.into(),
            base: inside.base.map(DeviceInfo::from),
            reasons: all(inside.reasons),
            state: inside.state.into(),
        }
    }
}
