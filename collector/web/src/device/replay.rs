//! What a rule would have said of a device's history, in the API.

use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;

use ioc_common::clock;
use ioc_common::config::Source;

use crate::api::{ApiResult, device_id};
use crate::api_types::replay::Replay;
use crate::app::App;
use crate::person::Person;
use crate::problem::Problem;
use ioc_engine::config::parse_rules;
use ioc_engine::replay::Replayer;

/// Which rule to try.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReplayBody {
    rule: String,
    /// A set of rules to take it from; the one in use when there is none.
    #[serde(default)]
    rules: Option<String>,
    #[serde(default)]
    from: Option<clock::Timestamp>,
    #[serde(default)]
    until: Option<clock::Timestamp>,
}

/// What a rule would have said of a device's history.
pub(crate) async fn api(
    State(app): State<App>,
    person: Person,
    Path(id): Path<String>,
    Json(body): Json<ReplayBody>,
) -> ApiResult<Replay> {
    let id = device_id(&id)?;
    let missing = format!("there is no device {id}");
    let rules = match &body.rules {
        Some(text) => parse_rules(&Source::built_in("(rules to try)", text))
            .map_err(|error| Problem::invalid(error.to_string()))?,
        None => (*app.config().rules).clone(),
    };
    let rules = rules.only(&body.rule);
    let rules = rules.ok_or_else(|| Problem::invalid(format!("rule: there is no rule {:?}", body.rule)))?;
    let keep_ms = app.config().history_keep[0].as_millis();
    let found = app
        .read(&person.scope, move |reader| {
            let Some(record) = reader.device(&id)? else { return Ok(None) };
            let mut replayer = Replayer::new(rules, record.info, record.interval_s);
            let until = body.until.unwrap_or_else(clock::now);
            let from = body.from.unwrap_or_else(|| until.plus_millis(-keep_ms));
            replayer.read(reader, from, until)?;
            Ok(Some(replayer.finish()))
        })
        .await?;
    found.map(|replay| Json(replay.into())).ok_or_else(|| Problem::not_found(missing))
}
