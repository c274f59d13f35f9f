//! How the centre ran: network (5.1, 5.2), the register (6.1), logs (6.3), backups (7), maintenance (11), feeds (15.1), authenticity (17.3), power (18.2).

use ioc_common::clock::Timestamp;
use ioc_document::report::Value;
use ioc_document::report::clause::percents;
use ioc_judge::{Window, WindowSchedule};
use ioc_store::chart::{self, ChartQuery};
use ioc_store::history::Tier;
use ioc_store::retention::RecordClass;
use ioc_store::{BackupState, FaultQuery, StoreError};

use super::devices::DeviceFacts;
use super::faults::FaultFacts;
use super::{BEFORE, Gathering, NOW, joined, listed, seconds};

/// Devices whose history is read for the peak of bandwidth: beyond, it is not summed up.
const LINKED_MAX: usize = 5_000;
/// Percent of its speed above which a link's use is not believed.
const READ_MAX: f64 = 110.0;
/// Drills of restore in a period that are named.
const DRILLS_MAX: usize = 200;
/// Inventory takings among which the newest that was closed is looked for, and open faults among which their differences are.
const COUNTS_MAX: usize = 200;
const DIFFERENCES_MAX: usize = 20_000;
/// Times that a weekly window may have come within two periods.
const OCCURRENCES_MAX: usize = 1_500;
/// What figures of faults are counted of.
const FAULTS: [RecordClass; 1] = [RecordClass::Faults];
/// How the audit log calls a trial restore, and how its detail begins where it succeeded (`collector/src/backup/task.rs`).
const DRILLED: &str = "backup.drilled";
const PASSED: &str = "passed";

pub(super) fn tell(all: &mut Gathering<'_>, devices: &DeviceFacts, faults: &FaultFacts) -> Result<(), StoreError> {
    network(all, devices, faults)?;
    register(all, devices)?;
    logs(all, devices)?;
    backups(all)?;
    maintenance(all, faults)?;
    feeds(all);
    authenticity(all)?;
    power(all, devices, faults);
    Ok(())
}

fn percent(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| (part / whole * 100.0).clamp(0.0, 100.0))
}

/// The share of a period in which devices that report were heard, over all of them.
fn uptime(all: &Gathering<'_>, devices: &DeviceFacts, faults: &FaultFacts, period: usize) -> Option<f64> {
    let stretch = all.periods[period];
    let until = stretch.until.min(all.asked.now);
    let (mut whole, mut silent) = (0_i64, 0_i64);
    for (device, since) in &devices.heard {
        let from = stretch.from.max(*since).max(all.since.unwrap_or(Timestamp::MIN));
        whole += until.millis_since(from).max(0);
        for (begin, end) in faults.silent.get(device).into_iter().flatten() {
            silent += until.min(*end).millis_since(from.max(*begin)).max(0);
        }
    }
    percent((whole - silent) as f64, whole as f64)
}

/// How much of its speed a link can be said to have used, percent: a little above all of it is how both were read, far above it the machine states a speed
/// that is not the link's, as virtual interfaces do.
fn believed(percent: f64) -> Option<f64> {
    (percent <= READ_MAX).then(|| percent.min(100.0))
}

/// The largest share of a link's speed that was used in a period.
fn peak(all: &Gathering<'_>, devices: &DeviceFacts, period: usize) -> Result<Value, StoreError> {
    if devices.links.is_empty() {
        return Ok(Value::Unknown("chưa có thiết bị nào báo băng thông".to_owned()));
    }
    if devices.links.len() > LINKED_MAX {
        return Ok(Value::Unknown(format!("chưa tổng hợp khi có trên {LINKED_MAX} thiết bị")));
    }
    let stretch = all.periods[period];
    let (mut largest, mut wrong) = (None::<f64>, false);
    for (device, names) in &devices.links {
        let query = ChartQuery {
            from: stretch.from.as_millis(),
            until: stretch.until.as_millis(),
            tier: Tier::Hour,
            names: names.clone(),
            most: 1,
        };
        let lines = chart::read(all.reader, device, &query)?;
        for max in lines.values().flatten().map(|(_, summary)| summary.max).filter(|max| max.is_finite()) {
            match believed(max) {
                Some(max) => largest = Some(largest.map_or(max, |one| one.max(max))),
                None => wrong = true,
            }
        }
    }
    let none = if wrong {
        "tốc độ đường truyền do máy khai không đúng"
    } else {
        "không có số đo trong kỳ"
    };
    Ok(largest.map_or_else(|| Value::Unknown(none.to_owned()), Value::Percent))
}

fn network(all: &mut Gathering<'_>, devices: &DeviceFacts, faults: &FaultFacts) -> Result<(), StoreError> {
    let up = [NOW, BEFORE].map(|period| uptime(all, devices, faults, period));
    let shown =
        |up: Option<f64>| up.map_or_else(|| Value::Unknown("chưa có thiết bị nào báo về".into()), Value::Percent);
    all.happened("5.1", "Thời gian mạng hoạt động", &FAULTS, up.map(shown));
    let peaks = [peak(all, devices, NOW)?, peak(all, devices, BEFORE)?];
    all.happened("5.1", "Mức sử dụng băng thông cao nhất", &[RecordClass::NumbersHour], peaks);
    let breaches = faults.of(&["5.1b", "5.1c"]);
    let heard = |period: usize, value: Value| devices.unheard(&all.periods[period]).unwrap_or(value);
    let counted = [NOW, BEFORE].map(|period| heard(period, Value::Count(breaches[period].found)));
    all.happened("5.1", "Vi phạm được ghi nhận", &FAULTS, counted);
    all.evidence(
        "5.1",
        format!(
            "Thời gian mất liên lạc của {} thiết bị có báo về; lỗi theo quy tắc của khoản 1 điểm b, c",
            devices.heard.len()
        ),
        "Trang Thiết bị, trang Sự cố",
    );
    let open = breaches[NOW].found - breaches[NOW].over;
    all.gap("5.1", "breaches-open", open, |n| {
        format!("{n} vi phạm về truy cập, mã độc hoặc thiết bị ngoại vi chưa xử lý xong")
    });
    if faults.cut {
        all.gap("5.1", "not-summed", 1, |_| {
            "Số lần mất liên lạc vượt mức tổng hợp; tỷ lệ hoạt động chỉ tính phần đầu".to_owned()
        });
    }
    let known = |period: usize| all.unknown(period).or_else(|| all.uncounted(period, &FAULTS)).is_none();
    let [now, before] = [NOW, BEFORE].map(|period| up[period].filter(|_| known(period)));
    if now.is_some() {
        all.article("5.1").chart =
            Some(percents("Thời gian mạng hoạt động (%)", &[("Kỳ này", now), ("Kỳ trước", before)]));
    }
    let traffic = faults.of(&["5.2"]);
    let handled = |tally: super::faults::Tally| match tally.found {
        0 => Value::Count(0),
        whole => Value::Of { part: tally.over, whole },
    };
    let heard = |period: usize| devices.unheard(&all.periods[period]);
    let counted = [NOW, BEFORE].map(|period| heard(period).unwrap_or_else(|| handled(traffic[period])));
    all.happened("5.2", "Vi phạm phát hiện, đã xử lý", &FAULTS, counted);
    all.evidence("5.2", "Lỗi theo quy tắc băng thông", "Trang Sự cố");
    all.gap("5.2", "open", traffic[NOW].found - traffic[NOW].over, |n| {
        format!("{n} vi phạm về băng thông chưa xử lý xong")
    });
    Ok(())
}

fn register(all: &mut Gathering<'_>, devices: &DeviceFacts) -> Result<(), StoreError> {
    let of = |part, whole| {
        if whole == 0 { Value::Unknown("sổ chưa có thiết bị".into()) } else { Value::Of { part, whole } }
    };
    all.stands("6.1", "Thiết bị đã dán nhãn", of(devices.labelled, devices.all));
    let complete = devices.all.saturating_sub(devices.incomplete.count);
    all.stands("6.1", "Thiết bị đủ mục bắt buộc của hồ sơ", of(complete, devices.all));
    all.evidence("6.1", "Sổ thiết bị: tên, nhãn, nơi đặt, người phụ trách", "Trang Thiết bị, tem nhãn");
    let lacking = &devices.unlabelled;
    all.gap_now("6.1", "unlabelled", lacking.count, |n| {
        format!("{n} thiết bị chưa đặt tên hoặc chưa dán nhãn: {}", listed(&lacking.names, lacking.count))
    });
    let lacking = &devices.incomplete;
    all.gap_now("6.1", "incomplete", lacking.count, |n| {
        format!("{n} thiết bị còn thiếu mục bắt buộc của hồ sơ: {}", listed(&lacking.names, lacking.count))
    });
    all.gap_now("6.1", "labels-twice", devices.labels_twice, |n| format!("{n} nhãn dùng cho hơn một thiết bị"));
    taking(all)
}

/// The newest inventory taking that was closed by the end of the period, and what of all of them is work still.
fn taking(all: &mut Gathering<'_>) -> Result<(), StoreError> {
    let until = all.periods[NOW].until;
    let counts = all.reader.inventory_counts(false, None, COUNTS_MAX)?;
    let closed = counts.into_iter().filter_map(|count| {
        let closed = count.closed.clone().filter(|closed| closed.at < until)?;
        Some((count, closed))
    });
    // One of all places goes before one of a room, which says nothing of the others; of those the one that was closed last.
    let newest = closed.max_by_key(|(count, closed)| (count.place.is_empty(), closed.at, count.number));
    let counted = match &newest {
        None => Value::Unknown("chưa kiểm kê lần nào".to_owned()),
        Some((_, closed)) if closed.assets == 0 => Value::Unknown("đợt kiểm kê không có tài sản nào".to_owned()),
        Some((_, closed)) => Value::Of { part: closed.ticked[0], whole: closed.assets },
    };
    all.stands("6.1", "Kiểm kê gần nhất: có, đúng nơi đặt", counted);
    if let Some((count, closed)) = newest {
        let place = if count.place.is_empty() { "toàn trung tâm" } else { count.place.as_str() };
        let text = format!("Biên bản kiểm kê đợt {} ({place}) ngày {}", count.number, all.day(closed.at));
        all.evidence("6.1", text, &format!("Trang Kiểm kê; bản phát hành số {}", closed.minutes));
    }
    let faults = all.reader.faults(&FaultQuery { open: true, ..FaultQuery::default() }, DIFFERENCES_MAX)?;
    let differ = faults.iter().filter(|fault| fault.rule.starts_with("inventory/")).count() as u64;
    all.gap_now("6.1", "inventory-differences", differ, |n| {
        format!("{n} chênh lệch kiểm kê chưa ghi đã xử lý thế nào")
    });
    let unregistered = all.reader.open_inventory_finds()?;
    all.gap_now("6.1", "inventory-unregistered", unregistered, |n| {
        format!("{n} tài sản thấy khi kiểm kê chưa có trong danh mục")
    });
    Ok(())
}

fn logs(all: &mut Gathering<'_>, devices: &DeviceFacts) -> Result<(), StoreError> {
    let counts = all.reader.counts()?;
    let sources = match counts.devices {
        0 => Value::Unknown("sổ chưa có thiết bị".to_owned()),
        whole => Value::Of { part: counts.live, whole },
    };
    all.stands("6.3", "Nguồn nhật ký đang ghi", sources);
    let oldest = all.since.and_then(|at| all.date(at));
    all.stands("6.3", "Bản ghi cũ nhất", oldest.map_or_else(|| Value::Unknown(String::new()), Value::Day));
    let losing = [NOW, BEFORE].map(|period| {
        let count = devices.losing[period] as f64;
        let known = Value::Amount { number: count, decimals: 0, unit: "thiết bị".to_owned() };
        devices.unheard(&all.periods[period]).unwrap_or(known)
    });
    all.happened("6.3", "Khoảng trống của nhật ký", &[], losing);
    if let Some(head) = all.reader.last_audit_head()? {
        let text = format!("Nhật ký kiểm toán nối chuỗi băm, ký tới bản ghi {}, gốc {}", head.number, head.root);
        all.evidence("6.3", text, "Trang Nhật ký; lệnh ioc-collector audit verify");
    }
    let silent = counts.devices.saturating_sub(counts.live);
    all.gap_now("6.3", "silent", silent, |n| format!("{n} thiết bị không báo về khi lập báo cáo"));
    all.gap("6.3", "losing", devices.losing[NOW], |n| format!("{n} thiết bị có báo cáo bị mất trong kỳ"));
    Ok(())
}

fn backups(all: &mut Gathering<'_>) -> Result<(), StoreError> {
    let coverage = all.reader.backup_coverage()?;
    let needing = coverage.stated.saturating_sub(coverage.unneeded);
    let fresh = match (coverage.stated, needing) {
        (0, _) => Value::Unknown("chưa khai báo bản sao lưu phải có".to_owned()),
        (_, 0) => Value::Word("không thiết bị nào cần sao lưu".to_owned()),
        (_, whole) => Value::Of { part: coverage.in_order, whole },
    };
    all.stands("7", "Bản sao lưu còn mới", fresh);
    let mut drilled = [(0_u64, 0_u64); 2];
    let mut named = Vec::new();
    for period in [NOW, BEFORE] {
        let stretch = all.periods[period];
        for record in all.reader.audit_of(DRILLED, stretch.from, stretch.until, DRILLS_MAX)? {
            let passed = record.detail.starts_with(PASSED);
            drilled[period].0 += u64::from(passed);
            drilled[period].1 += 1;
            if period == NOW {
                let word = if passed { "đạt" } else { "không đạt" };
                let took = said_of(&record.detail, " ms").map(|ms| format!(", {} giây", ms.div_ceil(1000)));
                let rows = said_of(&record.detail, " rows").map(|rows| format!(", đối chiếu {rows} dòng"));
                let much = took.into_iter().chain(rows).collect::<String>();
                named.push(format!(
                    "Diễn tập phục hồi ngày {}: {word}{much}, bản {}",
                    all.day(record.at),
                    record.subject
                ));
            }
        }
    }
    let result = |(part, whole)| match whole {
        0 => Value::Unknown("không có lần diễn tập nào trong kỳ".to_owned()),
        whole => Value::Of { part, whole },
    };
    all.happened("7", "Kết quả diễn tập phục hồi", &[], drilled.map(result));
    all.evidence("7", "Sao lưu phải có của từng thiết bị, tình trạng từng bản", "Trang Sao lưu hệ thống");
    // The newest few: all of them stand in the audit log.
    for one in named.iter().rev().take(3) {
        all.evidence("7", one.clone(), "Giấy chứng nhận phục hồi cạnh bản sao lưu; nhật ký kiểm toán");
    }
    let states = coverage.states.iter().zip(BackupState::ALL);
    let bad: u64 = states.filter(|(_, state)| state.is_bad()).map(|(count, _)| *count).sum();
    all.gap_now("7", "bad", bad, |n| format!("{n} bản sao lưu thất bại hoặc quá hạn"));
    let unstated = coverage.devices.saturating_sub(coverage.stated);
    all.gap_now("7", "unstated", unstated, |n| format!("{n} thiết bị chưa khai báo bản sao lưu phải có"));
    let short = needing.saturating_sub(coverage.copies_met);
    all.gap_now("7", "copies", short, |n| {
        format!("{n} thiết bị chưa đủ ba bản, hai loại phương tiện, một bản đặt nơi khác")
    });
    let failed = drilled[NOW].1 - drilled[NOW].0;
    all.gap("7", "drills", failed, |n| format!("{n} lần diễn tập phục hồi không đạt"));
    let none = u64::from(drilled[NOW].1 == 0);
    all.gap("7", "no-drill", none, |_| "Chưa diễn tập phục hồi trong kỳ".to_owned());
    Ok(())
}

/// A number of what a drill says of itself (`passed; 3 tables, 9 rows, 255 ms; …`), by what stands behind it.
fn said_of(detail: &str, unit: &str) -> Option<u64> {
    detail.split([';', ',']).find_map(|part| part.trim().strip_suffix(unit)?.parse().ok())
}

/// When a window was open within both periods and has ended.
fn occurrences(all: &Gathering<'_>, window: &Window, gone: Option<Timestamp>) -> Vec<(Timestamp, Timestamp)> {
    let end = all.asked.now.min(all.periods[NOW].until);
    let last = gone.unwrap_or(end).min(end);
    match &window.when {
        WindowSchedule::Once { from, until } => {
            // What was ended early was open until then.
            let until = gone.map_or(*until, |gone| gone.min(*until));
            if *from < until && until <= end { vec![(*from, until)] } else { Vec::new() }
        }
        WindowSchedule::Weekly { .. } => {
            let mut at = all.periods[BEFORE].from;
            let next = std::iter::from_fn(|| {
                let (from, until) = window.next(at)?;
                at = until;
                (until <= last).then_some((from, until))
            });
            next.take(OCCURRENCES_MAX).collect()
        }
    }
}

fn maintenance(all: &mut Gathering<'_>, faults: &FaultFacts) -> Result<(), StoreError> {
    let planned = all.reader.windows()?.into_iter().map(|window| (window, None));
    let over = all.reader.windows_over(all.periods[BEFORE].from)?.into_iter().map(|(window, at)| (window, Some(at)));
    let mut done = [0_u64; 2];
    let mut silent_ms = [0_i64; 2];
    let mut titles = Vec::new();
    for (window, gone) in planned.chain(over).filter(|(window, _)| !window.freeze) {
        let open = occurrences(all, &window, gone);
        if open.is_empty() {
            continue;
        }
        let mut silent = Vec::new();
        for (device, stretches) in &faults.silent {
            if all.reader.device(device)?.is_some_and(|record| window.covers(&record.info)) {
                silent.extend(stretches.iter().copied());
            }
        }
        let silent = joined(silent);
        for (from, until) in open {
            let Some(period) = [NOW, BEFORE].into_iter().find(|period| all.periods[*period].holds(until)) else {
                continue;
            };
            done[period] += 1;
            let within = super::Stretch { from, until };
            silent_ms[period] += silent.iter().map(|(from, until)| within.overlap_ms(*from, *until)).sum::<i64>();
            if period == NOW && titles.last() != Some(&window.title) {
                titles.push(window.title.clone());
            }
        }
    }
    all.happened("11", "Đợt bảo trì đã thực hiện", &[], done.map(Value::Count));
    let lengths = [NOW, BEFORE].map(|period| match done[period] {
        0 => Value::Unknown("không có đợt bảo trì nào".to_owned()),
        _ => seconds(Some(silent_ms[period]), ""),
    });
    all.happened("11", "Thời gian gián đoạn", &FAULTS, lengths);
    let count = titles.len() as u64;
    let text = if titles.is_empty() {
        "Đợt bảo trì".to_owned()
    } else {
        format!("Đợt bảo trì: {}", listed(&titles, count))
    };
    all.evidence("11", text, "Trang Bảo trì");
    Ok(())
}

fn feeds(all: &mut Gathering<'_>) {
    let jobs = &all.asked.jobs;
    let late: Vec<String> = jobs.iter().filter(|(_, bad)| *bad).map(|(title, _)| title.clone()).collect();
    let (count, whole) = (late.len() as u64, jobs.len());
    let value =
        if whole == 0 { Value::Unknown("chưa khai báo nguồn dữ liệu".to_owned()) } else { Value::Count(count) };
    all.stands("15.1", "Nguồn trễ", value);
    all.evidence("15.1", format!("{whole} công việc của hệ thống khác báo kết quả về"), "Trang Công việc");
    all.gap_now("15.1", "late", count, |n| format!("{n} nguồn trễ hoặc báo lỗi: {}", listed(&late, count)));
}

fn authenticity(all: &mut Gathering<'_>) -> Result<(), StoreError> {
    let (marks, _) = all.reader.value_marks(all.asked.now, all.asked.clock_doubted, 0)?;
    let value = match marks.total() {
        0 => Value::Unknown("chưa có giá trị nào".to_owned()),
        whole => Value::Of { part: marks.verified, whole },
    };
    all.stands("17.3", "Giá trị đã xác minh", value);
    all.evidence(
        "17.3",
        "Chứng thư số của từng thiết bị, thứ tự, đồng hồ và tuổi của từng giá trị",
        "Trang Độ tin cậy",
    );
    all.gap_now("17.3", "stale", marks.stale, |n| format!("{n} giá trị đã cũ"));
    Ok(())
}

fn power(all: &mut Gathering<'_>, devices: &DeviceFacts, faults: &FaultFacts) {
    let outages = joined(faults.power.clone());
    let none = || Value::Unknown("chưa có UPS nào được theo dõi".to_owned());
    let figures = [NOW, BEFORE].map(|period| {
        let stretch = all.periods[period];
        let count = outages.iter().filter(|(from, _)| stretch.holds(*from)).count() as u64;
        let ms: i64 = outages.iter().map(|(from, until)| stretch.overlap_ms(*from, *until)).sum();
        let watched = devices.ups_since.is_some_and(|since| since < stretch.until);
        if !watched { (none(), none()) } else { (Value::Count(count), seconds(Some(ms), "")) }
    });
    let [now, before] = figures;
    all.happened("18.2", "Lần mất điện", &FAULTS, [now.0, before.0]);
    all.happened("18.2", "Tổng thời gian mất điện", &FAULTS, [now.1, before.1]);
    let age = devices.newest("ups.battery_age").largest;
    let age = age.map_or_else(
        || Value::Unknown("chưa có UPS nào báo tuổi ắc quy".to_owned()),
        |days| Value::Amount { number: days, decimals: 0, unit: "ngày".to_owned() },
    );
    all.stands("18.2", "Tuổi ắc quy lớn nhất", age);
    all.evidence("18.2", "UPS chạy ắc quy; các UPS mất điện cùng lúc tính một lần", "Trang Phòng máy");
    let old = faults.open_of(&["ups-battery-old", "ups-replace-battery"]);
    all.gap_now("18.2", "battery", old, |n| format!("{n} UPS phải thay ắc quy"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_uses_no_more_than_all_of_itself() {
        assert_eq!([71.4, 100.4, 9070.0].map(believed), [Some(71.4), Some(100.0), None]);
    }
}
