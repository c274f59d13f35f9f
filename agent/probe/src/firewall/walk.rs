//! Rules that were made ready for one packet, and its way through them.

use std::collections::{BTreeMap, BTreeSet};

/// Most rules that are looked at on all ways together: a rule set that asks for more is not understood.
const STEPS_MAX: usize = 400_000;
/// How deep chains may jump; the kernel allows sixteen.
const DEPTH_MAX: usize = 24;
/// Most different packets that are followed at once.
const STATES_MAX: usize = 64;
/// Most rules that are named where nothing is known.
const NAMED_MAX: usize = 3;

/// Where a packet goes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PacketVerdict {
    Accept,
    Drop,
    Return,
    Continue,
    Jump(String),
    Goto(String),
    /// Given to somebody who decides elsewhere.
    Elsewhere,
}

/// One part of a rule, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RuleStep {
    /// It holds, does not, or nobody knows.
    Test(Option<bool>),
    /// The packet's mark under this mask is (or, negated, is not) this.
    Marked {
        mask: u32,
        value: u32,
        negated: bool,
    },
    /// The connection is *new* (that is what it is) or, where nothing tracks it, *untracked*: which of both holds.
    Tracked {
        new: bool,
        untracked: bool,
    },
    /// The port is another now, so what is said of ports is not known; else this holds.
    Port(Option<bool>),
    /// Sets bits of the mark; without a value nobody knows to what.
    Mark {
        mask: u32,
        value: Option<u32>,
    },
    Untrack,
    Redirect,
    Verdict(PacketVerdict),
    /// One for a new connection, another for what nothing tracks.
    ByState {
        new: PacketVerdict,
        untracked: PacketVerdict,
    },
    /// One of these, and nobody knows which.
    OneOf(Vec<PacketVerdict>),
}

/// A rule as far as the one packet is concerned: what it asks of it, and what becomes of the packet then.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct FilterRule {
    /// What it is called where it is not understood.
    pub(super) name: String,
    pub(super) steps: Vec<RuleStep>,
}

/// A chain that the kernel itself calls.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct BaseChain {
    /// 0 ingress, 1 prerouting, 2 input.
    pub(super) hook: u8,
    pub(super) priority: i64,
    /// The order of those of the same priority.
    pub(super) place: usize,
    pub(super) chain: String,
    pub(super) drops: bool,
    /// The packet comes by here; nobody knows whether.
    pub(super) passed: Option<bool>,
}

/// What became of the packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FinalVerdict {
    /// Kept out.
    Dropped,
    /// Let in.
    Accepted,
    /// It hangs on these rules, which are not understood.
    Unclear(Vec<String>),
}

/// What rules may have changed of the packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
struct PacketState {
    mark: u32,
    /// Bits of the mark that nobody knows.
    blurred: u32,
    untracked: bool,
    redirected: bool,
}

/// All rules, ready for one packet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FilterRuleSet {
    pub(super) chains: BTreeMap<String, Vec<FilterRule>>,
    pub(super) bases: Vec<BaseChain>,
}

/// How a chain is left.
#[derive(Debug, Default)]
struct ChainExits {
    /// Its end was reached, or a `return`.
    through: BTreeSet<PacketState>,
    accepted: BTreeSet<PacketState>,
    dropped: bool,
}

struct Walk<'r> {
    rules: &'r FilterRuleSet,
    steps: usize,
    doubts: Vec<String>,
    /// It was given up.
    lost: bool,
}

impl FilterRuleSet {
    /// Sends the packet through all chains in the kernel's order.
    #[must_use]
    pub fn walk(&self) -> FinalVerdict {
        let mut walk = Walk { rules: self, steps: 0, doubts: Vec::new(), lost: false };
        let mut bases: Vec<&BaseChain> = self.bases.iter().collect();
        bases.sort();
        let mut states = BTreeSet::from([PacketState::default()]);
        let mut dropped = false;
        for base in bases {
            if base.passed == Some(false) {
                continue;
            }
            let ways = walk.chain(&base.chain, &states, 0);
            let mut next = ways.accepted;
            dropped |= ways.dropped;
            if base.drops && !ways.through.is_empty() {
                dropped = true;
            } else if !base.drops {
                next.extend(ways.through);
            }
            if base.passed.is_none() {
                walk.doubt(&format!("whether chain {} sees what comes from outside", base.chain));
                next.extend(states);
            }
            states = next;
            if states.is_empty() {
                break;
            }
        }
        if walk.lost {
            return FinalVerdict::Unclear(vec![
                "the rule set is too large or jumps too deep to be followed".to_owned(),
            ]);
        }
        match (dropped, states.is_empty()) {
            (_, true) => FinalVerdict::Dropped,
            (false, false) => FinalVerdict::Accepted,
            (true, false) => {
                walk.doubts.truncate(NAMED_MAX);
                FinalVerdict::Unclear(walk.doubts)
            }
        }
    }
}

impl Walk<'_> {
    fn doubt(&mut self, name: &str) {
        if self.doubts.len() < NAMED_MAX && !self.doubts.iter().any(|known| known == name) {
            self.doubts.push(name.to_owned());
        }
    }

    fn chain(&mut self, name: &str, entering: &BTreeSet<PacketState>, depth: usize) -> ChainExits {
        let mut ways = ChainExits::default();
        let mut here = entering.clone();
        let rules = self.rules;
        let Some(chain) = rules.chains.get(name) else {
            ways.through = here;
            return ways;
        };
        if depth > DEPTH_MAX {
            self.lost = true;
            return ways;
        }
        for rule in chain {
            if here.is_empty() || self.lost {
                break;
            }
            let mut next = BTreeSet::new();
            for state in &here {
                self.steps += 1;
                if self.steps > STEPS_MAX {
                    self.lost = true;
                    return ways;
                }
                self.rule(rule, *state, depth, &mut next, &mut ways);
            }
            // What differs in nothing but the mark is followed as one whose mark nobody knows.
            if next.len() > STATES_MAX {
                next = next.into_iter().map(|state| PacketState { mark: 0, blurred: u32::MAX, ..state }).collect();
            }
            here = next;
        }
        ways.through.extend(here);
        ways
    }

    /// Sends one packet through one rule: to the next rule, or out of the chain.
    fn rule(
        &mut self,
        rule: &FilterRule,
        state: PacketState,
        depth: usize,
        next: &mut BTreeSet<PacketState>,
        ways: &mut ChainExits,
    ) {
        let mut state = state;
        for step in &rule.steps {
            let holds = match step {
                RuleStep::Test(holds) => *holds,
                RuleStep::Port(holds) => {
                    if state.redirected {
                        None
                    } else {
                        *holds
                    }
                }
                RuleStep::Marked { mask, value, negated } => {
                    let known = mask & !state.blurred;
                    let same = if (state.mark ^ value) & known != 0 {
                        Some(false)
                    } else if mask & state.blurred != 0 {
                        None
                    } else {
                        Some(true)
                    };
                    same.map(|same| same != *negated)
                }
                RuleStep::Tracked { new, untracked } => Some(if state.untracked { *untracked } else { *new }),
                RuleStep::Mark { mask, value } => {
                    match value {
                        Some(value) => {
                            state.mark = state.mark & !mask | value;
                            state.blurred &= !mask;
                        }
                        None => state.blurred |= mask,
                    }
                    Some(true)
                }
                RuleStep::Untrack => {
                    state.untracked = true;
                    Some(true)
                }
                RuleStep::Redirect => {
                    state.redirected = true;
                    Some(true)
                }
                RuleStep::ByState { new, untracked } => {
                    let verdict = if state.untracked { untracked } else { new };
                    if *verdict != PacketVerdict::Continue {
                        self.go(verdict, rule, state, depth, next, ways);
                        return;
                    }
                    Some(true)
                }
                RuleStep::Verdict(verdict) => {
                    self.go(verdict, rule, state, depth, next, ways);
                    if *verdict != PacketVerdict::Continue {
                        return;
                    }
                    Some(true)
                }
                RuleStep::OneOf(verdicts) => {
                    self.doubt(&rule.name);
                    for verdict in verdicts {
                        self.go(verdict, rule, state, depth, next, ways);
                    }
                    return;
                }
            };
            match holds {
                Some(true) => {}
                Some(false) => {
                    next.insert(state);
                    return;
                }
                None => {
                    self.doubt(&rule.name);
                    next.insert(state);
                }
            }
        }
        next.insert(state);
    }

    fn go(
        &mut self,
        verdict: &PacketVerdict,
        rule: &FilterRule,
        state: PacketState,
        depth: usize,
        next: &mut BTreeSet<PacketState>,
        ways: &mut ChainExits,
    ) {
        match verdict {
            PacketVerdict::Accept => drop(ways.accepted.insert(state)),
            PacketVerdict::Drop => ways.dropped = true,
            PacketVerdict::Return => drop(ways.through.insert(state)),
            PacketVerdict::Continue => drop(next.insert(state)),
            PacketVerdict::Elsewhere => {
                self.doubt(&rule.name);
                ways.dropped = true;
                ways.accepted.insert(state);
            }
            PacketVerdict::Jump(name) | PacketVerdict::Goto(name) => {
                let below = self.chain(name, &BTreeSet::from([state]), depth + 1);
                ways.dropped |= below.dropped;
                ways.accepted.extend(below.accepted);
                // Who came by `goto` goes on where its caller was called from.
                let after = if matches!(verdict, PacketVerdict::Jump(_)) { next } else { &mut ways.through };
                after.extend(below.through);
            }
        }
    }
}
