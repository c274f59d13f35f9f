//! The rules of iptables, as `iptables-save` tells them, made ready for one packet.

use std::net::IpAddr;

use super::field::{in_prefix, may_be_host};
use super::packet::{Family, Packet};
use super::walk::{BaseChain, FilterRule, FilterRuleSet, PacketVerdict, RuleStep};

/// Chains that a packet for this host passes, in the kernel's order.
const WAY: [(&str, &str); 7] = [
    ("raw", "PREROUTING"),
    ("mangle", "PREROUTING"),
    ("nat", "PREROUTING"),
    ("mangle", "INPUT"),
    ("filter", "INPUT"),
    ("security", "INPUT"),
    ("nat", "INPUT"),
];

/// From which port the stranger asks.
const SOURCE_PORT: u16 = 51_234;

/// Conditions that hold, or do not, whatever their values, of which there are so many.
const FIXED: [(&[&str], usize, bool); 6] = [
    // What comes in goes out nowhere, is not in pieces, and no process of this host sent it.
    (&["-o", "--out-interface", "--physdev-out", "--uid-owner", "--gid-owner"], 1, false),
    (&["-f", "--fragment", "--socket-exists"], 0, false),
    (&["--syn"], 0, true),
    // The first packet of a stranger is within every limit, and beyond none.
    (&["--limit", "--hashlimit-upto", "--hashlimit"], 1, true),
    // Nobody listed his router's card, and he sends no ICMP.
    (&["--hashlimit-above", "--mac-source", "--icmp-type", "--icmpv6-type"], 1, false),
    // Headers that he does not send.
    (
        &["--rt-type", "--rt-segsleft", "--rt-len", "--ahspi", "--espspi", "--fragid", "--hbh-len", "--dst-len"],
        1,
        false,
    ),
];

/// Options that say how, and not whether.
const OPTIONS: [(&[&str], usize); 2] = [
    (
        &[
            "--comment",
            "--limit-burst",
            "--hashlimit-burst",
            "--hashlimit-mode",
            "--hashlimit-name",
            "--hashlimit-srcmask",
            "--hashlimit-dstmask",
            "--hashlimit-htable-size",
            "--hashlimit-htable-max",
            "--hashlimit-htable-expire",
            "--hashlimit-htable-gcinterval",
            "--connlimit-mask",
            "--seconds",
            "--hitcount",
            "--name",
            "--mask",
        ],
        1,
    ),
    (
        &[
            "--rsource",
            "--rdest",
            "--rttl",
            "--reap",
            "--connlimit-saddr",
            "--connlimit-daddr",
            "--limit-iface-in",
            "--loose",
            "--validmark",
            "--accept-local",
            "--transparent",
            "--nowildcard",
            "--return-nomatch",
        ],
        0,
    ),
];

/// What a target does with the packet.
pub(super) fn target(name: &str) -> RuleStep {
    match name {
        "ACCEPT" => RuleStep::Verdict(PacketVerdict::Accept),
        "DROP" | "REJECT" | "TARPIT" | "DELUDE" | "CHAOS" | "STEAL" => RuleStep::Verdict(PacketVerdict::Drop),
        "RETURN" => RuleStep::Verdict(PacketVerdict::Return),
        "REDIRECT" => RuleStep::Redirect,
        "DNAT" | "NETMAP" | "TPROXY" | "NFQUEUE" | "QUEUE" | "SYNPROXY" | "DNETMAP" => {
            RuleStep::Verdict(PacketVerdict::Elsewhere)
        }
        "MARK" | "CONNMARK" => RuleStep::Mark { mask: u32::MAX, value: None },
        "NOTRACK" => RuleStep::Untrack,
        "LOG" | "NFLOG" | "ULOG" | "TRACE" | "AUDIT" | "CT" | "TCPMSS" | "TCPOPTSTRIP" | "SET" | "CHECKSUM"
        | "CLASSIFY" | "DSCP" | "TOS" | "TTL" | "HL" | "ECN" | "SECMARK" | "CONNSECMARK" | "IDLETIMER" | "LED"
        | "RATEEST" | "HMARK" | "MASQUERADE" | "SNAT" | "SYSRQ" | "ACCOUNT" | "LOGMARK" => {
            RuleStep::Verdict(PacketVerdict::Continue)
        }
        _ => RuleStep::OneOf(vec![PacketVerdict::Accept, PacketVerdict::Drop, PacketVerdict::Continue]),
    }
}

/// The ranges of ports that rules name.
#[must_use]
pub fn ports(text: &str) -> Vec<(u16, u16)> {
    let mut found = Vec::new();
    for line in text.lines().filter(|line| line.starts_with("-A ")) {
        let words = words(line);
        for pair in words.windows(2).filter(|pair| pair[0].contains("port") && pair[0].starts_with("--")) {
            found.extend(pair[1].split(',').filter_map(range));
        }
    }
    found
}

fn range(text: &str) -> Option<(u16, u16)> {
    let (low, high) = text.split_once(':').unwrap_or((text, text));
    let end = |text: &str, open: u16| if text.is_empty() { Some(open) } else { text.parse().ok() };
    Some((end(low, 0)?, end(high, u16::MAX)?))
}

/// Words as a shell has them: what stands in quotes is one.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted, mut any) = (Vec::new(), String::new(), false, false);
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => {
                quoted = !quoted;
                any = true;
            }
            '\\' if quoted => word.extend(letters.next()),
            ' ' | '\t' if !quoted => {
                if any || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                any = false;
            }
            other => word.push(other),
        }
    }
    if any || !word.is_empty() {
        words.push(word);
    }
    words
}

/// Makes the rules ready for the stranger's packet. No text at all is no rule.
///
/// # Errors
/// When it is not whole: each table ends with `COMMIT`, each chain of the kernel's has a policy, and there is no other line.
pub fn compile(text: &str, stranger: &Packet) -> Result<FilterRuleSet, String> {
    if text.contains("is incompatible, use 'nft' tool") {
        return Err("there are rules that only nft can tell; mend: install nftables".to_owned());
    }
    let mut set = FilterRuleSet::default();
    let mut table = String::new();
    let mut tables = 0;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        // Counters before a rule.
        let counted = line.strip_prefix('[').and_then(|line| line.split_once("] "));
        let line = counted.map_or(line, |(_, rule)| rule);
        if let (Some(name), true) = (line.strip_prefix('*'), table.is_empty()) {
            name.clone_into(&mut table);
        } else if table.is_empty() {
            return Err(format!("not understood: {}", line.chars().take(120).collect::<String>()));
        } else if line == "COMMIT" {
            table.clear();
            tables += 1;
        } else if let Some(chain) = line.strip_prefix(':') {
            let mut parts = chain.split_whitespace();
            let (name, policy) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            set.chains.entry(format!("{table} {name}")).or_default();
            if let Some(place) = WAY.iter().position(|way| *way == (table.as_str(), name)) {
                if !matches!(policy, "ACCEPT" | "DROP") {
                    return Err(format!("chain {name} of table {table} has no policy"));
                }
                set.bases.push(BaseChain {
                    hook: if name == "PREROUTING" { 1 } else { 2 },
                    priority: i64::try_from(place).unwrap_or_default(),
                    place,
                    chain: format!("{table} {name}"),
                    drops: policy == "DROP",
                    passed: Some(true),
                });
            }
        } else if let Some(rule) = line.strip_prefix("-A ") {
            let words = words(rule);
            let Some((chain, rest)) = words.split_first() else { continue };
            let made = RuleReader { words: rest, at: 0, stranger }.rule(&table, line);
            set.chains.entry(format!("{table} {chain}")).or_default().push(made);
        } else {
            return Err(format!("not understood: {}", line.chars().take(120).collect::<String>()));
        }
    }
    if !table.is_empty() || tables == 0 && !text.trim().is_empty() {
        return Err("its answer was cut, or holds no table".to_owned());
    }
    if set.chains.keys().any(|chain| chain.starts_with("filter ")) && !set.chains.contains_key("filter INPUT") {
        return Err("table filter has no chain INPUT".to_owned());
    }
    // Every chain is declared: what is none is a target that nobody here knows.
    let declared: Vec<String> = set.chains.keys().cloned().collect();
    for step in set.chains.values_mut().flatten().flat_map(|rule| &mut rule.steps) {
        if let RuleStep::Verdict(PacketVerdict::Jump(chain) | PacketVerdict::Goto(chain)) = step
            && declared.binary_search(chain).is_err()
        {
            *step = RuleStep::OneOf(vec![PacketVerdict::Accept, PacketVerdict::Drop, PacketVerdict::Continue]);
        }
    }
    Ok(set)
}

struct RuleReader<'w> {
    words: &'w [String],
    at: usize,
    stranger: &'w Packet,
}

impl RuleReader<'_> {
    fn next(&mut self) -> Option<&str> {
        let word = self.words.get(self.at)?;
        self.at += 1;
        Some(word)
    }

    fn value(&mut self) -> String {
        self.next().unwrap_or_default().to_owned()
    }

    fn rule(mut self, table: &str, line: &str) -> FilterRule {
        let name = format!("iptables {table}: {}", line.chars().take(160).collect::<String>());
        let (mut steps, mut negated, mut module) = (Vec::new(), false, String::new());
        while let Some(word) = self.next().map(str::to_owned) {
            let word = word.as_str();
            if word == "!" {
                negated = true;
                continue;
            }
            match word {
                "-m" | "--match" => {
                    module = self.value();
                    // One without a word of its own: whether a socket waits for the packet.
                    if module == "socket" {
                        steps.push(RuleStep::Test(None));
                    }
                    continue;
                }
                "-j" | "--jump" | "-g" | "--goto" => {
                    let to = self.value();
                    let own = !to.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit()) || !is_builtin(&to);
                    let mut step = if own {
                        let chain = format!("{table} {to}");
                        RuleStep::Verdict(if word.starts_with("-g") || word == "--goto" {
                            PacketVerdict::Goto(chain)
                        } else {
                            PacketVerdict::Jump(chain)
                        })
                    } else {
                        target(&to)
                    };
                    let options = &self.words[self.at..];
                    if to == "CT" && options.iter().any(|option| option == "--notrack") {
                        step = RuleStep::Untrack;
                    }
                    if to == "MARK" {
                        step = marks(options);
                    }
                    steps.push(step);
                    // What follows a target are its options.
                    break;
                }
                _ => {}
            }
            match self.test(word, &module) {
                Some(RuleStep::Test(holds)) => steps.push(RuleStep::Test(holds.map(|holds| holds != negated))),
                Some(RuleStep::Port(holds)) => steps.push(RuleStep::Port(holds.map(|holds| holds != negated))),
                Some(RuleStep::Marked { mask, value, .. }) => steps.push(RuleStep::Marked { mask, value, negated }),
                Some(RuleStep::Tracked { new, untracked }) => {
                    steps.push(RuleStep::Tracked { new: new != negated, untracked: untracked != negated });
                }
                Some(other) => steps.push(other),
                None => {}
            }
            negated = false;
        }
        FilterRule { name, steps }
    }

    /// One condition. None where a word is no condition of its own.
    fn test(&mut self, word: &str, module: &str) -> Option<RuleStep> {
        let sure = |holds: bool| Some(RuleStep::Test(Some(holds)));
        if let Some((_, values, holds)) = FIXED.iter().find(|(words, ..)| words.contains(&word)) {
            self.at += values;
            return sure(*holds);
        }
        if let Some((_, values)) = OPTIONS.iter().find(|(words, _)| words.contains(&word)) {
            self.at += values;
            return None;
        }
        match (word, module) {
            // The list of who came lately: the stranger is not on it yet, and everybody may be put on it.
            ("--set", "recent") => return sure(true),
            // The way back to who comes from outside is the way he came; `--invert` asks for those of whom it is not.
            ("--rcheck" | "--update" | "--remove", "recent") => {
                let often =
                    self.words.windows(2).find(|pair| pair[0] == "--hitcount").and_then(|pair| pair[1].parse().ok());
                // Another rule may just have put him on it.
                return Some(RuleStep::Test(often.filter(|often: &u32| *often > 1).map(|_| false)));
            }
            ("--invert", "rpfilter") => return sure(false),
            ("--match-set", _) => {
                self.at += 2;
                // He is on nobody's list of the unwanted; what a list of the wanted holds is not told.
                let refused = self.words.iter().any(|word| matches!(word.as_str(), "DROP" | "REJECT"));
                let by_address = self.words.get(self.at - 1).is_some_and(|by| by == "src");
                return Some(RuleStep::Test((refused && by_address).then_some(false)));
            }
            (other, _) if !other.starts_with('-') => return Some(RuleStep::Test(None)),
            _ => {}
        }
        let known = self.words.get(self.at).cloned().and_then(|wanted| self.asks(word, &wanted, module));
        if known.is_some() {
            self.at += 1 + usize::from(word == "--tcp-flags");
            return known;
        }
        // One that is not understood, with its values, as many as there are.
        while self.words.get(self.at).is_some_and(|next| !next.starts_with('-') && next != "!") {
            self.at += 1;
        }
        Some(RuleStep::Test(None))
    }

    /// A condition with a value. None where it is not understood.
    fn asks(&self, word: &str, wanted: &str, module: &str) -> Option<RuleStep> {
        let (port, any) = (self.stranger.port, |one: &str| wanted.split(',').any(|part| part == one));
        let holds = match word {
            "-p" | "--protocol" => matches!(wanted, "tcp" | "6" | "all" | "0"),
            "-i" | "--in-interface" => return Some(RuleStep::Test(self.stranger.comes_in_by(wanted, '+'))),
            "-s" | "--source" | "--ctorigsrc" => return Some(RuleStep::Test(self.is_source(wanted))),
            "-d" | "--destination" => {
                return Some(RuleStep::Port(prefix(wanted).and_then(|(address, length)| may_be_host(address, length))));
            }
            "--connlimit-upto" | "--quota" => wanted != "0",
            "--connlimit-above" => wanted == "0",
            "--ports" => {
                // Of either side; from which port he asks nobody knows.
                let inside = |port| super::field::or(wanted.split(',').map(|part| Some(is_within(range(part)?, port))));
                let asks = inside(SOURCE_PORT).filter(|asks| !asks);
                return Some(RuleStep::Port(super::field::or([inside(port), asks])));
            }
            "--dport" | "--destination-port" | "--dports" | "--destination-ports" | "--ctorigdstport" => {
                let inside = wanted.split(',').map(|part| Some(is_within(range(part)?, port)));
                return Some(RuleStep::Port(super::field::or(inside)));
            }
            "--sport" | "--source-port" | "--sports" | "--source-ports" => {
                let inside = wanted.split(',').map(|part| Some(is_within(range(part)?, SOURCE_PORT)));
                return Some(RuleStep::Test(super::field::or(inside)));
            }
            "--tcp-flags" => 2 & flags(wanted) == flags(self.words.get(self.at + 1)?),
            "--state" | "--ctstate" => return Some(RuleStep::Tracked { new: any("NEW"), untracked: any("UNTRACKED") }),
            "--ctproto" => matches!(wanted, "tcp" | "6"),
            "--ctdir" => wanted == "ORIGINAL",
            "--ctstatus" => false,
            "--mark" if matches!(module, "mark" | "connmark") => {
                let (value, mask) = wanted.split_once('/').unwrap_or((wanted, "0xffffffff"));
                let (value, mask) = (hex(value)?, hex(mask)?);
                if module == "mark" {
                    return Some(RuleStep::Marked { mask, value, negated: false });
                }
                value & mask == 0
            }
            // Over IPv6 this host's own address is one of a single receiver, too.
            "--dst-type" if self.stranger.family == Family::V6 && any("UNICAST") => return None,
            "--dst-type" => any("LOCAL"),
            "--src-type" => any("UNICAST"),
            "--src-range" => return Some(RuleStep::Test(self.is_between(wanted))),
            "--pkt-type" => matches!(wanted, "unicast" | "host"),
            _ => return None,
        };
        Some(RuleStep::Test(Some(holds)))
    }

    fn is_source(&self, wanted: &str) -> Option<bool> {
        let (address, length) = prefix(wanted)?;
        let number = match self.stranger.address {
            IpAddr::V4(v4) => u128::from(u32::from(v4)),
            IpAddr::V6(v6) => u128::from(v6),
        };
        Some(in_prefix(number, self.stranger.family, address, length))
    }

    fn is_between(&self, wanted: &str) -> Option<bool> {
        let (low, high) = wanted.split_once('-')?;
        let (low, high): (IpAddr, IpAddr) = (low.parse().ok()?, high.parse().ok()?);
        Some((low..=high).contains(&self.stranger.address))
    }
}

fn is_within((low, high): (u16, u16), port: u16) -> bool {
    (low..=high).contains(&port)
}

/// A number, as iptables writes marks.
fn hex(text: &str) -> Option<u32> {
    match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

fn is_builtin(name: &str) -> bool {
    !matches!(target(name), RuleStep::OneOf(_))
}

/// What `-j MARK` does.
fn marks(options: &[String]) -> RuleStep {
    let unknown = RuleStep::Mark { mask: u32::MAX, value: None };
    let [how, what, ..] = options else { return unknown };
    let (value, mask) = what.split_once('/').unwrap_or((what, "0xffffffff"));
    match (how.as_str(), hex(value), hex(mask)) {
        ("--set-xmark" | "--set-mark", Some(value), Some(mask)) if value & !mask == 0 => {
            RuleStep::Mark { mask, value: Some(value) }
        }
        ("--or-mark", Some(value), _) => RuleStep::Mark { mask: value, value: Some(value) },
        ("--and-mark", Some(value), _) => RuleStep::Mark { mask: !value, value: Some(0) },
        _ => unknown,
    }
}

fn prefix(text: &str) -> Option<(IpAddr, u32)> {
    let (address, length) = text.split_once('/').unwrap_or((text, ""));
    let address: IpAddr = address.parse().ok()?;
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let length = match length {
        "" => bits,
        number => match number.parse::<u32>() {
            Ok(length) => length,
            // A mask that is written as an address.
            Err(_) => number.parse::<std::net::Ipv4Addr>().ok().map(|mask| u32::from(mask).leading_ones())?,
        },
    };
    Some((address, length))
}

fn flags(text: &str) -> u32 {
    text.split(',')
        .map(|flag| match flag {
            "FIN" => 1,
            "SYN" => 2,
            "RST" => 4,
            "PSH" => 8,
            "ACK" => 16,
            "URG" => 32,
            "ALL" => 63,
            _ => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::super::walk::FinalVerdict;
    use super::*;

    fn meets(rules: &str) -> FinalVerdict {
        let text = format!("# Generated by iptables-save\n*filter\n{rules}COMMIT\n");
        compile(&text, &Packet::new(Family::V4, super::super::packet::OutsideInterfaces::default(), &ports(&text)))
            .expect("a rule set")
            .walk()
    }

    #[test]
    fn what_is_not_understood_counts_both_ways() {
        assert_eq!(meets(":INPUT DROP [0:0]\n"), FinalVerdict::Dropped);
        assert_eq!(meets(":INPUT DROP [0:0]\n-A INPUT ! -i docker0 -j ACCEPT\n"), FinalVerdict::Accepted);
        // A module nobody knows: it decides, so nothing is known; where it does not, all is.
        let unclear = meets(":INPUT DROP [0:0]\n-A INPUT -m moon --phase full -j ACCEPT\n");
        assert!(matches!(&unclear, FinalVerdict::Unclear(rules) if rules[0].contains("moon")), "{unclear:?}");
        assert_eq!(meets(":INPUT DROP [0:0]\n-A INPUT -p udp -m moon --phase full -j ACCEPT\n"), FinalVerdict::Dropped);
        assert_eq!(meets(":INPUT DROP [0:0]\n-A INPUT -m moon --phase full -j DROP\n"), FinalVerdict::Dropped);
        assert_eq!(meets(":INPUT ACCEPT [0:0]\n:MOON - [0:0]\n-A INPUT -j MOON\n"), FinalVerdict::Accepted);
        assert!(
            matches!(meets(":INPUT ACCEPT [0:0]\n-A INPUT -j MOON\n"), FinalVerdict::Unclear(_)),
            "no chain of this name"
        );
        assert!(matches!(meets(":INPUT ACCEPT [0:0]\n-A INPUT -j NFQUEUE --queue-num 1\n"), FinalVerdict::Unclear(_)));
    }

    #[test]
    fn words_marks_and_chains() {
        assert_eq!(words(r#"-A x -m comment --comment "let \"us\" in" -j y"#)[5], r#"let "us" in"#);
        assert_eq!(range("22"), Some((22, 22)));
        assert_eq!((range("1024:"), range("x")), (Some((1024, u16::MAX)), None));
        let marked = ":INPUT ACCEPT [0:0]\n:m - [0:0]\n-A INPUT -j MARK --set-xmark 0x1/0xf\n-A INPUT -m mark --mark 0x1/0x1 -g m\n-A m -j REJECT\n";
        assert_eq!(meets(marked), FinalVerdict::Dropped);
        // Chains that call each other without end.
        let round = meets(":INPUT ACCEPT [0:0]\n:a - [0:0]\n:b - [0:0]\n-A INPUT -j a\n-A a -j b\n-A b -j a\n");
        assert!(matches!(round, FinalVerdict::Unclear(_)), "{round:?}");
    }
}
