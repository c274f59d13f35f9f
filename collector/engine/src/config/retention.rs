//! `config/retention.toml`: how long each class of records is kept, by whose word, and what becomes of it then (article 6.3).
//!
//! Each class has a floor, from the law or the regulation. Who goes below it says why, and who changes a class at all is named: both stand in the
//! audit log from then on.

use std::path::PathBuf;

use serde::Deserialize;

use ioc_common::clock::Timestamp;
use ioc_common::config::{ConfigError, Source, Span, SpanWithin, Spanned};
use ioc_judge::Text;
use ioc_store::retention::{REASON_MAX_CHARS, RecordClass, RetentionRule};

const DAY_S: u64 = 86_400;
/// Three months, as TCVN 14423:2026 asks of level 3.
const THREE_MONTHS: Span = Span::secs(92 * DAY_S);
/// A year: the time within which a penalty can be imposed.
const YEAR: Span = Span::secs(366 * DAY_S);
const FIVE_YEARS: Span = Span::secs(1827 * DAY_S);
/// How long a machine that asked to come in waits for a person.
const REQUESTS_KEPT: Span = Span::secs(7 * DAY_S);
/// Longest grace, milliseconds: a quarter.
const GRACE_MAX_MS: u64 = 92 * DAY_S * 1000;
/// Longest name of who decided, characters.
const BY_MAX_CHARS: usize = 120;

/// The classes as they are shipped.
pub const DEFAULT_RETENTION: &str = include_str!("../../../../config/retention.toml");

/// What becomes of records that are past their time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClassEnd {
    /// They are deleted; evidence stays.
    Delete,
    /// They are written to a file first.
    Export,
    /// They are there as summaries, and are deleted.
    #[serde(skip)]
    Summarise,
    /// Nothing: they are never past their time.
    #[serde(skip)]
    Never,
}

impl ClassEnd {
    /// Its name in the configuration and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Export => "export",
            Self::Summarise => "summarise",
            Self::Never => "never",
        }
    }
}

/// How long a class is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassRule {
    /// Which class.
    pub class: RecordClass,
    /// How long after its end; none for ever.
    pub keep: Option<Span>,
    /// What becomes of it then.
    pub end: ClassEnd,
    /// Who decided, where it is not the default.
    pub by: String,
    /// Why, where it is less than the floor.
    pub reason: String,
}

impl ClassRule {
    /// The rule in words that are compared and kept with evidence.
    #[must_use]
    pub fn text(&self) -> String {
        self.keep.map_or_else(|| "kept for good".to_owned(), |keep| format!("kept {keep}, then {}", self.end.as_str()))
    }

    /// The least that it may be kept without a reason; zero where nothing is asked for.
    #[must_use]
    pub const fn floor(&self) -> Span {
        floor(self.class)
    }

    /// What that goes by.
    #[must_use]
    pub fn source(&self) -> Text {
        source_of(self.class)
    }
}

const fn floor(class: RecordClass) -> Span {
    match class {
        RecordClass::NumbersRaw
        | RecordClass::NumbersFiveMinutes
        | RecordClass::NumbersHour
        | RecordClass::Enrolments => Span::secs(0),
        RecordClass::Events | RecordClass::Faults | RecordClass::Documents => THREE_MONTHS,
        RecordClass::Notices => YEAR,
        RecordClass::Incidents
        | RecordClass::Audit
        | RecordClass::Reports
        | RecordClass::Attestations
        | RecordClass::AssetImports => FIVE_YEARS,
    }
}

fn source_of(class: RecordClass) -> Text {
    let (vi, en) = match class {
        RecordClass::NumbersRaw => (
            "Không văn bản nào nêu thời hạn. Hết hạn thì còn lại giá trị gộp theo 5 phút và theo giờ. [history] keep.",
            "No text of law names a span. What is left then are the summaries of five minutes and of hours. [history] keep.",
        ),
        RecordClass::NumbersFiveMinutes => (
            "Không văn bản nào nêu thời hạn. Hết hạn thì còn lại giá trị gộp theo giờ. [history] keep_5m.",
            "No text of law names a span. What is left then are the summaries of hours. [history] keep_5m.",
        ),
        RecordClass::NumbersHour => {
            ("Không văn bản nào nêu thời hạn. [history] keep_1h.", "No text of law names a span. [history] keep_1h.")
        }
        RecordClass::Events => (
            "TCVN 14423:2026: cấp độ 2 một tháng, cấp độ 3 ba tháng; Nghị định 333/2026 điều 16.6c, 20.3: 12 tháng (doanh nghiệp cung cấp dịch vụ mạng).",
            "TCVN 14423:2026: one month at level 2, three at level 3; Decree 333/2026 articles 16.6c, 20.3: 12 months (network service providers).",
        ),
        RecordClass::Faults => (
            "Quyết định 1043 điều 6.3 (lỗi, sự cố có thời hạn lưu xác định); tối thiểu như nhật ký thiết bị, và cùng với sự cố của nó.",
            "Decision 1043 article 6.3 (errors have a defined retention); at least as long as events of devices, and as long as its incident is there.",
        ),
        RecordClass::Incidents => (
            "Nghị định 356 điều 29.1c: 5 năm (lộ dữ liệu vị trí, sinh trắc); áp dụng cho mọi sự cố, tính từ khi đóng.",
            "Decree 356 article 29.1c: 5 years (breaches of location and biometric data); taken for all, from their closing on.",
        ),
        RecordClass::Notices => (
            "Quyết định 1043 điều 6.2, 17.4 (báo và xác nhận); tối thiểu bằng thời hiệu xử phạt 1 năm (Nghị định 330 điều 3).",
            "Decision 1043 articles 6.2, 17.4 (notice and confirmation); at least the year in which a penalty can be imposed (Decree 330 article 3).",
        ),
        RecordClass::Audit => (
            "Quyết định 1043 điều 6.3; 5 năm. Phiên bản này không xoá bản ghi nào: chuỗi băm và cây Merkle phải kiểm được từ bản ghi đầu. Đăng nhập nằm trong đây.",
            "Decision 1043 article 6.3; 5 years. This version deletes none: the chain and its Merkle tree are checked from the first record on. Signing in is part of it.",
        ),
        RecordClass::Reports => (
            "Luật Lưu trữ 33/2024; Thông tư 10/2022/TT-BNV: báo cáo đã phát hành không tự xoá; phần người viết cho báo cáo chưa phát hành cũng giữ lại.",
            "Law on Archives 33/2024; Circular 10/2022/TT-BNV: reports that were issued are never deleted by themselves, nor what was written for those that are not yet.",
        ),
        RecordClass::Attestations => (
            "Quyết định 1043 điều 7.1, 7.2 (chứng minh sao lưu, phục hồi); Nghị định 331/2026 điều 10.6 (hồ sơ phải lưu, không nêu thời hạn). Phiên bản này không xoá lời nào, tệp nào.",
            "Decision 1043 articles 7.1, 7.2 (proof of backup and restore); Decree 331/2026 article 10.6 (files are kept, no span is named). This version deletes none, nor their files.",
        ),
        RecordClass::AssetImports => (
            "Quyết định 1043 điều 6.1, 9.1 (sổ tài sản, phần mềm); Nghị định 331/2026 điều 10.6: giữ để biết ai đổi gì và hoàn tác được. Phiên bản này không xoá bảng nào.",
            "Decision 1043 articles 6.1, 9.1 (registers); Decree 331/2026 article 10.6: kept to know who changed what, and to undo it. This version deletes none.",
        ),
        RecordClass::Documents => (
            "Quyết định 1043 điều 6.3; TCVN 14423:2026, tối thiểu như nhật ký thiết bị. Hết hạn thì không xem lại được máy trước lúc ấy; nhiều nhất 50.000 thay đổi mỗi kết quả khảo sát.",
            "Decision 1043 article 6.3; TCVN 14423:2026, at least as long as events of devices. What is left then says how a machine was since; at most 50,000 changes of each document.",
        ),
        RecordClass::Enrolments => (
            "Không văn bản nào nêu thời hạn: máy không hỏi lại trong một tuần thì thôi chờ. Ai duyệt, ai từ chối nằm trong nhật ký kiểm toán.",
            "No text of law names a span: a machine that has not asked for a week waits no more. Who approved or refused it is in the audit log.",
        ),
    };
    Text::new(vi, en)
}

/// How long records are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// How often records that are past their time are looked for.
    pub every: SpanWithin<1_000, 604_800_000>,
    /// How long a rule that is new or shorter waits before it deletes anything.
    pub grace: SpanWithin<0, GRACE_MAX_MS>,
    /// Where they are exported to.
    pub export_to: Option<PathBuf>,
    /// All classes, in their order.
    pub classes: Vec<ClassRule>,
}

impl Retention {
    /// The rule of a class.
    #[must_use]
    pub fn of(&self, class: RecordClass) -> Option<&ClassRule> {
        self.classes.iter().find(|rule| rule.class == class)
    }

    /// Until when nothing of a class is deleted, by the rules as the store has them; none where that is over. A rule that the store does not have
    /// yet, or has otherwise, waits for good.
    #[must_use]
    pub fn waits_until(&self, told: &[RetentionRule], class: RecordClass, now: Timestamp) -> Option<Timestamp> {
        let Some(rule) = told.iter().find(|rule| rule.class == class) else { return Some(Timestamp::MAX) };
        // A rule that is not kept yet: what is told of the one before says nothing of it.
        if self.of(class).is_some_and(|new| new.keep.map(Span::as_millis) != rule.keep_ms) {
            return Some(Timestamp::MAX);
        }
        let until = rule.grace_from?.plus_millis(self.grace.as_millis());
        (now < until).then_some(until)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct DeletionForm {
    every: SpanWithin<1_000, 604_800_000>,
    grace: SpanWithin<0, GRACE_MAX_MS>,
    export_to: Option<Spanned<PathBuf>>,
}

impl Default for DeletionForm {
    fn default() -> Self {
        Self { every: SpanWithin(Span::secs(3600)), grace: SpanWithin(Span::secs(7 * DAY_S)), export_to: None }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClassForm {
    keep: Option<Spanned<String>>,
    end: Option<Spanned<ClassEnd>>,
    by: Option<Spanned<String>>,
    reason: Option<Spanned<String>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Form {
    deletion: DeletionForm,
    events: Option<Spanned<ClassForm>>,
    faults: Option<Spanned<ClassForm>>,
    incidents: Option<Spanned<ClassForm>>,
    notices: Option<Spanned<ClassForm>>,
    documents: Option<Spanned<ClassForm>>,
}

/// Reads the classes; `numbers` is how long each tier of history is kept.
///
/// # Errors
/// [`ConfigError`] with the place of the first fault.
pub(super) fn parse(source: &Source, numbers: [Span; 3]) -> Result<Retention, ConfigError> {
    let form: Form = source.parse()?;
    let export_to = form.deletion.export_to.map(|path| (path.span(), path.into_inner()));
    if let Some((span, path)) = export_to.as_ref().filter(|(_, path)| !path.is_absolute()) {
        let message = format!("found {:?}; allowed is a path from the root on", path.display().to_string());
        return Err(source.fault(span.clone(), &message, "write it like \"/srv/records/ioc-watch\""));
    }
    let mut classes: Vec<ClassRule> = Vec::new();
    let fixed = |class, keep, end| ClassRule { class, keep, end, by: String::new(), reason: String::new() };
    for class in RecordClass::ALL {
        let (form, default) = match class {
            RecordClass::NumbersRaw | RecordClass::NumbersFiveMinutes => {
                let keep = numbers[usize::from(class == RecordClass::NumbersFiveMinutes)];
                classes.push(fixed(class, Some(keep), ClassEnd::Summarise));
                continue;
            }
            RecordClass::NumbersHour => {
                classes.push(fixed(class, Some(numbers[2]), ClassEnd::Delete));
                continue;
            }
            RecordClass::Audit | RecordClass::Reports | RecordClass::Attestations | RecordClass::AssetImports => {
                classes.push(fixed(class, None, ClassEnd::Never));
                continue;
            }
            RecordClass::Enrolments => {
                classes.push(fixed(class, Some(REQUESTS_KEPT), ClassEnd::Delete));
                continue;
            }
            RecordClass::Events => (&form.events, YEAR),
            RecordClass::Faults => (&form.faults, FIVE_YEARS),
            RecordClass::Incidents => (&form.incidents, FIVE_YEARS),
            RecordClass::Notices => (&form.notices, FIVE_YEARS),
            RecordClass::Documents => (&form.documents, FIVE_YEARS),
        };
        classes.push(check(source, class, form.as_ref(), default, export_to.is_some())?);
    }
    let DeletionForm { every, grace, .. } = form.deletion;
    Ok(Retention { every, grace, export_to: export_to.map(|(_, path)| path), classes })
}

/// Checks a class.
fn check(
    source: &Source,
    class: RecordClass,
    form: Option<&Spanned<ClassForm>>,
    default: Span,
    exports: bool,
) -> Result<ClassRule, ConfigError> {
    let plain =
        ClassRule { class, keep: Some(default), end: ClassEnd::Delete, by: String::new(), reason: String::new() };
    let Some(form) = form else { return Ok(plain) };
    let (place, form) = (form.span(), form.get_ref());
    let by = line(source, form.by.as_ref(), BY_MAX_CHARS)?;
    let reason = line(source, form.reason.as_ref(), REASON_MAX_CHARS)?;
    let keep = form.keep.as_ref().map(|keep| keep_of(source, keep)).transpose()?.unwrap_or(Some(default));
    let keep_place = form.keep.as_ref().map_or_else(|| place.clone(), Spanned::span);
    let end = form.end.as_ref().map_or(ClassEnd::Delete, |end| *end.get_ref());
    let name = class.as_str();
    if let (Some(end_place), ClassEnd::Export, false) = (&form.end, end, exports) {
        let message = format!("found end = \"export\" of {name} without a directory");
        return Err(source.fault(end_place.span(), &message, "name it as export_to in [deletion]"));
    }
    let least = floor(class);
    if keep.is_some_and(|keep| keep < least) && reason.is_empty() {
        let message = format!(
            "found {name} kept {} without a reason; the floor is {least}: {}",
            keep.map_or_else(String::new, |keep| keep.to_string()),
            source_of(class).en
        );
        return Err(source.fault(keep_place, &message, "keep it as long, or say why not in reason = \"…\""));
    }
    if (keep, end) != (plain.keep, plain.end) && by.is_empty() {
        let message = format!("found another rule for {name} and nobody who decided it");
        return Err(source.fault(place, &message, "say who in by = \"…\""));
    }
    Ok(ClassRule { class, keep, end, by, reason })
}

/// How long: a span, or `never` deleted.
fn keep_of(source: &Source, keep: &Spanned<String>) -> Result<Option<Span>, ConfigError> {
    if keep.get_ref() == "never" {
        return Ok(None);
    }
    let mend = "write it like \"366d\", or \"never\"";
    let span: Span = keep.get_ref().parse().map_err(|why: String| source.fault(keep.span(), &why, mend))?;
    if span < Span::secs(3600) {
        return Err(source.fault(keep.span(), &format!("found {span}; allowed is 1h or more"), mend));
    }
    Ok(Some(span))
}

/// A text of one line; empty when it is not given.
fn line(source: &Source, text: Option<&Spanned<String>>, most: usize) -> Result<String, ConfigError> {
    let Some(text) = text else { return Ok(String::new()) };
    let length = text.get_ref().trim().chars().count();
    if length == 0 || length > most || text.get_ref().chars().any(char::is_control) {
        let message = format!("found {length} characters; allowed are 1 to {most} in one line");
        return Err(source.fault(text.span(), &message, "write it shorter, or leave the key out"));
    }
    Ok(text.get_ref().trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Retention, ConfigError> {
        parse(&Source::built_in("retention.toml", text), [30, 400, 3653].map(|days| Span::secs(days * DAY_S)))
    }

    #[test]
    fn the_shipped_classes_are_the_defaults_and_none_lies_below_its_floor() {
        let shipped = read(DEFAULT_RETENTION).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(shipped, read("").unwrap_or_else(|error| panic!("{error}")));
        assert_eq!(shipped.classes.iter().map(|rule| rule.class).collect::<Vec<_>>(), RecordClass::ALL);
        for rule in &shipped.classes {
            assert!(rule.keep.is_none_or(|keep| keep >= rule.floor()), "{rule:?}");
            assert!(!rule.source().vi.is_empty() && !rule.source().en.is_empty());
        }
        let never = |class| shipped.of(class).is_some_and(|rule| rule.keep.is_none());
        let kept = [RecordClass::Audit, RecordClass::Reports, RecordClass::Attestations, RecordClass::AssetImports];
        assert!(kept.into_iter().all(never));
    }

    #[test]
    fn below_the_floor_a_reason_is_asked_for_and_always_who_decided() {
        let fault = read("[events]\nkeep = \"30d\"\nby = \"An\"\n").expect_err("no reason");
        assert!(fault.line == 2 && fault.message.contains("floor is 92d") && fault.mend.contains("reason"), "{fault}");
        let fault = read("\n[events]\nkeep = \"200d\"\n").expect_err("nobody");
        assert!(fault.line == 2 && fault.mend.contains("by ="), "{fault}");
        let short = read("[events]\nkeep = \"30d\"\nby = \"An\"\nreason = \"đĩa nhỏ\"\n").expect("said why");
        let rule = short.of(RecordClass::Events).expect("there");
        assert_eq!(
            (rule.text(), rule.by.as_str(), rule.reason.as_str()),
            ("kept 30d, then delete".into(), "An", "đĩa nhỏ")
        );
        let never = read("[faults]\nkeep = \"never\"\nby = \"An\"\n").expect("longer is no question");
        assert_eq!(never.of(RecordClass::Faults).and_then(|rule| rule.keep), None);
    }

    #[test]
    fn what_never_goes_or_goes_otherwise_is_not_set_here() {
        for (class, text) in [("audit", "366d"), ("reports", "1h"), ("numbers-raw", "1h"), ("enrolments", "1d")] {
            let fault = read(&format!("[{class}]\nkeep = \"{text}\"\n")).expect_err(class);
            assert!(fault.line == 1 && fault.message.contains(class), "{fault}");
        }
        let fault = read("[events]\nkeep = \"5m\"\nby = \"An\"\nreason = \"x\"\n").expect_err("too short");
        assert!(fault.line == 2 && fault.message.contains("1h or more"), "{fault}");
        let fault = read("[events]\nend = \"export\"\nby = \"An\"\n").expect_err("nowhere to");
        assert!(fault.line == 2 && fault.mend.contains("export_to"), "{fault}");
        let fault = read("[deletion]\nexport_to = \"here\"\n").expect_err("relative");
        assert_eq!(fault.line, 2, "{fault}");
    }

    #[test]
    fn each_class_is_kept_as_long_as_itself_says() {
        let read = read(
            "[incidents]\nkeep = \"800d\"\nby = \"An\"\nreason = \"x\"\n[faults]\nkeep = \"never\"\nby = \"An\"\n\
             [notices]\nkeep = \"900d\"\nby = \"An\"\n[documents]\nkeep = \"92d\"\nby = \"An\"\n",
        )
        .expect("allowed");
        let keep = |class| read.of(class).and_then(|rule| rule.keep).map(|keep| keep.as_millis() / 86_400_000);
        assert_eq!((keep(RecordClass::Incidents), keep(RecordClass::Faults)), (Some(800), None));
        assert_eq!((keep(RecordClass::Notices), keep(RecordClass::Documents)), (Some(900), Some(92)));
    }

    #[test]
    fn a_rule_waits_until_its_grace_is_over_and_one_that_is_not_known_for_good() {
        let read = read("[deletion]\ngrace = \"2d\"\n").expect("allowed");
        let at = |day: i64| Timestamp::from_millis(day * 86_400_000);
        let rule = |grace_from| RetentionRule {
            class: RecordClass::Events,
            text: String::new(),
            keep_ms: read.of(RecordClass::Events).and_then(|rule| rule.keep).map(Span::as_millis),
            exports: false,
            by: String::new(),
            reason: String::new(),
            since: at(1),
            grace_from,
        };
        let waits = |rules: &[RetentionRule], now| read.waits_until(rules, RecordClass::Events, now);
        assert_eq!(waits(&[], at(900)), Some(Timestamp::MAX));
        assert_eq!(waits(&[rule(Some(at(1)))], at(2)), Some(at(3)));
        assert_eq!(waits(&[rule(Some(at(1)))], at(3)), None);
        assert_eq!(waits(&[rule(None)], at(1)), None);
        let before = RetentionRule { keep_ms: Some(1), ..rule(None) };
        assert_eq!(waits(&[before], at(1)), Some(Timestamp::MAX), "the one that is configured is not kept yet");
    }
}
