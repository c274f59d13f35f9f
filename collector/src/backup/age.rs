//! The file format of age, version 1 (<https://age-encryption.org/v1>), as far as backups need it: sealed by a passphrase or for X25519
//! recipients, so that `age -d` opens an archive where no collector is.
//!
//! ring does the ciphers, scrypt and x25519-dalek what ring does not. Why the crate `age` is not used: docs/decisions/0030-backups.md.

use std::io::{self, Read, Write};

use data_encoding::BASE64_NOPAD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::{hkdf, hmac};
use x25519_dalek::{PublicKey, StaticSecret};

use ioc_common::random;

/// The first line of a file.
pub(super) const MAGIC: &[u8] = b"age-encryption.org/v1\n";
/// What one seal of the stream covers, and what a seal adds, bytes.
const CHUNK: usize = 64 * 1024;
const TAG: usize = 16;
/// How hard a passphrase is to try: 2^15 rounds take 32 MiB and a tenth of a second. It is long and random, so more would only cost memory.
const SCRYPT_LOG_N: u8 = 15;
/// The hardest that is opened, which is what `age` itself seals by: 256 MiB, as the service can have them. A head is read before anything
/// is proven.
const SCRYPT_LOG_N_MAX: u8 = 18;
/// Longest head of a file, bytes.
const HEAD_MAX: usize = 64 * 1024;
/// Letters of bech32, by their value.
const BECH32: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";

/// What a file is sealed by.
#[derive(Clone)]
pub enum SealKey {
    /// A passphrase.
    Passphrase(String),
    /// Public keys, of whom each can open it.
    Recipients(Vec<[u8; 32]>),
}

/// What a file is opened by.
#[derive(Clone)]
pub enum OpenKey {
    /// A passphrase.
    Passphrase(String),
    /// Private keys, of which one has to fit.
    Identities(Vec<[u8; 32]>),
}

/// Why a file cannot be sealed or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AgeError {
    /// Its head is not one.
    #[error("its head is damaged: {0}")]
    Head(&'static str),
    /// The passphrase does not open it.
    #[error("the passphrase is not the one that it was sealed by, or its head is damaged")]
    Passphrase,
    /// No key opens it.
    #[error("none of the identities opens it, or its head is damaged")]
    Identity,
    /// It is sealed in the other way.
    #[error("it is sealed {0}, and what was given does not open that")]
    OtherKey(&'static str),
    /// A part of it is not as it was written.
    #[error("it is damaged near byte {0}")]
    Damaged(u64),
    /// It ends too soon.
    #[error("it is cut off at byte {0}")]
    Cut(u64),
    /// A text that is no key.
    #[error("{0:?} is no key of age")]
    Key(String),
    /// The system gives no randomness, or a key is impossible.
    #[error("the system gives no keys")]
    NoKeys,
}

impl From<AgeError> for io::Error {
    fn from(error: AgeError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

/// The public key that a text `age1…` stands for.
///
/// # Errors
/// [`AgeError::Key`] when it is none.
pub fn recipient(text: &str) -> Result<[u8; 32], AgeError> {
    // Whoever pastes the wrong line of the pair must not find it in a log.
    let shown =
        || if text.starts_with("age1") { text.to_owned() } else { "(not shown: it may be a private key)".to_owned() };
    bech32(text, "age").ok_or_else(|| AgeError::Key(shown()))
}

/// The private keys in the text of an identity file.
///
/// # Errors
/// [`AgeError::Key`] when a line is none, or there is none. It does not say what the line was.
pub fn identities(text: &str) -> Result<Vec<[u8; 32]>, AgeError> {
    let none = || AgeError::Key("AGE-SECRET-KEY-…".to_owned());
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let keys = lines.map(|line| bech32(&line.to_lowercase(), "age-secret-key-").ok_or_else(none));
    let keys = keys.collect::<Result<Vec<_>, _>>()?;
    if keys.is_empty() { Err(none()) } else { Ok(keys) }
}

/// The 32 bytes of a bech32 text.
fn bech32(text: &str, prefix: &str) -> Option<[u8; 32]> {
    let rest = text.strip_prefix(prefix)?.strip_prefix('1')?;
    let values: Vec<u8> = rest
        .bytes()
        .map(|byte| BECH32.iter().position(|letter| *letter == byte).and_then(|place| u8::try_from(place).ok()))
        .collect::<Option<_>>()?;
    let spread = prefix.bytes().map(|byte| byte >> 5).chain([0]).chain(prefix.bytes().map(|byte| byte & 31));
    let checksum = spread.chain(values.iter().copied()).fold(1_u32, |sum, value| {
        let top = sum >> 25;
        let sum = (sum & 0x01ff_ffff) << 5 ^ u32::from(value);
        let parts = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3_u32];
        parts.iter().enumerate().fold(sum, |sum, (bit, part)| if top >> bit & 1 == 1 { sum ^ part } else { sum })
    });
    if checksum != 1 {
        return None;
    }
    let data = values.get(..values.len().checked_sub(6)?)?;
    let (mut bytes, mut bits, mut held) = (Vec::with_capacity(33), 0_u32, 0_u32);
    for value in data {
        (held, bits) = (held << 5 | u32::from(*value), bits + 5);
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(held >> bits & 0xff).ok()?);
            held &= (1 << bits) - 1;
        }
    }
    // What is left over of the last letter is nothing.
    (held == 0 && bits < 5).then_some(())?;
    bytes.try_into().ok()
}

/// Length of a derived key.
struct Bytes32;

impl hkdf::KeyType for Bytes32 {
    fn len(&self) -> usize {
        32
    }
}

fn derive(key: &[u8], salt: &[u8], info: &[u8]) -> Result<[u8; 32], AgeError> {
    let mut out = [0; 32];
    let derived = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(key);
    derived.expand(&[info], Bytes32).and_then(|okm| okm.fill(&mut out)).map_err(|_| AgeError::NoKeys)?;
    Ok(out)
}

fn cipher(key: &[u8; 32]) -> Result<LessSafeKey, AgeError> {
    Ok(LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, key).map_err(|_| AgeError::NoKeys)?))
}

/// Seals the file's key by another one, which seals nothing else.
fn wrap(key: &[u8; 32], file_key: &[u8; 16]) -> Result<Vec<u8>, AgeError> {
    let mut body = file_key.to_vec();
    let nonce = Nonce::assume_unique_for_key([0; NONCE_LEN]);
    cipher(key)?.seal_in_place_append_tag(nonce, Aad::empty(), &mut body).map_err(|_| AgeError::NoKeys)?;
    Ok(body)
}

fn unwrap_key(key: &[u8; 32], body: &[u8]) -> Option<[u8; 16]> {
    let mut body = body.to_vec();
    let nonce = Nonce::assume_unique_for_key([0; NONCE_LEN]);
    cipher(key).ok()?.open_in_place(nonce, Aad::empty(), &mut body).ok()?.try_into().ok().map(|key: [u8; 16]| key)
}

fn scrypt_key(passphrase: &str, salt: &[u8], log_n: u8) -> Result<[u8; 32], AgeError> {
    let params = scrypt::Params::new(log_n, 8, 1, 32).map_err(|_| AgeError::NoKeys)?;
    let salt = [b"age-encryption.org/v1/scrypt", salt].concat();
    let mut key = [0; 32];
    scrypt::scrypt(passphrase.as_bytes(), &salt, &params, &mut key).map_err(|_| AgeError::NoKeys)?;
    Ok(key)
}

const X25519_INFO: &[u8] = b"age-encryption.org/v1/X25519";

fn x25519_key(own: &StaticSecret, other: &[u8; 32], salt: &[u8]) -> Result<[u8; 32], AgeError> {
    let shared = own.diffie_hellman(&PublicKey::from(*other));
    if !shared.was_contributory() {
        return Err(AgeError::Head("a share of a key is weak"));
    }
    derive(shared.as_bytes(), salt, X25519_INFO)
}

/// The head of a file up to the code over it, and the stanzas of a key.
fn head(key: &SealKey, file_key: &[u8; 16]) -> Result<String, AgeError> {
    let mut head = String::from_utf8_lossy(MAGIC).into_owned();
    let mut stanza = |words: &str, body: &[u8]| {
        head += &format!("-> {words}\n{}\n", BASE64_NOPAD.encode(body));
    };
    match key {
        SealKey::Passphrase(passphrase) => {
            let salt: [u8; 16] = random::secret().map_err(|_| AgeError::NoKeys)?;
            let body = wrap(&scrypt_key(passphrase, &salt, SCRYPT_LOG_N)?, file_key)?;
            stanza(&format!("scrypt {} {SCRYPT_LOG_N}", BASE64_NOPAD.encode(&salt)), &body);
        }
        SealKey::Recipients(recipients) => {
            for one in recipients {
                let own = StaticSecret::from(random::secret::<32>().map_err(|_| AgeError::NoKeys)?);
                let share = PublicKey::from(&own).to_bytes();
                let body = wrap(&x25519_key(&own, one, &[share, *one].concat())?, file_key)?;
                stanza(&format!("X25519 {}", BASE64_NOPAD.encode(&share)), &body);
            }
        }
    }
    Ok(head + "---")
}

fn code_over(head: &str, file_key: &[u8; 16]) -> Result<hmac::Key, AgeError> {
    debug_assert!(head.ends_with("---"), "the code is over all before it");
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &derive(file_key, &[], b"header")?))
}

/// The nonce of a part: its number, and whether it is the last.
fn nonce(number: u64, last: bool) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    bytes[3..11].copy_from_slice(&number.to_be_bytes());
    bytes[11] = u8::from(last);
    Nonce::assume_unique_for_key(bytes)
}

/// Seals what is written to it.
pub(crate) struct AgeWriter<W> {
    inner: W,
    key: LessSafeKey,
    number: u64,
    buffer: Vec<u8>,
}

impl<W: Write> AgeWriter<W> {
    /// Writes the head.
    pub(crate) fn new(mut inner: W, key: &SealKey) -> io::Result<Self> {
        let file_key: [u8; 16] = random::secret().map_err(|_| AgeError::NoKeys)?;
        let salt: [u8; 16] = random::secret().map_err(|_| AgeError::NoKeys)?;
        let head = head(key, &file_key)?;
        let code = hmac::sign(&code_over(&head, &file_key)?, head.as_bytes());
        writeln!(inner, "{head} {}", BASE64_NOPAD.encode(code.as_ref()))?;
        inner.write_all(&salt)?;
        let key = cipher(&derive(&file_key, &salt, b"payload")?)?;
        Ok(Self { inner, key, number: 0, buffer: Vec::with_capacity(CHUNK + TAG) })
    }

    fn put(&mut self, last: bool) -> io::Result<()> {
        let sealed = self.key.seal_in_place_append_tag(nonce(self.number, last), Aad::empty(), &mut self.buffer);
        sealed.map_err(|_| AgeError::NoKeys)?;
        self.inner.write_all(&self.buffer)?;
        self.buffer.clear();
        self.number += 1;
        Ok(())
    }

    /// Seals the end: without it a file is cut off.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.put(true)?;
        Ok(self.inner)
    }
}

impl<W: Write> Write for AgeWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A full part is sealed once more comes: the last one says that it is.
        if self.buffer.len() == CHUNK {
            self.put(false)?;
        }
        let taken = bytes.len().min(CHUNK - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Opens what is read through it.
pub(crate) struct AgeReader<R> {
    inner: R,
    key: LessSafeKey,
    number: u64,
    /// What is open and not read yet.
    open: Vec<u8>,
    place: usize,
    /// One byte that was read ahead, to know whether a part is the last.
    ahead: Option<u8>,
    ended: bool,
    /// Bytes of the file before this part.
    at: u64,
}

impl<R: Read> AgeReader<R> {
    /// Reads the head.
    pub(crate) fn new(mut inner: R, key: &OpenKey) -> io::Result<Self> {
        let (head, file_key) = read_head(&mut inner, key)?;
        let mut salt = [0; 16];
        inner.read_exact(&mut salt).map_err(|_| AgeError::Cut(head as u64))?;
        let key = cipher(&derive(&file_key, &salt, b"payload")?)?;
        let at = head as u64 + 16;
        Ok(Self { inner, key, number: 0, open: Vec::new(), place: 0, ahead: None, ended: false, at })
    }

    fn next_part(&mut self) -> io::Result<()> {
        let mut part = Vec::with_capacity(CHUNK + TAG + 1);
        part.extend(self.ahead.take());
        (&mut self.inner).take((CHUNK + TAG + 1 - part.len()) as u64).read_to_end(&mut part)?;
        let last = part.len() <= CHUNK + TAG;
        if !last {
            self.ahead = part.pop();
        }
        let length = part.len();
        if length < TAG || length == TAG && self.number > 0 {
            return Err(AgeError::Cut(self.at + length as u64).into());
        }
        let mut copy = if last { part.clone() } else { Vec::new() };
        match self.key.open_in_place(nonce(self.number, last), Aad::empty(), &mut part) {
            Ok(open) => {
                let length = open.len();
                part.truncate(length);
                self.open = part;
            }
            Err(_) => {
                // What would go on is cut off right here; what stands neither way is damaged, or cut off within.
                let goes_on =
                    last && self.key.open_in_place(nonce(self.number, false), Aad::empty(), &mut copy).is_ok();
                let end = self.at + length as u64;
                let why = if goes_on { AgeError::Cut(end) } else { AgeError::Damaged(self.at) };
                return Err(why.into());
            }
        }
        (self.place, self.ended, self.number) = (0, last, self.number + 1);
        self.at += length as u64;
        Ok(())
    }
}

impl<R: Read> Read for AgeReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.place == self.open.len() {
            if self.ended {
                return Ok(0);
            }
            self.next_part()?;
        }
        let given = out.len().min(self.open.len() - self.place);
        out[..given].copy_from_slice(&self.open[self.place..self.place + given]);
        self.place += given;
        Ok(given)
    }
}

/// A line of a head, without its end.
fn line(inner: &mut impl Read, left: &mut usize) -> io::Result<String> {
    let mut line = Vec::new();
    loop {
        let mut byte = [0];
        inner.read_exact(&mut byte).map_err(|_| AgeError::Head("it ends too soon"))?;
        *left = left.checked_sub(1).ok_or(AgeError::Head("it is too long"))?;
        if byte[0] == b'\n' {
            return Ok(String::from_utf8(line).map_err(|_| AgeError::Head("it is no text"))?);
        }
        line.push(byte[0]);
    }
}

/// Reads a head: how many bytes it has, and the file's key.
fn read_head(inner: &mut impl Read, key: &OpenKey) -> io::Result<(usize, [u8; 16])> {
    let mut left = HEAD_MAX;
    let mut text = line(inner, &mut left)? + "\n";
    if text.as_bytes() != MAGIC {
        return Err(AgeError::Head("it is no file of age, version 1").into());
    }
    let mut stanzas: Vec<(Vec<String>, Vec<u8>)> = Vec::new();
    let code = loop {
        let one = line(inner, &mut left)?;
        if let Some(code) = one.strip_prefix("--- ") {
            text += "---";
            break BASE64_NOPAD.decode(code.as_bytes()).map_err(|_| AgeError::Head("its code is none"))?;
        }
        text += &one;
        text.push('\n');
        let words = one.strip_prefix("-> ").ok_or(AgeError::Head("a line of it is none"))?;
        let words = words.split(' ').map(str::to_owned).collect();
        let mut body = String::new();
        loop {
            let part = line(inner, &mut left)?;
            text += &part;
            text.push('\n');
            body += &part;
            if part.len() < 64 {
                break;
            }
        }
        let body = BASE64_NOPAD.decode(body.as_bytes()).map_err(|_| AgeError::Head("a body of it is none"))?;
        stanzas.push((words, body));
    };
    let file_key = file_key(&stanzas, key)?;
    let expected = code_over(&text, &file_key)?;
    hmac::verify(&expected, text.as_bytes(), &code).map_err(|_| AgeError::Head("it was changed"))?;
    Ok((HEAD_MAX - left, file_key))
}

fn file_key(stanzas: &[(Vec<String>, Vec<u8>)], key: &OpenKey) -> Result<[u8; 16], AgeError> {
    let named =
        |name: &'static str| stanzas.iter().filter(move |(words, _)| words.first().is_some_and(|first| *first == name));
    let decoded = |words: &[String]| BASE64_NOPAD.decode(words.get(1)?.as_bytes()).ok();
    match key {
        OpenKey::Passphrase(passphrase) => {
            let Some((words, body)) = named("scrypt").next().filter(|_| stanzas.len() == 1) else {
                return Err(AgeError::OtherKey("for recipients"));
            };
            let salt = decoded(words).ok_or(AgeError::Head("its salt is none"))?;
            let log_n: u8 =
                words.get(2).and_then(|text| text.parse().ok()).ok_or(AgeError::Head("its effort is none"))?;
            if !(1..=SCRYPT_LOG_N_MAX).contains(&log_n) {
                return Err(AgeError::Head("its effort is beyond what is opened"));
            }
            unwrap_key(&scrypt_key(passphrase, &salt, log_n)?, body).ok_or(AgeError::Passphrase)
        }
        OpenKey::Identities(identities) => {
            if named("X25519").next().is_none() {
                return Err(AgeError::OtherKey("by a passphrase"));
            }
            for one in identities {
                let own = StaticSecret::from(*one);
                let public = PublicKey::from(&own).to_bytes();
                for (words, body) in named("X25519") {
                    let share: Option<[u8; 32]> = decoded(words).and_then(|share| share.try_into().ok());
                    let Some(share) = share else { return Err(AgeError::Head("a share of a key is none")) };
                    let key = x25519_key(&own, &share, &[share, public].concat())?;
                    if let Some(found) = unwrap_key(&key, body) {
                        return Ok(found);
                    }
                }
            }
            Err(AgeError::Identity)
        }
    }
}

#[cfg(test)]
mod tests;
