//! The wording of a notice: what is wrong, where, since when, what to do, and where to press the button.

use ioc_common::clock::Timestamp;
use ioc_common::language::Language;
use ioc_judge::{Notice, Occasion, Severity};

use ioc_engine::config::Config;
use ioc_engine::local_time::local;
use ioc_engine::notifier::{Brief, Wording};
use ioc_store::template::as_line;

/// Words for `notice`: for everyone in both languages, for a person in theirs, with the link by which they acknowledge it.
pub(crate) fn wording(
    notice: &Notice,
    config: &Config,
    language: Option<Language>,
    acknowledge_link: Option<String>,
) -> Wording {
    // What is about no incident has no page of its own.
    let page = match notice.incident.0 {
        0 => format!("{}/", config.web_url),
        number => format!("{}/incidents/{number}", config.web_url),
    };
    let languages = match language.unwrap_or(config.language) {
        Language::Vietnamese => [Language::Vietnamese, Language::English],
        Language::English => [Language::English, Language::Vietnamese],
    };
    let device = notice.device.as_ref();
    let site = &config.site_code;
    let (head, title) = (headline(notice, languages[0]), notice.title.get(languages[0]));
    // The device of a storm is the worst of many.
    let worst = if notice.storm { languages[0].choose("nặng nhất ", "worst ") } else { "" };
    let name = device.map(|device| format!("{worst}{}", device.name)).unwrap_or_default();
    let place = device.map(|device| device.place.clone()).unwrap_or_default();
    let brief = Brief { what: format!("{head} {title}"), device: name, place, site: site.clone() };
    let subject = as_line(&format!("[{site}] {}", told(&brief)));
    let shown = if language.is_some() { &languages[..1] } else { &languages[..] };
    let parts: Vec<String> = shown
        .iter()
        .map(|language| in_language(notice, config, *language, &page, acknowledge_link.as_deref()))
        .collect();
    Wording {
        subject, body: parts.join("\n————————\n\n"), link: acknowledge_link.unwrap_or(page), brief
    }
}

/// What, on what and where, in a line.
fn told(brief: &Brief) -> String {
    let device = if brief.device.is_empty() { String::new() } else { format!(": {}", brief.device) };
    let place = if brief.place.is_empty() { String::new() } else { format!(" ({})", brief.place) };
    format!("{}{device}{place}", brief.what)
}

/// Many notices in one message: how many, and the worst of them; each with its link, the worst first.
fn digest(notices: &[(Notice, Wording, Timestamp)], config: &Config, language: Option<Language>) -> Wording {
    let count = notices.len();
    let mut sorted: Vec<&(Notice, Wording, Timestamp)> = notices.iter().collect();
    // Of those that are as bad, the newest: what was told last is what is so now.
    sorted.sort_by_key(|(notice, _, at)| {
        let over = matches!(notice.occasion, Occasion::Resolved | Occasion::Test);
        (over, std::cmp::Reverse(notice.severity), notice.priority, std::cmp::Reverse(*at))
    });
    let worst = sorted.first().map(|(_, wording, _)| wording.brief.clone()).unwrap_or_default();
    let what = match language.unwrap_or(config.language) {
        Language::Vietnamese => format!("{count} thông báo, nặng nhất: {}", worst.what),
        Language::English => format!("{count} notices, the worst: {}", worst.what),
    };
    let lines = sorted.iter().map(|(_, one, _)| format!("{}\n{}\n", one.subject, one.link));
    let brief = Brief { what, site: config.site_code.clone(), ..worst };
    Wording {
        subject: as_line(&format!("[{}] {}", brief.site, told(&brief))),
        body: lines.collect::<Vec<String>>().join("\n"),
        link: format!("{}/incidents", config.web_url),
        brief,
    }
}

/// What a message says that stands for all of these: the one notice, the course of one incident, or many at once.
pub(super) fn combined<'n>(
    worded: &'n [(Notice, Wording, Timestamp)],
    config: &Config,
    language: Option<Language>,
) -> Option<(&'n Notice, Wording)> {
    let ((notice, newest, _), earlier) = worded.split_last()?;
    if earlier.is_empty() {
        return Some((notice, newest.clone()));
    }
    if earlier.iter().any(|(one, ..)| one.incident != notice.incident) {
        return Some((notice, digest(worded, config, language)));
    }
    let language = language.unwrap_or(config.language);
    let title = language.choose("Chưa báo được trước đó", "Not told before now");
    let heads: Vec<&str> = earlier.iter().map(|(one, ..)| headline(one, language)).collect();
    let lines = earlier.iter().map(|(one, wording, at)| {
        let why = as_line(one.reason.get(language));
        format!("- {}: {}\n  {why}\n  {}\n", local(*at, config), wording.subject, wording.link)
    });
    let wording = Wording {
        subject: format!("{} ({title}: {})", newest.subject, heads.join(", ")),
        body: format!("{}\n{title}:\n{}", newest.body, lines.collect::<String>()),
        link: newest.link.clone(),
        brief: newest.brief.clone(),
    };
    Some((notice, wording))
}

fn headline(notice: &Notice, language: Language) -> &'static str {
    let (vi, en) = match (notice.occasion, notice.severity) {
        (Occasion::Resolved, _) => ("ĐÃ HẾT", "RESOLVED"),
        (Occasion::Reopened, _) => ("TÁI DIỄN", "AGAIN"),
        (Occasion::Flapping, _) => ("CHẬP CHỜN", "FLAPPING"),
        (Occasion::Escalated, _) => ("CHƯA AI TIẾP NHẬN", "NOBODY HAS TAKEN IT"),
        (Occasion::Assigned, _) => ("GIAO CHO BẠN", "ASSIGNED TO YOU"),
        (Occasion::Overdue, _) => ("QUÁ HẠN", "OVERDUE"),
        (Occasion::Regulator, _) => ("TIN BÁO SỰ CỐ", "INCIDENT NOTICE"),
        (Occasion::Test, _) => ("THỬ", "TEST"),
        (Occasion::TurnAsked | Occasion::TurnAnswered, _) => ("LỊCH TRỰC", "DUTY"),
        (Occasion::Opened | Occasion::Storm, Severity::Critical) => ("NGHIÊM TRỌNG", "CRITICAL"),
        (Occasion::Opened | Occasion::Storm, _) => ("CẢNH BÁO", "WARNING"),
    };
    language.choose(vi, en)
}

fn in_language(
    notice: &Notice,
    config: &Config,
    language: Language,
    page: &str,
    acknowledge_link: Option<&str>,
) -> String {
    let word = |vi: &'static str, en: &'static str| language.choose(vi, en);
    let mut lines =
        vec![format!("{}: {}", headline(notice, language), as_line(notice.title.get(language))), String::new()];
    // What devices, other systems and people wrote never makes a line of its own: it could say anything there.
    let mut line = |label: &str, value: &str| {
        let value = as_line(value);
        if !value.is_empty() {
            lines.push(format!("{label}: {value}"));
        }
    };
    if let Some(device) = &notice.device {
        let label = if notice.storm { word("Nặng nhất", "The worst") } else { word("Thiết bị", "Device") };
        line(label, &format!("{} [{}]", device.name, device.id));
        line(word("Nhãn tài sản", "Asset label"), &device.label);
        line(word("Nơi đặt", "Place"), &device.place);
        line(word("Cán bộ phụ trách", "Officer"), &device.officer);
    }
    line(word("Vì sao", "Why"), notice.reason.get(language));
    if notice.affected > 1 {
        line(word("Số lỗi hoặc thiết bị liên quan", "Faults or devices concerned"), &notice.affected.to_string());
    }
    line(word("Từ lúc", "Since"), &local(notice.opened_at, config));
    if let Some(resolved_at) = notice.resolved_at {
        line(word("Hết lúc", "Resolved at"), &local(resolved_at, config));
    } else {
        line(word("Cần làm", "What to do"), notice.advice.get(language));
        let by = notice.acknowledge_by.filter(|_| notice.occasion != Occasion::Regulator);
        line(word("Tiếp nhận trước", "Take it before"), &by.map(|at| local(at, config)).unwrap_or_default());
        let press = match notice.occasion {
            Occasion::TurnAsked => word("Bấm để trả lời", "Press to answer"),
            _ => word("Bấm để tiếp nhận", "Press to take it"),
        };
        line(press, acknowledge_link.unwrap_or_default());
    }
    if notice.incident.0 != 0 {
        let priority = notice.priority.as_str();
        line(word("Sự cố", "Incident"), &format!("{} ({priority}) — {page}", notice.incident));
    }
    if !notice.article.is_empty() {
        line(word("Quy chế, Điều", "Regulation, Article"), &notice.article);
    }
    lines.push(String::new());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use ioc_common::id::{DeviceId, IncidentId};
    use ioc_judge::{DeviceInfo, DeviceKind, Text};

    #[test]
    fn a_notice_says_what_where_since_when_and_what_to_do_in_both_languages() {
        let config = crate::notify::testing::parse("[web]\nurl = \"https://ioc.example\"\n").expect("parses");
        let notice = Notice {
            incident: IncidentId(7),
            step: 1,
            occasion: Occasion::Opened,
            severity: Severity::Critical,
            rule: "device-silent".into(),
            article: "6.2".into(),
            device: Some(DeviceInfo {
                label: "AG-0042".into(),
                place: "Phòng điều hành".into(),
                officer: "Lan".into(),
                ..DeviceInfo::new(DeviceId::new("d-1").expect("valid"), DeviceKind::Display, "Màn hình ghép 2")
            }),
            title: Text::new("Thiết bị mất liên lạc", "Device silent"),
            reason: Text::new("Máy không trả lời.", "The host does not answer."),
            advice: Text::new("Kiểm tra nguồn.", "Check the power."),
            opened_at: "2026-11-24T20:15:00Z".parse().expect("time"),
            resolved_at: None,
            priority: ioc_judge::Priority::P2,
            acknowledge_by: Some("2026-11-24T20:30:00Z".parse().expect("time")),
            affected: 12,
            storm: false,
            to_all: true,
            to: Vec::new(),
        };
        let own = wording(&notice, &config, Some(Language::English), Some("https://ioc.example/a/7.1.lan".into()));
        assert!(own.subject.contains("CRITICAL") && !own.body.contains("Kiểm tra"), "{own:?}");
        assert!(own.body.contains("Press to take it: https://ioc.example/a/7.1.lan"), "{own:?}");
        let mild =
            Notice { severity: Severity::Warning, title: Text::new("Đĩa sắp đầy", "Disk"), ..notice.clone() };
        let mild = (mild.clone(), wording(&mild, &config, None, None), notice.opened_at);
        let over = Notice { occasion: Occasion::Resolved, ..notice.clone() };
        let over = (over.clone(), wording(&over, &config, None, None), notice.opened_at);
        let digest = digest(&[over, (notice.clone(), own, notice.opened_at), mild], &config, None);
        let worst = "3 thông báo, nặng nhất: CRITICAL Device silent";
        assert!(digest.subject.contains(worst) && digest.subject.ends_with("Màn hình ghép 2 (Phòng điều hành)"));
        assert_eq!((digest.brief.what.as_str(), digest.brief.place.as_str()), (worst, "Phòng điều hành"));
        assert!(
            digest.body.starts_with("[IOC] CRITICAL") && digest.body.matches("https://").count() == 3,
            "{digest:?}"
        );
        let storm = Notice { storm: true, occasion: Occasion::Storm, affected: 480, ..notice.clone() };
        let storm = wording(&storm, &config, Some(Language::Vietnamese), None);
        assert!(storm.subject.contains("nặng nhất Màn hình ghép 2") && storm.body.contains("480"), "{storm:?}");
        let both = wording(&notice, &config, None, None);
        assert_eq!(both.subject, "[IOC] NGHIÊM TRỌNG Thiết bị mất liên lạc: Màn hình ghép 2 (Phòng điều hành)");
        for part in [
            "AG-0042",
            "Máy không trả lời.",
            "Check the power.",
            "25/11/2026 03:15:00 (Asia/Ho_Chi_Minh)",
            "INC-000007 (P2) — https://ioc.example/incidents/7",
            "Tiếp nhận trước: 25/11/2026 03:30:00",
            "Quy chế, Điều: 6.2",
        ] {
            assert!(both.body.contains(part), "{part}\n{}", both.body);
        }
        let vi = both.body.find("Kiểm tra nguồn").expect("Vietnamese");
        assert!(vi < both.body.find("Check the power").expect("English"), "Vietnamese first");
    }
}
