//! Roles of people, and what each may do.

use serde::{Deserialize, Serialize};

/// What a person is there for. Who may do what stands in [`Role::may`] alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Looks at what is shown.
    Viewer,
    /// Repairs and maintains devices.
    Technician,
    /// Is on duty (*trực ban*).
    DutyOfficer,
    /// Is responsible, and reads the log.
    Leader,
    /// Reads everything, and changes nothing.
    Auditor,
    /// May do all that there is.
    Administrator,
}

/// What can be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// Look at devices, incidents, the duty plan.
    View,
    /// See who has an account on a machine and who is signed in there (article 12: the least that is needed).
    Personal,
    /// Work on incidents, and on faults of them.
    Handle,
    /// Plan maintenance and freezes.
    Plan,
    /// Write in the duty plan and its book, test contacts.
    Duty,
    /// Write texts into reports, issue and register them.
    Report,
    /// Read the audit log.
    Audit,
    /// Devices, tokens, accounts: everything.
    Administer,
}

impl Right {
    /// Whether it concerns the whole, so that nobody who is limited to places has it.
    #[must_use]
    pub const fn is_of_the_whole(self) -> bool {
        match self {
            Self::Duty | Self::Report | Self::Audit | Self::Administer => true,
            Self::View | Self::Personal | Self::Handle | Self::Plan => false,
        }
    }

    /// The name by which the description of the API calls it (`x-right`).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Personal => "personal",
            Self::Handle => "handle",
            Self::Plan => "plan",
            Self::Duty => "duty",
            Self::Report => "report",
            Self::Audit => "audit",
            Self::Administer => "administer",
        }
    }

    /// In the order in which they are listed above: the least first.
    pub const ALL: [Self; 8] =
        [Self::View, Self::Personal, Self::Handle, Self::Plan, Self::Duty, Self::Report, Self::Audit, Self::Administer];
}

impl Role {
    /// Every role, the least first.
    pub const ALL: [Self; 6] =
        [Self::Viewer, Self::Technician, Self::DutyOfficer, Self::Leader, Self::Auditor, Self::Administrator];

    /// The name used in the API, the database and the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Technician => "technician",
            Self::DutyOfficer => "duty_officer",
            Self::Leader => "leader",
            Self::Auditor => "auditor",
            Self::Administrator => "administrator",
        }
    }

    /// The role with this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }

    /// Whether it may do nothing that the other may not.
    #[must_use]
    pub fn is_within(self, other: Self) -> bool {
        Right::ALL.into_iter().all(|right| !self.may(right) || other.may(right))
    }

    /// Whether it can be limited to places: what these two are there for concerns the whole.
    #[must_use]
    pub const fn can_be_limited(self) -> bool {
        match self {
            Self::Viewer | Self::Technician | Self::DutyOfficer | Self::Leader => true,
            Self::Auditor | Self::Administrator => false,
        }
    }

    /// Whether it may do this.
    #[must_use]
    pub const fn may(self, right: Right) -> bool {
        match right {
            Right::View => true,
            // Who may is named, so that a role that is new may nothing that nobody thought of.
            Right::Personal => {
                matches!(
                    self,
                    Self::Technician | Self::DutyOfficer | Self::Leader | Self::Auditor | Self::Administrator
                )
            }
            Right::Handle => {
                matches!(self, Self::Technician | Self::DutyOfficer | Self::Leader | Self::Administrator)
            }
            Right::Plan => matches!(self, Self::Technician | Self::DutyOfficer | Self::Administrator),
            Right::Duty => matches!(self, Self::DutyOfficer | Self::Leader | Self::Administrator),
            Right::Report => matches!(self, Self::Leader | Self::Administrator),
            Right::Audit => matches!(self, Self::Leader | Self::Auditor | Self::Administrator),
            Right::Administer => matches!(self, Self::Administrator),
        }
    }
}
