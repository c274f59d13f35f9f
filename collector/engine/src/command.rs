//! What people and other tasks ask of the engine. Each command is carried out, committed, and only then answered.

use ioc_common::config::Span;
use ioc_common::enrolment::{EnrolRequest, EnrolResponse};
use ioc_common::id::{DeviceId, IncidentId};
use ioc_judge::duty::Cover;
use ioc_judge::{Action, Alert, NewIncident, Refusal, Text, Window};

use crate::account::intent::Intent;
use ioc_store::audit;
use ioc_store::history::compaction::Folded;
use ioc_store::totp::SecondFactor;
use ioc_store::{Delivery, Handover, NewDevice, SavedView, TicketRecord};

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
    /// Delete rows of history that are folded, a piece of them: it is a conflict as long as there are more.
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
    Second(SecondFactor),
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
