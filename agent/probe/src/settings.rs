//! What surveys are told by the configuration: programs they may start, and what should be there.
//!
//! Parsed by the agent with the rest of `agent.toml`; given to each survey as part of its [`crate::SurveyContext`].

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use ioc_common::reading::AcceptedCounts;
use ioc_common::settings::EndpointSetting;

/// The settings, checked.
#[derive(Debug, Clone, Default)]
pub struct SurveySettings {
    /// Where each program lies; a program that is not named is looked for in the usual directories.
    pub commands: BTreeMap<String, PathBuf>,
    /// Files and directories whose executables belong to the software list.
    pub software_paths: Vec<PathBuf>,
    /// Services that should run.
    pub services_up: Vec<String>,
    /// Ports that may listen, such as `tcp/22`; none when no list is kept.
    pub ports_approved: Option<Vec<String>>,
    /// Endpoints to reach.
    pub endpoints: Vec<EndpointSetting>,
    /// Certificate files to watch.
    pub certificates: Vec<PathBuf>,
    /// Backup jobs to watch.
    pub backups: Vec<BackupSetting>,
    /// The wall as it should be; empty when none is configured.
    pub wall: Vec<PanelSetting>,
    /// How many of its panels hang beside each other; 0 when nobody said.
    pub wall_columns: u32,
    /// Extra disks, as smartctl wants to be asked: `/dev/bus/0` and `megaraid,3`.
    pub smart_devices: Vec<SmartDevice>,
    /// Accepted counts, by serial number.
    pub smart_accepted: BTreeMap<String, AcceptedCounts>,
    /// A product that this agent does not know, by its commands.
    pub antivirus_custom: Vec<CustomAntivirus>,
    /// A hardware RAID controller, by its command.
    pub raid_custom: Vec<CustomRaid>,
    /// Socket of clamd, when it is not where its configuration says.
    pub clamd_socket: Option<PathBuf>,
}

/// How a backup job is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackupKind {
    /// A file that the job touches when it succeeded.
    Marker,
    /// A systemd service: its last result and when it ended.
    Timer,
    /// A restic repository: the newest of `restic snapshots`.
    Restic,
    /// A borg repository: the newest of `borg list`.
    Borg,
    /// A directory of `pg_basebackup`.
    Pgbasebackup,
}

/// A backup job whose last run is looked for: `[[backup]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupSetting {
    /// Name on pages and in rules.
    pub name: String,
    /// By what the job's last run is found.
    pub kind: BackupKind,
    /// The file, repository or directory; the unit for `timer`.
    pub target: String,
    /// restic, borg: a file with the repository's password, readable by the agent alone.
    #[serde(default, deserialize_with = "ioc_common::config::secret_file_if")]
    pub password_file: Option<PathBuf>,
}

/// A panel that should be there. Empty texts are not compared.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "their names say it")]
pub struct PanelSetting {
    /// Connector, such as `DP-1`.
    pub connector: String,
    /// Maker, three letters.
    pub maker: String,
    pub model: String,
    pub serial: String,
    /// Mode, such as `1920x1080`.
    pub mode: String,
}

/// A disk that smartctl does not find by itself.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmartDevice {
    /// Device, such as `/dev/sda`.
    pub device: String,
    /// Type, such as `sat`, `megaraid,3`.
    #[serde(default)]
    pub r#type: String,
}

/// An anti-malware product by its commands: each prints one line.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustomAntivirus {
    /// Name of the product.
    pub name: String,
    /// Program and arguments whose success means that it runs.
    pub running: Vec<String>,
    /// Program and arguments that print when the signatures were made: RFC 3339, or seconds since 1970.
    #[serde(default)]
    pub signatures_at: Vec<String>,
    /// Program and arguments that print how many threats were found within 7 days.
    #[serde(default)]
    pub detections: Vec<String>,
}

/// A hardware RAID controller by its command.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustomRaid {
    /// Name of the controller.
    pub name: String,
    /// Program and arguments.
    pub command: Vec<String>,
    /// It is healthy when the output holds this …
    #[serde(default)]
    pub good: String,
    /// … and does not hold any of these.
    #[serde(default)]
    pub bad: Vec<String>,
}
