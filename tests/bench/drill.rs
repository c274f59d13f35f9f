//! What a backup and a restore drill of a whole fleet's history take: the real collector, at the pace that is shipped, sealed by a passphrase.
//!
//! The store is the one that [`crate::year`] makes. Nobody reports meanwhile: what a backup costs commits is measured by `fleet --backup`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use ioc_tests::harness::{Rig, binary};
use ioc_tests::performance::number;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::figures::{Figure, Figures};
use crate::year;

/// A drill of 10,000 devices with 30 days should take no longer, seconds.
const GOAL_S: f64 = 300.0;
const GOAL_OF: (usize, usize) = (10_000, 30);
/// Between two lines about how far it has come.
const SAY: Duration = Duration::from_secs(30);
/// From the first start to its end: signals are listened to a moment after it answers.
const AFTER_START: Duration = Duration::from_secs(2);
const GB: f64 = 1e9;

/// What is made.
pub(crate) struct Plan {
    pub(crate) devices: usize,
    pub(crate) days: usize,
    /// `max_mib_per_s` and `peak_mib_per_s`, where they are not as shipped.
    pub(crate) pace: (Option<u64>, Option<u64>),
    /// Where; a directory that is removed afterwards by default. It holds the store three times.
    pub(crate) dir: Option<PathBuf>,
}

pub(crate) async fn run(figures: &mut Figures, plan: &Plan) -> anyhow::Result<()> {
    let own = tempfile::tempdir()?;
    let dir = plan.dir.as_deref().unwrap_or(own.path());
    let mut rig = Rig::in_dir(&dir.join("collector"), &backup_table(dir, plan.pace)?);
    // Its first start makes the keys.
    rig.start().await?;
    tokio::time::sleep(AFTER_START).await;
    rig.stop().await?;
    figures.measures(&binary("ioc-collector"));
    let fleet = format!("{} devices, {} days", plan.devices, plan.days);
    let begun = Instant::now();
    // The store, its copy while it is backed up, and the archive.
    let bytes = year::fill_for(&rig.data(), plan.devices, plan.days, 3.0)?;
    let (gigabytes, made_s) = (bytes as f64 / GB, begun.elapsed().as_secs_f64());
    println!("a store of {fleet} at 10 s with {gigabytes:.2} GB of history, made in {made_s:.0} s");
    rig.start().await?;
    figures.begin();
    let backup = work(&rig, "backup").await?["backup"].take();
    let drill = work(&rig, "drill").await?["drill"].take();
    rig.stop().await?;
    anyhow::ensure!(drill["failure"].is_null(), "the drill failed: {drill}");
    let of = |record: &Value, name: &str| record[name].as_f64().with_context(|| format!("{record} has no {name}"));
    let (plain, drill_s) = (of(&drill, "plain_bytes")? / GB, of(&drill, "took_ms")? / 1e3);
    let goal = ((plan.devices, plan.days) == GOAL_OF).then_some(GOAL_S);
    figures.say([
        Figure::new(format!("store ({fleet})"), plain, "GB"),
        Figure::new(format!("archive, sealed ({fleet})"), of(&backup, "bytes")? / GB, "GB"),
        Figure::new(format!("a backup ({fleet})"), of(&backup, "took_ms")? / 1e3, "s"),
        Figure::new(format!("a drill ({fleet})"), drill_s, "s").most_of(goal),
        Figure::new("a drill, a GB of the store", drill_s / plain.max(1e-9), "s"),
        Figure::new("rows that a drill compares", of(&drill, "rows")?, ""),
    ])
}

fn backup_table(dir: &Path, (max, peak): (Option<u64>, Option<u64>)) -> anyhow::Result<String> {
    let (to, passphrase) = (dir.join("archives"), dir.join("passphrase"));
    std::fs::create_dir_all(&to)?;
    std::fs::write(&passphrase, "a passphrase that nobody guesses\n")?;
    let key = |name: &str, value: Option<u64>| value.map_or(String::new(), |value| format!("{name} = {value}\n"));
    let pace = key("max_mib_per_s", max) + &key("peak_mib_per_s", peak);
    Ok(format!("[backup]\ndirectory = {to:?}\npassphrase_file = {passphrase:?}\n{pace}"))
}

/// Has a backup made or a drill held, and says meanwhile how far it has come.
async fn work(rig: &Rig, what: &str) -> anyhow::Result<Value> {
    let runtime = rig.runtime();
    let asking = ioc_collector::cli::ask_for_work(&runtime, "/api/v1/backups", json!({ "what": what }));
    let mut asking = std::pin::pin!(asking);
    let begun = Instant::now();
    loop {
        tokio::select! {
            answer = &mut asking => return answer.with_context(|| what.to_owned()),
            () = tokio::time::sleep(SAY) => {
                let running = rig.get("/api/v1/backups").await?["running"].take();
                let [done, all] = ["done", "all"].map(|name| running[name].as_f64().unwrap_or(0.0) / GB);
                println!("  {what}: {} s, {done:.2} of {all:.2} GB", number(begun.elapsed().as_secs_f64()));
            }
        }
    }
}
