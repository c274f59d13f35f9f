//! What a site needs before it does its work: one list, for the overview, which shows it until all is done, and for `init`, which ends with it.
//! Pure.

/// Something that a site needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetupStep {
    /// The administrator's own password instead of the first one.
    Password,
    /// A second factor of the administrator's.
    SecondFactor,
    /// What the site is called, and whose it is.
    Site,
    /// A way on which people are told.
    Channel,
    /// Someone who is told.
    Duty,
    /// Machines that report.
    Machines,
    /// Backups of the collector itself.
    Backup,
}

/// What is known of a site.
#[allow(clippy::struct_excessive_bools, reason = "each is one step of the list")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SetupFacts {
    /// The administrator who looks chose their password themselves, or comes by the identity provider.
    pub own_password: bool,
    /// They have a second factor, or come by the identity provider.
    pub second_factor: bool,
    /// It has a name of its own and says whose it is.
    pub site: bool,
    /// There is a channel.
    pub channel: bool,
    /// There is a plan with someone in it.
    pub duty: bool,
    /// A machine is registered.
    pub machines: bool,
    /// Backups are planned.
    pub backup: bool,
}

/// The name of a site that nobody has named.
const UNNAMED: &str = "IOC";

impl SetupStep {
    /// In the order in which they are done.
    pub const ALL: [Self; 7] =
        [Self::Password, Self::SecondFactor, Self::Site, Self::Channel, Self::Duty, Self::Machines, Self::Backup];

    /// Its name, which the texts of the pages have.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::SecondFactor => "second-factor",
            Self::Site => "site",
            Self::Channel => "channel",
            Self::Duty => "duty",
            Self::Machines => "machines",
            Self::Backup => "backup",
        }
    }

    /// The page on which it is done.
    #[must_use]
    pub const fn page(self) -> &'static str {
        match self {
            Self::Password => "/account",
            Self::SecondFactor => "/account#second-factor",
            Self::Site => "/configuration/site/form",
            Self::Channel => "/configuration/channels/form",
            Self::Duty => "/duty",
            Self::Machines => "/enrolment/add",
            Self::Backup => "/configuration/backup/form",
        }
    }

    /// What is to be done, for the command line.
    #[must_use]
    pub const fn english(self) -> &'static str {
        match self {
            Self::Password => "choose a password of your own",
            Self::SecondFactor => "set a second factor up",
            Self::Site => "name the site and its agencies",
            Self::Channel => "set up a channel (mail or SMS) and test it",
            Self::Duty => "write down who is on duty",
            Self::Machines => "add machines",
            Self::Backup => "plan backups of the collector",
        }
    }
}

impl SetupFacts {
    /// Whether a site of this name and these agencies says who it is.
    #[must_use]
    pub fn is_named(name: &str, agencies: &[String]) -> bool {
        let name = name.trim();
        !name.is_empty() && (name != UNNAMED || !agencies.is_empty())
    }

    /// Whether a step is done.
    #[must_use]
    pub const fn is_done(&self, step: SetupStep) -> bool {
        match step {
            SetupStep::Password => self.own_password,
            SetupStep::SecondFactor => self.second_factor,
            SetupStep::Site => self.site,
            SetupStep::Channel => self.channel,
            SetupStep::Duty => self.duty,
            SetupStep::Machines => self.machines,
            SetupStep::Backup => self.backup,
        }
    }

    /// Each step, and whether it is done; nothing where all are.
    #[must_use]
    pub fn steps(&self) -> Vec<(SetupStep, bool)> {
        let steps: Vec<(SetupStep, bool)> = SetupStep::ALL.map(|step| (step, self.is_done(step))).into();
        if steps.iter().all(|(_, done)| *done) { Vec::new() } else { steps }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_stands_until_all_is_done() {
        let fresh = SetupFacts::default();
        assert_eq!(fresh.steps().len(), 7);
        assert!(fresh.steps().iter().all(|(_, done)| !done));
        let most = SetupFacts {
            own_password: true,
            second_factor: true,
            site: true,
            channel: true,
            duty: true,
            machines: true,
            backup: false,
        };
        let missing: Vec<&str> = most.steps().iter().filter(|(_, done)| !done).map(|(step, _)| step.as_str()).collect();
        assert_eq!(missing, ["backup"]);
        assert_eq!(SetupFacts { backup: true, ..most }.steps(), []);
    }

    #[test]
    fn a_site_is_named_when_it_says_who_it_is() {
        let agencies = ["Sở Thông tin".to_owned()];
        assert!(!SetupFacts::is_named("IOC", &[]) && !SetupFacts::is_named(" ", &agencies));
        assert!(SetupFacts::is_named("IOC", &agencies) && SetupFacts::is_named("IOC An Giang", &[]));
    }
}
