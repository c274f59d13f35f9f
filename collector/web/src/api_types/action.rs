//! What a person does with an incident.

use serde::Deserialize;

use ioc_common::clock::Timestamp;

/// What a person does with an incident.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(tag = "action", rename_all = "snake_case")]
pub(crate) enum Action {
    /// Take it: somebody is at work on it.
    Acknowledge {
        /// What they say about it.
        #[serde(default)]
        note: String,
    },
    /// Say something about it.
    Comment {
        /// The comment, kept in the timeline.
        text: String,
    },
    /// Give it to a unit and a person (article 14).
    Assign {
        /// The unit that is to handle it.
        #[serde(default)]
        unit: String,
        /// The person who is to handle it.
        #[serde(default)]
        person: String,
    },
    /// Begin the repair (article 10.2a, b).
    Repair {
        /// Where the backup is.
        #[serde(default)]
        backup: String,
        /// Why none is possible.
        #[serde(default)]
        no_backup: String,
        /// What was done for the safety of people and equipment.
        #[serde(default)]
        safety: String,
    },
    /// It is mended. Only where no fault of ours says otherwise.
    Resolve {
        /// What was done.
        #[serde(default)]
        note: String,
    },
    /// Close it (article 10.2c).
    Close {
        /// How it came about and went on.
        #[serde(default)]
        course: String,
        /// What was done against it.
        #[serde(default)]
        remedy: String,
    },
    /// What changed is right: it is what later changes are held against.
    Accept {
        /// Why the change is right.
        #[serde(default)]
        note: String,
    },
    /// It is not over.
    Reopen {
        /// Why it is not over.
        #[serde(default)]
        note: String,
    },
    /// It is part of another.
    Merge {
        /// The incident that goes on: its number, or a text such as `INC-000007`.
        #[serde(deserialize_with = "number")]
        into: u64,
    },
    /// A fault under it is something of its own.
    Split {
        /// The fault that gets an incident of its own: its number, or a text such as `F-000007`.
        #[serde(deserialize_with = "number")]
        fault: u64,
        /// Why it is something of its own; asked for where the incident stands for many devices.
        #[serde(default)]
        note: String,
    },
    /// Tell the responsible department (article 17.4).
    Regulator {
        /// Name of the department that is told.
        #[serde(default)]
        department: String,
    },
    /// The department has received it.
    RegulatorReceived,
    /// The result was reported to the department.
    RegulatorResult {
        /// The result of the handling, as it was reported.
        #[serde(default)]
        result: String,
    },
    /// The department has confirmed the result.
    RegulatorConfirmed,
    /// What was reported by a person was verified (article 17.3).
    Verify {
        /// How it was verified, such as by calling back.
        #[serde(default)]
        how: String,
    },
    /// It is serious: what the law packs in force ask runs from now on.
    MarkSerious {
        /// Why it is.
        #[serde(default)]
        reason: String,
        /// The deadlines run from now, and not from its detection.
        #[serde(default)]
        from_now: bool,
        /// Which conditions of the law hold besides, by the ids of their deadlines.
        #[serde(default)]
        chosen: Vec<String>,
    },
    /// It is not serious after all.
    UnmarkSerious {
        /// Why it is not.
        #[serde(default)]
        reason: String,
    },
    /// A notice that the law asks for was sent.
    ClockSent {
        /// The deadline's id.
        clock: String,
        /// When; now without.
        #[serde(default)]
        at: Option<Timestamp>,
        /// By which way, and to whom.
        #[serde(default)]
        how: String,
    },
    /// Ask a unit to handle something and to answer (article 15.3).
    AskUnit {
        /// The unit.
        #[serde(default)]
        unit: String,
        /// What is asked of it.
        #[serde(default)]
        what: String,
        /// By when it is to answer.
        by: Timestamp,
    },
    /// A unit answers.
    AnswerUnit {
        /// The request's number within the incident.
        number: u32,
        /// Who in the unit answers.
        #[serde(default)]
        person: String,
        /// When they did it; now without.
        #[serde(default)]
        at: Option<Timestamp>,
        /// What was done.
        #[serde(default)]
        what: String,
        /// SHA-256 of a file of the incident that shows it; empty for none.
        #[serde(default)]
        file: String,
    },
    /// A unit is asked no more.
    WithdrawRequest {
        /// The request's number within the incident.
        number: u32,
        /// Why.
        #[serde(default)]
        reason: String,
    },
}

impl From<Action> for ioc_judge::Action {
    fn from(published: Action) -> Self {
        match published {
            Action::Acknowledge { note } => Self::Acknowledge { note },
            Action::Comment { text } => Self::Comment { text },
            Action::Assign { unit, person } => Self::Assign { unit, person },
            Action::Repair { backup, no_backup, safety } => Self::Repair { backup, no_backup, safety },
            Action::Resolve { note } => Self::Resolve { note },
            Action::Close { course, remedy } => Self::Close { course, remedy },
            Action::Accept { note } => Self::Accept { note },
            Action::Reopen { note } => Self::Reopen { note },
            Action::Merge { into } => Self::Merge { into },
            Action::Split { fault, note } => Self::Split { fault, note },
            Action::Regulator { department } => Self::Regulator { department },
            Action::RegulatorReceived => Self::RegulatorReceived,
            Action::RegulatorResult { result } => Self::RegulatorResult { result },
            Action::RegulatorConfirmed => Self::RegulatorConfirmed,
            Action::Verify { how } => Self::Verify { how },
            // What the law asks, and which document was issued, is the engine's to say.
            Action::MarkSerious { reason, from_now, chosen } => {
                Self::MarkSerious { reason, from_now, chosen, terms: Vec::new() }
            }
            Action::UnmarkSerious { reason } => Self::UnmarkSerious { reason },
            Action::ClockSent { clock, at, how } => Self::ClockSent { clock, at, how, document: None },
            Action::AskUnit { unit, what, by } => Self::AskUnit { unit, what, by },
            Action::AnswerUnit { number, person, at, what, file } => {
                Self::AnswerUnit { number, person, at, what, file }
            }
            Action::WithdrawRequest { number, reason } => Self::WithdrawRequest { number, reason },
        }
    }
}

/// A number that a form sends as text; `INC-000007` and `F-000007` are numbers, too.
fn number<'de, D: serde::Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(u64),
        Text(String),
    }
    match Either::deserialize(from)? {
        Either::Number(number) => Ok(number),
        Either::Text(text) => {
            let digits = text.trim().trim_start_matches("INC-").trim_start_matches("F-");
            digits.parse().map_err(|_| serde::de::Error::custom(format!("found {text:?}; allowed is a number")))
        }
    }
}
