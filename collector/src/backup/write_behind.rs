//! Files that are unpacked, written on a thread of their own: who unpacks and who waits for the disk take about as long, and neither waits for the other.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};

use super::error::BackupError;

/// Bytes of a file after which it is put on the disk.
const SYNC_BYTES: u64 = 16 * 1024 * 1024;
/// Bytes of a block that is handed over, and blocks that wait at most.
const BLOCK_BYTES: usize = 1024 * 1024;
const BLOCKS: usize = 8;

/// A file whose content goes to the disk bit by bit: what is left to the system waits for half a minute, and a commit behind all of it then.
pub(super) struct Steady {
    file: File,
    since: u64,
}

impl Steady {
    pub(super) const fn new(file: File) -> Self {
        Self { file, since: 0 }
    }

    /// Puts on the disk what is not yet there.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}

impl Write for Steady {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.since += written as u64;
        if self.since >= SYNC_BYTES {
            self.file.sync_data()?;
            self.since = 0;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// What is handed over.
enum Piece {
    /// Another file begins, at this path below the directory.
    File(PathBuf),
    Bytes(Vec<u8>),
}

/// Hands files over, one after the other.
pub(super) struct FileWriter {
    to: SyncSender<Piece>,
    /// Blocks that were written, to be filled again.
    written: Receiver<Vec<u8>>,
    block: Vec<u8>,
}

/// Whoever writes has ended before: what it says is why.
fn is_gone<T>(_: T) -> io::Error {
    io::Error::other("it cannot be unpacked")
}

impl FileWriter {
    pub(super) fn begin(&mut self, path: &str) -> io::Result<()> {
        self.hand_over()?;
        self.to.send(Piece::File(path.into())).map_err(is_gone)
    }

    pub(super) fn put(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let (now, rest) = bytes.split_at(bytes.len().min(BLOCK_BYTES - self.block.len()));
            self.block.extend_from_slice(now);
            bytes = rest;
            if self.block.len() == BLOCK_BYTES {
                self.hand_over()?;
            }
        }
        Ok(())
    }

    fn hand_over(&mut self) -> io::Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        let next = self.written.try_recv().unwrap_or_else(|_| Vec::with_capacity(BLOCK_BYTES));
        let block = std::mem::replace(&mut self.block, next);
        self.to.send(Piece::Bytes(block)).map_err(is_gone)
    }
}

/// Does work that hands files over to be written below `dir`. Once it is done all of them are on the disk.
pub(super) fn behind<T, E: From<io::Error> + From<BackupError>>(
    dir: &Path,
    work: impl FnOnce(&mut FileWriter) -> Result<T, E>,
) -> Result<T, E> {
    std::thread::scope(|scope| {
        let (to, from) = mpsc::sync_channel(BLOCKS);
        let (back, written) = mpsc::channel();
        let writing = scope.spawn(move || write(dir, &from, &back));
        let done = {
            let mut files = FileWriter { to, written, block: Vec::with_capacity(BLOCK_BYTES) };
            work(&mut files).and_then(|done| files.hand_over().map(|()| done).map_err(E::from))
        };
        let panicked = |_| Err(BackupError::Differs("what is unpacked was not written: it panicked".to_owned()));
        // Where it cannot be written, that is why the work ended.
        writing.join().unwrap_or_else(panicked)?;
        done
    })
}

fn write(dir: &Path, from: &Receiver<Piece>, back: &Sender<Vec<u8>>) -> Result<(), BackupError> {
    let mut open: Option<(Steady, PathBuf)> = None;
    let finished = |open: Option<(Steady, PathBuf)>| match open {
        Some((file, path)) => file.sync().map_err(BackupError::file(&path)),
        None => Ok(()),
    };
    while let Ok(piece) = from.recv() {
        match piece {
            Piece::File(name) => {
                finished(open.take())?;
                let path = dir.join(name);
                open = Some((create(&path)?, path));
            }
            Piece::Bytes(mut bytes) => {
                if let Some((file, path)) = &mut open {
                    file.write_all(&bytes).map_err(BackupError::file(path))?;
                }
                bytes.clear();
                // Nobody fills it again where all was handed over.
                let _ = back.send(bytes);
            }
        }
    }
    finished(open)
}

/// A new file, for its owner alone, with the directories on the way.
fn create(path: &Path) -> Result<Steady, BackupError> {
    let fault = BackupError::file(path);
    if let Some(parent) = path.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(parent).map_err(&fault)?;
    }
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(&fault)?;
    Ok(Steady::new(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    enum Failed {
        Handing,
        Writing(BackupError),
    }

    impl From<io::Error> for Failed {
        fn from(_: io::Error) -> Self {
            Self::Handing
        }
    }

    impl From<BackupError> for Failed {
        fn from(error: BackupError) -> Self {
            Self::Writing(error)
        }
    }

    #[test]
    fn files_are_whole_and_one_that_cannot_be_written_says_why() {
        let dir = tempfile::tempdir().expect("directory");
        let large: Vec<u8> = (0..3 * BLOCK_BYTES + 7).map(|at| u8::try_from(at % 251).expect("small")).collect();
        let done = behind(dir.path(), |files| {
            files.begin("pki/ca.pem")?;
            files.put(b"a")?;
            files.put(b"b")?;
            files.begin("empty")?;
            files.begin("large")?;
            for part in large.chunks(77_777) {
                files.put(part)?;
            }
            Ok::<_, Failed>(7)
        });
        assert_eq!(done.expect("written"), 7);
        let read = |name: &str| std::fs::read(dir.path().join(name)).expect("written");
        assert!(read("pki/ca.pem") == b"ab" && read("empty").is_empty() && read("large") == large);
        // One that is there is never written over, whoever goes on handing over.
        let refused = behind(dir.path(), |files| {
            files.begin("empty")?;
            (0..9 * BLOCKS).try_for_each(|_| files.put(&large)).map_err(Failed::from)
        });
        let Err(Failed::Writing(BackupError::File { path, .. })) = refused else { panic!("it was written over") };
        assert!(path == dir.path().join("empty") && read("empty").is_empty());
    }
}
