//! Gathering the facts of a report, beside everything else.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use ioc_common::clock::{self, Timestamp};
use ioc_engine::job;
use ioc_report::ReportKey;
use ioc_report::draft::IssuedSource;
use ioc_report::gather::{self, Facts, Question};
use ioc_store::report::IssuedPart;
use ioc_store::scope::AccessScope;
use ioc_store::{Reader, StoreError};

use super::refusals::broken_off;
use super::{day_of, filing_gathering, regulation};
use crate::app::App;
use crate::problem::Problem;
use crate::report_drafts::{Draft, Kept, Progress};

/// How a report's facts stand; they are gathered where there are none, or where they are to be gathered anew. Nobody waits for it here.
pub(crate) fn look(app: &App, key: ReportKey, anew: bool) -> Draft {
    let now = clock::now();
    if let Some(progress) = app.drafts.claim(&key, anew, now) {
        let app = app.clone();
        tokio::spawn(async move {
            let found = gathered(&app, key, progress).await;
            let kept = match found {
                Ok(facts) => Kept::Done(Arc::new(facts)),
                Err(problem) => Kept::Failed(Box::new(problem), clock::now()),
            };
            app.drafts.keep(key, kept);
        });
    }
    app.drafts.shown(&key)
}

/// How a report's facts stand, and they stay as they are: whoever typed something looks at what they typed it to. They are gathered only where there
/// are none.
pub(crate) fn kept(app: &App, key: ReportKey) -> Draft {
    app.drafts.facts(&key).map_or_else(|| look(app, key, false), Draft::Done)
}

async fn gathered(app: &App, key: ReportKey, progress: Arc<Progress>) -> Result<Facts, Problem> {
    let _turn = app.drafts.turn.acquire().await;
    facts_of(app, key, move |done, all| {
        progress.done.store(done, Relaxed);
        progress.all.store(all, Relaxed);
        true
    })
    .await
}

/// Gathers a report's facts now; who asks waits for it.
pub(crate) async fn facts_now(app: &App, key: ReportKey) -> Result<Arc<Facts>, Problem> {
    let _turn = app.drafts.turn.acquire().await;
    let facts = Arc::new(facts_of(app, key, |_, _| true).await?);
    let _ = app.drafts.claim(&key, true, facts.at);
    app.drafts.keep(key, Kept::Done(Arc::clone(&facts)));
    Ok(facts)
}

async fn facts_of(
    app: &App,
    key: ReportKey,
    progress: impl Fn(u32, u32) -> bool + Send + 'static,
) -> Result<Facts, Problem> {
    let config = app.config();
    let now = clock::now();
    let pack = regulation(app, day_of(app, now))?;
    let accounts = config.legal.account_limits(day_of(app, now));
    let (doubted, started) = (app.is_clock_doubted(), app.health.engine_started_ms.load(Relaxed));
    let found = app
        .read(&AccessScope::EVERYWHERE, move |reader| {
            let asked = Question {
                key,
                pack,
                rules: (*config.rules).clone(),
                zone: config.timezone.clone(),
                now,
                clock_doubted: doubted,
                settings: reader.document_settings()?,
                jobs: jobs(reader, &config, Timestamp::from_millis(started), now)?,
                accounts,
                earlier: earlier(reader, key)?,
                dossier: filing_gathering::dossier(reader, &config, now, doubted)?.map(Box::new),
            };
            gather::gather(reader, &asked, &progress)
        })
        .await?;
    found.ok_or_else(broken_off)
}

/// Jobs on other systems by title, each with whether it failed or is late.
fn jobs(
    reader: &dyn Reader,
    config: &ioc_engine::config::Config,
    started: Timestamp,
    now: Timestamp,
) -> Result<Vec<(String, bool)>, StoreError> {
    let records = reader.jobs()?;
    let stands = |one: &ioc_engine::config::Job| {
        let record = records.iter().find(|record| record.name == one.name)?;
        Some((one.title.clone(), job::state(one, record, started, now).is_bad()))
    };
    Ok(config.jobs.iter().filter_map(stands).collect())
}

/// Figures of the report on the period before, as it was last issued.
fn earlier(reader: &dyn Reader, key: ReportKey) -> Result<Vec<ioc_document::report::clause::ArticleState>, StoreError> {
    let Some(issued) = reader.issued_reports(Some(&key.before().to_string()), None, 1)?.into_iter().next() else {
        return Ok(Vec::new());
    };
    let source = reader.issued_content(issued.number, IssuedPart::Source)?;
    let source: Option<IssuedSource> = source.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    Ok(source.map(|source| source.articles).unwrap_or_default())
}
