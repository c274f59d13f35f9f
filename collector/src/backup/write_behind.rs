//! Files that are unpacked, written on a thread of their own: who unpacks and who waits for the disk take about as long, and neither waits for the other.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, SyncSender};

use super::archive::{ReadError, Steady};
use super::error::BackupError;

/// Bytes of a block that is handed over, and blocks that wait at most.
const BLOCK_BYTES: usize = 1024 * 1024;
const BLOCKS: usize = 8;

/// What is handed over.
enum Piece {
    /// Another file begins, at this path below the directory.
    File(PathBuf),
    Bytes(Vec<u8>),
}

/// Hands files over, one after the other.
pub(super) struct FileWriter {
    to: SyncSender<Piece>,
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
        let block = std::mem::replace(&mut self.block, Vec::with_capacity(BLOCK_BYTES));
        self.to.send(Piece::Bytes(block)).map_err(is_gone)
    }
}

/// Does work that hands files over to be written below `dir`. Once it is done all of them are on the disk.
pub(super) fn behind<T>(
    dir: &Path,
    work: impl FnOnce(&mut FileWriter) -> Result<T, ReadError>,
) -> Result<T, ReadError> {
    std::thread::scope(|scope| {
        let (to, from) = mpsc::sync_channel(BLOCKS);
        let writing = scope.spawn(move || write(dir, &from));
        let done = {
            let mut files = FileWriter { to, block: Vec::with_capacity(BLOCK_BYTES) };
            work(&mut files).and_then(|done| files.hand_over().map(|()| done).map_err(ReadError::from))
        };
        let panicked = |_| Err(BackupError::Differs("what is unpacked was not written: it panicked".to_owned()));
        // Where it cannot be written, that is why the work ended.
        writing.join().unwrap_or_else(panicked).map_err(ReadError::Target)?;
        done
    })
}

fn write(dir: &Path, from: &Receiver<Piece>) -> Result<(), BackupError> {
    let mut open: Option<(Steady, PathBuf)> = None;
    let finished = |open: Option<(Steady, PathBuf)>| match open {
        Some((file, path)) => file.finish().map_err(BackupError::file(&path)),
        None => Ok(()),
    };
    while let Ok(piece) = from.recv() {
        match piece {
            Piece::File(name) => {
                finished(open.take())?;
                let path = dir.join(name);
                open = Some((create(&path)?, path));
            }
            Piece::Bytes(bytes) => {
                if let Some((file, path)) = &mut open {
                    file.write_all(&bytes).map_err(BackupError::file(path))?;
                }
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
            Ok(7)
        });
        assert!(matches!(done, Ok(7)));
        let read = |name: &str| std::fs::read(dir.path().join(name)).expect("written");
        assert!(read("pki/ca.pem") == b"ab" && read("empty").is_empty() && read("large") == large);
        // One that is there is never written over, whoever goes on handing over.
        let refused = behind(dir.path(), |files| {
            files.begin("empty")?;
            (0..9 * BLOCKS).try_for_each(|_| files.put(&large)).map_err(ReadError::from)
        });
        let Err(ReadError::Target(BackupError::File { path, .. })) = refused else { panic!("it was written over") };
        assert!(path == dir.path().join("empty") && read("empty").is_empty());
    }
}
