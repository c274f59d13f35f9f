//! Why a backup cannot be made, read or restored, and the mend.

use std::io;
use std::path::{Path, PathBuf};

use ioc_store::StoreError;

use super::age::AgeError;

/// A backup cannot be made, read or restored.
#[allow(missing_docs, reason = "the names of the fields say what they are")]
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// None are made here.
    #[error(
        "no backups are made here; mend: give [backup] directory and passphrase_file (docs/backup.md), then reload"
    )]
    Off,
    /// A file or directory cannot be used.
    #[error("{}: {source}", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Keys cannot be read, or do not sign.
    #[error(transparent)]
    Pki(#[from] ioc_engine::pki::PkiError),
    /// The file with the passphrase or an identity is not one.
    #[error("{}: {why}", path.display())]
    Key { path: PathBuf, why: String },
    /// The disk is too small.
    #[error("{}: {needed_mib} MiB are needed and {free_mib} MiB are free; mend: make room, take a directory on a larger disk, or keep history for less long ([history])", path.display())]
    NoRoom { path: PathBuf, needed_mib: u64, free_mib: u64 },
    /// The archive is not as it was made.
    #[error("{archive}: {fault}")]
    Archive { archive: String, fault: ArchiveFault },
    /// There is none.
    #[error("{}: there is no good backup of this collector; mend: ioc-collector backup now", .0.display())]
    NoArchive(PathBuf),
    /// Nothing here opens them.
    #[error(
        "archives are sealed for recipients, and none of their private keys is here: no drill can be held; \
         mend: [backup] identity_file, or on another machine: ioc-collector restore ARCHIVE --identity FILE"
    )]
    NothingOpens,
    /// What is restored is not what was backed up.
    #[error("what was restored is not what was backed up: {0}")]
    Differs(String),
    /// The program that is started after each failed.
    #[error("the command after it failed: {0}; the archive itself is good and stays; mend: [backup] command")]
    Command(String),
    /// The directory that is restored into is not empty.
    #[error("{}: it is not empty, and a restore never mixes with what is there; mend: name a new directory, or move that one away", .0.display())]
    NotEmpty(PathBuf),
    /// The collector stops.
    #[error("it was broken off, since the collector stops")]
    BrokenOff,
}

/// What is wrong with an archive.
#[allow(missing_docs, reason = "the names of the fields say what they are")]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveFault {
    /// It is none.
    #[error("it is no backup archive")]
    NotOne,
    /// What opens it was not given.
    #[error("it is sealed; mend: name what opens it, --passphrase-file or --identity")]
    Sealed,
    /// It is not sealed, and must be.
    #[error(
        "it is not sealed, and only sealed ones are taken here: whoever can write where it lies may have made it; \
         mend: name no key, and a configuration whose [backup] seals nothing, if it was made before archives were sealed"
    )]
    Unsealed,
    /// It would fill the disk.
    #[error("{0} are packed in it: that is beyond what was said of it, or what any archive holds")]
    TooMuch(String),
    /// The note beside it says something else.
    #[error("the note beside it says another {0} than its signed manifest: one of both was changed")]
    Note(&'static str),
    /// It cannot be opened.
    #[error("{0}")]
    Age(#[from] AgeError),
    /// It is not as long as when it was made.
    #[error("it has {found} bytes and had {made} when it was made: it is cut off, or something was put behind it")]
    Length { found: u64, made: u64 },
    /// It is not the file that was made.
    #[error("its SHA-256 is another one than when it was made: it is damaged or another file")]
    Other,
    /// What is in it cannot be read on.
    #[error("it is cut off or damaged: {0}")]
    Content(String),
    /// Its manifest cannot be read.
    #[error("its manifest {0}")]
    Manifest(String),
    /// Its manifest is not signed by the authority in it.
    #[error("its manifest was changed: its signature does not fit")]
    Signature,
    /// The authority is another one.
    #[error("it was signed by the authority {found}, and expected was {expected}: it is another collector's")]
    Authority { found: String, expected: String },
    /// A file is left out.
    #[error("{0} stands in its manifest and is not in it")]
    Missing(String),
    /// A file is too many.
    #[error("{0} is in it and does not stand in its manifest")]
    Extra(String),
    /// A file is another one.
    #[error("{0} is not what its manifest says: another size or SHA-256")]
    Differs(String),
    /// A newer program made it.
    #[error("its format is {found}, and this program reads {known}; mend: use a program of version {product} or newer")]
    Newer { found: u32, known: u32, product: String },
}

impl BackupError {
    /// A fault of a file.
    pub(super) fn file(path: &Path) -> impl Fn(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::File { path: path.clone(), source }
    }

    /// A fault of an archive.
    pub(super) fn archive(archive: &str, fault: ArchiveFault) -> Self {
        Self::Archive { archive: archive.to_owned(), fault }
    }
}
