//! The sole encoder and decoder of payloads, with every limit in one place. Fuzzed (`tests/fuzz`).
//!
//! A report is *sealed* when it is taken and *finished* when it is sent: the age is the last field, so that a report from
//! the spool need not be decoded to be sent.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::audit_head::AuditHead;
use crate::clock::Timestamp;
use crate::document::Json;
use crate::id::{DeviceId, SensorName};
use crate::layout::LAYOUT_MAX_SERIES;
use crate::report::{
    Body, Committed, EARLIER_RUNS_MAX, Envelope, Event, Goodbye, Hello, Losses, Position, Report, Sample, StateReport,
};
use crate::software::Software;
use crate::topic::UpKind;

/// Version of the envelope: major, dot, minor.
pub const SCHEMA: &str = "1.0";
/// Largest payload of a report, in bytes.
pub const PAYLOAD_MAX_BYTES: usize = 256 * 1024;
/// Largest payload of `down/*`, in bytes.
pub const DOWN_MAX_BYTES: usize = 64 * 1024;
/// Room for what is added when a report is sent: its age, and what was lost.
const FINISH_MAX_BYTES: usize = 480;
/// Longest `boot` text.
const BOOT_MAX_BYTES: usize = 36;
/// Longest name that an agent gives its boot, its run, its machine and itself.
const HELLO_NAME_MAX_BYTES: usize = 128;
/// Longest event name and text.
const EVENT_TEXT_MAX_BYTES: usize = 4096;
/// Most fields of an event.
const EVENT_MAX_FIELDS: usize = 64;

#[derive(Serialize)]
struct EnvelopeOut<'a> {
    schema: &'static str,
    device: &'a DeviceId,
    #[serde(skip_serializing_if = "Option::is_none")]
    about: Option<&'a SensorName>,
    epoch: u64,
    seq: u64,
    boot: &'a str,
    taken_at: Timestamp,
    body: &'a Json,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "B: Deserialize<'de>"))]
struct EnvelopeIn<'a, B> {
    schema: &'a str,
    device: DeviceId,
    #[serde(default)]
    about: Option<SensorName>,
    epoch: u64,
    seq: u64,
    boot: &'a str,
    taken_at: Timestamp,
    body: B,
    #[serde(default)]
    age_ms: Option<u64>,
    #[serde(default)]
    lost: Option<Losses>,
}

/// A report as it is kept until it is sent: JSON without the age and the closing brace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedReport(Box<[u8]>);

impl SealedReport {
    /// Takes back bytes that [`Self::as_bytes`] gave, from the spool.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    /// The bytes to keep.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The payload to send, with the age in milliseconds where it is known, and with what was lost where places before it are missing.
    #[must_use]
    pub fn finish(&self, age_ms: Option<u64>, lost: Option<&Losses>) -> Vec<u8> {
        let mut payload = Vec::with_capacity(self.0.len() + 32);
        payload.extend_from_slice(&self.0);
        if let Some(age_ms) = age_ms {
            payload.extend_from_slice(b",\"age_ms\":");
            payload.extend_from_slice(age_ms.to_string().as_bytes());
        }
        if let Some(lost) = lost.and_then(|lost| serde_json::to_vec(lost).ok()) {
            payload.extend_from_slice(b",\"lost\":");
            payload.extend_from_slice(&lost);
        }
        payload.push(b'}');
        payload
    }
}

/// What stands around a body.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// The device that sends it.
    pub device: &'a DeviceId,
    /// Which of the sender's sensors it is about.
    pub about: Option<&'a SensorName>,
    /// Its place in the order.
    pub position: Position,
    /// The first eight digits of the boot ID.
    pub boot: &'a str,
    /// When it was taken, by the device's wall clock.
    pub taken_at: Timestamp,
}

/// A body that another program of the agent has made, as JSON. Whoever passes it on neither reads it nor makes it anew; the
/// collector checks it like any other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EncodedBody {
    kind: UpKind,
    body: Json,
}

impl EncodedBody {
    /// The JSON of `body`.
    ///
    /// # Errors
    /// [`CodecError::NotFinite`] for a number that JSON cannot carry.
    pub fn of(body: &Body) -> Result<Self, CodecError> {
        let text = match body {
            Body::Hello(body) => Json::of(body),
            Body::Sample(body) => {
                if body.v.iter().flatten().any(|v| !v.is_finite()) {
                    return Err(CodecError::NotFinite);
                }
                Json::of(body)
            }
            Body::State(body) => Json::of(body),
            Body::Software(body) => Json::of(body),
            Body::Event(body) => Json::of(body),
            Body::Goodbye(body) => Json::of(body),
        };
        Ok(Self { kind: body.kind(), body: text? })
    }

    /// Which topic it travels on.
    #[must_use]
    pub const fn kind(&self) -> UpKind {
        self.kind
    }

    /// The body's JSON.
    #[must_use]
    pub fn text(&self) -> &str {
        self.body.text()
    }
}

/// Encodes a report up to its age.
///
/// # Errors
/// [`CodecError::TooLarge`] when it would exceed [`PAYLOAD_MAX_BYTES`], [`CodecError::NotFinite`] for a number that JSON
/// cannot carry.
pub fn seal(head: Head<'_>, body: &Body) -> Result<SealedReport, CodecError> {
    seal_encoded(head, &EncodedBody::of(body)?)
}

/// Encodes a report whose body is made already.
///
/// # Errors
/// [`CodecError::TooLarge`] when it would exceed [`PAYLOAD_MAX_BYTES`].
pub fn seal_encoded(head: Head<'_>, body: &EncodedBody) -> Result<SealedReport, CodecError> {
    let Head { device, about, position: Position { epoch, seq }, boot, taken_at } = head;
    // The body is long, what stands around it is not: written once, into what it needs.
    let mut bytes = Vec::with_capacity(body.text().len() + 256);
    let envelope = EnvelopeOut { schema: SCHEMA, device, about, epoch, seq, boot, taken_at, body: &body.body };
    serde_json::to_writer(&mut bytes, &envelope)?;
    bytes.pop();
    if bytes.len() + FINISH_MAX_BYTES > PAYLOAD_MAX_BYTES {
        return Err(CodecError::TooLarge { found: bytes.len() });
    }
    Ok(SealedReport(bytes.into_boxed_slice()))
}

/// Decodes a report that came on a topic of `kind`.
///
/// # Errors
/// [`CodecError`] says what is wrong. Where at least the envelope could be read, [`RefusedReport::position`] tells whose place it
/// takes in the order, so that one bad report does not hold up those behind it.
pub fn open(kind: UpKind, payload: &[u8]) -> Result<Report, RefusedReport> {
    let before = |error| RefusedReport { position: None, device: None, error };
    if payload.len() > PAYLOAD_MAX_BYTES {
        return Err(before(CodecError::TooLarge { found: payload.len() }));
    }
    // Nearly all that comes are samples that are right: read in one pass. What is not is read again, for what is wrong with it.
    if kind == UpKind::Sample
        && let Ok(found) = serde_json::from_slice::<EnvelopeIn<'_, Sample>>(payload)
        && let Ok(()) = check_envelope(&found).and_then(|()| check_sample(&found.body))
    {
        return Ok(report(found, Body::Sample));
    }
    let found: EnvelopeIn<'_, &RawValue> = serde_json::from_slice(payload).map_err(|e| before(CodecError::Json(e)))?;
    let position = Position { epoch: found.epoch, seq: found.seq };
    let after = |error| RefusedReport { position: Some(position), device: Some(found.device.clone()), error };
    check_envelope(&found).map_err(after)?;
    let body = open_body(kind, found.body.get()).map_err(after)?;
    if found.about.is_some() && !matches!(body, Body::Hello(_) | Body::Sample(_) | Body::State(_) | Body::Event(_)) {
        return Err(after(CodecError::Field { field: "about", allowed: "hello, sample, state and event" }));
    }
    Ok(report(found, |_| body))
}

/// What was read, with its body.
fn report<B>(found: EnvelopeIn<'_, B>, body: impl FnOnce(B) -> Body) -> Report {
    Report {
        envelope: Envelope {
            position: Position { epoch: found.epoch, seq: found.seq },
            boot: found.boot.to_owned(),
            taken_at: found.taken_at,
            age_ms: found.age_ms,
            lost: found.lost,
            device: found.device,
            about: found.about,
        },
        body: body(found.body),
    }
}

fn check_envelope<B>(found: &EnvelopeIn<'_, B>) -> Result<(), CodecError> {
    if found.schema.split('.').next() != SCHEMA.split('.').next() {
        return Err(CodecError::Version { found: found.schema.chars().take(20).collect() });
    }
    if found.boot.len() > BOOT_MAX_BYTES || found.boot.chars().any(char::is_control) {
        return Err(CodecError::Field { field: "boot", allowed: "at most 36 characters" });
    }
    if found.epoch == 0 || found.seq == 0 || found.epoch > i64::MAX as u64 || found.seq > i64::MAX as u64 {
        return Err(CodecError::Field { field: "epoch, seq", allowed: "1 to 2^63-1" });
    }
    // One name for both, so that nothing later need ask whether it fits.
    if found.about.as_ref().is_some_and(|sensor| found.device.of_sensor(sensor).is_err()) {
        return Err(CodecError::Field { field: "device, about", allowed: "at most 64 characters together" });
    }
    Ok(())
}

fn check_sample(sample: &Sample) -> Result<(), CodecError> {
    if sample.v.len() > LAYOUT_MAX_SERIES {
        return Err(CodecError::Field { field: "v", allowed: "at most 4096 numbers" });
    }
    if sample.v.iter().flatten().any(|v| !v.is_finite()) {
        return Err(CodecError::NotFinite);
    }
    Ok(())
}

fn open_body(kind: UpKind, text: &str) -> Result<Body, CodecError> {
    let body = match kind {
        UpKind::Hello => {
            let hello: Hello = serde_json::from_str(text)?;
            // The collector holds these in memory.
            let names = [&hello.boot_id, &hello.run, &hello.fingerprint, &hello.agent_version];
            if names.into_iter().any(|name| name.len() > HELLO_NAME_MAX_BYTES) {
                return Err(CodecError::Field { field: "boot_id, run, fingerprint", allowed: "128 bytes" });
            }
            if hello.former.len() > EARLIER_RUNS_MAX {
                return Err(CodecError::Field { field: "former", allowed: "at most 16 earlier runs" });
            }
            Body::Hello(Box::new(hello))
        }
        UpKind::Sample => {
            let sample: Sample = serde_json::from_str(text)?;
            check_sample(&sample)?;
            Body::Sample(sample)
        }
        UpKind::State => Body::State(serde_json::from_str::<StateReport>(text)?),
        UpKind::Event => {
            let event: Event = serde_json::from_str(text)?;
            let fits = |text: &str| text.len() <= EVENT_TEXT_MAX_BYTES;
            let fields_fit = event.fields.len() <= EVENT_MAX_FIELDS
                && event.fields.iter().all(|(name, value)| fits(name) && fits(value));
            if !(fits(&event.name) && fits(&event.text) && fields_fit) {
                return Err(CodecError::Field { field: "event", allowed: "texts of 4096 bytes, 64 fields" });
            }
            Body::Event(event)
        }
        UpKind::Software => {
            let software: Software = serde_json::from_str(text)?;
            if !software.is_sound() {
                return Err(CodecError::Field {
                    field: "software",
                    allowed: "texts of 300 bytes, part 1 to parts, lists named by 16 hex digits",
                });
            }
            Body::Software(software)
        }
        UpKind::Goodbye => Body::Goodbye(serde_json::from_str::<Goodbye>(text)?),
        UpKind::Gone | UpKind::Renew | UpKind::Values => {
            return Err(CodecError::Kind { found: kind.as_str() });
        }
    };
    Ok(body)
}

/// Encodes a payload of `down/*` or `up/renew`.
///
/// # Errors
/// [`CodecError::TooLarge`] when it would exceed [`DOWN_MAX_BYTES`].
pub fn write_message<T: Serialize>(message: &T) -> Result<Vec<u8>, CodecError> {
    let bytes = serde_json::to_vec(message)?;
    if bytes.len() > DOWN_MAX_BYTES {
        return Err(CodecError::TooLarge { found: bytes.len() });
    }
    Ok(bytes)
}

/// Decodes a payload of `down/*` or `up/renew`.
///
/// # Errors
/// [`CodecError`] says what is wrong.
pub fn read_message<'a, T: Deserialize<'a>>(payload: &'a [u8]) -> Result<T, CodecError> {
    if payload.len() > DOWN_MAX_BYTES {
        return Err(CodecError::TooLarge { found: payload.len() });
    }
    Ok(serde_json::from_slice(payload)?)
}

/// Encodes a watermark; infallible, since it is built from numbers and texts.
#[must_use]
pub fn committed(position: Position, refused: Option<String>, head: Option<AuditHead>, resend: bool) -> Vec<u8> {
    serde_json::to_vec(&Committed { position, refused, head, resend }).unwrap_or_default()
}

/// A report that was refused.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct RefusedReport {
    /// Its place in the order, where the envelope could be read.
    pub position: Option<Position>,
    /// The device it names, where the envelope could be read.
    pub device: Option<DeviceId>,
    /// What the parser found.
    #[source]
    pub error: CodecError,
}

/// What is wrong with a payload.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// Larger than allowed.
    #[error("payload has {found} bytes; allowed are {PAYLOAD_MAX_BYTES} up and {DOWN_MAX_BYTES} down")]
    TooLarge {
        /// How many bytes it has.
        found: usize,
    },
    /// No JSON of the expected form.
    #[error("payload is not of the expected form: {0}")]
    Json(#[from] serde_json::Error),
    /// A major version that is not spoken here.
    #[error("schema {found:?} is not spoken here; this side speaks {SCHEMA}: upgrade the older side")]
    Version {
        /// The version that stands in its envelope.
        found: String,
    },
    /// A field out of its limits.
    #[error("field {field}: allowed {allowed}")]
    Field {
        /// Name of the field.
        field: &'static str,
        /// What may stand there.
        allowed: &'static str,
    },
    /// A number that is not finite.
    #[error("a number is not finite")]
    NotFinite,
    /// A kind that carries no report.
    #[error("kind {found:?} carries no report in this version")]
    Kind {
        /// The kind of topic it came on.
        found: &'static str,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::LayoutId;
    use proptest::prelude::*;

    fn device() -> DeviceId {
        DeviceId::new("srv-01").expect("valid")
    }

    fn sealed(body: &Body) -> SealedReport {
        let head = Head {
            device: &device(),
            about: None,
            position: Position { epoch: 3, seq: 9 },
            boot: "3f1c9a02",
            taken_at: Timestamp::from_millis(1_795_485_600_120),
        };
        seal(head, body).expect("encodes")
    }

    proptest! {
        #[test]
        fn samples_survive_the_wire(v in prop::collection::vec(prop::option::of(-1e12_f64..1e12), 0..200), age in 0_u64..1_000_000) {
            let body = Body::Sample(Sample { layout: LayoutId(0x5be0_c3a8_f21d), v });
            let report = open(UpKind::Sample, &sealed(&body).finish(Some(age), None)).expect("decodes");
            // The fast float parser may err in the last bit, which no reading has.
            let (Body::Sample(sent), Body::Sample(got)) = (&body, &report.body) else { unreachable!() };
            prop_assert_eq!(sent.v.len(), got.v.len());
            for (a, b) in sent.v.iter().zip(&got.v) {
                prop_assert_eq!(a.is_some(), b.is_some());
                prop_assert!((a.unwrap_or(0.0) - b.unwrap_or(0.0)).abs() <= a.unwrap_or(0.0).abs() * 1e-15);
            }
            prop_assert_eq!(report.envelope.age_ms, Some(age));
            prop_assert_eq!(report.envelope.position, Position { epoch: 3, seq: 9 });
        }

        #[test]
        fn any_bytes_are_refused_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), kind in 0..UpKind::ALL.len()) {
            let _ = open(UpKind::ALL[kind], &bytes);
        }
    }

    fn refusal(kind: UpKind, payload: &str) -> RefusedReport {
        open(kind, payload.as_bytes()).expect_err("must be refused")
    }

    #[test]
    fn refusals_name_the_reason_and_keep_the_place() {
        let with = |schema: &str, body: &str| {
            format!(
                r#"{{"schema":"{schema}","device":"srv-01","epoch":3,"seq":9,"boot":"x","taken_at":"2026-11-24T02:00:00Z","body":{body}}}"#
            )
        };
        let sample = r#"{"layout":"5be0c3a8f21d","v":[1]}"#;
        assert!(open(UpKind::Sample, with("1.7", sample).as_bytes()).is_ok(), "a newer minor version is read");
        let version = refusal(UpKind::Sample, &with("2.0", sample));
        assert!(matches!(version.error, CodecError::Version { .. }));
        assert_eq!(version.position, Some(Position { epoch: 3, seq: 9 }));
        let nan = refusal(UpKind::Sample, &with("1.0", r#"{"layout":"5be0c3a8f21d","v":[NaN]}"#));
        assert!(matches!(nan.error, CodecError::Json(_)) && nan.position.is_none());
        let huge = refusal(UpKind::Sample, &with("1.0", r#"{"layout":"5be0c3a8f21d","v":[1e999]}"#));
        assert!(matches!(huge.error, CodecError::Json(_)));
        let time = refusal(UpKind::Goodbye, &with("1.0", "{}").replace("2026-11", "2026-99"));
        assert!(time.error.to_string().contains("RFC 3339"));
        let large = refusal(UpKind::Sample, &" ".repeat(PAYLOAD_MAX_BYTES + 1));
        assert!(matches!(large.error, CodecError::TooLarge { .. }));
    }

    #[test]
    fn unknown_fields_and_documents_are_ignored() {
        let payload = r#"{"schema":"1.3","device":"srv-01","epoch":3,"seq":9,"boot":"x","taken_at":"2026-11-24T02:00:00Z","new":{"a":1},"body":{"name":"later","doc":{"x":[1]}}}"#;
        let report = open(UpKind::State, payload.as_bytes()).expect("decodes");
        let Body::State(StateReport::Document { name, doc }) = report.body else { panic!("{report:?}") };
        assert_eq!((name.as_str(), doc.text()), ("later", r#"{"x":[1]}"#));
        let named = payload.replace("later", "La/ter");
        assert!(open(UpKind::State, named.as_bytes()).is_err(), "a name that is no name");
    }
}
