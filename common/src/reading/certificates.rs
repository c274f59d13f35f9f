//! Certificate files (article 8.1).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::probe_info::HOUR_S;
use super::{Findings, ProbeInfo, Sink, days};
use crate::clock::Timestamp;

/// Configured certificate files (article 8.1).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Certificates {
    /// One for each certificate of each configured file.
    pub certificates: Vec<CertificateFile>,
}

/// More days than that are as good as never.
const DAYS_MAX: f64 = 40_000.0;

/// One certificate file.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CertificateFile {
    /// Path of the file.
    pub path: String,
    /// Whom it names.
    pub subject: String,
    /// When it ends. A file of several has a row for its own, and one for each other that ends before it.
    pub until: Option<Timestamp>,
    /// Why it is no certificate, or its file gave none; empty when it is one.
    pub unknown: String,
}

impl Findings for Certificates {
    const PROBE: ProbeInfo = ProbeInfo::survey("certificates", 6 * HOUR_S, &["cert."])
        .personal(&["/certificates/*/subject"], &[])
        .members(&[("/certificates", &["path"]), ("/certificates", &["path", "until"])]);

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
