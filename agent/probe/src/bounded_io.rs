//! Files of `/proc`, `/sys` and `/etc`: kept open between samples where they are read often, and never read beyond a bound.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, RawDir};

/// Largest file a probe reads, in bytes.
pub(crate) const FILE_MAX_BYTES: usize = 1024 * 1024;

/// How the kernel hands out a file, so that its end is known without one more read that says so.
///
/// It composes such a file record by record in a buffer of at least a page (fs/seq_file.c), and a read gives what is in that buffer:
/// less than was asked for is no end where the next record did not fit. On ordinary files less than was asked for is the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Records {
    /// The whole file is one record (`single_open`, attributes of sysfs): less than was asked for is its end.
    One,
    /// Many short ones, of at most [`RECORD_MAX_BYTES`]: a piece that is no full page is its end.
    Short,
    /// Of any length, as where paths stand in them: only a read of nothing is its end.
    Any,
}

impl Records {
    /// Whether a file is at its end that gave `given` of the `asked` bytes.
    const fn end_after(self, given: usize, asked: usize) -> bool {
        match self {
            Self::One => given < asked,
            Self::Short => given < asked && given < TABLE_PIECE_MIN_BYTES,
            Self::Any => given == 0,
        }
    }
}

/// A file that is opened once and read from its start at every sample: an open costs more than the read.
#[derive(Debug)]
pub struct KeptFile {
    path: PathBuf,
    file: Option<File>,
    records: Records,
    /// How often it is not looked for, since it was not there.
    skip: u32,
    /// What `skip` begins with.
    skip_absent: u32,
}

impl KeptFile {
    /// The file at `path` below `root`, whatever it is. Nothing is opened yet.
    #[must_use]
    pub fn new(root: &Path, path: &str) -> Self {
        Self {
            path: root.join(path.trim_start_matches('/')),
            file: None,
            records: Records::Any,
            skip: 0,
            skip_absent: 0,
        }
    }

    /// A file that the kernel composes as one record: `/proc/stat`, `/proc/meminfo`, `/proc/loadavg`, `/proc/uptime`,
    /// `/proc/pressure/*` and the attributes of sysfs.
    #[must_use]
    pub fn of_one_record(root: &Path, path: &str) -> Self {
        Self { records: Records::One, ..Self::new(root, path) }
    }

    /// A table of the kernel with lines of at most 512 bytes: `/proc/diskstats`, `/proc/net/dev`, `/proc/vmstat`.
    #[must_use]
    pub fn of_short_lines(root: &Path, path: &str) -> Self {
        Self { records: Records::Short, ..Self::new(root, path) }
    }

    /// While it is not there, looks for it only every `times` times: what comes with a module of the kernel seldom comes at all.
    #[must_use]
    pub(crate) fn retry_absent_every(self, times: u32) -> Self {
        Self { skip_absent: times.saturating_sub(1), ..self }
    }

    /// Reads the whole file over what `buffer` holds, which grows as needed and is never cleared.
    ///
    /// # Errors
    /// [`ReadError`] names the path. The file is opened anew next time.
    pub fn read<'b>(&mut self, buffer: &'b mut Vec<u8>) -> Result<&'b [u8], ReadError> {
        self.read_until(buffer, |_| false)
    }

    /// Reads the file as [`Self::read`] does, but no further than where `enough` says that what is wanted is there: for some tables
    /// the kernel adds up all its counters again for each piece.
    ///
    /// # Errors
    /// As of [`Self::read`].
    pub(crate) fn read_until<'b>(
        &mut self,
        buffer: &'b mut Vec<u8>,
        enough: impl FnMut(&[u8]) -> bool,
    ) -> Result<&'b [u8], ReadError> {
        match self.try_read(buffer, enough) {
            Ok(filled) => Ok(&buffer[..filled]),
            Err(source) => {
                self.file = None;
                Err(ReadError { path: self.path.clone(), source })
            }
        }
    }

    fn try_read(&mut self, buffer: &mut Vec<u8>, mut enough: impl FnMut(&[u8]) -> bool) -> io::Result<usize> {
        let file = match &self.file {
            Some(file) => file,
            None if self.skip > 0 => {
                self.skip -= 1;
                return Err(io::ErrorKind::NotFound.into());
            }
            None => match File::open(&self.path) {
                Ok(file) => self.file.insert(file),
                Err(error) => {
                    if error.kind() == io::ErrorKind::NotFound {
                        self.skip = self.skip_absent;
                    }
                    return Err(error);
                }
            },
        };
        let mut filled = 0;
        loop {
            if buffer.len() - filled < 1024 {
                buffer.resize((buffer.len() * 2).clamp(8192, FILE_MAX_BYTES + 1), 0);
            }
            if filled >= FILE_MAX_BYTES {
                return Err(io::Error::other(format!("is larger than {FILE_MAX_BYTES} bytes")));
            }
            let asked = buffer.len() - filled;
            match file.read_at(&mut buffer[filled..], filled as u64) {
                Ok(count) => {
                    filled += count;
                    if count == 0 || self.records.end_after(count, asked) || enough(&buffer[..filled]) {
                        return Ok(filled);
                    }
                }
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

/// Largest attribute of sysfs, in bytes: a page, on machines with the smallest ones.
const ATTRIBUTE_MAX_BYTES: usize = 4096;

/// Reads what the kernel composes as one record, an attribute of sysfs or `/proc/PID/stat`, as [`read_text`] does, and does not ask
/// once more whether that was all.
///
/// # Errors
/// [`ReadError`] names the path.
pub(crate) fn read_attribute(root: &Path, path: &str) -> Result<String, ReadError> {
    let path = root.join(path.trim_start_matches('/'));
    let read = || {
        let mut file = File::open(&path)?;
        let mut piece = [0; ATTRIBUTE_MAX_BYTES + 1];
        let count = loop {
            match file.read(&mut piece) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                count => break count?,
            }
        };
        if count < piece.len() {
            return Ok(String::from_utf8_lossy(&piece[..count]).trim().to_owned());
        }
        let mut bytes = piece.to_vec();
        file.take(FILE_MAX_BYTES as u64).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
    };
    read().map_err(|source| ReadError { path: path.clone(), source })
}

/// Longest line of the tables that are read as such, in bytes.
const RECORD_MAX_BYTES: usize = 512;
/// Least that the kernel gives of a table at once, in bytes, where more lines are to come: a page less the longest line.
const TABLE_PIECE_MIN_BYTES: usize = 4096 - RECORD_MAX_BYTES;

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

/// Why a file gave nothing: it is not there, may not be opened, is longer than its bound, or the system says otherwise.
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

/// Room for the names of a directory that are asked for at once, in bytes: few directories have more, and what opendir(3) takes is
/// eight times as much, given back to the machine and taken anew at each listing.
const NAMES_BYTES: usize = 4096;

/// The names in a directory below `root`, sorted; at most `max`.
///
/// # Errors
/// [`ReadError`] names the path.
pub fn names_in(root: &Path, path: &str, max: usize) -> Result<Vec<String>, ReadError> {
    let path = root.join(path.trim_start_matches('/'));
    let read = || {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let dir = rustix::fs::open(&path, flags, Mode::empty())?;
        let mut buffer = Vec::with_capacity(NAMES_BYTES);
        let mut entries = RawDir::new(dir, buffer.spare_capacity_mut());
        let (mut names, mut seen) = (Vec::new(), 0);
        while seen < max {
            let Some(entry) = entries.next() else { break };
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            seen += 1;
            if let Ok(name) = std::str::from_utf8(name) {
                names.push(name.to_owned());
            }
        }
        names.sort_unstable();
        Ok(names)
    };
    read().map_err(|source| ReadError { path: path.clone(), source })
}

/// How much is read of each file by [`beginnings_in`], in bytes: `/proc/PID/stat` says the state within its first hundred.
const BEGINNING_BYTES: usize = 512;

/// Hands over the beginnings of `file` in the directories below `path` whose names are numbers, of at most `max` of them: for `/proc`, where
/// there are as many as processes. Each is opened from there, and nothing is allocated for it. What went meanwhile is passed over.
///
/// # Errors
/// [`ReadError`] names the path that cannot be listed.
pub(crate) fn beginnings_in(
    root: &Path,
    path: &str,
    file: &str,
    max: usize,
    mut take: impl FnMut(&[u8]),
) -> Result<(), ReadError> {
    let path = root.join(path.trim_start_matches('/'));
    let mut read = || {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let dir = rustix::fs::open(&path, flags | OFlags::DIRECTORY, Mode::empty())?;
        let mut buffer = Vec::with_capacity(NAMES_BYTES);
        let mut entries = RawDir::new(&dir, buffer.spare_capacity_mut());
        let (mut name, mut beginning, mut seen) = (Vec::new(), [0; BEGINNING_BYTES], 0);
        while seen < max {
            let Some(entry) = entries.next() else { break };
            let entry = entry?;
            let number = entry.file_name().to_bytes();
            if !number.iter().all(u8::is_ascii_digit) {
                continue;
            }
            seen += 1;
            name.clear();
            name.extend_from_slice(number);
            name.push(b'/');
            name.extend_from_slice(file.as_bytes());
            let Ok(file) = rustix::fs::openat(&dir, name.as_slice(), flags, Mode::empty()) else { continue };
            if let Ok(count) = rustix::io::retry_on_intr(|| rustix::io::read(&file, &mut beginning)) {
                take(&beginning[..count]);
            }
        }
        Ok(())
    };
    read().map_err(|source| ReadError { path: path.clone(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_known_only_where_the_kernel_gives_it_away() {
        assert!(
            Records::One.end_after(4095, 8192)
                && Records::One.end_after(5000, 8192)
                && !Records::One.end_after(8192, 8192)
        );
        // The next line did not fit into the page.
        assert!(!Records::Short.end_after(4096 - 500, 8192) && Records::Short.end_after(44, 4000));
        // There was no room for more.
        assert!(!Records::Short.end_after(1024, 1024));
        // A mount of many layers has a line that fills a page of its own.
        assert!(!Records::Any.end_after(60, 8192) && Records::Any.end_after(0, 8192));
    }

    #[test]
    fn all_kinds_read_files_of_any_length_whole_at_first_and_again() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("file");
        for length in [0, 1, 4095, 4096, 4097, 8191, 8192, 8193, 16_384, 70_000] {
            let content: Vec<u8> = (0..length).map(|at: u32| b'a' + (at % 23) as u8).collect();
            std::fs::write(&path, &content).expect("written");
            for kind in [KeptFile::new, KeptFile::of_one_record, KeptFile::of_short_lines] {
                let (mut file, mut buffer) = (kind(dir.path(), "/file"), Vec::new());
                for _ in 0..2 {
                    assert!(file.read(&mut buffer).expect("read") == content, "{length} bytes, {:?}", file.records);
                }
            }
            let text = read_attribute(dir.path(), "/file").expect("read");
            assert!(text.as_bytes() == content, "{length} bytes");
        }
        let file = File::create(&path).expect("made");
        file.set_len(2 * FILE_MAX_BYTES as u64).expect("grown");
        assert!(KeptFile::of_one_record(dir.path(), "/file").read(&mut Vec::new()).is_err());
    }

    #[test]
    fn the_kernels_own_files_are_whole_whichever_way_they_are_read() {
        // Lines begin alike; what they count goes on meanwhile.
        let keys = |bytes: &[u8]| -> Vec<String> {
            let text = String::from_utf8_lossy(bytes).into_owned();
            text.lines()
                .map(|line| line.split([' ', ':']).find(|word| !word.is_empty()).unwrap_or("").to_owned())
                .collect()
        };
        let root = Path::new("/");
        for path in ["/proc/stat", "/proc/meminfo", "/proc/loadavg", "/proc/uptime", "/proc/pressure/cpu"] {
            let (mut whole, mut short) = (Vec::new(), Vec::new());
            let Ok(whole) = KeptFile::new(root, path).read(&mut whole) else { continue };
            let short = KeptFile::of_one_record(root, path).read(&mut short).expect("read");
            assert_eq!(keys(whole).len(), keys(short).len(), "{path}");
        }
        for path in ["/proc/diskstats", "/proc/net/dev", "/proc/vmstat"] {
            let (mut whole, mut short) = (Vec::new(), Vec::new());
            let Ok(whole) = KeptFile::new(root, path).read(&mut whole) else { continue };
            let short = KeptFile::of_short_lines(root, path).read(&mut short).expect("read");
            assert_eq!(keys(whole).len(), keys(short).len(), "{path}");
        }
    }

    #[test]
    fn what_is_not_there_is_looked_for_seldom_and_found() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let (mut file, mut buffer) = (KeptFile::new(dir.path(), "/file").retry_absent_every(3), Vec::new());
        let mut there =
            |file: &mut KeptFile| file.read(&mut buffer).map_err(|error| assert!(error.is_absent())).is_ok();
        assert!((0..7).all(|_| !there(&mut file)));
        std::fs::write(dir.path().join("file"), "text").expect("written");
        let seen: Vec<bool> = (0..4).map(|_| there(&mut file)).collect();
        assert_eq!(seen, [false, false, true, true]);
    }

    #[test]
    fn beginnings_of_files_below_numbers_and_no_others() {
        let dir = tempfile::tempdir().expect("temporary directory");
        for (name, text) in [("1", "one"), ("22", "two"), ("self", "no"), ("3x", "no")] {
            std::fs::create_dir_all(dir.path().join("proc").join(name)).expect("made");
            std::fs::write(dir.path().join("proc").join(name).join("stat"), text.repeat(600)).expect("written");
        }
        std::fs::create_dir(dir.path().join("proc/4")).expect("made");
        let beginnings = |max: usize| {
            let mut seen = Vec::new();
            let take = |beginning: &[u8]| seen.push(String::from_utf8_lossy(beginning).into_owned());
            beginnings_in(dir.path(), "/proc", "stat", max, take).expect("listed");
            seen.sort();
            seen
        };
        assert_eq!(beginnings(9), ["one", "two"].map(|word| word.repeat(600)[..BEGINNING_BYTES].to_owned()));
        assert!(beginnings(1).len() <= 1);
        assert!(beginnings_in(dir.path(), "/none", "stat", 9, |_| {}).expect_err("is not there").is_absent());
    }

    #[test]
    fn names_of_a_directory_that_needs_many_pieces() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let mut made: Vec<String> = (0..300).map(|n| format!("{n:03}-{}", "x".repeat(120))).collect();
        for name in &made {
            std::fs::write(dir.path().join(name), "").expect("written");
        }
        made.sort();
        assert_eq!(names_in(dir.path(), "/", 4096).expect("names"), made);
        assert_eq!(names_in(dir.path(), "/", 7).expect("names").len(), 7);
        assert!(names_in(dir.path(), "/none", 7).expect_err("is not there").is_absent());
    }
}
