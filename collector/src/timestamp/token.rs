//! What an answer of a time stamping authority says (RFC 3161, section 2.4.2; RFC 5652). Pure. It is read here and checked by openssl
//! (`program`): nothing that stands in it is believed before.

use x509_parser::prelude::{FromDer as _, X509Certificate};

use ioc_common::clock::Timestamp;
use ioc_common::encoding::hex;
use ioc_store::audit::STAMP_MAX_BYTES;

const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const OBJECT: u8 = 0x06;
const TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
/// `[0]`, whose content is a structure, and one whose content is plain.
const TAGGED: u8 = 0xa0;
const TAGGED_PLAIN: u8 = 0x80;
/// Most certificates of one answer that are looked at.
const CERTIFICATES_MAX: usize = 16;
/// Longest name of an authority, characters.
const NAME_MAX_CHARS: usize = 300;

/// What an answer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    /// When.
    pub(crate) at: Timestamp,
    /// The digest that it is about, hex.
    pub(crate) digest: String,
    /// Its number at the authority, hex.
    pub(crate) serial: String,
    /// The subject of the certificate that signed it.
    pub(crate) authority: String,
}

/// One value of DER: its tag, its content, and what stands behind it.
fn value(input: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = input.split_first()?;
    let (length, rest) = rest.split_first()?;
    let (length, rest) = if *length < 0x80 {
        (usize::from(*length), rest)
    } else {
        let digits = usize::from(length & 0x7f);
        if digits == 0 || digits > 4 || rest.len() < digits {
            return None;
        }
        let (digits, rest) = rest.split_at(digits);
        (digits.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
    };
    (rest.len() >= length)
        .then(|| (*tag, rest.get(..length).unwrap_or_default(), rest.get(length..).unwrap_or_default()))
}

/// The content of a value of a tag, and what stands behind it.
fn tagged(input: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    value(input).filter(|(found, ..)| *found == tag).map(|(_, content, rest)| (content, rest))
}

/// What stands behind a value of a tag; all of it where the first value is another.
fn without(input: &[u8], tag: u8) -> &[u8] {
    tagged(input, tag).map_or(input, |(_, rest)| rest)
}

/// Reads an answer.
///
/// # Errors
/// Why it is none, or says that nothing was stamped.
pub(crate) fn read(reply: &[u8]) -> Result<Token, String> {
    if reply.len() > STAMP_MAX_BYTES {
        return Err(format!("the answer has {} bytes; allowed are {STAMP_MAX_BYTES}", reply.len()));
    }
    let (status, rest) = status_of(reply).ok_or("the answer is no time stamp (RFC 3161)")?;
    if status > 1 {
        return Err(format!("the authority refused: status {status}"));
    }
    parsed(rest).ok_or_else(|| "the answer says that it is granted, and its time stamp cannot be read".to_owned())
}

/// The status of an answer, 0 and 1 when it is granted, and the token behind it.
fn status_of(reply: &[u8]) -> Option<(u8, &[u8])> {
    let (whole, _) = tagged(reply, SEQUENCE)?;
    let (info, token) = tagged(whole, SEQUENCE)?;
    match tagged(info, INTEGER)?.0 {
        [status] => Some((*status, token)),
        _ => None,
    }
}

fn parsed(token: &[u8]) -> Option<Token> {
    // ContentInfo, SignedData.
    let (content, _) = tagged(token, SEQUENCE)?;
    let (signed, _) = tagged(tagged(content, OBJECT)?.1, TAGGED)?;
    let (signed, _) = tagged(signed, SEQUENCE)?;
    let (_, rest) = tagged(signed, INTEGER)?;
    let (_, rest) = tagged(rest, SET)?;
    let (encapsulated, rest) = tagged(rest, SEQUENCE)?;
    let (info, _) = tagged(tagged(encapsulated, OBJECT)?.1, TAGGED)?;
    let (info, _) = tagged(info, OCTETS)?;
    let (certificates, rest) = tagged(rest, TAGGED).unwrap_or((&[], rest));
    let (signers, _) = tagged(without(rest, TAGGED + 1), SET)?;
    // TSTInfo: version, policy, imprint, number, time.
    let (info, _) = tagged(info, SEQUENCE)?;
    let (_, info) = tagged(info, INTEGER)?;
    let (_, info) = tagged(info, OBJECT)?;
    let (imprint, info) = tagged(info, SEQUENCE)?;
    let (digest, _) = tagged(tagged(imprint, SEQUENCE)?.1, OCTETS)?;
    let (serial, info) = tagged(info, INTEGER)?;
    let (at, _) = tagged(info, TIME)?;
    Some(Token {
        at: moment(std::str::from_utf8(at).ok()?)?,
        digest: hex(digest),
        serial: hex(serial),
        authority: signer(signers, certificates).unwrap_or_default(),
    })
}

/// `20261129101500.25Z`.
fn moment(text: &str) -> Option<Timestamp> {
    let text = text.strip_suffix('Z')?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if whole.len() != 14 || !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = |from: usize, to: usize| whole.get(from..to);
    let fraction =
        if fraction.is_empty() { String::new() } else { format!(".{}", fraction.get(..9).unwrap_or(fraction)) };
    let (year, month, day) = (part(0, 4)?, part(4, 6)?, part(6, 8)?);
    let (hour, minute, second) = (part(8, 10)?, part(10, 12)?, part(12, 14)?);
    format!("{year}-{month}-{day}T{hour}:{minute}:{second}{fraction}Z").parse().ok()
}

/// The subject of the certificate that the first signer names.
fn signer(signers: &[u8], certificates: &[u8]) -> Option<String> {
    let (first, _) = tagged(signers, SEQUENCE)?;
    let (_, named) = tagged(first, INTEGER)?;
    let mut rest = certificates;
    for _ in 0..CERTIFICATES_MAX {
        let (behind, certificate) = X509Certificate::from_der(rest).ok()?;
        rest = behind;
        if is_named(named, &certificate) {
            let subject = certificate.subject().to_string();
            return Some(subject.chars().filter(|one| !one.is_control()).take(NAME_MAX_CHARS).collect());
        }
    }
    None
}

/// Whether a signer is named by this certificate's issuer and number, or by the identifier of its key.
fn is_named(signer: &[u8], certificate: &X509Certificate<'_>) -> bool {
    if let Some((by, _)) = tagged(signer, SEQUENCE) {
        let issuer = certificate.tbs_certificate.issuer.as_raw();
        return by
            .strip_prefix(issuer)
            .and_then(|rest| tagged(rest, INTEGER))
            .is_some_and(|(number, _)| number == certificate.tbs_certificate.raw_serial());
    }
    let key = |id: &[u8]| {
        certificate.iter_extensions().any(|extension| {
            use x509_parser::extensions::ParsedExtension::SubjectKeyIdentifier;
            matches!(extension.parsed_extension(), SubjectKeyIdentifier(own) if own.0 == id)
        })
    };
    tagged(signer, TAGGED_PLAIN).is_some_and(|(id, _)| key(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_as_the_standard_writes_it() {
        let read = |text: &str| moment(text).map(|at| at.to_string());
        assert_eq!(read("20261129101500Z").as_deref(), Some("2026-11-29T10:15:00.000Z"));
        assert!(read("20261129101500.25Z").is_some_and(|at| at.starts_with("2026-11-29T10:15:00.25")));
        for wrong in
            ["", "Z", "20261129101500", "2026112910150Z", "20261329101500Z", "20261129101500.xZ", "2026-1129101500Z"]
        {
            assert_eq!(moment(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn garbage_is_no_answer() {
        let deep = [0x30, 0x84, 0xff, 0xff, 0xff, 0xff];
        let refused = [0x30, 0x05, 0x30, 0x03, 0x02, 0x01, 0x02];
        let granted_without_a_token = [0x30, 0x05, 0x30, 0x03, 0x02, 0x01, 0x00];
        for (input, said) in [
            (&b""[..], "no time stamp"),
            (b"<html>not found</html>", "no time stamp"),
            (&[0x30, 0x80], "no time stamp"),
            (&deep, "no time stamp"),
            (&refused, "status 2"),
            (&granted_without_a_token, "cannot be read"),
            (&vec![0; STAMP_MAX_BYTES + 1], "allowed are"),
        ] {
            let why = read(input).expect_err("no answer");
            assert!(why.contains(said), "{input:?}: {why}");
        }
    }
}
