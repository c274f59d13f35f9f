//! The part of docs/size.md, and of its Vietnamese side, that is made of rows: what history takes on a disk, and how soon it is there.

use std::fmt::Write as _;

use anyhow::Context as _;

use super::{A_YEAR_OF_ALL, AFTER_A_YEAR, IN_THE_END, MADE_BY, Row, figures, number, range, sum};

/// Before what is made.
const BEGIN: &str = "<!-- year: ";
/// After it, with the sum of it.
const END: &str = "<!-- /year ";
/// Fleets whose disk is worked out.
const FLEETS: [usize; 3] = [100, 1000, 10_000];

/// What rows say, in Vietnamese. What is not here is not shown on either side.
const WORDS: [(&str, &str); 18] = [
    ("as reported, a device and day", "như đã báo, mỗi máy mỗi ngày"),
    ("by five minutes, a device and day", "mức năm phút, mỗi máy mỗi ngày"),
    ("by the hour, a device and day", "mức giờ, mỗi máy mỗi ngày"),
    ("history's file to what is in it", "cỡ tệp lịch sử so với dữ liệu bên trong"),
    (AFTER_A_YEAR, "trên đĩa sau một năm, mỗi máy"),
    (IN_THE_END, "trên đĩa về lâu dài theo mặc định, mỗi máy"),
    (A_YEAR_OF_ALL, "trên đĩa cho mỗi năm giữ mọi con số, mỗi máy"),
    ("everything but history, a device", "mọi thứ ngoài lịch sử, mỗi máy"),
    ("start until it is ready, the longest of 3", "khởi động đến khi sẵn sàng, lâu nhất trong 3 lần"),
    ("memory after a start", "bộ nhớ sau khi khởi động"),
    ("a device's page, p99", "trang một máy, p99"),
    ("its charts of a day, p99", "biểu đồ một ngày của nó, p99"),
    ("its charts of 30 days, p99", "biểu đồ 30 ngày của nó, p99"),
    ("its charts of a year, p99", "biểu đồ một năm của nó, p99"),
    ("putting rows down by device, CPU a value", "gấp lịch sử theo máy, CPU mỗi con số"),
    ("deleting a day of every tier", "xoá một ngày của mọi mức"),
    ("deleting, the longest slice", "khi xoá, lần giữ lâu nhất"),
    ("store check", "kiểm tra kho (store check)"),
];

/// The page with the part that is made in the place of the one that is there. Without rows of `year` it stays as it is.
///
/// # Errors
/// When the page has no place for it.
pub fn page(text: &str, rows: &[Row], vietnamese: bool) -> anyhow::Result<String> {
    let year: Vec<&Row> = rows.iter().filter(|row| row.name == "year").collect();
    if year.is_empty() {
        return Ok(text.to_owned());
    }
    let (before, _, after) = split(text)?;
    let made = part(&year, vietnamese);
    Ok(format!("{before}{made}{END}{:016x} -->{after}", sum(&made)))
}

/// Whether the part that is made is as it was made.
///
/// # Errors
/// What is wrong with it, and the mend.
pub fn check(text: &str) -> anyhow::Result<()> {
    let (_, (made, said), _) = split(text)?;
    anyhow::ensure!(
        u64::from_str_radix(said, 16).ok() == Some(sum(made)),
        "the part that {MADE_BY} makes was changed by hand: run {MADE_BY} again"
    );
    Ok(())
}

/// What stands before the part, the part and its sum, and what stands after it.
fn split(text: &str) -> anyhow::Result<(&str, (&str, &str), &str)> {
    let place = || format!("there is no place for what {MADE_BY} makes: '{BEGIN}… -->' and '{END}… -->'");
    let (begin, end) = (text.find(BEGIN).with_context(place)?, text.find(END).with_context(place)?);
    let made = text.get(begin..end).with_context(place)?;
    let (said, after) = text[end + END.len()..].split_once(" -->").with_context(place)?;
    Ok((&text[..begin], (made, said), after))
}

fn part(rows: &[&Row], vietnamese: bool) -> String {
    let of = |english: &'static str, other: &'static str| if vietnamese { other } else { english };
    let mut out = format!("{BEGIN}{} {MADE_BY} -->\n", of("made by", "do"));
    let machines = of(
        "machines|disk after a year|disk in the end, as shipped|disk for each year that all numbers are kept",
        "số máy|đĩa sau một năm|đĩa về lâu dài, theo mặc định|đĩa cho mỗi năm giữ mọi con số",
    );
    let _ = writeln!(out, "|{machines}|\n|---|--:|--:|--:|");
    let point = |text: String| {
        // What is a comma in English is a point in Vietnamese, and the reverse.
        let swap = |sign| match sign {
            ',' => '.',
            '.' => ',',
            other => other,
        };
        if vietnamese { text.chars().map(swap).collect() } else { text }
    };
    for fleet in FLEETS {
        let gigabytes = |what: &str| {
            let most = rows.iter().filter(|row| row.what == what).map(|row| row.value).fold(0.0, f64::max);
            point(number(most * fleet as f64 / 1000.0))
        };
        let _ = writeln!(
            out,
            "| {} | {} GB | {} GB | {} GB |",
            point(number(fleet as f64)),
            gigabytes(AFTER_A_YEAR),
            gigabytes(IN_THE_END),
            gigabytes(A_YEAR_OF_ALL)
        );
    }
    let _ = writeln!(
        out,
        "\n|{}|\n|---|--:|--:|",
        of("with 52 numbers of each machine|measured|goal", "mỗi máy 52 con số|đo được|mục tiêu")
    );
    for figure in figures(rows.iter().copied()) {
        let first = figure[0];
        let (what, about) =
            first.what.split_once(" (").map_or((first.what.as_str(), ""), |(what, about)| (what, about));
        let Some((english, other)) = WORDS.iter().find(|(english, _)| *english == what) else { continue };
        let about = about.trim_end_matches(')');
        let about =
            if vietnamese { about.replace("devices", "máy").replace("days", "ngày") } else { about.to_owned() };
        let about = if about.is_empty() { about } else { format!(" ({about})") };
        let goal = first.goal.map(|goal| goal.to_string()).unwrap_or_default();
        let measured = point(range(figure.iter().map(|row| row.value))).replace(" to ", of(" to ", " đến "));
        let _ = writeln!(out, "| {}{about} | {measured} {} | {} |", of(english, other), first.unit, point(goal));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::tests::row;
    use super::*;

    #[test]
    fn the_part_is_put_in_its_place_and_held() {
        let mut rows = vec![
            row(AFTER_A_YEAR, 33.4, "a"),
            row("start until it is ready, the longest of 3 (60 devices, 40 days)", 0.6, "a"),
        ];
        rows.iter_mut().for_each(|row| row.name = "year".into());
        let text = "# Size\n<!-- year: x -->\n<!-- /year 0 -->\nafter\n";
        assert!(check(text).is_err());
        let made = page(text, &rows, true).expect("made");
        assert!(made.starts_with("# Size\n") && made.ends_with("after\n"), "{made}");
        assert!(made.contains("| 10.000 | 334 GB |") && made.contains("(60 máy, 40 ngày) | 0,6 µs |"), "{made}");
        check(&made).expect("as made");
        assert_eq!(page(&made, &rows, true).expect("again"), made);
        assert!(check(&made.replace("334 GB", "33 GB")).is_err());
        assert_eq!(page(text, &[], false).expect("nothing to say"), text);
        assert!(page("# Size\n", &rows, false).is_err());
    }
}
