//! Plain MQTT sensors: devices with a certificate of their own that know nothing of our envelope and publish JSON to `…/up/values`.
//! A profile (`config/mqtt/*.toml`) maps the paths of their messages to metrics. Pure.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use ioc_common::config::{ConfigError, Source, Spanned};
use ioc_common::layout::Series;
use ioc_common::metric::{self, Metric};

/// Largest message, in bytes.
pub const VALUES_MAX_BYTES: usize = 16 * 1024;
/// Most values of one message, and deepest nesting.
const VALUES_MAX: usize = 200;
const DEPTH_MAX: usize = 4;
/// Most values of one profile.
const PROFILE_VALUES_MAX: usize = 200;

/// The shipped profiles.
const SHIPPED: [(&str, &str); 2] = [
    ("plain", include_str!("../../../config/mqtt/plain.toml")),
    ("tasmota", include_str!("../../../config/mqtt/tasmota.toml")),
];

/// A checked profile.
#[derive(Debug, Clone, PartialEq)]
pub struct PayloadProfile {
    /// Its name in the configuration, unique.
    pub name: String,
    entries: Vec<ProfileValue>,
}

#[derive(Debug, Clone, PartialEq)]
struct ProfileValue {
    path: String,
    metric: &'static Metric,
    subject: String,
    scale: f64,
    add: f64,
}

/// Which devices speak by which profile.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PayloadProfiles {
    /// In the order of the configuration: a pattern of device identifiers, which may end in `*`.
    by_pattern: Vec<(String, Arc<PayloadProfile>)>,
    plain: Option<Arc<PayloadProfile>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileForm {
    profile: HeadForm,
    value: Vec<Spanned<EntryForm>>,
    example: Vec<Spanned<ExampleForm>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HeadForm {
    name: Spanned<String>,
    #[allow(dead_code, reason = "for whoever reads the file")]
    title: String,
    source: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryForm {
    path: Spanned<String>,
    metric: Spanned<String>,
    #[serde(default)]
    subject: String,
    #[serde(default = "one")]
    scale: f64,
    #[serde(default)]
    add: f64,
}

const fn one() -> f64 {
    1.0
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExampleForm {
    payload: Spanned<String>,
    gives: BTreeMap<String, f64>,
}

/// `[[values]]` of `collector.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValuesForm {
    devices: Vec<String>,
    profile: Spanned<String>,
}

impl PayloadProfile {
    /// Reads and checks a profile, its examples included.
    ///
    /// # Errors
    /// [`ConfigError`] with the place of the first fault.
    pub fn parse(source: &Source) -> Result<Self, ConfigError> {
        let form: FileForm = source.parse()?;
        if form.profile.source.get_ref().trim().is_empty() {
            let message = "found no source; required is the maker's document this was written after";
            return Err(source.fault(form.profile.source.span(), message, "name it"));
        }
        if form.value.len() > PROFILE_VALUES_MAX {
            let message = format!("found {} values; allowed are {PROFILE_VALUES_MAX}", form.value.len());
            return Err(source.fault(form.profile.name.span(), &message, "remove some"));
        }
        let mut entries: Vec<ProfileValue> = Vec::new();
        for form in form.value {
            let span = form.span();
            let EntryForm { path, metric: name, subject, scale, add } = form.into_inner();
            let metric = metric::from_config(source, &name)?;
            if entries.iter().any(|known| known.metric == metric && known.subject == subject) {
                let message = format!("found a second {}|{subject}; allowed is one of each", metric.name);
                return Err(source.fault(span, &message, "give each a subject of its own"));
            }
            entries.push(ProfileValue { path: path.into_inner(), metric, subject, scale, add });
        }
        let profile = Self { name: form.profile.name.into_inner(), entries };
        for example in form.example {
            let ExampleForm { payload, gives } = example.into_inner();
            let read = |why: &str| source.fault(payload.span(), why, "correct the example, the path or the scale");
            let values = flatten(payload.get_ref().as_bytes()).map_err(|why| read(&why))?;
            let found: BTreeMap<String, f64> =
                profile.read(&values).into_iter().map(|(series, value)| (series.as_str().to_owned(), value)).collect();
            if found != gives {
                return Err(read(&format!("the example gives {found:?}; expected is {gives:?}")));
            }
        }
        Ok(profile)
    }

    /// What a message says, by series. Values beyond what their metric can be are left out: unknown is not bad.
    #[must_use]
    pub fn read(&self, values: &[(String, f64)]) -> Vec<(Series, f64)> {
        let known = self.entries.iter().filter_map(|entry| {
            let (_, raw) = values.iter().find(|(path, _)| *path == entry.path)?;
            // Rounded, so that scaling leaves no noise behind the ninth digit.
            let value = ((raw * entry.scale + entry.add) * 1e9).round() / 1e9;
            entry.metric.plausible(value).then(|| (Series::new(entry.metric.name, &entry.subject), value))
        });
        known.collect()
    }
}

impl PayloadProfiles {
    /// Checks `[[values]]`; files are looked for beside the configuration.
    pub fn check(source: &Source, forms: Vec<Spanned<ValuesForm>>) -> Result<Self, ConfigError> {
        let shipped = |name: &str| {
            let (name, text) = SHIPPED.iter().find(|(known, _)| *known == name)?;
            Some(PayloadProfile::parse(&Source::built_in(&format!("config/mqtt/{name}.toml"), text)).map(Arc::new))
        };
        let mut profiles = Self { by_pattern: Vec::new(), plain: shipped("plain").transpose()? };
        for form in forms {
            let ValuesForm { devices, profile } = form.into_inner();
            let name = profile.get_ref();
            let found = if name.ends_with(".toml") {
                Arc::new(PayloadProfile::parse(&source.beside(Path::new(name))?)?)
            } else {
                shipped(name).transpose()?.ok_or_else(|| {
                    let names: Vec<&str> = SHIPPED.iter().map(|(name, _)| *name).collect();
                    let message =
                        format!("found profile {name:?}; allowed are {} and files that end in .toml", names.join(", "));
                    source.fault(profile.span(), &message, "correct the name")
                })?
            };
            profiles.by_pattern.extend(devices.into_iter().map(|device| (device, Arc::clone(&found))));
        }
        Ok(profiles)
    }

    /// The profile of a device.
    #[must_use]
    pub fn of(&self, device: &str) -> Option<&Arc<PayloadProfile>> {
        let matches = |pattern: &str| match pattern.strip_suffix('*') {
            Some(beginning) => device.starts_with(beginning),
            None => device == pattern,
        };
        self.by_pattern.iter().find(|(pattern, _)| matches(pattern)).map(|(_, profile)| profile).or(self.plain.as_ref())
    }
}

/// The numbers of a message by their paths, parted by dots. Yes and no are 1 and 0, by the words devices use for them.
///
/// # Errors
/// Why it is no message of values: no JSON, nested too deep, or with too many values.
pub fn flatten(payload: &[u8]) -> Result<Vec<(String, f64)>, String> {
    if payload.len() > VALUES_MAX_BYTES {
        return Err(format!("message has {} bytes; allowed are {VALUES_MAX_BYTES}", payload.len()));
    }
    let value: Value = serde_json::from_slice(payload).map_err(|error| format!("message is no JSON: {error}"))?;
    if !value.is_object() {
        return Err("message is no JSON object".to_owned());
    }
    let mut found = Vec::new();
    walk(&value, "", 0, &mut found);
    Ok(found)
}

fn walk(value: &Value, path: &str, depth: usize, found: &mut Vec<(String, f64)>) {
    if found.len() >= VALUES_MAX || depth > DEPTH_MAX {
        return;
    }
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::Bool(yes) => Some(f64::from(u8::from(*yes))),
        Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
            "on" | "true" | "open" | "yes" | "alarm" => Some(1.0),
            "off" | "false" | "closed" | "no" | "normal" => Some(0.0),
            text => text.parse().ok(),
        },
        Value::Object(fields) => {
            for (name, inner) in fields {
                let inside = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                walk(inner, &inside, depth + 1, found);
            }
            None
        }
        Value::Array(_) | Value::Null => None,
    };
    if let Some(number) = number.filter(|number| number.is_finite()) {
        found.push((path.to_owned(), number));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_profile_reads_its_examples() {
        for (name, text) in SHIPPED {
            let profile = PayloadProfile::parse(&Source::built_in(name, text)).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(profile.name, name);
        }
        let listed = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/mqtt")).expect("profiles");
        assert_eq!(listed.count(), SHIPPED.len(), "every file is shipped");
    }

    #[test]
    fn messages_are_bounded_and_rubbish_is_refused() {
        assert!(flatten(b"23.4").is_err() && flatten(b"{").is_err() && flatten(b"\xff").is_err());
        assert!(flatten(&vec![b' '; VALUES_MAX_BYTES + 1]).is_err());
        let deep = "{\"a\":".repeat(50) + "1" + &"}".repeat(50);
        assert_eq!(flatten(deep.as_bytes()), Ok(Vec::new()));
        assert_eq!(
            flatten(br#"{"a":{"b":"ON","c":[1],"d":null,"e":"1.5"}}"#),
            Ok(vec![("a.b".into(), 1.0), ("a.e".into(), 1.5)])
        );
        let wide: String = (0..500).map(|n| format!("\"v{n}\":1,")).collect();
        assert_eq!(flatten(format!("{{{wide}\"z\":1}}").as_bytes()).expect("reads").len(), VALUES_MAX);
    }

    #[test]
    fn devices_have_the_first_profile_that_names_them() {
        let source =
            Source::built_in("collector.toml", "[[values]]\ndevices = [\"th-*\", \"socket\"]\nprofile = \"tasmota\"\n");
        #[derive(Deserialize)]
        struct Form {
            values: Vec<Spanned<ValuesForm>>,
        }
        let form: Form = source.parse().unwrap_or_else(|e| panic!("{e}"));
        let profiles = PayloadProfiles::check(&source, form.values).unwrap_or_else(|e| panic!("{e}"));
        let name = |device: &str| profiles.of(device).map(|profile| profile.name.clone());
        assert_eq!(
            (name("th-7").as_deref(), name("socket").as_deref(), name("other").as_deref()),
            (Some("tasmota"), Some("tasmota"), Some("plain"))
        );
        let out = profiles.of("other").map(|profile| profile.read(&[("temperature".into(), 900.0)]));
        assert_eq!(out, Some(Vec::new()), "no room has this");
    }
}
