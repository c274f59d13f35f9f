//! apt's configuration (apt.conf(5)), as far as it changes what apt would install. Pure; what `#include` and `#clear` name is not followed.

/// Most values that are kept.
const VALUES_MAX: usize = 4096;

/// Names, in lower case and with `::` between their parts, and values, in the order of the files; the last one of a name counts.
#[derive(Debug, Default)]
pub(super) struct AptConf(Vec<(String, String)>);

impl AptConf {
    /// Adds what one file says.
    pub(super) fn read(&mut self, text: &str) {
        let mut scopes: Vec<usize> = Vec::new();
        let (mut prefix, mut words) = (String::new(), Vec::new());
        for token in tokens(text) {
            match token {
                ConfToken::Word(word) => words.push(word),
                ConfToken::Open => {
                    scopes.push(prefix.len());
                    if let Some(name) = words.first() {
                        prefix.push_str(&name.trim_end_matches("::").to_lowercase());
                        prefix.push_str("::");
                    }
                    words.clear();
                }
                ConfToken::Close => {
                    prefix.truncate(scopes.pop().unwrap_or(0));
                    words.clear();
                }
                ConfToken::End => {
                    if let [name, value] = words.as_slice()
                        && self.0.len() < VALUES_MAX
                    {
                        self.0.push((format!("{prefix}{}", name.to_lowercase()), value.clone()));
                    }
                    words.clear();
                }
            }
        }
    }

    /// The value of a name, given in lower case.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether a name says yes, in one of apt's ways.
    pub(super) fn is_on(&self, name: &str) -> Option<bool> {
        match self.get(name)?.to_lowercase().as_str() {
            "yes" | "true" | "with" | "on" | "enable" => Some(true),
            "no" | "false" | "without" | "off" | "disable" => Some(false),
            number => number.parse::<i64>().ok().map(|number| number != 0),
        }
    }
}

enum ConfToken {
    Word(String),
    Open,
    Close,
    End,
}

fn tokens(text: &str) -> Vec<ConfToken> {
    let mut tokens = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let Some(first) = rest.chars().next() else { return tokens };
        let line = rest.find('\n').unwrap_or(rest.len());
        if let Some(block) = rest.strip_prefix("/*") {
            rest = block.split_once("*/").map_or("", |(_, after)| after);
        } else if rest.starts_with("//") || first == '#' {
            rest = &rest[line..];
        } else if let Some(quoted) = rest.strip_prefix('"') {
            let (value, after) = quoted.split_once('"').unwrap_or((quoted, ""));
            tokens.push(ConfToken::Word(value.to_owned()));
            rest = after;
        } else if matches!(first, '{' | '}' | ';') {
            tokens.push(match first {
                '{' => ConfToken::Open,
                '}' => ConfToken::Close,
                _ => ConfToken::End,
            });
            rest = &rest[1..];
        } else {
            let end =
                rest.find(|c: char| c.is_whitespace() || matches!(c, '{' | '}' | ';' | '"')).unwrap_or(rest.len());
            tokens.push(ConfToken::Word(rest[..end].to_owned()));
            rest = &rest[end..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_joined_and_the_last_value_counts() {
        let mut conf = AptConf::default();
        conf.read("// APT::Default-Release \"no\";\nAPT { Default-Release \"bookworm\"; Get { Always-Include-Phased-Updates true; }; };\n");
        conf.read("/* apt::default-release \"x\"; */ apt::Periodic::Unattended-Upgrade \"0\"; # y\nAPT::Architectures { \"amd64\"; \"i386\"; };");
        assert_eq!(conf.get("apt::default-release"), Some("bookworm"));
        assert_eq!(conf.is_on("apt::get::always-include-phased-updates"), Some(true));
        assert_eq!(conf.is_on("apt::periodic::unattended-upgrade"), Some(false));
        assert_eq!(conf.is_on("apt::get::never-include-phased-updates"), None);
        conf.read("} } { \"x\" é");
        conf.read("APT::Periodic::Unattended-Upgrade \"1\";");
        assert_eq!(conf.is_on("apt::periodic::unattended-upgrade"), Some(true));
    }
}
