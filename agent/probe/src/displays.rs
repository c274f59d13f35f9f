//! Displays on a controller: DRM connectors of `/sys/class/drm` and the panels' EDID (VESA E-EDID 1.4), compared with the wall that
//! the configuration says should be there.

use ioc_common::reading::{Connector, Difference, Displays, Findings, Panel};
use ioc_common::report::Event;

use crate::capture_rule::CapturedFiles;
use crate::descriptor::{Card, SurveyDescriptor};
use crate::settings::PanelSetting;
use crate::survey_context::{SurveyContext, SurveyFindings, SurveyResult, absent};

pub(crate) const PROBE: SurveyDescriptor = SurveyDescriptor {
    probe: Displays::PROBE,
    deadline_s: 10,
    watch: &["/sys/class/drm/*/status", "/sys/class/drm/*/enabled", "/sys/class/drm/*/dpms", "/sys/class/drm/*/modes"],
    privileged: false,
    needs: Some("a kernel driver with connectors in /sys/class/drm; the wall in [[wall.panel]]"),
    whole_memo: None,
    programs: &[],
    captured: CapturedFiles::whole(&["/sys/class/drm/*/*"]),
    processes: &[],
    card: Card {
        article: "6.2",
        vi: "Màn hình của bộ điều khiển so với tường cấu hình",
        en: "Displays of a controller against the expected wall",
        reads: "`/sys/class/drm`, EDID; events `display.gone`, `display.connected`, `display.swapped`",
        cost: "0.3 ms",
    },
    read: survey,
};

/// Makes the survey.
///
/// # Errors
/// *Absent* on a machine without a display connector.
pub fn survey(context: &SurveyContext<'_>) -> SurveyResult {
    let (connectors, unknown) = connectors(context);
    let mut displays = Displays { connectors, unknown, ..Displays::default() };
    let wall = &context.settings.wall;
    if displays.connectors.is_empty() && wall.is_empty() {
        return Err(absent(&"/sys/class/drm has no connector"));
    }
    displays.wall_configured = !wall.is_empty();
    displays.wall = wall.iter().map(|panel| panel.connector.clone()).collect();
    displays.columns = context.settings.wall_columns;
    if displays.wall_configured {
        displays.differences = compare(&displays.connectors, wall);
    }
    let mut found = SurveyFindings::of(&displays, context.now)?;
    (found.events, found.memo) = new_events(&displays, context.memo);
    Ok(found)
}

/// Panels that came or went since the last survey.
fn new_events(displays: &Displays, memo: &str) -> (Vec<Event>, String) {
    let before: Option<std::collections::BTreeMap<String, String>> = serde_json::from_str(memo).ok();
    let now: std::collections::BTreeMap<String, String> = displays
        .connectors
        .iter()
        .filter(|one| one.connected == Some(true))
        .map(|one| (one.name.clone(), one.panel.as_ref().map(name_of).unwrap_or_default()))
        .collect();
    let mut events = Vec::new();
    if let Some(before) = before {
        let all: std::collections::BTreeSet<&String> = before.keys().chain(now.keys()).collect();
        for connector in all {
            let (name, text) = match (before.get(connector), now.get(connector)) {
                (Some(old), None) => ("display.gone", format!("{connector}: {old} is gone")),
                (None, Some(new)) => ("display.connected", format!("{connector}: {new} is there")),
                (Some(old), Some(new)) if old != new => {
                    ("display.swapped", format!("{connector}: {new} in place of {old}"))
                }
                _ => continue,
            };
            events.push(Event {
                name: name.to_owned(),
                text,
                fields: [("connector".to_owned(), connector.clone())].into(),
            });
        }
    }
    (events, serde_json::to_string(&now).unwrap_or_default())
}

/// The connectors, and what could not be read of them.
fn connectors(context: &SurveyContext<'_>) -> (Vec<Connector>, Vec<String>) {
    let mut unknown = Vec::new();
    let names = context.names("/sys/class/drm");
    let names: Vec<&String> = names.iter().filter(|name| name.starts_with("card") && name.contains('-')).collect();
    let short = |name: &str| name.split_once('-').map_or(name.to_owned(), |(_, rest)| rest.to_owned());
    let mut connectors: Vec<Connector> = names
        .iter()
        // A writeback connector has nothing to plug into.
        .filter(|name| !name.contains("Writeback"))
        .map(|name| {
            let read = |file: &str| context.text_if(&format!("/sys/class/drm/{name}/{file}"));
            let unique = names.iter().filter(|other| short(other) == short(name)).count() == 1;
            let edid = context.bytes(&format!("/sys/class/drm/{name}/edid"), 4096).unwrap_or_default();
            let panel = read_edid(&edid);
            if let Err(why) = &panel
                && (!edid.is_empty() || read("status").as_deref() == Some("connected"))
            {
                let why = if edid.is_empty() { "it gives no EDID" } else { why };
                unknown.push(format!("{name}: which panel it is: {why}"));
            }
            Connector {
                name: if unique { short(name) } else { (*name).clone() },
                connected: match read("status").as_deref() {
                    Some("connected") => Some(true),
                    Some("disconnected") => Some(false),
                    _ => None,
                },
                enabled: read("enabled").map(|state| state == "enabled"),
                power: read("dpms").unwrap_or_default(),
                mode: read("modes").and_then(|modes| modes.lines().next().map(str::to_owned)).unwrap_or_default(),
                panel: panel.ok(),
            }
        })
        .collect();
    connectors.sort_by(|a, b| a.name.cmp(&b.name));
    (connectors, unknown)
}

/// Reads an EDID block. None when it is none or its checksum is wrong.
#[must_use]
pub fn parse_edid(edid: &[u8]) -> Option<Panel> {
    read_edid(edid).ok()
}

const HEADER: [u8; 8] = [0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0];
/// Bytes of the header that may be wrong: the kernel repairs as many (`edid_fixup`).
const HEADER_WRONG_MAX: usize = 2;

/// Reads an EDID block (VESA E-EDID 1.4, which holds 1.3).
///
/// # Errors
/// Why it says nothing: of a block that is not whole no part can be believed.
pub fn read_edid(edid: &[u8]) -> Result<Panel, &'static str> {
    let block: Option<&[u8; 128]> = edid.get(..128).and_then(|block| block.try_into().ok());
    let mut block = *block.ok_or("its EDID is shorter than a block")?;
    if block.iter().all(|byte| *byte == block[0]) {
        return Err("its EDID is empty");
    }
    let wrong = block.iter().zip(HEADER).filter(|(found, wanted)| **found != *wanted).count();
    if wrong > HEADER_WRONG_MAX {
        return Err("what it gives begins unlike an EDID");
    }
    block[..8].copy_from_slice(&HEADER);
    if block.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)) != 0 {
        return Err("its EDID has a wrong checksum: a bad cable, adapter or switch in between");
    }
    if block[18] != 1 {
        return Err("its EDID has a version that is not known");
    }
    // Three letters of five bits, A being 1.
    let packed = u16::from_be_bytes([block[8], block[9]]);
    let maker: String = [10, 5, 0]
        .into_iter()
        .map(|shift| char::from(b'A' - 1 + u8::try_from((packed >> shift) & 0x1f).unwrap_or(0)))
        .map(|letter| if letter.is_ascii_uppercase() { letter } else { '?' })
        .collect();
    let number = u32::from_le_bytes([block[12], block[13], block[14], block[15]]);
    // What makers write who number nothing.
    let numbered = !matches!(number, 0 | 0x0101_0101 | u32::MAX);
    let mut panel = Panel {
        maker,
        model: format!("{:04X}", u16::from_le_bytes([block[10], block[11]])),
        serial: if numbered { number.to_string() } else { String::new() },
        // In EDID 1.4 week 255 marks a model year; either way it is the year.
        year: if block[17] == 0 { 0 } else { 1990 + u32::from(block[17]) },
        ..Panel::default()
    };
    // In EDID 1.4 one of them alone is the shape of the picture.
    let mut sizes = vec![(u32::from(block[21]) * 10, u32::from(block[22]) * 10)];
    let (mut name, mut label) = (None, None);
    for (place, descriptor) in block[54..126].chunks_exact(18).enumerate() {
        if descriptor[0] == 0 && descriptor[1] == 0 {
            match descriptor[3] {
                // Of several names the first is the panel's.
                0xfc => name = name.or_else(|| descriptor_text(&descriptor[5..18])),
                0xff => label = label.or_else(|| descriptor_text(&descriptor[5..18]).filter(|text| !is_filler(text))),
                _ => {}
            }
        } else if place == 0 {
            // The first detailed timing is the native mode.
            let high = |low: u8, nibble: u8| u32::from(low) | u32::from(nibble) << 8;
            let (width, lines) = (high(descriptor[2], descriptor[4] >> 4), high(descriptor[5], descriptor[7] >> 4));
            // An interlaced timing gives the lines of one of its two fields.
            let (height, mark) = if descriptor[17] & 0x80 == 0 { (lines, "") } else { (lines * 2, "i") };
            if width > 0 && height > 0 {
                panel.native = format!("{width}x{height}{mark}");
            }
            let (mm_w, mm_h) = (high(descriptor[12], descriptor[14] >> 4), high(descriptor[13], descriptor[14] & 0xf));
            sizes.insert(0, (mm_w, mm_h));
        }
    }
    if let Some((width, height)) = sizes.into_iter().find(|size| is_size(*size)) {
        (panel.width_mm, panel.height_mm) = (width, height);
    }
    panel.model = name.unwrap_or(panel.model);
    // The serial number as text is the one on the label.
    panel.serial = label.unwrap_or(panel.serial);
    Ok(panel)
}

/// The text of a descriptor: up to a line feed, padded with whatever the maker had.
fn descriptor_text(bytes: &[u8]) -> Option<String> {
    let text: String = bytes
        .iter()
        .take_while(|byte| !matches!(byte, b'\n' | 0))
        .map(|byte| char::from(*byte))
        .filter(|c| c.is_ascii_graphic() || *c == ' ')
        .collect();
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// Whether a serial number is one that nobody gave.
fn is_filler(text: &str) -> bool {
    let same = text.chars().next().is_some_and(|first| text.chars().all(|c| c == first));
    let digits = text.trim_start_matches("0x");
    let zeros = !digits.is_empty() && digits.chars().all(|c| c == '0');
    let counted = text.len() >= 8 && "0123456789012345678901234567890".contains(text);
    zeros || same && text.len() >= 4 || counted || ["16843009", "01010101", "0x01010101"].contains(&text)
}

/// Whether millimetres are a size, and not the shape of the picture: some give 16 by 9, in any unit.
fn is_size((width, height): (u32, u32)) -> bool {
    let shapes =
        [(16, 9), (16, 10), (4, 3), (5, 4), (21, 9), (160, 90), (160, 100), (210, 90), (1600, 900), (1600, 1000)];
    width >= 20 && height >= 20 && !shapes.contains(&(width, height)) && !shapes.contains(&(height, width))
}

fn name_of(panel: &Panel) -> String {
    format!("{} {} {}", panel.maker, panel.model, panel.serial).trim().to_owned()
}

/// What differs from the wall as it should be.
#[must_use]
pub fn compare(connectors: &[Connector], wall: &[PanelSetting]) -> Vec<Difference> {
    let mut differences = Vec::new();
    let mut add = |connector: &str, kind: &str, expected: String, found: String| {
        differences.push(Difference { connector: connector.to_owned(), kind: kind.to_owned(), expected, found });
    };
    for wanted in wall {
        let expected = [&wanted.maker, &wanted.model, &wanted.serial]
            .into_iter()
            .filter(|s| !s.is_empty())
            .cloned()
            .collect::<Vec<_>>()
            .join(" ");
        let expected = if expected.is_empty() { "a panel".to_owned() } else { expected };
        let found = connectors.iter().find(|one| one.is_called(&wanted.connector));
        let Some(found) = found.filter(|one| one.connected != Some(false)) else {
            add(&wanted.connector, "missing", expected, String::new());
            continue;
        };
        if let Some(panel) = &found.panel {
            let differs = |want: &str, have: &str| !want.is_empty() && !want.eq_ignore_ascii_case(have);
            if differs(&wanted.maker, &panel.maker)
                || differs(&wanted.model, &panel.model)
                || differs(&wanted.serial, &panel.serial)
            {
                add(&wanted.connector, "swapped", expected, name_of(panel));
            }
        }
        if !wanted.mode.is_empty() && !found.mode.is_empty() && wanted.mode != found.mode {
            add(&wanted.connector, "mode", wanted.mode.clone(), found.mode.clone());
        }
        if found.enabled == Some(false) || !found.power.is_empty() && found.power != "On" {
            add(
                &wanted.connector,
                "off",
                "On".to_owned(),
                if found.enabled == Some(false) { "disabled".to_owned() } else { found.power.clone() },
            );
        }
    }
    for extra in connectors.iter().filter(|one| one.connected == Some(true)) {
        if !wall.iter().any(|one| extra.is_called(&one.connector)) {
            add(&extra.name, "extra", String::new(), extra.panel.as_ref().map(name_of).unwrap_or_default());
        }
    }
    differences
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survey_context::testing::CapturedMachine;

    /// An EDID after the specification: maker SAM, a name, a serial, 1920x1080.
    pub(crate) fn edid(serial: &str) -> Vec<u8> {
        let mut block = vec![0_u8; 128];
        block[..8].copy_from_slice(&[0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0]);
        let packed: u16 = (19 << 10) | (1 << 5) | 13;
        block[8..10].copy_from_slice(&packed.to_be_bytes());
        block[10..12].copy_from_slice(&0x0f1e_u16.to_le_bytes());
        (block[17], block[18], block[19]) = (33, 1, 4);
        (block[21], block[22]) = (121, 68);
        // 1920 = 0x780, 1080 = 0x438; 1210 mm = 0x4ba, 680 mm = 0x2a8.
        block[54..72]
            .copy_from_slice(&[0x02, 0x3a, 0x80, 0x18, 0x71, 0x38, 0x2d, 0x40, 0, 0, 0, 0, 0xba, 0xa8, 0x42, 0, 0, 0]);
        let text = |at: usize, tag: u8, text: &str, block: &mut Vec<u8>| {
            block[at + 3] = tag;
            let mut line = format!("{text}\n").into_bytes();
            line.resize(13, b' ');
            block[at + 5..at + 18].copy_from_slice(&line);
        };
        text(72, 0xfc, "UD46D-P", &mut block);
        text(90, 0xff, serial, &mut block);
        let sum = block.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
        block[127] = 0_u8.wrapping_sub(sum);
        block
    }

    #[test]
    fn a_panel_tells_who_it_is() {
        let panel = parse_edid(&edid("H4ZN500123")).expect("reads");
        assert_eq!(
            (panel.maker.as_str(), panel.model.as_str(), panel.serial.as_str()),
            ("SAM", "UD46D-P", "H4ZN500123")
        );
        assert_eq!(
            (panel.native.as_str(), panel.width_mm, panel.height_mm, panel.year),
            ("1920x1080", 1210, 680, 2023)
        );
        let mut broken = edid("x");
        broken[20] ^= 1;
        assert_eq!(parse_edid(&broken), None, "a wrong checksum");
        assert_eq!(parse_edid(&[]), None);
    }

    /// An EDID with some of its bytes changed, and its sum made right.
    fn changed(changes: &[(usize, &[u8])]) -> Option<Panel> {
        let mut block = edid("H4ZN500123");
        for (at, bytes) in changes {
            block[*at..at + bytes.len()].copy_from_slice(bytes);
        }
        let sum = block[..127].iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
        block[127] = 0_u8.wrapping_sub(sum);
        // Errors of the header are no part of the sum that the maker wrote.
        parse_edid(&block)
    }

    #[test]
    fn what_makers_write_who_say_nothing() {
        let size = |changes: &[(usize, &[u8])]| changed(changes).map(|panel| (panel.width_mm, panel.height_mm));
        // raspberrypi/bookworm-feedback#422: a television that gives its shape.
        assert_eq!(size(&[(21, &[16, 9]), (66, &[160, 90, 0])]), Some((0, 0)), "16 by 9 is no size");
        assert_eq!(size(&[(66, &[160, 90, 0])]), Some((1210, 680)), "centimetres that are a size");
        assert_eq!(size(&[(66, &[0x40, 0x84, 0x63])]), Some((1210, 680)), "1600 by 900");
        assert_eq!(size(&[(21, &[79, 0]), (66, &[0, 0, 0])]), Some((0, 0)), "EDID 1.4: a shape");
        let serial = |changes: &[(usize, &[u8])]| changed(changes).map(|panel| panel.serial);
        let nothing: &[u8] = b"\n            ";
        assert_eq!(serial(&[(95, nothing), (12, &[1, 1, 1, 1])]).as_deref(), Some(""));
        assert_eq!(serial(&[(95, nothing), (12, &[0xff; 4])]).as_deref(), Some(""));
        assert_eq!(serial(&[(95, nothing), (12, &[0x15, 0xcd, 0x5b, 7])]).as_deref(), Some("123456789"));
        assert_eq!(serial(&[(95, b"0000000000000"), (12, &[7, 0, 0, 0])]).as_deref(), Some("7"));
        assert_eq!(serial(&[(95, b"1234567890123"), (12, &[0; 4])]).as_deref(), Some(""));
        let model = |changes: &[(usize, &[u8])]| changed(changes).map(|panel| panel.model);
        assert_eq!(model(&[(93, &[0xfc])]).as_deref(), Some("UD46D-P"), "the first of two names");
        assert_eq!(model(&[(77, b"AB\x00\xff\x03garbage")]).as_deref(), Some("AB"));
        assert_eq!(model(&[(77, b"\x01 C\xe4D\x02\n      ")]).as_deref(), Some("CD"));
        let native = |changes: &[(usize, &[u8])]| changed(changes).map(|panel| panel.native);
        assert_eq!(
            native(&[(59, &[0x1c, 0x16, 0x20]), (71, &[0x80])]).as_deref(),
            Some("1920x1080i"),
            "a field of 540 lines"
        );
        assert_eq!(native(&[(54, &[0, 0])]).as_deref(), Some(""), "no timing");
        assert_eq!(changed(&[(18, &[2])]), None, "another version");
        assert_eq!(changed(&[(8, &[0, 0])]).map(|panel| panel.maker).as_deref(), Some("???"));
        assert_eq!(read_edid(&[0; 128]), Err("its EDID is empty"));
        let mut header = edid("x");
        header[0] = 0xff;
        assert!(parse_edid(&header).is_some(), "a header that the kernel repairs");
    }

    #[test]
    fn a_wall_that_is_not_as_it_should_be() {
        let mut captured =
            CapturedMachine::new(&[("/sys/class/drm/version", "drm 1.1.0"), ("/sys/class/drm/card0/dev", "226:0")]);
        let connector = |name: &str, status: &str, mode: &str, panel: &[u8]| {
            captured.write(&format!("/sys/class/drm/card0-{name}/status"), status.as_bytes());
            captured.write(
                &format!("/sys/class/drm/card0-{name}/enabled"),
                if status == "connected" { b"enabled" } else { b"disabled" },
            );
            captured.write(&format!("/sys/class/drm/card0-{name}/dpms"), b"On\n");
            captured.write(&format!("/sys/class/drm/card0-{name}/modes"), mode.as_bytes());
            captured.write(&format!("/sys/class/drm/card0-{name}/edid"), panel);
        };
        connector("DP-1", "connected", "1920x1080\n1280x720\n", &edid("A1"));
        connector("DP-2", "connected", "1920x1080\n", &edid("A3"));
        connector("DP-3", "disconnected", "", &[]);
        connector("DP-4", "connected", "1280x720\n", &edid("A4"));
        connector("HDMI-A-1", "connected", "800x600\n", &[]);
        let plain = survey(&captured.machine("2026-11-24T00:00:00Z")).expect("read");
        assert_eq!(plain.number("display.connected", ""), 4.0);
        let document = plain.document.as_ref().expect("a document").text();
        assert!(document.contains("card0-HDMI-A-1: which panel it is: it gives no EDID"), "{document}");
        assert!(plain.number("display.missing", "").is_nan(), "no wall is configured");
        let want = |connector: &str, serial: &str| PanelSetting {
            connector: connector.into(),
            serial: serial.into(),
            mode: "1920x1080".into(),
            ..PanelSetting::default()
        };
        captured.settings.wall = vec![want("DP-1", "A1"), want("DP-2", "A2"), want("DP-3", "A3"), want("DP-4", "A4")];
        let found = survey(&captured.machine("2026-11-24T00:00:00Z")).expect("read");
        for metric in ["display.missing", "display.extra", "display.swapped", "display.wrong_mode"] {
            assert_eq!(found.number(metric, ""), 1.0, "{metric}");
        }
        captured.memo = found.memo;
        captured.write("/sys/class/drm/card0-DP-2/edid", &edid("A2"));
        captured.write("/sys/class/drm/card0-DP-1/status", b"disconnected\n");
        let events = survey(&captured.machine("2026-11-24T00:00:00Z")).expect("read").events;
        let names: Vec<&str> = events.iter().map(|event| event.name.as_str()).collect();
        assert_eq!(names, ["display.gone", "display.swapped"]);
    }
}
