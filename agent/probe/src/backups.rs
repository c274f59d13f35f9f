//! Configured backup jobs (article 7): when each last succeeded. Nothing is backed up from here; it is watched.
//!
//! systemd forgets at a start of the host how its services ended, so what was seen of a job is remembered, and the stamp that its
//! timer leaves (`Persistent=`) is looked at: a job that no longer runs grows old, and is not silent.

use std::collections::BTreeMap;

use ioc_common::clock::Timestamp;
use ioc_common::reading::{Backup, Backups, Findings};
use serde::{Deserialize, Serialize};

use super::services::property;
use crate::ProbeOutcome;
use crate::bounded_io::names_in;
use crate::capture_rule::CapturedFiles;
use crate::descriptor::{Card, SurveyDescriptor};
use crate::settings::{BackupKind, BackupSetting};
use crate::survey_context::{SurveyContext, SurveyFindings, SurveyResult, absent, unknown};
use crate::time_zone::{Zone, parse_three};

pub(crate) const PROBE: SurveyDescriptor = SurveyDescriptor {
    probe: Backups::PROBE,
    deadline_s: 300,
    watch: &[],
    privileged: true,
    needs: Some("[[backup]] in the configuration; repositories and markers the helper may read"),
    whole_memo: None,
    programs: &["borg", "restic", "systemctl"],
    captured: CapturedFiles::whole(&["/etc/localtime", "/proc/uptime", "/var/lib/systemd/timers/*"]),
    processes: &[],
    card: Card {
        article: "7.1",
        vi: "Sao lưu gần nhất",
        en: "Freshness of backups",
        reads: "marker files, `systemctl show`, `restic snapshots`, `borg list`, `pg_basebackup` directories of each `[[backup]]`",
        cost: "0.1 ms a marker; a repository costs what its program does",
    },
    read: survey,
};

/// A job of which nothing was ever seen has this long after a start of the host, milliseconds: one that runs once a week has run.
const FIRST_RUN_MS: i64 = 8 * 86_400_000;
/// What a service's last run is asked for.
const PROPERTIES: &str = "--property=Result,ExecMainStatus,ExecMainExitTimestamp,LoadState";

/// What is remembered of each job from one survey to the next.
type JobMemos = BTreeMap<String, ServiceRun>;

/// The last run that was seen of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct ServiceRun {
    /// When it last ended, milliseconds since 1970.
    ended: i64,
    /// Whether it was good then.
    good: bool,
    /// When it was last good.
    succeeded: Option<i64>,
}

/// Makes the survey.
///
/// # Errors
/// *Absent* when no job is configured.
pub fn survey(context: &SurveyContext<'_>) -> SurveyResult {
    if context.settings.backups.is_empty() {
        return Err(absent(&"no [[backup]] is configured"));
    }
    let mut seen: JobMemos = serde_json::from_str(context.memo).unwrap_or_default();
    let jobs = context.settings.backups.iter().map(|setting| job(context, setting, &mut seen)).collect();
    seen.retain(|name, _| context.settings.backups.iter().any(|setting| setting.name == *name));
    let mut found = SurveyFindings::of(&Backups { jobs }, context.now)?;
    found.memo = serde_json::to_string(&seen).unwrap_or_default();
    Ok(found)
}

fn job(context: &SurveyContext<'_>, setting: &BackupSetting, seen: &mut JobMemos) -> Backup {
    let kind = match setting.kind {
        BackupKind::Marker => "marker",
        BackupKind::Timer => "timer",
        BackupKind::Restic => "restic",
        BackupKind::Borg => "borg",
        BackupKind::Pgbasebackup => "pgbasebackup",
    };
    let mut job = Backup { name: setting.name.clone(), kind: kind.to_owned(), ..Backup::default() };
    let outcome = match setting.kind {
        BackupKind::Marker => marker(context, setting, &mut job),
        BackupKind::Timer => timer(context, setting, &mut job, seen),
        BackupKind::Restic => restic(context, setting, &mut job),
        BackupKind::Borg => borg(context, setting, &mut job),
        BackupKind::Pgbasebackup => pgbasebackup(context, setting, &mut job),
    };
    match outcome {
        Ok(()) | Err(ProbeOutcome::Read) => {}
        Err(ProbeOutcome::Unknown { why } | ProbeOutcome::Absent { why }) => job.unknown = why,
    }
    // What is dated in the future would stay fresh until then.
    if let Some(at) = job.succeeded_at.filter(|at| context.is_ahead(*at)) {
        (job.succeeded_at, job.ok) = (None, None);
        job.unknown = format!("the last backup is dated in the future: {at}; mend: set the clock of who made it");
    }
    job
}

/// When a file was last changed; none when it is not there.
fn changed_at(context: &SurveyContext<'_>, path: &str) -> Result<Option<Timestamp>, ProbeOutcome> {
    match context.path(path).metadata() {
        Ok(_) => context.changed_at(path).map(Some).ok_or_else(|| unknown(&format!("{path} has no time of change"))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unknown(&format!("{path}: {error}"))),
    }
}

fn marker(context: &SurveyContext<'_>, setting: &BackupSetting, job: &mut Backup) -> Result<(), ProbeOutcome> {
    job.succeeded_at = changed_at(context, &setting.target)?;
    // A marker that was never made is a backup that never ran, which is no unknown.
    job.ok = Some(job.succeeded_at.is_some());
    if job.succeeded_at.is_none() {
        job.detail = format!("{} is not there", setting.target);
    }
    Ok(())
}

fn timer(
    context: &SurveyContext<'_>,
    setting: &BackupSetting,
    job: &mut Backup,
    seen: &mut JobMemos,
) -> Result<(), ProbeOutcome> {
    let stem = setting.target.strip_suffix(".timer");
    // A timer only starts; how its service ended is what counts.
    let service = stem.map_or_else(|| setting.target.clone(), |stem| format!("{stem}.service"));
    let arguments = ["show", "--no-pager", PROPERTIES, "--", service.as_str()];
    let text = context.ask("systemctl", &arguments, 20).lines()?;
    let value = |key: &str| property(&text, key);
    let not_told = |key: &str| unknown(&format!("systemctl show {service} does not tell {key}"));
    if value("LoadState").ok_or_else(|| not_told("LoadState"))? != "loaded" {
        return Err(absent(&format!("systemd knows no unit {service}")));
    }
    let result = value("Result").ok_or_else(|| not_told("Result"))?;
    job.detail = format!("result {result}");
    let ended = value("ExecMainExitTimestamp").map(str::trim).ok_or_else(|| not_told("ExecMainExitTimestamp"))?;
    let ended = match ended {
        "" | "n/a" | "0" => None,
        text => Some(parse_systemd_time(text).ok_or_else(|| unknown(&format!("{service} ended at {text:?}")))?),
    };
    let before = seen.get(&setting.name).copied();
    if let Some(at) = ended {
        let good = result == "success" && value("ExecMainStatus") == Some("0");
        let at_ms = at.as_millis();
        let succeeded = if good { Some(at_ms) } else { before.and_then(|run| run.succeeded) };
        seen.insert(setting.name.clone(), ServiceRun { ended: at_ms, good, succeeded });
        job.ok = Some(good);
        job.succeeded_at = succeeded.map(Timestamp::from_millis);
        return Ok(());
    }
    // It runs just now, or did not run since this host was started: what was before counts.
    let stem = stem.or_else(|| service.strip_suffix(".service")).unwrap_or(&service);
    let stamp = changed_at(context, &format!("/var/lib/systemd/timers/stamp-{stem}.timer"))?;
    let up_s = context.text_if("/proc/uptime").and_then(|text| text.split(['.', ' ']).next()?.parse::<i64>().ok());
    let started = up_s.map(|up_s| context.now.plus_millis(-up_s.saturating_mul(1000)));
    let elapsed = stamp.filter(|at| before.is_none_or(|run| at.as_millis() > run.ended));
    if let Some(at) = elapsed.filter(|at| started.is_none_or(|started| *at < started)) {
        // It was started then; whether it was good is not known, and nothing newer can be.
        job.succeeded_at = Some(at);
        job.detail = format!("not seen to end since {at}, when its timer last started it");
    } else if let Some(run) = before {
        job.ok = Some(run.good);
        job.succeeded_at = run.succeeded.map(Timestamp::from_millis);
        job.detail = format!("last seen to end at {}", Timestamp::from_millis(run.ended));
    } else if let Some(at) = elapsed {
        return Err(unknown(&format!("it was started at {at}, and has not ended yet; it was not seen before")));
    } else {
        let up_s = up_s.ok_or_else(|| unknown(&"it did not run since this host was started, whenever that was"))?;
        let days = up_s / 86_400;
        if up_s.saturating_mul(1000) < FIRST_RUN_MS {
            return Err(unknown(&format!(
                "it did not run since this host was started {days} days ago; it was not seen before"
            )));
        }
        job.ok = Some(false);
        job.detail = format!("did not run in the {days} days since this host was started");
    }
    Ok(())
}

/// Reads `Mon 2026-11-23 10:00:00 UTC`, as systemctl prints in that zone.
fn parse_systemd_time(text: &str) -> Option<Timestamp> {
    let mut words = text.split_whitespace().skip(1);
    let (date, time) = (words.next()?, words.next()?);
    Zone::default().moment(parse_three(date, '-')?, parse_three(time, ':')?)
}

fn restic(context: &SurveyContext<'_>, setting: &BackupSetting, job: &mut Backup) -> Result<(), ProbeOutcome> {
    let password = setting.password_file.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
    let mut arguments = vec!["-r", setting.target.as_str(), "--no-lock", "--no-cache", "--json"];
    if !password.is_empty() {
        arguments.extend(["--password-file", &password]);
    }
    arguments.extend(["snapshots", "--latest", "1"]);
    let snapshots = context.ask("restic", &arguments, 50).json()?;
    // Older ones print null where there is none.
    let snapshots = match &snapshots {
        serde_json::Value::Null => &[][..],
        serde_json::Value::Array(snapshots) => snapshots.as_slice(),
        _ => return Err(unknown(&"restic printed no list of snapshots")),
    };
    let times = snapshots.iter().filter_map(|one| one["time"].as_str()?.parse::<Timestamp>().ok());
    newest(job, times, snapshots.len())
}

fn borg(context: &SurveyContext<'_>, setting: &BackupSetting, job: &mut Backup) -> Result<(), ProbeOutcome> {
    if !context.has("borg") {
        return Err(absent(&"borg is not installed, or forbidden by [commands]"));
    }
    let mut command = vec!["/usr/bin/env".to_owned(), "BORG_BASE_DIR=/tmp".to_owned()];
    if let Some(path) = &setting.password_file {
        command.push(format!("BORG_PASSCOMMAND=cat {}", path.display()));
    }
    command.extend(
        ["borg", "--bypass-lock", "list", "--last", "1", "--json", "--", setting.target.as_str()].map(str::to_owned),
    );
    // 1, and from borg 1.4 on 100 to 127, are warnings.
    let value = context.ask_custom(&command, 50).accept_codes(|code| matches!(code, 0 | 1 | 100..=127)).json()?;
    let archives = value["archives"].as_array().ok_or_else(|| unknown(&"borg printed no list of archives"))?;
    // borg prints the time of the zone it runs in, which is UTC here, without saying so.
    let times = archives
        .iter()
        .filter_map(|one| format!("{}Z", one["time"].as_str()?.split('.').next()?).parse::<Timestamp>().ok());
    newest(job, times, archives.len())
}

/// The newest of `count` backups; without any the job never succeeded, and of some without a time nothing is known.
fn newest(job: &mut Backup, times: impl Iterator<Item = Timestamp>, count: usize) -> Result<(), ProbeOutcome> {
    job.succeeded_at = times.max();
    if job.succeeded_at.is_none() && count > 0 {
        return Err(unknown(&format!("none of {count} backups has a time that is understood")));
    }
    job.ok = Some(count > 0);
    Ok(())
}

/// The newest backup below a directory: a whole one has its manifest (PostgreSQL 13 and later), written last.
fn pgbasebackup(context: &SurveyContext<'_>, setting: &BackupSetting, job: &mut Backup) -> Result<(), ProbeOutcome> {
    let mut places = vec![setting.target.clone()];
    let below = match names_in(context.root, &setting.target, 4096) {
        Ok(names) => names,
        Err(error) if error.is_absent() => Vec::new(),
        Err(error) => return Err(unknown(&error)),
    };
    places.extend(below.into_iter().map(|name| format!("{}/{name}", setting.target)));
    let (mut found, mut closed) = (None, None);
    for place in places {
        match changed_at(context, &format!("{place}/backup_manifest")) {
            Ok(at) => found = found.max(at.map(|at| (at, place))),
            Err(why) => closed = Some(why),
        }
    }
    match found {
        Some((at, place)) => {
            job.succeeded_at = Some(at);
            job.ok = Some(true);
            job.detail = place;
        }
        None if closed.is_some() => return closed.map_or(Ok(()), Err),
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
    use crate::survey_context::testing::CapturedMachine;

    fn setting(name: &str, kind: BackupKind, target: &str) -> BackupSetting {
        BackupSetting { name: name.into(), kind, target: target.into(), password_file: None }
    }

    #[test]
    fn jobs_of_every_kind() {
        let mut captured =
            CapturedMachine::new(&[("/var/backups/done", ""), ("/srv/pg/2026-11-23/backup_manifest", "{}")]);
        captured.settings.backups = vec![
            setting("files", BackupKind::Marker, "/var/backups/done"),
            setting("never", BackupKind::Marker, "/var/backups/none"),
            setting("unit", BackupKind::Timer, "backup.service"),
            setting("restic", BackupKind::Restic, "/srv/r"),
            setting("pg", BackupKind::Pgbasebackup, "/srv/pg"),
            setting("borg", BackupKind::Borg, "/srv/b"),
        ];
        let show = ["show", "--no-pager", PROPERTIES, "--", "backup.service"];
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
        assert!(survey(&CapturedMachine::new(&[]).machine("2026-11-24T00:00:00Z")).is_err());
    }

    fn shows(captured: &CapturedMachine, unit: &str, text: &str) {
        captured.says("systemctl", &["show", "--no-pager", PROPERTIES, "--", unit], 0, text);
    }

    const FORGOTTEN: &str = "LoadState=loaded\nResult=success\nExecMainStatus=0\nExecMainExitTimestamp=\n";

    #[test]
    fn what_systemd_forgot_is_remembered() {
        let mut captured = CapturedMachine::new(&[("/proc/uptime", "86400.00 1.0\n")]);
        captured.settings.backups = vec![setting("db", BackupKind::Timer, "db.service")];
        let at = |captured: &CapturedMachine, now: &str| {
            let found = survey(&captured.machine(now)).expect("read");
            (found.number("backup.ok", "db"), found.number("backup.age", "db"), found.memo)
        };
        shows(&captured, "db.service", &FORGOTTEN.replace("Timestamp=", "Timestamp=Mon 2026-11-23 10:00:00 UTC"));
        let (ok, age, memo) = at(&captured, "2026-11-24T10:00:00Z");
        assert_eq!((ok, age), (1.0, 1.0));
        captured.memo = memo;
        shows(&captured, "db.service", FORGOTTEN);
        let (ok, age, memo) = at(&captured, "2026-11-27T10:00:00Z");
        assert_eq!((ok, age), (1.0, 4.0), "it grows old");
        captured.memo = memo;
        let failed =
            FORGOTTEN.replace("Timestamp=", "Timestamp=Fri 2026-11-27 20:00:00 UTC").replace("success", "exit-code");
        shows(&captured, "db.service", &failed);
        let (ok, age, memo) = at(&captured, "2026-11-28T10:00:00Z");
        assert_eq!((ok, age), (0.0, 5.0), "the last good one counts");
        captured.memo = memo;
        shows(&captured, "db.service", FORGOTTEN);
        let (ok, age, memo) = at(&captured, "2026-11-29T10:00:00Z");
        assert_eq!((ok, age), (0.0, 6.0));
        captured.settings.backups = vec![setting("other", BackupKind::Timer, "db.service")];
        captured.memo = memo;
        assert_eq!(survey(&captured.machine("2026-11-29T10:00:00Z")).expect("read").memo, "{}");
    }

    #[test]
    fn a_job_that_was_never_seen_to_run() {
        let mut captured = CapturedMachine::new(&[("/proc/uptime", "172800.00 1.0\n")]);
        captured.settings.backups = vec![setting("db", BackupKind::Timer, "db.timer")];
        shows(&captured, "db.service", FORGOTTEN);
        let read = |captured: &CapturedMachine| survey(&captured.machine("2026-11-24T10:00:00Z")).expect("read");
        let young = read(&captured);
        assert!(young.number("backup.ok", "db").is_nan());
        assert!(young.read::<Backups>().jobs[0].unknown.contains("2 days"));
        captured.write("/proc/uptime", b"864000.00 1.0\n");
        assert_eq!(read(&captured).number("backup.ok", "db"), 0.0);
        captured.write("/var/lib/systemd/timers/stamp-db.timer", b"");
        let stamp = std::fs::File::open(
            captured.machine("2026-11-24T10:00:00Z").path("/var/lib/systemd/timers/stamp-db.timer"),
        );
        let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_795_485_600 - 14 * 86_400);
        stamp.and_then(|file| file.set_modified(at)).expect("set");
        let stamped = read(&captured);
        assert!(stamped.number("backup.ok", "db").is_nan());
        assert_eq!(stamped.number("backup.age", "db"), 14.3);
        captured.memo = r#"{"db":{"ended":1,"good":false,"succeeded":null}}"#.to_owned();
        captured.write("/proc/uptime", b"1728000.00 1.0\n");
        let running = read(&captured);
        assert_eq!(running.number("backup.ok", "db"), 0.0, "it runs, and failed before");
        shows(&captured, "db.service", "LoadState=loaded\nExecMainExitTimestamp=\n");
        assert!(read(&captured).read::<Backups>().jobs[0].unknown.contains("does not tell Result"));
    }

    #[test]
    fn what_is_not_understood_is_no_missing_backup() {
        let mut captured = CapturedMachine::new(&[("/srv/file", ""), ("/srv/done", "")]);
        captured.settings.backups = vec![
            setting("restic", BackupKind::Restic, "/srv/r"),
            setting("closed", BackupKind::Marker, "/srv/file/done"),
            setting("future", BackupKind::Marker, "/srv/done"),
        ];
        let arguments = ["-r", "/srv/r", "--no-lock", "--no-cache", "--json", "snapshots", "--latest", "1"];
        let future = std::time::UNIX_EPOCH + std::time::Duration::from_secs(4_000_000_000);
        let done = std::fs::File::open(captured.machine("2026-11-24T00:00:00Z").path("/srv/done"));
        done.and_then(|file| file.set_modified(future)).expect("set");
        for (text, ok) in [
            (r#"{"message_type":"exit_error","code":1}"#, f64::NAN),
            (r#"[{"time":"?"}]"#, f64::NAN),
            ("[]", 0.0),
            ("null", 0.0),
        ] {
            captured.says("restic", &arguments, 0, text);
            let found = survey(&captured.machine("2026-11-24T00:00:00Z")).expect("read");
            let told = found.number("backup.ok", "restic");
            assert!(told == ok || told.is_nan() && ok.is_nan(), "{text}: {told}");
            assert!(found.number("backup.ok", "closed").is_nan() && found.number("backup.ok", "future").is_nan());
            let jobs = found.read::<Backups>().jobs;
            assert!(jobs[1].unknown.contains("/srv/file/done") && jobs[2].unknown.contains("future"), "{jobs:?}");
        }
    }
}
