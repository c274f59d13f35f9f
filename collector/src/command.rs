//! What people and other tasks ask of the engine. Each command is carried out, committed, and only then answered.

use ioc_common::config::Span;
use ioc_common::enrolment::{EnrolRequest, EnrolResponse};
use ioc_common::id::{DeviceId, IncidentId};
use ioc_judge::duty::Cover;
use ioc_judge::{Action, Alert, DeviceInfo, NewIncident, Refusal, Text, Window};

use crate::audit;
use crate::folding::Folded;
use crate::people::Intent;
use crate::second::Second;
use crate::store::{Delivery, Handover, SavedView, TicketRecord};

/// A command.
#[derive(Debug)]
pub enum Command {
    /// Make an enrolment token.
    NewToken {
        /// What it is good for.
        info: NewToken,
        /// How long it can be used.
        life: Span,
        /// Who asks.
        actor: String,
    },
    /// End an enrolment token.
    EndToken {
        /// Its digest.
        digest: String,
        /// Who asks.
        actor: String,
    },
    /// Say what becomes of a machine that waits.
    DecideRequest {
        /// Which request.
        id: String,
        /// What the machine is; nothing when it is refused.
        approved: Option<NewDevice>,
        /// Who asks.
        actor: String,
    },
    /// Register assets, or change what is said of them: all of them, or none.
    Import {
        /// Which.
        devices: Vec<NewDevice>,
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
    /// Let a device report again whose identity was found on two machines.
    Release {
        /// Which.
        device: DeviceId,
        /// Who asks.
        actor: String,
    },
    /// Change what people say of a device.
    Describe {
        /// What they say now.
        info: NewDevice,
        /// Of which fields; of all, and what is not said is empty, when it is none.
        fields: Option<Vec<String>>,
        /// Who asks.
        actor: String,
    },
    /// Write something down about a device: it stands among what happened there.
    Remark {
        /// Which.
        device: DeviceId,
        /// What.
        text: String,
        /// Who asks.
        actor: String,
    },
    /// Register a device without an agent: it counts in the inventory, and others can be behind it.
    Register {
        /// What people say of it.
        info: NewDevice,
        /// Who asks.
        actor: String,
    },
    /// Do something with an incident.
    Act {
        /// Which.
        incident: IncidentId,
        /// What.
        action: Action,
        /// Who asks.
        actor: String,
    },
    /// Add a file to an incident.
    Attach {
        /// Which.
        incident: IncidentId,
        /// The file's name.
        name: String,
        /// Its content.
        content: Vec<u8>,
        /// Who asks.
        actor: String,
    },
    /// Open an incident by hand.
    Open {
        /// What.
        manual: NewIncident,
        /// Who asks.
        actor: String,
    },
    /// Take in what another system says.
    Alerts {
        /// Its name in the configuration.
        source: String,
        /// What it says, each with the names by which its device may be known ([`crate::alert::names`]).
        alerts: Vec<(Alert, Vec<String>)>,
    },
    /// Plan a maintenance window or a freeze.
    PlanWindow {
        /// What.
        window: Window,
        /// What speaks against it is known.
        overrule: bool,
        /// Who asks.
        actor: String,
    },
    /// End a window.
    EndWindow {
        /// Which.
        id: u64,
        /// Who asks.
        actor: String,
    },
    /// People stand in on rotas: all of these, or none.
    Cover {
        /// Who, where, when.
        covers: Vec<Cover>,
        /// Who asks.
        actor: String,
    },
    /// Nobody stands in any more.
    Uncover {
        /// Which.
        id: u64,
        /// Who asks.
        actor: String,
    },
    /// Write into the duty book.
    Handover(Handover),
    /// Try again what was given up.
    Resend {
        /// Which.
        key: String,
        /// Who asks.
        actor: String,
    },
    /// Send a person a notice that says that it is a test.
    TestContact {
        /// Whom.
        person: String,
        /// Who asks.
        actor: String,
    },
    /// Look for holes in the duty plan.
    CheckDuty,
    /// A person confirms the machine's clock after a step of it.
    ConfirmClock {
        /// The step that they were shown, seconds with sign; another one is not confirmed.
        step_s: Option<i64>,
        /// Who asks.
        actor: String,
    },
    /// Keep an audit record, and nothing else.
    Note(audit::Entry),
    /// Keep a list of devices for a person, or forget it.
    SaveView(SavedView),
    /// What is meant to be done with an account.
    Person(Box<Intent>),
    /// What became of attempts to deliver.
    Delivered(Vec<Delivery>),
    /// Notices, by their keys, that their channel has not delivered in time: their fallback carries them, too.
    FallBack(Vec<String>),
    /// Keep what a ticket system knows of an incident, and do what people did there, in one commit.
    Ticket {
        /// What it knows.
        record: Box<TicketRecord>,
        /// What people did there.
        events: Vec<TicketEvent>,
    },
    /// Keep what a look at the store found.
    Examined {
        /// A line each.
        findings: Vec<String>,
        /// Every checksum was read, and indexes were compared.
        deep: bool,
    },
    /// A person knows of what the store has lost.
    ConfirmLoss {
        /// What they did about it, or why nothing is to be done.
        reason: String,
        /// Who.
        actor: String,
    },
    /// Use these rules and channels from now on.
    Reload(Box<crate::config::Config>),
    /// Delete rows of history that are folded.
    ForgetRows {
        /// Up to where, and what was deleted of what is folded.
        folded: Folded,
    },
}

/// What someone did in a ticket system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketEvent {
    /// Who, by their name there.
    pub who: String,
    /// What.
    pub act: TicketAct,
}

/// What can be done in a ticket system that means something to an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TicketAct {
    /// They wrote this.
    Comment(String),
    /// It was given to this person; to someone whose name is not known when it is empty.
    Taken(String),
    /// They call it resolved.
    Resolved,
    /// They call it open again.
    Reopened,
}

/// What a token is to be good for.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// The device that it makes, or what every machine of a group takes over.
    pub device: NewDevice,
    /// What it is for, in a person's words.
    pub label: String,
    /// Machines say themselves who they are.
    pub group: bool,
    /// How often it can be used; once for a token of one device.
    pub uses: u32,
    /// Every machine waits until a person approves it.
    pub approve: bool,
}

/// A device to be enrolled.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
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
    /// The device that its network goes through.
    pub uplink: String,
    /// Devices with the same name here can stand in for each other.
    pub redundancy: String,
    /// How much depends on it: low, normal, high.
    pub importance: String,
    /// Groups it belongs to.
    pub tags: Vec<String>,
    /// Address at which the collector asks whether it is there.
    pub address: String,
    /// Serial number of the machine: how it is known when it enrols.
    pub serial: String,
    /// Network address of the machine (MAC): the same.
    pub mac: String,
}

impl NewDevice {
    /// The same, with what is not said here as it was.
    #[must_use]
    pub fn over(self, was: Self) -> Self {
        let or = |said: String, was: String| if said.is_empty() { was } else { said };
        Self {
            device: or(self.device, was.device),
            kind: or(self.kind, was.kind),
            name: or(self.name, was.name),
            label: or(self.label, was.label),
            place: or(self.place, was.place),
            officer: or(self.officer, was.officer),
            leader: or(self.leader, was.leader),
            uplink: or(self.uplink, was.uplink),
            redundancy: or(self.redundancy, was.redundancy),
            importance: or(self.importance, was.importance),
            tags: if self.tags.is_empty() { was.tags } else { self.tags },
            address: or(self.address, was.address),
            serial: or(self.serial, was.serial),
            mac: or(self.mac, was.mac),
        }
    }
}

impl NewDevice {
    /// The same, with these fields as `from` has them: what someone changed is put over what is said by now, not over what they once read.
    ///
    /// # Errors
    /// The field that there is not.
    pub fn with(self, fields: &[String], from: &Self) -> Result<Self, CommandError> {
        let mut whole = fields_of(&self);
        let theirs = fields_of(from);
        for field in fields {
            let value = theirs.get(field);
            let value = value.ok_or_else(|| CommandError::Invalid(format!("{field}: there is no such field")))?;
            whole.insert(field.clone(), value.clone());
        }
        serde_json::from_value(serde_json::Value::Object(whole))
            .map_err(|error| CommandError::Invalid(error.to_string()))
    }

    /// In which fields it says something else than another.
    #[must_use]
    pub fn differing(&self, other: &Self) -> Vec<String> {
        let theirs = fields_of(other);
        fields_of(self)
            .into_iter()
            .filter(|(field, value)| theirs.get(field) != Some(value))
            .map(|(field, _)| field)
            .collect()
    }
}

fn fields_of(device: &NewDevice) -> serde_json::Map<String, serde_json::Value> {
    match serde_json::to_value(device) {
        Ok(serde_json::Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    }
}

impl From<DeviceInfo> for NewDevice {
    /// What is known of a device, as a person would say it.
    fn from(info: DeviceInfo) -> Self {
        Self {
            device: info.id.to_string(),
            kind: info.kind.as_str().to_owned(),
            name: info.name,
            label: info.label,
            place: info.place,
            officer: info.officer,
            leader: info.leader,
            uplink: info.uplink.map(|id| id.to_string()).unwrap_or_default(),
            redundancy: info.redundancy,
            importance: info.importance.as_str().to_owned(),
            tags: info.tags,
            address: info.address,
            serial: info.serial,
            mac: info.mac,
        }
    }
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
        /// Which device it makes, where that is known.
        device: Option<DeviceId>,
    },
    /// The machine has to wait for a person.
    Waiting {
        /// What its request is called.
        request: String,
    },
    /// So many assets are new or said differently.
    Imported(usize),
    /// The certificate.
    Enrolled(Box<EnrolResponse>),
    /// The incident that was opened.
    Incident(IncidentId),
    /// What a password is compared with; for a name that does not exist one that nothing matches.
    Hash(String),
    /// The password is right; a code of the second factor is needed, too.
    NeedsCode,
    /// A cookie or a token, shown once.
    Secret(String),
    /// A second factor that its owner has to confirm.
    Second(Second),
    /// Codes to recover with, shown once.
    Codes(Vec<String>),
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
    /// The judge refuses it.
    #[error("{0}")]
    Refused(Refusal),
    /// It can be done by someone who says that they mean it all the same.
    #[error("{}", .0.iter().map(|text| text.en.as_str()).collect::<Vec<_>>().join(" "))]
    Warned(Vec<Text>),
    /// The request is faulty.
    #[error("{0}")]
    Invalid(String),
    /// The token is not good.
    #[error("{0}")]
    Forbidden(String),
    /// Too many attempts.
    #[error("too many attempts; try again in {wait_s} s")]
    TooMany {
        /// How long to wait, seconds.
        wait_s: u64,
    },
    /// The engine is stopping, or the store cannot be written.
    #[error("{0}")]
    Unavailable(String),
}
