//! The store that is backed up: files of this machine, or a site in PostgreSQL. Its copy is files either way, so that every archive is of one kind: one of the
//! other store is restored into this one.

use std::path::Path;

use ioc_engine::config::Config;
use ioc_store::StoreError;
use ioc_store::backup::{CopiedStore, Pause};

/// Which store it is, hex; nothing where there is none, or it cannot be asked.
pub(super) fn id(config: &Config) -> Option<String> {
    let Some(plan) = config.store.postgres() else { return ioc_store::id(&config.data) };
    let said = ioc_store::site_id(&plan.settings);
    said.inspect_err(|error| tracing::debug!(%error, "the database cannot be asked which store it holds"))
        .ok()
        .flatten()
}

/// How many bytes it takes.
pub(super) fn size(config: &Config) -> Result<u64, StoreError> {
    config
        .store
        .postgres()
        .map_or_else(|| Ok(ioc_store::size(&config.data)), |plan| ioc_store::site_bytes(&plan.settings))
}

/// Copies it as it is at one moment, whoever writes it, into the empty directory `to`.
pub(super) fn copy(config: &Config, to: &Path, pause: Pause<'_>) -> Result<CopiedStore, StoreError> {
    match config.store.postgres() {
        None => ioc_store::copy(&config.data, to, pause),
        Some(plan) => ioc_store::back_up_postgres(&plan.settings, to, pause),
    }
}
