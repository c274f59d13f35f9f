//! Looks at the store every night, and a while after each start: whether it is damaged is to be known before it is needed.

use std::time::Duration;

use ioc_engine::command::Command;
use ioc_engine::writer::EngineHandle;
use ioc_store::Reader;

/// After a start.
const FIRST: Duration = Duration::from_secs(60);
/// Between two looks.
const EVERY: Duration = Duration::from_secs(86_400);

/// Looks until the engine ends. Nothing waits for it: readers do not hold up the writer.
pub async fn run(engine: EngineHandle, reader: Box<dyn Reader>) {
    let mut reader = Some(reader);
    let mut wait = FIRST;
    loop {
        tokio::time::sleep(wait).await;
        let Some(own) = reader.take() else { return };
        // The first look is a quick one, so that a start on a large store stays cheap.
        let deep = wait == EVERY;
        let looked = tokio::task::spawn_blocking(move || {
            let findings = own.examine(deep);
            (own, findings)
        });
        let Ok((own, findings)) = looked.await else { return };
        reader = Some(own);
        if let Err(error) = engine.command(Command::Examined { findings, deep }).await {
            tracing::warn!(%error, "what a look at the store found could not be kept");
        }
        wait = EVERY;
    }
}
