//! What a person does with an incident.

use serde::Deserialize;

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
            Action::Split { fault } => Self::Split { fault },
            Action::Regulator { department } => Self::Regulator { department },
            Action::RegulatorReceived => Self::RegulatorReceived,
            Action::RegulatorResult { result } => Self::RegulatorResult { result },
            Action::RegulatorConfirmed => Self::RegulatorConfirmed,
            Action::Verify { how } => Self::Verify { how },
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
