//! Plain files in a tar, as `tar` itself reads them (ustar): names of up to 100 bytes, of any size. Nothing else is written or taken, and a
//! header is taken only where it is, byte for byte, the one that is written here: there is no room in it for what other programs would unpack
//! and this one would not see. Backups are written and read as they flow; an archive of records is looked through in its file.

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom, Write};

const BLOCK: usize = 512;
/// Longest name, bytes.
const NAME_MAX: usize = 100;
/// The largest size that is written in octal digits: 8 GiB.
const OCTAL_MAX: u64 = 0o777_7777_7777;
/// Most files of an archive that is looked through.
const FILES_MAX: usize = 1_000_000;

/// What is read cannot be such a tar.
fn faulty(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// Whether a name is a path below the directory that it is unpacked into, of plain words in ASCII.
pub(crate) fn is_plain(name: &str) -> bool {
    let word = |word: &str| {
        !word.is_empty()
            && !word.starts_with('.')
            && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.@+".contains(&b))
    };
    name.len() <= NAME_MAX && name.split('/').all(word)
}

fn checksum(header: &[u8; BLOCK]) -> u64 {
    let sum = |bytes: &[u8]| bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>();
    sum(&header[..148]) + sum(&header[156..]) + 8 * u64::from(b' ')
}

/// The one header of a file of this name, of so many bytes, and of that second since 1970.
fn header(name: &str, bytes: u64, mtime_s: u64) -> io::Result<[u8; BLOCK]> {
    if !is_plain(name) {
        return Err(faulty("a name is no plain path"));
    }
    let mut header = [0; BLOCK];
    let mut put = |at: usize, text: &[u8]| header[at..at + text.len()].copy_from_slice(text);
    put(0, name.as_bytes());
    put(100, b"0000600\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    if bytes <= OCTAL_MAX {
        put(124, format!("{bytes:011o}\0").as_bytes());
    } else {
        put(124, &[0x80, 0, 0, 0]);
        put(128, &bytes.to_be_bytes());
    }
    put(136, format!("{:011o}\0", mtime_s.min(OCTAL_MAX)).as_bytes());
    put(156, b"0");
    put(257, b"ustar\x0000");
    let sum = checksum(&header);
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    Ok(header)
}

/// The name and the size that a header gives.
fn parse(found: &[u8; BLOCK]) -> io::Result<(String, u64)> {
    let number = |field: &[u8]| {
        let digits: String = field.iter().map(|byte| char::from(*byte)).collect();
        u64::from_str_radix(digits.trim_matches(['\0', ' ']), 8).ok()
    };
    if number(&found[148..156]) != Some(checksum(found)) {
        return Err(faulty("a head of a file is none"));
    }
    let bytes = if found[124] == 0x80 {
        let mut size = [0; 8];
        size.copy_from_slice(&found[128..136]);
        Some(u64::from_be_bytes(size))
    } else {
        number(&found[124..136])
    };
    let name: Vec<u8> = found[..NAME_MAX].iter().copied().take_while(|byte| *byte != 0).collect();
    let name = String::from_utf8(name).ok().filter(|name| is_plain(name));
    let name = name.ok_or_else(|| faulty("a name is no plain path"))?;
    let bytes = bytes.ok_or_else(|| faulty("a size is none"))?;
    let mtime_s = number(&found[136..148]).ok_or_else(|| faulty("a time is none"))?;
    if header(&name, bytes, mtime_s)? != *found {
        return Err(faulty("a head of a file is not as this program writes them"));
    }
    Ok((name, bytes))
}

/// Writes files one after the other.
pub(crate) struct TarWriter<W> {
    inner: W,
    mtime_s: u64,
}

impl<W: Write> TarWriter<W> {
    pub(crate) const fn new(inner: W, mtime_s: u64) -> Self {
        Self { inner, mtime_s }
    }

    /// Appends a file of so many bytes.
    pub(crate) fn append(&mut self, name: &str, bytes: u64, content: &mut dyn Read) -> io::Result<()> {
        self.inner.write_all(&header(name, bytes, self.mtime_s)?)?;
        let written = io::copy(&mut content.take(bytes), &mut self.inner)?;
        if written != bytes {
            return Err(io::Error::other(format!(
                "{name} has {written} bytes, not {bytes}: it became shorter while it was read"
            )));
        }
        self.inner.write_all(&[0; BLOCK][..padding(bytes)])
    }

    /// Writes the end.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.inner.write_all(&[0; 2 * BLOCK])?;
        Ok(self.inner)
    }
}

fn padding(bytes: u64) -> usize {
    usize::try_from(bytes.wrapping_neg() % BLOCK as u64).unwrap_or(0)
}

/// Reads files one after the other.
pub(crate) struct TarReader<R> {
    inner: R,
}

impl<R: Read> TarReader<R> {
    pub(crate) const fn new(inner: R) -> Self {
        Self { inner }
    }

    /// The next file's name and size; nothing at the end, behind which there is nothing.
    pub(crate) fn next_file(&mut self) -> io::Result<Option<(String, u64)>> {
        let mut header = [0; BLOCK];
        self.inner.read_exact(&mut header)?;
        if header.iter().all(|byte| *byte == 0) {
            let mut rest = Vec::new();
            (&mut self.inner).take(16 * BLOCK as u64).read_to_end(&mut rest)?;
            let is_end = rest.len() >= BLOCK && rest.len() < 16 * BLOCK && rest.iter().all(|byte| *byte == 0);
            return if is_end { Ok(None) } else { Err(faulty("its end is none, or something stands behind it")) };
        }
        parse(&header).map(Some)
    }

    /// Reads the content of the file whose head was read, of so many bytes.
    pub(crate) fn content(&mut self, bytes: u64, take: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let mut left = bytes;
        let mut buffer = vec![0; 128 * 1024];
        while left > 0 {
            let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            self.inner.read_exact(&mut buffer[..wanted])?;
            take(&buffer[..wanted])?;
            left -= wanted as u64;
        }
        let mut rest = [0; BLOCK];
        self.inner.read_exact(&mut rest[..padding(bytes)])
    }
}

/// A file of an archive, and where its content lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TarEntry {
    pub(crate) name: String,
    pub(crate) bytes: u64,
    at: u64,
}

impl TarEntry {
    /// Its content.
    pub(crate) fn read<'f>(&self, file: &'f mut File) -> io::Result<io::Take<&'f mut File>> {
        file.seek(SeekFrom::Start(self.at))?;
        Ok(file.take(self.bytes))
    }
}

/// What is in an archive, which is one as [`TarWriter`] makes them, byte by byte beside the content.
pub(crate) fn list(file: &mut File) -> io::Result<Vec<TarEntry>> {
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
        let (name, bytes) = parse(&found).map_err(|error| broken(at, &error.to_string()))?;
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

    fn made(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut tar = TarWriter::new(Vec::new(), 1_800_000_000);
        for (name, content) in files {
            tar.append(name, content.len() as u64, &mut &**content).expect("appended");
        }
        tar.finish().expect("ended")
    }

    fn read(bytes: &[u8]) -> io::Result<Vec<(String, Vec<u8>)>> {
        let (mut tar, mut files) = (TarReader::new(bytes), Vec::new());
        while let Some((name, bytes)) = tar.next_file()? {
            let mut content = Vec::new();
            tar.content(bytes, &mut |part| {
                content.extend_from_slice(part);
                Ok(())
            })?;
            files.push((name, content));
        }
        Ok(files)
    }

    #[test]
    fn what_is_written_is_read_whatever_its_length() {
        let long = vec![5_u8; 3 * BLOCK];
        let tar = made(&[("pki/ca.pem", b"x"), ("empty", b""), ("long", &long), ("odd", &long[..513])]);
        let files = read(&tar).expect("read");
        assert_eq!(files.len(), 4);
        assert_eq!((files[0].0.as_str(), files[0].1.as_slice()), ("pki/ca.pem", &b"x"[..]));
        assert!(files[1].1.is_empty() && files[2].1 == long && files[3].1.len() == 513);
        assert!(read(&tar[..tar.len() - BLOCK - 1]).is_err() && read(&tar[..700]).is_err(), "cut off");
        assert!(read(&[tar.as_slice(), b"x"].concat()).is_err(), "something behind its end");
        let large = header("large", 20 << 30, 0).expect("a head");
        assert_eq!(TarReader::new(&large[..]).next_file().expect("read"), Some(("large".to_owned(), 20 << 30)));
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for name in ["", "/etc/passwd", "a/../b", "..", "a//b", ".hidden", "a/", "a b", "a\\b", "ế", &"x".repeat(101)]
        {
            assert!(!is_plain(name) && header(name, 0, 0).is_err(), "{name}");
        }
        let mut tar = made(&[("file", b"x")]);
        tar[..4].copy_from_slice(b"../x");
        assert!(read(&tar).is_err(), "its sum is wrong");
        let mut block = [0; BLOCK];
        block.copy_from_slice(&tar[..BLOCK]);
        let sum = checksum(&block);
        tar[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        assert!(read(&tar).is_err_and(|error| error.to_string().contains("plain path")));
        let mut link = made(&[("file", b"x")]);
        link[156] = b'2';
        block.copy_from_slice(&link[..BLOCK]);
        let sum = checksum(&block);
        link[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        assert!(read(&link).is_err(), "a link is no file");
    }

    #[test]
    fn what_is_written_is_read_by_us_and_by_tar_and_what_is_damaged_is_said() {
        let dir = tempfile::tempdir().expect("directory");
        let path = dir.path().join("a.tar");
        let mut writer = TarWriter::new(File::create(&path).expect("made"), 1_764_000_000);
        let files = [("a.txt", b"one".to_vec()), ("keys/b.pem", vec![7; 512]), ("empty", Vec::new())];
        for (name, content) in &files {
            writer.append(name, content.len() as u64, &mut content.as_slice()).expect("added");
        }
        assert!(writer.append(&"x".repeat(101), 0, &mut io::empty()).is_err());
        assert!(writer.append("short", 5, &mut b"four".as_slice()).is_err());
        // What was begun and failed is no part of a good archive.
        let mut writer = TarWriter::new(File::create(&path).expect("made"), 1_764_000_000);
        for (name, content) in &files {
            writer.append(name, content.len() as u64, &mut content.as_slice()).expect("added");
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
}
