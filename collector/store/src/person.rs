//! Where a person appears in the record: what is told to whoever asks what is kept of them (Law 91/2025 on the protection of personal data,
//! article 12).

use ioc_common::clock::Timestamp;

/// Most names that one person is looked for by: what they sign in with, their own name, what the duty plan calls them, an account of hosts.
pub const NAMES_MAX: usize = 4;
/// How far back the large tables are searched: this many of the newest audit records …
pub const AUDIT_ROWS: u64 = 2_000_000;
/// … of the newest incidents …
pub const INCIDENT_ROWS: u64 = 50_000;
/// … of the newest events …
pub const EVENT_ROWS: u64 = 500_000;
/// … of the newest faults …
pub const FAULT_ROWS: u64 = 500_000;
/// … and of the newest changes of documents, whatever they are of. What is older was not searched, and that is said ([`PersonTraces::ends`]).
pub const CHANGE_ROWS: u64 = 50_000;

/// A kind of place where a person may appear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PersonTraceKind {
    /// Their account.
    Account,
    /// A session of theirs that has not ended.
    Session,
    /// A token of theirs.
    Token,
    /// A list of devices that they keep.
    View,
    /// They stand in the duty plan.
    DutyPlan,
    /// They stand in for somebody, or wrote that down.
    Cover,
    /// What they wrote into the duty book.
    Handover,
    /// A text that they wrote into a report, or a report that they issued, registered or sign.
    Report,
    /// What they wrote or vouched for in a register, or a row that names them.
    Register,
    /// A file that they added as evidence.
    File,
    /// A legal hold on them, or that they set or ended.
    Hold,
    /// A rule of how long records are kept that they decided, or the evidence of what was deleted by one.
    Retention,
    /// A token of enrolment that they gave out or that names them, or a machine that asked to come in and would be theirs.
    Enrolment,
    /// A maintenance window that they planned.
    Window,
    /// A device that they look after or answer for.
    Device,
    /// An incident that names them.
    Incident,
    /// A fault of an account of theirs, or one whose reason names them.
    Fault,
    /// A step of an incident that they made.
    Step,
    /// A notice to them.
    Notice,
    /// What a survey found on a machine: an account, or a session there.
    Document,
    /// What surveys found on a machine before: a change of a document.
    Change,
    /// Something that happened on a machine.
    Event,
    /// Numbers of an account on machines.
    Series,
    /// What they did.
    AuditBy,
    /// What was done about them.
    AuditAbout,
}

impl PersonTraceKind {
    /// In the order in which they are shown.
    pub const ALL: [Self; 25] = [
        Self::Account,
        Self::Session,
        Self::Token,
        Self::View,
        Self::DutyPlan,
        Self::Cover,
        Self::Handover,
        Self::Report,
        Self::Register,
        Self::File,
        Self::Hold,
        Self::Retention,
        Self::Enrolment,
        Self::Window,
        Self::Device,
        Self::Incident,
        Self::Fault,
        Self::Step,
        Self::Notice,
        Self::Document,
        Self::Change,
        Self::Event,
        Self::Series,
        Self::AuditBy,
        Self::AuditAbout,
    ];

    /// The name used in the API and in keys of texts.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Session => "session",
            Self::Token => "token",
            Self::View => "view",
            Self::DutyPlan => "duty_plan",
            Self::Cover => "cover",
            Self::Handover => "handover",
            Self::Report => "report",
            Self::Register => "register",
            Self::File => "file",
            Self::Hold => "hold",
            Self::Retention => "retention",
            Self::Enrolment => "enrolment",
            Self::Window => "window",
            Self::Device => "device",
            Self::Incident => "incident",
            Self::Fault => "fault",
            Self::Step => "step",
            Self::Notice => "notice",
            Self::Document => "document",
            Self::Change => "change",
            Self::Event => "event",
            Self::Series => "series",
            Self::AuditBy => "audit_by",
            Self::AuditAbout => "audit_about",
        }
    }
}

/// One place where a person appears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonTrace {
    /// What sort of place.
    pub kind: PersonTraceKind,
    /// When, where that is known.
    pub at: Option<Timestamp>,
    /// Which one: a device, an incident, the number of an audit record.
    pub subject: String,
    /// What is said of it by a word of the program's own, apart by spaces where there are several: the role of an account and `disabled`,
    /// `officer` and `leader` of a device, the state of a notice, the name of a document or an event, the action of an audit record. Empty where
    /// there is none.
    pub word: String,
    /// What stands there of them, in a line.
    pub text: String,
}

/// Where a person appears, as far as was looked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PersonTraces {
    /// By kind, the newest of each first.
    pub traces: Vec<PersonTrace>,
    /// Kinds of which there are more than were asked for.
    pub cut: Vec<PersonTraceKind>,
    /// Kinds that were not looked through to their beginning, and from which moment on they were.
    pub ends: Vec<(PersonTraceKind, Timestamp)>,
}

impl PersonTraces {
    /// Takes what was found of a kind, one more than were asked for where there are more.
    pub fn take(&mut self, kind: PersonTraceKind, mut found: Vec<PersonTrace>, limit: usize) {
        if found.len() > limit {
            found.truncate(limit);
            self.cut.push(kind);
        }
        self.traces.extend(found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_is_said() {
        let trace = || PersonTrace {
            kind: PersonTraceKind::Step,
            at: None,
            subject: "1".into(),
            word: String::new(),
            text: String::new(),
        };
        let mut all = PersonTraces::default();
        all.take(PersonTraceKind::Step, vec![trace(), trace()], 2);
        assert_eq!((all.traces.len(), all.cut.len()), (2, 0));
        all.take(PersonTraceKind::Event, vec![trace(), trace(), trace()], 2);
        assert_eq!((all.traces.len(), all.cut.as_slice()), (4, &[PersonTraceKind::Event][..]));
        let names: std::collections::BTreeSet<_> = PersonTraceKind::ALL.iter().map(|kind| kind.as_str()).collect();
        assert_eq!(names.len(), PersonTraceKind::ALL.len());
    }
}
