//! Configured certificate files (article 8.1): whom each names and when it ends.
//!
//! A file's own certificate is the first that is no authority's, as programs take it; its end is the file's. Others of the file (the
//! chain, which may hold an old root that nobody needs any more) are told under their own names, and only where they end before it.

use std::path::Path;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use ioc_common::clock::Timestamp;
use ioc_common::encoding::hex;
use ioc_common::reading::{CertificateFile, Certificates, Findings};

use crate::capture_rule::CapturedFiles;
use crate::descriptor::{Card, SurveyDescriptor};
use crate::survey_context::{SurveyContext, SurveyFindings, SurveyResult, absent};
use crate::time_zone::seconds;

pub(crate) const PROBE: SurveyDescriptor = SurveyDescriptor {
    probe: Certificates::PROBE,
    deadline_s: 10,
    watch: &[],
    privileged: true,
    needs: Some("[certificates] paths in the configuration; files the agent or its helper may read"),
    whole_memo: None,
    programs: &[],
    captured: CapturedFiles::NONE,
    processes: &[],
    card: Card {
        article: "8.1",
        vi: "Hạn chứng thư số",
        en: "Certificates' ends",
        reads: "files of `[certificates] paths`, PEM or DER",
        cost: "0.1 ms a file",
    },
    read: survey,
};

/// Largest file that is read.
const FILE_MAX_BYTES: usize = 4 << 20;
/// Most certificates of one file that are read.
const CERTIFICATES_MAX: usize = 1000;
/// Most of them that are told of beside the file's own.
const BESIDE_MAX: usize = 16;

/// Makes the survey.
///
/// # Errors
/// *Absent* when none is configured.
pub fn survey(context: &SurveyContext<'_>) -> SurveyResult {
    if context.settings.certificates.is_empty() {
        return Err(absent(&"no [certificates] paths are configured"));
    }
    let (mut certificates, mut beside) = (Vec::new(), Vec::new());
    for path in &context.settings.certificates {
        let (own, others) = one(context, path);
        certificates.push(own);
        beside.extend(others);
    }
    certificates.extend(beside);
    SurveyFindings::of(&Certificates { certificates }, context.now)
}

/// The file's own certificate, and those of the file that end before it.
fn one(context: &SurveyContext<'_>, path: &Path) -> (CertificateFile, Vec<CertificateFile>) {
    let shown = path.display().to_string();
    let mut file = CertificateFile { path: shown.clone(), ..CertificateFile::default() };
    let held = match context.bytes(&shown, FILE_MAX_BYTES).map_err(|error| error.to_string()) {
        Ok(bytes) => parse(&bytes).map_err(|why| format!("{shown} {why}")),
        Err(why) => Err(why),
    };
    let held = match held {
        Ok(held) => held,
        Err(why) => {
            file.unknown = why;
            return (file, Vec::new());
        }
    };
    let own = held.certificates.iter().position(|one| !one.authority).unwrap_or(0);
    let Some(first) = held.certificates.get(own) else { return (file, Vec::new()) };
    file.until = Some(first.until);
    file.subject = first.name();
    if let Some(why) = held.broken {
        file.unknown = format!("{shown}: {why}");
    }
    let mut others: Vec<&Validity> = held.certificates.iter().filter(|one| one.until < first.until).collect();
    others.sort_by_key(|one| one.until);
    let others = others.into_iter().take(BESIDE_MAX).map(|one| CertificateFile {
        path: shown.clone(),
        subject: one.name(),
        until: Some(one.until),
        unknown: String::new(),
    });
    (file, others.collect())
}

/// What a file of certificates holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateBundle {
    /// Its certificates, in their order; at least one.
    pub certificates: Vec<Validity>,
    /// Why some of it could not be read.
    pub broken: Option<String>,
}

/// Reads a file of certificates: PEM, as OpenSSL takes it, or DER.
///
/// # Errors
/// When there is none, with what is there instead, or when the first is broken.
pub fn parse(bytes: &[u8]) -> Result<CertificateBundle, String> {
    if bytes.starts_with(&[0xef, 0xbb, 0xbf]) || bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(
            "begins with a byte order mark, which OpenSSL does not read over; mend: save it as plain text".to_owned()
        );
    }
    let sections = sections(bytes);
    if sections.is_empty() {
        return match validity(bytes) {
            Some(one) => Ok(CertificateBundle { certificates: vec![one], broken: None }),
            None => Err(instead(bytes)),
        };
    }
    let mut held = CertificateBundle { certificates: Vec::new(), broken: None };
    let mut labels = Vec::new();
    for (label, section) in sections {
        if !matches!(label.as_str(), "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE") {
            labels.push(label);
            continue;
        }
        if held.certificates.len() >= CERTIFICATES_MAX {
            held.broken = Some(format!("only the first {CERTIFICATES_MAX} certificates are read"));
            break;
        }
        let number = held.certificates.len() + 1;
        // What OpenSSL trusts for more follows behind the certificate.
        let plain = String::from_utf8_lossy(section).replace(&label, "CERTIFICATE");
        let der = CertificateDer::from_pem_slice(plain.as_bytes()).ok();
        match der.and_then(|der| validity(&der)) {
            Some(one) => held.certificates.push(one),
            None if held.certificates.is_empty() => {
                return Err("begins with a certificate that is cut or broken".to_owned());
            }
            None => held.broken = Some(format!("certificate {number} is cut or broken")),
        }
    }
    if held.certificates.is_empty() {
        return Err(format!(
            "holds no certificate, but {}; mend: name the file with the certificate",
            labels.join(", ")
        ));
    }
    Ok(held)
}

/// The sections of a PEM file with their labels (RFC 7468), each from its first line to its last; one without an end goes on to the
/// next, or to the end of the file. Text around them is passed over.
fn sections(bytes: &[u8]) -> Vec<(String, &[u8])> {
    let mut sections = Vec::new();
    let mut begun: Option<(String, usize)> = None;
    let mut at = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let text = std::str::from_utf8(line).unwrap_or_default().trim_end();
        let next = at + line.len();
        let label = |prefix: &str| text.strip_prefix(prefix)?.strip_suffix("-----").map(str::to_owned);
        if let Some(label) = label("-----BEGIN ") {
            sections.extend(begun.replace((label, at)).map(|(label, from)| (label, &bytes[from..at])));
        } else if label("-----END ").is_some() {
            sections.extend(begun.take().map(|(label, from)| (label, &bytes[from..next])));
        }
        at = next;
    }
    sections.extend(begun.map(|(label, from)| (label, &bytes[from..])));
    sections
}

/// What a file is that is no certificate.
fn instead(bytes: &[u8]) -> String {
    const SIGNED_DATA: [u8; 11] = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
    let content = element(bytes, 0x30).map(|(content, _)| content);
    if content.is_some_and(|content| content.starts_with(&[0x02, 0x01, 0x03])) {
        return "is PKCS#12, which is closed by a password; mend: name the PEM file that it was made from".to_owned();
    }
    if content.is_some_and(|content| content.starts_with(&SIGNED_DATA)) {
        return "is PKCS#7; mend: write its certificates as PEM (openssl pkcs7 -print_certs)".to_owned();
    }
    if bytes.starts_with(&[0xfe, 0xed, 0xfe, 0xed]) {
        return "is a Java key store; mend: name the PEM file that it was made from".to_owned();
    }
    "holds no certificate, neither PEM nor DER".to_owned()
}

/// What is needed of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Validity {
    /// Common name, else another name; may be empty.
    pub subject: String,
    /// The common name of who signed it.
    pub issuer: String,
    /// Serial number, hexadecimal.
    pub serial: String,
    /// It may sign others.
    pub authority: bool,
    /// The end of its validity.
    pub until: Timestamp,
}

impl Validity {
    /// How it is called; an authority with who signed it, since there may be several certificates for one.
    #[must_use]
    pub fn name(&self) -> String {
        match (self.subject.is_empty(), self.authority && !self.issuer.is_empty() && self.issuer != self.subject) {
            (true, _) => format!("serial {}", self.serial),
            (false, true) => format!("{} ({})", self.subject, self.issuer),
            (false, false) => self.subject.clone(),
        }
    }
}

/// Reads a DER certificate (RFC 5280, 4.1). Its signature is not checked here.
#[must_use]
pub fn validity(der: &[u8]) -> Option<Validity> {
    let (certificate, _) = element(der, 0x30)?;
    let (mut rest, _) = element(certificate, 0x30)?;
    // [0] version is there in every certificate of version 3.
    if rest.first() == Some(&0xa0) {
        rest = element(rest, 0xa0)?.1;
    }
    let (serial, rest) = element(rest, 0x02)?;
    let (_, rest) = element(rest, 0x30)?;
    let (issuer, rest) = element(rest, 0x30)?;
    let (times, rest) = element(rest, 0x30)?;
    // When it began does not matter, and may lie before 1970.
    let (_, times) = element(times, *times.first()?)?;
    let until = time(times)?;
    let (subject, rest) = element(rest, 0x30)?;
    let extensions = extensions(rest);
    let names =
        || extensions.iter().find(|(kind, _)| *kind == [0x55, 0x1d, 0x11]).and_then(|(_, value)| alternative(value));
    let signs = extensions.iter().any(|(kind, value)| *kind == [0x55, 0x1d, 0x13] && is_authority(value));
    // The oldest roots have no extensions; they signed themselves.
    let authority = signs || extensions.is_empty() && issuer == subject;
    let common = |name: &[u8]| attribute(name, 3).filter(|name| !name.trim().is_empty());
    Some(Validity {
        // Common name, a name it is valid for, unit, organisation.
        subject: common(subject)
            .or_else(names)
            .or_else(|| attribute(subject, 11))
            .or_else(|| attribute(subject, 10))
            .unwrap_or_default(),
        issuer: common(issuer).or_else(|| attribute(issuer, 10)).unwrap_or_default(),
        serial: hex(&serial[..serial.len().min(20)]),
        authority,
        until,
    })
}

/// The extensions of a certificate, behind its key: object identifier and value.
fn extensions(rest: &[u8]) -> Vec<(&[u8], &[u8])> {
    let read = || {
        let (_, mut rest) = element(rest, 0x30)?;
        for tag in [0x81, 0x82] {
            if rest.first() == Some(&tag) {
                rest = element(rest, tag)?.1;
            }
        }
        let (outer, _) = element(rest, 0xa3)?;
        let (mut list, _) = element(outer, 0x30)?;
        let mut found = Vec::new();
        while let Some((extension, more)) = element(list, 0x30) {
            list = more;
            let (kind, mut value) = element(extension, 0x06)?;
            if value.first() == Some(&0x01) {
                value = element(value, 0x01)?.1;
            }
            found.push((kind, element(value, 0x04)?.0));
        }
        Some(found)
    };
    read().unwrap_or_default()
}

/// The first name of subjectAltName: of a host, an address of mail or of the network, or a URI.
fn alternative(value: &[u8]) -> Option<String> {
    let (names, _) = element(value, 0x30)?;
    let tag = *names.first()?;
    let (name, _) = element(names, tag)?;
    match (tag, name.len()) {
        (0x81 | 0x82 | 0x86, _) => Some(shown(name)),
        (0x87, 4) => Some(std::net::Ipv4Addr::from(<[u8; 4]>::try_from(name).ok()?).to_string()),
        (0x87, 16) => Some(std::net::Ipv6Addr::from(<[u8; 16]>::try_from(name).ok()?).to_string()),
        _ => None,
    }
}

/// basicConstraints: `cA` is TRUE.
fn is_authority(value: &[u8]) -> bool {
    element(value, 0x30).and_then(|(content, _)| element(content, 0x01)).is_some_and(|(flag, _)| flag != [0])
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
fn time(bytes: &[u8]) -> Option<Timestamp> {
    let (text, digits) = match bytes.first()? {
        0x17 => element(bytes, 0x17).map(|(text, _)| (text, 2))?,
        _ => element(bytes, 0x18).map(|(text, _)| (text, 4))?,
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
    Some(Timestamp::from_millis(moment * 1000))
}

/// An attribute 2.5.4.N of a Name.
fn attribute(mut name: &[u8], number: u8) -> Option<String> {
    while let Some((set, rest)) = element(name, 0x31) {
        name = rest;
        let (attribute, _) = element(set, 0x30)?;
        let (kind, value) = element(attribute, 0x06)?;
        if kind == [0x55, 0x04, number] {
            let tag = *value.first()?;
            let (text, _) = element(value, tag)?;
            // BMPString has two bytes for each character.
            if tag == 0x1e {
                let units: Vec<u16> = text.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
                return Some(shown(String::from_utf16_lossy(&units).as_bytes()));
            }
            return Some(shown(text));
        }
    }
    None
}

fn shown(text: &[u8]) -> String {
    String::from_utf8_lossy(text).chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survey_context::testing::CapturedMachine;
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
        let mut captured = CapturedMachine::new(&[("/etc/a.pem", &certificate.pem()), ("/etc/c.pem", "hello")]);
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

    /// A certificate by name, end and whether it is an authority's; signed by itself or by another.
    fn named(name: &str, year: i32, authority: bool, alternative: &[&str]) -> String {
        let key = rcgen::KeyPair::generate().expect("a key");
        let names: Vec<String> = alternative.iter().map(|name| (*name).to_owned()).collect();
        let mut parameters = rcgen::CertificateParams::new(names).expect("names");
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        if !name.is_empty() {
            parameters.distinguished_name.push(rcgen::DnType::CommonName, name);
        }
        if authority {
            parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        }
        parameters.not_before = rcgen::date_time_ymd(1960, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(year, 1, 3);
        parameters.self_signed(&key).expect("signs").pem()
    }

    #[test]
    fn each_certificate_of_a_file_under_its_own_name() {
        let leaf = named("cong.example", 2027, false, &["cong.example"]);
        let (issuing, old) = (named("Issuing CA", 2031, true, &[]), named("Old Root", 2024, true, &[]));
        let key = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
        let chain = format!("Bag Attributes\n  friendlyName: x\n{key}{leaf}{issuing}{old}");
        let mut captured = CapturedMachine::new(&[
            ("/etc/chain.pem", &chain),
            ("/etc/crlf.pem", &leaf.replace('\n', "\r\n")),
            ("/etc/bom.pem", &format!("\u{feff}{leaf}{issuing}")),
            ("/etc/trusted.pem", &leaf.replace("CERTIFICATE", "TRUSTED CERTIFICATE")),
            ("/etc/turned.pem", &format!("{issuing}{leaf}")),
            ("/etc/key.pem", key),
            ("/etc/cut.pem", &leaf[..leaf.len() / 2]),
            ("/etc/tail.pem", &format!("{leaf}{}", &issuing[..issuing.len() / 2])),
            ("/etc/ever.pem", &named("", 9999, false, &["box.example"])),
            ("/etc/anonymous.pem", &named("", 2050, false, &[])),
        ]);
        captured.write("/etc/store.p12", &[0x30, 0x05, 0x02, 0x01, 0x03, 0x30, 0x00]);
        let names = ["chain", "crlf", "bom", "trusted", "turned", "key", "cut", "tail", "ever", "anonymous"];
        captured.settings.certificates = names.iter().map(|name| format!("/etc/{name}.pem").into()).collect();
        captured.settings.certificates.push("/etc/store.p12".into());
        let found = survey(&captured.machine("2026-11-24T00:00:00Z")).expect("read");
        for name in ["chain", "crlf", "trusted", "turned", "tail"] {
            assert_eq!(found.number("cert.days", &format!("/etc/{name}.pem")), 40.0, "{name}");
        }
        assert!(found.number("cert.days", "/etc/chain.pem: Old Root") < -600.0);
        assert_eq!(found.numbers.len(), 12, "what outlives a file's own is not told of: {:?}", found.numbers);
        assert_eq!(found.number("cert.days", "/etc/ever.pem"), 40_000.0);
        let told: Certificates = found.read();
        let of = |name: &str| told.certificates.iter().find(|one| one.path.contains(name)).expect("told");
        assert_eq!((of("chain").subject.as_str(), of("ever").subject.as_str()), ("cong.example", "box.example"));
        assert!(of("anonymous").subject.starts_with("serial "));
        for (name, part) in [
            ("bom", "byte order"),
            ("key", "RSA PRIVATE KEY"),
            ("cut", "broken"),
            ("tail", "certificate 2"),
            ("p12", "PKCS#12"),
        ] {
            assert!(of(name).unknown.contains(part), "{name}: {}", of(name).unknown);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0_usize..400, to in any::<u8>()) {
            let _ = (validity(&bytes), parse(&bytes));
            let mut der = certificate().der().to_vec();
            if let Some(byte) = der.get_mut(at) {
                *byte = to;
            }
            let _ = validity(&der);
        }
    }
}
