//! How wide a line is in Times New Roman, without the font: for rules that are as long as the text above them, or a part of it, and for heads
//! whose lines are broken where they look even. Widths are those of the font's own table (the same in Tinos and Liberation Serif).

/// Advance widths of bold characters from blank to tilde, in thousandths of the size.
const BOLD: [u16; 95] = [
    250, 333, 555, 500, 500, 1000, 833, 278, 333, 333, 500, 570, 250, 333, 250, 278, 500, 500, 500, 500, 500, 500, 500,
    500, 500, 500, 333, 333, 570, 570, 570, 500, 930, 722, 667, 722, 722, 667, 611, 778, 778, 389, 500, 778, 667, 944,
    722, 778, 611, 778, 722, 556, 667, 722, 722, 1000, 722, 722, 667, 333, 278, 333, 581, 500, 333, 500, 556, 444, 556,
    444, 333, 500, 556, 278, 333, 556, 278, 833, 556, 500, 556, 556, 444, 389, 333, 556, 500, 722, 500, 500, 444, 394,
    220, 394, 520,
];
/// The same of upright ones.
const REGULAR: [u16; 95] = [
    250, 333, 408, 500, 500, 833, 778, 180, 333, 333, 500, 564, 250, 333, 250, 278, 500, 500, 500, 500, 500, 500, 500,
    500, 500, 500, 278, 278, 564, 564, 564, 444, 921, 722, 667, 667, 722, 611, 556, 722, 722, 333, 389, 722, 611, 889,
    722, 722, 556, 722, 667, 556, 611, 722, 722, 944, 722, 722, 611, 333, 278, 333, 469, 500, 333, 444, 500, 444, 500,
    444, 333, 500, 500, 278, 278, 500, 278, 778, 500, 500, 500, 500, 333, 389, 278, 500, 500, 722, 500, 500, 444, 480,
    200, 480, 541,
];
/// Millimetres of a point.
const MM_PER_PT: f64 = 25.4 / 72.0;
/// What Unicode composes of a letter and its marks, which stand above and below and take no room.
const MARKED: [(char, &str); 8] = [
    ('a', "àáảãạăằắẳẵặâầấẩẫậ"),
    ('e', "èéẻẽẹêềếểễệ"),
    ('i', "ìíỉĩị"),
    ('o', "òóỏõọôồốổỗộ"),
    ('u', "ùúủũụ"),
    ('y', "ỳýỷỹỵ"),
    ('ơ', "ờớởỡợ"),
    ('ư', "ừứửữự"),
];

/// The letter without its marks, in its own case.
fn without_marks(one: char) -> char {
    if one.is_ascii() {
        return one;
    }
    let lower = one.to_lowercase().next().unwrap_or(one);
    let base = MARKED.iter().find(|(_, marked)| marked.contains(lower)).map_or(lower, |(base, _)| *base);
    if lower == one { base } else { base.to_uppercase().next().unwrap_or(base) }
}

fn advance(one: char, bold: bool) -> u16 {
    let one = without_marks(one);
    let table = if bold { &BOLD } else { &REGULAR };
    if let Some(known) = u32::from(one).checked_sub(32).and_then(|at| table.get(at as usize)) {
        return *known;
    }
    match (one, bold) {
        ('Đ', _) | ('Ơ', false) => 722,
        ('đ', true) => 556,
        ('đ' | '–', _) => 500,
        ('Ơ', true) => 778,
        ('ơ', true) => 554,
        ('ơ', false) => 529,
        ('Ư', true) => 796,
        ('Ư', false) => 776,
        ('ư', true) => 600,
        ('ư', false) => 542,
        ('\u{a0}', _) => 250,
        _ => 1000,
    }
}

/// How wide a line of `size_pt` points is, in millimetres. A character that is not known is taken to be as wide as it is high.
#[must_use]
pub fn width_mm(text: &str, size_pt: f64, bold: bool) -> f64 {
    let thousandths: f64 = text.chars().map(|one| f64::from(advance(one, bold))).sum();
    thousandths / 1000.0 * size_pt * MM_PER_PT
}

/// Lines none of which is wider than `room_mm`, but for a word that is.
fn wrapped(text: &str, room_mm: f64, size_pt: f64, bold: bool) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width_mm(&format!("{line} {word}"), size_pt, bold) <= room_mm => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// `text` in as few lines as `room_mm` needs, which are then as even as can be.
#[must_use]
pub fn lines(text: &str, room_mm: f64, size_pt: f64, bold: bool) -> Vec<String> {
    let mut best = wrapped(text, room_mm, size_pt, bold);
    // A step is about the width of a letter.
    let steps = (room_mm / 2.0).clamp(0.0, 200.0) as u32;
    for step in 1..steps {
        let narrower = wrapped(text, room_mm - f64::from(step) * 2.0, size_pt, bold);
        if narrower.len() > best.len() {
            break;
        }
        best = narrower;
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_as_wide_as_the_font_makes_them() {
        // What fontTools adds up of Tinos Bold, which has the widths of Times New Roman.
        let near = |found: f64, wanted: f64| assert!((found - wanted).abs() < 0.05, "{found} {wanted}");
        near(width_mm("Độc lập - Tự do - Hạnh phúc", 14.0, true), 60.46);
        near(width_mm("CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM", 13.0, true), 95.67);
        near(width_mm("CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM", 13.0, false), 91.33);
    }

    #[test]
    fn names_are_broken_evenly() {
        let agency = "TRUNG TÂM GIÁM SÁT, ĐIỀU HÀNH THÔNG MINH TỈNH AN GIANG";
        assert_eq!(lines(agency, 64.0, 13.0, true), ["TRUNG TÂM GIÁM SÁT,", "ĐIỀU HÀNH THÔNG", "MINH TỈNH AN GIANG"]);
        assert_eq!(lines("SỞ KHOA HỌC VÀ CÔNG NGHỆ", 64.0, 13.0, true).len(), 2);
        assert_eq!(lines("", 64.0, 13.0, true), [""; 0]);
        let long = "X".repeat(300);
        assert_eq!(lines(&long, 64.0, 13.0, true), [long]);
    }
}
