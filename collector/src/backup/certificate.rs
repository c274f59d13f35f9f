//! The certificate of restore as a text, beside its JSON.

use std::fmt::Write as _;

use ioc_engine::backup::DrillRecord;

/// A certificate as a text, for a file of the organisation.
pub(super) fn to_text(drill: &DrillRecord) -> String {
    let (result, words) = match &drill.failure {
        None => ("PASSED".to_owned(), "ĐẠT".to_owned()),
        Some(why) => (format!("FAILED: {why}"), format!("KHÔNG ĐẠT: {why}")),
    };
    let mut text = format!(
        "CHỨNG NHẬN PHỤC HỒI · CERTIFICATE OF RESTORE\n(điều 7.1, 7.2 · articles 7.1, 7.2)\n\n\
         Kết quả:          {words}\nResult:           {result}\n\
         Archive:          {}\nSHA-256:          {}\nBacked up:        {}\nRestored:         {}\nTook:             {:.1} s\n\
         Tables, rows:     {}, {}\nFiles, bytes:     {}, {}\nProgram:          ioc-collector {}\n\n",
        drill.archive,
        drill.sha256,
        drill.backup_made_at,
        drill.at,
        drill.took_ms as f64 / 1000.0,
        drill.tables,
        drill.rows,
        drill.files,
        drill.plain_bytes,
        drill.product
    );
    for line in &drill.checks {
        let _ = writeln!(text, "- {line}");
    }
    text
}
