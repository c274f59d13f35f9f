//! How a report lies in the spool: framed so that it is found and checked wherever it stands in a file.
//!
//! Mark, version, kind, boot, boot clock, epoch, sequence, length, CRC-32 of these; the report; CRC-32 of all. So a file can be read from
//! end to end without what made it: a flipped byte costs the report that it is in, which is known by its place, and the rest goes on.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use ioc_common::clock;
use ioc_common::codec::{PAYLOAD_MAX_BYTES, SealedReport};
use ioc_common::file::{replace_durably, sync_dir};
use ioc_common::report::Position;
use ioc_common::topic::UpKind;

use super::SpooledReport;

const MARK: [u8; 4] = *b"\x8bIoC";
const VERSION: u8 = 2;
/// Mark, version, kind, boot, boot clock, epoch, sequence, length, checksum.
const HEAD_BYTES: usize = 4 + 1 + 1 + 8 + 8 + 8 + 8 + 4 + 4;
const CRC_BYTES: usize = 4;
/// What a frame has around its report.
pub(super) const AROUND_BYTES: usize = HEAD_BYTES + CRC_BYTES;
/// How much of a file is read at once.
const READ_BYTES: u64 = 256 * 1024;
/// What was being written when a run was cut off.
const CUT_OFF_PREFIX: &str = "cut-off-";
/// What a disk cannot read is left out in pieces of this size.
const BLOCK_BYTES: u64 = 4096;

/// What stands at a place of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FoundFrame {
    /// A report that matches its checksum, with where its frame begins and how long it is, bytes.
    Whole { position: Position, offset: u64, len: u32, sample: bool },
    /// A report that does not match its checksum.
    Damaged(Position),
    /// A mark behind which no head can be read.
    Headless,
}

/// A report as it lies on disk: a mark, its length, place and checksum around it.
pub(super) fn encode(entry: &SpooledReport) -> Vec<u8> {
    let payload = entry.sealed.as_bytes();
    let mut frame = Vec::with_capacity(HEAD_BYTES + payload.len() + CRC_BYTES);
    frame.extend_from_slice(&MARK);
    frame.push(VERSION);
    frame.push(UpKind::ALL.iter().position(|kind| *kind == entry.kind).and_then(|n| u8::try_from(n).ok()).unwrap_or(0));
    let mut boot = [b' '; 8];
    for (to, from) in boot.iter_mut().zip(entry.boot.bytes()) {
        *to = from;
    }
    frame.extend_from_slice(&boot);
    frame.extend_from_slice(&entry.taken_ms.to_be_bytes());
    frame.extend_from_slice(&entry.position.epoch.to_be_bytes());
    frame.extend_from_slice(&entry.position.seq.to_be_bytes());
    frame.extend_from_slice(&u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes());
    let head = crc32fast::hash(&frame);
    frame.extend_from_slice(&head.to_be_bytes());
    frame.extend_from_slice(payload);
    let all = crc32fast::hash(&frame);
    frame.extend_from_slice(&all.to_be_bytes());
    frame
}

/// The report of a frame; none when a byte of it is wrong.
pub(super) fn decode(frame: &[u8]) -> Option<SpooledReport> {
    let head = FrameHeader::read(frame)?;
    let (all, crc) = frame.split_at_checked(head.end.checked_sub(CRC_BYTES)?)?;
    if crc.len() != CRC_BYTES || crc32fast::hash(all).to_be_bytes() != crc {
        return None;
    }
    Some(SpooledReport {
        position: head.position,
        kind: head.kind,
        taken_ms: u64::from_be_bytes(frame.get(14..22)?.try_into().ok()?),
        boot: String::from_utf8_lossy(frame.get(6..14)?).trim_end().to_owned(),
        sealed: SealedReport::from_bytes(all.get(HEAD_BYTES..)?),
    })
}

struct FrameHeader {
    kind: UpKind,
    position: Position,
    /// Where the frame ends, counted from its mark.
    end: usize,
}

impl FrameHeader {
    fn read(frame: &[u8]) -> Option<Self> {
        let (fields, crc) = frame.get(..HEAD_BYTES)?.split_at(HEAD_BYTES - CRC_BYTES);
        if fields[..4] != MARK || fields[4] != VERSION || crc32fast::hash(fields).to_be_bytes() != crc {
            return None;
        }
        let long = |at: usize| Some(u64::from_be_bytes(fields.get(at..at + 8)?.try_into().ok()?));
        let len = u32::from_be_bytes(fields.get(38..42)?.try_into().ok()?) as usize;
        (len <= PAYLOAD_MAX_BYTES).then_some(())?;
        Some(Self {
            kind: *UpKind::ALL.get(usize::from(fields[5]))?,
            position: Position { epoch: long(22)?, seq: long(30)? },
            end: HEAD_BYTES + len + CRC_BYTES,
        })
    }
}

/// Reads a file from end to end and tells every report in it. With `leave_out`, blocks that the disk cannot read are passed over and their
/// number is given; without it, they are an error.
pub(super) fn scan(path: &Path, leave_out: bool, found: &mut dyn FnMut(FoundFrame)) -> io::Result<u64> {
    let mut file = File::open(path)?;
    let (mut buffer, mut base, mut unread) = (Vec::new(), 0_u64, 0);
    loop {
        let from = base + buffer.len() as u64;
        let before = buffer.len();
        let read = io::Read::by_ref(&mut file).take(READ_BYTES).read_to_end(&mut buffer);
        if let Err(error) = read {
            if !leave_out {
                return Err(error);
            }
            buffer.truncate(before);
            unread += block(&mut file, from, &mut buffer)?;
        }
        let last = buffer.len() == before;
        let done = walk(&buffer, base, last, found);
        if last {
            return Ok(unread);
        }
        buffer.drain(..done);
        base += done as u64;
    }
}

/// What stands at a place of a file; none when the file ends before it is whole. A read that brings less than was asked for goes on, and one
/// that a signal interrupts begins again: neither says anything of what is in the file.
pub(super) fn frame_at(file: &impl FileExt, offset: u64, len: u32) -> io::Result<Option<Vec<u8>>> {
    let mut frame = vec![0; len as usize];
    match file.read_exact_at(&mut frame, offset) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        other => other.map(|()| Some(frame)),
    }
}

/// Reads one block, or takes zeros for it.
fn block(file: &mut File, from: u64, buffer: &mut Vec<u8>) -> io::Result<u64> {
    let end = (from / BLOCK_BYTES + 1) * BLOCK_BYTES;
    let (before, len) = (buffer.len(), end - from);
    file.seek(SeekFrom::Start(from))?;
    let read = io::Read::by_ref(file).take(len).read_to_end(buffer);
    if read.is_ok() {
        return Ok(0);
    }
    buffer.truncate(before);
    let size = file.metadata()?.len();
    let len = len.min(size.saturating_sub(from));
    buffer.resize(before + usize::try_from(len).unwrap_or(0), 0);
    file.seek(SeekFrom::Start(from + len))?;
    Ok(1)
}

/// Tells the reports of a piece of a file, and how much of it need not be looked at again.
fn walk(piece: &[u8], base: u64, last: bool, found: &mut dyn FnMut(FoundFrame)) -> usize {
    let mut at = 0;
    while let Some(start) = find(piece, at) {
        let rest = &piece[start..];
        if rest.len() < HEAD_BYTES && !last {
            return start;
        }
        let Some(head) = FrameHeader::read(rest) else {
            // What is shorter than a head was torn.
            if rest.len() >= HEAD_BYTES {
                found(FoundFrame::Headless);
            }
            at = start + 1;
            continue;
        };
        match rest.get(..head.end) {
            None if !last => return start,
            Some(frame) if is_whole(frame) => {
                let offset = base + start as u64;
                let len = u32::try_from(head.end).unwrap_or(u32::MAX);
                let sample = head.kind == UpKind::Sample;
                found(FoundFrame::Whole { position: head.position, offset, len, sample });
                at = start + head.end;
            }
            _ => {
                found(FoundFrame::Damaged(head.position));
                at = start + HEAD_BYTES;
            }
        }
    }
    // The mark itself may be cut in two.
    at.max(piece.len().saturating_sub(MARK.len() - 1))
}

fn is_whole(frame: &[u8]) -> bool {
    let (all, crc) = frame.split_at(frame.len() - CRC_BYTES);
    crc32fast::hash(all).to_be_bytes() == crc
}

fn find(piece: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at += piece.get(at..)?.iter().position(|byte| *byte == MARK[0])?;
        if piece[at..].starts_with(&MARK) {
            return Some(at);
        }
        at += 1;
    }
}

/// The number in the name of a file of frames.
pub(super) fn number_in(path: &Path) -> Option<u32> {
    path.extension().filter(|end| *end == "rec")?;
    path.file_stem()?.to_str()?.parse().ok()
}

/// Writes frames into a new file so that it is there whole, or not at all.
pub(super) fn write_file<F: AsRef<[u8]>>(path: &Path, frames: impl Iterator<Item = io::Result<F>>) -> io::Result<()> {
    let dir = path.parent().unwrap_or_else(|| Path::new("."));
    let new = !dir.exists();
    fs::create_dir_all(dir)?;
    replace_durably(path, 0o644, |file| {
        for frame in frames {
            file.write_all(frame?.as_ref())?;
        }
        Ok(())
    })?;
    // The spool's directory and the one that it is in, when they are new.
    let parents = dir.ancestors().skip(1).take(if new { 2 } else { 0 });
    parents.filter(|parent| !parent.as_os_str().is_empty()).try_for_each(sync_dir)
}

/// What was being written when a run was cut off may hold reports that are nowhere else: it is read under another name, which nothing is
/// written to.
pub(super) fn rename_cut_off(path: &Path) -> io::Result<PathBuf> {
    let to = path.with_file_name(format!("{CUT_OFF_PREFIX}{:016}.rec", clock::now().as_millis()));
    if to.exists() {
        return Ok(path.to_owned());
    }
    fs::rename(path, &to).map(|()| to)
}

pub(super) fn is_cut_off(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "tmp")
        || path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(CUT_OFF_PREFIX))
}

#[cfg(test)]
mod tests {
    use super::frame_at;

    #[test]
    fn a_read_that_is_short_or_interrupted_is_no_damage() {
        /// Brings three bytes at a time, and is interrupted every other time.
        struct Slow(Vec<u8>, std::cell::Cell<bool>);

        impl std::os::unix::fs::FileExt for Slow {
            fn read_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<usize> {
                if !self.1.replace(!self.1.get()) {
                    return Err(std::io::ErrorKind::Interrupted.into());
                }
                let rest = &self.0[usize::try_from(offset).expect("small").min(self.0.len())..];
                let count = rest.len().min(buffer.len()).min(3);
                buffer[..count].copy_from_slice(&rest[..count]);
                Ok(count)
            }

            fn write_at(&self, _: &[u8], _: u64) -> std::io::Result<usize> {
                Err(std::io::ErrorKind::Unsupported.into())
            }
        }

        let file = Slow((0..20).collect(), std::cell::Cell::new(false));
        assert_eq!(frame_at(&file, 2, 10).expect("read"), Some((2..12).collect()));
        assert_eq!(frame_at(&file, 15, 10).expect("read"), None, "it ends before");
    }
}
