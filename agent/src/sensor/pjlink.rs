//! Projectors and panels over PJLink class 1 and 2 (TCP 4352; JBMIA PJLink specifications 1.05 and 2.10), with and without password.
//!
//! Only queries are sent; nothing is switched.

use std::time::Duration;

use md5::{Digest as _, Md5};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use ioc_common::clock;
use ioc_common::encoding::hex;
use ioc_common::report::Facts;

use super::publisher::Poll;
use super::settings::Projector;

/// Longest line: 136 bytes by the specification, with room for a sloppy device.
const LINE_MAX_BYTES: usize = 512;
/// Most lamps that are told apart.
const LAMPS_MAX: usize = 8;
/// The parts whose state `ERST` gives, in its order.
const PARTS: [&str; 6] = ["fan", "lamp", "temperature", "cover", "filter", "other"];

/// What every projector is expected to tell.
pub const EXPECTED: [(&str, &str); 7] = [
    ("projector.power", ""),
    ("projector.errors", "fan"),
    ("projector.errors", "lamp"),
    ("projector.errors", "temperature"),
    ("projector.errors", "cover"),
    ("projector.errors", "filter"),
    ("projector.errors", "other"),
];

/// What a device answered to a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// What stands behind the `=` of an answer, as `1` for `%1POWR=1`.
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
    let line = line.trim();
    if words(line).iter().map(String::as_str).eq(["PJLINK", "ERRA"]) {
        return Some(Reply::Denied);
    }
    let rest = line.strip_prefix('%')?;
    let (_class, rest) = (rest.get(..1)?, rest.get(1..)?);
    let (name, value) = rest.split_once('=')?;
    if !name.trim().eq_ignore_ascii_case(command) {
        return None;
    }
    let value: String = value.chars().filter(|c| !c.is_control()).take(128).collect();
    let value = value.trim();
    Some(match value.to_uppercase().replace(' ', "").strip_prefix("ERR") {
        Some("4") => Reply::Broken,
        Some("A") => Reply::Denied,
        Some("1" | "2" | "3") => Reply::None,
        _ => Reply::Value(value.to_owned()),
    })
}

/// The words of a line, in capitals: devices write `pjlink 0`, `PJLINK=0` and the like.
fn words(line: &str) -> Vec<String> {
    line.trim().to_uppercase().split([' ', '\t', '=']).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// How a device greets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Greeting {
    /// No password is wanted.
    Open,
    /// A password is wanted, with this challenge.
    Challenge(String),
    /// It refuses before anything was said.
    Denied,
}

/// Reads the line with which a device greets. None when it is not PJLink's.
#[must_use]
pub fn greeting(line: &str) -> Option<Greeting> {
    let words = words(line);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["PJLINK", "0", ..] => Some(Greeting::Open),
        // The digest is made of the challenge as it was written.
        ["PJLINK", "1", _] => Some(Greeting::Challenge(
            line.split([' ', '\t', '=']).rfind(|word| !word.trim().is_empty())?.trim().to_owned(),
        )),
        ["PJLINK", "ERRA", ..] => Some(Greeting::Denied),
        _ => None,
    }
}

/// Whether the answer to `CLSS` says that queries of class 2 are understood: `2`, or as some write, `Class 2`.
fn second_class(value: &str) -> bool {
    value.chars().find_map(|c| c.to_digit(10)).is_some_and(|class| class >= 2)
}

/// What the answers mean: query and reply.
#[must_use]
pub fn poll_of(replies: &[(&str, Reply)]) -> Poll {
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
    let power = value("POWR").and_then(|text| text.parse::<u8>().ok()).filter(|power| *power <= 3);
    put("projector.power", "", power.map(f64::from));
    let states: Vec<char> = value("ERST").unwrap_or_default().chars().filter(|c| !c.is_whitespace()).collect();
    // Of an answer that is too short nobody knows which part is left out; what follows the six is the maker's own.
    let states: Vec<Option<f64>> = if states.len() < PARTS.len() {
        vec![None; PARTS.len()]
    } else {
        states.iter().map(|c| c.to_digit(10).filter(|state| *state <= 2).map(f64::from)).collect()
    };
    for (part, state) in PARTS.iter().zip(&states) {
        // A device that says it is broken, and not where, is broken in another part.
        let state = if broken && *part == "other" { Some(2.0) } else { *state };
        put("projector.errors", part, state);
    }
    // 11 to 6Z: kind (1 RGB, 2 video, 3 digital, 4 storage, 5 network, 6 internal) and number; letters do not fit a number.
    if let Some(input) = value("INPT") {
        put("projector.input", "", input.parse::<u8>().ok().map(f64::from));
    }
    if let Some(mute) = value("AVMT") {
        // 11 the picture, 31 picture and sound, 21 the sound alone; tens end a mute.
        let muted = match mute {
            "11" | "31" => Some(1.0),
            "10" | "20" | "21" | "30" => Some(0.0),
            _ => None,
        };
        put("projector.muted", "", muted);
    }
    let hours = |text: &str| text.parse::<u32>().ok().map(f64::from).filter(|hours| *hours < 1e6);
    if let Some(lamps) = value("LAMP") {
        let fields: Vec<&str> = lamps.split([' ', ',']).filter(|field| !field.is_empty()).collect();
        // Hours and whether it is lit, of each. Where the pairs do not come out nobody knows what is what.
        let pairs = fields.chunks(2).all(|pair| matches!(pair, [_, "0" | "1"]));
        for (number, pair) in fields.chunks(2).take(LAMPS_MAX).enumerate() {
            let lamp = (number + 1).to_string();
            let (spent, lit) = match pair {
                [spent, lit] if pairs => (hours(spent), lit.parse::<u8>().ok().map(f64::from)),
                [spent] if fields.len() == 1 => (hours(spent), None),
                _ => (None, None),
            };
            put("projector.lamp_hours", &lamp, spent);
            put("projector.lamp_on", &lamp, lit);
        }
    }
    if let Some(spent) = value("FILT") {
        put("projector.filter_hours", "", hours(spent));
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
    hex(&Md5::digest(format!("{challenge}{password}")))
}

/// Longest that one query is waited for: the specification gives a device 2 seconds.
const QUERY_TIMEOUT: Duration = Duration::from_secs(2);
/// Most queries that may stay unanswered before the first answer; after it, the time for all of them is the bound.
const SILENT_MAX: u32 = 2;
/// Most connections of one poll: some devices hang up after each answer, others at a query that they do not know.
const CONNECTIONS_MAX: u32 = 16;
/// Most lines that are read for one answer; what does not belong to it came late.
const STRAY_MAX: usize = 16;

/// What is asked, in this order: class 2 only of devices that say that they know it.
const QUERIES: [(&str, char); 13] = [
    ("CLSS", '1'),
    ("POWR", '1'),
    ("ERST", '1'),
    ("INPT", '1'),
    ("AVMT", '1'),
    ("LAMP", '1'),
    ("NAME", '1'),
    ("INF1", '1'),
    ("INF2", '1'),
    ("INFO", '1'),
    ("SNUM", '2'),
    ("SVER", '2'),
    ("FILT", '2'),
];

/// Asks a projector once. What it does not answer is unknown; the rest is told.
///
/// # Errors
/// Why it could not be asked, when it answered nothing at all.
pub async fn ask(projector: &Projector) -> Result<Poll, String> {
    let started = clock::boottime_us();
    let place = format!("{}:{}", projector.host, projector.port);
    let mut replies = Vec::new();
    let asked = tokio::time::timeout(projector.timeout, exchange(projector, &place, &mut replies)).await;
    let why = match asked {
        Ok(Ok(())) => format!("{place} answered none of the queries"),
        Ok(Err(ExchangeError::Refused(why))) => return Err(why),
        Ok(Err(ExchangeError::Broken(why))) => why,
        Err(_) => format!("{place} did not answer within {} ms", projector.timeout.as_millis()),
    };
    if replies.is_empty() {
        return Err(why);
    }
    let mut poll = poll_of(&replies);
    poll.answer_ms = clock::boottime_us().saturating_sub(started) as f64 / 1000.0;
    Ok(poll)
}

/// Why no more can be asked.
enum ExchangeError {
    /// It wants none of us, whatever it said before.
    Refused(String),
    /// The connection cannot be made, or went.
    Broken(String),
}

async fn exchange(
    projector: &Projector,
    place: &str,
    replies: &mut Vec<(&'static str, Reply)>,
) -> Result<(), ExchangeError> {
    let mut next = 0;
    let mut silent = 0;
    for _ in 0..CONNECTIONS_MAX {
        let (mut line, mut prefix) = connect(projector, place).await?;
        let first = next;
        loop {
            let second = replies
                .iter()
                .any(|(name, reply)| matches!((*name, reply), ("CLSS", Reply::Value(value)) if second_class(value)));
            while QUERIES.get(next).is_some_and(|(_, class)| *class == '2' && !second) {
                next += 1;
            }
            let Some((command, class)) = QUERIES.get(next).copied() else { return Ok(()) };
            let query = format!("{prefix}%{class}{command} ?\r");
            prefix.clear();
            if line.stream.write_all(query.as_bytes()).await.is_err() {
                break;
            }
            match tokio::time::timeout(QUERY_TIMEOUT.min(projector.timeout / 5), line.answer(command, replies)).await {
                Ok(Ok(())) => silent = 0,
                Ok(Err(AnswerError::Denied)) => {
                    return Err(ExchangeError::Refused(format!(
                        "{place} refuses the password; mend: correct password_file"
                    )));
                }
                Ok(Err(AnswerError::Closed)) => break,
                // It answered something else, or nothing: this query is unknown, the next may be known.
                Ok(Err(AnswerError::Strange)) | Err(_) => {
                    silent += 1;
                    if silent >= SILENT_MAX && replies.is_empty() {
                        return Ok(());
                    }
                }
            }
            next += 1;
        }
        // It hung up. If it answered before, the rest is asked anew; else it was this query that it does not like.
        if next == first {
            next += 1;
            silent += 1;
            if silent >= SILENT_MAX && replies.is_empty() {
                return Err(ExchangeError::Broken(format!("{place} closes the connection")));
            }
        }
    }
    Ok(())
}

/// A connection that was greeted, and what goes before its first query.
async fn connect(projector: &Projector, place: &str) -> Result<(LineReader, String), ExchangeError> {
    let fault = |error: std::io::Error| ExchangeError::Broken(format!("{place}: {error}"));
    let stream = TcpStream::connect((projector.host.as_str(), projector.port)).await.map_err(fault)?;
    let mut line = LineReader { stream, pending: Vec::new() };
    let said = line.next().await.map_err(fault)?;
    let prefix = match greeting(&said) {
        Some(Greeting::Open) => String::new(),
        Some(Greeting::Challenge(challenge)) => {
            let path = projector.password_file.as_ref();
            let path = path
                .ok_or_else(|| ExchangeError::Refused(format!("{place} wants a password; mend: give password_file")))?;
            let password = std::fs::read_to_string(path)
                .map_err(|error| ExchangeError::Refused(format!("{}: {error}", path.display())))?;
            digest(&challenge, password.trim())
        }
        Some(Greeting::Denied) => return Err(ExchangeError::Refused(format!("{place} refuses this host"))),
        None => {
            return Err(ExchangeError::Refused(format!("{place} greets with {:?}, which is not PJLink", said.trim())));
        }
    };
    Ok((line, prefix))
}

/// Why an answer did not come.
enum AnswerError {
    Denied,
    Closed,
    Strange,
}

/// A connection and what was read of it that is no whole line yet.
struct LineReader {
    stream: TcpStream,
    pending: Vec<u8>,
}

impl LineReader {
    /// Reads until `command` is answered. What comes late for an earlier query is taken for it.
    async fn answer(
        &mut self,
        command: &'static str,
        replies: &mut Vec<(&'static str, Reply)>,
    ) -> Result<(), AnswerError> {
        for _ in 0..STRAY_MAX {
            let line = self.next().await.map_err(|_| AnswerError::Closed)?;
            let found = QUERIES.iter().find_map(|(name, _)| Some((*name, reply(&line, name)?)));
            match found {
                Some((_, Reply::Denied)) => return Err(AnswerError::Denied),
                Some((name, reply)) => {
                    if !replies.iter().any(|(known, _)| *known == name) {
                        replies.push((name, reply));
                    }
                    if name == command {
                        return Ok(());
                    }
                }
                None => return Err(AnswerError::Strange),
            }
        }
        Err(AnswerError::Strange)
    }

    /// The next line that is not empty. PJLink ends lines with a carriage return; some devices add a line feed, or write that alone.
    /// Nothing is lost when it is given up half way.
    async fn next(&mut self) -> std::io::Result<String> {
        loop {
            if let Some(end) = self.pending.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
                let line: Vec<u8> = self.pending.drain(..=end).collect();
                let text = String::from_utf8_lossy(&line).trim().to_owned();
                if !text.is_empty() {
                    return Ok(text);
                }
                continue;
            }
            if self.pending.len() > LINE_MAX_BYTES {
                return Err(std::io::Error::other(format!("a line of more than {LINE_MAX_BYTES} bytes")));
            }
            let mut piece = [0; 256];
            match self.stream.read(&mut piece).await? {
                0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                count => self.pending.extend_from_slice(&piece[..count]),
            }
        }
    }
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
        assert_eq!(reply("\n%1POWR = 2 \r\n", "POWR"), Some(Reply::Value("2".to_owned())));
        assert_eq!(reply("%1POWR=err4", "POWR"), Some(Reply::Broken));
        assert_eq!(reply("%1POWR=ERR 2", "POWR"), Some(Reply::None));
        assert_eq!(
            (reply("pjlink erra", "POWR"), reply("%1POWR=ERRA", "POWR")),
            (Some(Reply::Denied), Some(Reply::Denied))
        );
        assert_eq!(reply("%1INF1=Error Ltd", "INF1"), Some(Reply::Value("Error Ltd".to_owned())));
        assert_eq!(reply("", "POWR"), None);
        assert_eq!(reply("%é", "POWR"), None);
    }

    #[test]
    fn a_projector_with_a_worn_lamp_and_a_warm_inlet() {
        let value = |text: &str| Reply::Value(text.to_owned());
        let poll = poll_of(&[
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
            ("projector.power", "", 1.0),
            ("projector.errors", "fan", 0.0),
            ("projector.errors", "lamp", 1.0),
            ("projector.errors", "temperature", 2.0),
            ("projector.input", "", 31.0),
            ("projector.muted", "", 1.0),
            ("projector.lamp_hours", "1", 2150.0),
            ("projector.lamp_on", "2", 0.0),
            ("projector.filter_hours", "", 700.0),
        ] {
            assert_eq!(of(&poll, metric, subject), Some(Some(number)), "{metric} {subject}");
        }
        assert_eq!(poll.machine.vendor, "EPSON");
        let standby = poll_of(&[("POWR", Reply::None), ("ERST", value("oops"))]);
        assert_eq!(
            (of(&standby, "projector.power", ""), of(&standby, "projector.errors", "fan")),
            (Some(None), Some(None))
        );
        let broken = poll_of(&[("POWR", Reply::Broken)]);
        assert_eq!(of(&broken, "projector.errors", "other"), Some(Some(2.0)));
    }

    #[test]
    fn greetings_as_devices_write_them() {
        for line in ["PJLINK 0", "pjlink 0\r", " PJLink  0 ", "PJLINK=0", "PJLINK 0 \r\n"] {
            assert_eq!(greeting(line), Some(Greeting::Open), "{line:?}");
        }
        assert_eq!(
            greeting("pjlink 1 498e4aB7\r"),
            Some(Greeting::Challenge("498e4aB7".to_owned())),
            "as it was written"
        );
        assert_eq!(greeting("PJLINK ERRA"), Some(Greeting::Denied));
        for line in ["", "HTTP/1.1 400", "PJLINK", "PJLINK 2", "PJLINK 1", "SSH-2.0-x"] {
            assert_eq!(greeting(line), None, "{line:?}");
        }
        // pypjlink#1: a class that is no digit.
        assert!(
            second_class("2")
                && second_class("Class 2")
                && !second_class("Class 1")
                && !second_class("1")
                && !second_class("")
        );
    }

    #[test]
    fn values_that_are_no_values() {
        let value = |text: &str| Reply::Value(text.to_owned());
        let poll = poll_of(&[
            ("POWR", value("-1")),
            ("ERST", value("0020000")),
            ("INPT", value("3A")),
            ("AVMT", value("99")),
            ("LAMP", value("1200 1 80")),
            ("FILT", value("-3")),
        ]);
        for (metric, subject) in [
            ("projector.power", ""),
            ("projector.input", ""),
            ("projector.muted", ""),
            ("projector.lamp_hours", "1"),
            ("projector.filter_hours", ""),
        ] {
            assert_eq!(of(&poll, metric, subject), Some(None), "{metric}");
        }
        assert_eq!(
            of(&poll, "projector.errors", "temperature"),
            Some(Some(2.0)),
            "what follows the six is the maker's own"
        );
        let short = poll_of(&[("ERST", value("00200")), ("LAMP", value("12345"))]);
        assert_eq!(of(&short, "projector.errors", "temperature"), Some(None));
        assert_eq!(
            (of(&short, "projector.lamp_hours", "1"), of(&short, "projector.lamp_on", "1")),
            (Some(Some(12345.0)), Some(None))
        );
    }

    /// A projector that answers by this table, and is silent to all else; `hangs_up` after so many answers.
    async fn projector(
        greeting: &'static str,
        answers: &'static [(&'static str, &'static str)],
        hangs_up: usize,
    ) -> Projector {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("its address").port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mut line = LineReader { stream, pending: Vec::new() };
                let _ = line.stream.write_all(greeting.as_bytes()).await;
                let mut said = 0;
                while said < hangs_up
                    && let Ok(query) = line.next().await
                {
                    if let Some((_, answer)) = answers.iter().find(|(name, _)| query.contains(name)) {
                        let _ = line.stream.write_all(answer.as_bytes()).await;
                        said += 1;
                    }
                }
            }
        });
        Projector {
            about: crate::sensor::settings::SensorIdentity {
                name: "p".parse().expect("a name"),
                facts: ioc_common::report::SensorFacts::default(),
            },
            host: "127.0.0.1".to_owned(),
            port,
            password_file: None,
            every: Duration::from_secs(30),
            timeout: Duration::from_millis(900),
        }
    }

    #[tokio::test]
    async fn one_query_that_is_not_answered_costs_one_value() {
        const ANSWERS: &[(&str, &str)] = &[
            ("CLSS", "%1CLSS=Class 1\r\n"),
            ("POWR", "%1POWR=1\r\n"),
            ("ERST", "%1ERST=000000\r\n"),
            ("LAMP", "%1LAMP=1200 1\r\n"),
            ("INF1", "%1INF1=Optoma\r\n"),
        ];
        for (greeting, hangs_up) in [("pjlink 0\r", 100), ("PJLINK 0\r\n", 100), ("PJLINK 0\r", 1)] {
            let poll = ask(&projector(greeting, ANSWERS, hangs_up).await).await.expect("it answers");
            assert_eq!(of(&poll, "projector.lamp_hours", "1"), Some(Some(1200.0)), "{greeting:?} {hangs_up}");
            assert_eq!(of(&poll, "projector.power", ""), Some(Some(1.0)), "{greeting:?} {hangs_up}");
            assert_eq!(of(&poll, "projector.errors", "fan"), Some(Some(0.0)), "{greeting:?} {hangs_up}");
        }
        let none = ask(&projector("PJLINK 0\r", &[], 100).await).await;
        assert!(none.is_err_and(|why| why.contains("answer")), "nothing at all is no reading");
        let other = ask(&projector("220 mail\r\n", ANSWERS, 100).await).await;
        assert!(other.is_err_and(|why| why.contains("not PJLink")));
    }
}
