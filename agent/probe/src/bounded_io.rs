//! Files of `/proc`, `/sys` and `/etc`: kept open between samples where they are read often, and never read beyond a bound.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// Largest file a probe reads, in bytes.
pub(crate) const FILE_MAX_BYTES: usize = 1024 * 1024;

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

    /// Reads the whole file over what `buffer` holds, which grows as needed and is never cleared.
    ///
    /// # Errors
    /// [`ReadError`] names the path. The file is opened anew next time.
    pub fn read<'b>(&mut self, buffer: &'b mut Vec<u8>) -> Result<&'b [u8], ReadError> {
        match self.try_read(buffer) {
            Ok(filled) => Ok(&buffer[..filled]),
            Err(source) => {
                self.file = None;
                Err(ReadError { path: self.path.clone(), source })
            }
        }
    }

    fn try_read(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
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
                Ok(0) => return Ok(filled),
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Reads a small text file below `root`, trimmed. Bytes that are not UTF-8 are replaced.
///
/// # Errors
/// [`ReadError`] names the path.
pub fn read_text(root: &Path, path: &str) -> Result<String, ReadError> {
    let path = root.join(path.trim_start_matches('/'));
    let read = || {
        // Some files of the kernel cost as much for each piece that is asked for as for the whole.
        let mut bytes = Vec::with_capacity(4096);
        File::open(&path)?.take(FILE_MAX_BYTES as u64).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
    };
    read().map_err(|source| ReadError { path: path.clone(), source })
}

/// Least that the kernel gives of a table at once, in bytes, where more lines are to come: a page less the longest line.
const TABLE_PIECE_MIN_BYTES: usize = 4096 - 512;

/// Reads a table of the kernel with lines of at most 512 bytes (`/proc/net/tcp`). A piece that is no full page is its end: to be
/// told so by one more read would cost as much as the table, since the kernel walks through all its connections again.
///
/// # Errors
/// [`ReadError`] names the path; a table of more than `max` bytes is an error.
pub fn read_table(root: &Path, path: &str, max: usize) -> Result<Vec<u8>, ReadError> {
    let path = root.join(path.trim_start_matches('/'));
    let read = || {
        let mut file = File::open(&path)?;
        let (mut table, mut piece) = (Vec::new(), vec![0; 32 * 1024]);
        loop {
            let count = match file.read(&mut piece) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                count => count?,
            };
            table.extend_from_slice(&piece[..count]);
            if table.len() > max {
                return Err(io::Error::other(format!("is larger than {max} bytes")));
            }
            if count < TABLE_PIECE_MIN_BYTES {
                return Ok(table);
            }
        }
    };
    read().map_err(|source| ReadError { path: path.clone(), source })
}

/// A file that could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
#[allow(missing_docs, reason = "their names say it")]
pub struct ReadError {
    pub path: PathBuf,
    #[source]
    pub source: io::Error,
}

impl ReadError {
    /// Whether the file is simply not there.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }
}

/// The names in a directory below `root`, sorted; at most `max`.
///
/// # Errors
/// [`ReadError`] names the path.
pub fn names_in(root: &Path, path: &str, max: usize) -> Result<Vec<String>, ReadError> {
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
    read().map_err(|source| ReadError { path: path.clone(), source })
}
