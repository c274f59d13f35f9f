//! Where both programs log to: the systemd journal with every field of its own, or standard error.
//!
//! `journalctl -u ioc-collector IOC_DEVICE=srv-01` finds what concerns one device; the message still says all, for whoever reads along.
//! The journal's native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL) is a datagram of `NAME=value` lines.
//!
//! Deliberately absent: spans. Neither program makes any, and whoever keeps a registry of them gives 32 KiB of memory to one that is empty.

use std::fmt::{Debug, Display, Formatter, Write as _};
use std::io::Write as _;
use std::os::unix::net::UnixDatagram;

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::filter::Targets;

/// Where the journal listens.
const SOCKET: &str = "/run/systemd/journal/socket";
/// Before the names of our own fields.
const PREFIX: &str = "IOC_";

/// Logs from now on: what `IOC_LOG` asks for, or else `filter` (`target=level`, with commas). `program` is the name in the journal, `now`
/// the time as lines of standard error begin with it.
pub fn start(program: &'static str, filter: &str, now: fn() -> String) {
    let wanted = std::env::var("IOC_LOG").ok().and_then(|text| text.parse::<Targets>().ok());
    let filter = wanted.or_else(|| filter.parse().ok()).unwrap_or_default();
    let journal = is_journal().then(|| Journal::open(program).ok()).flatten();
    let to = journal.map_or(Destination::StandardError(now), Destination::Journal);
    // Only a second start would find that somebody listens already.
    let _ = tracing::subscriber::set_global_default(EventLog { filter, to });
}

/// Hands events on to where they are read.
struct EventLog {
    filter: Targets,
    to: Destination,
}

enum Destination {
    Journal(Journal),
    StandardError(fn() -> String),
}

impl Subscriber for EventLog {
    fn enabled(&self, about: &Metadata<'_>) -> bool {
        self.filter.would_enable(about.target(), about.level())
    }

    fn register_callsite(&self, about: &'static Metadata<'static>) -> Interest {
        // The filter never changes, so that each place in the code is asked about once.
        if self.enabled(about) { Interest::always() } else { Interest::never() }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        self.filter.iter().map(|(_, level)| level).chain(self.filter.default_level()).max()
    }

    fn event(&self, event: &Event<'_>) {
        match &self.to {
            Destination::Journal(journal) => journal.write(event),
            Destination::StandardError(now) => {
                let _ = std::io::stderr().write_all(line(&now(), event).as_bytes());
            }
        }
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// A line of standard error. What could steer a terminal is written as its number; a message may have several lines.
fn line(now: &str, event: &Event<'_>) -> String {
    let about = event.metadata();
    let mut entry = EventText::default();
    event.record(&mut entry);
    let mut line = format!("{now} {:>5} {}: ", about.level(), about.target());
    for c in entry.message.chars().chain(entry.others.chars()) {
        if c.is_control() && !matches!(c, '\n' | '\t') {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    line.push('\n');
    line
}

/// Whether standard error is the journal: systemd says which device and inode that would be (systemd.exec(5), `JOURNAL_STREAM`). Whoever
/// is started by a service with standard error elsewhere inherits the variable, and means the other place.
fn is_journal() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let Ok(about) = std::fs::metadata("/proc/self/fd/2") else { return false };
    std::env::var("JOURNAL_STREAM").is_ok_and(|stream| stream == format!("{}:{}", about.dev(), about.ino()))
}

/// Writes events to the journal.
struct Journal {
    socket: UnixDatagram,
    program: &'static str,
}

impl Journal {
    fn open(program: &'static str) -> std::io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.connect(SOCKET)?;
        // A journal that is stuck must not hold up whoever logs.
        socket.set_nonblocking(true)?;
        Ok(Self { socket, program })
    }

    fn write(&self, event: &Event<'_>) {
        let about = event.metadata();
        let mut entry = EventText::default();
        event.record(&mut entry);
        let text = format!("{}: {}{}", about.target(), entry.message, entry.others);
        let mut out = entry.fields;
        put(&mut out, "MESSAGE", &text);
        put(&mut out, "PRIORITY", priority(*about.level()));
        put(&mut out, "SYSLOG_IDENTIFIER", self.program);
        put(&mut out, "IOC_TARGET", about.target());
        // What this event says everywhere, without what it says of this place: `doctor --bundle` hands on no more.
        put(&mut out, "IOC_EVENT", &entry.message);
        if self.socket.send(&out).is_err() {
            // Too long for a datagram, or the journal is away: standard error is the journal's, too.
            let _ = std::io::stderr().write_all(format!("{text}\n").as_bytes());
        }
    }
}

/// Priorities of syslog (RFC 5424).
const fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "3",
        Level::WARN => "4",
        Level::INFO => "6",
        _ => "7",
    }
}

/// Message and fields of a log event, as they are collected.
#[derive(Default)]
struct EventText {
    message: String,
    /// Its fields, as they follow the message.
    others: String,
    /// Its fields, for the journal.
    fields: Vec<u8>,
}

impl EventText {
    fn take(&mut self, field: &Field, value: &str, shown: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message);
            return;
        }
        let _ = write!(self.others, " {}={shown}", field.name());
        put(&mut self.fields, &name_of(field.name()), value);
    }
}

/// What `{:?}` writes, without asking how a reference is written: that lies among what the agent seldom runs (agent/link.ld).
struct Shown<'v, V: Debug + ?Sized>(&'v V);

impl<V: Debug + ?Sized> Display for Shown<'_, V> {
    fn fmt(&self, out: &mut Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(out)
    }
}

impl Visit for EventText {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, value, &Shown(value).to_string());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let text = Shown(value).to_string();
        self.take(field, &text, &text);
    }
}

/// A field's name in the journal: upper-case letters, digits and underscores.
fn name_of(field: &str) -> String {
    let name = field.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' });
    PREFIX.chars().chain(name).collect()
}

/// Adds a field. A value of several lines carries its length before it, so that it cannot pass for other fields.
fn put(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(name.as_bytes());
    if value.contains('\n') {
        out.push(b'\n');
        out.extend_from_slice(&(value.len() as u64).to_le_bytes());
    } else {
        out.push(b'=');
    }
    out.extend_from_slice(value.as_bytes());
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_several_lines_is_one_field() {
        let mut out = Vec::new();
        put(&mut out, "IOC_DEVICE", "srv-01");
        put(&mut out, "MESSAGE", "a\nPRIORITY=0");
        assert_eq!(out, b"IOC_DEVICE=srv-01\nMESSAGE\n\x0c\0\0\0\0\0\0\0a\nPRIORITY=0\n");
        assert_eq!(name_of("silent_s.x"), "IOC_SILENT_S_X");
    }

    #[test]
    fn an_event_is_a_datagram_with_its_fields_and_a_message_that_says_all() {
        let (here, there) = UnixDatagram::pair().expect("a pair");
        let journal = Journal { socket: here, program: "ioc-test" };
        let log = EventLog { filter: "info".parse().expect("a filter"), to: Destination::Journal(journal) };
        tracing::subscriber::with_default(log, || {
            tracing::debug!("not asked for");
            tracing::warn!(device = %"srv-01", reason = "two\nlines", count = 7, "connection ended");
        });
        let mut bytes = [0; 1024];
        let size = there.recv(&mut bytes).expect("came");
        let text = String::from_utf8_lossy(&bytes[..size]).into_owned();
        for part in [
            "IOC_DEVICE=srv-01\n",
            "IOC_COUNT=7\n",
            "IOC_REASON\n\u{9}",
            "PRIORITY=4\n",
            "SYSLOG_IDENTIFIER=ioc-test\n",
            "connection ended device=srv-01 reason=\"two\\nlines\" count=7\n",
        ] {
            assert!(text.contains(part), "{part:?} in {text:?}");
        }
    }

    #[test]
    fn a_line_says_when_how_grave_where_and_what_and_steers_no_terminal() {
        /// Keeps the line instead of writing it.
        struct Kept(std::sync::Arc<std::sync::Mutex<Vec<String>>>);
        impl Subscriber for Kept {
            fn enabled(&self, _: &Metadata<'_>) -> bool {
                true
            }
            fn event(&self, event: &Event<'_>) {
                self.0.lock().expect("no panic").push(line("2026-11-24T00:00:00.000Z", event));
            }
            fn new_span(&self, _: &Attributes<'_>) -> Id {
                Id::from_u64(1)
            }
            fn record(&self, _: &Id, _: &Record<'_>) {}
            fn record_follows_from(&self, _: &Id, _: &Id) {}
            fn enter(&self, _: &Id) {}
            fn exit(&self, _: &Id) {}
        }
        let lines = std::sync::Arc::<std::sync::Mutex<Vec<String>>>::default();
        tracing::subscriber::with_default(Kept(std::sync::Arc::clone(&lines)), || {
            tracing::info!(target: "ioc_test", device = %"a\u{1b}[2J", said = "b", "it\nruns");
            tracing::error!(target: "ioc_test", "no more");
        });
        let lines = lines.lock().expect("no panic");
        assert_eq!(lines[0], "2026-11-24T00:00:00.000Z  INFO ioc_test: it\nruns device=a\\u{1b}[2J said=\"b\"\n");
        assert_eq!(lines[1], "2026-11-24T00:00:00.000Z ERROR ioc_test: no more\n");
    }

    #[test]
    fn a_filter_is_by_place_and_level() {
        let log = |filter: &str| EventLog {
            filter: filter.parse().expect("a filter"),
            to: Destination::StandardError(String::new),
        };
        assert_eq!(log("info").max_level_hint(), Some(LevelFilter::INFO));
        let some = log("warn,ioc_engine=debug");
        assert_eq!(some.max_level_hint(), Some(LevelFilter::DEBUG));
        let enabled = |target: &str, level: Level| some.filter.would_enable(target, &level);
        assert!(enabled("ioc_engine::writer", Level::DEBUG) && !enabled("ioc_web", Level::INFO));
        assert!(enabled("ioc_web", Level::WARN));
    }
}
