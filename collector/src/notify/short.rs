//! Short texts, for telephones: what is wrong, on what and where, then the site's code, and the link whole at the end. Counted as a gateway bills.

use ioc_engine::notifier::Brief;
use ioc_store::template::as_line;

/// Parts of an SMS that a short text may take.
const PARTS: usize = 2;
/// Where a link is so long that nothing would be left, so many parts are taken at most …
const PARTS_MAX: usize = 6;
/// … to leave this much for what is wrong, septets or UTF-16 units.
const ROOM_MIN: usize = 64;
/// The site's code is never longer here, characters.
const SITE_MAX_CHARS: usize = 16;
/// What is left of a device's name, and of a place, before the fault itself is shortened, characters.
const NAME_MIN_CHARS: usize = 12;

/// The alphabet of GSM 03.38, whose characters take one septet each; ESC stands apart.
const GSM: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
/// Its extension, two septets each.
const GSM_EXTENSION: &str = "^{}\\[~]|€\u{c}";

/// How a text is written in an SMS, and so how much of it fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    /// 160 septets in one part, 153 in each of several.
    Gsm,
    /// 70 UTF-16 units in one part, 67 in each of several: all that is Vietnamese with its marks.
    Ucs,
}

impl Coding {
    fn of(text: &str) -> Self {
        if text.chars().all(|c| GSM.contains(c) || GSM_EXTENSION.contains(c)) { Self::Gsm } else { Self::Ucs }
    }

    fn length(self, text: &str) -> usize {
        match self {
            Self::Gsm => text.chars().map(|c| 1 + usize::from(GSM_EXTENSION.contains(c))).sum(),
            Self::Ucs => text.encode_utf16().count(),
        }
    }

    const fn fits_in(self, parts: usize) -> usize {
        match (self, parts) {
            (Self::Gsm, 1) => 160,
            (Self::Gsm, parts) => 153 * parts,
            (Self::Ucs, 1) => 70,
            (Self::Ucs, parts) => 67 * parts,
        }
    }

    const fn ellipsis(self) -> &'static str {
        match self {
            Self::Gsm => "...",
            Self::Ucs => "…",
        }
    }
}

/// How many parts a gateway bills for a text.
#[cfg(test)]
pub(super) fn parts(text: &str) -> usize {
    let coding = Coding::of(text);
    let length = coding.length(text);
    (1..).find(|parts| length <= coding.fits_in(*parts)).unwrap_or(usize::MAX)
}

/// The short text of a message with its link.
pub(super) fn short(brief: &Brief, link: &str) -> String {
    let what = as_line(&brief.what);
    let (mut device, mut place) = (as_line(&brief.device), as_line(&brief.place));
    let site: String = as_line(&brief.site).chars().take(SITE_MAX_CHARS).collect();
    let whole = told(&what, &device, &place, &site);
    let coding = Coding::of(&format!("{whole} {link}"));
    let behind = coding.length(link) + 1;
    let parts = (PARTS..PARTS_MAX).find(|parts| coding.fits_in(*parts) >= behind + ROOM_MIN).unwrap_or(PARTS_MAX);
    let room = coding.fits_in(parts).saturating_sub(behind);
    if coding.length(&whole) <= room {
        return format!("{whole} {link}");
    }
    // What says least leaves first: the rest of the place, the rest of the device's name. The fault is shortened last.
    for name in [&mut place, &mut device] {
        *name = cut(name, room_beside(coding, room, &told(&what, "", "", &site), name), coding);
    }
    let mut text = told(&what, &device, &place, &site);
    for (device, place) in [(&*device, ""), ("", "")] {
        if coding.length(&text) > room {
            text = told(&what, device, place, &site);
        }
    }
    format!("{} {link}", cut(&text, room, coding))
}

/// How long a name may be beside what is said in any case: a third of what is left, and never less than what tells one from another.
fn room_beside(coding: Coding, room: usize, rest: &str, name: &str) -> usize {
    let left = room.saturating_sub(coding.length(rest) + 5);
    (left / 2).max(NAME_MIN_CHARS).min(coding.length(name))
}

/// What, on what, where, and whose site.
fn told(what: &str, device: &str, place: &str, site: &str) -> String {
    let mut text = what.to_owned();
    if !device.is_empty() {
        text += &format!(": {device}");
    }
    if !place.is_empty() {
        text += &format!(" ({place})");
    }
    if !site.is_empty() {
        text += &format!(" [{site}]");
    }
    text
}

/// As much of a text as there is room for.
fn cut(text: &str, room: usize, coding: Coding) -> String {
    if coding.length(text) <= room {
        return text.to_owned();
    }
    let room = room.saturating_sub(coding.length(coding.ellipsis()));
    let mut kept = String::new();
    let mut length = 0;
    for c in text.chars() {
        length += coding.length(c.encode_utf8(&mut [0; 4]));
        if length > room {
            break;
        }
        kept.push(c);
    }
    kept.truncate(kept.trim_end().len());
    kept + coding.ellipsis()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: &str = "https://ioc.hanam.gov.vn/a/1234.7.lan.k8mNqWz2LxTgYd5R";

    fn brief(what: &str, device: &str, place: &str, site: &str) -> Brief {
        Brief { what: what.into(), device: device.into(), place: place.into(), site: site.into() }
    }

    #[test]
    fn parts_are_counted_as_a_gateway_bills_them() {
        for (text, expected) in [
            ("a".repeat(160), 1),
            ("a".repeat(161), 2),
            ("a".repeat(306), 2),
            ("a".repeat(307), 3),
            // Each bracket takes two.
            ("[".repeat(80), 1),
            ("[".repeat(81), 2),
            ("à".repeat(160), 1),
            ("ạ".repeat(70), 1),
            ("ạ".repeat(71), 2),
            ("ạ".repeat(134), 2),
            ("ạ".repeat(135), 3),
            // Beyond the basic plane a character takes two units.
            ("🔥".repeat(35), 1),
            ("🔥".repeat(36), 2),
        ] {
            assert_eq!(parts(&text), expected, "{} × {:?}", text.chars().count(), text.chars().next());
        }
    }

    #[test]
    fn what_is_wrong_comes_first_and_the_link_last_and_whole() {
        let text = short(&brief("NGHIÊM TRỌNG Mất liên lạc", "Máy chủ CSDL 1", "Phòng máy 2/Tủ 3", "HNM"), LINK);
        let expected = "NGHIÊM TRỌNG Mất liên lạc: Máy chủ CSDL 1 (Phòng máy 2/Tủ 3) [HNM]";
        assert_eq!(text, format!("{expected} {LINK}"));
        assert_eq!(parts(&text), 2);
        let text = short(&brief("CRITICAL Device silent", "DB 1", "Room 2", "HNM"), LINK);
        assert_eq!((text.as_str(), parts(&text)), (&*format!("CRITICAL Device silent: DB 1 (Room 2) [HNM] {LINK}"), 1));
    }

    #[test]
    fn no_name_however_long_takes_the_fault_or_the_link_away() {
        let long = |word: &str| word.repeat(300 / word.chars().count() + 1).chars().take(300).collect::<String>();
        for (what, name) in [
            ("NGHIÊM TRỌNG Mất liên lạc", long("Máy chủ dữ liệu ")),
            ("CRITICAL Device silent", long("Database server ")),
            ("CẢNH BÁO Ổ đĩa sắp đầy", long("Đ")),
            ("CẢNH BÁO Khói", long("🔥")),
        ] {
            for (device, place, site) in [
                (name.as_str(), "Phòng 2", "HNM"),
                ("DB 1", name.as_str(), "HNM"),
                ("DB 1", "Phòng 2", name.as_str()),
                (name.as_str(), name.as_str(), name.as_str()),
            ] {
                let text = short(&brief(what, device, place, site), LINK);
                assert!(text.starts_with(what), "{text}");
                assert!(text.ends_with(&format!(" {LINK}")), "{text}");
                assert!(parts(&text) <= PARTS, "{} parts: {text}", parts(&text));
                let name: String = device.chars().take(4).collect();
                assert!(text[what.len()..].contains(&name), "which device is told: {text}");
            }
        }
        // A fault that is too long itself is cut at its end.
        let text = short(&brief(&long("Nhiệt độ phòng máy quá cao "), "DB 1", "Phòng 2", "HNM"), LINK);
        assert!(text.starts_with("Nhiệt độ phòng máy") && text.contains('…') && text.ends_with(LINK), "{text}");
        assert_eq!(parts(&text), 2);
        // A link that would fill two parts alone costs a third; it is of no use if it is cut.
        let link = format!("https://{}.example/a/1", "x".repeat(130));
        let text = short(&brief("NGHIÊM TRỌNG Mất liên lạc", "DB 1", "Phòng 2", "HNM"), &link);
        assert!(text.starts_with("NGHIÊM TRỌNG Mất liên lạc") && text.ends_with(&link) && parts(&text) <= 3, "{text}");
    }
}
