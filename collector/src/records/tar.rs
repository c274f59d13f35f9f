//! The archive's format: POSIX ustar, regular files only, with short names. What `tar -xf` unpacks.

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom, Write};

/// Blocks of a tar archive, bytes.
const BLOCK: usize = 512;
/// Longest name.
const NAME_MAX: usize = 100;
/// Most files of an archive that is read.
const FILES_MAX: usize = 1_000_000;

/// Writes an archive.
pub(super) struct TarWriter<W>(W);

impl<W: Write> TarWriter<W> {
    pub(super) const fn new(out: W) -> Self {
        Self(out)
    }

    /// Adds a file of so many bytes, made at so many seconds since 1970.
    pub(super) fn add(&mut self, name: &str, bytes: u64, at_s: u64, content: &mut dyn Read) -> io::Result<()> {
        if name.is_empty() || name.len() > NAME_MAX {
            return Err(io::Error::other(format!("the name {name:?} does not fit into an archive")));
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

/// What is in an archive.
pub(super) fn list(file: &mut File) -> io::Result<Vec<TarEntry>> {
    let whole = file.metadata()?.len();
    let (mut entries, mut at) = (Vec::new(), 0_u64);
    loop {
        let mut header = [0_u8; BLOCK];
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(&mut header).map_err(|_| broken(at, "it ends before its end"))?;
        if header.iter().all(|byte| *byte == 0) {
            return Ok(entries);
        }
        let text = |from: usize, to: usize| {
            let field = header.get(from..to).unwrap_or_default();
            std::str::from_utf8(field.split(|byte| *byte == 0).next().unwrap_or_default()).unwrap_or_default().trim()
        };
        let octal = |from, to| u64::from_str_radix(text(from, to), 8).map_err(|_| broken(at, "a number is none"));
        let sum: u64 = header
            .iter()
            .enumerate()
            .map(|(place, byte)| if (148..156).contains(&place) { u64::from(b' ') } else { u64::from(*byte) })
            .sum();
        let (name, bytes) = (text(0, NAME_MAX).to_owned(), octal(124, 136)?);
        if sum != octal(148, 156)? || text(257, 262) != "ustar" || text(156, 157) != "0" || name.is_empty() {
            return Err(broken(at, "no file stands there"));
        }
        at += BLOCK as u64;
        if at.saturating_add(bytes) > whole || entries.len() >= FILES_MAX {
            return Err(broken(at, "a file ends behind its end"));
        }
        entries.push(TarEntry { name, bytes, at });
        at += bytes.div_ceil(BLOCK as u64) * BLOCK as u64;
    }
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
}
