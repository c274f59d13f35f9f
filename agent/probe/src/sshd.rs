//! What sshd lets a stranger do: as `sshd -T` says it, else as sshd_config(5) is read.
//!
//! sshd decides twice: first by what stands outside of blocks of Match (the first value of a keyword counts), then by the blocks
//! that apply to who asks (again the first counts, and goes before what stands outside). The stranger comes from an address that is
//! nobody's own (`STRANGER`); whether root is let in is asked for root, whether a password is enough for an ordinary account.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::tree::{Tree, fits};
use crate::ProbeOutcome;
use crate::survey_context::SurveyContext;
use ioc_common::clock::Timestamp;
use ioc_common::reading::Protection;
use serde::{Deserialize, Serialize};

/// A stranger's address (RFC 5737).
const STRANGER: &str = "203.0.113.9";
/// The address he asked for (RFC 5737): no host's own, so blocks for one of several addresses do not count.
const ASKED: &str = "198.51.100.1";
/// The ordinary account. It is on every system and in no group that anybody gives a right to.
const ORDINARY: &str = "nobody";
/// Where its configuration lies; the second is where SUSE's own lies until there is the first.
const MAIN: [&str; 2] = ["/etc/ssh/sshd_config", "/usr/etc/ssh/sshd_config"];
/// Where distributions put what is added to it.
const DROP_INS: &str = "/etc/ssh/sshd_config.d";
/// How deep files may include each other (SERVCONF_MAX_DEPTH).
const DEPTH_MAX: usize = 16;
/// Most files of one configuration that are read.
const FILES_MAX: usize = 400;
/// Most lines of one configuration that are read.
const LINES_MAX: usize = 100_000;

/// What sshd decides by, keyword by keyword, for one who asks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EffectiveSettings {
    /// The first value of keywords that have one, in lower case.
    values: BTreeMap<&'static str, String>,
    /// All values of keywords that gather them.
    lists: BTreeMap<&'static str, Vec<String>>,
}

/// A connection that `Match` blocks are decided for: user, groups and addresses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SshdConnection {
    /// The account to sign in as.
    pub user: String,
    /// Names of the groups that it is in, for `Match Group`.
    pub groups: Vec<String>,
    /// The local port that it comes to, for `Match LocalPort`.
    pub port: u16,
}

/// Keywords with one value.
const VALUES: [(&str, &str); 7] = [
    ("permitrootlogin", "permitrootlogin"),
    ("passwordauthentication", "passwordauthentication"),
    ("kbdinteractiveauthentication", "kbdinteractiveauthentication"),
    ("challengeresponseauthentication", "kbdinteractiveauthentication"),
    ("skeyauthentication", "kbdinteractiveauthentication"),
    ("pubkeyauthentication", "pubkeyauthentication"),
    ("gssapiauthentication", "gssapiauthentication"),
];
/// Keywords that gather values, one list after the other.
const LISTS: [&str; 4] = ["allowusers", "denyusers", "allowgroups", "denygroups"];
const METHODS: &str = "authenticationmethods";

impl EffectiveSettings {
    /// Whether root may sign in, in whatever way others may: `PermitRootLogin yes`, and no list that keeps root out.
    #[must_use]
    pub fn lets_root_in(&self, root: &SshdConnection) -> bool {
        self.values.get("permitrootlogin").is_some_and(|value| value == "yes") && self.lets_in(root)
    }

    /// Whether a password, typed in one way or the other, is all that is asked for.
    #[must_use]
    pub fn password_is_enough(&self) -> bool {
        // What is not said is yes (sshd's default).
        let on = |keyword: &str| self.values.get(keyword).is_none_or(|value| value == "yes");
        let (password, keyboard) = (on("passwordauthentication"), on("kbdinteractiveauthentication"));
        let methods = self.lists.get(METHODS).map_or(&[][..], Vec::as_slice);
        if methods.is_empty() || methods.iter().any(|list| list == "any") {
            return password || keyboard;
        }
        // Each list names what must all succeed, in its order; a list that needs what is off lets nobody in.
        methods.iter().any(|list| {
            list.split(',').all(|method| match method.split(':').next().unwrap_or_default() {
                "password" => password,
                "keyboard-interactive" => keyboard,
                "none" => true,
                _ => false,
            })
        })
    }

    /// Whether the lists of accounts and groups let it in (auth.c, `allowed_user`).
    fn lets_in(&self, who: &SshdConnection) -> bool {
        let list = |keyword: &str| self.lists.get(keyword).map_or(&[][..], Vec::as_slice);
        let named = |keyword: &str| list(keyword).iter().any(|pattern| user_fits(&who.user, pattern));
        let grouped = |keyword: &str| {
            list(keyword).iter().any(|pattern| who.groups.iter().any(|group| fits_plain(group, pattern)))
        };
        !(named("denyusers") || grouped("denygroups"))
            && (list("allowusers").is_empty() || named("allowusers"))
            && (list("allowgroups").is_empty() || grouped("allowgroups"))
    }
}

/// Reads what `sshd -T` prints: each keyword in lower case with what it decided.
///
/// # Errors
/// What is missing or not understood.
pub fn parse_effective(text: &str) -> Result<EffectiveSettings, String> {
    let mut decided = EffectiveSettings::default();
    for line in text.lines() {
        let (keyword, rest) = line.split_once(' ').unwrap_or((line, ""));
        if let Some((_, keyword)) = VALUES.iter().find(|(name, _)| *name == keyword) {
            decided.values.entry(keyword).or_insert_with(|| rest.trim().to_lowercase());
        } else if let Some(keyword) = LISTS.iter().chain([&METHODS]).find(|name| **name == keyword) {
            decided.lists.entry(keyword).or_default().extend(rest.split_whitespace().map(str::to_owned));
        }
    }
    for keyword in ["permitrootlogin", "passwordauthentication"] {
        if !decided.values.contains_key(keyword) {
            return Err(format!("says nothing of {keyword}"));
        }
    }
    Ok(decided)
}

/// What a configuration says to one who asks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SshdConfig {
    /// The settings that hold.
    pub decided: EffectiveSettings,
    /// The first port it listens at.
    pub port: Option<u16>,
    /// It has blocks of Match: others may be decided otherwise.
    pub has_match: bool,
}

/// Reads sshd_config(5) from `path` on, as sshd would for `who`. None when there is no such file.
///
/// # Errors
/// What could not be read or not understood: sshd would not start with it, or something stands there that this reader cannot know.
pub fn read_config(tree: &dyn Tree, path: &str, who: &SshdConnection) -> Result<Option<SshdConfig>, String> {
    let Some(text) = tree.text(path)? else { return Ok(None) };
    let read = |matching: bool| {
        let mut reader = SshdReader { tree, who, matching, files: 0, lines: 0, found: SshdConfig::default() };
        // While blocks are looked at, what stands outside of them does not count.
        let scope = MatchScope { active: !matching, outside: matching, never: false };
        reader.file(path, &text, scope, 0)?;
        Ok::<_, String>(reader.found)
    };
    let mut outside = read(false)?;
    // What blocks decide goes before what stands outside.
    if outside.has_match {
        let inside = read(true)?;
        outside.decided.values.extend(inside.decided.values);
        outside.decided.lists.extend(inside.decided.lists);
    }
    Ok(Some(outside))
}

struct SshdReader<'a> {
    tree: &'a dyn Tree,
    who: &'a SshdConnection,
    /// Only blocks of Match are looked at, as sshd does once it knows who asks.
    matching: bool,
    files: usize,
    lines: usize,
    found: SshdConfig,
}

/// Where in a configuration the reader is (servconf.c: `active`, SSHCFG_MATCH_ONLY, SSHCFG_NEVERMATCH).
#[derive(Debug, Clone, Copy)]
struct MatchScope {
    /// What stands here counts.
    active: bool,
    /// Only blocks are looked at, and none has begun yet.
    outside: bool,
    /// The file is included by a block that does not apply: none of its own does.
    never: bool,
}

impl SshdReader<'_> {
    fn file(&mut self, path: &str, text: &str, mut scope: MatchScope, depth: usize) -> Result<(), String> {
        self.files += 1;
        if depth > DEPTH_MAX || self.files > FILES_MAX {
            return Err(format!("{path}: too many files that include each other"));
        }
        for (number, line) in text.lines().enumerate() {
            self.lines += 1;
            if self.lines > LINES_MAX {
                return Err(format!("{path}: more than {LINES_MAX} lines"));
            }
            self.line(line, &mut scope, depth).map_err(|why| {
                // What was said of an included file names that one.
                if why.starts_with('/') { why } else { format!("{path} line {}: {why}", number + 1) }
            })?;
        }
        Ok(())
    }

    fn line(&mut self, line: &str, scope: &mut MatchScope, depth: usize) -> Result<(), String> {
        let line = line.trim_end_matches([' ', '\t', '\r', '\n', '\u{c}']).trim_start_matches(BLANKS);
        let (keyword, rest) = match word(line)? {
            Some((keyword, rest)) if !keyword.starts_with('#') => (keyword.to_lowercase(), rest),
            _ => return Ok(()),
        };
        if keyword == "match" {
            self.found.has_match = true;
            let applies = self.applies(rest)?;
            *scope = MatchScope { active: applies && !scope.never, outside: false, ..*scope };
            return Ok(());
        }
        let known = VALUES.iter().find(|(name, _)| *name == keyword).map(|(_, keyword)| *keyword);
        let list = LISTS.iter().find(|name| **name == keyword);
        if known.is_none() && list.is_none() && !["include", METHODS, "port"].contains(&keyword.as_str()) {
            return Ok(());
        }
        let arguments = arguments(rest)?;
        let Some(first) = arguments.first() else { return Err(format!("{keyword} says nothing")) };
        if keyword == "include" {
            for pattern in &arguments {
                self.include(pattern, *scope, depth)?;
            }
        } else if let Some(keyword) = known {
            if arguments.len() > 1 {
                return Err(format!("{keyword} says more than one thing"));
            }
            let value = first.to_lowercase();
            let good: &[&str] = match keyword {
                "permitrootlogin" => &["yes", "no", "without-password", "prohibit-password", "forced-commands-only"],
                _ => &["yes", "no"],
            };
            if !good.contains(&value.as_str()) {
                return Err(format!("'{value}' is no value of {keyword}"));
            }
            if scope.active {
                self.found.decided.values.entry(keyword).or_insert(value);
            }
        } else if let Some(keyword) = list {
            if scope.active {
                self.found.decided.lists.entry(keyword).or_default().extend(arguments);
            }
        } else if keyword == METHODS {
            let known = |list: &String| {
                list.split(',').all(|method| {
                    let method = method.split(':').next().unwrap_or_default();
                    ["publickey", "password", "keyboard-interactive", "hostbased", "none"].contains(&method)
                        || method.starts_with("gssapi-")
                })
            };
            if arguments != ["any"]
                && let Some(wrong) = arguments.iter().find(|list| !known(list))
            {
                return Err(format!("'{wrong}' is no list of methods"));
            }
            if scope.active {
                self.found.decided.lists.entry(METHODS).or_insert(arguments);
            }
        } else if self.found.port.is_none() {
            self.found.port = first.parse().ok();
        }
        Ok(())
    }

    /// Files are read even where they do not count, as sshd does. A block that begins in one ends with it.
    fn include(&mut self, pattern: &str, scope: MatchScope, depth: usize) -> Result<(), String> {
        let pattern = if pattern.starts_with(['/', '~']) { pattern.to_owned() } else { format!("/etc/ssh/{pattern}") };
        let never = !scope.outside && !scope.active;
        for path in glob(self.tree, &pattern)? {
            if let Some(text) = self.tree.text(&path)? {
                self.file(&path, &text, MatchScope { never, ..scope }, depth + 1)?;
            }
        }
        Ok(())
    }

    /// Whether a block of Match applies to who asks (servconf.c, `match_cfg_line`).
    fn applies(&self, criteria: &str) -> Result<bool, String> {
        let (mut rest, mut result, mut count) = (criteria, true, 0);
        while let Some((criterion, after)) = word(rest)? {
            if criterion.is_empty() || criterion.starts_with('#') {
                break;
            }
            rest = after;
            count += 1;
            let criterion = criterion.to_lowercase();
            if criterion == "all" || criterion == "invalid-user" {
                let more = word(rest)?.is_some_and(|(word, _)| !word.is_empty() && !word.starts_with('#'));
                if criterion == "all" && (count > 1 || more) {
                    return Err("'all' stands beside other criteria of Match".to_owned());
                }
                // Whoever asks for an account that does not exist is not let in, whatever a block says.
                result &= criterion == "all";
                continue;
            }
            let Some((wanted, after)) = word(rest)?.filter(|(word, _)| !word.is_empty() && !word.starts_with('#'))
            else {
                return Err(format!("Match {criterion} says nothing"));
            };
            rest = after;
            let wanted = wanted.as_str();
            result &= match criterion.as_str() {
                "user" => list_fits(&self.who.user, wanted) == Some(true),
                "group" => {
                    let each = self.who.groups.iter().map(|group| list_fits(group, wanted));
                    let each: Vec<Option<bool>> = each.collect();
                    each.contains(&Some(true)) && !each.contains(&Some(false))
                }
                // Names are not looked up (UseDNS no), so the host is known by its address.
                "host" => list_fits(STRANGER, &wanted.to_lowercase()) == Some(true),
                "address" => address_fits(STRANGER, wanted)?,
                "localaddress" => address_fits(ASKED, wanted)?,
                "localport" => wanted.parse::<u16>().map_err(|_| format!("'{wanted}' is no port"))? == self.who.port,
                // Known only once somebody is in.
                "rdomain" | "command" | "sessiontype" => false,
                _ => return Err(format!("Match {criterion} is not understood")),
            };
        }
        if count == 0 {
            return Err("Match says nothing".to_owned());
        }
        // Before it is known who asks, only blocks for all apply.
        Ok(result && (self.matching || criteria_are_all(criteria)))
    }
}

fn criteria_are_all(criteria: &str) -> bool {
    word(criteria).ok().flatten().is_some_and(|(word, _)| word.eq_ignore_ascii_case("all"))
}

const BLANKS: [char; 4] = [' ', '\t', '\r', '\n'];

/// The first word and what follows it (misc.c, `strdelim`): words end at blanks, at one `=` among them, and may be quoted.
fn word(text: &str) -> Result<Option<(String, &str)>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let Some(end) = text.find([' ', '\t', '\r', '\n', '"', '=']) else { return Ok(Some((text.to_owned(), ""))) };
    let (before, rest) = text.split_at(end);
    if let Some(quoted) = rest.strip_prefix('"') {
        let (quoted, after) = quoted.split_once('"').ok_or("a quote does not end")?;
        return Ok(Some((format!("{before}{quoted}"), after.trim_start_matches(BLANKS))));
    }
    let equals = rest.starts_with('=');
    let mut rest = rest[1..].trim_start_matches(BLANKS);
    if !equals && let Some(after) = rest.strip_prefix('=') {
        rest = after.trim_start_matches(BLANKS);
    }
    Ok(Some((before.to_owned(), rest)))
}

/// The words of a value (misc.c, `argv_split`): quotes of both kinds, `\` before one of them or a blank, `#` begins a comment.
fn arguments(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut chars = text.chars().peekable();
    loop {
        while chars.next_if(|c| matches!(c, ' ' | '\t')).is_some() {}
        match chars.peek() {
            None | Some('#') => return Ok(words),
            Some(_) => {}
        }
        let (mut word, mut quote) = (String::new(), None);
        while let Some(c) = chars.next() {
            match (c, quote) {
                ('\\', _)
                    if chars
                        .peek()
                        .is_some_and(|next| matches!(next, '\'' | '"' | '\\') || quote.is_none() && *next == ' ') =>
                {
                    word.extend(chars.next());
                }
                (' ' | '\t', None) => break,
                ('"' | '\'', None) => quote = Some(c),
                (c, Some(open)) if c == open => quote = None,
                (c, _) => word.push(c),
            }
        }
        if quote.is_some() {
            return Err("a quote does not end".to_owned());
        }
        words.push(word);
    }
}

/// A pattern of ssh: `*` and `?`, no sets (match.c, `match_pattern`).
fn fits_plain(text: &str, pattern: &str) -> bool {
    fits(text, &pattern.replace('\\', "\\\\").replace('[', "\\["))
}

/// A list of patterns (match.c, `match_pattern_list`): true or false where one with or without `!` fits; none where none does.
fn list_fits(text: &str, list: &str) -> Option<bool> {
    let mut found = None;
    for pattern in list.split(',') {
        match pattern.strip_prefix('!') {
            Some(pattern) if fits_plain(text, pattern) => return Some(false),
            None if fits_plain(text, pattern) => found = Some(true),
            _ => {}
        }
    }
    found
}

/// `USER` or `USER@HOST` of AllowUsers and DenyUsers.
fn user_fits(user: &str, pattern: &str) -> bool {
    match pattern.rsplit_once('@') {
        None => fits_plain(user, pattern),
        Some((name, host)) => fits_plain(user, name) && matches!(address_fits(STRANGER, host), Ok(true)),
    }
}

/// A list of addresses, networks and patterns (addrmatch.c, `addr_match_list`).
fn address_fits(address: &str, list: &str) -> Result<bool, String> {
    let Ok(asked) = address.parse::<IpAddr>() else { return Ok(false) };
    let mut found = false;
    for item in list.split(',') {
        let (negated, item) = item.strip_prefix('!').map_or((false, item), |item| (true, item));
        if item.is_empty() {
            return Err(format!("'{list}' is no list of addresses"));
        }
        let (network, length) = item.split_once('/').map_or((item, None), |(network, length)| (network, Some(length)));
        let inside = match network.parse::<IpAddr>() {
            Ok(network) => {
                let (bits, all) =
                    if network.is_ipv4() { (to_bits(network) << 96, 32) } else { (to_bits(network), 128) };
                let length = length.map_or(Ok(all), str::parse::<u32>);
                let length = length.ok().filter(|length| *length <= all);
                let length = length.ok_or_else(|| format!("'{item}' is no network"))?;
                let mask = if length == 0 { 0 } else { u128::MAX << (128 - length) };
                if bits & !mask != 0 {
                    return Err(format!("'{item}' is no network: it names a host"));
                }
                let own = if asked.is_ipv4() { to_bits(asked) << 96 } else { to_bits(asked) };
                network.is_ipv4() == asked.is_ipv4() && own & mask == bits
            }
            Err(_) => fits_plain(address, item),
        };
        if inside && negated {
            return Ok(false);
        }
        found |= inside;
    }
    Ok(found)
}

fn to_bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// The paths that fit a pattern, in the order of their bytes (glob(3)): sets and stars in any directory, not for a leading dot.
fn glob(tree: &dyn Tree, pattern: &str) -> Result<Vec<String>, String> {
    let mut paths = vec![String::new()];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        if !part.contains(['*', '?', '[', '\\']) {
            paths.iter_mut().for_each(|path| *path = format!("{path}/{part}"));
            continue;
        }
        let mut next = Vec::new();
        for path in &paths {
            let names = tree.names(if path.is_empty() { "/" } else { path })?.unwrap_or_default();
            let names =
                names.iter().filter(|name| (part.starts_with('.') || !name.starts_with('.')) && fits(name, part));
            next.extend(names.map(|name| format!("{path}/{name}")));
        }
        if next.len() > FILES_MAX {
            return Err(format!("{pattern}: names more than {FILES_MAX} files"));
        }
        paths = next;
    }
    paths.sort();
    Ok(paths)
}

/// What sshd answered, and to what: it loads its keys and its libraries to say so, which costs ten times what its files do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SshdAnswer {
    /// Checksum of its files as they were then.
    files: u32,
    at: Timestamp,
    root: bool,
    password: bool,
    /// Why it gave none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    refused: Option<String>,
}

impl SshdAnswer {
    /// How long it is believed while its files stay as they are, milliseconds.
    const fn life_ms(&self) -> i64 {
        if self.refused.is_some() { REFUSED_MS } else { ANSWER_MS }
    }
}

/// An answer is asked for again after this, changed files or not: sshd itself may be another.
const ANSWER_MS: i64 = 86_400_000;
/// One that gave none is asked again after this, or by another: the helper unit may do what the agent may not.
const REFUSED_MS: i64 = 2 * 3_600_000;

/// What sshd lets a stranger do, into the survey of protection. `before` is what it answered last; what it answered is to be remembered.
pub fn survey(
    context: &SurveyContext<'_>,
    protection: &mut Protection,
    before: Option<SshdAnswer>,
) -> Option<SshdAnswer> {
    let main = MAIN.into_iter().find(|path| context.exists(path));
    let groups = Groups::of(context);
    let asking = |user: &str, port| SshdConnection { user: user.to_owned(), groups: groups.of_user(user), port };
    // At which port he asks is what the configuration says first.
    let port = main.map(|main| read_config(context, main, &asking("root", 22)));
    let port = port.and_then(|read| read.ok().flatten()?.port).unwrap_or(22);
    let read = |who: &SshdConnection| match main.map(|main| read_config(context, main, who)) {
        Some(Ok(Some(read))) => Ok(Some(read)),
        Some(Err(why)) => Err(why),
        Some(Ok(None)) | None => Ok(None),
    };
    let (root, ordinary) = (asking("root", port), asking(ORDINARY, port));
    let (by_root, by_ordinary) = (read(&root), read(&ordinary));
    if matches!(by_root, Ok(None)) {
        return None;
    }
    // What we make of the files, and when the usual ones were written: we may not understand what changed.
    let usual = context.names(DROP_INS).into_iter().map(|name| format!("{DROP_INS}/{name}"));
    let written: Vec<_> =
        main.map(str::to_owned).into_iter().chain(usual).map(|path| context.changed_at(&path)).collect();
    let asked_by = context.state.is_some();
    let files = crc32fast::hash(format!("{by_root:?} {by_ordinary:?} {written:?} {asked_by}").as_bytes());
    let age = |before: &SshdAnswer| context.now.millis_since(before.at);
    let before = before.filter(|before| before.files == files && (0..before.life_ms()).contains(&age(before)));
    if let Some(before) = before.as_ref().filter(|before| before.refused.is_none()) {
        (protection.ssh_root, protection.ssh_password) = (Some(before.root), Some(before.password));
        return Some(before.clone());
    }
    let ask = |who: &SshdConnection| {
        let about = format!("user={},host={STRANGER},addr={STRANGER},laddr={ASKED},lport={}", who.user, who.port);
        context.ask("sshd", &["-T", "-C", &about], 10).parse(parse_effective)
    };
    // Without blocks of Match all are decided alike, and one question is enough.
    let alike = matches!(&by_root, Ok(Some(read)) if !read.has_match);
    let answered = match before.as_ref().and_then(|before| before.refused.clone()) {
        Some(why) => Err(ProbeOutcome::Unknown { why }),
        None => ask(&root).and_then(|root| Ok((if alike { root.clone() } else { ask(&ordinary)? }, root))),
    };
    let mut refused = None;
    match answered {
        Ok((for_ordinary, for_root)) => {
            let (root, password) = (for_root.lets_root_in(&root), for_ordinary.password_is_enough());
            (protection.ssh_root, protection.ssh_password) = (Some(root), Some(password));
            return Some(SshdAnswer { files, at: context.now, root, password, refused: None });
        }
        Err(ProbeOutcome::Unknown { why }) => {
            let instead = if by_root.is_ok() { "; its files were read instead" } else { "" };
            protection.unknown.push(format!("{why}{instead}; mend: run the helper unit, and 'sshd -t' as root"));
            refused = Some(why);
        }
        Err(_) => {}
    }
    match (by_root, by_ordinary) {
        (Ok(Some(for_root)), Ok(Some(for_ordinary))) => {
            protection.ssh_root = Some(for_root.decided.lets_root_in(&root));
            protection.ssh_password = Some(for_ordinary.decided.password_is_enough());
        }
        (Err(why), _) | (_, Err(why)) => protection.unknown.push(format!("what sshd allows: {why}")),
        _ => {}
    }
    before.or_else(|| {
        let at = context.now;
        refused.map(|why| SshdAnswer { files, at, root: false, password: false, refused: Some(why) })
    })
}

/// Who is in which group, by the files of the system.
struct Groups {
    passwd: String,
    group: String,
}

impl Groups {
    fn of(context: &SurveyContext<'_>) -> Self {
        let text = |path| Tree::text(context, path).ok().flatten().unwrap_or_default();
        Self { passwd: text("/etc/passwd"), group: text("/etc/group") }
    }

    /// Names of its groups; those of Debian and Red Hat where the files do not say.
    fn of_user(&self, user: &str) -> Vec<String> {
        let own = self.passwd.lines().find(|line| line.split(':').next() == Some(user));
        let Some(gid) = own.and_then(|line| line.split(':').nth(3)) else {
            return vec![if user == ORDINARY { "nogroup".to_owned() } else { user.to_owned() }];
        };
        let groups = self.group.lines().map(|line| line.split(':').collect::<Vec<_>>());
        let groups = groups.filter(|fields| {
            fields.get(2) == Some(&gid) || fields.get(3).is_some_and(|names| names.split(',').any(|name| name == user))
        });
        groups.filter_map(|fields| fields.first().map(|name| (*name).to_owned())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::testing::MemoryTree;

    fn read(files: &[(&'static str, &'static str)]) -> Result<Option<SshdConfig>, String> {
        let root = SshdConnection { user: "root".into(), groups: vec!["root".into()], port: 22 };
        read_config(&MemoryTree(files.iter().copied().collect()), MAIN[0], &root)
    }

    #[test]
    fn what_cannot_be_read_or_understood_is_said_with_its_place() {
        let main = |text| (MAIN[0], text);
        let why =
            read(&[main("Include d/*\n"), ("/etc/ssh/d/a", "\n"), ("/etc/ssh/d/b", "!")]).expect_err("is refused");
        assert!(why.contains("/etc/ssh/d/b: Permission denied"), "{why}");
        assert_eq!(read(&[]), Ok(None));
        for text in
            ["\nPermitRootLogin 1\n", "\nMatch\n", "\nInclude\n", "\nMatch User\n", "\nMatch Address 1.2.3.4/33\n"]
        {
            let why = read(&[main(text)]).expect_err("is refused");
            assert!(why.starts_with("/etc/ssh/sshd_config line 2"), "{text}: {why}");
        }
        assert!(read(&[main("Include d/*\nInclude d/*\n"), ("/etc/ssh/d/a", "Include d/*\nInclude d/*\n")]).is_err());
    }

    #[test]
    fn what_sshd_prints_is_whole_or_refused() {
        let text = "port 22\npermitrootlogin yes\npasswordauthentication no\nkbdinteractiveauthentication no\nallowusers an\nallowusers root@10.*\n";
        let decided = parse_effective(text).expect("is read");
        assert!(!decided.password_is_enough());
        let root = SshdConnection { user: "root".into(), ..SshdConnection::default() };
        assert!(!decided.lets_root_in(&root), "only from inside");
        assert!(parse_effective("port 22\npermitrootlogin yes\n").is_err());
    }
}
