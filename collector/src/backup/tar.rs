//! Plain files in a tar, as `tar` itself reads them (ustar): names of up to 100 bytes, of any size. Nothing else is written or taken.

use std::io::{self, Read, Write};

const BLOCK: usize = 512;
/// Longest name, bytes.
const NAME_MAX: usize = 100;
/// The largest size that is written in octal digits: 8 GiB.
const OCTAL_MAX: u64 = 0o777_7777_7777;

/// What is read cannot be such a tar.
fn faulty(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// Whether a name is a path below the directory that it is unpacked into, of plain words.
pub(super) fn is_plain(name: &str) -> bool {
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

/// Writes files one after the other.
pub(super) struct TarWriter<W> {
    inner: W,
    mtime_s: u64,
}

impl<W: Write> TarWriter<W> {
    pub(super) const fn new(inner: W, mtime_s: u64) -> Self {
        Self { inner, mtime_s }
    }

    /// Appends a file of so many bytes.
    pub(super) fn append(&mut self, name: &str, bytes: u64, content: &mut dyn Read) -> io::Result<()> {
        self.inner.write_all(&header(name, bytes, self.mtime_s)?)?;
        let written = io::copy(&mut content.take(bytes), &mut self.inner)?;
        if written != bytes {
            return Err(io::Error::other("a file became shorter while it was read"));
        }
        self.inner.write_all(&[0; BLOCK][..padding(bytes)])
    }

    /// Writes the end.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.inner.write_all(&[0; 2 * BLOCK])?;
        Ok(self.inner)
    }
}

fn padding(bytes: u64) -> usize {
    usize::try_from(bytes.wrapping_neg() % BLOCK as u64).unwrap_or(0)
}

/// Reads files one after the other.
pub(super) struct TarReader<R> {
    inner: R,
}

impl<R: Read> TarReader<R> {
    pub(super) const fn new(inner: R) -> Self {
        Self { inner }
    }

    /// The next file's name and size; nothing at the end, behind which there is nothing.
    pub(super) fn next_file(&mut self) -> io::Result<Option<(String, u64)>> {
        let mut header = [0; BLOCK];
        self.inner.read_exact(&mut header)?;
        if header.iter().all(|byte| *byte == 0) {
            let mut rest = Vec::new();
            (&mut self.inner).take(16 * BLOCK as u64).read_to_end(&mut rest)?;
            let is_end = rest.len() >= BLOCK && rest.len() < 16 * BLOCK && rest.iter().all(|byte| *byte == 0);
            return if is_end { Ok(None) } else { Err(faulty("its end is none, or something stands behind it")) };
        }
        let number = |field: &[u8]| {
            let digits: String = field.iter().map(|byte| char::from(*byte)).collect();
            u64::from_str_radix(digits.trim_matches(['\0', ' ']), 8).ok()
        };
        if number(&header[148..156]) != Some(checksum(&header)) || &header[257..262] != b"ustar" || header[156] != b'0'
        {
            return Err(faulty("a head of a file is none"));
        }
        let bytes = if header[124] == 0x80 {
            let mut size = [0; 8];
            size.copy_from_slice(&header[128..136]);
            Some(u64::from_be_bytes(size))
        } else {
            number(&header[124..136])
        };
        let name: Vec<u8> = header[..NAME_MAX].iter().copied().take_while(|byte| *byte != 0).collect();
        let name = String::from_utf8(name).ok().filter(|name| is_plain(name));
        Ok(Some((
            name.ok_or_else(|| faulty("a name is no plain path"))?,
            bytes.ok_or_else(|| faulty("a size is none"))?,
        )))
    }

    /// Reads the content of the file whose head was read, of so many bytes.
    pub(super) fn content(&mut self, bytes: u64, take: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
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
}
