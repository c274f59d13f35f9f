//! What would be sent, for a person who wants to see it before anything is enrolled (`ioc-agent report --once`).

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use ioc_common::clock::{self, Timestamp};
use ioc_common::codec;
use ioc_common::id::DeviceId;
use ioc_common::reading::AgentUsage;
use ioc_common::report::{Body, Facts, Position, ProbeReport};
use ioc_probe::{SURVEYS, facts};

use crate::config::Config;
use crate::doctor;
use crate::sampler::{Probes, Sampler};
use crate::surveyor;

/// Two samples a second apart, and every survey.
#[derive(Debug, serde::Serialize)]
pub struct Preview {
    /// When the sample was taken, by the wall clock.
    pub taken_at: Timestamp,
    /// What a hello would say of the machine.
    pub facts: Facts,
    /// Hash over machine ID and DMI serial.
    pub fingerprint: String,
    /// How each probe and survey ended, the quick probes first.
    pub probes: Vec<ProbeReport>,
    /// Each number by its name; null where it could not be read.
    pub numbers: BTreeMap<String, Option<f64>>,
    /// What surveys found, by name.
    pub documents: BTreeMap<String, ioc_common::document::Json>,
    /// What one sample takes on the wire, bytes.
    pub sample_bytes: usize,
}

/// Reads the machine under `root` as the running agent would, but keeps nothing.
///
/// # Errors
/// When the sample is larger than a report may be.
pub fn preview(root: &Path, config: &Config) -> Result<Preview, codec::CodecError> {
    let mut answers = Vec::new();
    for survey in SURVEYS.iter().filter(|survey| !config.forbid.iter().any(|name| name == survey.name)) {
        let context = doctor::context(root, config, None);
        answers.push(surveyor::make(survey, &context));
    }
    let more: Vec<_> = answers
        .iter()
        .flat_map(|answer| &answer.numbers)
        .filter_map(|(name, subject, value)| {
            Some((ioc_common::metric::static_name(name)?, subject.clone(), value.unwrap_or(f64::NAN)))
        })
        .collect();
    let mut sampler = Sampler::new(Probes::new(root, &config.forbid));
    let own = AgentUsage::default();
    sampler.take(clock::boottime_ms(), &own, &more);
    if root == Path::new("/") {
        std::thread::sleep(Duration::from_secs(1));
    }
    let values = sampler.take(clock::boottime_ms(), &own, &more).map(|taken| taken.sample);
    let series = sampler.layout().map(|layout| layout.series().to_vec()).unwrap_or_default();
    let numbers = values.iter().flat_map(|sample| series.iter().zip(&sample.v));
    let numbers = numbers.map(|(series, value)| (series.as_str().to_owned(), *value)).collect();
    let mut sample_bytes = 0;
    if let (Some(sample), Ok(device)) = (values, DeviceId::new("preview")) {
        let position = Position { epoch: 1, seq: 1 };
        let head = codec::Head { device: &device, about: None, position, boot: "00000000", taken_at: clock::now() };
        let sealed = codec::seal(head, &Body::Sample(sample))?;
        sample_bytes = sealed.finish(Some(0), None).len();
    }
    let mut probes = sampler.outcomes();
    probes.extend(
        answers.iter().map(|answer| ProbeReport { probe: answer.name.clone(), outcome: answer.outcome.clone() }),
    );
    let documents = answers.into_iter().filter_map(|answer| Some((answer.name, answer.document?))).collect();
    Ok(Preview {
        taken_at: clock::now(),
        facts: facts::read(root),
        fingerprint: facts::fingerprint(root),
        probes,
        numbers,
        documents,
        sample_bytes,
    })
}
