//! What people and other tasks ask of the engine. Each command is carried out, committed, and only then answered.

use ioc_common::config::Span;
use ioc_common::enrolment::{EnrolRequest, EnrolResponse};
use ioc_common::id::{DeviceId, IncidentId};
use ioc_judge::DeviceInfo;

use crate::audit;
use crate::store::{AccountRecord, Delivery, SessionRecord};

/// A command.
#[derive(Debug)]
pub enum Command {
    /// Make an enrolment token.
    NewToken {
        /// Which device it makes. Its identifier is made up when it is none.
        info: NewDevice,
        /// How long it can be used.
        life: Span,
        /// Who asks.
        actor: String,
    },
    /// Turn a token into a certificate.
    Enrol {
        /// The request.
        request: Box<EnrolRequest>,
        /// From where.
        peer: String,
    },
    /// Take a device's right to report, at once.
    Revoke {
        /// Which.
        device: DeviceId,
        /// Who asks.
        actor: String,
    },
    /// Change what people say of a device.
    Describe {
        /// What they say now.
        info: DeviceInfo,
        /// Who asks.
        actor: String,
    },
    /// Take an incident.
    Acknowledge {
        /// Which.
        incident: IncidentId,
        /// What they say about it.
        note: String,
        /// Who asks.
        actor: String,
    },
    /// Keep an account, with an audit record.
    SaveAccount(AccountRecord, audit::Entry),
    /// A person signed in: keep account and session, with an audit record.
    SignedIn(AccountRecord, SessionRecord, audit::Entry),
    /// A session ended.
    SignedOut {
        /// Its digest.
        digest: String,
        /// Audit record.
        entry: audit::Entry,
    },
    /// What became of attempts to deliver.
    Delivered(Vec<Delivery>),
    /// Use these rules and channels from now on.
    Reload(Box<crate::config::Config>),
    /// Delete history that is older than it must be kept.
    Prune,
}

/// A device to be enrolled.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NewDevice {
    /// Identifier; made up when empty.
    pub device: String,
    /// Kind: server, workstation, display, other.
    pub kind: String,
    /// Name, for people.
    pub name: String,
    /// Asset label.
    pub label: String,
    /// Where it stands.
    pub place: String,
    /// Responsible officer.
    pub officer: String,
    /// Responsible leader.
    pub leader: String,
}

/// The answer to a command.
#[derive(Debug, Clone)]
pub enum Answer {
    /// It is done.
    Done,
    /// The token, shown once.
    Token {
        /// The token.
        token: String,
        /// Which device it makes.
        device: DeviceId,
    },
    /// The certificate.
    Enrolled(Box<EnrolResponse>),
}

/// Why a command was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// What was asked for does not exist.
    #[error("{0}")]
    NotFound(String),
    /// It cannot be done now.
    #[error("{0}")]
    Conflict(String),
    /// The request is faulty.
    #[error("{0}")]
    Invalid(String),
    /// The token is not good.
    #[error("{0}")]
    Forbidden(String),
    /// The engine is stopping, or the store cannot be written.
    #[error("{0}")]
    Unavailable(String),
}
