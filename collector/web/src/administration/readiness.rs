//! Whether the collector can do its work: `/readyz`.

use axum::extract::State;

use crate::app::App;
use crate::problem::Problem;
use ioc_engine::health::ClockState;
use ioc_engine::open_files::OpenFiles;
use ioc_engine::writer::time::step_text;

/// Whether the collector can do its work: 503 with the reason while another collector holds the lease of the site, the engine has ended or is stuck, or the store cannot be written or read, has
/// lost what was acknowledged, or is damaged.
pub(crate) async fn ready(State(app): State<App>) -> Result<String, Problem> {
    if let Some(why) = app.health.lease.why_not() {
        return Err(Problem::unavailable(why));
    }
    if app.engine.is_gone() {
        return Err(Problem::unavailable("the engine has ended: nothing is judged or kept any more; see the log"));
    }
    if let Some(trouble) = app.health.notices_blocked() {
        return Err(Problem::unavailable(trouble.to_string()));
    }
    if let Some(passed_ms) = app.health.stuck_for_ms() {
        let passed_s = passed_ms / 1000;
        return Err(Problem::unavailable(format!(
            "the engine has been stuck for {passed_s} s: a disk may hang; see the log"
        )));
    }
    let lost = app.health.store_losses();
    if !lost.is_empty() {
        let lost = lost.iter().map(|one| one.en.as_str()).collect::<Vec<_>>().join(" ");
        return Err(Problem::unavailable(format!(
            "{lost} It goes on with what is left; see docs/operate.md, then: ioc-collector store confirm"
        )));
    }
    let clock = match app.health.clock() {
        ClockState { step_ms: Some(by_ms), .. } => format!(
            "the machine's clock was stepped by {}: not followed, and nothing is deleted, until it is confirmed\n",
            step_text(by_ms)
        ),
        ClockState { doubt_ms: Some(by_ms), .. } => {
            format!(
                "the machine's clock was ahead by {} at the start: nothing is deleted until it is confirmed\n",
                step_text(by_ms)
            )
        }
        ClockState { .. } => String::new(),
    };
    match app.health.integrity_check() {
        Some(examined) if !examined.findings.is_empty() => Err(Problem::unavailable(format!(
            "the store is damaged: {}; see docs/operate.md",
            examined.findings.join("; ")
        ))),
        _ => {
            let files =
                app.health.open_files().and_then(OpenFiles::shortage).map_or_else(String::new, |text| text + "\n");
            let (broker, lease) = (app.health.broker.line(), app.health.lease.line());
            Ok(format!("ready\n{lease}{clock}{files}{broker}{}", backups(&app)))
        }
    }
}

/// What is to be said of the collector's own backups: that none are made, that the last attempt or the last drill failed.
fn backups(app: &App) -> String {
    let status = app.health.backups.status();
    if status.place.is_none() {
        return if app.config().backup.is_none() {
            "no backups of the collector are made: [backup] directory is not set (docs/backup.md)\n".to_owned()
        } else {
            String::new()
        };
    }
    let failed = status.failed.map(|(at, why)| format!("the last backup of the collector failed at {at}: {why}\n"));
    let drill = status
        .drill
        .and_then(|drill| Some(format!("the last restore drill failed at {}: {}\n", drill.at, drill.failure?)));
    failed.unwrap_or_default() + &drill.unwrap_or_default()
}
