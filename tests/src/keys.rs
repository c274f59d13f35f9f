//! docs/keys.md: every key of the configuration, made from the files as they are shipped, which tests hold to the defaults.

use std::fmt::Write as _;

const FILES: [(&str, &str); 3] = [
    ("agent.toml", include_str!("../../config/agent.toml")),
    ("collector.toml", include_str!("../../config/collector.toml")),
    ("retention.toml", include_str!("../../config/retention.toml")),
];

/// The page.
#[must_use]
pub fn page() -> String {
    let mut out = "# Khoá cấu hình · Configuration keys\n\nMade from the shipped files: `ioc-manual keys > docs/keys.md`. A value in *italics* is an example: without the key, nothing of it is done. \
                   Giá trị in nghiêng là ví dụ; không có khoá thì không làm gì.\n"
        .to_owned();
    for (name, text) in FILES {
        let _ = writeln!(out, "\n## {name}");
        describe(text, &mut out);
    }
    out
}

/// A key in a line, and whether it is only an example: `key = value`, behind `# ` where it is one.
fn key_of(line: &str) -> Option<(&str, &str, bool)> {
    let (line, example) = line.strip_prefix("# ").map_or((line, false), |rest| (rest, true));
    let (key, value) = line.split_once(" = ")?;
    let shaped = !key.is_empty() && key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    shaped.then_some((key, value, example))
}

fn section_of(line: &str) -> Option<&str> {
    let line = line.strip_prefix("# ").unwrap_or(line);
    (line.starts_with('[') && line.ends_with(']')).then_some(line)
}

fn describe(text: &str, out: &mut String) {
    let mut said: Vec<&str> = Vec::new();
    let mut in_table = false;
    // The head of the file is about the file.
    for line in text.lines().skip_while(|line| line.starts_with('#')) {
        if line.is_empty() {
            said.clear();
        } else if let Some(section) = section_of(line) {
            let _ = writeln!(out, "\n### `{section}`\n");
            if !said.is_empty() {
                let _ = writeln!(out, "{}\n", said.join(" "));
            }
            said.clear();
            in_table = false;
        } else if let Some((key, value, example)) = key_of(line) {
            // What stands behind the value is about this key.
            let (value, behind) =
                value.split_once(" # ").map_or((value, ""), |(value, behind)| (value.trim_end(), behind));
            if !in_table {
                out.push_str("| khoá · key | mặc định · default | |\n|---|---|---|\n");
                in_table = true;
            }
            let what = said.iter().copied().chain([behind.trim()]).collect::<Vec<_>>().join(" ");
            let mark = if example { "*" } else { "" };
            let cell = |text: &str| text.replace('|', "\\|");
            let _ = writeln!(out, "| `{key}` | {mark}`{}`{mark} | {} |", cell(value), cell(what.trim()));
            said.clear();
        } else if let Some(comment) = line.strip_prefix('#') {
            said.push(comment.trim());
        }
    }
}
