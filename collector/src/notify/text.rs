//! The wording of a notice: what is wrong, where, since when, what to do, and where to press the button.

use ioc_common::clock::Timestamp;
use ioc_judge::{Notice, Occasion, Severity};

use crate::config::Config;

/// A notice in words, in the site's language first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wording {
    /// One line.
    pub subject: String,
    /// The whole.
    pub body: String,
    /// Where the incident is shown.
    pub link: String,
}

impl Wording {
    /// Words for `notice`.
    #[must_use]
    pub fn new(notice: &Notice, config: &Config) -> Self {
        let link = format!("{}/incidents/{}", config.web_url, notice.incident.0);
        let languages = if config.language == "en" { ["en", "vi"] } else { ["vi", "en"] };
        let place = if notice.device.place.is_empty() { String::new() } else { format!(" ({})", notice.device.place) };
        let subject = format!(
            "[{}] {} {}: {}{place}",
            config.site_name,
            headline(notice, languages[0]),
            notice.title.get(languages[0]),
            notice.device.name,
        );
        let halves = languages.map(|language| half(notice, config, language, &link));
        Self { subject, body: halves.join("\n————————\n\n"), link }
    }
}

fn headline(notice: &Notice, language: &str) -> &'static str {
    match (notice.occasion, notice.severity, language == "en") {
        (Occasion::Resolved, _, false) => "ĐÃ HẾT",
        (Occasion::Resolved, _, true) => "RESOLVED",
        (Occasion::Reopened, _, false) => "TÁI DIỄN",
        (Occasion::Reopened, _, true) => "AGAIN",
        (Occasion::Opened, Severity::Critical, false) => "NGHIÊM TRỌNG",
        (Occasion::Opened, Severity::Critical, true) => "CRITICAL",
        (Occasion::Opened, _, false) => "CẢNH BÁO",
        (Occasion::Opened, _, true) => "WARNING",
    }
}

fn half(notice: &Notice, config: &Config, language: &str, link: &str) -> String {
    let english = language == "en";
    let word = |vi: &'static str, en: &'static str| if english { en } else { vi };
    let device = &notice.device;
    let mut lines = vec![format!("{}: {}", headline(notice, language), notice.title.get(language)), String::new()];
    let mut line = |label: &str, value: &str| {
        if !value.is_empty() {
            lines.push(format!("{label}: {value}"));
        }
    };
    line(word("Thiết bị", "Device"), &format!("{} [{}]", device.name, device.id));
    line(word("Nhãn tài sản", "Asset label"), &device.label);
    line(word("Nơi đặt", "Place"), &device.place);
    line(word("Cán bộ phụ trách", "Officer"), &device.officer);
    line(word("Vì sao", "Why"), notice.reason.get(language));
    line(word("Từ lúc", "Since"), &local(notice.opened_at, config));
    if let Some(resolved_at) = notice.resolved_at {
        line(word("Hết lúc", "Resolved at"), &local(resolved_at, config));
    } else {
        line(word("Cần làm", "What to do"), notice.advice.get(language));
    }
    line(word("Sự cố", "Incident"), &format!("{} — {link}", notice.incident));
    if !notice.article.is_empty() {
        line(word("Quy chế, Điều", "Regulation, Article"), &notice.article);
    }
    lines.push(String::new());
    lines.join("\n")
}

/// A moment in the site's time zone, which is named.
#[must_use]
pub(crate) fn local(at: Timestamp, config: &Config) -> String {
    local_in(at, &config.timezone)
}

/// A moment in a time zone, which is named.
#[must_use]
pub(crate) fn local_in(at: Timestamp, zone: &jiff::tz::TimeZone) -> String {
    match jiff::Timestamp::from_millisecond(at.as_millis()) {
        Ok(moment) => {
            let zoned = moment.to_zoned_datetime(zone.clone());
            format!("{} ({})", zoned.strftime("%d/%m/%Y %H:%M:%S"), zone.iana_name().unwrap_or("UTC"))
        }
        Err(_) => at.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ioc_common::config::Source;
    use ioc_common::id::{DeviceId, IncidentId};
    use ioc_judge::{DeviceInfo, DeviceKind, Text};

    #[test]
    fn a_notice_says_what_where_since_when_and_what_to_do_in_both_languages() {
        let config = Config::parse(&Source::built_in("x", "[web]\nurl = \"https://ioc.example\"\n")).expect("parses");
        let notice = Notice {
            incident: IncidentId(7),
            step: 1,
            occasion: Occasion::Opened,
            severity: Severity::Critical,
            rule: "device-silent".into(),
            article: "6.2".into(),
            device: DeviceInfo {
                id: DeviceId::new("d-1").expect("valid"),
                kind: DeviceKind::Display,
                name: "Tường màn hình 2".into(),
                label: "AG-0042".into(),
                place: "Phòng điều hành".into(),
                officer: "Lan".into(),
                leader: String::new(),
                parent: None,
            },
            title: Text::new("Thiết bị mất liên lạc", "Device silent"),
            reason: Text::new("Máy không trả lời.", "The host does not answer."),
            advice: Text::new("Kiểm tra nguồn.", "Check the power."),
            opened_at: "2026-11-24T20:15:00Z".parse().expect("time"),
            resolved_at: None,
        };
        let wording = Wording::new(&notice, &config);
        assert_eq!(wording.subject, "[IOC] NGHIÊM TRỌNG Thiết bị mất liên lạc: Tường màn hình 2 (Phòng điều hành)");
        for part in [
            "AG-0042",
            "Máy không trả lời.",
            "Check the power.",
            "25/11/2026 03:15:00 (Asia/Ho_Chi_Minh)",
            "INC-000007 — https://ioc.example/incidents/7",
            "Quy chế, Điều: 6.2",
        ] {
            assert!(wording.body.contains(part), "{part}\n{}", wording.body);
        }
        let vi = wording.body.find("Kiểm tra nguồn").expect("Vietnamese");
        assert!(vi < wording.body.find("Check the power").expect("English"), "Vietnamese first");
    }
}
