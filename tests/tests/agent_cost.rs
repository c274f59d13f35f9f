//! What the running agent costs, held by counts: times are for the benchmarks (`scripts/bench agent`), since machines are noisy.

use std::path::Path;
use std::time::Duration;

use ioc_common::report::ProbeOutcome;
use ioc_tests::harness::{Agent, PATIENCE, Rig, binary, eventually, shipped_environment, within};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

/// How many samples are looked at together.
const SAMPLES: u64 = 6;

/// What a process has done and holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Counts {
    /// Bytes that go to a disk.
    disk_bytes: u64,
    files: usize,
    threads: usize,
}

fn counts(pid: u32) -> Counts {
    let io = std::fs::read_to_string(format!("/proc/{pid}/io")).unwrap();
    let written = io.lines().find_map(|line| line.strip_prefix("write_bytes:")).unwrap();
    let entries = |dir: &str| std::fs::read_dir(format!("/proc/{pid}/{dir}")).unwrap().count();
    Counts { disk_bytes: written.trim().parse().unwrap(), files: entries("fd"), threads: entries("task") }
}

async fn taken(agent: &Agent) -> u64 {
    agent.status().await.unwrap().taken.seq
}

#[tokio::test(flavor = "multi_thread")]
async fn in_the_steady_state_nothing_is_written_and_nothing_is_opened() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    let mut agent = rig.agent("steady", "[report]\ninterval = \"1s\"\n").await.unwrap();
    agent.start().unwrap();
    let not_yet =
        |outcome: &ProbeOutcome| matches!(outcome, ProbeOutcome::Unknown { why } if why.starts_with("not yet"));
    eventually("all is surveyed once", async || {
        let status = agent.status().await;
        status.is_ok_and(|status| status.connected && !status.probes.iter().any(|probe| not_yet(&probe.outcome)))
    })
    .await
    .unwrap();
    // Threads that looked up names end, and surveys are made now and then: in between nothing but samples goes on.
    within(PATIENCE, "samples of which nothing stays", async || {
        let (before, from) = (counts(agent.pid()), taken(&agent).await);
        let reached = within(Duration::from_secs(60), "samples", async || taken(&agent).await >= from + SAMPLES).await;
        reached.is_ok() && counts(agent.pid()) == before
    })
    .await
    .unwrap();
}

/// Bytes of one report and how many there are in all, which is four times what one sled is given.
const AWAY: (usize, u64) = (4000, 2100);
/// What may be held in memory then beside the code, KiB. One sled after the other holds 26 to 27 MiB of such reports, a single one 35 to 36.
const AWAY_MAX_KIB: u64 = 31 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn however_much_waits_on_disk_the_agent_stays_small() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Command::new(binary("ioc-spoolwriter"))
        .arg(dir.path().join("spool"))
        .arg(AWAY.0.to_string())
        .envs(shipped_environment("ioc-agent.service").unwrap())
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines();
    let mut most_kib = 0;
    while let Some(line) = lines.next_line().await.unwrap() {
        let Ok(written) = line.parse::<u64>() else { continue };
        if written.is_multiple_of(100) {
            let held = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", writer.id().unwrap())).unwrap();
            let held = held.lines().find_map(|line| line.strip_prefix("Pss_Anon:")).unwrap().trim().to_owned();
            most_kib = held.trim_end_matches(" kB").parse::<u64>().unwrap().max(most_kib);
        }
        if written >= AWAY.1 {
            break;
        }
    }
    assert!(most_kib > 500 && most_kib < AWAY_MAX_KIB, "{most_kib} KiB");
}

#[tokio::test]
async fn what_the_programs_seldom_run_lies_in_segments_of_its_own() {
    for program in ["ioc-agent", "ioc-collector"] {
        what_is_seldom_run_lies_apart(&binary(program)).await;
    }
}

async fn what_is_seldom_run_lies_apart(program: &Path) {
    let segments = readelf(&["--segments"], program).await;
    let (_, mapping) = segments.split_once("Segment Sections...").expect("a mapping of sections");
    let mut pairs = vec![(".eh_frame", ".rodata"), (".eh_frame_hdr", ".rodata"), (".gcc_except_table", ".rodata")];
    // GNU's linker makes one segment of code and what lies in between; what is shipped is linked by LLVM's.
    if readelf(&["--string-dump=.comment"], program).await.contains("LLD") {
        pairs.extend([(".eh_frame", ".text"), (".gcc_except_table", ".text"), (".text.seldom", ".text")]);
    }
    for (seldom, often) in pairs {
        let held = |section: &str| mapping.lines().find(move |line| line.split(' ').any(|word| word == section));
        assert!(held(seldom).is_some() && held(often).is_some(), "{seldom} and {often} in {mapping}");
        assert!(held(seldom) != held(often), "{seldom} is mapped along with {often}: {mapping}");
    }
    // What is named there is there, as long as functions have these names.
    let sections = readelf(&["--sections"], program).await;
    // Where in the file, and how long.
    let section = |name: &str| -> (usize, usize) {
        let line = sections.lines().find(|line| line.split_whitespace().any(|word| word == name));
        let words: Vec<&str> = line.expect(name).split_whitespace().skip_while(|word| *word != name).collect();
        let number = |at: usize| usize::from_str_radix(words[at], 16).unwrap();
        (number(3), number(4))
    };
    let ((_, seldom), (_, often)) = (section(".text.seldom"), section(".text"));
    assert!(seldom > 100_000 && seldom * 20 > often, "{seldom} of {often} bytes");

    // A panic is still caught: whoever unwinds searches this index, whose distances (pairs behind three words) are sorted as signed ones.
    let (from, length) = section(".eh_frame_hdr");
    let index = std::fs::read(program).unwrap()[from..from + length].to_vec();
    assert_eq!(index[..4], [1, 0x1b, 3, 0x3b], "an index of another form: how is it sorted?");
    let distances = index[12..].chunks_exact(8).map(|pair| i32::from_le_bytes([pair[0], pair[1], pair[2], pair[3]]));
    assert!(distances.is_sorted(), "a panic of {program:?} would not be caught");
}

async fn readelf(what: &[&str], program: &Path) -> String {
    let mut command = Command::new("readelf");
    let output = command.arg("--wide").args(what).arg(program).output().await.expect("readelf (binutils)");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
