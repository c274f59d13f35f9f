//! Reports that are due (articles 16.6; the yearly ones of the law packs): a fault of the centre from some days before until they are issued, or their day has
//! passed, so that whoever is responsible is told as of any other fault.

use ioc_common::clock::Timestamp;
use ioc_document::legal::{PackKind, Period};
use ioc_document::wording;
use ioc_judge::{Input, NewIncident, Severity, Text};
use ioc_report::ReportKey;
use ioc_report::calendar;
use ioc_report::filing::filings;
use ioc_store::Change;
use ioc_store::report::DocumentSettings;
use jiff::ToSpan as _;
use jiff::civil::Date;

use super::{CommandResult, Engine};
use crate::command::{Answer, CommandError};

/// A report is reminded of so many days before it is due.
const QUARTER_DAYS: i64 = 7;
const YEAR_DAYS: i64 = 14;
/// So many quarters back a report that was never issued is reminded of: as long as reports are kept.
const QUARTERS_MAX: usize = 40;
/// Names of the faults; they stand in the store.
const QUARTERLY: &str = "report-due";
const YEARLY: &str = "yearly-report-due";

/// Something to be reminded of.
struct Reminder {
    title: Text,
    reason: Text,
    advice: Text,
}

fn days_before(due: Date, days: i64) -> Date {
    due.checked_sub(days.days()).unwrap_or(due)
}

/// The report on the quarter before, where it is due soon or past its day.
fn quarterly(key: ReportKey, settings: &DocumentSettings, today: Date) -> Option<Reminder> {
    let due = calendar::quarter_due(key, settings)?;
    if today < days_before(due, QUARTER_DAYS) {
        return None;
    }
    let (title, day) = (calendar::title(key), wording::short_date(due));
    let unit = if settings.unit.is_empty() { String::new() } else { format!(" ({})", settings.unit) };
    let late = today > due;
    let word = |late_word: &'static str, soon: &'static str| if late { late_word } else { soon };
    Some(Reminder {
        title: Text::new(
            format!("{title} {}", word("đã quá hạn", "sắp đến hạn")),
            format!("The clause report {} to {} is {}", key.from(), key.to(), word("overdue", "due soon")),
        ),
        reason: Text::new(
            format!("Hạn nộp {day}{unit}, báo cáo chưa phát hành."),
            format!("It is due on {due}{unit} and not issued."),
        ),
        advice: Text::new(
            "Mở trang Báo cáo, điền nội dung còn thiếu, xem bản in rồi phát hành. Thông báo này tự hết khi báo cáo được phát hành.",
            "Open the page Reports, write what is missing, look at the print view and issue it. This ends by itself once it is issued.",
        ),
    })
}

/// One reminder of all that is due: it is titled by the oldest, and says of each when it was due.
fn together(mut all: Vec<Reminder>) -> Option<Reminder> {
    if all.len() < 2 {
        return all.pop();
    }
    let join = |of: &dyn Fn(&Reminder) -> (&str, &str)| {
        all.iter().map(of).map(|(title, reason)| format!("{title}. {reason}")).collect::<Vec<_>>().join(" ")
    };
    let vi = join(&|one| (&one.title.vi, &one.reason.vi));
    let en = join(&|one| (&one.title.en, &one.reason.en));
    let more = all.len() - 1;
    let Reminder { title, advice, .. } = all.swap_remove(0);
    let title = Text::new(format!("{} (và {more} báo cáo khác)", title.vi), format!("{} (and {more} more)", title.en));
    Some(Reminder { title, reason: Text::new(vi, en), advice })
}

impl Engine {
    pub(super) fn today(&self, now: Timestamp) -> Option<Date> {
        let moment = jiff::Timestamp::from_millisecond(now.as_millis()).ok()?;
        Some(moment.to_zoned_datetime(self.config.timezone.clone()).date())
    }

    /// Whether a version of a report was issued, or is about to be.
    fn is_issued(&self, report: &str) -> Result<bool, CommandError> {
        let of_batch =
            |change: &Change| matches!(change, Change::ReportIssued { issued, .. } if issued.report == report);
        if self.batch.changes.iter().any(of_batch) {
            return Ok(true);
        }
        let found = self.reader.issued_reports(Some(report), None, 1);
        found.map(|found| !found.is_empty()).map_err(CommandError::unread)
    }

    /// The yearly reports of the law packs in force that are due soon, or late, and were not issued here. That one was sent that is not made here nobody knows:
    /// it ends with its day.
    fn yearly(&self, today: Date, since: Option<Date>) -> Result<Option<Reminder>, CommandError> {
        let kinds = [PackKind::Regulation, PackKind::Regime];
        let packs = || kinds.into_iter().filter_map(|kind| self.config.legal.in_force(kind, today));
        let mut all = Vec::new();
        for report in calendar::due(packs(), today) {
            if let (Period::Year, None, Some(due)) = (report.period, &report.filing, report.due) {
                all.push((report.title, report.to, due));
            }
        }
        for listed in filings(packs(), today, since) {
            let (Some(due), Some(report)) = (listed.due(), listed.report()) else { continue };
            if !self.is_issued(&listed.key.to_string())? {
                all.push((listed.title(), report.to.clone(), due));
            }
        }
        all.retain(|(.., due)| today >= days_before(*due, YEAR_DAYS));
        all.sort_by_key(|(.., due)| *due);
        let Some((.., first)) = all.first() else { return Ok(None) };
        // It is due before that day.
        let title = if *first <= today {
            Text::new("Báo cáo năm đã quá hạn", "A yearly report is overdue")
        } else {
            Text::new("Báo cáo năm sắp đến hạn", "A yearly report is due soon")
        };
        let list = |said: &dyn Fn(&str, &str, Date) -> String| {
            all.iter().map(|(title, to, due)| said(title, to, *due)).collect::<Vec<_>>().join("; ")
        };
        Ok(Some(Reminder {
            title,
            reason: Text::new(
                list(&|title, to, due| format!("{title}, gửi {to} trước {}", wording::short_date(due))),
                list(&|title, to, due| format!("{title}, to {to} before {due}")),
            ),
            advice: Text::new(
                "Xem trang Báo cáo, mục báo cáo phải nộp. Nộp rồi thì tiếp nhận sự cố này và ghi ngày gửi.",
                "See the page Reports, what the law asks for. Once it is sent, take this incident and write down the day.",
            ),
        }))
    }

    /// The reports on quarters that are over and on record, due soon or late, that were not issued; the oldest first.
    fn quarters(
        &self,
        settings: &DocumentSettings,
        today: Date,
        since: Option<Date>,
    ) -> Result<Vec<Reminder>, CommandError> {
        let mut all = Vec::new();
        // Of a quarter that is not on record no report is asked for.
        let Some(since) = since else { return Ok(all) };
        let mut key = ReportKey::quarter_of(today).before();
        for _ in 0..QUARTERS_MAX {
            if since > key.to() {
                break;
            }
            if let Some(reminder) = quarterly(key, settings, today)
                && !self.is_issued(&key.to_string())?
            {
                all.push(reminder);
            }
            key = key.before();
        }
        all.reverse();
        Ok(all)
    }

    /// Looks which reports are due, and has it told while any is.
    pub(super) fn check_reports(&mut self, now: Timestamp) -> CommandResult {
        let Some(today) = self.today(now) else { return Ok(Answer::Done) };
        let since = self.reader.audit_since().map_err(CommandError::unread)?.and_then(|at| self.today(at));
        let settings = self.reader.document_settings().map_err(CommandError::unread)?;
        let quarters = self.quarters(&settings, today, since)?;
        self.remind(QUARTERLY, together(quarters), now)?;
        // Who has not said who issues documents here makes none.
        let yearly = if settings.agency.is_empty() { None } else { self.yearly(today, since)? };
        self.remind(YEARLY, yearly, now)
    }

    fn remind(&mut self, key: &'static str, reminder: Option<Reminder>, now: Timestamp) -> CommandResult {
        if reminder.is_none() && !self.state.has_self_fault(key) {
            return Ok(Answer::Done);
        }
        let over = || Text::new("Không còn báo cáo nào sắp đến hạn.", "No report is due any more.");
        let (incident, why) = match reminder {
            None => (None, over()),
            Some(Reminder { title, reason, advice }) => {
                let why = reason.clone();
                let severity = Severity::Warning;
                (Some(NewIncident { device: None, severity, title, reason, advice, report: None }), why)
            }
        };
        self.decide(Input::SelfFault { key, incident, why }, now)?;
        Ok(Answer::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::super::time::tests::{Machine, Rig};
    use super::*;
    use crate::command::Command;

    const DAY_MS: i64 = 86_400_000;

    #[test]
    fn a_quarter_is_reminded_of_from_a_week_before_until_it_is_issued() {
        let settings =
            DocumentSettings { quarter_due_days: 15, unit: "Tổ Tổng hợp".into(), ..DocumentSettings::default() };
        let key = ReportKey::quarter(2026, 3);
        let of = |text: &str| quarterly(key, &settings, text.parse().expect("a day"));
        assert!(of("2026-10-07").is_none());
        let soon = of("2026-10-08").expect("soon");
        assert_eq!(soon.title.vi, "Báo cáo tình hình hoạt động quý III năm 2026 sắp đến hạn");
        assert_eq!(soon.reason.vi, "Hạn nộp 15/10/2026 (Tổ Tổng hợp), báo cáo chưa phát hành.");
        assert!(of("2026-10-16").expect("late").title.en.ends_with("overdue"));
        assert!(quarterly(key, &DocumentSettings::default(), "2026-12-31".parse().expect("a day")).is_none());
    }

    #[test]
    fn what_is_due_is_a_fault_that_ends_by_itself() {
        let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
        // It is 28 November: Form 08 is due before 20 December.
        let mut rig = Rig::open(dir.path(), &machine);
        let due = |rig: &mut Rig| {
            rig.command(Command::CheckReports).expect("kept");
            let has = |key| rig.engine.state.has_self_fault(key);
            (has(QUARTERLY), has(YEARLY))
        };
        let settings =
            DocumentSettings { quarter_due_days: 10, agency: "Trung tâm".into(), ..DocumentSettings::default() };
        let set =
            Command::SetDocumentSettings { settings: Box::new(settings), seen: String::new(), actor: "lan".into() };
        rig.command(set).expect("kept");
        assert_eq!(due(&mut rig), (false, false), "the record began after the quarter, and December is far");
        machine.pass(8 * DAY_MS);
        assert_eq!(due(&mut rig), (false, true));
        // Form 08 is issued here; what the owner sends on is not made here, and comes due five days later.
        let issue = Command::IssueReport {
            report: "filings/form-08.2026".into(),
            title: "Mẫu 08".into(),
            content: b"PK".to_vec(),
            source: "{}".into(),
            actor: "lan".into(),
        };
        rig.command(issue).expect("kept");
        assert_eq!(due(&mut rig), (false, false), "it is issued, and the other is due in more than two weeks");
        machine.pass(6 * DAY_MS);
        assert_eq!(due(&mut rig), (false, true));
        machine.pass(23 * DAY_MS);
        assert_eq!(
            due(&mut rig),
            (true, false),
            "the fourth quarter is on record, and Form 08 of this year is past its day"
        );
        let report = ReportKey::quarter(2026, 4).to_string();
        let issue = Command::IssueReport {
            report,
            title: "Báo cáo".into(),
            content: b"PK".to_vec(),
            source: "{}".into(),
            actor: "lan".into(),
        };
        rig.command(issue).expect("kept");
        assert!(!rig.engine.state.has_self_fault(QUARTERLY), "it is issued: nothing is due");
        assert_eq!(due(&mut rig), (false, false));
    }

    #[test]
    fn what_was_never_issued_is_reminded_of_after_its_day_until_it_is() {
        let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
        let mut rig = Rig::open(dir.path(), &machine);
        let settings =
            DocumentSettings { quarter_due_days: 10, agency: "Trung tâm".into(), ..DocumentSettings::default() };
        let set =
            Command::SetDocumentSettings { settings: Box::new(settings), seen: String::new(), actor: "lan".into() };
        rig.command(set).expect("kept");
        let due = |rig: &mut Rig| {
            rig.command(Command::CheckReports).expect("kept");
            let has = |key| rig.engine.state.has_self_fault(key);
            (has(QUARTERLY), has(YEARLY))
        };
        let issue = |rig: &mut Rig, report: &str| {
            let command = Command::IssueReport {
                report: report.into(),
                title: "Báo cáo".into(),
                content: b"PK".to_vec(),
                source: "{}".into(),
                actor: "lan".into(),
            };
            rig.command(command).expect("kept");
        };
        // From 28 November to 4 January: Form 08 was due before 20 December.
        machine.pass(37 * DAY_MS);
        assert_eq!(due(&mut rig), (true, true), "Form 08 is late, and is no matter of next year");
        issue(&mut rig, "filings/form-08.2026");
        assert_eq!(due(&mut rig), (true, false));
        // Two quarters on: the fourth of 2026 was never issued, the first of 2027 is.
        machine.pass(95 * DAY_MS);
        issue(&mut rig, &ReportKey::quarter(2027, 1).to_string());
        assert!(due(&mut rig).0, "the quarter before the last is late still");
        issue(&mut rig, &ReportKey::quarter(2026, 4).to_string());
        assert!(!due(&mut rig).0);
    }
}
