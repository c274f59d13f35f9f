use proptest::prelude::*;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};

use ioc_common::audit_head::key_id;

use super::*;
use crate::audit::{AuditEntry, GENESIS, seal};

/// Records of the log that is spoilt in every way. 100 000 take a release build some seconds a hundred times.
const RECORDS: u64 = if cfg!(debug_assertions) { 5_000 } else { 100_000 };
/// Records between two heads.
const HEADS_EVERY: u64 = 97;

/// Signs heads, as the collector does.
pub(crate) struct Signer(EcdsaKeyPair);

impl Signer {
    pub(crate) fn new() -> Self {
        let random = SystemRandom::new();
        let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).expect("made");
        Self(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, made.as_ref(), &random).expect("read"))
    }

    pub(crate) fn public(&self) -> Vec<u8> {
        self.0.public_key().as_ref().to_vec()
    }

    pub(crate) fn keys(&self) -> BTreeMap<String, Vec<u8>> {
        BTreeMap::from([(key_id(&self.public()), self.public())])
    }

    pub(crate) fn sign(&self, number: u64, hash: &str, tree: &Frontier, at: Timestamp) -> AuditHead {
        let head = AuditHead::unsigned(number, hash.to_owned(), hex(&tree.root()), at, key_id(&self.public()));
        let signature = self.0.sign(&SystemRandom::new(), head.statement().as_bytes()).expect("signed");
        head.signed(signature.as_ref())
    }
}

pub(crate) fn entry(detail: &str) -> AuditEntry {
    AuditEntry {
        at: Timestamp::from_millis(1_764_000_000_000),
        actor: "lan".to_owned(),
        action: "test.done".to_owned(),
        subject: "srv-1".to_owned(),
        detail: detail.to_owned(),
    }
}

struct Log {
    signer: Signer,
    records: Vec<AuditRecord>,
    heads: Vec<AuditHead>,
}

fn log(count: u64) -> Log {
    let (signer, mut tree) = (Signer::new(), Frontier::default());
    let (mut records, mut heads): (Vec<AuditRecord>, Vec<AuditHead>) = (Vec::new(), Vec::new());
    for number in 1..=count {
        let previous = records.last().map_or(GENESIS, |record| record.hash.as_str());
        let record = seal(previous, number, &entry(&number.to_string()));
        tree.push(&parse(&record.hash).expect("hex"));
        if number % HEADS_EVERY == 0 || number == count {
            let at = Timestamp::from_millis(1_764_000_000_000 + i64::try_from(number).expect("small"));
            heads.push(signer.sign(number, &record.hash, &tree, at));
        }
        records.push(record);
    }
    Log { signer, records, heads }
}

fn check<'r>(log: &Log, heads: &[AuditHead], records: impl IntoIterator<Item = &'r AuditRecord>) -> Vec<AuditFinding> {
    let mut check = AuditCheck::new(log.signer.keys());
    heads.iter().for_each(|head| check.head(head.clone()));
    records.into_iter().for_each(|record| check.record(record));
    check.finish()
}

/// Numbers and hashes made anew from one place on, as somebody would who has the program.
fn reseal(records: &mut [AuditRecord], from: usize) {
    for place in from..records.len() {
        let previous = if place == 0 { GENESIS.to_owned() } else { records[place - 1].hash.clone() };
        let record = &records[place];
        let entry = AuditEntry {
            at: record.at,
            actor: record.actor.clone(),
            action: record.action.clone(),
            subject: record.subject.clone(),
            detail: record.detail.clone(),
        };
        records[place] = seal(&previous, place as u64 + 1, &entry);
    }
}

/// Spoils a log in one way; from which record on it is another, counted from 0.
fn spoil(records: &mut Vec<AuditRecord>, way: u8, place: usize, other: usize) -> usize {
    let (place, other) = (place % records.len(), other % records.len());
    match way {
        0 => records[place].detail += "x",
        1 => records[place].actor = "minh".to_owned(),
        2 => records[place].at = records[place].at.plus_millis(1),
        3 => records[place].hash = "0".repeat(64),
        4 => drop(records.remove(place)),
        5 => records.truncate(place),
        6 => {
            let copy = AuditRecord { detail: "slipped in".to_owned(), ..records[place].clone() };
            records.insert(place, copy);
        }
        7 => {
            let other = if other == place { (place + 1) % records.len() } else { other };
            records.swap(place, other);
            return place.min(other);
        }
        _ => {
            let record = records.remove(place);
            records.insert(other, record);
            return place.min(other);
        }
    }
    place
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn whatever_single_thing_is_done_to_a_log_is_found(
        ways in prop::collection::vec((0_u8..9, any::<usize>(), any::<usize>(), any::<bool>()), 1..3)
    ) {
        use std::sync::OnceLock;
        static LOG: OnceLock<Log> = OnceLock::new();
        let log = LOG.get_or_init(|| log(RECORDS));
        for (way, place, other, resealed) in ways {
            let mut records = log.records.clone();
            let from = spoil(&mut records, way, place, other);
            let hashes_only = way == 3;
            if resealed && !hashes_only {
                reseal(&mut records, from);
            }
            if records == log.records {
                continue;
            }
            let findings = check(log, &log.heads, &records);
            prop_assert!(!findings.is_empty(), "way {way} at {from}, resealed {resealed}");
            // It is said where: never behind the first record that is another, and at most one head's distance before it. An end that is
            // cut off can have been sealed anew since its last head.
            let first = findings[0].record();
            let (at, room) = (from as u64 + 1, if resealed || way == 5 { HEADS_EVERY } else { 1 });
            prop_assert!(first <= at + 1 && first + room >= at, "way {way} at {at}, resealed {resealed}: {findings:?}");
        }
    }
}

#[test]
fn a_whole_log_is_whole_and_grows_meanwhile_without_an_alarm() {
    let log = log(500);
    assert_eq!(check(&log, &log.heads, &log.records), []);
    // The heads were read before the last records came, or there were none yet.
    assert_eq!(check(&log, &log.heads[..3], &log.records), []);
    assert_eq!(check(&log, &[], &log.records), []);
    assert_eq!(check(&log, &[], &[]), []);
    let mut check = AuditCheck::new(log.signer.keys());
    log.heads.iter().for_each(|head| check.head(head.clone()));
    log.records.iter().for_each(|record| check.record(record));
    assert_eq!((check.agreed(), check.number(), check.found()), ((6, 500), 500, 0));
}

#[test]
fn it_is_said_what_and_where() {
    let log = log(500);
    let told = |records: &[AuditRecord], heads: &[AuditHead]| {
        check(&log, heads, records).iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    };
    let cut = told(&log.records[..480], &log.heads);
    assert!(cut.starts_with("the end is cut off: the log ends with record 480, and record 500 was there"), "{cut}");
    assert!(cut.ends_with("(up to record 388 it is the log that was signed)"), "{cut}");
    // One that is taken out behind the last head but one, and the rest sealed anew: nobody may take what is left for what was signed.
    let mut sealed = log.records.clone();
    sealed.remove(490);
    reseal(&mut sealed, 490);
    assert_eq!(told(&sealed, &log.heads).split(": ").next(), Some("the end is cut off"));
    assert!(told(&sealed, &log.heads).ends_with("(up to record 485 it is the log that was signed)"));
    let mut records = log.records.clone();
    records[199].detail = "another".to_owned();
    assert_eq!(told(&records, &log.heads), "record 200 was changed");
    reseal(&mut records, 199);
    let rewritten = told(&records, &log.heads);
    assert!(rewritten.starts_with("among records 195 to 291 some were changed"), "{rewritten}");
    assert!(rewritten.ends_with("(up to record 194 it is)"), "{rewritten}");
    records.drain(10..20);
    assert!(told(&records, &log.heads).contains("records 11 to 20 are missing"));
    // Heads that are not what they seem.
    let mut heads = log.heads.clone();
    heads[0].root = "0".repeat(64);
    assert_eq!(told(&log.records, &heads), "the head of record 97 was not signed by the key that it names");
    let other = Signer::new();
    heads[0] = other.sign(97, &log.records[96].hash, &Frontier::default(), Timestamp::from_millis(1));
    assert!(told(&log.records, &heads).contains("which is not known here"));
}
