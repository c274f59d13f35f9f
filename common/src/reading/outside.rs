//! What lies outside the host and what it is trusted with: endpoints, certificates, backups.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Sink, brief};
use crate::clock::Timestamp;
use crate::document::{Findings, days, flag};

/// Configured endpoints (article 5.1a).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Reach {
    /// The endpoints.
    pub endpoints: Vec<Endpoint>,
}

/// One endpoint.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Endpoint {
    /// Its name in the configuration.
    pub name: String,
    /// `tcp`, `https`, `dns` or `icmp`, and the address.
    pub target: String,
    /// It answered.
    pub up: bool,
    /// Why not.
    pub error: String,
    /// HTTP status.
    pub status: Option<u16>,
    /// When its certificate ends.
    pub certificate_until: Option<Timestamp>,
    /// How long it took, milliseconds. A number only.
    #[serde(skip)]
    pub took_ms: Option<f64>,
}

impl Findings for Reach {
    const NAME: &'static str = "reach";

    fn numbers(&self, now: Timestamp, sink: &mut dyn Sink) {
        for endpoint in &self.endpoints {
            sink.put("reach.up", &endpoint.name, f64::from(u8::from(endpoint.up)));
            sink.put("reach.time", &endpoint.name, endpoint.took_ms.map_or(f64::NAN, brief));
            if let Some(until) = endpoint.certificate_until {
                sink.put("cert.days", &endpoint.name, -days(now, until));
            }
        }
    }
}

/// Configured certificate files (article 8.1).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Certificates {
    /// The files.
    pub certificates: Vec<CertificateFile>,
}

/// More days than that are as good as never.
const DAYS_MAX: f64 = 40_000.0;

/// One certificate file.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CertificateFile {
    /// Where it lies.
    pub path: String,
    /// Whom it names.
    pub subject: String,
    /// When it ends. A file of several has a row for its own, and one for each other that ends before it.
    pub until: Option<Timestamp>,
    /// Why it could not be read.
    pub unknown: String,
}

impl Findings for Certificates {
    const NAME: &'static str = "certificates";

    fn numbers(&self, now: Timestamp, sink: &mut dyn Sink) {
        let mut told = BTreeSet::new();
        for certificate in &self.certificates {
            // What lies beside a file's own certificate is told under its own name.
            let own = told.insert(certificate.path.clone());
            let beside = || format!("{}: {}", certificate.path, certificate.subject);
            let name = if own { certificate.path.clone() } else { beside() };
            if own || told.insert(name.clone()) {
                // Those that are never to end say so by the year 9999.
                let left = certificate.until.map_or(f64::NAN, |until| -days(now, until));
                sink.put("cert.days", &name, left.clamp(-DAYS_MAX, DAYS_MAX));
            }
        }
    }
}

/// Configured backup jobs (article 7).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Backups {
    /// The jobs.
    pub jobs: Vec<Backup>,
}

/// One backup job.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Backup {
    /// Its name in the configuration.
    pub name: String,
    /// `marker`, `timer`, `restic`, `borg`, `pgbasebackup`.
    pub kind: String,
    /// When it last succeeded.
    pub succeeded_at: Option<Timestamp>,
    /// Whether the last run succeeded; none where that cannot be told.
    pub ok: Option<bool>,
    /// What was found.
    pub detail: String,
    /// Why it could not be read.
    pub unknown: String,
}

impl Findings for Backups {
    const NAME: &'static str = "backups";

    fn numbers(&self, now: Timestamp, sink: &mut dyn Sink) {
        for job in &self.jobs {
            sink.put("backup.age", &job.name, job.succeeded_at.map_or(f64::NAN, |at| days(now, at).max(0.0)));
            sink.put("backup.ok", &job.name, flag(job.ok));
        }
    }
}
