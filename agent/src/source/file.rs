//! Files of `/proc`, `/sys` and `/etc`: kept open between samples where they are read often, and never read beyond a bound.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// Largest file a probe reads, in bytes.
pub const FILE_MAX_BYTES: usize = 1024 * 1024;

/// A file that is opened once and read from its start at every sample: an open costs more than the read.
#[derive(Debug)]
pub struct KeptFile {
    path: PathBuf,
    file: Option<File>,
}

impl KeptFile {
    /// The file at `path` below `root`. Nothing is opened yet.
    #[must_use]
    pub fn new(root: &Path, path: &str) -> Self {
        Self { path: root.join(path.trim_start_matches('/')), file: None }
    }

    /// Reads the whole file into `buffer`, which is cleared first.
    ///
    /// # Errors
    /// [`SourceError`] names the path. The file is opened anew next time.
    pub fn read<'b>(&mut self, buffer: &'b mut Vec<u8>) -> Result<&'b [u8], SourceError> {
        buffer.clear();
        match self.try_read(buffer) {
            Ok(()) => Ok(buffer),
            Err(source) => {
                self.file = None;
                Err(SourceError { path: self.path.clone(), source })
            }
        }
    }

    fn try_read(&mut self, buffer: &mut Vec<u8>) -> io::Result<()> {
        let file = match &self.file {
            Some(file) => file,
            None => self.file.insert(File::open(&self.path)?),
        };
        let mut filled = 0;
        loop {
            if buffer.len() - filled < 1024 {
                buffer.resize((buffer.len() * 2).clamp(8192, FILE_MAX_BYTES + 1), 0);
            }
            if filled >= FILE_MAX_BYTES {
                return Err(io::Error::other(format!("is larger than {FILE_MAX_BYTES} bytes")));
            }
            match file.read_at(&mut buffer[filled..], filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        buffer.truncate(filled);
        Ok(())
    }
}

/// Reads a small text file below `root`, trimmed. Bytes that are not UTF-8 are replaced.
///
/// # Errors
/// [`SourceError`] names the path.
pub fn read_text(root: &Path, path: &str) -> Result<String, SourceError> {
    let path = root.join(path.trim_start_matches('/'));
    let read = || {
        let mut bytes = Vec::new();
        File::open(&path)?.take(FILE_MAX_BYTES as u64).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
    };
    read().map_err(|source| SourceError { path: path.clone(), source })
}

/// A file that could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct SourceError {
    /// Which.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub source: io::Error,
}

impl SourceError {
    /// Whether the file is simply not there.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }
}

/// The names in a directory below `root`, sorted; at most `max`.
///
/// # Errors
/// [`SourceError`] names the path.
pub fn names_in(root: &Path, path: &str, max: usize) -> Result<Vec<String>, SourceError> {
    let path = root.join(path.trim_start_matches('/'));
    let read = || {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&path)?.take(max) {
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    };
    read().map_err(|source| SourceError { path: path.clone(), source })
}
