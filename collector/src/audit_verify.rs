//! `ioc-collector audit verify`: asks the running collector for its audit log and the heads that were signed of it, and checks both here.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use data_encoding::BASE64;
use serde_json::{Value, json};

use ioc_common::audit_head::{AuditHead, key_id};
use ioc_common::clock::{self, Timestamp};
use ioc_common::encoding::sha256_hex;
use ioc_common::owner::as_owner;
use ioc_engine::config::TimestampPlan;
use ioc_engine::pki::record_key::{certified_key, key_of};
use ioc_store::audit::AuditRecord;
use ioc_store::audit_check::{AuditCheck, AuditFinding};
use ioc_store::template::percent_encoded;

use crate::cli;
use crate::timestamp::{self, StampError};

/// Items of one answer; time stamps have kilobytes.
const PAGE: usize = 500;
const STAMPS_PAGE: usize = 100;
/// How long records may stand without a head that speaks of them, milliseconds: one is signed every minute.
const UNSIGNED_MAX_MS: i64 = 600_000;
/// Says that there is an authority of another time, whose keys this one did not certify.
const AUTHORITY_ANEW: &str = "authority.made_anew";

/// What was found.
pub(crate) struct Verified {
    records: u64,
    hash: String,
    heads: u64,
    signed_through: u64,
    /// The newest head that the log is as it was signed by, when it began.
    pub(crate) newest: Option<AuditHead>,
    pub(crate) findings: Vec<AuditFinding>,
    /// Keys that the authority did not certify, and why they count as found.
    pub(crate) keys: Vec<String>,
}

/// What is asked for beside the log itself.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    /// What devices witnessed.
    pub witnesses: bool,
    /// Every time stamp, not only the newest.
    pub all_stamps: bool,
    /// As JSON.
    pub as_json: bool,
}

/// Checks the log of the collector whose control socket lies below `runtime`. `authority` is the certificate of its authority; `plan` says by
/// which certificates time stamps are checked.
///
/// # Errors
/// When the log is not the one that was signed, a device witnessed another one, or the collector does not answer.
pub async fn run(runtime: &Path, authority: &Path, plan: Option<&TimestampPlan>, asked: Asked) -> anyhow::Result<()> {
    let Asked { witnesses, all_stamps, as_json } = asked;
    let data = authority.parent().unwrap_or(Path::new("/"));
    let authority = as_owner(data, || std::fs::read_to_string(authority))
        .and_then(|read| read)
        .with_context(|| format!("cannot read {}", authority.display()))?;
    let verified = verify(runtime, &authority, &mut |_| {}).await?;
    let witnessed = if witnesses { all(runtime, "/api/v1/audit/witnesses?", "").await? } else { Vec::new() };
    let differ = witnessed.iter().filter(|one| disagrees(one)).count();
    let stamped = stamps(runtime, plan, (verified.signed_through, all_stamps)).await?;
    let is_signed = verified.findings.is_empty() && verified.keys.is_empty();
    let sound = is_signed && stamped.findings.is_empty() && differ == 0;
    let mut out = std::io::stdout();
    let page = if as_json {
        as_value(&verified, &stamped, (&witnessed, witnesses), sound)
    } else {
        as_text(&verified, &stamped, &witnessed)
    };
    out.write_all(page.as_bytes()).context("cannot write to standard output")?;
    anyhow::ensure!(
        sound,
        "the audit log is not the one that was signed and witnessed; keep the data directory as it is, and see docs/records.md"
    );
    Ok(())
}

/// Checks the log; `each` sees every record.
///
/// # Errors
/// When the collector does not answer, or answers nonsense.
pub(crate) async fn verify(
    runtime: &Path,
    authority: &str,
    each: &mut (dyn FnMut(&AuditRecord) + Send),
) -> anyhow::Result<Verified> {
    let (mut of_another, mut wrong) = (Uncertified::default(), Vec::new());
    let mut keys = BTreeMap::new();
    for key in cli::ask(runtime, "GET", "/api/v1/audit/keys", None).await?.as_array().unwrap_or(&Vec::new()) {
        let (id, certificate) = (text(&key["id"])?, text(&key["certificate"])?);
        match key_of(&certificate) {
            Ok(public) if key_id(&public) == id => {
                if let Err(why) = certified_key(&certificate, authority) {
                    of_another.keys.insert(id.clone(), (0, why));
                }
                keys.insert(id, public);
            }
            Ok(_) => wrong.push(format!("key {id}: its certificate is another key's")),
            Err(why) => wrong.push(format!("key {id}: {why}")),
        }
    }
    // The newest head before the first record: a log that grows meanwhile has more than it speaks of, never less.
    let began = clock::now();
    let newest = cli::ask(runtime, "GET", "/api/v1/audit/heads?newest=true", None).await?;
    let newest = newest["items"].get(0).map(head_of).transpose()?;
    let through = newest.as_ref().map_or(0, |head| head.number);
    let (mut check, mut head, mut unsigned) = (AuditCheck::new(keys), 0, None);
    loop {
        let after = check.number();
        let path = format!("/api/v1/audit?cursor={after}&limit={PAGE}");
        let page = cli::ask(runtime, "GET", &path, None).await?;
        let records = items(&page).iter().map(record_of).collect::<anyhow::Result<Vec<_>>>()?;
        let last = records.last().map_or(u64::MAX, |record| record.number);
        while head < last.min(through) {
            let path = format!("/api/v1/audit/heads?cursor={head}&limit={PAGE}");
            let heads = cli::ask(runtime, "GET", &path, None).await?;
            let heads = items(&heads).iter().map(head_of).collect::<anyhow::Result<Vec<_>>>()?;
            let Some(last) = heads.last() else { break };
            head = last.number;
            for head in heads.into_iter().filter(|head| head.number <= through) {
                of_another.signed(&head);
                check.head(head);
            }
        }
        for record in &records {
            of_another.explained(record);
            if record.number > through {
                unsigned.get_or_insert((record.number, record.at));
            }
            check.record(record);
            each(record);
        }
        if page["next_cursor"].is_null() || check.number() == after {
            break;
        }
    }
    let ((heads, signed_through), records, hash) = (check.agreed(), check.number(), check.hash().to_owned());
    let agreed = check.newest().cloned();
    let mut findings = check.finish();
    findings.extend(unsigned_for_long(unsigned, newest.as_ref(), began));
    wrong.extend(of_another.findings());
    Ok(Verified { records, hash, heads, signed_through, newest: agreed, findings, keys: wrong })
}

/// What time stamps say.
#[derive(Debug, Default)]
struct Stamped {
    /// How many were found good.
    good: u64,
    /// The newest of them that speaks of the log that is there: the record, when, and who says so.
    newest: Option<(u64, Timestamp, String)>,
    /// The last record that was stamped, where the log ends before it.
    lost: Option<u64>,
    /// Those that are not what was stamped, a line each.
    findings: Vec<String>,
    /// Why they were not checked.
    unchecked: Option<String>,
}

/// Checks the newest time stamp, which speaks of the whole log before it, or all of them.
async fn stamps(
    runtime: &Path,
    plan: Option<&TimestampPlan>,
    (signed_through, all): (u64, bool),
) -> anyhow::Result<Stamped> {
    let (mut found, mut cursor) = (Stamped::default(), "&newest=true".to_owned());
    if all {
        cursor.clear();
    }
    loop {
        let path = format!("/api/v1/audit/stamps?limit={STAMPS_PAGE}{cursor}");
        let page = cli::ask(runtime, "GET", &path, None).await?;
        for one in items(&page) {
            let Some(plan) = plan else {
                let why = "the configuration has no [timestamp] authority_file to check them by";
                found.unchecked.get_or_insert_with(|| why.to_owned());
                return Ok(found);
            };
            let number = one["number"].as_u64().context("a time stamp has no number")?;
            let Ok(head) = head_of(&one["head"]) else {
                found.findings.push(format!("the head of record {number} was time-stamped, and is gone"));
                continue;
            };
            let reply = BASE64.decode(text(&one["reply"])?.as_bytes()).context("a time stamp is no base64")?;
            let digest = sha256_hex(head.stamped_text().as_bytes());
            match timestamp::verify(&reply, &digest, &plan.authority_file).await {
                Ok(token) => {
                    found.good += 1;
                    if number <= signed_through {
                        found.newest = Some((number, token.at, token.authority));
                    } else {
                        found.lost = Some(number);
                    }
                }
                Err(StampError::Wrong(why)) => {
                    found.findings.push(format!("the time stamp of the head of record {number} is not good: {why}"));
                }
                Err(error) => {
                    found.unchecked = Some(error.to_string());
                    return Ok(found);
                }
            }
        }
        let Some(next) = page["next_cursor"].as_str() else { return Ok(found) };
        cursor = format!("&cursor={}", percent_encoded(next));
    }
}

/// Whether records have stood for long behind the newest head, or without any: `first` is the number and the time of the first of them. A
/// head that is new shows that the collector signs.
fn unsigned_for_long(
    first: Option<(u64, Timestamp)>,
    newest: Option<&AuditHead>,
    now: Timestamp,
) -> Option<AuditFinding> {
    let is_old = |at: Timestamp| at < now.plus_millis(-UNSIGNED_MAX_MS);
    let (first, at) = first.filter(|(_, at)| is_old(*at))?;
    newest.is_none_or(|head| is_old(head.at)).then_some(AuditFinding::Unsigned { first, at })
}

/// Keys that the authority did not certify: the number of the last head that each of them signed, and why. An authority that was made anew
/// certified none of the keys before it, and the log says so; what was signed after that is not explained by it.
#[derive(Default)]
struct Uncertified {
    keys: BTreeMap<String, (u64, String)>,
    /// The number of the last record that says that the authority was made anew.
    anew: u64,
}

impl Uncertified {
    fn signed(&mut self, head: &AuditHead) {
        if let Some((last, _)) = self.keys.get_mut(&head.key) {
            *last = head.number.max(*last);
        }
    }

    fn explained(&mut self, record: &AuditRecord) {
        if record.action == AUTHORITY_ANEW {
            self.anew = record.number.max(self.anew);
        }
    }

    fn findings(self) -> impl Iterator<Item = String> {
        let anew = self.anew;
        let left = self.keys.into_iter().filter(move |(_, (last, _))| anew == 0 || *last > anew);
        left.map(|(id, (last, why))| match last {
            0 => format!("key {id}: {why}"),
            _ => format!("key {id}, which signed the head of record {last}: {why}"),
        })
    }
}

fn as_text(verified: &Verified, stamped: &Stamped, witnessed: &[Value]) -> String {
    let Verified { records, hash, heads, signed_through, newest: _, findings, keys } = verified;
    let mut page = String::new();
    let all = findings.iter().map(ToString::to_string).chain(keys.iter().cloned());
    for line in all.chain(stamped.findings.iter().cloned()) {
        let _ = writeln!(page, "{line}");
    }
    if page.is_empty() {
        let _ = writeln!(page, "{records} records, none changed or missing; head {hash}");
        let _ = writeln!(page, "{heads} signed heads agree, the newest of record {signed_through}");
        if let Some((number, at, authority)) = &stamped.newest {
            let (said, good) = (timestamp::said(*at, authority), stamped.good);
            let behind = signed_through.saturating_sub(*number);
            let _ = writeln!(
                page,
                "up to record {number} time-stamped {said}, {behind} signed records behind it; {good} time stamps were checked"
            );
        }
    }
    if let Some(lost) = stamped.lost {
        let _ = writeln!(page, "the log was time-stamped up to record {lost}, and ends before it: its end is lost");
    }
    if let Some(why) = &stamped.unchecked {
        let _ = writeln!(page, "time stamps were not checked: {why}");
    }
    for one in witnessed {
        let (device, at) = (word(&one["device"]), word(&one["at"]));
        let (verdict, number) = (word(&one["verdict"]), &one["head"]["number"]);
        let _ = writeln!(page, "{device:<24} {verdict:<12} record {number}, said at {at}");
    }
    page
}

fn as_value(verified: &Verified, stamped: &Stamped, (witnessed, asked): (&[Value], bool), sound: bool) -> String {
    let findings = verified
        .findings
        .iter()
        .map(|finding| json!({ "kind": finding.kind(), "record": finding.record(), "text": finding.to_string() }));
    let mut value = json!({
        "sound": sound,
        "records": verified.records,
        "hash": verified.hash,
        "heads": verified.heads,
        "signed_through": verified.signed_through,
        "findings": findings.collect::<Vec<_>>(),
        "keys": verified.keys,
        "stamps": {
            "checked": stamped.good,
            "newest": stamped.newest.as_ref().map(|(number, at, authority)| json!({ "record": number, "at": at, "authority": authority })),
            "behind": stamped.newest.as_ref().map(|(number, ..)| verified.signed_through.saturating_sub(*number)),
            "lost": stamped.lost,
            "findings": stamped.findings,
            "unchecked": stamped.unchecked,
        },
    });
    if asked {
        value["witnesses"] = json!(witnessed);
    }
    format!("{value}\n")
}

/// Whether a device saw another log than the one here. What it can have made up, a key that nobody knows or a signature that is none, is in
/// the list and no more.
fn disagrees(one: &Value) -> bool {
    one["verdict"].as_str().is_some_and(|verdict| !matches!(verdict, "agrees" | "restored" | "forged" | "unknown_key"))
}

/// All items of a list; each of its pages is asked for by these filters, as `&name=value`.
pub(crate) async fn all(runtime: &Path, path: &str, filters: &str) -> anyhow::Result<Vec<Value>> {
    let (mut found, mut cursor) = (Vec::new(), None);
    loop {
        let page = cli::ask(runtime, "GET", &page_address(path, filters, cursor.as_deref()), None).await?;
        found.extend(items(&page).iter().cloned());
        let Some(next) = page["next_cursor"].as_str() else { return Ok(found) };
        cursor = Some(next.to_owned());
    }
}

/// The address of a page of a list: the cursor says where it goes on, and nothing of what is asked for.
fn page_address(path: &str, filters: &str, cursor: Option<&str>) -> String {
    let cursor = cursor.map_or_else(String::new, |cursor| format!("&cursor={}", percent_encoded(cursor)));
    format!("{path}limit={PAGE}{filters}{cursor}")
}

pub(crate) fn items(page: &Value) -> &[Value] {
    page["items"].as_array().map_or(&[], Vec::as_slice)
}

fn record_of(item: &Value) -> anyhow::Result<AuditRecord> {
    Ok(AuditRecord {
        number: item["number"].as_u64().context("a record has no number")?,
        at: text(&item["at"])?.parse()?,
        actor: text(&item["actor"])?,
        action: text(&item["action"])?,
        subject: text(&item["subject"])?,
        detail: text(&item["detail"])?,
        hash: text(&item["hash"])?,
    })
}

pub(crate) fn head_of(item: &Value) -> anyhow::Result<AuditHead> {
    serde_json::from_value(item.clone()).context("a signed head cannot be read")
}

pub(crate) fn text(value: &Value) -> anyhow::Result<String> {
    value.as_str().map(str::to_owned).context("the collector's answer lacks a text")
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(number: u64, at: Timestamp) -> AuditHead {
        AuditHead::unsigned(number, "a".repeat(64), "b".repeat(64), at, "0".repeat(16))
    }

    #[test]
    fn every_page_of_a_list_is_asked_for_by_the_same_filters() {
        let first = page_address("/api/v1/faults?", "&device=srv-1", None);
        assert_eq!(first, "/api/v1/faults?limit=500&device=srv-1");
        let next = page_address("/api/v1/faults?", "&device=srv-1", Some("a b"));
        assert_eq!(next, "/api/v1/faults?limit=500&device=srv-1&cursor=a%20b", "or others' come with it");
    }

    #[test]
    fn records_that_stand_unsigned_for_long_are_found_and_those_of_the_last_minutes_are_not() {
        let now = clock::now();
        let ago = |minutes: i64| now.plus_millis(-minutes * 60_000);
        assert_eq!(unsigned_for_long(None, None, now), None, "there is nothing to sign");
        assert_eq!(unsigned_for_long(Some((1, ago(2))), None, now), None, "it has just begun");
        let found = Some(AuditFinding::Unsigned { first: 1, at: ago(20) });
        assert_eq!(unsigned_for_long(Some((1, ago(20))), None, now), found);
        assert_eq!(unsigned_for_long(Some((9, ago(20))), Some(&head(8, ago(1))), now), None, "it signs");
        let found = unsigned_for_long(Some((9, ago(20))), Some(&head(8, ago(30))), now);
        assert!(found.is_some_and(|found| found.to_string().starts_with("from record 9 on")));
    }

    #[test]
    fn an_authority_that_was_made_anew_explains_the_keys_before_it_and_none_after_it() {
        let begun = || {
            let key = ("0".repeat(16), (0, "the authority did not issue it".to_owned()));
            Uncertified { keys: BTreeMap::from([key]), anew: 0 }
        };
        let anew = AuditRecord {
            number: 50,
            at: clock::now(),
            actor: String::new(),
            action: AUTHORITY_ANEW.to_owned(),
            subject: "pki".to_owned(),
            detail: String::new(),
            hash: String::new(),
        };
        for (last, is_explained, found) in [(40, false, 1), (40, true, 0), (50, true, 0), (51, true, 1), (0, true, 0)] {
            let mut keys = begun();
            if last > 0 {
                keys.signed(&head(last, clock::now()));
            }
            if is_explained {
                keys.explained(&anew);
            }
            assert_eq!(keys.findings().count(), found, "the last head {last}, explained {is_explained}");
        }
    }

    #[test]
    fn what_a_device_can_make_up_is_no_disagreement() {
        for (verdict, expected) in [
            ("agrees", false),
            ("restored", false),
            ("forged", false),
            ("unknown_key", false),
            ("missing", true),
            ("differs", true),
        ] {
            assert_eq!(disagrees(&json!({ "verdict": verdict })), expected, "{verdict}");
        }
        assert!(!disagrees(&json!({})));
    }
}
