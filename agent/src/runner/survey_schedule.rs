//! When surveys are made, by whom, and what becomes of their answers.
//!
//! All that is due goes to one short-lived child, what needs privilege to the helper unit where it is installed. A child that
//! does not answer in time is killed, the survey it was at is *unknown*, and a new child makes the rest.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};
use tokio::net::UnixStream;
use tokio::sync::mpsc;

use ioc_common::codec::EncodedBody;
use ioc_common::file;
use ioc_common::metric;
use ioc_common::report::{ProbeOutcome, ProbeReport};
use ioc_common::topic::UpKind;
use ioc_probe::{Hotplug, SURVEYS, Survey, names_in, read_text};

use super::file_watch::FileWatch;
use crate::config::surveyor_path;
use crate::sampler::Number;
use crate::survey::{Job, LINE_MAX_BYTES, SurveyEnd, SurveyLine};

/// Where the helper unit listens.
const HELPER: &str = "/run/ioc-agent-helper.sock";
/// A document is sent again after this, changed or not.
const WHOLE_MS: u64 = 86_400_000;
/// How often what this machine does not have is looked for again, unless a watched file changes.
const ABSENT_EVERY_MS: u64 = 6 * 3_600_000;
/// A watched file that changes is given this long to come to rest (an upgrade writes for minutes).
const SETTLE_MS: u64 = 20_000;
/// Files on disks are looked at every this many beats, those of which the kernel noted nothing more seldom ([`FileWatch`]); those of the
/// kernel at each.
const DISK_EVERY_BEATS: u64 = 6;
/// What a child may take to start and to print, on top of the survey's own deadline.
const GRACE_S: u64 = 15;

/// A line, and the survey it belongs to.
pub(super) type AnsweredLine = (&'static str, SurveyLine);

struct SurveySlot {
    survey: &'static Survey,
    every_ms: u64,
    next_ms: u64,
    stamp: u32,
    /// Something that it watches was there when it was last looked at.
    there: bool,
    memo: String,
    outcome: ProbeOutcome,
    numbers: Vec<Number>,
    /// What was last sent, and when.
    sent: Option<(u32, u64)>,
}

/// When each survey is due, the child that makes those that are, and what they found last.
pub(super) struct SurveySchedule {
    slots: Vec<SurveySlot>,
    files: FileWatch,
    hotplug: Hotplug,
    config_path: Option<PathBuf>,
    memos: PathBuf,
    under_way: Option<mpsc::Receiver<AnsweredLine>>,
    beats: u64,
    numbers: Arc<[Number]>,
    outcomes_changed: bool,
    /// Ticks that children had used when it was last looked.
    children_ticks: u64,
    children_us: u64,
}

/// What a survey watches, by which follows how often it must be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WatchKind {
    /// Files on disks, or nothing.
    Files,
    /// Directories of sysfs, whose names come and go with devices.
    Devices,
    /// Files that the kernel composes.
    Kernel,
}

impl SurveySlot {
    fn watches(&self) -> WatchKind {
        let watch = self.survey.watch;
        if !watch.first().is_some_and(|path| is_kernel(path)) {
            WatchKind::Files
        } else if watch.iter().all(|path| path.starts_with("/sys/") && !path.contains('*')) {
            WatchKind::Devices
        } else {
            WatchKind::Kernel
        }
    }

    /// Whether the kernel notes what becomes of all its files.
    fn is_noted(&self, files: &FileWatch) -> bool {
        self.survey.watch.iter().all(|path| files.is_noted(Path::new(path)))
    }

    /// Whether the collector must be told: a document only when it changed, and once a day.
    fn is_news(&mut self, report: &EncodedBody, now_ms: u64) -> bool {
        if report.kind() != UpKind::State {
            return true;
        }
        let hash = crc32fast::hash(report.text().as_bytes());
        let known = self.sent.is_some_and(|(sent, at)| sent == hash && now_ms.saturating_sub(at) < WHOLE_MS);
        if !known {
            self.sent = Some((hash, now_ms));
        }
        !known
    }

    /// Takes how the survey ended. Says whether its outcome changed, and whether what it remembers did.
    fn end(&mut self, answer: SurveyEnd, now_ms: u64) -> (bool, bool) {
        let outcome_changed = self.outcome != answer.outcome;
        self.outcome = answer.outcome;
        if self.outcome == ProbeOutcome::Read {
            let known = |(name, subject, value): (String, String, Option<f64>)| {
                Some((metric::static_name(&name)?, subject, value.unwrap_or(f64::NAN)))
            };
            self.numbers = answer.numbers.into_iter().filter_map(known).collect();
        } else if matches!(self.outcome, ProbeOutcome::Unknown { .. }) {
            // Their places stay; their values are not known any more.
            self.numbers.iter_mut().for_each(|number| number.2 = f64::NAN);
        } else {
            self.numbers.clear();
            // What this machine does not have is looked for seldom: a child costs as much as ten samples.
            self.next_ms = self.next_ms.max(next(now_ms, self.every_ms.max(ABSENT_EVERY_MS)));
        }
        let memo_changed = answer.memo.is_some_and(|memo| {
            let changed = self.memo != memo;
            self.memo = memo;
            changed
        });
        (outcome_changed, memo_changed)
    }
}

/// What is kept of surveys from one start of the agent to the next.
#[derive(Default, Serialize, Deserialize)]
struct MemoFile {
    memos: BTreeMap<String, String>,
}

impl SurveySchedule {
    pub(super) fn new(
        state: &Path,
        config_path: Option<PathBuf>,
        forbid: &[String],
        every: &BTreeMap<String, ioc_common::settings::Every>,
        now_ms: u64,
    ) -> Self {
        let memos = state.join("surveys.json");
        let kept: MemoFile =
            std::fs::read(&memos).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
        let slots: Vec<SurveySlot> = SURVEYS
            .iter()
            .filter(|survey| !forbid.iter().any(|name| name == survey.name))
            .map(|survey| SurveySlot {
                survey,
                every_ms: every
                    .get(survey.name)
                    .and_then(|every| u64::try_from(every.as_millis()).ok())
                    .unwrap_or(survey.every_s * 1000),
                next_ms: now_ms,
                stamp: 0,
                there: true,
                memo: kept.memos.get(survey.name).cloned().unwrap_or_default(),
                outcome: ProbeOutcome::Unknown { why: "not yet surveyed".to_owned() },
                numbers: Vec::new(),
                sent: None,
            })
            .collect();
        let watched = slots.iter().filter(|slot| slot.watches() == WatchKind::Files).flat_map(|slot| slot.survey.watch);
        Self {
            files: FileWatch::new(watched.map(PathBuf::from)),
            hotplug: Hotplug::default(),
            slots,
            config_path,
            memos,
            under_way: None,
            beats: 0,
            numbers: Arc::from([]),
            outcomes_changed: false,
            children_ticks: children_ticks(),
            children_us: 0,
        }
    }

    /// At each sample: looks at watched files, and starts what is due. `device_events` is what the sample says of them
    /// ([`crate::sampler::TakenSample`]).
    pub(super) fn beat(&mut self, now_ms: u64, device_events: Option<u64>) {
        let disks = self.beats.is_multiple_of(DISK_EVERY_BEATS);
        let first = self.beats == 0;
        self.beats += 1;
        let files_changed = disks && self.files.may_have_changed();
        let devices_changed = self.hotplug.may_have_changed(device_events);
        for slot in &mut self.slots {
            let watches = slot.watches();
            let kernel = watches != WatchKind::Files;
            let look = match watches {
                WatchKind::Files => files_changed || disks && !slot.is_noted(&self.files),
                WatchKind::Devices => devices_changed,
                // What is not there comes with a driver, which is a device or a module that comes.
                WatchKind::Kernel => slot.there || devices_changed,
            };
            if !look {
                continue;
            }
            let (stamp, there) = stamp(slot.survey.watch);
            slot.there = there;
            if stamp != slot.stamp && !first {
                // The kernel's files are whole at once; others are written for a while.
                let at = if kernel { now_ms } else { now_ms + SETTLE_MS };
                slot.next_ms = slot.next_ms.min(at);
                if !kernel {
                    self.files.watch_anew();
                }
            }
            slot.stamp = stamp;
        }
        if self.under_way.is_some() {
            return;
        }
        let due: Vec<&mut SurveySlot> = self.slots.iter_mut().filter(|slot| slot.next_ms <= now_ms).collect();
        if due.is_empty() {
            return;
        }
        let mut jobs = Vec::new();
        for slot in due {
            slot.next_ms = next(now_ms, slot.every_ms);
            jobs.push((slot.survey, Job { name: slot.survey.name.to_owned(), memo: slot.memo.clone() }));
        }
        let (sender, receiver) = mpsc::channel(4);
        tokio::spawn(make_all(jobs, self.config_path.clone(), sender));
        self.under_way = Some(receiver);
    }

    /// The next line. Never ends while no survey is under way; none when all are made.
    pub(super) async fn next_line(&mut self) -> Option<AnsweredLine> {
        let Some(receiver) = &mut self.under_way else { return std::future::pending().await };
        let line = receiver.recv().await;
        if line.is_none() {
            self.under_way = None;
            let ticks = children_ticks();
            // A tick is a hundredth of a second on every Linux that matters (USER_HZ).
            self.children_us += ticks.saturating_sub(self.children_ticks) * 10_000;
            self.children_ticks = ticks;
        }
        line
    }

    /// Takes a line, and says what is to be reported of it.
    pub(super) fn take(&mut self, survey: &str, line: SurveyLine, now_ms: u64) -> Option<EncodedBody> {
        let slot = self.slots.iter_mut().find(|slot| slot.survey.name == survey)?;
        match line {
            SurveyLine::Report(report) => slot.is_news(&report, now_ms).then_some(report),
            SurveyLine::End(answer) => {
                let (outcome_changed, memo_changed) = slot.end(answer, now_ms);
                self.outcomes_changed |= outcome_changed;
                if memo_changed {
                    self.keep_memos();
                }
                self.numbers = self.slots.iter().flat_map(|slot| slot.numbers.iter().cloned()).collect();
                None
            }
        }
    }

    /// Has everything sent that is otherwise sent as changes, now.
    pub(super) fn want_whole(&mut self, now_ms: u64) {
        for slot in &mut self.slots {
            if let Some(whole) = slot.survey.whole_memo {
                whole.clone_into(&mut slot.memo);
                slot.next_ms = now_ms;
            }
        }
    }

    /// Has every document sent again: the collector does not know this device's state.
    pub(super) fn want_documents(&mut self, now_ms: u64) {
        for slot in self.slots.iter_mut().filter(|slot| slot.sent.is_some()) {
            slot.sent = None;
            slot.next_ms = now_ms;
        }
    }

    /// CPU that children used since this was last asked, microseconds.
    pub(super) fn take_children_us(&mut self) -> u64 {
        std::mem::take(&mut self.children_us)
    }

    pub(super) fn numbers(&self) -> Arc<[Number]> {
        Arc::clone(&self.numbers)
    }

    pub(super) fn outcomes(&self) -> impl Iterator<Item = ProbeReport> {
        self.slots.iter().map(|slot| ProbeReport { probe: slot.survey.name.to_owned(), outcome: slot.outcome.clone() })
    }

    /// Whether an outcome changed since this was last asked.
    pub(super) fn take_outcomes_changed(&mut self) -> bool {
        std::mem::take(&mut self.outcomes_changed)
    }

    fn keep_memos(&self) {
        let asked_whole = |slot: &SurveySlot| slot.survey.whole_memo.is_some_and(|whole| slot.memo == whole);
        let memos = self.slots.iter().filter(|slot| !slot.memo.is_empty() && !asked_whole(slot));
        let kept = MemoFile { memos: memos.map(|slot| (slot.survey.name.to_owned(), slot.memo.clone())).collect() };
        if let Err(error) = file::replace(&self.memos, 0o644, |out| Ok(serde_json::to_writer(out, &kept)?)) {
            tracing::warn!(%error, path = %self.memos.display(), "what surveys remember cannot be kept");
        }
    }
}

/// The next multiple of `every_ms`: surveys that are made every 5, 10 and 15 minutes share their children.
const fn next(now_ms: u64, every_ms: u64) -> u64 {
    (now_ms / every_ms + 1) * every_ms
}

fn is_kernel(path: &str) -> bool {
    path.starts_with("/sys/") || path.starts_with("/proc/")
}

/// A number that changes when one of the watched files does, and whether any of them is there.
fn stamp(watch: &[&str]) -> (u32, bool) {
    let mut hasher = crc32fast::Hasher::new();
    let mut there = false;
    // Patterns of one directory stand side by side: it is read once.
    let mut listed: Option<(&str, Vec<String>)> = None;
    for path in watch {
        let Some((dir, rest)) = path.split_once("/*/") else {
            there |= stamp_one(path, &mut hasher);
            continue;
        };
        if listed.as_ref().is_none_or(|(known, _)| *known != dir) {
            listed = Some((dir, names_in(Path::new("/"), dir, 256).unwrap_or_default()));
        }
        for name in listed.iter().flat_map(|(_, names)| names) {
            there |= stamp_one(&format!("{dir}/{name}/{rest}"), &mut hasher);
        }
    }
    (hasher.finalize(), there)
}

/// Whether it is there.
fn stamp_one(path: &str, hasher: &mut crc32fast::Hasher) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    hasher.update(path.as_bytes());
    if path.starts_with("/proc/") {
        let text = read_text(Path::new("/"), path);
        hasher.update(text.as_deref().unwrap_or_default().as_bytes());
        return text.is_ok();
    }
    let Ok(about) = std::fs::metadata(path) else { return false };
    if !is_kernel(path) {
        for number in [about.mtime(), about.mtime_nsec(), about.size().cast_signed(), about.ino().cast_signed()] {
            hasher.update(&number.to_le_bytes());
        }
    } else if about.is_dir() {
        for name in names_in(Path::new("/"), path, 4096).unwrap_or_default() {
            hasher.update(name.as_bytes());
        }
    } else {
        hasher.update(read_text(Path::new("/"), path).unwrap_or_default().as_bytes());
    }
    true
}

/// CPU ticks of children that have ended (proc_pid_stat(5), fields 16 and 17).
fn children_ticks() -> u64 {
    let stat = read_text(Path::new("/"), "/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit_once(") ").map_or("", |(_, rest)| rest).split(' ').skip(13).take(2);
    fields.filter_map(|ticks| ticks.parse::<u64>().ok()).sum()
}

/// Has every job made, and sends what comes of it.
async fn make_all(jobs: Vec<(&'static Survey, Job)>, config_path: Option<PathBuf>, sender: mpsc::Sender<AnsweredLine>) {
    let helper = Path::new(HELPER).exists();
    let (privileged, own): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|(survey, _)| survey.privileged && helper);
    let mut left = own;
    while !left.is_empty() {
        let done = ask_child(&left, config_path.as_deref(), &sender).await;
        left.drain(..done.min(left.len()));
    }
    let mut left = privileged;
    while !left.is_empty() {
        let done = ask_helper(&left, &sender).await;
        left.drain(..done.min(left.len()));
    }
}

/// Has jobs made by a child. Says how many were answered, the one that failed included.
async fn ask_child(
    jobs: &[(&'static Survey, Job)],
    config_path: Option<&Path>,
    sender: &mpsc::Sender<AnsweredLine>,
) -> usize {
    let Ok(program) = surveyor_path() else {
        return fail(&jobs[0], "the kernel does not tell where this program lies", sender).await;
    };
    let mut command = tokio::process::Command::new(&program);
    if let Some(path) = config_path {
        command.arg("--config").arg(path);
    }
    command.arg("survey").stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            return fail(
                &jobs[0],
                &format!("{}: {error}; mend: install it beside ioc-agent", program.display()),
                sender,
            )
            .await;
        }
    };
    let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else { return jobs.len() };
    let done = converse(jobs, input, output, sender).await;
    let _ = child.start_kill();
    let _ = child.wait().await;
    done
}

/// Has jobs made by the helper unit.
async fn ask_helper(jobs: &[(&'static Survey, Job)], sender: &mpsc::Sender<AnsweredLine>) -> usize {
    match UnixStream::connect(HELPER).await {
        Ok(stream) => {
            let (output, input) = stream.into_split();
            converse(jobs, input, output, sender).await
        }
        Err(error) => {
            fail(&jobs[0], &format!("{HELPER}: {error}; mend: systemctl status ioc-agent-helper.socket"), sender).await
        }
    }
}

async fn fail(job: &(&'static Survey, Job), why: &str, sender: &mpsc::Sender<AnsweredLine>) -> usize {
    let answer = SurveyEnd::without(job.0.name, ProbeOutcome::Unknown { why: why.to_owned() });
    let _ = sender.send((job.0.name, SurveyLine::End(answer))).await;
    1
}

/// Writes the jobs, reads what comes of them, each survey within its deadline.
async fn converse(
    jobs: &[(&'static Survey, Job)],
    mut input: impl AsyncWrite + Unpin,
    output: impl AsyncRead + Unpin,
    sender: &mpsc::Sender<AnsweredLine>,
) -> usize {
    let asked: Vec<&Job> = jobs.iter().map(|(_, job)| job).collect();
    let mut line = serde_json::to_vec(&asked).unwrap_or_default();
    line.push(b'\n');
    if let Err(error) = input.write_all(&line).await {
        return fail(&jobs[0], &format!("takes no jobs: {error}"), sender).await;
    }
    let mut output = BufReader::new(output);
    for (place, job) in jobs.iter().enumerate() {
        let deadline = Duration::from_secs(job.0.deadline_s + GRACE_S);
        let why = match tokio::time::timeout(deadline, follow(job.0.name, &mut output, sender)).await {
            Ok(Ok(())) => continue,
            Ok(Err(why)) => why,
            Err(_) => format!("did not answer within {} s and was stopped", deadline.as_secs()),
        };
        return place + fail(job, &format!("the survey {why}"), sender).await;
    }
    jobs.len()
}

/// Passes on the lines of one survey, until its end; an error says what it did instead.
async fn follow(
    survey: &'static str,
    output: &mut (impl AsyncBufRead + Unpin),
    sender: &mpsc::Sender<AnsweredLine>,
) -> Result<(), String> {
    loop {
        let mut line = Vec::new();
        let mut bounded = (&mut *output).take(LINE_MAX_BYTES as u64);
        if bounded.read_until(b'\n', &mut line).await.map_err(|error| error.to_string())? == 0 {
            return Err("ended without an answer".to_owned());
        }
        let line: SurveyLine =
            serde_json::from_slice(&line).map_err(|error| format!("a line of its answer is none: {error}"))?;
        let ends = match &line {
            SurveyLine::End(answer) if answer.name != survey => return Err(format!("answered as {:?}", answer.name)),
            SurveyLine::End(_) => true,
            SurveyLine::Report(_) => false,
        };
        // Nobody listens any more when the agent ends.
        if sender.send((survey, line)).await.is_err() || ends {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_as_changes_is_sent_whole_when_asked_for() {
        let state = tempfile::tempdir().expect("temporary directory");
        let mut schedule = SurveySchedule::new(state.path(), None, &[], &BTreeMap::new(), 7000);
        schedule.want_whole(5000);
        let due: Vec<_> = schedule.slots.iter().filter(|slot| slot.next_ms == 5000).collect();
        assert_eq!(due.iter().map(|slot| slot.survey.name).collect::<Vec<_>>(), ["software"]);
        assert_eq!(Some(due[0].memo.as_str()), due[0].survey.whole_memo);
        schedule.keep_memos();
        let kept = std::fs::read_to_string(&schedule.memos).expect("kept");
        assert_eq!(kept, r#"{"memos":{}}"#, "it was only asked for");
    }

    #[test]
    fn each_survey_is_looked_at_as_what_it_watches_asks_for() {
        let state = tempfile::tempdir().expect("temporary directory");
        let schedule = SurveySchedule::new(state.path(), None, &[], &BTreeMap::new(), 0);
        let watches = |name: &str| {
            let slot = schedule.slots.iter().find(|slot| slot.survey.name == name);
            slot.map(SurveySlot::watches)
        };
        assert_eq!(watches("smart"), Some(WatchKind::Devices));
        assert_eq!((watches("raid"), watches("displays")), (Some(WatchKind::Kernel), Some(WatchKind::Kernel)));
        assert_eq!((watches("accounts"), watches("backups")), (Some(WatchKind::Files), Some(WatchKind::Files)));
        // Patterns are lists of the kernel's: no file on a disk is one that nobody could note.
        for slot in schedule.slots.iter().filter(|slot| slot.watches() == WatchKind::Files) {
            assert!(
                slot.survey.watch.iter().all(|path| !path.contains('*') && !is_kernel(path)),
                "{}",
                slot.survey.name
            );
        }
    }
}
