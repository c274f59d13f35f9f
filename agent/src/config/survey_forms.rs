//! The tables of `agent.toml` that say what surveys may start and what should be there: read and checked here, used by readers
//! ([`ioc_probe::settings`]).

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use ioc_common::config::{Bounded, ConfigError, Source, Spanned};
use ioc_common::reading::AcceptedCounts;
use ioc_common::settings::{ENDPOINTS_MAX, EndpointSetting};
use ioc_probe::programs;
use ioc_probe::settings::{
    BackupKind, BackupSetting, CustomAntivirus, CustomRaid, PanelSetting, SmartDevice, SurveySettings,
};

/// Most entries of one list: bounds the work of a survey.
const LIST_MAX: usize = ENDPOINTS_MAX;

/// The tables of `agent.toml` that become [`SurveySettings`].
#[derive(Debug, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SurveyForms {
    pub(crate) commands: BTreeMap<String, Spanned<PathBuf>>,
    pub(crate) software: SoftwareForm,
    pub(crate) services: ServicesForm,
    pub(crate) ports: PortsForm,
    pub(crate) endpoint: Vec<Spanned<EndpointSetting>>,
    pub(crate) certificates: CertificatesForm,
    pub(crate) backup: Vec<Spanned<BackupSetting>>,
    pub(crate) wall: WallForm,
    pub(crate) smart: SmartForm,
    pub(crate) antivirus: AntivirusForm,
    pub(crate) raid: RaidForm,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SoftwareForm {
    paths: Vec<PathBuf>,
}

impl Default for SoftwareForm {
    fn default() -> Self {
        Self { paths: vec!["/opt".into(), "/usr/local".into()] }
    }
}

#[derive(Debug, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ServicesForm {
    up: Vec<Spanned<String>>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PortsForm {
    approved: Option<Vec<Spanned<String>>>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CertificatesForm {
    paths: Vec<PathBuf>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WallForm {
    columns: Option<Bounded<1, 64>>,
    panel: Vec<Spanned<PanelSetting>>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SmartForm {
    device: Vec<SmartDevice>,
    accepted: BTreeMap<String, AcceptedCounts>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AntivirusForm {
    clamd_socket: Option<PathBuf>,
    custom: Vec<Spanned<CustomAntivirus>>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RaidForm {
    custom: Vec<Spanned<CustomRaid>>,
}

impl SurveyForms {
    pub(crate) fn check(self, source: &Source) -> Result<SurveySettings, ConfigError> {
        let mut commands = BTreeMap::new();
        for (name, path) in self.commands {
            if !programs().contains(&name.as_str()) {
                let message = format!("found program {name:?}; allowed are {}", programs().join(", "));
                return Err(source.fault(path.span(), &message, "correct the name or remove the line"));
            }
            let absolute = path.get_ref().as_os_str().is_empty() || path.get_ref().is_absolute();
            if !absolute {
                let message =
                    format!("found path {:?}; allowed is an absolute path, or \"\" to forbid it", path.get_ref());
                return Err(source.fault(path.span(), &message, "write the whole path"));
            }
            commands.insert(name, path.into_inner());
        }
        let mut names = std::collections::HashSet::new();
        let endpoints = checked(source, self.endpoint, |one| {
            let unnamed = one.name.is_empty() || !names.insert(format!("endpoint {}", one.name));
            if unnamed {
                Some(format!("found endpoint name {:?}; allowed is a name of its own for each", one.name))
            } else {
                one.fault()
            }
        })?;
        let backups = checked(source, self.backup, |one| {
            let unnamed = one.name.is_empty() || !names.insert(format!("backup {}", one.name));
            if unnamed {
                return Some(format!("found backup name {:?}; allowed is a name of its own for each", one.name));
            }
            let path = matches!(one.kind, BackupKind::Marker | BackupKind::Pgbasebackup);
            (path && !one.target.starts_with('/'))
                .then(|| format!("found target {:?}; allowed is an absolute path", one.target))
        })?;
        let wall = checked(source, self.wall.panel, |one| {
            one.connector.is_empty().then(|| "found no connector; allowed is a name such as \"DP-1\"".to_owned())
        })?;
        let antivirus_custom = checked(source, self.antivirus.custom, |one| {
            runnable(&one.running).or_else(|| optional(&one.signatures_at)).or_else(|| optional(&one.detections))
        })?;
        let raid_custom = checked(source, self.raid.custom, |one| {
            if one.good.is_empty() && one.bad.is_empty() {
                return Some("found neither good nor bad; at least one must say how health shows".to_owned());
            }
            runnable(&one.command)
        })?;
        let services_up = checked(source, self.services.up, |unit| {
            let shaped = unit.contains('.') && !unit.starts_with('-') && unit.len() <= 200;
            (!shaped).then(|| format!("found unit {unit:?}; allowed is a whole name such as \"ssh.service\""))
        })?;
        let ports_approved =
            self.ports.approved.map(|list| checked(source, list, |port| port_fault(port))).transpose()?;
        Ok(SurveySettings {
            commands,
            software_paths: self.software.paths,
            services_up,
            ports_approved,
            endpoints,
            certificates: self.certificates.paths,
            backups,
            wall,
            wall_columns: self.wall.columns.map_or(0, |columns| u32::try_from(columns.0).unwrap_or(0)),
            smart_devices: self.smart.device,
            smart_accepted: self.smart.accepted,
            antivirus_custom,
            raid_custom,
            clamd_socket: self.antivirus.clamd_socket,
        })
    }
}

fn checked<T>(
    source: &Source,
    list: Vec<Spanned<T>>,
    mut fault: impl FnMut(&T) -> Option<String>,
) -> Result<Vec<T>, ConfigError> {
    if let Some(beyond) = list.get(LIST_MAX) {
        let message = format!("found {} entries; allowed are {LIST_MAX}", list.len());
        return Err(source.fault(beyond.span(), &message, "remove some"));
    }
    for one in &list {
        if let Some(message) = fault(one.get_ref()) {
            return Err(source.fault(one.span(), &message, "correct it as docs/configuration.md shows"));
        }
    }
    Ok(list.into_iter().map(Spanned::into_inner).collect())
}

fn runnable(command: &[String]) -> Option<String> {
    let absolute = command.first().is_some_and(|program| program.starts_with('/'));
    (!absolute).then(|| format!("found command {command:?}; allowed is [\"/absolute/path\", \"argument\", …]"))
}

fn optional(command: &[String]) -> Option<String> {
    if command.is_empty() { None } else { runnable(command) }
}

fn port_fault(port: &str) -> Option<String> {
    let good = port
        .split_once('/')
        .is_some_and(|(protocol, number)| matches!(protocol, "tcp" | "udp") && number.parse::<u16>().is_ok());
    (!good).then(|| format!("found port {port:?}; allowed are \"tcp/N\" and \"udp/N\""))
}
