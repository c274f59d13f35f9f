//! The orders of versions: dpkg's (deb-version(7)), and rpm's (rpm-version(7)), which are not the same: to rpm a number is newer than a
//! word, so `553.157.1.el8_10` comes after `553.el8_10`.

use std::cmp::Ordering;

/// Compares two versions: epoch, upstream version, revision.
#[must_use]
pub fn compare(a: &str, b: &str) -> Ordering {
    let (epoch_a, a) = epoch(a);
    let (epoch_b, b) = epoch(b);
    let (upstream_a, revision_a) = a.rsplit_once('-').unwrap_or((a, ""));
    let (upstream_b, revision_b) = b.rsplit_once('-').unwrap_or((b, ""));
    epoch_a.cmp(&epoch_b).then_with(|| part(upstream_a, upstream_b)).then_with(|| part(revision_a, revision_b))
}

fn epoch(version: &str) -> (u64, &str) {
    version.split_once(':').map_or((0, version), |(epoch, rest)| (epoch.parse().unwrap_or(0), rest))
}

/// Compares alternately what is no digit and what is.
fn part(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    while !a.is_empty() || !b.is_empty() {
        // What is no digit, character by character: ~ before the end, letters before the rest.
        loop {
            let (x, y) = (
                a.first().copied().filter(|c| !c.is_ascii_digit()),
                b.first().copied().filter(|c| !c.is_ascii_digit()),
            );
            if x.is_none() && y.is_none() {
                break;
            }
            match weight(x).cmp(&weight(y)) {
                Ordering::Equal => (a, b) = (&a[1..], &b[1..]),
                other => return other,
            }
        }
        let (x, rest_a) = digits(a);
        let (y, rest_b) = digits(b);
        // Without leading zeros the longer number is the larger one, whatever its length.
        match x.len().cmp(&y.len()).then_with(|| x.cmp(y)) {
            Ordering::Equal => (a, b) = (rest_a, rest_b),
            other => return other,
        }
    }
    Ordering::Equal
}

fn weight(c: Option<u8>) -> i32 {
    match c {
        Some(b'~') => -1,
        None => 0,
        Some(c) if c.is_ascii_alphabetic() => i32::from(c),
        Some(c) => i32::from(c) + 256,
    }
}

fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|c| !c.is_ascii_digit()).unwrap_or(text.len());
    let start = text[..end].iter().position(|c| *c != b'0').unwrap_or(end);
    (&text[start..end], &text[end..])
}

/// Compares two versions of packages as rpm does: `[epoch:]version[-release]`. A release that one of them lacks is not compared.
#[must_use]
pub fn rpm(a: &str, b: &str) -> Ordering {
    let (epoch_a, a) = epoch(a);
    let (epoch_b, b) = epoch(b);
    let (version_a, release_a) = a.split_once('-').unwrap_or((a, ""));
    let (version_b, release_b) = b.split_once('-').unwrap_or((b, ""));
    let versions = epoch_a.cmp(&epoch_b).then_with(|| rpm_part(version_a, version_b));
    if release_a.is_empty() || release_b.is_empty() {
        return versions;
    }
    versions.then_with(|| rpm_part(release_a, release_b))
}

/// Compares two versions or two releases as rpm does, number by number and word by word. `~` comes before everything and before the end,
/// `^` after the end and before everything else; all else that is no letter or digit only parts.
#[must_use]
pub fn rpm_part(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    loop {
        (a, b) = (part_start(a), part_start(b));
        let kind = SegmentKind::of(a);
        let order = match kind.cmp(&SegmentKind::of(b)) {
            Ordering::Equal => match kind {
                SegmentKind::End => return Ordering::Equal,
                SegmentKind::Before | SegmentKind::After => {
                    (a, b) = (&a[1..], &b[1..]);
                    Ordering::Equal
                }
                SegmentKind::Word => {
                    let ((x, rest_a), (y, rest_b)) = (letters(a), letters(b));
                    (a, b) = (rest_a, rest_b);
                    x.cmp(y)
                }
                SegmentKind::Number => {
                    let ((x, rest_a), (y, rest_b)) = (digits(a), digits(b));
                    (a, b) = (rest_a, rest_b);
                    x.len().cmp(&y.len()).then_with(|| x.cmp(y))
                }
            },
            other => other,
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// What begins the rest of a version, in rpm's order: a `~`, nothing, a `^`, a word, a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum SegmentKind {
    Before,
    End,
    After,
    Word,
    Number,
}

impl SegmentKind {
    fn of(text: &[u8]) -> Self {
        match text.first() {
            None => Self::End,
            Some(b'~') => Self::Before,
            Some(b'^') => Self::After,
            Some(c) if c.is_ascii_digit() => Self::Number,
            Some(_) => Self::Word,
        }
    }
}

/// From the next letter, digit, `~` or `^` on.
fn part_start(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|c| c.is_ascii_alphanumeric() || matches!(c, b'~' | b'^'));
    &text[start.unwrap_or(text.len())..]
}

fn letters(text: &[u8]) -> (&[u8], &[u8]) {
    text.split_at(text.iter().position(|c| !c.is_ascii_alphabetic()).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn as_dpkg_orders() {
        let order = [
            "0~~",
            "0~",
            "0",
            "1.0~rc1-1",
            "1.0-1",
            "1.0-1+b1",
            "1.0-1+deb12u1",
            "1.0-1.1",
            "1.0-2",
            "1.0+dfsg-1",
            "1.2-1",
            "1.10-1",
            "1:0.1",
        ];
        for (place, low) in order.iter().enumerate() {
            for high in &order[place + 1..] {
                assert_eq!(compare(low, high), Ordering::Less, "{low} {high}");
                assert_eq!(compare(high, low), Ordering::Greater, "{low} {high}");
            }
        }
        assert_eq!(compare("1.0", "1.00"), Ordering::Equal);
        assert_eq!(compare("6.1.0-9-amd64", "6.1.0-28-amd64"), Ordering::Less);
    }

    #[test]
    fn as_rpm_orders() {
        let order =
            ["1.0~rc1", "1.0~rc2", "1.0", "1.0^git1", "1.0^git1~1x", "1.0.1", "1.1.a", "1.1.1", "1.1.10", "2", "10"];
        for (place, low) in order.iter().enumerate() {
            for high in &order[place + 1..] {
                // `1.0^git1~1x` is the pre-release of what follows `1.0^git1`, and so comes before it.
                let wanted =
                    if *low == "1.0^git1" && *high == "1.0^git1~1x" { Ordering::Greater } else { Ordering::Less };
                assert_eq!(rpm_part(low, high), wanted, "{low} {high}");
                assert_eq!(rpm_part(high, low), wanted.reverse(), "{low} {high}");
            }
        }
        assert_eq!(rpm_part("1.0.", "1_0"), Ordering::Equal);
        assert_eq!(rpm("4.18.0-553.el8_10", "4.18.0-553.157.1.el8_10"), Ordering::Less);
        assert_eq!(rpm("1:1-1", "2-1"), Ordering::Greater);
        assert_eq!(rpm("1-1", "1"), Ordering::Equal);
    }

    proptest! {
        #[test]
        fn an_order_of_rpm_is_an_order(a in "[0-9a-z.~^+:-]{0,12}", b in "[0-9a-z.~^+:-]{0,12}", any in "\\PC{0,12}") {
            prop_assert_eq!(rpm(&a, &b), rpm(&b, &a).reverse());
            prop_assert_eq!(rpm(&a, &a), Ordering::Equal);
            let _ = rpm(&any, &a);
        }

        #[test]
        fn an_order_is_an_order(a in "[0-9a-z.~+:-]{0,12}", b in "[0-9a-z.~+:-]{0,12}", any in "\\PC{0,12}") {
            prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse());
            prop_assert_eq!(compare(&a, &a), Ordering::Equal);
            let _ = compare(&any, &a);
        }
    }
}
