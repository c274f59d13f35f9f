//! Anti-malware (article 8.2): each product in its own words. *Unknown* is not *bad*.

use serde::{Deserialize, Serialize};

use super::probe_info::MINUTE_S;
use super::{Findings, ProbeInfo, Sink, days, flag};
use crate::clock::Timestamp;

/// Most detections named in one document, newest first.
pub const DETECTIONS_MAX: usize = 100;
/// Detections count for this long.
const RECENT_MS: i64 = 7 * 86_400_000;

/// Every anti-malware product found.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Antivirus {
    /// Anti-malware that was found here; empty where there is none.
    pub products: Vec<Product>,
}

/// One product.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Product {
    /// Name, such as `clamav`.
    pub name: String,
    /// Version of the engine.
    pub engine: String,
    /// Its service answers; none where that is not known.
    pub running: Option<bool>,
    /// It checks files when they are used.
    pub realtime: Option<bool>,
    /// Version of the signatures.
    pub signatures: String,
    /// When the signatures were made.
    pub signatures_at: Option<Timestamp>,
    /// When the last scan ended.
    pub scanned_at: Option<Timestamp>,
    /// What was found, newest first.
    pub detections: Vec<Detection>,
    /// It could be read what was found; else that nothing was says nothing. For the number only.
    #[serde(skip)]
    pub detections_read: bool,
    /// Why something of this product is not known.
    pub unknown: Vec<String>,
}

/// Something that was found.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Detection {
    /// When it happened, where the product tells.
    pub at: Option<Timestamp>,
    /// What, in the product's words.
    pub malware: String,
    /// In which file.
    pub file: String,
}

impl Findings for Antivirus {
    const PROBE: ProbeInfo = ProbeInfo::survey("antivirus", 15 * MINUTE_S, &["av."])
        .personal(&["/products/*/detections/*/file"], &["malware."])
        .members(&[("/products", &["name"])])
        .volatile(&["/products/*/signatures", "/products/*/signatures_at", "/products/*/scanned_at"]);

    fn numbers(&self, now: Timestamp, sink: &mut dyn Sink) {
        sink.put("av.products", "", self.products.len() as f64);
        for product in &self.products {
            let recent = product
                .detections
                .iter()
                .filter(|found| found.at.is_none_or(|at| now.millis_since(at) <= RECENT_MS))
                .count();
            let age = |at: Option<Timestamp>| at.map_or(f64::NAN, |at| days(now, at).max(0.0));
            sink.put("av.running", &product.name, flag(product.running));
            sink.put("av.realtime", &product.name, flag(product.realtime));
            sink.put("av.signature_age", &product.name, age(product.signatures_at));
            sink.put("av.scan_age", &product.name, age(product.scanned_at));
            let recent = if product.detections_read || recent > 0 { recent as f64 } else { f64::NAN };
            sink.put("av.detections", &product.name, recent);
        }
    }
}
