//! Whether a stranger is kept out (article 5.1b): the rule set, evaluated for one packet.
//!
//! The packet is the first of a TCP connection, from an address that nobody listed, on an interface that leads outside, to a port of
//! this host that no rule names; once over IPv4 and once over IPv6. Whether a firewall runs, or drops something somewhere, says
//! nothing of that: fail2ban, Docker and libvirt have rules and keep no stranger out. A rule that is not understood counts both ways;
//! only where its answer decides, nothing is known.

mod field;
pub mod listing;
pub mod nft;
mod packet;
pub mod save;
mod walk;

use ioc_common::reading::Protection;

pub use packet::{Family, OutsideInterfaces, Packet};
pub use walk::{FilterRuleSet, FinalVerdict};

use crate::ProbeOutcome;
use crate::survey_context::SurveyContext;

/// What is asked first: without the elements of sets, which may be many.
const TERSE: [&str; 4] = ["--json", "--terse", "list", "ruleset"];
/// What is asked where a chain at a device does not say at which.
const CHAINS: [&str; 2] = ["list", "chains"];
/// What is asked where the elements decide.
const WHOLE: [&str; 3] = ["--json", "list", "ruleset"];

/// What became of the packet at one set of tables.
type WalkResult = Result<FinalVerdict, String>;

/// Puts the answer into `protection`.
pub(super) fn read(context: &SurveyContext<'_>, protection: &mut Protection) {
    let outside = packet::outside(context);
    let nft = Nft::ask(context);
    let mut by = Vec::new();
    for family in Family::ALL {
        // Where nothing tells, rules for IPv6 do.
        if family == Family::V6 && !packet::speaks_ipv6(context).unwrap_or_else(|| nft.sees_ipv6()) {
            continue;
        }
        let mut answers = Vec::new();
        if let Some(answer) = nft.answer(context, family, &outside) {
            answers.push(("nftables", answer));
        }
        if let Some(answer) = legacy(context, family, &outside, &nft) {
            answers.push(("iptables", answer));
        }
        let answer = all_tables(&answers);
        for (who, _) in answers.iter().filter(|(_, answer)| *answer == Ok(FinalVerdict::Dropped)) {
            if !by.contains(&(*who).to_owned()) {
                by.push((*who).to_owned());
            }
        }
        let word = match &answer {
            Ok(FinalVerdict::Dropped) => "filtering",
            Ok(FinalVerdict::Accepted) => "open",
            Ok(FinalVerdict::Unclear(_)) | Err(_) => "unknown",
        };
        match answer {
            Ok(FinalVerdict::Unclear(rules)) => protection.unknown.push(format!(
                "firewall: whether a stranger is kept out over {} hangs on what is not understood: {}",
                family.name(),
                rules.join("; ")
            )),
            Err(why) if !protection.unknown.contains(&why) => protection.unknown.push(why),
            _ => {}
        }
        word.clone_into(if family == Family::V4 {
            &mut protection.firewall_ipv4
        } else {
            &mut protection.firewall_ipv6
        });
    }
    let words = [protection.firewall_ipv4.as_str(), protection.firewall_ipv6.as_str()];
    protection.firewall = if words.contains(&"open") {
        Some(false)
    } else if words.contains(&"unknown") {
        None
    } else {
        Some(true)
    };
    // ufw and firewalld are front ends; they say who is responsible, and count only with what they wrote.
    if context.text_if("/etc/ufw/ufw.conf").is_some_and(|text| text.lines().any(|line| line.trim() == "ENABLED=yes")) {
        by.push("ufw".to_owned());
    }
    if super::process::names(context).contains("firewalld") {
        by.push("firewalld".to_owned());
    }
    protection.firewall_by = by;
}

/// What the tables say together: the packet has to pass all of them.
fn all_tables(answers: &[(&str, WalkResult)]) -> WalkResult {
    let all = || answers.iter().map(|(_, answer)| answer);
    if all().any(|answer| *answer == Ok(FinalVerdict::Dropped)) {
        return Ok(FinalVerdict::Dropped);
    }
    if let Some(unclear) = all().find(|answer| !matches!(answer, Ok(FinalVerdict::Accepted))) {
        return unclear.clone();
    }
    if answers.is_empty() {
        return Err("firewall: neither nft nor iptables-save is there to be asked; mend: install nftables".to_owned());
    }
    Ok(FinalVerdict::Accepted)
}

/// The answer of nft, as far as it is one.
enum Nft {
    /// Its rule set, in JSON.
    Said(serde_json::Value),
    /// It is not there.
    Absent,
    /// It did not say all.
    Failed(String),
}

impl Nft {
    fn ask(context: &SurveyContext<'_>) -> Self {
        match context.ask("nft", &TERSE, 20).json() {
            Ok(json) => match listing::check_complete(&json) {
                Ok(()) => Self::Said(json),
                Err(why) => Self::Failed(format!("nft --json list ruleset: {why}")),
            },
            Err(ProbeOutcome::Unknown { why }) => Self::Failed(format!("{why}; mend: run the helper unit")),
            Err(_) => Self::Absent,
        }
    }

    fn sees_ipv6(&self) -> bool {
        matches!(self, Self::Said(json) if nft::sees_ipv6(json))
    }

    fn answer(&self, context: &SurveyContext<'_>, family: Family, outside: &OutsideInterfaces) -> Option<WalkResult> {
        let json = match self {
            Self::Said(json) => json,
            Self::Absent => return None,
            Self::Failed(why) => return Some(Err(why.clone())),
        };
        let mut stranger = Packet::new(family, outside.clone(), &nft::ports(json));
        if listing::lacks_devices(json)
            && let Ok(text) = context.ask("nft", &CHAINS, 20).lines()
        {
            stranger.devices = listing::devices(&text);
        }
        let terse = nft::compile(json, &stranger);
        let mut outcome = terse.rules.walk();
        // Where they cannot be had the stranger is in no set: he is on nobody's list.
        if terse.needs_elements
            && let Ok(whole) = context.ask("nft", &WHOLE, 20).json()
            && listing::check_complete(&whole).is_ok()
        {
            let devices = std::mem::take(&mut stranger.devices);
            stranger = Packet { devices, ..Packet::new(family, outside.clone(), &nft::ports(&whole)) };
            outcome = nft::compile(&whole, &stranger).rules.walk();
        }
        // What iptables wrote into nftables is told with its parameters by its own program only.
        if matches!(outcome, FinalVerdict::Unclear(_)) && terse.foreign {
            let tool = if family == Family::V4 { "iptables-save" } else { "ip6tables-save" };
            if let Ok(text) = context.ask(tool, &[], 20).lines()
                && let Ok(own) = save::compile(&text, &Packet::new(family, outside.clone(), &save::ports(&text)))
            {
                let others = nft::compile_without_foreign(json, &stranger);
                return Some(Ok(worse_of(own.walk(), others.rules.walk())));
            }
        }
        Some(Ok(outcome))
    }
}

fn worse_of(one: FinalVerdict, other: FinalVerdict) -> FinalVerdict {
    match (one, other) {
        (FinalVerdict::Dropped, _) | (_, FinalVerdict::Dropped) => FinalVerdict::Dropped,
        (FinalVerdict::Accepted, FinalVerdict::Accepted) => FinalVerdict::Accepted,
        (FinalVerdict::Unclear(rules), _) | (_, FinalVerdict::Unclear(rules)) => FinalVerdict::Unclear(rules),
    }
}

/// The tables of the old kind, which the kernel keeps apart; and where there is no nft, whatever iptables tells of.
fn legacy(context: &SurveyContext<'_>, family: Family, outside: &OutsideInterfaces, nft: &Nft) -> Option<WalkResult> {
    let (tables, own, any) = match family {
        Family::V4 => ("/proc/net/ip_tables_names", "iptables-legacy-save", "iptables-save"),
        Family::V6 => ("/proc/net/ip6_tables_names", "ip6tables-legacy-save", "ip6tables-save"),
    };
    let used = context.text_if(tables).is_some_and(|text| !text.trim().is_empty());
    if !used && !matches!(nft, Nft::Absent) {
        return None;
    }
    let mut said = context.ask(own, &[], 20).lines_or_none();
    // Where only one kind is installed, it bears the plain name.
    if matches!(said, Err(ProbeOutcome::Absent { .. })) {
        said = context.ask(any, &[], 20).lines_or_none();
    }
    match said {
        Ok(text) if used && text.trim().is_empty() => {
            Some(Err(format!("{own}: told no table, and {tables} names some; mend: run the helper unit")))
        }
        Ok(text) => {
            let rules = save::compile(&text, &Packet::new(family, outside.clone(), &save::ports(&text)));
            Some(rules.map(|rules| rules.walk()).map_err(|why| format!("{any}: {why}")))
        }
        Err(ProbeOutcome::Unknown { why }) => Some(Err(format!("{why}; mend: run the helper unit"))),
        Err(_) if used => Some(Err(format!(
            "firewall: {tables} names tables, and {own} is not there to be asked; mend: install iptables"
        ))),
        Err(_) => None,
    }
}
