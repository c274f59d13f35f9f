//! The archive file: plain files in a tar, packed by lz4, sealed by age. It is written under another name, made durable, and only then
//! called what it is; it is read in one pass, in which everything is compared.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, SyncSender};

use lz4_flex::frame::{FrameDecoder, FrameEncoder, FrameInfo};
use ring::digest::{Context, SHA256};

use ioc_common::encoding::hex;
use ioc_common::file::sync_dir;

use super::age::{self, AgeError, AgeReader, AgeWriter, OpenKey, SealKey};
use super::error::{ArchiveFault, BackupError};
use super::manifest::{self, AUTHORITY, FileSum, MANIFEST, Manifest, SIGNATURE};
use super::pace::Pace;
use super::room::{free_bytes, no_room};
use super::write_behind::{self, FileWriter, Steady};
use crate::tar::{TarReader, TarWriter};

/// Largest manifest, bytes; and of the two files beside it that are held in memory.
const MANIFEST_MAX: u64 = 16 * 1024 * 1024;
const SMALL_MAX: u64 = 1024 * 1024;
/// Most files of an archive: the store, the keys, and what a configuration names.
const FILES_MAX: usize = 500;
/// Bytes that are opened ahead of what is unpacked: in blocks of this size, so many at most.
const BLOCK_BYTES: usize = 1024 * 1024;
const BLOCKS: usize = 4;
/// The first bytes of what is packed and not sealed.
const LZ4: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];

/// A file that goes into an archive.
pub(super) struct Packed {
    /// Its path there.
    pub(super) path: String,
    pub(super) source: Source,
    /// Where it came from, where that is not the data directory.
    pub(super) from: Option<String>,
}

/// What it holds.
pub(super) enum Source {
    File(PathBuf),
    Bytes(Vec<u8>),
}

/// What was written.
pub(super) struct Written {
    pub(super) bytes: u64,
    pub(super) sha256: String,
    pub(super) plain_bytes: u64,
}

/// Counts and digests what goes through it, at a pace.
struct Metered<'p, T> {
    inner: T,
    digest: Context,
    bytes: u64,
    pace: Option<&'p Pace>,
}

impl<'p, T> Metered<'p, T> {
    fn new(inner: T, pace: Option<&'p Pace>) -> Self {
        Self { inner, digest: Context::new(&SHA256), bytes: 0, pace }
    }

    fn took(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.digest.update(bytes);
        self.bytes += bytes.len() as u64;
        self.pace.map_or(Ok(()), |pace| pace.pass(bytes.len() as u64))
    }

    fn sha256(self) -> String {
        hex(self.digest.finish().as_ref())
    }
}

impl<W: Write> Write for Metered<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.took(&bytes[..written])?;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(out)?;
        self.took(&out[..read])?;
        Ok(read)
    }
}

/// Sealed or not.
enum Sealed<W> {
    Age(Box<AgeWriter<W>>),
    Open(W),
}

impl<W: Write> Write for Sealed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Age(writer) => writer.write(bytes),
            Self::Open(writer) => writer.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Age(writer) => writer.flush(),
            Self::Open(writer) => writer.flush(),
        }
    }
}

impl<W: Write> Sealed<W> {
    fn finish(self) -> io::Result<W> {
        match self {
            Self::Age(writer) => writer.finish(),
            Self::Open(writer) => Ok(writer),
        }
    }
}

/// Writes an archive at `path`, by way of the file `part` beside it. `signed` gives, for the files that were written, the manifest and its
/// signature.
pub(super) fn write(
    path: &Path,
    part: &Path,
    key: Option<&SealKey>,
    files: &[Packed],
    pace: &Pace,
    mtime_s: u64,
    signed: impl FnOnce(Vec<FileSum>) -> Result<(Vec<u8>, Vec<u8>), BackupError>,
) -> Result<Written, BackupError> {
    let fault = BackupError::file(part);
    let _ = std::fs::remove_file(part);
    if files.len() > FILES_MAX {
        let many = format!("{} files are to be backed up, and an archive has {FILES_MAX} at most", files.len());
        return Err(fault(io::Error::other(many)));
    }
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(part).map_err(&fault)?;
    let metered = Metered::new(BufWriter::with_capacity(256 * 1024, Steady::new(file)), None);
    let sealed = match key {
        Some(key) => Sealed::Age(Box::new(AgeWriter::new(metered, key).map_err(&fault)?)),
        None => Sealed::Open(metered),
    };
    let packed = FrameEncoder::with_frame_info(FrameInfo::new().content_checksum(true), sealed);
    let mut tar = TarWriter::new(packed, mtime_s);
    let (mut sums, mut plain_bytes) = (Vec::new(), 0);
    let mut append = |tar: &mut TarWriter<_>, path: &str, source: &Source| -> io::Result<FileSum> {
        let (bytes, content): (u64, Box<dyn Read>) = match source {
            Source::File(path) => {
                let file = File::open(path)?;
                (file.metadata()?.len(), Box::new(file))
            }
            Source::Bytes(bytes) => (bytes.len() as u64, Box::new(bytes.as_slice())),
        };
        let mut content = Metered::new(content, Some(pace));
        tar.append(path, bytes, &mut content)?;
        plain_bytes += bytes;
        Ok(FileSum { path: path.to_owned(), bytes, sha256: content.sha256(), from: None })
    };
    for one in files {
        let place = match &one.source {
            Source::File(path) => BackupError::file(path),
            Source::Bytes(_) => BackupError::file(part),
        };
        let sum = append(&mut tar, &one.path, &one.source).map_err(place)?;
        sums.push(FileSum { from: one.from.clone(), ..sum });
    }
    let (manifest, signature) = signed(sums)?;
    for (path, bytes) in [(MANIFEST, manifest), (SIGNATURE, signature)] {
        append(&mut tar, path, &Source::Bytes(bytes)).map_err(&fault)?;
    }
    let packed = tar.finish().map_err(&fault)?;
    let sealed = packed.finish().map_err(|error| fault(io::Error::other(error)))?;
    let mut metered = sealed.finish().map_err(&fault)?;
    metered.flush().and_then(|()| metered.inner.get_ref().sync()).map_err(&fault)?;
    let bytes = metered.bytes;
    std::fs::rename(part, path).map_err(&fault)?;
    path.parent().map_or(Ok(()), sync_dir).map_err(&fault)?;
    Ok(Written { bytes, sha256: metered.sha256(), plain_bytes })
}

/// What was read.
pub(super) struct ReadArchive {
    pub(super) manifest: Manifest,
    /// SHA-256 of the authority's certificate, hex.
    pub(super) authority: String,
    /// SHA-256 over the archive, hex.
    pub(super) sha256: String,
    pub(super) bytes: u64,
}

/// What an archive is taken by.
pub(super) struct Terms<'a> {
    /// What opens it. One that needs no key is refused then.
    pub(super) key: Option<&'a OpenKey>,
    /// One that is not sealed is refused, whatever opens it: here they are sealed.
    pub(super) must_be_sealed: bool,
    /// SHA-256 of the certificate of the authority that must have signed it, hex, where that is known.
    pub(super) expected: Option<&'a str>,
    /// How many bytes are packed in it at most, where that is known. What is unpacked leaves room on the disk in any case.
    pub(super) most_bytes: Option<u64>,
    pub(super) pace: &'a Arc<Pace>,
}

/// Reads an archive through, and unpacks it into the directory `into` where one is given. All of it is compared: every byte with what was
/// sealed, every file with the manifest, the manifest with its signature.
pub(super) fn read(file: File, name: &str, terms: &Terms<'_>, into: Option<&Path>) -> Result<ReadArchive, BackupError> {
    let into = into.map(|dir| free_bytes(dir).map(|room| (dir, room))).transpose()?;
    read_within(file, name, terms, into)
}

/// The same into a directory in which there is room for so many bytes.
pub(super) fn read_within(
    file: File,
    name: &str,
    terms: &Terms<'_>,
    into: Option<(&Path, u64)>,
) -> Result<ReadArchive, BackupError> {
    let faulty = |fault| BackupError::archive(name, fault);
    let mut metered = Metered::new(BufReader::with_capacity(256 * 1024, file), None);
    let (into, room) = into.unzip();
    let (said, room) = (terms.most_bytes.unwrap_or(u64::MAX), room.unwrap_or(u64::MAX));
    let result = contents(&mut metered, &Terms { most_bytes: Some(said.min(room)), ..*terms }, into);
    let found = result.map_err(|error| match error {
        ReadError::Archive(error) => fault_of(name, error),
        ReadError::Fault(fault) => faulty(fault),
        ReadError::Target(error) => error,
        ReadError::Beyond(bytes) => beyond(name, bytes, (terms.most_bytes, room), into),
    })?;
    // What stands behind the end of what is packed is no part of it, and not as it was made.
    let mut rest = [0; 1];
    if metered.read(&mut rest).map_err(|error| fault_of(name, error))? != 0 {
        return Err(faulty(ArchiveFault::Content("something stands behind its end".to_owned())));
    }
    let missing = |path: &str| faulty(ArchiveFault::Missing(path.to_owned()));
    let Contents { sums, manifest, signature, authority } = found;
    let authority = authority.ok_or_else(|| missing(AUTHORITY))?;
    let (manifest, signature) =
        (manifest.ok_or_else(|| missing(MANIFEST))?, signature.ok_or_else(|| missing(SIGNATURE))?);
    let manifest = manifest::read(&manifest, &signature, &authority, terms.expected).map_err(faulty)?;
    manifest.compare(&sums).map_err(faulty)?;
    let authority = manifest::fingerprint(&authority).map_err(faulty)?;
    let bytes = metered.bytes;
    Ok(ReadArchive { manifest, authority, bytes, sha256: metered.sha256() })
}

/// What a read went wrong by.
enum ReadError {
    Archive(io::Error),
    Fault(ArchiveFault),
    /// Where it is unpacked.
    Target(BackupError),
    /// So many bytes and more are packed in it, which is more than may be.
    Beyond(u64),
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Archive(error)
    }
}

impl From<BackupError> for ReadError {
    fn from(error: BackupError) -> Self {
        Self::Target(error)
    }
}

/// Why an archive with so many bytes and more is not unpacked: there are as many as was said of it, and the disk is too small, or it is not to be believed.
fn beyond(name: &str, bytes: u64, (said, room): (Option<u64>, u64), into: Option<&Path>) -> BackupError {
    match into {
        Some(dir) if said.is_none_or(|said| bytes <= said) => no_room(dir, said.unwrap_or(bytes), room),
        _ => BackupError::archive(name, ArchiveFault::TooMuch(format!("more than {} bytes", said.unwrap_or(room)))),
    }
}

fn fault_of(name: &str, error: io::Error) -> BackupError {
    if super::pace::is_stop(&error) {
        return BackupError::BrokenOff;
    }
    let text = error.to_string();
    let fault = error.into_inner().and_then(|inner| find_age(inner.as_ref()).map(ArchiveFault::Age));
    BackupError::archive(name, fault.unwrap_or(ArchiveFault::Content(text)))
}

/// What age said, however deep it lies.
fn find_age(error: &(dyn std::error::Error + 'static)) -> Option<AgeError> {
    let mut at = Some(error);
    while let Some(one) = at {
        if let Some(found) = one.downcast_ref::<AgeError>() {
            return Some(found.clone());
        }
        // An error of the system's hands on what is in it, not itself.
        if let Some(inner) = one.downcast_ref::<io::Error>().and_then(io::Error::get_ref)
            && let Some(found) = find_age(inner)
        {
            return Some(found);
        }
        at = one.source();
    }
    None
}

#[derive(Default)]
struct Contents {
    sums: Vec<FileSum>,
    manifest: Option<Vec<u8>>,
    signature: Option<Vec<u8>>,
    authority: Option<Vec<u8>>,
}

fn contents(
    file: &mut Metered<'_, BufReader<File>>,
    terms: &Terms<'_>,
    into: Option<&Path>,
) -> Result<Contents, ReadError> {
    let mut magic = Vec::new();
    file.take(LZ4.len() as u64).read_to_end(&mut magic)?;
    let whole = io::Cursor::new(magic.clone()).chain(file);
    match terms.key {
        // Whoever can write beside the archives can make one that is not sealed.
        _ if magic == LZ4 && (terms.key.is_some() || terms.must_be_sealed) => {
            Err(ReadError::Fault(ArchiveFault::Unsealed))
        }
        _ if magic == LZ4 => unpack(whole, into, terms),
        _ if !age::MAGIC.starts_with(&magic) || magic.len() < LZ4.len() => Err(ReadError::Fault(ArchiveFault::NotOne)),
        None => Err(ReadError::Fault(ArchiveFault::Sealed)),
        Some(key) => {
            let opened = AgeReader::new(whole, key)?;
            let (to, from) = mpsc::sync_channel(BLOCKS);
            // One thread opens what another unpacks: each takes about as long.
            std::thread::scope(|scope| {
                scope.spawn(move || read_ahead(opened, &to));
                let mut opened = Ahead { from, block: Vec::new(), place: 0 };
                let contents = unpack(&mut opened, into, terms)?;
                // The last seal says that it is the last.
                let mut rest = [0; 1];
                match opened.read(&mut rest)? {
                    0 => Ok(contents),
                    _ => Err(ReadError::Fault(ArchiveFault::Content("something stands behind its end".to_owned()))),
                }
            })
        }
    }
}

/// Reads to the end, or to the first error, or until nobody takes it any more.
fn read_ahead(mut from: impl Read, to: &SyncSender<io::Result<Vec<u8>>>) {
    loop {
        let mut block = Vec::with_capacity(BLOCK_BYTES);
        let read = from.by_ref().take(BLOCK_BYTES as u64).read_to_end(&mut block);
        let is_end = block.is_empty();
        // What came before an error is whole.
        if (!is_end && to.send(Ok(block)).is_err()) || (is_end && read.is_ok()) {
            return;
        }
        if let Err(error) = read {
            let _ = to.send(Err(error));
            return;
        }
    }
}

/// What another thread reads.
struct Ahead {
    from: Receiver<io::Result<Vec<u8>>>,
    block: Vec<u8>,
    place: usize,
}

impl Read for Ahead {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.place == self.block.len() {
            // Whoever reads has come to the end when it is gone.
            let Ok(next) = self.from.recv() else { return Ok(0) };
            (self.block, self.place) = (next?, 0);
        }
        let left = self.block.get(self.place..).unwrap_or_default();
        let given = out.len().min(left.len());
        out[..given].copy_from_slice(&left[..given]);
        self.place += given;
        Ok(given)
    }
}

/// Takes a tar apart, into a directory where one is given: what is taken apart does not wait for the disk.
fn unpack(packed: impl Read, into: Option<&Path>, terms: &Terms<'_>) -> Result<Contents, ReadError> {
    match into {
        None => take_apart(packed, None, terms),
        Some(dir) => write_behind::behind(dir, |files| take_apart(packed, Some(files), terms)),
    }
}

fn take_apart(packed: impl Read, mut into: Option<&mut FileWriter>, terms: &Terms<'_>) -> Result<Contents, ReadError> {
    let mut tar = TarReader::new(FrameDecoder::new(packed));
    let mut contents = Contents::default();
    let most_bytes = terms.most_bytes.unwrap_or(u64::MAX);
    let mut left_bytes = most_bytes;
    while let Some((path, bytes)) = tar.next_file()? {
        let most = match path.as_str() {
            MANIFEST => Some(MANIFEST_MAX),
            SIGNATURE | AUTHORITY => Some(SMALL_MAX),
            _ => None,
        };
        if most.is_some_and(|most| bytes > most) {
            return Err(ReadError::Fault(ArchiveFault::Manifest(format!(
                "or its authority is too large: {bytes} bytes"
            ))));
        }
        // It is no more trusted than whoever can write where archives lie: neither a disk nor the memory is filled by it.
        left_bytes = left_bytes
            .checked_sub(bytes)
            .ok_or_else(|| ReadError::Beyond((most_bytes - left_bytes).saturating_add(bytes)))?;
        if contents.sums.len() >= FILES_MAX {
            return Err(ReadError::Fault(ArchiveFault::TooMuch(format!("more than {FILES_MAX} files"))));
        }
        let mut held = most.map(|_| Vec::new());
        let is_own = path == MANIFEST || path == SIGNATURE;
        let mut target = into.as_deref_mut().filter(|_| !is_own);
        if let Some(files) = &mut target {
            files.begin(&path)?;
        }
        let mut digest = Context::new(&SHA256);
        let read = tar.content(bytes, &mut |part| {
            digest.update(part);
            if let Some(held) = &mut held {
                held.extend_from_slice(part);
            }
            if let Some(files) = &mut target {
                files.put(part)?;
            }
            terms.pace.pass(part.len() as u64)
        });
        read?;
        match path.as_str() {
            MANIFEST => contents.manifest = held,
            SIGNATURE => contents.signature = held,
            _ => {
                if path == AUTHORITY {
                    contents.authority = held;
                }
                if contents.sums.iter().any(|one| one.path == path) {
                    return Err(ReadError::Fault(ArchiveFault::Extra(path)));
                }
                contents.sums.push(FileSum { path, bytes, sha256: hex(digest.finish().as_ref()), from: None });
            }
        }
    }
    Ok(contents)
}
