//! How machines come in: tokens, and requests that wait for a person's word.

use serde::{Deserialize, Serialize};

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_common::report::Facts;
use ioc_judge::DeviceInfo;

use crate::new_device::NewDevice;

/// What a token makes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "for", rename_all = "lowercase")]
pub enum Grant {
    /// One device, which is said beforehand.
    Device {
        /// What people say of it.
        info: Box<DeviceInfo>,
        /// What was known of it then; none for a new one.
        #[serde(default)]
        base: Option<Box<DeviceInfo>>,
    },
    /// Machines that say themselves who they are: an asset that is registered, or a new device that takes these fields over.
    Group {
        /// Kind, place, officer, leader, importance and groups of new devices.
        template: Box<NewDevice>,
    },
}

/// An enrolment token, as it is kept: without its secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TokenRecord {
    /// SHA-256 over the secret, hex.
    pub digest: String,
    /// What whoever shows it becomes.
    pub grant: Grant,
    /// What it is for, in a person's words.
    pub label: String,
    /// How often it can be used.
    pub uses_max: u32,
    /// Every machine waits until a person approves it.
    pub approve: bool,
    /// The account that made it.
    pub created_by: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it can be used.
    pub expires_at: Timestamp,
    /// How often it was used.
    #[serde(default)]
    pub uses: u32,
    /// When it was last used.
    #[serde(default)]
    pub used_at: Option<Timestamp>,
    /// When a person ended it.
    #[serde(default)]
    pub ended_at: Option<Timestamp>,
}

impl TokenRecord {
    /// Why it cannot be used now.
    #[must_use]
    pub fn refusal(&self, now: Timestamp) -> Option<&'static str> {
        match () {
            () if self.ended_at.is_some() => Some("this token was ended; ask for a new one"),
            () if self.uses >= self.uses_max => Some("this token has been used; ask for a new one"),
            () if self.expires_at <= now => Some("this token has expired; ask for a new one"),
            () => None,
        }
    }
}

/// Why a request waits for a person.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "lowercase")]
pub enum ApprovalReason {
    /// Its token says so.
    Asked,
    /// The asset that it is has an agent already: it was installed anew, or someone pretends.
    Enrolled { device: DeviceId },
    /// A device has the name that it would get.
    Name { device: DeviceId },
    /// The asset that it says it is has another kind than its token is for.
    Kind { device: DeviceId },
    /// The asset stands elsewhere than its token is for.
    Place { device: DeviceId },
    /// Others are behind the asset, or it is behind another uplink than its token says.
    Uplink { device: DeviceId },
    /// More depends on the asset than its token says: its importance, or others that it stands in for.
    Importance { device: DeviceId },
    /// The asset has an address, and the request does not come from it.
    Address { device: DeviceId },
    /// The serial number or network address that is written down is not what the machine says, or is another asset's.
    Hardware { device: DeviceId },
    /// Its name looks like another device's.
    Look { device: DeviceId },
    /// A device of its name was taken out; its history would be this machine's.
    Removed { device: DeviceId },
    /// Another device reports from the same machine, or from one it was copied from.
    Machine { device: DeviceId },
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RequestState {
    /// It waits for a person.
    Waiting,
    /// The machine gets its certificate when it asks again.
    Approved,
    /// The machine is told so when it asks again.
    Refused,
    /// It has come in.
    Enrolled,
}

/// A machine that asks to come in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RequestRecord {
    /// The beginning of SHA-256 over its request, hex: it is the same each time that machine asks.
    pub id: String,
    /// Digest of its token.
    pub token: String,
    /// When it first asked.
    pub at: Timestamp,
    /// When it last asked.
    pub seen_at: Timestamp,
    /// The address that it came from.
    pub peer: String,
    /// What it says of itself.
    pub facts: Facts,
    /// What it would be.
    pub info: DeviceInfo,
    /// What was known of that device when this was said; none for a new one.
    #[serde(default)]
    pub base: Option<DeviceInfo>,
    /// Everything for which it waits.
    pub reasons: Vec<ApprovalReason>,
    /// What became of it.
    pub state: RequestState,
}
