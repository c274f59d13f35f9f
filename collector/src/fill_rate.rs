//! `ioc-collector fill-rate`: how much of a filing fills itself, asked of the running collector.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

use ioc_store::template::percent_encoded;

use crate::audit_verify::text;
use crate::cli;

/// How much of a filing fills itself, a line for all of it and one for each part.
///
/// # Errors
/// When the collector does not answer, or refuses.
pub async fn run(runtime: &Path, filing: &str, as_json: bool) -> anyhow::Result<String> {
    let path = format!("/api/v1/filings/{}/fill", percent_encoded(filing));
    let found = cli::ask(runtime, "GET", &path, None).await?;
    if as_json { Ok(format!("{found:#}\n")) } else { said(&found) }
}

fn said(found: &Value) -> anyhow::Result<String> {
    let mut said = format!(
        "{} ({}): {}\n  {} of {} measures of the level are met\n",
        text(&found["filing"])?,
        text(&found["title"])?,
        filled(&found["fills"]),
        found["measures_met"],
        found["measures"]
    );
    for part in found["parts"].as_array().into_iter().flatten() {
        writeln!(said, "  {}: {}", text(&part["part"])?, filled(&part["fills"]))?;
    }
    Ok(said)
}

/// So many of so many, the share of those that fill themselves, and what became of the others.
fn filled(fills: &Value) -> String {
    let percent = fills["percent"].as_f64().map_or_else(|| "no cells".to_owned(), |percent| format!("{percent:.1} %"));
    let of = |origin: &str| fills["by_origin"][origin].as_u64().unwrap_or_default();
    let rest = format!("{} typed for it, {} missing", of("person"), of("missing"));
    format!("{} of {} cells fill themselves ({percent}); {rest}", fills["by_itself"], fills["cells"])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_part_says_how_many_of_how_many() {
        let fills = |cells: u64, by_itself: u64, percent: Option<f64>| json!({ "cells": cells, "by_itself": by_itself, "percent": percent, "by_origin": { "person": 1, "missing": 2 } });
        let found = json!({
            "filing": "level-dossier", "title": "Hồ sơ", "measures_met": 3, "measures": 40, "fills": fills(100, 97, Some(97.0)),
            "parts": [{ "part": "plan", "title": "Phương án", "fills": fills(0, 0, None) }],
        });
        let said = said(&found).expect("whole");
        assert!(
            said.starts_with(
                "level-dossier (Hồ sơ): 97 of 100 cells fill themselves (97.0 %); 1 typed for it, 2 missing\n"
            ),
            "{said}"
        );
        assert!(
            said.contains("3 of 40 measures") && said.contains("\n  plan: 0 of 0 cells fill themselves (no cells)"),
            "{said}"
        );
    }
}
