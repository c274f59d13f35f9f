//! Settings for groups of agents: `[[settings]]` of the configuration, and what they come to for one device.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use ioc_common::config::{ConfigError, Source, Spanned};
use ioc_common::settings::{ENDPOINTS_MAX, EndpointSetting, Every, Interval, RemoteSettings, SettingsOutcome, digest};
use ioc_judge::{DeviceInfo, Scope};

/// Settings for a group.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    pub name: String,
    /// The devices that get these settings.
    pub scope: Scope,
    /// What is set; what is not stays as it stands on the machine.
    pub settings: RemoteSettings,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GroupForm {
    name: Spanned<String>,
    #[serde(default)]
    scope: Scope,
    #[serde(default)]
    interval: Option<Interval>,
    #[serde(default)]
    forbid: Vec<Spanned<String>>,
    #[serde(default)]
    every: BTreeMap<Spanned<String>, Every>,
    #[serde(default)]
    endpoint: Vec<Spanned<EndpointSetting>>,
}

/// Checks the groups. Names of probes are the agents' own: one that an agent does not know, it refuses and says so.
pub(super) fn check(source: &Source, forms: Vec<GroupForm>) -> Result<Vec<Group>, ConfigError> {
    let mut groups: Vec<Group> = Vec::new();
    for form in forms {
        let span = form.name.span();
        let name = form.name.into_inner();
        let plain = |name: &str| !name.is_empty() && name.chars().count() <= 64 && !name.chars().any(char::is_control);
        if !plain(&name) || groups.iter().any(|known| known.name == name) {
            let message = format!("found the name {name:?}; allowed is one of its own for each, of 1 to 64 characters");
            return Err(source.fault(span, &message, "give every [[settings]] its own name"));
        }
        let probe = |name: &str| name.len() <= 32 && name.bytes().all(|b| b.is_ascii_lowercase());
        let named = form.forbid.iter().chain(form.every.keys()).find(|name| !probe(name.get_ref()));
        if let Some(bad) = named {
            let message = format!("found probe {:?}; allowed are the names of docs/probes", bad.get_ref());
            return Err(source.fault(bad.span(), &message, "correct the name or remove it"));
        }
        if let Some((fault, at)) = form.endpoint.iter().find_map(|one| Some((one.get_ref().fault()?, one.span()))) {
            return Err(source.fault(at, &fault, "correct it as docs/configuration.md shows"));
        }
        if form.endpoint.len() > ENDPOINTS_MAX {
            let message = format!("found {} endpoints; allowed are {ENDPOINTS_MAX}", form.endpoint.len());
            return Err(source.fault(span, &message, "remove some"));
        }
        let settings = RemoteSettings {
            interval: form.interval,
            forbid: form.forbid.into_iter().map(Spanned::into_inner).collect(),
            every: form.every.into_iter().map(|(name, every)| (name.into_inner(), every)).collect(),
            endpoint: form.endpoint.into_iter().map(Spanned::into_inner).collect(),
        };
        groups.push(Group { name, scope: form.scope, settings });
    }
    Ok(groups)
}

/// What is given to one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssignedSettings {
    /// The groups it belongs to.
    pub groups: Vec<String>,
    /// What they come to, as JSON: the later group goes first where two say something.
    pub settings: String,
    /// SHA-256 of the settings, hex: two that say the same have the same.
    pub digest: String,
    empty: bool,
}

/// How it stands with a device's settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SettingsState {
    /// It is given none, and has none.
    None,
    /// They are in use.
    Applied,
    /// They are not yet with it.
    Waiting,
    /// The agent refused them, and said why.
    Refused,
}

impl SettingsState {
    /// The name used in API and pages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Applied => "applied",
            Self::Waiting => "waiting",
            Self::Refused => "refused",
        }
    }
}

impl AssignedSettings {
    /// What these groups give to a device.
    #[must_use]
    pub fn to(info: &DeviceInfo, groups: &[Group]) -> Self {
        let mut whole = RemoteSettings::default();
        let mut names = Vec::new();
        for group in groups.iter().filter(|group| group.scope.covers(info)) {
            whole.add(&group.settings);
            names.push(group.name.clone());
        }
        // Texts, numbers and lists of them can always be written.
        let settings = serde_json::to_string(&whole).unwrap_or_default();
        Self { groups: names, digest: digest(&settings), settings, empty: whole.is_empty() }
    }

    /// Whether they are in use, by the device's own last report of it.
    #[must_use]
    pub fn state(&self, reported: &SettingsOutcome) -> SettingsState {
        match reported {
            _ if reported.version == 0 && self.empty => SettingsState::None,
            SettingsOutcome { digest, applied: true, .. } if *digest == self.digest => {
                if self.empty {
                    SettingsState::None
                } else {
                    SettingsState::Applied
                }
            }
            SettingsOutcome { digest, applied: false, .. } if *digest == self.digest => SettingsState::Refused,
            _ => SettingsState::Waiting,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, ConnectorKinds};
    use ioc_common::id::DeviceId;
    use ioc_judge::DeviceKind;

    const GROUPS: &str = r#"
[[settings]]
name = "all"
interval = "30s"
endpoint = [{ name = "portal", kind = "https", address = "portal.example:443" }]
[[settings]]
name = "walls"
scope = { kinds = ["display"] }
interval = "5s"
forbid = ["usb"]
every = { displays = "30s" }
"#;

    fn parse(text: &str) -> Result<Vec<Group>, ConfigError> {
        Config::parse(&Source::built_in("collector.toml", text), &ConnectorKinds::default())
            .map(|config| config.settings)
    }

    #[test]
    fn groups_add_up_and_a_devices_word_decides_how_they_stand() {
        let groups = parse(GROUPS).unwrap_or_else(|e| panic!("{e}"));
        let info = |kind| DeviceInfo::new(DeviceId::new("a").expect("valid"), kind, "A");
        let server = AssignedSettings::to(&info(DeviceKind::Server), &groups);
        let wall = AssignedSettings::to(&info(DeviceKind::Display), &groups);
        assert_eq!((server.groups.len(), wall.groups.join(" ")), (1, "all walls".to_owned()));
        assert!(wall.settings.contains(r#""interval":"5s""#) && wall.settings.contains("portal"), "{}", wall.settings);
        let said =
            |digest: &str, applied| SettingsOutcome { version: 1, digest: digest.into(), applied, why: String::new() };
        for (given, said, standing) in [
            (&wall, SettingsOutcome::default(), SettingsState::Waiting),
            (&wall, said(&wall.digest, true), SettingsState::Applied),
            (&wall, said(&wall.digest, false), SettingsState::Refused),
            (&wall, said(&server.digest, true), SettingsState::Waiting),
        ] {
            assert_eq!(given.state(&said), standing, "{said:?}");
        }
        let none = AssignedSettings::to(&info(DeviceKind::Server), &[]);
        for (said, standing) in [
            (SettingsOutcome::default(), SettingsState::None),
            (said(&wall.digest, true), SettingsState::Waiting),
            (said(&none.digest, true), SettingsState::None),
        ] {
            assert_eq!(none.state(&said), standing, "{said:?}");
        }
    }

    #[test]
    fn faults_point_at_their_line() {
        for (text, line, what) in [
            ("[[settings]]\nname = \"a\"\n[[settings]]\nname = \"a\"\n", 4, "its own"),
            ("[[settings]]\nname = \"a\"\nforbid = [\"Usb!\"]\n", 3, "docs/probes"),
            (
                "[[settings]]\nname = \"a\"\nendpoint = [{ name = \"x\", kind = \"tcp\", address = \"y\" }]\n",
                3,
                "host:port",
            ),
            ("[[settings]]\nname = \"a\"\ncommand = \"rm\"\n", 3, "command"),
        ] {
            let fault = parse(text).expect_err("refused");
            assert!(fault.line == line && fault.to_string().contains(what), "{fault}");
        }
    }
}
