//! How sudoers(5) is written: lines, includes, lists, commands with what stands before them.

use std::sync::Arc;

use super::{AliasKind, CommandSpec, DEPTH_MAX, GroupMember, Principal, SudoCommand, Sudoers, UserSpec};
use crate::tree::Tree;

/// Most files of one configuration, includes and all.
const FILES_MAX: usize = 500;
/// Most rules and aliases.
const RULES_MAX: usize = 20_000;

pub(super) struct SudoersReader<'a> {
    pub(super) tree: &'a dyn Tree,
    pub(super) host: &'a str,
    pub(super) files: usize,
    pub(super) found: Sudoers,
}

impl SudoersReader<'_> {
    pub(super) fn file(&mut self, path: &str, text: &str, depth: usize) -> Result<(), String> {
        self.files += 1;
        if depth > DEPTH_MAX || self.files > FILES_MAX {
            return Err(format!("{path}: too many files that include each other"));
        }
        for (number, line) in lines(text) {
            let at = |why: String| format!("{path} line {number}: {why}");
            // Blanks may stand before the new mark, not before the old one: that is a comment then.
            let marked = line.strip_prefix('#').or_else(|| line.trim_start().strip_prefix('@'));
            if let Some(included) = marked.and_then(|rest| rest.strip_prefix("include")) {
                let (dir, rest) = included.strip_prefix("dir").map_or((false, included), |rest| (true, rest));
                if rest.starts_with([' ', '\t']) {
                    let included = self.included_path(rest, path).map_err(at)?;
                    self.include(&included, dir, path, depth)?;
                    continue;
                }
            }
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') && !is_id(line) {
                continue;
            }
            self.entry(line, path.trim_start_matches("/etc/")).map_err(at)?;
            if self.found.rules.len() + self.found.members.len() + self.found.commands.len() > RULES_MAX {
                return Err(format!("{path}: more than {RULES_MAX} rules"));
            }
        }
        Ok(())
    }

    /// The path that a line includes.
    fn included_path(&self, rest: &str, from: &str) -> Result<String, String> {
        let rest = rest.trim();
        let mut path = String::new();
        let mut chars = rest.chars();
        if let Some(quoted) = rest.strip_prefix('"') {
            path.push_str(quoted.split_once('"').ok_or("a quote does not end")?.0);
        } else {
            while let Some(c) = chars.next().filter(|c| !c.is_whitespace()) {
                path.extend(if c == '\\' { chars.next() } else { Some(c) });
            }
        }
        if path.contains("%h") {
            if self.host.is_empty() {
                return Err("the host's name (%h) is not known".to_owned());
            }
            path = path.replace("%h", self.host.split('.').next().unwrap_or_default());
        }
        if path.is_empty() {
            return Err("names no file".to_owned());
        }
        let directory = from.rsplit_once('/').map_or("", |(directory, _)| directory);
        Ok(if path.starts_with('/') { path } else { format!("{directory}/{path}") })
    }

    fn include(&mut self, path: &str, dir: bool, from: &str, depth: usize) -> Result<(), String> {
        if !dir {
            match self.tree.text(path)? {
                Some(text) => return self.file(path, &text, depth + 1),
                None => self.found.notes.push(format!("{from} includes {path}, which is not there")),
            }
            return Ok(());
        }
        let path = path.trim_end_matches('/');
        for name in self.tree.names(path)?.unwrap_or_default() {
            // As sudo does, so that backups of editors and packages are not read.
            if !name.contains('.') && !name.ends_with('~') {
                let path = format!("{path}/{name}");
                let text = self.tree.text(&path)?.ok_or_else(|| format!("{path}: it is listed and not there"))?;
                self.file(&path, &text, depth + 1)?;
            }
        }
        Ok(())
    }

    fn entry(&mut self, line: &str, file: &str) -> Result<(), String> {
        let first = line.split([' ', '\t']).next().unwrap_or_default();
        let rest = line[first.len()..].trim_start();
        match first {
            "User_Alias" => self.aliases(rest, AliasKind::User),
            "Runas_Alias" => self.aliases(rest, AliasKind::Runas),
            "Host_Alias" => self.aliases(rest, AliasKind::Host),
            "Cmnd_Alias" | "Cmd_Alias" => {
                let mut cursor = Cursor(rest);
                loop {
                    let name = cursor.alias_name()?;
                    let commands = cursor.commands()?;
                    let commands = commands.into_iter().map(|one| (one.negated, one.command)).collect();
                    if self.found.commands.insert(name.clone(), commands).is_some() {
                        return Err(format!("the alias {name} is defined twice"));
                    }
                    if !cursor.next_part()? {
                        return Ok(());
                    }
                }
            }
            "Defaults" => {
                self.defaults(rest);
                Ok(())
            }
            _ if first.starts_with("Defaults") && first["Defaults".len()..].starts_with(['@', ':', '!', '>']) => Ok(()),
            _ => {
                let mut cursor = Cursor(line);
                let users: Arc<[GroupMember]> = cursor.list(AliasKind::User)?.into();
                loop {
                    let hosts = cursor.list(AliasKind::Host)?;
                    cursor.expect('=')?;
                    let commands = cursor.commands()?;
                    self.found.rules.push(UserSpec { file: file.to_owned(), users: users.clone(), hosts, commands });
                    if !cursor.next_part()? {
                        return Ok(());
                    }
                }
            }
        }
    }

    fn aliases(&mut self, text: &str, sort: AliasKind) -> Result<(), String> {
        let mut cursor = Cursor(text);
        loop {
            let name = cursor.alias_name()?;
            let list = cursor.list(sort)?;
            if self.found.members.insert((sort, name.clone()), list).is_some() {
                return Err(format!("the alias {name} is defined twice"));
            }
            if !cursor.next_part()? {
                return Ok(());
            }
        }
    }

    /// The two settings on which it depends who is an administrator.
    fn defaults(&mut self, settings: &str) {
        for setting in settings.split(',').map(str::trim) {
            let (name, value) =
                setting.split_once('=').map_or((setting, ""), |(name, value)| (name.trim(), value.trim()));
            match name {
                "targetpw" | "rootpw" => self.found.asks_for_target = true,
                "!targetpw" | "!rootpw" => self.found.asks_for_target = false,
                "runas_default" => self.found.runas_default = Some(value.trim_matches('"').to_owned()),
                _ => {}
            }
        }
    }
}

/// Lines with the number of their first one: what a backslash goes on with is joined, comments are cut. `#` and digits are an account.
fn lines(text: &str) -> Vec<(usize, String)> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let (mut number, mut first, mut quoted) = (1, 1, false);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        let include = line.is_empty() && rest.starts_with("#include");
        if c == '\\'
            && let Some(next) = after.strip_prefix('\n').or_else(|| after.strip_prefix("\r\n"))
        {
            number += 1;
            if !quoted {
                line.push(' ');
            }
            rest = next;
        } else if c == '\\' {
            line.push(c);
            let next = after.chars().next();
            line.extend(next);
            rest = &after[next.map_or(0, char::len_utf8)..];
        } else if c == '\n' {
            lines.push((first, std::mem::take(&mut line)));
            number += 1;
            (first, quoted, rest) = (number, false, after);
        } else if c == '#' && !quoted && !is_id(rest) {
            let end = rest.find('\n').unwrap_or(rest.len());
            if include {
                line.push_str(&rest[..end]);
            }
            rest = &rest[end..];
        } else {
            quoted ^= c == '"';
            line.push(c);
            rest = after;
        }
    }
    lines.push((first, line));
    lines
}

fn is_id(text: &str) -> bool {
    let digits = text.get(1..).map_or("", |rest| rest.strip_prefix('-').unwrap_or(rest));
    digits.starts_with(|c: char| c.is_ascii_digit())
}

/// What is left of a line.
struct Cursor<'a>(&'a str);

impl<'a> Cursor<'a> {
    fn skip(&mut self) {
        self.0 = self.0.trim_start();
    }

    fn take(&mut self, mark: char) -> bool {
        self.skip();
        self.0.strip_prefix(mark).is_some_and(|rest| {
            self.0 = rest;
            true
        })
    }

    fn expect(&mut self, mark: char) -> Result<(), String> {
        if self.take(mark) { Ok(()) } else { Err(format!("'{mark}' was expected before '{}'", self.near())) }
    }

    fn near(&self) -> String {
        self.0.chars().take(20).collect()
    }

    /// Whether another part follows after `:`; the line may end instead.
    fn next_part(&mut self) -> Result<bool, String> {
        if self.take(':') {
            return Ok(true);
        }
        if self.0.is_empty() { Ok(false) } else { Err(format!("'{}' is not understood", self.near())) }
    }

    fn alias_name(&mut self) -> Result<String, String> {
        self.skip();
        let end = self.0.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(self.0.len());
        let name = self.0[..end].to_owned();
        if !is_alias(&name) {
            return Err(format!("'{}' is no name of an alias", self.near()));
        }
        self.0 = &self.0[end..];
        self.expect('=')?;
        Ok(name)
    }

    fn list(&mut self, sort: AliasKind) -> Result<Vec<GroupMember>, String> {
        let mut members = Vec::new();
        loop {
            let mut negated = false;
            while self.take('!') {
                negated = !negated;
            }
            members.push(GroupMember { negated, principal: self.member(sort)? });
            if !self.take(',') {
                return Ok(members);
            }
        }
    }

    fn member(&mut self, sort: AliasKind) -> Result<Principal, String> {
        self.skip();
        let near = self.near();
        if let Some(quoted) = self.0.strip_prefix('"') {
            let mut end = 0;
            let bytes = quoted.as_bytes();
            while end < bytes.len() && bytes[end] != b'"' {
                end += 1 + usize::from(bytes[end] == b'\\');
            }
            let (text, rest) = quoted.split_at_checked(end).ok_or("a quote does not end")?;
            self.0 = rest.strip_prefix('"').ok_or("a quote does not end")?;
            // Within quotes a backslash makes nothing but a quote what it is.
            let text = text.replace("\\\"", "\"");
            return match principal(&text, &near)? {
                // A name in quotes is a name.
                Principal::All | Principal::Alias(_) => Ok(Principal::Name(text)),
                principal => Ok(principal),
            };
        }
        let mut end = 0;
        let mut chars = self.0.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            let colon = c == ':' && {
                let so_far = &self.0[..at];
                let next = self.0[at + 1..].chars().next();
                let address = sort == AliasKind::Host
                    && at < 64
                    && so_far.chars().all(|c| c.is_ascii_hexdigit() || c == ':')
                    && next.is_some_and(|c| c.is_ascii_hexdigit() || c == ':');
                !(address || so_far == "%")
            };
            if c.is_whitespace() || matches!(c, ',' | '=' | '!' | '(' | ')' | '"') || colon {
                break;
            }
            end = at + c.len_utf8();
            if c == '\\'
                && let Some((at, c)) = chars.next()
            {
                end = at + c.len_utf8();
            }
        }
        let (text, rest) = self.0.split_at(end);
        self.0 = rest;
        principal(&unescaped(text), &near)
    }

    /// Commands, with as whom and how they are run, as far as the next `:` or the end.
    fn commands(&mut self) -> Result<Vec<CommandSpec>, String> {
        let mut commands: Vec<CommandSpec> = Vec::new();
        let mut runas: Option<Arc<[GroupMember]>> = None;
        let mut without_password = false;
        loop {
            if self.take('(') {
                runas = Some(self.runas()?.into());
            }
            let (mut not_before, mut not_after) = (String::new(), String::new());
            while let Some((name, mark, rest)) = self.option() {
                self.0 = rest;
                if mark == ':' {
                    match name {
                        "NOPASSWD" => without_password = true,
                        "PASSWD" => without_password = false,
                        _ => {}
                    }
                    continue;
                }
                let value = self.value()?;
                match name {
                    "NOTBEFORE" => not_before = value,
                    "NOTAFTER" => not_after = value,
                    _ => {}
                }
            }
            let mut negated = false;
            while self.take('!') {
                negated = !negated;
            }
            let command = self.command()?;
            commands.push(CommandSpec {
                runas: runas.clone(),
                without_password,
                not_before,
                not_after,
                negated,
                command,
            });
            if !self.take(',') {
                return Ok(commands);
            }
        }
    }

    fn runas(&mut self) -> Result<Vec<GroupMember>, String> {
        self.skip();
        let users = if self.0.starts_with([')', ':']) { Vec::new() } else { self.list(AliasKind::Runas)? };
        if self.take(':') {
            self.skip();
            if !self.0.starts_with(')') {
                self.list(AliasKind::Runas)?;
            }
        }
        self.expect(')')?;
        Ok(users)
    }

    /// A tag (`NOPASSWD:`), a setting (`CWD=`) or the digest of a file, and what follows it.
    fn option(&mut self) -> Option<(&'static str, char, &'a str)> {
        const TAGS: [&str; 16] = [
            "PASSWD",
            "NOPASSWD",
            "SETENV",
            "NOSETENV",
            "EXEC",
            "NOEXEC",
            "LOG_INPUT",
            "NOLOG_INPUT",
            "LOG_OUTPUT",
            "NOLOG_OUTPUT",
            "MAIL",
            "NOMAIL",
            "FOLLOW",
            "NOFOLLOW",
            "INTERCEPT",
            "NOINTERCEPT",
        ];
        const SETTINGS: [&str; 10] = [
            "CWD",
            "CHROOT",
            "ROLE",
            "TYPE",
            "TIMEOUT",
            "NOTBEFORE",
            "NOTAFTER",
            "APPARMOR_PROFILE",
            "PRIVS",
            "LIMITPRIVS",
        ];
        self.skip();
        let end = self.0.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))?;
        let (name, rest) = self.0.split_at(end);
        let rest = rest.trim_start();
        let mark = rest.chars().next()?;
        let known: &[&'static str] = match mark {
            ':' => &TAGS,
            '=' => &SETTINGS,
            _ => return None,
        };
        let known = known.iter().find(|known| **known == name)?;
        Some((known, mark, &rest[1..]))
    }

    fn value(&mut self) -> Result<String, String> {
        self.skip();
        if let Some(quoted) = self.0.strip_prefix('"') {
            let (value, rest) = quoted.split_once('"').ok_or("a quote does not end")?;
            self.0 = rest;
            return Ok(value.to_owned());
        }
        let end = self.0.find(|c: char| c.is_whitespace() || c == ',').unwrap_or(self.0.len());
        let (value, rest) = self.0.split_at(end);
        self.0 = rest;
        Ok(value.to_owned())
    }

    fn command(&mut self) -> Result<SudoCommand, String> {
        self.skip();
        // Digests of files: sha256:…, sha512:… before the command.
        while let Some(rest) =
            ["sha224", "sha256", "sha384", "sha512"].iter().find_map(|name| self.0.strip_prefix(name))
        {
            let Some(rest) = rest.trim_start().strip_prefix(':') else { break };
            let rest = rest.trim_start();
            let end = rest.find(|c: char| c.is_whitespace() || c == ',').unwrap_or(rest.len());
            self.0 = rest[end..].trim_start();
            if self.take(',') {
                self.skip();
            }
        }
        let near = self.near();
        let mut end = 0;
        let mut expression = false;
        let mut chars = self.0.char_indices();
        while let Some((at, c)) = chars.next() {
            // A regular expression goes from `^` at the beginning of a word to `$` at the end of one.
            let begins = at == 0 || self.0[..at].ends_with([' ', '\t']);
            if c == '^' && begins {
                expression = true;
            } else if c == '$' && expression {
                let next = self.0[at + 1..].chars().next();
                expression = next.is_some_and(|next| !next.is_whitespace() && !matches!(next, ',' | ':'));
            } else if matches!(c, ',' | ':') && !expression {
                break;
            }
            end = at + c.len_utf8();
            if c == '\\'
                && let Some((at, c)) = chars.next()
            {
                end = at + c.len_utf8();
            }
        }
        let (command, rest) = self.0.split_at(end);
        let command = command.trim();
        let first = command.split_whitespace().next().unwrap_or_default();
        let found = match first {
            "ALL" if command == "ALL" => SudoCommand::All,
            "sudoedit" | "list" => SudoCommand::Other,
            _ if first.starts_with(['/', '^']) => SudoCommand::Other,
            _ if is_alias(command) => SudoCommand::Alias(command.to_owned()),
            _ => return Err(format!("'{near}' is no command")),
        };
        self.0 = rest;
        Ok(found)
    }
}

fn is_alias(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

fn principal(text: &str, near: &str) -> Result<Principal, String> {
    let nobody = || format!("nobody is named before '{near}'");
    let number = |digits: &str| digits.parse::<u32>().map_err(|_| format!("'{text}' is no number"));
    if let Some(name) = text.strip_prefix("%:") {
        return if name.is_empty() { Err(nobody()) } else { Ok(Principal::NonUnix(name.to_owned())) };
    }
    if let Some(digits) = text.strip_prefix("%#") {
        return number(digits).map(Principal::GroupId);
    }
    if let Some(name) = text.strip_prefix('%') {
        return if name.is_empty() { Err(nobody()) } else { Ok(Principal::Group(name.to_owned())) };
    }
    if let Some(name) = text.strip_prefix('+') {
        return if name.is_empty() { Err(nobody()) } else { Ok(Principal::Netgroup(name.to_owned())) };
    }
    if let Some(digits) = text.strip_prefix('#') {
        return number(digits).map(Principal::Id);
    }
    match text {
        "" => Err(nobody()),
        "ALL" => Ok(Principal::All),
        _ if is_alias(text) => Ok(Principal::Alias(text.to_owned())),
        _ => Ok(Principal::Name(text.to_owned())),
    }
}

/// A backslash makes the next character what it is; `\x20` is a character by its number.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.strip_prefix(b"x").and_then(|hex| std::str::from_utf8(hex.get(..2)?).ok());
        if *first == b'\\'
            && let Some(byte) = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok())
        {
            bytes.push(byte);
            rest = &after[3..];
        } else if *first == b'\\'
            && let Some((next, after)) = after.split_first()
        {
            bytes.push(*next);
            rest = after;
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
