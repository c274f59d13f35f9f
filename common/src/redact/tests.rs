use super::*;

/// A mark in every place where a secret may stand.
const FULL: &str = r#"
# comment S3CR3T-1
[site]
name = "S3CR3T-2"
language = "vi"
timezone = "Asia/Ho_Chi_Minh"
[ingest]
listen = "0.0.0.0:8883"
connections_max = 300
"S3CR3T-3" = true
[history]
keep = "30d" # S3CR3T-4
[paths]
data = "/var/lib/ioc-collector"
runtime = "S3CR3T-5"
[[channel]]
type = "http"
url = "https://u:S3CR3T-6@host/x?key=S3CR3T-7"
headers = { Authorization = "Bearer S3CR3T-8", X-S3CR3T-9 = 'x' }
body = """
{"token": "S3CR3T-10"}
"""
to = ["S3CR3T-11@example.vn",
  "S3CR3T-12"]
per_minute = 60
always = true
[[channel]]
type = "S3CR3T-13"
min_severity = "info"
server = "S3CR3T-14"
pin = 733113
ratio = 0.733113
since = 2033-11-03
[channel.deep.S3CR3T-15]
x = [[ "S3CR3T-16" ]]
"#;

#[test]
fn only_what_is_known_to_be_harmless_is_let_out() {
    let shown = configuration(FULL);
    assert!(!shown.contains("S3CR3T") && !shown.contains("733113") && !shown.contains("2033"), "{shown}");
    for line in [
        "site.language = \"vi\"",
        "site.timezone = \"Asia/Ho_Chi_Minh\"",
        "ingest.listen = \"0.0.0.0:8883\"",
        "ingest.connections_max = 300",
        "history.keep = \"30d\"",
        "paths.data = \"/var/lib/ioc-collector\"",
        "channel[0].type = \"http\"",
        "channel[0].always = true",
        "channel[0].to[1] = (a text of 9 characters)",
        "channel[1].min_severity = \"info\"",
    ] {
        assert!(shown.lines().any(|one| one == line), "{line}\n{shown}");
    }
}

#[test]
fn what_cannot_be_parsed_says_nothing() {
    let shown = configuration("[site]\npassword = \"S3CR3T\n");
    assert_eq!(shown, "(not TOML: 26 bytes, wrong in line 2)\n");
}

#[test]
fn the_list_names_keys_that_exist() {
    let samples = [include_str!("../../../config/collector.toml"), include_str!("../../../config/agent.toml")].concat();
    for (path, _) in &HARMLESS {
        let key = path.rsplit('.').next().unwrap_or(path);
        assert!(samples.contains(&format!("{key} =")), "{path}");
    }
}

#[test]
fn reasons_and_documents_are_told_by_what_every_system_says() {
    let told = reason("/srv/S3CR3T: Permission denied (os error 13)");
    assert_eq!(told, "(44 characters: permission denied)");
    let status = serde_json::json!({
        "version": "1.2.3", "device": "S3CR3T", "connected": true, "losses": { "ring": 3 },
        "last_error": "https://u:S3CR3T@x: connection refused", "probes": [{ "name": "cpu", "outcome": "S3CR3T x" }],
    });
    let shown = document(&status, &["version", "name", "outcome"]);
    assert!(!shown.contains("S3CR3T"), "{shown}");
    for line in ["version 1.2.3", "connected true", "losses.ring 3", "probes[0].name cpu"] {
        assert!(shown.lines().any(|one| one == line), "{line}\n{shown}");
    }
    assert!(shown.contains("connection refused"), "{shown}");
}

#[test]
fn of_the_log_only_what_is_the_same_everywhere() {
    let lines = [
        r#"{"__REALTIME_TIMESTAMP":"1764000000000000","PRIORITY":"4","IOC_TARGET":"ioc_agent::uplink","IOC_EVENT":"cannot connect","MESSAGE":"S3CR3T"}"#,
        r#"{"__REALTIME_TIMESTAMP":"1764000000000000","PRIORITY":"4","IOC_TARGET":"rumqttc","IOC_EVENT":"S3CR3T"}"#,
        r#"{"__REALTIME_TIMESTAMP":"1764000000000000","PRIORITY":"4","IOC_TARGET":"ioc_agent","IOC_EVENT":"to https://S3CR3T"}"#,
        r#"{"__REALTIME_TIMESTAMP":"1764000000000000","MESSAGE":"panicked at S3CR3T"}"#,
        "S3CR3T",
    ];
    let shown = log(&lines.join("\n"));
    assert!(
        shown.contains("4 ioc_agent::uplink cannot connect\n(4 other lines)") && !shown.contains("S3CR3T"),
        "{shown}"
    );
}

#[test]
fn errors_quote_no_line_that_may_hold_a_secret() {
    for (line, shown) in [
        ("every = \"2h\" # S3CR3T", "every = \"2h\""),
        ("[site]", "[site]"),
        ("url = \"https://S3CR3T\"", "url = (16 characters)"),
        ("x = { Authorization = \"S3CR3T\" }", "x = (28 characters)"),
        ("smtp_password = \"S3CR3T\"", "smtp_password = (8 characters)"),
        ("  \"S3CR3T\",", "(11 characters)"),
    ] {
        assert_eq!(quoted(line, true, true).0, shown, "{line}");
    }
    assert_eq!(quoted("hunter = \"S3CR3T\"", true, false).0, "hunter = (8 characters)");
    assert_eq!(quoted("every = \"S3CR3T", false, true).0, "every = (7 characters)");
    assert_eq!(message("found \"S3CR3T\"; allowed are 1s to 1m"), "found \"(not shown)\"; allowed are 1s to 1m");
    assert_eq!(
        message("unknown variant `S3CR3T`, expected `a` or `b`"),
        "unknown variant `(not shown)`, expected `a` or `b`"
    );
    assert_eq!(message("unknown field `cuont`, expected `count`"), "unknown field `cuont`, expected `count`");
}
