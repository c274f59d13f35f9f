//! How numbers and dates are written in administrative documents (Decree 30/2020, Annex I): exactly, since a registrar sends back what is not.

use jiff::civil::{Date, DateTime};

/// What stands where nothing is known: never 0.
pub const NO_DATA: &str = "không có dữ liệu";

/// Who did something: an account by its name, and the command line of the collector's machine, which is nobody's name, in words.
#[must_use]
pub fn actor(account: &str) -> String {
    match account.strip_prefix("local:") {
        Some(user) => format!("dòng lệnh trên máy chủ giám sát (người dùng {user})"),
        None => account.to_owned(),
    }
}

/// A date as documents have it: `ngày 05 tháng 11 năm 2026`. A day below 10 gets a leading 0, and of the months only 1 and 2.
#[must_use]
pub fn date(date: Date) -> String {
    let month = if date.month() <= 2 { format!("0{}", date.month()) } else { date.month().to_string() };
    format!("ngày {:02} tháng {month} năm {}", date.day(), date.year())
}

/// The date of a document that has none yet, for a pen.
#[must_use]
pub fn date_to_fill_in() -> String {
    format!("ngày{gap}tháng{gap}năm{gap}", gap = "\u{a0}".repeat(7))
}

/// A date in a table: `05/11/2026`.
#[must_use]
pub fn short_date(date: Date) -> String {
    format!("{:02}/{:02}/{}", date.day(), date.month(), date.year())
}

/// A moment in a table, in the time of the site: `08:05 05/11/2026`.
#[must_use]
pub fn moment(at: DateTime) -> String {
    format!("{:02}:{:02} {}", at.hour(), at.minute(), short_date(at.date()))
}

/// A moment in a sentence: `08 giờ 05 phút, ngày 05 tháng 11 năm 2026`.
#[must_use]
pub fn moment_in_words(at: DateTime) -> String {
    format!("{:02} giờ {:02} phút, {}", at.hour(), at.minute(), date(at.date()))
}

/// How long something took, in the two largest units that say it: `2 ngày 3 giờ`, `4 phút 5 giây`, `12 giây`.
#[must_use]
pub fn duration(seconds: u64) -> String {
    let units = [(86_400, "ngày"), (3_600, "giờ"), (60, "phút"), (1, "giây")];
    let mut rest = seconds;
    let mut parts = Vec::new();
    for (size, unit) in units {
        let whole = rest / size;
        rest %= size;
        if whole > 0 {
            parts.push(format!("{} {unit}", count(whole)));
        } else if !parts.is_empty() {
            break;
        }
        if parts.len() == 2 {
            break;
        }
    }
    if parts.is_empty() { "0 giây".to_owned() } else { parts.join(" ") }
}

/// A whole number: `1.234.567`.
#[must_use]
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3 + 1);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push('.');
        }
        out.push(digit);
    }
    out
}

/// A number with so many decimals (9 at most): `1.234,50`. What is no number is not known.
#[must_use]
pub fn number(number: f64, decimals: usize) -> String {
    if !number.is_finite() {
        return NO_DATA.to_owned();
    }
    let written = format!("{:.*}", decimals.min(9), number.abs());
    let (whole, part) = written.split_once('.').unwrap_or((&written, ""));
    let whole = whole.parse().map_or_else(|_| whole.to_owned(), count);
    let is_negative = number < 0.0 && written.bytes().any(|digit| (b'1'..=b'9').contains(&digit));
    let sign = if is_negative { "-" } else { "" };
    if part.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole},{part}") }
}

/// The number that a document was registered under: `05`; blank for a pen until it is (article 15: paper is numbered after it was signed).
#[must_use]
pub fn registered(number: Option<u32>) -> String {
    number.map_or_else(|| "\u{a0}".repeat(6), |number| format!("{number:02}"))
}

/// A Roman number, from 1 to 3999; others stay Arabic.
#[must_use]
pub fn roman(number: usize) -> String {
    const PARTS: [(usize, &str); 13] = [
        (1000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ];
    if !(1..4000).contains(&number) {
        return number.to_string();
    }
    let (mut rest, mut out) = (number, String::new());
    for (size, sign) in PARTS {
        while rest >= size {
            out.push_str(sign);
            rest -= size;
        }
    }
    out
}

/// The letter of the n-th point, from 1, in the order of the Vietnamese alphabet as points are lettered (a, b, c, d, đ, e, g …); numbers after
/// the last one.
#[must_use]
pub fn letter(n: usize) -> String {
    const LETTERS: [&str; 23] = [
        "a", "b", "c", "d", "đ", "e", "g", "h", "i", "k", "l", "m", "n", "o", "p", "q", "r", "s", "t", "u", "v", "x",
        "y",
    ];
    n.checked_sub(1).and_then(|at| LETTERS.get(at)).map_or_else(|| n.to_string(), |letter| (*letter).to_owned())
}

/// The same with its first letter as a capital.
#[must_use]
pub fn capitalised(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map_or_else(String::new, |first| first.to_uppercase().chain(rest).collect())
}

#[cfg(test)]
mod tests {
    use jiff::civil::{date as day, datetime};

    use super::*;

    #[test]
    fn days_below_ten_and_months_one_and_two_have_a_leading_zero() {
        assert_eq!(date(day(2026, 11, 5)), "ngày 05 tháng 11 năm 2026");
        assert_eq!(date(day(2027, 2, 28)), "ngày 28 tháng 02 năm 2027");
        assert_eq!(date(day(2027, 3, 1)), "ngày 01 tháng 3 năm 2027");
        assert_eq!(date(day(2027, 10, 31)), "ngày 31 tháng 10 năm 2027");
        assert_eq!(short_date(day(2027, 3, 1)), "01/03/2027");
        assert_eq!(moment(datetime(2026, 11, 5, 8, 5, 59, 0)), "08:05 05/11/2026");
        assert_eq!(moment_in_words(datetime(2026, 1, 5, 23, 0, 0, 0)), "23 giờ 00 phút, ngày 05 tháng 01 năm 2026");
    }

    #[test]
    fn numbers_are_written_as_in_vietnam() {
        let counts: Vec<String> = [0, 999, 1_000, 12_345, 1_234_567].into_iter().map(count).collect();
        assert_eq!(counts, ["0", "999", "1.000", "12.345", "1.234.567"]);
        assert_eq!(number(1_234.5, 2), "1.234,50");
        assert_eq!((number(-0.04, 1), number(-0.06, 1)), ("0,0".to_owned(), "-0,1".to_owned()));
        assert_eq!((number(f64::NAN, 1), number(f64::INFINITY, 0)), (NO_DATA.to_owned(), NO_DATA.to_owned()));
        assert_eq!((registered(Some(5)), registered(Some(120))), ("05".to_owned(), "120".to_owned()));
        assert_eq!(registered(None).trim(), "");
    }

    #[test]
    fn durations_have_two_units_that_stand_side_by_side() {
        let of = |seconds| duration(seconds);
        assert_eq!((of(0), of(59), of(60)), ("0 giây".to_owned(), "59 giây".to_owned(), "1 phút".to_owned()));
        assert_eq!((of(3_661), of(90_000)), ("1 giờ 1 phút".to_owned(), "1 ngày 1 giờ".to_owned()));
        assert_eq!(of(86_400 + 59), "1 ngày");
    }

    #[test]
    fn points_are_lettered_as_the_alphabet_goes() {
        let letters: Vec<String> = (1..=7).map(letter).collect();
        assert_eq!(letters, ["a", "b", "c", "d", "đ", "e", "g"]);
        assert_eq!((letter(23), letter(24), letter(0)), ("y".to_owned(), "24".to_owned(), "0".to_owned()));
        let romans: Vec<String> = [1, 4, 9, 14, 40, 1999].into_iter().map(roman).collect();
        assert_eq!(romans, ["I", "IV", "IX", "XIV", "XL", "MCMXCIX"]);
        assert_eq!((roman(0), roman(4000)), ("0".to_owned(), "4000".to_owned()));
        assert_eq!(capitalised("đã xong"), "Đã xong");
    }
}
