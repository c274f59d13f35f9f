//! The archive's format: POSIX ustar, regular files only, with short names. What `tar -xf` unpacks.

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom, Write};

/// Blocks of a tar archive, bytes.
const BLOCK: usize = 512;
/// Longest name.
const NAME_MAX: usize = 100;
/// Largest number that its field holds: eleven octal digits.
const OCTAL_MAX: u64 = 0o77_777_777_777;
/// Most files of an archive that is read.
const FILES_MAX: usize = 1_000_000;

/// Whether a file of an archive may be named so: a plain path below the place where it is unpacked, in ASCII. Every name is held to that, when
/// a file is made for it, when it is put into an archive, and when one is read.
pub(super) fn is_name(name: &str) -> bool {
    let plain = |part: &str| {
        !matches!(part, "" | "." | "..")
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
    };
    name.len() <= NAME_MAX && name.split('/').all(plain)
}

/// The one header that a file of this name, of so many bytes and of that second since 1970 has; none where that does not fit.
fn header(name: &str, bytes: u64, at_s: u64) -> Option<[u8; BLOCK]> {
    if !is_name(name) || bytes > OCTAL_MAX || at_s > OCTAL_MAX {
        return None;
    }
    let mut header = [0_u8; BLOCK];
    let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, "0000600\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, &format!("{bytes:011o}\0"));
    put(136, &format!("{at_s:011o}\0"));
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    Some(header)
}

/// Writes an archive.
pub(super) struct TarWriter<W>(W);

impl<W: Write> TarWriter<W> {
    pub(super) const fn new(out: W) -> Self {
        Self(out)
    }

    /// Adds a file of so many bytes, made at so many seconds since 1970.
    pub(super) fn add(&mut self, name: &str, bytes: u64, at_s: u64, content: &mut dyn Read) -> io::Result<()> {
        let header = header(name, bytes, at_s)
            .ok_or_else(|| io::Error::other(format!("the file {name:?} does not fit into an archive")))?;
        self.0.write_all(&header)?;
        let written = io::copy(&mut content.take(bytes), &mut self.0)?;
        if written != bytes {
            return Err(io::Error::other(format!("{name} has {written} bytes, not {bytes}")));
        }
        let padding = (BLOCK as u64 - bytes % BLOCK as u64) % BLOCK as u64;
        io::copy(&mut io::repeat(0).take(padding), &mut self.0).map(|_| ())
    }

    /// Ends the archive.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.0.write_all(&[0; 2 * BLOCK])?;
        self.0.flush()?;
        Ok(self.0)
    }
}

/// A file of an archive, and where its content lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TarEntry {
    pub(super) name: String,
    pub(super) bytes: u64,
    at: u64,
}

impl TarEntry {
    /// Its content.
    pub(super) fn read<'f>(&self, file: &'f mut File) -> io::Result<io::Take<&'f mut File>> {
        file.seek(SeekFrom::Start(self.at))?;
        Ok(file.take(self.bytes))
    }
}

/// What is in an archive. It is one as [`TarWriter`] makes them, byte by byte beside the content: there is no room in it for what other programs
/// would unpack and this one would not see.
pub(super) fn list(file: &mut File) -> io::Result<Vec<TarEntry>> {
    let whole = file.metadata()?.len();
    let (mut entries, mut at) = (Vec::new(), 0_u64);
    loop {
        let mut found = [0_u8; BLOCK];
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(&mut found).map_err(|_| broken(at, "it ends before its end"))?;
        if found.iter().all(|byte| *byte == 0) {
            if whole != at + 2 * BLOCK as u64 || !is_zero(file, at, whole)? {
                return Err(broken(at, "something stands behind its end, or the end is cut off"));
            }
            return Ok(entries);
        }
        let text = |from: usize, to: usize| {
            let field = found.get(from..to).unwrap_or_default();
            std::str::from_utf8(field.split(|byte| *byte == 0).next().unwrap_or_default()).unwrap_or_default().trim()
        };
        let octal = |from, to| u64::from_str_radix(text(from, to), 8).map_err(|_| broken(at, "a number is none"));
        let (name, bytes) = (text(0, NAME_MAX).to_owned(), octal(124, 136)?);
        if header(&name, bytes, octal(136, 148)?) != Some(found) {
            return Err(broken(at, "no file stands there as this program writes them"));
        }
        at += BLOCK as u64;
        if at.saturating_add(bytes) > whole || entries.len() >= FILES_MAX {
            return Err(broken(at, "a file ends behind its end"));
        }
        entries.push(TarEntry { name, bytes, at });
        let end = at + bytes;
        at += bytes.div_ceil(BLOCK as u64) * BLOCK as u64;
        if !is_zero(file, end, at)? {
            return Err(broken(end, "something stands behind a file"));
        }
    }
}

/// Whether there is nothing but zeros from one place to another, a few blocks at most.
fn is_zero(file: &mut File, from: u64, to: u64) -> io::Result<bool> {
    let mut found = Vec::new();
    file.seek(SeekFrom::Start(from))?;
    file.take(to - from).read_to_end(&mut found)?;
    Ok(found.iter().all(|byte| *byte == 0))
}

fn broken(at: u64, why: &str) -> io::Error {
    io::Error::other(format!("byte {at} of the archive: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_by_us_and_by_tar_and_what_is_damaged_is_said() {
        let dir = tempfile::tempdir().expect("directory");
        let path = dir.path().join("a.tar");
        let mut writer = TarWriter::new(File::create(&path).expect("made"));
        let files = [("a.txt", b"one".to_vec()), ("keys/b.pem", vec![7; 512]), ("empty", Vec::new())];
        for (name, content) in &files {
            writer.add(name, content.len() as u64, 1_764_000_000, &mut content.as_slice()).expect("added");
        }
        assert!(writer.add(&"x".repeat(101), 0, 0, &mut io::empty()).is_err());
        assert!(writer.add("short", 5, 0, &mut b"four".as_slice()).is_err());
        // What was begun and failed is no part of a good archive.
        let mut writer = TarWriter::new(File::create(&path).expect("made"));
        for (name, content) in &files {
            writer.add(name, content.len() as u64, 1_764_000_000, &mut content.as_slice()).expect("added");
        }
        writer.finish().expect("ended");
        let mut file = File::open(&path).expect("opened");
        let found = list(&mut file).expect("listed");
        for ((name, content), entry) in files.iter().zip(&found) {
            let mut read = Vec::new();
            entry.read(&mut file).expect("there").read_to_end(&mut read).expect("read");
            assert_eq!((entry.name.as_str(), &read), (*name, content));
        }
        #[allow(clippy::disallowed_methods, reason = "a test asks the program that people have")]
        let listed = std::process::Command::new("tar").arg("-tf").arg(&path).output().expect("runs");
        assert_eq!(String::from_utf8_lossy(&listed.stdout), "a.txt\nkeys/b.pem\nempty\n");
        let whole = std::fs::read(&path).expect("read");
        // What stands in between or behind is said, too: a mode, a link's name, a prefix, an owner, bytes after a file, bytes after all.
        let sum = |bytes: &mut [u8]| {
            bytes[148..156].copy_from_slice(b"        ");
            let sum: u32 = bytes[..BLOCK].iter().map(|byte| u32::from(*byte)).sum();
            bytes[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        };
        for place in [103, 110, 160, 270, 345, 400, 511, 515, 700, whole.len() - 1, whole.len() - BLOCK - 1] {
            let mut bytes = whole.clone();
            bytes[place] = b'7';
            sum(&mut bytes);
            std::fs::write(&path, &bytes).expect("written");
            let said = list(&mut File::open(&path).expect("opened")).expect_err("broken").to_string();
            assert!(said.contains("of the archive"), "{place}: {said}");
        }
        for bytes in
            [[&whole[..], b"x"].concat(), [&whole[..], &[0; BLOCK]].concat(), whole[..whole.len() - 1].to_vec()]
        {
            std::fs::write(&path, &bytes).expect("written");
            assert!(list(&mut File::open(&path).expect("opened")).is_err(), "behind its end");
        }
        for (place, cut) in [(0, whole.len()), (130, whole.len()), (0, 700), (0, 100)] {
            let mut bytes = whole[..cut].to_vec();
            if cut == whole.len() {
                bytes[place] ^= 1;
            }
            std::fs::write(&path, &bytes).expect("written");
            let said = list(&mut File::open(&path).expect("opened")).expect_err("broken").to_string();
            assert!(said.contains("of the archive"), "{said}");
        }
    }

    #[test]
    fn a_name_is_a_path_below_and_nothing_else() {
        for name in ["manifest.json", "keys/0123456789abcdef.pem", "files/INC-000012/aa", "a..b"] {
            assert!(is_name(name), "{name}");
        }
        let long = "x".repeat(NAME_MAX + 1);
        for name in
            ["", "/etc/passwd", "../a", "a/../b", "a/..", "./a", "a//b", "a/", "a\\b", "a\0b", "máy", "a b", &long]
        {
            assert!(!is_name(name), "{name}");
            assert!(TarWriter::new(Vec::new()).add(name, 0, 0, &mut io::empty()).is_err(), "{name}");
        }
    }
}
