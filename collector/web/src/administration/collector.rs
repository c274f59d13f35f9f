//! The page *Administration*: how the collector itself is, its channels and certificates.

use std::sync::atomic::Ordering::Relaxed;

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_judge::Text;

use super::{backups, size_text};
use crate::app::App;
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, page_context, show};
use crate::person::Person;
use crate::tone::Tone;
use ioc_engine::config::Config;
use ioc_engine::pki;
use ioc_store::ChannelTally;

/// Certificates of devices that are listed, those that end the soonest.
const CERTIFICATES: usize = 10;
/// A certificate that ends before this is worth a look: milliseconds.
const SOON_MS: i64 = 30 * 86_400_000;

/// A line of the collector's own state.
struct StatusLine {
    /// Key of its name.
    name: &'static str,
    value: String,
    tone: Tone,
}

/// A channel with what became of its notices.
struct ChannelRow {
    name: String,
    kind: &'static str,
    target: String,
    severity: &'static str,
    always: bool,
    fallback: String,
    tally: ChannelTally,
}

#[derive(Template)]
#[template(path = "admin.html")]
struct AdminPage {
    page_context: PageContext,
    facts: Vec<StatusLine>,
    /// How the collector's own backups stand.
    backups: Vec<(&'static str, String, Tone)>,
    /// The backup or the drill that is being made.
    running: Option<backups::RunningWork>,
    /// What the store lost and nobody has confirmed.
    lost: Vec<Text>,
    refused: Vec<(&'static str, u64)>,
    channels: Vec<ChannelRow>,
    /// What it is for, by the key of its text, and when it ends.
    collector_certificates: Vec<(&'static str, Option<Timestamp>)>,
    certificates: Vec<(DeviceId, Timestamp)>,
}

impl AdminPage {
    fn ends_soon(&self, at: &Timestamp) -> bool {
        at.millis_since(self.page_context.now) < SOON_MS
    }
}

/// The collector's own state.
fn status_lines(app: &App, page_context: &PageContext, config: &Config) -> Vec<StatusLine> {
    let health = &app.health;
    let fact = |name, value: String, tone| StatusLine { name, value, tone };
    let good = |name, value: String| fact(name, value, Tone::Good);
    let write_error = health.store_write_error();
    let (commits, commit_us) = (health.commits.load(Relaxed), health.commit_us.load(Relaxed));
    let mean_ms = if commits == 0 { 0.0 } else { commit_us as f64 / commits as f64 / 1000.0 };
    let failed = health.notices_failed.load(Relaxed);
    let stored = match config.store.postgres() {
        None => size_text(page_context, ioc_store::size(&config.data)),
        Some(_) => page_context.t("collector-sizes-elsewhere"),
    };
    let lease = health.lease.status().map(|view| {
        let tone = if view.trouble.is_some() { Tone::Bad } else { Tone::Good };
        let holder = if view.holder.is_empty() { page_context.t("collector-lease-unknown") } else { view.holder };
        fact("collector-lease", holder, tone)
    });
    let room = rustix::fs::statvfs(&config.data);
    let room = room.map_or((0, 0), |fs| (fs.f_bavail * fs.f_frsize, fs.f_blocks * fs.f_frsize));
    let tight = room.1 > 0 && room.0 < room.1 / 10;
    [
        match write_error {
            Some(why) => fact("collector-store", why, Tone::Bad),
            None => good("collector-store", page_context.t("collector-writable")),
        },
        match health.integrity_check() {
            None => good("collector-examined", page_context.t("collector-examined-not-yet")),
            Some(check) if check.findings.is_empty() => good(
                "collector-examined",
                format!("{} · {}", page_context.t("collector-sound"), page_context.ago(&check.at)),
            ),
            Some(check) => fact("collector-examined", check.findings.join("; "), Tone::Bad),
        },
        good("collector-version", env!("CARGO_PKG_VERSION").to_owned()),
        good("collector-since", page_context.ago(&app.since)),
        good("collector-connections", health.connections.load(Relaxed).to_string()),
        good("collector-reports", health.reports.load(Relaxed).to_string()),
        good("collector-commit", format!("{} ms", page_context.decimal(&mean_ms, 2))),
        good("collector-queue", health.queue.load(Relaxed).to_string()),
        good("collector-notices", health.notices_delivered.load(Relaxed).to_string()),
        fact("collector-failed", failed.to_string(), if failed > 0 { Tone::Warning } else { Tone::Good }),
        good("collector-sizes", stored),
        fact("collector-room", size_text(page_context, room.0), if tight { Tone::Bad } else { Tone::Good }),
    ]
    .into_iter()
    .chain(lease)
    .collect()
}

pub(crate) async fn page(State(app): State<App>, person: Person, headers: HeaderMap) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let config = app.config();
    let found = app.read(&person.scope, |reader| Ok((reader.deliveries()?, reader.certificates(CERTIFICATES)?))).await;
    let (tallies, certificates) = match found {
        Ok(found) => found,
        Err(problem) => return Err(Failure::new(page_context, problem)),
    };
    let channels = config.channels.iter().map(|channel| ChannelRow {
        name: channel.name.clone(),
        kind: channel.kind,
        target: channel.notifier.target(),
        severity: channel.min_severity.as_str(),
        always: channel.always,
        fallback: channel.fallback.clone().unwrap_or_default(),
        tally: tallies.iter().find(|tally| tally.channel == channel.name).cloned().unwrap_or_default(),
    });
    let web = config.web_certificate.as_ref().map(|(certificate, _)| certificate.clone());
    let pki_dir = config.data.join("pki");
    let collector_certificates = vec![
        ("certificate-authority", pki::end_of(&pki_dir.join("ca.pem"))),
        ("certificate-server", pki::end_of(&pki_dir.join("server.pem"))),
    ];
    let collector_certificates =
        collector_certificates.into_iter().chain(web.map(|path| ("certificate-web", pki::end_of(&path)))).collect();
    let page = AdminPage {
        facts: status_lines(&app, &page_context, &config),
        backups: backups::lines(&app, &page_context),
        running: backups::running(&app, &page_context),
        lost: app.health.store_losses(),
        refused: app.health.refused_by_reason(),
        channels: channels.collect(),
        collector_certificates,
        certificates,
        page_context,
    };
    Ok(show(&page))
}
