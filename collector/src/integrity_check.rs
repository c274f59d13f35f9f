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
    for (wait, deep) in looks() {
        tokio::time::sleep(wait).await;
        let Some(own) = reader.take() else { return };
        let looked = tokio::task::spawn_blocking(move || {
            let findings = own.examine(deep);
            (own, findings)
        });
        let Ok((own, findings)) = looked.await else { return };
        reader = Some(own);
        if let Err(error) = engine.command(Command::Examined { findings, deep }).await {
            tracing::warn!(%error, "what a look at the store found could not be kept");
        }
    }
}

/// The looks one after the other: how long to wait for each, and whether it is thorough. The first is a quick one, so that a start on a
/// large store stays cheap.
fn looks() -> impl Iterator<Item = (Duration, bool)> {
    std::iter::once((FIRST, false)).chain(std::iter::repeat((EVERY, true)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_is_looked_over_soon_after_a_start_and_thoroughly_every_day_for_ever() {
        let minutes: Vec<(u64, bool)> = looks().take(400).map(|(wait, deep)| (wait.as_secs() / 60, deep)).collect();
        assert_eq!(minutes[0], (1, false));
        assert!(minutes[1..].iter().all(|look| *look == (24 * 60, true)) && minutes.len() == 400, "{minutes:?}");
    }
}
