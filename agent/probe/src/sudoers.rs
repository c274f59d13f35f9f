//! sudoers(5): who may run something as root on this host.
//!
//! Read whole, with all that it includes, or not at all: a line that is not understood makes every count wrong. The judge in the
//! tests is `sudo -l -U`. Left out on purpose: which commands exactly, and `cvtsudoers`, whose JSON is broken where a rule has a
//! directory (`CWD=`, sudo 1.9.13), and which would be one process more for the same answer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::tree::{Tree, fits};

mod read;

/// How deep files may include each other (MAX_SUDOERS_DEPTH), and how deep aliases are followed.
const DEPTH_MAX: usize = 128;
/// Most steps through aliases for one list: aliases that name each other would double without end.
const STEPS_MAX: usize = 10_000;

/// Somebody or something that a list names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMember {
    /// Whoever it names is left out.
    pub negated: bool,
    /// A user, a group, a number or `ALL`.
    pub principal: Principal,
}

/// Whom a list names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// `ALL`.
    All,
    /// An alias where there is one of that name, else as [`Self::Name`].
    Alias(String),
    /// An account, a host or a network.
    Name(String),
    /// `#uid`.
    Id(u32),
    /// `%group`.
    Group(String),
    /// `%#gid`.
    GroupId(u32),
    /// `+netgroup`.
    Netgroup(String),
    /// `%:group` of a plug-in.
    NonUnix(String),
}

impl std::fmt::Display for Principal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::All => write!(f, "ALL"),
            Self::Alias(name) | Self::Name(name) => write!(f, "{name}"),
            Self::Id(uid) => write!(f, "#{uid}"),
            Self::Group(name) => write!(f, "%{name}"),
            Self::GroupId(gid) => write!(f, "%#{gid}"),
            Self::Netgroup(name) => write!(f, "+{name}"),
            Self::NonUnix(name) => write!(f, "%:{name}"),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum SudoCommand {
    All,
    Alias(String),
    Other,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct CommandSpec {
    /// As whom; none where the rule does not say.
    runas: Option<Arc<[GroupMember]>>,
    without_password: bool,
    /// From and until when, as sudo writes it (`20261231235959Z`).
    not_before: String,
    not_after: String,
    negated: bool,
    command: SudoCommand,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct UserSpec {
    file: String,
    users: Arc<[GroupMember]>,
    hosts: Vec<GroupMember>,
    commands: Vec<CommandSpec>,
}

/// An account, as rules see it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "their names say it")]
pub struct SudoUser<'a> {
    pub name: &'a str,
    pub uid: u32,
    /// Its groups, its own among them: number, and name where it has one.
    pub groups: Vec<(u32, &'a str)>,
}

/// What an account may do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SudoGrant {
    /// By which rules it may run something as root: the file, and under what name it was meant.
    pub by: Vec<(String, Principal)>,
    /// It may by a rule of which it cannot be told whether it applies.
    pub perhaps: Option<String>,
}

/// Everything that was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sudoers {
    members: BTreeMap<(AliasKind, String), Vec<GroupMember>>,
    commands: BTreeMap<String, Vec<(bool, SudoCommand)>>,
    rules: Vec<UserSpec>,
    /// As whom commands run where a rule does not say; root where that is not said either.
    runas_default: Option<String>,
    /// The password asked for is that of root, or of whoever the command runs as: a rule for ALL gives nobody anything.
    asks_for_target: bool,
    /// What it names and is not there.
    pub notes: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum AliasKind {
    User,
    Runas,
    Host,
}

impl Sudoers {
    /// Reads `path` and all it includes. None when there is no such file.
    ///
    /// # Errors
    /// What could not be read or was not understood, with its place.
    pub fn read(tree: &dyn Tree, path: &str, host: &str) -> Result<Option<Self>, String> {
        let Some(text) = tree.text(path)? else { return Ok(None) };
        let mut reader = read::SudoersReader { tree, host, files: 0, found: Self::default() };
        reader.file(path, &text, 0)?;
        let found = reader.found;
        let named = |members: &[GroupMember]| -> Vec<String> {
            members
                .iter()
                .filter_map(|one| if let Principal::Alias(name) = &one.principal { Some(name.clone()) } else { None })
                .collect()
        };
        let mut graph: BTreeMap<(Option<AliasKind>, String), Vec<String>> = BTreeMap::new();
        for ((sort, name), members) in &found.members {
            graph.insert((Some(*sort), name.clone()), named(members));
        }
        for (name, commands) in &found.commands {
            let aliases = commands
                .iter()
                .filter_map(|(_, one)| if let SudoCommand::Alias(name) = one { Some(name.clone()) } else { None });
            graph.insert((None, name.clone()), aliases.collect());
        }
        let mut depths = BTreeMap::new();
        for key in graph.keys() {
            depth(&graph, key, 0, &mut depths)?;
        }
        Ok(Some(found))
    }

    /// What an account may do at `now` (`20261124000000Z`) on the host of that name; empty when the name is not known.
    #[must_use]
    pub fn grant(&self, who: &SudoUser<'_>, host: &str, now: &str) -> SudoGrant {
        let mut right = SudoGrant::default();
        for rule in &self.rules {
            let mut steps = 0;
            let named = self.user(&rule.users, AliasKind::User, who, &mut steps);
            let here = self.host(&rule.hosts, host, &mut steps);
            let Some((true, principal)) = named else {
                if steps > STEPS_MAX {
                    right.perhaps = Some(too_many(&rule.file));
                }
                continue;
            };
            if here == Some(false) {
                continue;
            }
            for allowed in &rule.commands {
                let in_time = (allowed.not_before.is_empty() || allowed.not_before.as_str() <= now)
                    && (allowed.not_after.is_empty() || allowed.not_after.as_str() >= now);
                let nothing = self.asks_for_target && principal == Principal::All && !allowed.without_password;
                if !in_time || nothing || !self.as_root(allowed.runas.as_deref()) {
                    continue;
                }
                let mut each = Vec::new();
                self.expand(&allowed.command, allowed.negated, &mut each, &mut steps);
                for (negated, command) in each {
                    match (negated, here) {
                        (false, Some(_)) => right.by.push((rule.file.clone(), principal.clone())),
                        (false, None) => {
                            right.perhaps =
                                Some(format!("{}: whether a rule is for this host cannot be told", rule.file));
                        }
                        // The last that fits counts.
                        (true, Some(_)) if *command == SudoCommand::All => right = SudoGrant::default(),
                        (true, _) => {}
                    }
                }
            }
            // More than this was not followed.
            if steps > STEPS_MAX {
                right.perhaps = Some(too_many(&rule.file));
            }
        }
        let mut seen = Vec::new();
        right.by.retain(|one| {
            !seen.contains(one) && {
                seen.push(one.clone());
                true
            }
        });
        right
    }

    /// Whom rules name, through aliases, other than by `ALL`.
    #[must_use]
    pub fn principals(&self) -> Vec<Principal> {
        let mut named = Vec::new();
        let mut open: Vec<&GroupMember> = self.rules.iter().flat_map(|rule| rule.users.iter()).collect();
        let mut followed = BTreeSet::new();
        while let Some(member) = open.pop() {
            if let Principal::Alias(name) = &member.principal
                && let Some(members) = self.members.get(&(AliasKind::User, name.clone()))
            {
                if followed.insert(name) {
                    open.extend(members);
                }
            } else if member.principal != Principal::All && !named.contains(&member.principal) {
                named.push(member.principal.clone());
            }
        }
        named
    }

    /// Whether the last member that names the account names it with or without `!`, and how; none where none names it.
    fn user(
        &self,
        list: &[GroupMember],
        sort: AliasKind,
        who: &SudoUser<'_>,
        steps: &mut usize,
    ) -> Option<(bool, Principal)> {
        for member in list.iter().rev() {
            *steps += 1;
            if *steps > STEPS_MAX {
                return None;
            }
            let found = match &member.principal {
                Principal::All => true,
                Principal::Alias(name) => match self.members.get(&(sort, name.clone())) {
                    Some(members) => match self.user(members, sort, who, steps) {
                        Some((found, _)) => return Some((found != member.negated, member.principal.clone())),
                        None => false,
                    },
                    None => name.eq_ignore_ascii_case(who.name),
                },
                // Case does not count (case_insensitive_user and _group, which are on).
                Principal::Name(name) => name.eq_ignore_ascii_case(who.name),
                Principal::Id(uid) => *uid == who.uid,
                Principal::Group(name) => who.groups.iter().any(|(_, group)| group.eq_ignore_ascii_case(name)),
                Principal::GroupId(gid) => who.groups.iter().any(|(group, _)| group == gid),
                // Nobody here can say who is in them.
                Principal::Netgroup(_) | Principal::NonUnix(_) => false,
            };
            if found {
                return Some((!member.negated, member.principal.clone()));
            }
        }
        None
    }

    fn as_root(&self, runas: Option<&[GroupMember]>) -> bool {
        match runas {
            None => self.runas_default.as_deref().is_none_or(|name| name == "root" || name == "#0"),
            Some(list) => {
                let root = SudoUser { name: "root", uid: 0, groups: vec![(0, "root")] };
                matches!(self.user(list, AliasKind::Runas, &root, &mut 0), Some((true, _)))
            }
        }
    }

    /// Whether a list of hosts names this one; none when that cannot be told.
    fn host(&self, list: &[GroupMember], host: &str, steps: &mut usize) -> Option<bool> {
        for member in list.iter().rev() {
            *steps += 1;
            if *steps > STEPS_MAX {
                return None;
            }
            let found = match &member.principal {
                Principal::All => true,
                Principal::Alias(name) => match self.members.get(&(AliasKind::Host, name.clone())) {
                    Some(members) => match self.host_if_named(members, host, steps)? {
                        Some(found) => return Some(found != member.negated),
                        None => false,
                    },
                    None => host_fits(host, name)?,
                },
                Principal::Name(name) => host_fits(host, name)?,
                Principal::Netgroup(_) => return None,
                _ => false,
            };
            if found {
                return Some(!member.negated);
            }
        }
        Some(false)
    }

    /// As [`Self::host`], where a list that does not name it is told from one that names it with `!`.
    fn host_if_named(&self, list: &[GroupMember], host: &str, steps: &mut usize) -> Option<Option<bool>> {
        for member in list.iter().rev() {
            let one = GroupMember { negated: false, ..member.clone() };
            if self.host(&[one], host, steps)? {
                return Some(Some(!member.negated));
            }
        }
        Some(None)
    }

    fn expand<'a>(
        &'a self,
        command: &'a SudoCommand,
        negated: bool,
        into: &mut Vec<(bool, &'a SudoCommand)>,
        steps: &mut usize,
    ) {
        *steps += 1;
        if *steps > STEPS_MAX {
            return;
        }
        match command {
            // An alias that nobody defined stands for nothing.
            SudoCommand::Alias(name) => {
                for (not, command) in self.commands.get(name).into_iter().flatten() {
                    self.expand(command, *not != negated, into, steps);
                }
            }
            other => into.push((negated, other)),
        }
    }
}

fn too_many(file: &str) -> String {
    format!("{file}: a list is too long, or its aliases name too many others")
}

/// How deep an alias goes; those already known are in `depths`.
fn depth(
    graph: &BTreeMap<(Option<AliasKind>, String), Vec<String>>,
    key: &(Option<AliasKind>, String),
    above: usize,
    depths: &mut BTreeMap<(Option<AliasKind>, String), usize>,
) -> Result<usize, String> {
    if let Some(known) = depths.get(key) {
        return Ok(*known);
    }
    if above > DEPTH_MAX {
        return Err(format!("sudoers: the alias {} names itself, or too many others through each other", key.1));
    }
    let mut deepest = 0;
    for name in graph.get(key).into_iter().flatten() {
        let below = depth(graph, &(key.0, name.clone()), above + 1, depths)? + 1;
        deepest = deepest.max(below);
        if above + deepest > DEPTH_MAX {
            return Err(format!("sudoers: the alias {} names itself, or too many others through each other", key.1));
        }
    }
    depths.insert(key.clone(), deepest);
    Ok(deepest)
}

/// Whether a host is the one that is named; none when that takes its addresses or a name that is not known.
fn host_fits(host: &str, named: &str) -> Option<bool> {
    let address = named.split('/').next().unwrap_or_default();
    if host.is_empty() || address.parse::<std::net::IpAddr>().is_ok() {
        return None;
    }
    let (host, named) = (host.to_lowercase(), named.to_lowercase());
    let short = host.split('.').next().unwrap_or_default();
    if !named.contains('.') {
        return Some(fits(short, &named));
    }
    if host.contains('.') {
        return Some(fits(&host, &named));
    }
    // Its whole name is not known, but perhaps that it cannot be this one.
    if fits(short, named.split('.').next().unwrap_or_default()) { None } else { Some(false) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::testing::MemoryTree;

    fn read(files: &[(&'static str, &'static str)]) -> Result<Option<Sudoers>, String> {
        Sudoers::read(&MemoryTree(files.iter().copied().collect()), "/etc/sudoers", "srv-01.example.vn")
    }

    fn may(text: &'static str, name: &str) -> bool {
        let sudoers = read(&[("/etc/sudoers", text)]).expect("is read").expect("is there");
        let who = SudoUser { name, uid: 1000, groups: vec![(1000, name)] };
        !sudoers.grant(&who, "srv-01.example.vn", "20261124000000Z").by.is_empty()
    }

    #[test]
    fn what_cannot_be_read_or_understood_is_said_with_its_place() {
        let why = |files: &[(&'static str, &'static str)]| read(files).expect_err("is refused");
        let include = "@includedir /etc/sudoers.d\n";
        assert!(
            why(&[("/etc/sudoers", include), ("/etc/sudoers.d/a", "!")])
                .contains("/etc/sudoers.d/a: Permission denied")
        );
        assert_eq!(read(&[]), Ok(None));
        for (text, place) in [
            ("\nan !! ALL\n", "line 2"),
            ("an ALL\n", "line 1"),
            ("an ALL=ALL x\n", "line 1"),
            ("User_Alias a = b\n", "line 1"),
            ("User_Alias A = \"b\n", "line 1"),
            ("User_Alias A = b\nUser_Alias A = c\n", "line 2"),
            ("an ALL=(root ALL\n", "line 1"),
            ("an ALL=bash\n", "line 1"),
            ("#99999999999 ALL=ALL\n", "line 1"),
            ("User_Alias A = B : B = A\nA ALL=ALL\n", "names itself"),
            ("@include sudoers\n", "too many files"),
        ] {
            let why = why(&[("/etc/sudoers", text)]);
            assert!(why.contains(place) && why.contains("sudoers"), "{text}: {why}");
        }
    }

    #[test]
    fn a_rule_counts_in_its_time_and_on_its_host() {
        assert!(!may("an ALL=NOTAFTER=20200101000000Z ALL\n", "an"));
        assert!(!may("an ALL=NOTBEFORE=20990101000000Z ALL\n", "an"));
        assert!(may("an ALL=NOTBEFORE=20200101000000Z NOTAFTER=20990101000000Z ALL\n", "an"));
        assert!(
            may("an srv-01=ALL\n", "an") && may("an SRV-01.example.vn=ALL\n", "an") && may("an srv-0?=ALL\n", "an")
        );
        assert!(!may("an srv-02=ALL\n", "an") && !may("an *.example.com=ALL\n", "an"));
        let sudoers = read(&[("/etc/sudoers", "an 10.0.0.0/8=ALL\n")]).expect("is read").expect("is there");
        let right = sudoers.grant(&SudoUser { name: "an", ..SudoUser::default() }, "srv-01", "");
        assert!(right.by.is_empty() && right.perhaps.is_some());
    }

    #[test]
    fn what_is_taken_away_last_is_gone() {
        assert!(!may("an ALL=ALL\nan ALL=!ALL\n", "an"));
        assert!(may("an ALL=!ALL, /bin/ls\n", "an") && may("an ALL=ALL, !/bin/su\n", "an"));
        assert!(!may("an ALL=!/bin/su\n", "an"), "nothing is given");
        assert!(!may("Cmnd_Alias X = /bin/a, ALL\nan ALL=ALL, !X\n", "an"));
    }

    #[test]
    fn aliases_that_double_end() {
        let mut text = String::from("User_Alias A0 = x, y\n");
        for n in 1..100 {
            text += &format!("User_Alias A{n} = A{}, A{}\n", n - 1, n - 1);
        }
        text += "A99 ALL=ALL\n";
        let sudoers = read(&[("/etc/sudoers", text.leak())]).expect("is read").expect("is there");
        assert!(sudoers.grant(&SudoUser { name: "an", ..SudoUser::default() }, "", "").perhaps.is_some());
    }
}
