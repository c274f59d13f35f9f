//! What of the spool is damaged, kept beside it until a person removes it (`ioc-agent damaged --remove`): the agent never deletes it.
//!
//! Of a damaged file only what is not a whole report is kept: whole ones were sent, or lie in another file. So that a host's disk does not
//! fill, what is kept takes its room from the spool's own budget ([`super::DiskSpool`]).

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use ioc_common::clock;

use super::frame::{self, FoundFrame, write_file};

/// No report is shorter: what lies between two whole ones and is shorter is what sled writes around them.
const REPORT_MIN_BYTES: u64 = frame::AROUND_BYTES as u64 + 1;
/// How much is copied at once.
const PIECE_BYTES: u64 = 256 * 1024;

/// The directory of what is damaged.
#[derive(Debug)]
pub struct DamagedParts {
    dir: PathBuf,
    bytes: u64,
    /// The directory could be read when it was last looked at.
    measured: bool,
}

/// How much of a spool file could be read when it was listed, which decides what becomes of it once it is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SpoolFileHealth {
    Whole,
    /// Something in it is no whole report.
    Damaged,
    /// The disk could not read all of it: what is whole in it may never have been sent.
    Unreadable,
}

impl SpoolFileHealth {
    pub(super) fn or_damaged(self) -> Self {
        if self == Self::Whole { Self::Damaged } else { self }
    }
}

impl DamagedParts {
    /// That of the spool in this directory.
    #[must_use]
    pub fn of(spool: &Path) -> Self {
        let mut damaged = Self { dir: spool.with_extension("damaged"), bytes: 0, measured: false };
        damaged.measure();
        damaged
    }

    /// The directory that holds it, beside the spool: `spool.damaged`. It need not be there.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Bytes of all that is kept, as last measured.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Looks how many bytes are kept: a person may have removed them.
    pub fn measure(&mut self) -> u64 {
        let files = self.files();
        self.measured = files.is_ok();
        if let Ok(files) = files {
            self.bytes = files.iter().map(|(_, bytes)| bytes).sum();
        }
        self.bytes
    }

    /// The same at little cost: where nothing is kept there is nothing that a person could have removed, and what the agent itself
    /// keeps is measured then.
    pub(super) fn measure_if_any(&mut self) -> u64 {
        if self.measured && self.bytes == 0 { 0 } else { self.measure() }
    }

    /// What is kept, the oldest first, with its bytes.
    ///
    /// # Errors
    /// What the system says of the directory, or of a file in it. That it is not there is no error.
    pub fn files(&self) -> io::Result<Vec<(PathBuf, u64)>> {
        let mut files = Vec::new();
        match fs::read_dir(&self.dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
            Ok(entries) => {
                for entry in entries {
                    let entry = entry?;
                    files.push((entry.path(), entry.metadata()?.len()));
                }
            }
        }
        files.sort();
        Ok(files)
    }

    /// Removes all that is kept, on a person's word, and says how many bytes that were.
    ///
    /// # Errors
    /// When one of them cannot be removed; those before it are gone.
    pub fn remove(&mut self) -> io::Result<u64> {
        let mut removed = 0;
        for (path, bytes) in self.files()? {
            fs::remove_file(path)?;
            removed += bytes;
        }
        self.bytes = 0;
        Ok(removed)
    }

    /// Keeps what is damaged of a file of frames, and takes the file away. When that cannot be done, all of it is kept.
    pub(super) fn keep(&mut self, path: &Path) -> io::Result<()> {
        let to = self.free_name()?;
        match cut(path, &to) {
            Ok(()) => fs::remove_file(path)?,
            Err(error) => {
                tracing::warn!(%error, file = %path.display(), "what is damaged in it cannot be told from what is whole: all of it is kept");
                fs::rename(path, &to)?;
            }
        }
        self.kept(&to);
        Ok(())
    }

    /// Keeps a file as it is.
    pub(super) fn keep_whole(&mut self, path: &Path) -> io::Result<()> {
        let to = self.free_name()?;
        fs::rename(path, &to)?;
        self.kept(&to);
        Ok(())
    }

    fn kept(&mut self, file: &Path) {
        let bytes = self.measure();
        tracing::error!(file = %file.display(), bytes, "what is damaged of the spool is kept for a technician, in the spool's own room; see 'ioc-agent damaged'");
    }

    /// Several may be kept within a millisecond, and none takes the place of another.
    fn free_name(&self) -> io::Result<PathBuf> {
        fs::create_dir_all(&self.dir)?;
        let now_ms = clock::now().as_millis();
        let mut names = (0..1000).map(|number| self.dir.join(format!("{now_ms:016}-{number:03}")));
        // A link that leads nowhere takes a name, too.
        names.find(|name| name.symlink_metadata().is_err()).ok_or_else(|| io::ErrorKind::AlreadyExists.into())
    }
}

/// Copies what is not part of a whole report. A scan for reports finds in the copy what it found in the file.
fn cut(path: &Path, to: &Path) -> io::Result<()> {
    let mut whole = Vec::new();
    frame::scan(path, false, &mut |found| {
        if let FoundFrame::Whole { offset, len, .. } = found {
            whole.push((offset, offset + u64::from(len)));
        }
    })?;
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    let ends = std::iter::once(0).chain(whole.iter().map(|(_, end)| *end));
    let begins = whole.iter().map(|(begin, _)| *begin).chain([size]);
    let gaps = ends.zip(begins).filter(|(from, until)| until.saturating_sub(*from) >= REPORT_MIN_BYTES);
    let pieces = gaps.flat_map(|(from, until)| {
        (0..(until - from).div_ceil(PIECE_BYTES)).map(move |piece| {
            let from = from + piece * PIECE_BYTES;
            (from, until.min(from + PIECE_BYTES))
        })
    });
    let read = pieces.map(|(from, until)| {
        let mut bytes = vec![0; usize::try_from(until - from).unwrap_or(0)];
        file.read_exact_at(&mut bytes, from)?;
        // Room that nothing was written to.
        let empty = bytes.iter().all(|byte| *byte == 0);
        Ok(if empty { Vec::new() } else { bytes })
    });
    write_file(to, read)
}
