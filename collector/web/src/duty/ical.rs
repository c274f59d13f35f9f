//! A calendar as calendar programs read it (iCalendar, RFC 5545): text of lines of at most 75 bytes, folded and ended by CRLF, times in UTC. Pure.

use std::fmt::Write as _;

use ioc_common::clock::Timestamp;

/// Most bytes of a line (RFC 5545, 3.1).
const LINE_MAX_BYTES: usize = 75;

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    /// What it is known by for ever.
    pub(crate) uid: String,
    pub(crate) from: Timestamp,
    pub(crate) until: Timestamp,
    pub(crate) summary: String,
    pub(crate) description: String,
}

/// A text as a value: what has a meaning there is marked, and controls are left out (3.3.11).
fn text(value: &str) -> String {
    let mut out = String::with_capacity(value.len() + 8);
    for letter in value.chars() {
        match letter {
            '\\' | ';' | ',' => out.extend(['\\', letter]),
            '\n' => out.push_str("\\n"),
            letter if letter.is_control() => {}
            letter => out.push(letter),
        }
    }
    out
}

/// Adds a line, folded where it is long; never within a letter.
fn line(out: &mut String, content: &str) {
    let mut room = LINE_MAX_BYTES;
    for letter in content.chars() {
        if letter.len_utf8() > room {
            out.push_str("\r\n ");
            room = LINE_MAX_BYTES - 1;
        }
        out.push(letter);
        room -= letter.len_utf8();
    }
    out.push_str("\r\n");
}

/// A moment in UTC (3.3.5).
fn moment(at: Timestamp) -> String {
    match jiff::Timestamp::from_second(at.as_secs()) {
        Ok(moment) => moment.strftime("%Y%m%dT%H%M%SZ").to_string(),
        Err(_) => "19700101T000000Z".to_owned(),
    }
}

/// The calendar. `made_at` is when what it says was last different: the time of each event's last change as far as is known, since the plan keeps
/// none (3.8.7.2).
pub(crate) fn calendar(name: &str, address: &str, events: &[Event], made_at: Timestamp) -> String {
    let mut out = String::new();
    line(&mut out, "BEGIN:VCALENDAR");
    line(&mut out, "VERSION:2.0");
    line(&mut out, "PRODID:-//IOC Watch//Duty//VI");
    line(&mut out, "CALSCALE:GREGORIAN");
    // RFC 7986 has names and how often to look; the others are what programs look for.
    for key in ["NAME", "X-WR-CALNAME"] {
        line(&mut out, &format!("{key}:{}", text(name)));
    }
    line(&mut out, "REFRESH-INTERVAL;VALUE=DURATION:PT1H");
    line(&mut out, "X-PUBLISHED-TTL:PT1H");
    for event in events {
        line(&mut out, "BEGIN:VEVENT");
        line(&mut out, &format!("UID:{}", text(&event.uid)));
        line(&mut out, &format!("DTSTAMP:{}", moment(made_at)));
        line(&mut out, &format!("DTSTART:{}", moment(event.from)));
        line(&mut out, &format!("DTEND:{}", moment(event.until)));
        line(&mut out, &format!("SUMMARY:{}", text(&event.summary)));
        if !event.description.is_empty() {
            line(&mut out, &format!("DESCRIPTION:{}", text(&event.description)));
        }
        let mut url = String::new();
        // A URI is no text: nothing in it is marked, and a line end cannot stand in one.
        let _ = write!(url, "URL:{}", address.chars().filter(|letter| !letter.is_control()).collect::<String>());
        line(&mut out, &url);
        // Whoever is on duty can be asked to meetings all the same (3.8.2.7).
        line(&mut out, "TRANSP:TRANSPARENT");
        line(&mut out, "END:VEVENT");
    }
    line(&mut out, "END:VCALENDAR");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_meaning_is_marked_and_long_lines_are_folded_between_letters() {
        let name = "Trực ban; đêm, \\ \"A\"\nvà \u{7}ngày ".repeat(9);
        let event = Event {
            uid: "1@ioc-watch".to_owned(),
            from: "2026-11-02T00:00:00Z".parse().expect("a time"),
            until: "2026-11-09T00:00:00Z".parse().expect("a time"),
            summary: name.clone(),
            description: String::new(),
        };
        let stamp = "2026-11-01T05:06:07.999Z".parse().expect("a time");
        let found = calendar("x", "https://ioc.example/duty", std::slice::from_ref(&event), stamp);
        assert!(found.ends_with("END:VCALENDAR\r\n") && !found.replace("\r\n", "").contains(['\r', '\n']));
        let lines: Vec<&str> = found.split("\r\n").collect();
        assert!(lines.iter().all(|line| line.len() <= LINE_MAX_BYTES), "{found}");
        let unfolded = found.replace("\r\n ", "");
        let summary = unfolded.lines().find_map(|line| line.strip_prefix("SUMMARY:")).expect("a summary");
        assert!(summary.starts_with("Trực ban\\; đêm\\, \\\\ \"A\"\\nvà ngày Trực"), "{summary}");
        for part in
            ["DTSTAMP:20261101T050607Z", "DTSTART:20261102T000000Z", "DTEND:20261109T000000Z", "TRANSP:TRANSPARENT"]
        {
            assert!(unfolded.lines().any(|line| line == part), "{part} in {unfolded}");
        }
    }
}
