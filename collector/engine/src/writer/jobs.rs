//! Jobs on other systems that report their success: one that fails or stays away is a fault of its device until it succeeds
//! (articles 7.1, 7.2).

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;

use ioc_common::clock::Timestamp;
use ioc_judge::{Alert, InformationSource, Input, Text};
use ioc_store::{Change, JobRecord, JobReport};

use super::{CommandResult, Engine};
use crate::command::{Answer, CommandError};
use crate::config::Job;
use crate::job::{self, JobState};
use crate::local_time::local;
use crate::refusal_reason::{RefusalReason, Word};

/// Longest message that is kept of a job, characters.
const MESSAGE_MAX_CHARS: usize = 500;

/// The jobs that are watched.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    records: BTreeMap<String, JobRecord>,
    /// When one of them becomes late, if nothing is heard before; none when none will.
    next_late_at: Option<Timestamp>,
}

impl Jobs {
    /// The jobs as they stand in the store.
    pub(super) fn new(records: Vec<JobRecord>) -> Self {
        let records = records.into_iter().map(|record| (record.name.clone(), record));
        Self { records: records.collect(), next_late_at: None }
    }

    /// What is known of a job; none where it is not watched.
    pub(super) fn record(&self, name: &str) -> Option<&JobRecord> {
        self.records.get(name)
    }

    /// The clock was stepped, and that is followed: the store moves the same with [`Change::ClockStepped`].
    pub(super) fn shift(&mut self, by_ms: i64) {
        self.next_late_at = self.next_late_at.map(|at| at.plus_millis(by_ms));
        for record in self.records.values_mut() {
            record.since = record.since.plus_millis(by_ms);
            record.last_success = record.last_success.map(|at| at.plus_millis(by_ms));
            if let Some(report) = &mut record.last_report {
                report.at = report.at.plus_millis(by_ms);
            }
        }
    }
}

impl Engine {
    /// Watches what the configuration says, and nothing else any more.
    pub(super) fn watch_jobs(&mut self, now: Timestamp) {
        let gone = |name: &String| !self.config.jobs.iter().any(|job| job.name == *name);
        let gone: Vec<String> = self.jobs.records.keys().filter(|name| gone(name)).cloned().collect();
        for name in gone {
            self.jobs.records.remove(&name);
            let over = Text::new("Công việc này không còn được theo dõi.", "This job is not watched any more.");
            self.clear_job(&name, over, now);
            self.batch.changes.push(Change::JobGone(name));
        }
        for job in &self.config.jobs {
            if !self.jobs.records.contains_key(&job.name) {
                let record = JobRecord { name: job.name.clone(), since: now, last_success: None, last_report: None };
                self.batch.changes.push(Change::Job(record.clone()));
                self.jobs.records.insert(job.name.clone(), record);
            }
        }
        self.check_jobs(now);
        self.see_backup_jobs(None, now);
    }

    /// Looks for jobs that are late, where one may be.
    pub(super) fn check_late_jobs(&mut self, now: Timestamp) {
        if self.jobs.next_late_at.is_some_and(|at| at <= now) {
            self.check_jobs(now);
        }
    }

    /// A job reports.
    pub(super) fn job_reported(&mut self, name: &str, failed: bool, message: &str, now: Timestamp) -> CommandResult {
        let Some(record) = self.jobs.records.get_mut(name) else {
            let english = format!("there is no job {name} in the configuration");
            return Err(RefusalReason::new("refusal-no-job", [("name", Word::text(name))], english).not_found());
        };
        let message = message.chars().filter(|c| !c.is_control()).take(MESSAGE_MAX_CHARS).collect();
        record.last_report = Some(JobReport { at: now, failed, message });
        if !failed {
            record.last_success = Some(now);
        }
        self.batch.changes.push(Change::Job(record.clone()));
        self.batch.visible = true;
        self.check_jobs(now);
        self.see_backup_jobs(Some(name), now);
        Ok(Answer::Done)
    }

    /// Raises and clears the faults of jobs, whoever else ended one meanwhile.
    pub(super) fn check_jobs(&mut self, now: Timestamp) {
        let started = Timestamp::from_millis(self.health.engine_started_ms.load(Relaxed));
        let mut next_late_at: Option<Timestamp> = None;
        for job in self.config.jobs.clone() {
            let Some(record) = self.jobs.records.get(&job.name).cloned() else { continue };
            let late_at = job::late_at(&job, &record, started);
            if late_at > now {
                next_late_at = Some(next_late_at.map_or(late_at, |first| first.min(late_at)));
            }
            let state = job::state(&job, &record, started, now);
            match (state.is_bad(), self.state.has_device_fault(&fault_name(&job.name))) {
                (true, false) => {
                    if let Err(error) = self.raise_job(&job, &record, state, now) {
                        tracing::error!(job = job.name, %error, "that a job is late could not be said");
                    }
                }
                // What is not known yet ends nothing.
                (false, true) if state != JobState::Unheard => {
                    let last = record.last_success.map(|at| local(at, &self.config)).unwrap_or_default();
                    let over = Text::new(
                        format!("Công việc lại đúng hạn; lần thành công gần nhất: {last}."),
                        format!("The job is in time again; it last succeeded at {last}."),
                    );
                    self.clear_job(&job.name, over, now);
                }
                _ => {}
            }
        }
        self.jobs.next_late_at = next_late_at;
    }

    fn raise_job(
        &mut self,
        job: &Job,
        record: &JobRecord,
        state: JobState,
        now: Timestamp,
    ) -> Result<(), CommandError> {
        let known = job.device.clone().filter(|device| self.state.device(device).is_some());
        let device = match known {
            Some(device) => device,
            None => {
                self.stand_in(&format!("job-{}", job.name), (&job.title, ""), "for a job on another system", now)?
            }
        };
        let last = record.last_success.map(|at| local(at, &self.config));
        let (mut vi, mut en) = match (&record.last_report, state) {
            (Some(report), JobState::Failed) => (
                format!("Công việc báo thất bại: {}.", report.message.trim_end_matches('.')),
                format!("The job says that it failed: {}.", report.message.trim_end_matches('.')),
            ),
            _ => {
                let due = local(job::due_at(job, record), &self.config);
                (format!("Quá hạn báo thành công, chậm nhất {due}."), format!("Its success was due by {due}."))
            }
        };
        match last {
            Some(last) => {
                vi += &format!(" Lần thành công gần nhất: {last}.");
                en += &format!(" It last succeeded at {last}.");
            }
            None => {
                vi += " Chưa lần nào báo thành công.";
                en += " It has never reported success.";
            }
        }
        if !job.advice.is_empty() {
            vi += &format!(" {}", job.advice);
            en += &format!(" {}", job.advice);
        }
        let title = match state {
            JobState::Failed => (format!("Thất bại: {}", job.title), format!("Failed: {}", job.title)),
            _ => (format!("Quá hạn: {}", job.title), format!("Overdue: {}", job.title)),
        };
        // That nothing came is what the collector itself sees; a failure is the job's own word.
        let source = match state {
            JobState::Failed => InformationSource::Heartbeat,
            JobState::Late | JobState::Unheard | JobState::Waiting | JobState::Succeeded => {
                InformationSource::Collector
            }
        };
        let alert = Alert {
            source,
            device,
            name: fault_name(&job.name),
            fingerprint: String::new(),
            severity: job.severity,
            title: Text::new(title.0, title.1),
            reason: Text::new(vi, en),
            since: now,
            firing: true,
            over: Text::default(),
            matter: None,
        };
        self.decide(Input::Alert(alert), now)?;
        Ok(())
    }

    /// Ends the fault of a job, if there is one.
    fn clear_job(&mut self, name: &str, over: Text, now: Timestamp) {
        let Ok(device) = ioc_common::id::DeviceId::new(&format!("job-{name}")) else { return };
        let alert = Alert {
            source: InformationSource::Heartbeat,
            device,
            name: fault_name(name),
            fingerprint: String::new(),
            severity: ioc_judge::Severity::Warning,
            title: Text::default(),
            reason: Text::default(),
            since: now,
            firing: false,
            over,
            matter: None,
        };
        self.judge(Input::Alert(alert), now);
    }
}

/// The name of a job's fault.
pub(super) fn fault_name(job: &str) -> String {
    format!("job/{job}")
}

#[cfg(test)]
mod tests {
    use ioc_common::config::{Span, SpanWithin};
    use ioc_judge::{FaultState, Severity};
    use ioc_store::FaultQuery;

    use super::super::time::tests::{Machine, Rig, deps};
    use super::*;
    use crate::command::Command;
    use crate::refusal_reason::RefusalKind;

    const HOUR_MS: i64 = 3_600_000;

    fn nightly(device: Option<&str>) -> Job {
        Job {
            name: "db".into(),
            title: "Sao lưu CSDL".into(),
            device: device.map(|id| ioc_common::id::DeviceId::new(id).expect("valid")),
            every: SpanWithin(Span::secs(24 * 3600)),
            grace: SpanWithin(Span::secs(3600)),
            severity: Severity::Critical,
            advice: "Gọi nhóm CSDL.".into(),
            token_file: "token".into(),
        }
    }

    fn watch(rig: &mut Rig, jobs: Vec<Job>) {
        let mut config = rig.engine.config.clone();
        config.jobs = jobs;
        rig.command(Command::Reload(Box::new(config))).expect("taken");
    }

    fn report(rig: &mut Rig, failed: bool) {
        let (job, message) = ("db".to_owned(), "disk full.".to_owned());
        rig.command(Command::JobReported { job, failed, message }).expect("kept");
    }

    /// State, device, title and reason of each fault of the job, the newest first.
    fn faults(rig: &Rig) -> Vec<(FaultState, String, String, String)> {
        let faults = rig.reader.faults(&FaultQuery::default(), 10).expect("reads");
        let of_job = faults.into_iter().filter(|fault| fault.rule == "job/db");
        of_job
            .map(|fault| {
                let title = fault.title.as_ref().map(|title| title.vi.clone()).unwrap_or_default();
                (fault.state, fault.device.to_string(), title, fault.reason.vi)
            })
            .collect()
    }

    #[test]
    fn a_job_that_stays_away_or_fails_is_a_fault_of_its_device_until_it_succeeds() {
        let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
        let mut rig = Rig::open(dir.path(), &machine);
        rig.register("srv-1");
        watch(&mut rig, vec![nightly(Some("srv-1"))]);
        rig.pass(25 * HOUR_MS - 60_000);
        assert!(faults(&rig).is_empty(), "its first success is not due yet");
        rig.pass(120_000);
        let found = faults(&rig);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].0, found[0].1.as_str()), (FaultState::Raised, "srv-1"));
        assert_eq!(found[0].2, "Quá hạn: Sao lưu CSDL");
        assert!(found[0].3.contains("Chưa lần nào") && found[0].3.ends_with("Gọi nhóm CSDL."), "{}", found[0].3);
        assert_eq!(rig.notices().len(), 1, "and people are told");
        report(&mut rig, false);
        let found = faults(&rig);
        assert_eq!((found.len(), found[0].0), (1, FaultState::Cleared));
        assert!(found[0].3.contains("Công việc lại đúng hạn"), "{}", found[0].3);
        report(&mut rig, true);
        let found = faults(&rig);
        assert_eq!((found.len(), found[0].0), (2, FaultState::Raised), "one that failed is not waited for");
        assert!(found[0].2.starts_with("Thất bại") && found[0].3.contains("disk full."), "{found:?}");
        // What is no longer watched is no fault any more, and nothing is left of it.
        watch(&mut rig, Vec::new());
        assert_ne!(faults(&rig)[0].0, FaultState::Raised);
        assert!(rig.reader.jobs().expect("reads").is_empty());
        let of_nobody = Command::JobReported { job: "db".into(), failed: false, message: String::new() };
        assert!(matches!(rig.command(of_nobody), Err(CommandError::Explained(RefusalKind::NotFound, _))));
    }

    #[test]
    fn a_restart_forgets_no_job_and_ends_nothing_by_itself() {
        let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
        let mut rig = Rig::open(dir.path(), &machine);
        // Nothing of the inventory: something stands for it.
        watch(&mut rig, vec![nightly(None)]);
        report(&mut rig, false);
        rig.pass(26 * HOUR_MS);
        assert_eq!(faults(&rig).iter().map(|fault| fault.1.as_str()).collect::<Vec<_>>(), ["job-db"]);
        drop(rig);
        let again = |jobs: Vec<Job>| {
            let mut deps = deps(dir.path(), &machine, |store| store);
            deps.config.jobs = jobs;
            Rig::start(deps, &machine)
        };
        // Whether it reported meanwhile is not known: the fault stands, and nobody is told anew.
        let mut rig = again(vec![nightly(None)]);
        let told = rig.notices().len();
        rig.pass(2 * HOUR_MS);
        assert_eq!(faults(&rig).iter().map(|fault| fault.0).collect::<Vec<_>>(), [FaultState::Raised]);
        assert_eq!(rig.notices().len(), told);
        drop(rig);
        // Somebody has taken it out of the configuration meanwhile.
        let mut rig = again(Vec::new());
        rig.pass(10_000);
        assert_eq!(faults(&rig).iter().map(|fault| fault.0).collect::<Vec<_>>(), [FaultState::Cleared]);
        watch(&mut rig, vec![nightly(None)]);
        rig.pass(HOUR_MS);
        assert_eq!(faults(&rig).len(), 1, "its first success is waited for anew");
    }

    #[test]
    fn a_device_that_goes_takes_no_fault_of_a_job_with_it() {
        let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
        let mut rig = Rig::open(dir.path(), &machine);
        rig.register("srv-1");
        watch(&mut rig, vec![nightly(Some("srv-1"))]);
        report(&mut rig, true);
        assert_eq!(faults(&rig)[0].1, "srv-1");
        let device = ioc_common::id::DeviceId::new("srv-1").expect("valid");
        rig.command(Command::Revoke { device, actor: "lan".into() }).expect("done");
        let standing: Vec<String> =
            faults(&rig).into_iter().filter(|one| one.0 == FaultState::Raised).map(|one| one.1).collect();
        assert_eq!(standing, ["job-db"]);
    }

    #[test]
    fn a_step_of_the_clock_makes_no_job_late() {
        let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
        let mut rig = Rig::open(dir.path(), &machine);
        watch(&mut rig, vec![nightly(None)]);
        report(&mut rig, false);
        let due = |rig: &Rig| job::due_at(&nightly(None), &rig.reader.jobs().expect("reads")[0]);
        let before = due(&rig);
        let now = rig.engine.time.now();
        rig.engine.jobs.shift(240_000);
        rig.engine.batch.changes.push(Change::ClockStepped { at: now, by_ms: 240_000 });
        rig.pass(10_000);
        assert_eq!(due(&rig), before.plus_millis(240_000));
        assert_eq!(rig.engine.jobs.records["db"], rig.reader.jobs().expect("reads")[0], "memory and store agree");
    }
}
