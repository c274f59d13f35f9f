//! The host's time zone, for logs that tell local time (tzfile(5)).

use ioc_common::clock::Timestamp;

/// Seconds that local time is ahead of UTC, by moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Zone {
    /// Since when (seconds) which offset holds; the first holds before, too.
    offsets: Vec<(i64, i64)>,
}

impl Zone {
    /// Reads a tzfile. What is no tzfile is UTC.
    #[must_use]
    pub fn parse(file: &[u8]) -> Self {
        Self::try_parse(file).unwrap_or_default()
    }

    fn try_parse(file: &[u8]) -> Option<Self> {
        let header = |at: usize| -> Option<(u8, [usize; 6])> {
            let header = file.get(at..at + 44)?;
            if &header[..4] != b"TZif" {
                return None;
            }
            let mut counts = [0; 6];
            for (place, count) in counts.iter_mut().enumerate() {
                let bytes = header.get(20 + place * 4..24 + place * 4)?;
                *count = usize::try_from(u32::from_be_bytes(bytes.try_into().ok()?)).ok().filter(|n| *n < 100_000)?;
            }
            Some((header[4], counts))
        };
        let (version, counts) = header(0)?;
        let [gmt, std, leaps, times, types, chars] = counts;
        let (start, width, counts) = if version >= b'2' {
            // The first block is for old readers; the second has 64 bits.
            let next = 44 + times * 5 + types * 6 + chars + leaps * 8 + std + gmt;
            (next + 44, 8, header(next)?.1)
        } else {
            (44, 4, counts)
        };
        let [.., times, types, _] = counts;
        let indexes = start + times * width;
        let offset_of = |index: usize| -> Option<i64> {
            if index >= types {
                return None;
            }
            let at = indexes + times + index * 6;
            Some(i64::from(i32::from_be_bytes(file.get(at..at + 4)?.try_into().ok()?)))
        };
        let mut offsets = vec![(i64::MIN, offset_of(0)?)];
        for time in 0..times {
            let at = start + time * width;
            let since = if width == 8 {
                i64::from_be_bytes(file.get(at..at + 8)?.try_into().ok()?)
            } else {
                i64::from(i32::from_be_bytes(file.get(at..at + 4)?.try_into().ok()?))
            };
            offsets.push((since, offset_of(usize::from(*file.get(indexes + time)?))?));
        }
        Some(Self { offsets })
    }

    /// The moment that the local time `year-month-day hour:minute:second` stands for. Within the hour that is lived twice
    /// in autumn, the first.
    #[must_use]
    pub fn moment(&self, date: [i64; 3], time: [i64; 3]) -> Option<Timestamp> {
        let local = seconds(date, time)?;
        let offset = self.offsets.iter().rev().find(|(since, offset)| local.saturating_sub(*offset) >= *since);
        let offset = offset.or(self.offsets.first()).map_or(0, |(_, offset)| *offset);
        Some(Timestamp::from_millis((local - offset) * 1000))
    }
}

/// Seconds since 1970 of a civil date and time, as if it were UTC.
#[must_use]
pub fn seconds([year, month, day]: [i64; 3], [hour, minute, second]: [i64; 3]) -> Option<i64> {
    let sound = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (0..=23).contains(&hour)
        && (0..=59).contains(&minute)
        && (0..=60).contains(&second);
    if !sound {
        return None;
    }
    // Days by the method of Howard Hinnant (days_from_civil), years beginning in March.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second)
}

/// `YYYY-MM-DD` of a number of seconds since 1970, UTC.
#[must_use]
pub fn date(secs: i64) -> String {
    // Days to a civil date by the method of Howard Hinnant (civil_from_days).
    let days = secs.div_euclid(86_400) + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    debug_assert!(
        seconds([era * 400 + year + carry, month, day], [0, 0, 0])
            .is_none_or(|back| back == secs.div_euclid(86_400) * 86_400)
    );
    format!("{:04}-{month:02}-{day:02}", era * 400 + year + carry)
}

/// The number of an English month, from its first three letters.
#[must_use]
pub fn month(name: &str) -> Option<i64> {
    const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let short: String = name.chars().take(3).collect::<String>().to_lowercase();
    MONTHS.iter().position(|month| *month == short).and_then(|at| i64::try_from(at + 1).ok())
}

/// Three numbers of a text such as `2026-11-24` or `08:26:07`.
#[must_use]
pub fn parse_three(text: &str, separator: char) -> Option<[i64; 3]> {
    let mut numbers = text.split(separator).map(str::parse::<i64>);
    let mut next = || numbers.next()?.ok();
    Some([next()?, next()?, next()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_of_the_calendar() {
        assert_eq!(
            (date(0), date(1_795_485_600), date(1_709_164_800)),
            ("1970-01-01".into(), "2026-11-24".into(), "2024-02-29".into())
        );
    }

    #[test]
    fn local_times_become_moments() {
        assert_eq!(seconds([1970, 1, 1], [0, 0, 0]), Some(0));
        assert_eq!(seconds([2026, 11, 24], [2, 0, 0]), Some(1_795_485_600));
        assert_eq!(seconds([2024, 2, 29], [0, 0, 0]), Some(1_709_164_800));
        assert_eq!(seconds([2024, 13, 1], [0, 0, 0]), None);
        let utc = Zone::default().moment([2026, 11, 24], [2, 0, 0]).expect("a time");
        assert_eq!(utc.to_string(), "2026-11-24T02:00:00.000Z");
        if let Ok(file) = std::fs::read("/usr/share/zoneinfo/Asia/Ho_Chi_Minh") {
            let here = Zone::parse(&file).moment([2026, 11, 24], [9, 0, 0]).expect("a time");
            assert_eq!(here.to_string(), "2026-11-24T02:00:00.000Z");
        }
        assert_eq!((month("June"), month("dec"), month("x")), (Some(6), Some(12), None));
        assert_eq!(Zone::parse(b"TZif2 short"), Zone::default());
    }
}
