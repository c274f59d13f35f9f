//! Other systems, which show a token that stands in a file of the configuration: sources of alerts, jobs that report.

use std::path::PathBuf;

use axum::extract::{FromRequestParts as _, Path};
use axum::http::header;
use axum::http::request::Parts;

use crate::app::App;
use crate::problem::Problem;
use crate::rate_limit;
use crate::server::Peer;
use ioc_engine::config::Config;
use ioc_store::secret;

/// The name in the route's path, once the token that belongs to it was shown. `token_of` gives the file of a name's token; `what` names the
/// token where those that were refused are counted.
pub(crate) async fn shown(
    parts: &mut Parts,
    app: &App,
    token_of: impl FnOnce(&Config, &str) -> Option<PathBuf> + Send,
    what: &'static str,
) -> Result<String, Problem> {
    let internal = || Problem::internal("the route has no name");
    let Path(name) = Path::<String>::from_request_parts(parts, app).await.map_err(|_| internal())?;
    let Some(peer) = parts.extensions.get::<Peer>() else { return Err(internal()) };
    if app.limits.take_unauthenticated(rate_limit::LINK, peer).is_err() {
        return Err(Problem::too_many("too many requests of this address showed no good token; wait a minute"));
    }
    let refused = || {
        app.health.count_refused(what);
        // The same for a name that is not there: it is nobody's business.
        Problem::unauthorized("show the token that the configuration names for it: Authorization: Bearer …")
    };
    let file = token_of(&app.config(), &name).ok_or_else(refused)?;
    // Who has shown nothing learns nothing of our files.
    let token = match ioc_engine::sealed_secret::opened(&file) {
        Some(opened) => opened,
        None => tokio::fs::read_to_string(&file).await.map_err(|error| format!("{}: {error}", file.display())),
    };
    let token = token.map_err(|error| {
        tracing::error!(error, "a token of the configuration cannot be read");
        refused()
    })?;
    let shown = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let right = secret::is_same(token.trim(), shown.trim_start_matches("Bearer ").trim());
    if !right || token.trim().is_empty() {
        return Err(refused());
    }
    app.limits.refund(rate_limit::LINK, peer);
    Ok(name)
}
