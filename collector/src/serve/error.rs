//! Why a collector cannot start.

use std::net::SocketAddr;
use std::path::PathBuf;

use ioc_engine::pki::PkiError;
use ioc_store::StoreError;

use crate::first_start::FirstStartError;

/// The collector cannot start.
#[allow(missing_docs, reason = "the names of the fields say what they are")]
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// What a start needs cannot be opened or made.
    #[error(transparent)]
    FirstStart(#[from] FirstStartError),
    /// Keys or certificates cannot be read or made.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What the files of the configuration say does not hold.
    #[error(transparent)]
    Configuration(#[from] ioc_common::config::ConfigError),
    /// A file or directory cannot be used.
    #[error("{}: {source}", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// The system lets it open too few files.
    #[error(
        "only {files_max} files may be open, and it takes {least} to begin with; mend: raise LimitNOFILE of ioc-collector.service, or the hard \
         limit of open files (ulimit -Hn)"
    )]
    FewFiles {
        files_max: usize,
        /// How many it takes.
        least: usize,
    },
    /// Each role of the collector has threads of its own.
    #[error("the threads of a role cannot be begun: {0}; mend: raise TasksMax of ioc-collector.service")]
    Runtime(#[source] std::io::Error),
    /// The system gives no thread.
    #[error(
        "no thread can be begun; mend: raise TasksMax of ioc-collector.service, or the limit of processes (ulimit -u)"
    )]
    NoThread,
    /// The engine's thread ended without being told to.
    #[error(
        "the engine has ended by itself, so nothing is judged or kept any more; the collector ends, and systemd starts it again; mend: if \
         it happens again, report it with the log: ioc-collector doctor --bundle FILE"
    )]
    EngineEnded,
    /// An address that cannot be listened on.
    #[error("cannot listen on {address}: {source}; mend: choose another address, or stop what uses it")]
    Listen {
        address: SocketAddr,
        #[source]
        source: std::io::Error,
    },
}
