//! `[remote_write]`: where everything that comes in is handed on to.

use std::path::PathBuf;

use serde::Deserialize;

use ioc_common::config::{ConfigError, Source, Spanned};

use super::kind::whole_url;

/// Where remote write sends samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteWrite {
    /// The receiver's address, `http://` or `https://`.
    pub url: String,
    /// File with a token that is shown there.
    pub token_file: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RemoteWriteForm {
    url: Spanned<String>,
    #[serde(default, deserialize_with = "ioc_common::config::secret_file_if")]
    token_file: Option<PathBuf>,
}

impl RemoteWriteForm {
    pub(super) fn check(self, source: &Source) -> Result<RemoteWrite, ConfigError> {
        Ok(RemoteWrite { url: whole_url(source, self.url)?, token_file: self.token_file })
    }
}
