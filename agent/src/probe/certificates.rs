//! Configured certificate files (article 8.1): whom each names and when it ends.

use std::path::Path;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use ioc_common::clock::Timestamp;
use ioc_common::reading::{CertificateFile, Certificates};

use crate::machine::{Found, Machine, Surveyed, absent};
use crate::source::zone::seconds;

/// Largest file that is read.
const FILE_MAX_BYTES: usize = 4 << 20;

/// Makes the survey.
///
/// # Errors
/// *Absent* when none is configured.
pub fn survey(machine: &Machine<'_>) -> Surveyed {
    if machine.settings.certificates.is_empty() {
        return Err(absent(&"no [certificates] paths are configured"));
    }
    let certificates = machine.settings.certificates.iter().map(|path| one(machine, path)).collect();
    Found::of(&Certificates { certificates }, machine.now)
}

fn one(machine: &Machine<'_>, path: &Path) -> CertificateFile {
    let shown = path.display().to_string();
    let mut file = CertificateFile { path: shown.clone(), ..CertificateFile::default() };
    let bytes = match machine.bytes(&shown, FILE_MAX_BYTES) {
        Ok(bytes) => bytes,
        Err(error) => {
            file.unknown = error.to_string();
            return file;
        }
    };
    let mut found: Vec<Validity> =
        CertificateDer::pem_slice_iter(&bytes).flatten().filter_map(|der| validity(&der)).collect();
    if found.is_empty() {
        found.extend(validity(&bytes));
    }
    match found.iter().min_by_key(|one| one.until) {
        Some(first) => {
            file.until = Some(first.until);
            // The first in a file is the server's own; the others are its chain.
            file.subject.clone_from(&found[0].subject);
        }
        None => file.unknown = format!("{shown} holds no certificate, neither PEM nor DER"),
    }
    file
}

/// What is needed of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Validity {
    /// Common name, or an empty text.
    pub subject: String,
    /// When it ends.
    pub until: Timestamp,
}

/// Reads a DER certificate as far as its subject (RFC 5280, 4.1). Its signature is not checked here.
#[must_use]
pub fn validity(der: &[u8]) -> Option<Validity> {
    let (certificate, _) = element(der, 0x30)?;
    let (mut rest, _) = element(certificate, 0x30)?;
    // [0] version is there in every certificate of version 3.
    if rest.first() == Some(&0xa0) {
        rest = element(rest, 0xa0)?.1;
    }
    for tag in [0x02, 0x30, 0x30] {
        rest = element(rest, tag)?.1;
    }
    let (times, rest) = element(rest, 0x30)?;
    let (_, times) = time(times)?;
    let (until, _) = time(times)?;
    let (subject, _) = element(rest, 0x30)?;
    Some(Validity { subject: common_name(subject).unwrap_or_default(), until })
}

/// The content of the element at the start, which must have this tag, and what follows it.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = bytes.split_first()?;
    if found != tag {
        return None;
    }
    let (&first, mut rest) = rest.split_first()?;
    let mut length = usize::from(first);
    if first & 0x80 != 0 {
        let count = usize::from(first & 0x7f);
        if !(1..=4).contains(&count) || rest.len() < count {
            return None;
        }
        length = rest[..count].iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        rest = &rest[count..];
    }
    (rest.len() >= length).then(|| rest.split_at(length))
}

/// UTCTime (two digits of the year, 1950 to 2049) or GeneralizedTime.
fn time(bytes: &[u8]) -> Option<(Timestamp, &[u8])> {
    let (text, rest, digits) = match bytes.first()? {
        0x17 => element(bytes, 0x17).map(|(text, rest)| (text, rest, 2))?,
        _ => element(bytes, 0x18).map(|(text, rest)| (text, rest, 4))?,
    };
    let text = std::str::from_utf8(text).ok()?;
    let number = |from: usize, count: usize| text.get(from..from + count)?.parse::<i64>().ok();
    let year = number(0, digits)?;
    let year = if digits == 4 {
        year
    } else if year < 50 {
        2000 + year
    } else {
        1900 + year
    };
    let part = |place: usize| number(digits + place * 2, 2);
    let moment = seconds([year, part(0)?, part(1)?], [part(2)?, part(3)?, part(4)?])?;
    Some((Timestamp::from_millis(moment * 1000), rest))
}

/// The common name of a Name: the attribute 2.5.4.3.
fn common_name(mut name: &[u8]) -> Option<String> {
    while let Some((set, rest)) = element(name, 0x31) {
        name = rest;
        let (attribute, _) = element(set, 0x30)?;
        let (kind, value) = element(attribute, 0x06)?;
        if kind == [0x55, 0x04, 0x03] {
            let (text, _) = element(value, *value.first()?)?;
            return Some(String::from_utf8_lossy(text).chars().filter(|c| !c.is_control()).take(200).collect());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::testing::Captured;
    use proptest::prelude::*;

    fn certificate() -> rcgen::Certificate {
        let key = rcgen::KeyPair::generate().expect("a key");
        let mut parameters = rcgen::CertificateParams::new(vec!["x.example".to_owned()]).expect("a name");
        parameters.distinguished_name.push(rcgen::DnType::OrganizationName, "IOC");
        parameters.distinguished_name.push(rcgen::DnType::CommonName, "x.example");
        parameters.not_after = rcgen::date_time_ymd(2027, 1, 3);
        parameters.self_signed(&key).expect("signs")
    }

    #[test]
    fn pem_and_der_and_neither() {
        let certificate = certificate();
        let mut captured = Captured::new(&[("/etc/a.pem", &certificate.pem()), ("/etc/c.pem", "hello")]);
        captured.write("/etc/b.der", certificate.der());
        captured.settings.certificates =
            ["/etc/a.pem", "/etc/b.der", "/etc/c.pem", "/etc/d.pem"].map(Into::into).to_vec();
        let found = survey(&captured.machine("2026-11-24T00:00:00Z")).expect("read");
        assert_eq!((found.number("cert.days", "/etc/a.pem"), found.number("cert.days", "/etc/b.der")), (40.0, 40.0));
        let certificates: Certificates = found.read();
        assert_eq!(certificates.certificates[0].subject, "x.example");
        assert!(
            certificates.certificates[2].unknown.contains("neither")
                && certificates.certificates[3].unknown.contains("d.pem")
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0_usize..400, to in any::<u8>()) {
            let _ = validity(&bytes);
            let mut der = certificate().der().to_vec();
            if let Some(byte) = der.get_mut(at) {
                *byte = to;
            }
            let _ = validity(&der);
        }
    }
}
