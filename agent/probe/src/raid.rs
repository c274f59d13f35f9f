//! Redundancy of storage: md from `/proc/mdstat`, btrfs from `/sys/fs/btrfs`, ZFS from `zpool status`, LVM from `lvs`, hardware
//! controllers by a configured command.

use ioc_common::reading::{Array, Findings, Raid};

use crate::ProbeOutcome;
use crate::capture_rule::CapturedFiles;
use crate::descriptor::{Card, SurveyDescriptor};
use crate::settings::CustomRaid;
use crate::survey_context::{SurveyContext, SurveyFindings, SurveyResult, absent, unknown};

pub(crate) const PROBE: SurveyDescriptor = SurveyDescriptor {
    probe: Raid::PROBE,
    deadline_s: 120,
    watch: &["/proc/mdstat"],
    privileged: true,
    needs: Some("zpool and lvs where ZFS or LVM mirrors are used (the helper unit)"),
    whole_memo: None,
    programs: &["lvs", "zpool"],
    captured: CapturedFiles::whole(&[
        "/proc/mdstat",
        "/sys/block/*/dm/*",
        "/sys/fs/btrfs/*/label",
        "/sys/fs/btrfs/*/devinfo/*/*",
    ]),
    processes: &[],
    card: Card {
        article: "6.2",
        vi: "Mảng đĩa: md, btrfs, ZFS, LVM, bộ điều khiển",
        en: "Arrays: md, btrfs, ZFS, LVM, controllers",
        reads: "`/proc/mdstat`, `/sys/fs/btrfs`, `zpool status`, `lvs`, commands in `[[raid.custom]]`",
        cost: "0.2 ms without programs",
    },
    read: survey,
};

mod zfs;

/// What is asked of LVM.
const LVS: [&str; 7] = [
    "--reportformat",
    "json",
    "-o",
    "vg_name,lv_name,segtype,lv_health_status,sync_percent",
    "--select",
    "segtype=~raid|mirror",
    "--readonly",
];

/// Makes the survey.
///
/// # Errors
/// *Absent* where there is no array at all.
pub fn survey(context: &SurveyContext<'_>) -> SurveyResult {
    let mut raid = Raid::default();
    match context.text("/proc/mdstat") {
        Ok(text) => raid.arrays.extend(parse_mdstat(&text)),
        Err(error) if error.source.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => raid.unknown.push(error.to_string()),
    }
    btrfs(context, &mut raid);
    if context.exists("/proc/spl/kstat/zfs") {
        zfs::read(context, &mut raid);
    }
    // Only a mirror or a RAID can lose a leg; asking costs a process, so it must be there.
    if context.names("/sys/block").iter().any(|name| dm_is_raid(context, name)) {
        lvm(context, &mut raid);
    }
    for one in &context.settings.raid_custom {
        custom(context, one, &mut raid);
    }
    match (raid.arrays.is_empty(), raid.unknown.is_empty()) {
        (true, true) => Err(absent(&"no md, btrfs of several disks, ZFS, LVM mirror or configured controller")),
        (true, false) => Err(unknown(&raid.unknown.join("; "))),
        _ => SurveyFindings::of(&raid, context.now),
    }
}

/// Reads `/proc/mdstat` (md(4)).
#[must_use]
pub fn parse_mdstat(text: &str) -> Vec<Array> {
    let mut arrays: Vec<Array> = Vec::new();
    for line in text.lines() {
        if let Some((name, rest)) = line.split_once(" : ").filter(|(name, _)| name.starts_with("md")) {
            let words: Vec<&str> = rest.split_whitespace().collect();
            // `broken` is a raid0 or linear that lost a member and still runs.
            let state = words.first().copied().unwrap_or_default();
            let active = state == "active";
            let level = words.iter().skip(1).find(|word| !word.starts_with('(') && !word.contains('['));
            let members: Vec<&&str> = words.iter().filter(|word| word.contains('[')).collect();
            let failed: Vec<String> = members
                .iter()
                .filter(|word| word.contains("(F)"))
                .map(|word| word.split('[').next().unwrap_or("").to_owned())
                .collect();
            // Spares, a journal and what is to replace a member are not members.
            let own = |word: &&&&str| !["(S)", "(J)", "(R)"].iter().any(|mark| word.contains(mark));
            let own: Vec<_> = members.iter().filter(own).collect();
            let count = u32::try_from(own.len()).unwrap_or(0);
            let working = own.iter().filter(|word| !word.contains("(F)")).count();
            let working = u32::try_from(working).unwrap_or(0);
            arrays.push(Array {
                name: name.trim().to_owned(),
                kind: "md".to_owned(),
                level: level.filter(|_| state != "inactive").map_or(String::new(), |level| (*level).to_owned()),
                healthy: Some(active && failed.is_empty()),
                state: state.to_owned(),
                members: count,
                working,
                failed,
                ..Array::default()
            });
            continue;
        }
        let Some(array) = arrays.last_mut() else { continue };
        let line = line.trim();
        // What holds the volumes of a firmware's own RAID is never active; a volume in it says `external:/md127/0` (md(4)).
        if line.split_once("super external:").is_some_and(|(_, kind)| !kind.starts_with(['/', '-'])) {
            arrays.pop();
            continue;
        }
        // `[2/1] [U_]`: wanted, working, and which.
        let counts = line.split('[').skip(1).filter_map(|part| part.split(']').next()).find_map(|part| {
            let (wanted, working) = part.split_once('/')?;
            Some((wanted.parse::<u32>().ok()?, working.parse::<u32>().ok()?))
        });
        if let (Some((wanted, working)), true) = (counts, line.contains("blocks")) {
            (array.members, array.working) = (wanted, working);
            if working < wanted {
                array.healthy = Some(false);
                array.state = "degraded".to_owned();
            }
        }
        for activity in ["recovery", "resync", "reshape", "check"] {
            if let Some((_, rest)) = line.split_once(&format!("{activity} =")) {
                array.activity = activity.to_owned();
                array.progress_pct = rest.trim().split('%').next().and_then(|pct| pct.trim().parse().ok());
            } else if line.contains(&format!("{activity}=")) {
                // resync=DELAYED, resync=PENDING
                array.activity = activity.to_owned();
            }
        }
    }
    arrays
}

/// Filesystems of btrfs that span several devices: one that is missing, and errors counted on each (kernel 5.14 and later).
fn btrfs(context: &SurveyContext<'_>, raid: &mut Raid) {
    for uuid in context.names("/sys/fs/btrfs").iter().filter(|name| name.contains('-')) {
        let base = format!("/sys/fs/btrfs/{uuid}");
        let devices = context.names(&format!("{base}/devinfo"));
        if devices.is_empty() {
            continue;
        }
        let label = context.text_if(&format!("{base}/label")).filter(|label| !label.is_empty());
        let name = label.unwrap_or_else(|| uuid.chars().take(8).collect());
        let mut failed = Vec::new();
        let (mut errors, mut unclear) = (None, false);
        for device in &devices {
            let state = |name: &str| context.text_if(&format!("{base}/devinfo/{device}/{name}"));
            match state("missing").as_deref() {
                Some("1") => failed.push(format!("device {device}")),
                Some("0") => {}
                _ => {
                    unclear = true;
                    raid.unknown.push(format!("btrfs {name}: whether device {device} is missing"));
                }
            }
            for line in state("error_stats").unwrap_or_default().lines() {
                match line.split_whitespace().nth(1).and_then(|count| count.parse::<u64>().ok()) {
                    Some(count) => errors = Some(errors.unwrap_or(0_u64).saturating_add(count)),
                    // `invalid`, until the counters are read from the disk.
                    None => raid.unknown.push(format!("btrfs {name}: errors of device {device}: {line:?}")),
                }
            }
        }
        let profiles = context.names(&format!("{base}/allocation/data"));
        let level = profiles.iter().find(|name| name.starts_with("raid") || ["single", "dup"].contains(&name.as_str()));
        let members = u32::try_from(devices.len()).unwrap_or(0);
        raid.arrays.push(Array {
            name,
            kind: "btrfs".to_owned(),
            level: level.cloned().unwrap_or_default(),
            healthy: if unclear && failed.is_empty() { None } else { Some(failed.is_empty()) },
            state: if failed.is_empty() { "online" } else { "degraded" }.to_owned(),
            members,
            working: members.saturating_sub(u32::try_from(failed.len()).unwrap_or(0)),
            failed,
            errors,
            ..Array::default()
        });
    }
}

/// Reads `zpool status -p`.
///
/// # Errors
/// Where a pool's block does not come to its end, or there is none.
pub fn parse_zpool(text: &str) -> Result<(Vec<Array>, Vec<String>), String> {
    zfs::parse(text)
}

fn dm_is_raid(context: &SurveyContext<'_>, block: &str) -> bool {
    block.starts_with("dm-")
        && context.text_if(&format!("/sys/block/{block}/dm/uuid")).is_some_and(|uuid| uuid.starts_with("LVM-"))
        && context
            .text_if(&format!("/sys/block/{block}/dm/name"))
            .is_some_and(|name| name.contains("_rimage_") || name.contains("_mimage_"))
}

fn lvm(context: &SurveyContext<'_>, raid: &mut Raid) {
    let found = context
        .ask("lvs", &LVS, 30)
        .json()
        .and_then(|value| parse_lvs(&value).map_err(|why| ProbeOutcome::Unknown { why: format!("lvs: {why}") }));
    match found {
        Ok(volumes) => {
            let unclear = volumes.iter().filter(|volume| volume.healthy.is_none());
            raid.unknown
                .extend(unclear.map(|volume| format!("lvs: whether {} is well: {:?}", volume.name, volume.state)));
            raid.arrays.extend(volumes);
        }
        Err(outcome) => raid.unknown.extend(why(outcome)),
    }
}

/// Reads `lvs --reportformat json`. The kernel has such a volume, or it would not be asked.
///
/// # Errors
/// Where it is no report, has no volume, or a volume without its fields.
pub fn parse_lvs(value: &serde_json::Value) -> Result<Vec<Array>, String> {
    let reports = value["report"].as_array().ok_or("its answer has no report")?;
    let mut arrays = Vec::new();
    for report in reports {
        for volume in report["lv"].as_array().ok_or("its report has no list of volumes")? {
            let text = |key: &str| volume[key].as_str().map(str::trim).ok_or(format!("a volume has no {key}"));
            let state = text("lv_health_status")?;
            arrays.push(Array {
                name: format!("{}/{}", text("vg_name")?, text("lv_name")?),
                kind: "lvm".to_owned(),
                level: text("segtype")?.to_owned(),
                // Empty is well; partial, refresh needed and mismatches are not (lvs(8)).
                healthy: if state == "unknown" { None } else { Some(state.is_empty()) },
                state: state.to_owned(),
                progress_pct: text("sync_percent")?.parse().ok().filter(|pct: &f64| *pct < 100.0),
                ..Array::default()
            });
        }
    }
    if arrays.is_empty() {
        Err("it lists no volume, yet the kernel has one with mirrored parts".to_owned())
    } else {
        Ok(arrays)
    }
}

fn custom(context: &SurveyContext<'_>, settings: &CustomRaid, raid: &mut Raid) {
    let mut array = Array { name: settings.name.clone(), kind: settings.name.clone(), ..Array::default() };
    match context.ask_custom(&settings.command, 30).lines() {
        Ok(text) => {
            let bad = settings.bad.iter().find(|bad| text.contains(bad.as_str()));
            let good = settings.good.is_empty() || text.contains(&settings.good);
            array.healthy = Some(good && bad.is_none());
            array.state = match bad {
                Some(bad) => bad.clone(),
                None if good => "good".to_owned(),
                None => format!("{:?} is not said", settings.good),
            };
        }
        Err(outcome) => raid.unknown.extend(why(outcome).map(|why| format!("{}: {why}", settings.name))),
    }
    raid.arrays.push(array);
}

/// Why it is not known.
fn why(outcome: ProbeOutcome) -> Option<String> {
    match outcome {
        ProbeOutcome::Unknown { why } | ProbeOutcome::Absent { why } => Some(why),
        ProbeOutcome::Read => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survey_context::testing::CapturedMachine;

    const MDSTAT: &str = "Personalities : [raid1] [raid6] [raid5]\n\
        md1 : active raid5 sdd1[3] sdc1[1] sdb1[0](F)\n      1953260544 blocks super 1.2 level 5, 512k chunk, algorithm 2 [3/2] [_UU]\n\
        \x20     [=>...................]  recovery =  7.5% (73277440/976630272) finish=75.0min speed=200K/sec\n\n\
        md0 : active (auto-read-only) raid1 sdb2[1] sda2[0] sdc2[2](S)\n      523264 blocks super 1.2 [2/2] [UU]\n      \tresync=PENDING\n\n\
        md2 : inactive sde[0](S)\n      976631512 blocks super 1.2\n\nunused devices: <none>\n";

    #[test]
    fn arrays_of_md() {
        let arrays = parse_mdstat(MDSTAT);
        let short: Vec<_> =
            arrays.iter().map(|a| (a.name.as_str(), a.level.as_str(), a.healthy, a.members, a.working)).collect();
        assert_eq!(
            short,
            [("md1", "raid5", Some(false), 3, 2), ("md0", "raid1", Some(true), 2, 2), ("md2", "", Some(false), 0, 0)]
        );
        assert_eq!((arrays[0].failed.as_slice(), arrays[0].progress_pct), (&["sdb1".to_owned()][..], Some(7.5)));
        assert_eq!((arrays[0].activity.as_str(), arrays[1].activity.as_str()), ("recovery", "resync"));
    }

    #[test]
    fn the_container_of_a_firmwares_raid_is_no_array() {
        let mdstat = "Personalities : [raid1]\nmd126 : active raid1 sdb[1] sda[0]\n      \
            232781824 blocks super external:/md127/0 [2/2] [UU]\n\n\
            md127 : inactive sdb[1](S) sda[0](S)\n      5544 blocks super external:imsm\n\nunused devices: <none>\n";
        let short: Vec<_> = parse_mdstat(mdstat).into_iter().map(|array| (array.name, array.healthy)).collect();
        assert_eq!(short, [("md126".to_owned(), Some(true))]);
    }

    #[test]
    fn pools_volumes_and_controllers() {
        let mut captured = CapturedMachine::new(&[
            ("/sys/fs/btrfs/features/x", "1"),
            ("/sys/fs/btrfs/0a1b2c3d-0000-0000-0000-000000000000/label", "data\n"),
            ("/sys/fs/btrfs/0a1b2c3d-0000-0000-0000-000000000000/devinfo/1/missing", "0\n"),
            (
                "/sys/fs/btrfs/0a1b2c3d-0000-0000-0000-000000000000/devinfo/1/error_stats",
                "write_errs 0\nread_errs 2\nflush_errs 0\n",
            ),
            ("/sys/fs/btrfs/0a1b2c3d-0000-0000-0000-000000000000/devinfo/2/missing", "1\n"),
            ("/sys/fs/btrfs/0a1b2c3d-0000-0000-0000-000000000000/allocation/data/raid1/total_bytes", "1\n"),
            ("/proc/spl/kstat/zfs/x", ""),
            ("/sys/block/dm-1/dm/uuid", "LVM-abc"),
            ("/sys/block/dm-1/dm/name", "vg-root_rimage_0"),
        ]);
        captured.says("zpool", &["status", "-p"], 0, "  pool: tank\n state: DEGRADED\n  scan: resilver in progress since Mon\n\t1T scanned, 10.5% done, 1 days to go\n\
            config:\n\n\tNAME        STATE     READ WRITE CKSUM\n\ttank        DEGRADED     0     0     0\n\t  mirror-0  DEGRADED     0     0     0\n\t    sda     ONLINE \
                  0     0     3\n\t    sdb     FAULTED      1     0     0\n\nerrors: No known data errors\n");
        captured.says("lvs", &LVS, 0, r#"{"report":[{"lv":[{"vg_name":"vg","lv_name":"root","segtype":"raid1","lv_health_status":"partial","sync_percent":"100.00"}]}]}"#);
        captured.settings.raid_custom = vec![CustomRaid {
            name: "perc".into(),
            command: vec!["/opt/perccli".into(), "show".into()],
            good: "Optl".into(),
            bad: vec!["Dgrd".into()],
        }];
        captured.says("perccli", &["show"], 0, "0/0 RAID1 Dgrd RW\n");
        let found = survey(&captured.machine("2026-11-24T00:00:00Z")).expect("read");
        for name in ["data", "tank", "vg/root", "perc"] {
            assert_eq!(found.number("raid.healthy", name), 0.0, "{name}");
        }
        assert_eq!((found.number("raid.errors", "data"), found.number("raid.errors", "tank")), (2.0, 4.0));
        assert_eq!((found.number("raid.missing", "tank"), found.number("raid.progress", "tank")), (1.0, 10.5));
        assert!(matches!(
            survey(&CapturedMachine::new(&[]).machine("2026-11-24T00:00:00Z")),
            Err(ProbeOutcome::Absent { .. })
        ));
    }

    #[test]
    fn marks_of_members() {
        let text = "md0 : active raid5 sde[4](J) sdd[3](R) sdc[2] sdb[1] sda[0]\n      100 blocks super 1.2 level 5 [3/3] [UUU]\n\
            md1 : broken raid0 sdg[1] sdf[0]\n      100 blocks\n\
            md2 : active raid1 sdi[1] sdh[0](F)\n      100 blocks [2/1] [_U]\n      [=>..]  check = 12.5% (1/8) finish=1min\n\
            md3 : active linear sdk[1] sdj[0]\n      100 blocks\n";
        let arrays = parse_mdstat(text);
        let short: Vec<_> = arrays.iter().map(|a| (a.level.as_str(), a.healthy, a.members, a.working)).collect();
        let (well, bad) = (Some(true), Some(false));
        assert_eq!(short, [("raid5", well, 3, 3), ("raid0", bad, 2, 2), ("raid1", bad, 2, 1), ("linear", well, 2, 2)]);
        assert_eq!((arrays[2].activity.as_str(), arrays[2].progress_pct), ("check", Some(12.5)));
    }

    #[test]
    fn volumes_of_which_little_is_said() {
        let volume = |state: &str| serde_json::json!({"report": [{"lv": [{"vg_name": "vg", "lv_name": "x", "segtype": "raid10", "lv_health_status": state, "sync_percent": ""}]}]});
        let healthy = |state: &str| parse_lvs(&volume(state)).map(|volumes| volumes[0].healthy);
        assert_eq!((healthy(""), healthy("unknown")), (Ok(Some(true)), Ok(None)));
        for state in ["partial", "refresh needed", "mismatches exist"] {
            assert_eq!(healthy(state), Ok(Some(false)), "{state}");
        }
        for odd in [
            "{}",
            "[]",
            r#"{"report":[]}"#,
            r#"{"report":[{}]}"#,
            r#"{"report":[{"lv":[]}]}"#,
            r#"{"report":[{"lv":[{}]}]}"#,
        ] {
            assert!(parse_lvs(&serde_json::from_str(odd).expect("JSON")).is_err(), "{odd}");
        }
    }

    #[test]
    fn what_is_not_answered_is_not_well() {
        let base = "/sys/fs/btrfs/0a1b2c3d-0000-0000-0000-000000000000";
        let mut captured = CapturedMachine::new(&[
            (&format!("{base}/devinfo/1/missing"), "0"),
            (&format!("{base}/devinfo/1/error_stats"), "invalid\n"),
        ]);
        captured.settings.raid_custom = vec![CustomRaid {
            name: "perc".into(),
            command: vec!["/opt/perccli".into(), "show".into()],
            good: "Optl".into(),
            bad: vec![],
        }];
        for (code, text) in [(1, "Optl\n"), (0, "")] {
            captured.says("perccli", &["show"], code, text);
            let found = survey(&captured.machine("2026-11-24T00:00:00Z")).expect("read");
            assert!(["raid.healthy", "raid.missing"].iter().all(|metric| found.number(metric, "perc").is_nan()));
            let raid: Raid = found.read();
            assert!(
                raid.unknown[0].contains("errors of device 1") && raid.unknown[1].starts_with("perc: "),
                "{:?}",
                raid.unknown
            );
        }
    }
}
