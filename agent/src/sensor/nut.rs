//! UPS behind Network UPS Tools: the text protocol of `upsd` on TCP 3493 (docs/net-protocol of NUT).
//!
//! *Communication lost* (`upsd` answers, but not the UPS: DATA-STALE) is not *power lost* (status OB), and neither is *upsd does not
//! answer*: three different things up to the page.

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use ioc_common::clock;

use super::publisher::Poll;
use super::settings::NutUps;
pub use super::ups::poll_of;

/// Most lines of one answer.
const LINES_MAX: usize = 1000;
/// Longest answer, bytes.
const ANSWER_MAX_BYTES: u64 = 128 * 1024;

/// What every UPS is expected to tell; the rest comes as it is found.
pub const EXPECTED: [(&str, &str); 10] = [
    ("ups.linked", ""),
    ("ups.on_battery", ""),
    ("ups.low_battery", ""),
    ("ups.replace_battery", ""),
    ("ups.overload", ""),
    ("ups.bypass", ""),
    ("ups.alarm", ""),
    ("ups.off", ""),
    ("ups.no_battery", ""),
    ("ups.forced_shutdown", ""),
];

/// What `LIST VAR` said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NutAnswer {
    /// What `LIST VAR` told: names as in `battery.charge`, and their values, still texts.
    Variables(Vec<(String, String)>),
    /// `upsd` does not hear from the UPS.
    Stale(String),
    /// `upsd` says no.
    Refused(String),
}

/// Reads an answer to `LIST VAR`. None when it is not one.
#[must_use]
pub fn answer(text: &str) -> Option<NutAnswer> {
    let mut variables = Vec::new();
    let mut begun = false;
    for line in text.lines().take(LINES_MAX) {
        if let Some(code) = line.strip_prefix("ERR ") {
            let code = code.split(' ').next().unwrap_or(code);
            return Some(match code {
                "DATA-STALE" | "DRIVER-NOT-CONNECTED" => NutAnswer::Stale(code.to_owned()),
                _ => NutAnswer::Refused(code.to_owned()),
            });
        }
        if line.starts_with("BEGIN LIST VAR ") {
            begun = true;
        } else if line.starts_with("END LIST VAR ") && begun {
            return Some(NutAnswer::Variables(variables));
        } else if let Some((_, rest)) = line.strip_prefix("VAR ").and_then(|rest| rest.split_once(' '))
            && let Some((name, value)) = rest.split_once(' ')
        {
            variables.push((name.to_owned(), unquoted(value)));
        }
    }
    None
}

/// A quoted value, with `\"` and `\\` taken back.
fn unquoted(text: &str) -> String {
    let inner = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
    let mut out = String::with_capacity(inner.len());
    let mut escaped = false;
    for c in inner.chars() {
        if c == '\\' && !escaped {
            escaped = true;
        } else {
            out.push(c);
            escaped = false;
        }
    }
    out
}

/// Asks a UPS once.
///
/// # Errors
/// Why it could not be asked: `upsd` does not answer, or says no.
pub async fn ask(ups: &NutUps) -> Result<Poll, String> {
    let started = clock::boottime_us();
    let exchange = tokio::time::timeout(ups.timeout, exchange(ups));
    let text = exchange.await.map_err(|_| {
        format!("upsd at {}:{} did not answer within {} ms", ups.host, ups.port, ups.timeout.as_millis())
    })??;
    let mut poll = match answer(&text) {
        Some(NutAnswer::Variables(variables)) => poll_of(&variables, clock::now()),
        // Known and said: the link to the UPS is lost, and nothing is known of its power.
        Some(NutAnswer::Stale(_)) => {
            Poll { numbers: vec![("ups.linked", String::new(), Some(0.0))], ..Poll::default() }
        }
        Some(NutAnswer::Refused(code)) => return Err(refusal(&code, ups)),
        None => return Err(format!("upsd at {}:{} answered what is no list of variables", ups.host, ups.port)),
    };
    poll.answer_ms = clock::boottime_us().saturating_sub(started) as f64 / 1000.0;
    Ok(poll)
}

fn refusal(code: &str, ups: &NutUps) -> String {
    let mend = match code {
        "UNKNOWN-UPS" => format!("'upsc -l {}' lists the names", ups.host),
        "ACCESS-DENIED" | "INVALID-PASSWORD" | "INVALID-USERNAME" | "PASSWORD-REQUIRED" | "USERNAME-REQUIRED" => {
            "give user and password_file as in upsd.users, or LISTEN for this host".to_owned()
        }
        _ => "see the log of upsd".to_owned(),
    };
    format!("upsd refuses {}: {code}; mend: {mend}", ups.ups)
}

async fn exchange(ups: &NutUps) -> Result<String, String> {
    let place = format!("{}:{}", ups.host, ups.port);
    let fault = |error: std::io::Error| format!("upsd at {place}: {error}");
    let stream = TcpStream::connect((ups.host.as_str(), ups.port)).await.map_err(&fault)?;
    let mut stream = BufReader::new(stream);
    if let Some(user) = &ups.user {
        say(&mut stream, &format!("USERNAME {user}\n")).await.map_err(&fault)?;
        expect_ok(&mut stream, ups).await?;
    }
    if let Some(path) = &ups.password_file {
        let password = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        say(&mut stream, &format!("PASSWORD {}\n", password.trim())).await.map_err(&fault)?;
        expect_ok(&mut stream, ups).await?;
    }
    say(&mut stream, &format!("LIST VAR {}\n", ups.ups)).await.map_err(&fault)?;
    let mut text = Vec::new();
    let mut bounded = stream.take(ANSWER_MAX_BYTES);
    for _ in 0..LINES_MAX {
        let before = text.len();
        let read = bounded.read_until(b'\n', &mut text).await.map_err(&fault)?;
        let line = &text[before..];
        if read == 0 || line.starts_with(b"ERR ") || line.starts_with(b"END LIST VAR ") {
            break;
        }
    }
    // A goodbye is polite, and nothing depends on it.
    let _ = bounded.into_inner().get_mut().write_all(b"LOGOUT\n").await;
    // Devices write their names as they like: one byte that is no UTF-8 costs a letter, not the UPS.
    Ok(String::from_utf8_lossy(&text).into_owned())
}

async fn say(stream: &mut BufReader<TcpStream>, line: &str) -> std::io::Result<()> {
    stream.get_mut().write_all(line.as_bytes()).await
}

async fn expect_ok(stream: &mut BufReader<TcpStream>, ups: &NutUps) -> Result<(), String> {
    let mut line = String::new();
    let read = stream.take(512).read_line(&mut line).await;
    read.map_err(|error| format!("upsd at {}:{}: {error}", ups.host, ups.port))?;
    match line.trim() {
        text if text.starts_with("OK") => Ok(()),
        text => Err(refusal(text.strip_prefix("ERR ").unwrap_or("no answer"), ups)),
    }
}

#[cfg(test)]
mod tests {
    use ioc_common::clock::Timestamp;

    use super::*;

    const LIST: &str = r#"BEGIN LIST VAR smart
VAR smart battery.charge "87.5"
VAR smart battery.date "2023/12/01"
VAR smart battery.runtime "1260"
VAR smart device.mfr "APC"
VAR smart device.model "Smart-UPS \"X\" 1500"
VAR smart input.voltage "0.0"
VAR smart ups.status "OB DISCHRG LB RB"
VAR smart ups.test.result "Done and failed"
VAR smart ups.test.date "11/20/26"
END LIST VAR smart
"#;

    fn of(poll: &Poll, metric: &str) -> Option<Option<f64>> {
        poll.numbers.iter().find(|(name, _, _)| *name == metric).map(|(_, _, value)| *value)
    }

    #[test]
    fn what_a_ups_on_battery_says() {
        let Some(NutAnswer::Variables(variables)) = answer(LIST) else { panic!("a list") };
        let now: Timestamp = "2026-11-24T10:00:00Z".parse().expect("a time");
        let poll = poll_of(&variables, now);
        for (metric, value) in [
            ("ups.linked", 1.0),
            ("ups.on_battery", 1.0),
            ("ups.low_battery", 1.0),
            ("ups.replace_battery", 1.0),
            ("ups.overload", 0.0),
            ("ups.charge", 87.5),
            ("ups.runtime", 1260.0),
            ("ups.input_voltage", 0.0),
            ("ups.battery_age", 1089.0),
            ("ups.test_failed", 1.0),
            ("ups.test_age", 4.0),
        ] {
            assert_eq!(of(&poll, metric), Some(Some(value)), "{metric}");
        }
        assert_eq!(poll.machine.product, "Smart-UPS \"X\" 1500");
        assert_eq!(of(&poll, "ups.output_voltage"), None, "what it does not tell is not there");
    }

    #[test]
    fn communication_lost_is_not_power_lost() {
        assert_eq!(answer("ERR DATA-STALE\n"), Some(NutAnswer::Stale("DATA-STALE".to_owned())));
        assert_eq!(answer("ERR DRIVER-NOT-CONNECTED\n"), Some(NutAnswer::Stale("DRIVER-NOT-CONNECTED".to_owned())));
        assert_eq!(answer("ERR UNKNOWN-UPS\n"), Some(NutAnswer::Refused("UNKNOWN-UPS".to_owned())));
        assert_eq!(answer("BEGIN LIST VAR smart\nVAR smart ups.status \"OL\"\n"), None, "cut off is no answer");
        assert_eq!(answer(""), None);
        // A status that is not told leaves all flags unknown.
        let poll = poll_of(&[], Timestamp::from_millis(0));
        assert_eq!(of(&poll, "ups.on_battery"), Some(None));
    }
}
