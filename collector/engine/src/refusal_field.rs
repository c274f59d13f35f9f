//! The fields that refusals name: what is to be mended. Pages have a word for each in both languages (`refusal-field-…`); for programs it is the name that it has
//! in the API.

use crate::refusal_reason::{RefusalReason, Word};

macro_rules! fields {
    ($($variant:ident = $name:literal),* $(,)?) => {
        /// A field that somebody fills in.
        #[allow(missing_docs, reason = "the names say it")]
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Field {
            $($variant),*
        }

        impl Field {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Its name in the API.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name),*
                }
            }
        }
    };
}

fields! {
    Address = "address",
    Area = "area",
    At = "at",
    By = "by",
    Chosen = "chosen",
    Code = "code",
    Copies = "copies",
    Cursor = "cursor",
    Date = "date",
    Days = "days",
    Device = "device",
    Devices = "devices",
    Every = "every",
    File = "file",
    From = "from",
    Grace = "grace",
    Holder = "holder",
    Importance = "importance",
    Keep = "keep",
    KeepDays = "keep_days",
    Keys = "keys",
    Kind = "kind",
    Label = "label",
    Leader = "leader",
    Life = "life",
    Lines = "lines",
    MadeAt = "made_at",
    Mac = "mac",
    Media = "media",
    Members = "members",
    Minutes = "minutes",
    Month = "month",
    Name = "name",
    Note = "note",
    Number = "number",
    Officer = "officer",
    Password = "password",
    PasswordAt = "password_at",
    Person = "person",
    Place = "place",
    Places = "places",
    Reason = "reason",
    Redundancy = "redundancy",
    Remark = "remark",
    Role = "role",
    Serial = "serial",
    Series = "series",
    Source = "source",
    Subject = "subject",
    State = "state",
    Tags = "tags",
    Text = "text",
    Until = "until",
    Uplink = "uplink",
    Uses = "uses",
    ValidUntil = "valid_until",
}

impl Field {
    /// The field as a refusal names it.
    #[must_use]
    pub fn word(self) -> (&'static str, Word) {
        ("field", Word::named("refusal-field", self.as_str()))
    }

    /// A refusal that is of this field.
    #[must_use]
    pub fn of(self, reason: RefusalReason) -> RefusalReason {
        reason.within(self.as_str(), self.word().1)
    }

    /// What a text may have: so many characters, none of them for control.
    #[must_use]
    pub fn characters(self, most: usize) -> RefusalReason {
        let english = format!("{}: allowed are {most} characters without control characters", self.as_str());
        RefusalReason::new("refusal-characters", [self.word(), ("most", Word::count(most))], english)
    }

    /// What a text of one line may have.
    #[must_use]
    pub fn line(self, least: usize, most: usize) -> RefusalReason {
        let english = format!("{}: allowed are {least} to {most} characters in one line", self.as_str());
        let args = [self.word(), ("least", Word::count(least)), ("most", Word::count(most))];
        RefusalReason::new("refusal-line", args, english)
    }

    /// How many there may be.
    #[must_use]
    pub fn range(self, found: impl std::fmt::Display, least: u64, most: u64) -> RefusalReason {
        let english = format!("{}: found {found}; allowed are {least} to {most}", self.as_str());
        let found = Word::text(found.to_string());
        let args = [self.word(), ("found", found), ("least", Word::Count(least)), ("most", Word::Count(most))];
        RefusalReason::new("refusal-range", args, english)
    }

    /// What else there may be than what was found; in words that both languages share, such as names of the API.
    #[must_use]
    pub fn allowed(self, found: &str, allowed: &str) -> RefusalReason {
        let english = format!("{}: found {found:?}; allowed are {allowed}", self.as_str());
        let args = [self.word(), ("found", Word::text(found)), ("allowed", Word::text(allowed))];
        RefusalReason::new("refusal-allowed", args, english)
    }

    /// What is no number.
    #[must_use]
    pub fn number(self, found: &str) -> RefusalReason {
        let english = format!("{}: found {found:?}; allowed is a number", self.as_str());
        RefusalReason::new("refusal-number", [self.word(), ("found", Word::text(found))], english)
    }

    /// What is no length of time.
    #[must_use]
    pub fn span(self, found: &str) -> RefusalReason {
        let english = format!("{}: found {found:?}; allowed is a time as 30m, 12h or 7d", self.as_str());
        RefusalReason::new("refusal-span", [self.word(), ("found", Word::text(found))], english)
    }

    /// What is no moment.
    #[must_use]
    pub fn moment(self, found: &str) -> RefusalReason {
        let english = format!("{}: found {found:?}; allowed is a date and a time", self.as_str());
        RefusalReason::new("refusal-moment", [self.word(), ("found", Word::text(found))], english)
    }

    /// What was left empty.
    #[must_use]
    pub fn missing(self) -> RefusalReason {
        let english = format!("{}: found none; fill it in", self.as_str());
        RefusalReason::new("refusal-missing-field", [self.word()], english)
    }
}
