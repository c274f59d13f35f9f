//! What is handed on to whoever helps, without what is secret.

use std::fmt::Write as _;

/// Names of keys in the configuration whose values are not handed on.
const SECRET: [&str; 6] = ["password", "secret", "token", "authorization", "key", "user"];

/// A configuration in which what is secret, and who people are, is not said.
#[must_use]
pub fn redacted(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let key = line.split('=').next().unwrap_or_default().trim().trim_start_matches(['#', ' ']).to_lowercase();
        // The paths of files that hold secrets help, and say nothing.
        let secret = SECRET.iter().any(|one| key.contains(one)) && !key.ends_with("_file") && key != "key";
        let named = line.contains('@') || line.contains("://");
        match line.split_once('=') {
            Some((before, _)) if secret || named => {
                let _ = writeln!(out, "{before}= \"(not handed on)\"");
            }
            None if named => out.push_str("(not handed on)\n"),
            _ => {
                out.push_str(line);
                out.push('\n');
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_says_nothing_secret() {
        let text = "[site]\nname = \"IOC\"\n[[channel]]\nserver = \"mail:25\"\nuser = \"duty\"\npassword_file = \"/etc/x\"\nto = [\n  \"lan@example.vn\",\n]\nurl = \"https://u:p@hook/T0K3N\"\n";
        let shown = redacted(text);
        for secret in ["\"duty\"", "lan@", "T0K3N"] {
            assert!(!shown.contains(secret), "{shown}");
        }
        assert!(shown.contains("name = \"IOC\"") && shown.contains("/etc/x") && shown.contains("mail:25"), "{shown}");
    }
}
