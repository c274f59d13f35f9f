//! Configured backup jobs (article 7): when each last succeeded. Nothing is backed up from here; it is watched.

use ioc_common::clock::Timestamp;
use ioc_common::reading::{Backup, Backups};

use super::services::property;
use crate::machine::{Found, Machine, Surveyed, absent};
use crate::probe::Outcome;
use crate::settings::{BackupKind, BackupSetting};
use crate::source::zone::{Zone, three};

/// Makes the survey.
///
/// # Errors
/// *Absent* when no job is configured.
pub fn survey(machine: &Machine<'_>) -> Surveyed {
    if machine.settings.backups.is_empty() {
        return Err(absent(&"no [[backup]] is configured"));
    }
    let jobs = machine.settings.backups.iter().map(|setting| job(machine, setting)).collect();
    Found::of(&Backups { jobs }, machine.now)
}

fn job(machine: &Machine<'_>, setting: &BackupSetting) -> Backup {
    let kind = match setting.kind {
        BackupKind::Marker => "marker",
        BackupKind::Timer => "timer",
        BackupKind::Restic => "restic",
        BackupKind::Borg => "borg",
        BackupKind::Pgbasebackup => "pgbasebackup",
    };
    let mut job = Backup { name: setting.name.clone(), kind: kind.to_owned(), ..Backup::default() };
    let outcome = match setting.kind {
        BackupKind::Marker => marker(machine, setting, &mut job),
        BackupKind::Timer => timer(machine, setting, &mut job),
        BackupKind::Restic => restic(machine, setting, &mut job),
        BackupKind::Borg => borg(machine, setting, &mut job),
        BackupKind::Pgbasebackup => pgbasebackup(machine, setting, &mut job),
    };
    match outcome {
        Ok(()) | Err(Outcome::Read) => {}
        Err(Outcome::Unknown { why } | Outcome::Absent { why }) => job.unknown = why,
    }
    job
}

fn marker(machine: &Machine<'_>, setting: &BackupSetting, job: &mut Backup) -> Result<(), Outcome> {
    job.succeeded_at = machine.changed_at(&setting.target);
    // A marker that was never made is a backup that never ran, which is no unknown.
    job.ok = Some(job.succeeded_at.is_some());
    if job.succeeded_at.is_none() {
        job.detail = format!("{} is not there", setting.target);
    }
    Ok(())
}

fn timer(machine: &Machine<'_>, setting: &BackupSetting, job: &mut Backup) -> Result<(), Outcome> {
    let arguments = [
        "show",
        "--no-pager",
        "--property=Result,ExecMainStatus,ExecMainExitTimestamp,LoadState",
        "--",
        setting.target.as_str(),
    ];
    let output = machine.ask("systemctl", &arguments, 20)?;
    let text = String::from_utf8_lossy(&output.text);
    let value = |key: &str| property(&text, key);
    if value("LoadState") != Some("loaded") {
        return Err(absent(&format!("systemd knows no unit {}", setting.target)));
    }
    let ended = value("ExecMainExitTimestamp").and_then(parse_systemd_time);
    let good = value("Result") == Some("success") && value("ExecMainStatus") == Some("0");
    // systemd forgets all at a reboot: a job that did not run since is not told of.
    job.ok = ended.map(|_| good);
    job.succeeded_at = ended.filter(|_| good);
    job.detail = format!("result {}", value("Result").unwrap_or("?"));
    Ok(())
}

/// Reads `Mon 2026-11-23 10:00:00 UTC`, as systemctl prints in that zone.
fn parse_systemd_time(text: &str) -> Option<Timestamp> {
    let mut words = text.split_whitespace().skip(1);
    let (date, time) = (words.next()?, words.next()?);
    Zone::default().moment(three(date, '-')?, three(time, ':')?)
}

fn restic(machine: &Machine<'_>, setting: &BackupSetting, job: &mut Backup) -> Result<(), Outcome> {
    let password = setting.password_file.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
    let mut arguments = vec!["-r", setting.target.as_str(), "--no-lock", "--no-cache", "--json"];
    if !password.is_empty() {
        arguments.extend(["--password-file", &password]);
    }
    arguments.extend(["snapshots", "--latest", "1"]);
    let output = machine.ask("restic", &arguments, 50)?;
    if output.code != Some(0) {
        return Err(crate::machine::unknown(&format!(
            "restic: {}",
            output.complaint.lines().last().unwrap_or("failed")
        )));
    }
    let snapshots: serde_json::Value = serde_json::from_slice(&output.text).unwrap_or_default();
    let times = snapshots.as_array().map_or(&[][..], Vec::as_slice).iter();
    job.succeeded_at = times.filter_map(|one| one["time"].as_str()?.parse::<Timestamp>().ok()).max();
    job.ok = Some(job.succeeded_at.is_some());
    Ok(())
}

fn borg(machine: &Machine<'_>, setting: &BackupSetting, job: &mut Backup) -> Result<(), Outcome> {
    if !machine.has("borg") {
        return Err(absent(&"borg is not installed, or forbidden by [commands]"));
    }
    let mut command = vec!["/usr/bin/env".to_owned(), "BORG_BASE_DIR=/tmp".to_owned()];
    if let Some(path) = &setting.password_file {
        command.push(format!("BORG_PASSCOMMAND=cat {}", path.display()));
    }
    command.extend(
        ["borg", "--bypass-lock", "list", "--last", "1", "--json", "--", setting.target.as_str()].map(str::to_owned),
    );
    let output = machine.ask_custom(&command, 50)?;
    if output.code != Some(0) {
        return Err(crate::machine::unknown(&format!("borg: {}", output.complaint.lines().last().unwrap_or("failed"))));
    }
    let value: serde_json::Value = serde_json::from_slice(&output.text).unwrap_or_default();
    let archives = value["archives"].as_array().map_or(&[][..], Vec::as_slice).iter();
    // borg prints the time of the zone it runs in, which is UTC here, without saying so.
    let times =
        archives.filter_map(|one| format!("{}Z", one["time"].as_str()?.split('.').next()?).parse::<Timestamp>().ok());
    job.succeeded_at = times.max();
    job.ok = Some(job.succeeded_at.is_some());
    Ok(())
}

/// The newest backup below a directory: a whole one has its manifest (PostgreSQL 13 and later), written last.
fn pgbasebackup(machine: &Machine<'_>, setting: &BackupSetting, job: &mut Backup) -> Result<(), Outcome> {
    let mut places = vec![setting.target.clone()];
    places.extend(machine.names(&setting.target).into_iter().map(|name| format!("{}/{name}", setting.target)));
    let found = places
        .into_iter()
        .filter_map(|place| Some((machine.changed_at(&format!("{place}/backup_manifest"))?, place)))
        .max();
    match found {
        Some((at, place)) => {
            job.succeeded_at = Some(at);
            job.ok = Some(true);
            job.detail = place;
        }
        None => {
            job.ok = Some(false);
            job.detail = format!("no backup_manifest below {}", setting.target);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::testing::Captured;

    fn setting(name: &str, kind: BackupKind, target: &str) -> BackupSetting {
        BackupSetting { name: name.into(), kind, target: target.into(), password_file: None }
    }

    #[test]
    fn jobs_of_every_kind() {
        let mut captured = Captured::new(&[("/var/backups/done", ""), ("/srv/pg/2026-11-23/backup_manifest", "{}")]);
        captured.settings.backups = vec![
            setting("files", BackupKind::Marker, "/var/backups/done"),
            setting("never", BackupKind::Marker, "/var/backups/none"),
            setting("unit", BackupKind::Timer, "backup.service"),
            setting("restic", BackupKind::Restic, "/srv/r"),
            setting("pg", BackupKind::Pgbasebackup, "/srv/pg"),
            setting("borg", BackupKind::Borg, "/srv/b"),
        ];
        let show = [
            "show",
            "--no-pager",
            "--property=Result,ExecMainStatus,ExecMainExitTimestamp,LoadState",
            "--",
            "backup.service",
        ];
        captured.says(
            "systemctl",
            &show,
            0,
            "LoadState=loaded\nResult=exit-code\nExecMainStatus=1\nExecMainExitTimestamp=Mon 2026-11-23 10:00:00 UTC\n",
        );
        captured.says(
            "restic",
            &["-r", "/srv/r", "--no-lock", "--no-cache", "--json", "snapshots", "--latest", "1"],
            0,
            r#"[{"time":"2026-11-20T00:00:00.123456789+07:00"}]"#,
        );
        let found = survey(&captured.machine("2026-11-24T00:00:00Z")).expect("read");
        assert_eq!((found.number("backup.ok", "files"), found.number("backup.ok", "never")), (1.0, 0.0));
        assert_eq!((found.number("backup.ok", "unit"), found.number("backup.ok", "pg")), (0.0, 1.0));
        assert_eq!(found.number("backup.age", "restic"), 4.3);
        let backups: Backups = found.read();
        assert!(backups.jobs[5].unknown.contains("borg"), "{:?}", backups.jobs[5]);
        assert!(survey(&Captured::new(&[]).machine("2026-11-24T00:00:00Z")).is_err());
    }
}
