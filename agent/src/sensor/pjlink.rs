//! Projectors and panels over PJLink class 1 and 2 (TCP 4352; JBMIA PJLink specifications 1.05 and 2.10), with and without password.
//!
//! Only queries are sent; nothing is switched.

use md5::{Digest as _, Md5};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use ioc_common::clock;
use ioc_common::report::Facts;

use super::board::Poll;
use super::settings::Projector;

/// Longest line: 136 bytes by the specification, with room for a sloppy device.
const LINE_MAX_BYTES: u64 = 512;
/// Most lamps that are told apart.
const LAMPS_MAX: usize = 8;
/// The parts whose state `ERST` gives, in its order.
const PARTS: [&str; 6] = ["fan", "lamp", "temperature", "cover", "filter", "other"];

/// What every projector is expected to tell.
pub const EXPECTED: [(&str, &str); 7] = [
    ("beamer.power", ""),
    ("beamer.errors", "fan"),
    ("beamer.errors", "lamp"),
    ("beamer.errors", "temperature"),
    ("beamer.errors", "cover"),
    ("beamer.errors", "filter"),
    ("beamer.errors", "other"),
];

/// What a device answered to a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// This.
    Value(String),
    /// It does not know the query (`ERR1`), or cannot answer it now (`ERR3`).
    None,
    /// It is broken (`ERR4`).
    Broken,
    /// It wants another password (`ERRA`).
    Denied,
}

/// Reads a line that answers the query `command`. None when it answers something else.
#[must_use]
pub fn reply(line: &str, command: &str) -> Option<Reply> {
    let line = line.trim_end_matches(['\r', '\n']);
    if line.eq_ignore_ascii_case("PJLINK ERRA") {
        return Some(Reply::Denied);
    }
    let rest = line.strip_prefix('%')?;
    let (_class, rest) = (rest.get(..1)?, rest.get(1..)?);
    let (name, value) = rest.split_once('=')?;
    if !name.eq_ignore_ascii_case(command) {
        return None;
    }
    Some(match value {
        "ERR1" | "ERR2" | "ERR3" => Reply::None,
        "ERR4" => Reply::Broken,
        value => Reply::Value(value.chars().filter(|c| !c.is_control()).take(128).collect()),
    })
}

/// What the answers mean: query and reply.
#[must_use]
pub fn meaning(replies: &[(&str, Reply)]) -> Poll {
    let mut poll = Poll::default();
    let value = |command: &str| {
        replies.iter().find(|(name, _)| *name == command).and_then(|(_, reply)| match reply {
            Reply::Value(value) => Some(value.as_str()),
            _ => None,
        })
    };
    let broken = replies.iter().any(|(_, reply)| *reply == Reply::Broken);
    let mut put = |metric: &'static str, subject: &str, number: Option<f64>| {
        poll.numbers.push((metric, subject.to_owned(), number));
    };
    put("beamer.power", "", value("POWR").and_then(|text| text.parse().ok()).filter(|power: &f64| *power <= 3.0));
    let states: Vec<Option<f64>> = match value("ERST") {
        Some(text) if text.len() == 6 => {
            text.chars().map(|c| c.to_digit(10).filter(|state| *state <= 2).map(f64::from)).collect()
        }
        _ => vec![None; PARTS.len()],
    };
    for (part, state) in PARTS.iter().zip(&states) {
        // A device that says it is broken, and not where, is broken in another part.
        let state = if broken && *part == "other" { Some(2.0) } else { *state };
        put("beamer.errors", part, state);
    }
    // 11 to 6Z: kind (1 RGB, 2 video, 3 digital, 4 storage, 5 network, 6 internal) and number; letters do not fit a number.
    if let Some(input) = value("INPT").and_then(|input| input.parse().ok()) {
        put("beamer.input", "", Some(input));
    }
    if let Some(mute) = value("AVMT") {
        // 11 the picture, 31 picture and sound, 21 the sound alone.
        put("beamer.muted", "", Some(f64::from(u8::from(mute == "11" || mute == "31"))));
    }
    if let Some(lamps) = value("LAMP") {
        let fields: Vec<&str> = lamps.split_whitespace().collect();
        for (number, pair) in fields.chunks(2).take(LAMPS_MAX).enumerate() {
            let lamp = (number + 1).to_string();
            put("beamer.lamp_hours", &lamp, pair.first().and_then(|hours| hours.parse().ok()));
            put("beamer.lamp_on", &lamp, pair.get(1).and_then(|on| on.parse().ok()).filter(|on: &f64| *on <= 1.0));
        }
    }
    if let Some(hours) = value("FILT").and_then(|hours| hours.parse().ok()) {
        put("beamer.filter_hours", "", Some(hours));
    }
    let text = |command| value(command).unwrap_or_default().to_owned();
    poll.machine = Facts {
        vendor: text("INF1"),
        product: if value("INF2").is_some() { text("INF2") } else { text("INFO") },
        serial: text("SNUM"),
        bios: text("SVER"),
        hostname: text("NAME"),
        ..Facts::default()
    };
    poll
}

/// What goes before the first command when the device gave this challenge.
#[must_use]
pub fn digest(challenge: &str, password: &str) -> String {
    let digest = Md5::digest(format!("{challenge}{password}"));
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Asks a projector once.
///
/// # Errors
/// Why it could not be asked.
pub async fn ask(projector: &Projector) -> Result<Poll, String> {
    let started = clock::boottime_us();
    let place = format!("{}:{}", projector.host, projector.port);
    let asked = tokio::time::timeout(projector.timeout, exchange(projector, &place)).await;
    let replies =
        asked.map_err(|_| format!("{place} did not answer within {} ms", projector.timeout.as_millis()))??;
    let mut poll = meaning(&replies);
    poll.answer_ms = clock::boottime_us().saturating_sub(started) as f64 / 1000.0;
    Ok(poll)
}

async fn exchange(projector: &Projector, place: &str) -> Result<Vec<(&'static str, Reply)>, String> {
    let fault = |error: std::io::Error| format!("{place}: {error}");
    let stream = TcpStream::connect((projector.host.as_str(), projector.port)).await.map_err(&fault)?;
    let mut stream = BufReader::new(stream);
    let greeting = line(&mut stream).await.map_err(&fault)?;
    let mut prefix = match greeting.trim().split(' ').collect::<Vec<_>>().as_slice() {
        ["PJLINK", "0"] => String::new(),
        ["PJLINK", "1", challenge] => {
            let path = projector.password_file.as_ref();
            let path = path.ok_or_else(|| format!("{place} wants a password; mend: give password_file"))?;
            let password = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
            digest(challenge, password.trim())
        }
        _ => return Err(format!("{place} greets with {:?}, which is not PJLink", greeting.trim())),
    };
    let mut replies = Vec::new();
    let mut class = '1';
    for command in
        ["CLSS", "POWR", "ERST", "INPT", "AVMT", "LAMP", "NAME", "INF1", "INF2", "INFO", "SNUM", "SVER", "FILT"]
    {
        let second = matches!(command, "SNUM" | "SVER" | "FILT");
        if second && class < '2' {
            continue;
        }
        let query = format!("{prefix}%{}{command} ?\r", if second { '2' } else { '1' });
        prefix.clear();
        stream.get_mut().write_all(query.as_bytes()).await.map_err(&fault)?;
        let answer = line(&mut stream).await.map_err(&fault)?;
        match reply(&answer, command) {
            Some(Reply::Denied) => return Err(format!("{place} refuses the password; mend: correct password_file")),
            Some(reply) => {
                if let (Reply::Value(value), "CLSS") = (&reply, command) {
                    class = value.chars().next().unwrap_or('1');
                }
                replies.push((command, reply));
            }
            None => return Err(format!("{place} answered {:?} to {command}", answer.trim())),
        }
    }
    Ok(replies)
}

/// A line, which PJLink ends with a carriage return.
async fn line(stream: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    let mut line = Vec::new();
    let read = stream.take(LINE_MAX_BYTES).read_until(b'\r', &mut line).await?;
    if read == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    Ok(String::from_utf8_lossy(&line).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(poll: &Poll, metric: &str, subject: &str) -> Option<Option<f64>> {
        poll.numbers.iter().find(|(name, of, _)| *name == metric && of == subject).map(|(_, _, value)| *value)
    }

    #[test]
    fn the_digest_of_the_specification() {
        // PJLink 1.04, 5.2: challenge 498e4a67, password JBMIAProjectorLink.
        assert_eq!(digest("498e4a67", "JBMIAProjectorLink"), "5d8409bc1c3fa39749434aa3a5c38682");
    }

    #[test]
    fn replies() {
        assert_eq!(reply("%1POWR=1\r", "POWR"), Some(Reply::Value("1".to_owned())));
        assert_eq!(reply("%1powr=ERR3\r", "POWR"), Some(Reply::None));
        assert_eq!(reply("%1POWR=ERR4\r", "POWR"), Some(Reply::Broken));
        assert_eq!(reply("PJLINK ERRA\r", "POWR"), Some(Reply::Denied));
        assert_eq!(reply("%1LAMP=1 1\r", "POWR"), None, "another answer");
        assert_eq!(reply("", "POWR"), None);
        assert_eq!(reply("%é", "POWR"), None);
    }

    #[test]
    fn a_projector_with_a_worn_lamp_and_a_warm_inlet() {
        let value = |text: &str| Reply::Value(text.to_owned());
        let poll = meaning(&[
            ("POWR", value("1")),
            ("ERST", value("012000")),
            ("INPT", value("31")),
            ("AVMT", value("31")),
            ("LAMP", value("2150 1 80 0")),
            ("FILT", value("700")),
            ("INF1", value("EPSON")),
            ("SNUM", Reply::None),
        ]);
        for (metric, subject, number) in [
            ("beamer.power", "", 1.0),
            ("beamer.errors", "fan", 0.0),
            ("beamer.errors", "lamp", 1.0),
            ("beamer.errors", "temperature", 2.0),
            ("beamer.input", "", 31.0),
            ("beamer.muted", "", 1.0),
            ("beamer.lamp_hours", "1", 2150.0),
            ("beamer.lamp_on", "2", 0.0),
            ("beamer.filter_hours", "", 700.0),
        ] {
            assert_eq!(of(&poll, metric, subject), Some(Some(number)), "{metric} {subject}");
        }
        assert_eq!(poll.machine.vendor, "EPSON");
        let standby = meaning(&[("POWR", Reply::None), ("ERST", value("oops"))]);
        assert_eq!((of(&standby, "beamer.power", ""), of(&standby, "beamer.errors", "fan")), (Some(None), Some(None)));
        let broken = meaning(&[("POWR", Reply::Broken)]);
        assert_eq!(of(&broken, "beamer.errors", "other"), Some(Some(2.0)));
    }
}
