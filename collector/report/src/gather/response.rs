//! How incidents were answered: told at once (6.2), in time (10.1), with what article 10.2 asks, by units (15.3), to the department (17.4).

use ioc_document::model::{Bar, Bars};
use ioc_document::report::Value;
use ioc_document::wording;
use ioc_store::retention::RecordClass;

use super::incidents::{IncidentFacts, Told};
use super::{Gathering, NOW, listed, median, seconds};

/// What figures of incidents are counted of, and those of how people were told.
const INCIDENTS: [RecordClass; 1] = [RecordClass::Incidents];
const TOLD: [RecordClass; 2] = [RecordClass::Incidents, RecordClass::Notices];
/// Most months in a chart.
const MONTHS_MAX: usize = 24;

pub(super) fn tell(all: &mut Gathering<'_>, incidents: &IncidentFacts) {
    let [now, before] = &incidents.periods;
    let both = |value: &dyn Fn(&Told) -> Value| [value(now), value(before)];
    let none = |told: &Told| match told.failures {
        0 => "không có thiết bị hỏng trong kỳ",
        _ => "không có thông báo nào tới nơi",
    };
    let median_of = |told: &Told| seconds(median(&mut told.failure_notice_ms.clone()), none(told));
    all.happened("6.2", "Trung vị thời gian báo", &TOLD, both(&median_of));
    let longest = |told: &Told| seconds(told.failure_notice_ms.iter().copied().max(), none(told));
    all.happened("6.2", "Thời gian báo lâu nhất", &TOLD, both(&longest));
    all.happened("6.2", "Báo muộn", &TOLD, both(&|told| Value::Count(told.failures_late)));
    let text = format!(
        "{} sự cố thiết bị; từ khi mở sự cố đến thông báo đầu tiên tới nơi; muộn là sau 5 phút hoặc không tới",
        now.failures
    );
    all.evidence("6.2", text, "Trang Sự cố, dòng thời gian từng sự cố");
    all.gap("6.2", "late", now.failures_late, |n| format!("{n} sự cố thiết bị báo muộn hoặc không báo được"));

    let on_time = |told: &Told| match told.all - told.not_due {
        0 => Value::Unknown("không có sự cố trong kỳ".to_owned()),
        whole => Value::Of { part: told.on_time, whole },
    };
    all.happened("10.1", "Sự cố báo đúng hạn", &TOLD, both(&on_time));
    all.happened("10.1", "Sự cố trong kỳ", &INCIDENTS, both(&|told| Value::Count(told.all)));
    all.evidence("10.1", "Tiếp nhận trước hạn của từng mức; sự cố không có hạn: báo trong 5 phút", "Trang Sự cố");
    let late = (now.all - now.not_due) - now.on_time;
    all.gap("10.1", "late", late, |n| format!("{n} sự cố tiếp nhận hoặc báo quá hạn"));
    tell_clocks(all, incidents);
    let months = months(all, now);
    if months.is_some() {
        all.article("10.1").chart = months;
    }

    let proven = |told: &Told| match told.gated {
        0 => Value::Unknown("không có sự cố nào do người sửa hoặc đóng".to_owned()),
        whole => Value::Of { part: told.proven, whole },
    };
    all.happened("10.2", "Sự cố có đủ xác nhận", &INCIDENTS, both(&proven));
    all.evidence(
        "10.2",
        "Sao lưu, an toàn trước khi sửa; diễn biến, biện pháp khi đóng",
        "Trang từng sự cố, biên bản sự cố",
    );
    all.gap("10.2", "unproven", now.gated - now.proven, |n| format!("{n} sự cố thiếu xác nhận hoặc diễn biến"));

    let answered = |told: &Told| match told.assigned {
        0 => Value::Unknown("không giao việc cho đơn vị nào trong kỳ".to_owned()),
        whole => Value::Of { part: told.answered, whole },
    };
    all.happened("15.3", "Đã trả lời", &INCIDENTS, both(&answered));
    let overdue = |told: &Told| match told.assigned {
        0 => Value::Unknown("không giao việc cho đơn vị nào trong kỳ".to_owned()),
        _ => Value::Count(told.overdue),
    };
    all.happened("15.3", "Quá hạn", &INCIDENTS, both(&overdue));
    all.evidence("15.3", "Việc giao cho đơn vị, hạn trả lời, kết quả", "Trang từng sự cố, mục Việc giao đơn vị");
    all.gap("15.3", "overdue", now.overdue, |n| format!("{n} việc giao cho đơn vị quá hạn"));

    let sent = |told: &Told| Value::Count(told.regulator);
    all.happened("17.4", "Đã gửi", &INCIDENTS, both(&sent));
    let confirmed = |told: &Told| match told.regulator {
        0 => Value::Unknown("không gửi thông báo nào".to_owned()),
        whole => Value::Of { part: told.confirmed, whole },
    };
    all.happened("17.4", "Đã xác nhận", &INCIDENTS, both(&confirmed));
    let confirm = |told: &Told| seconds(median(&mut told.confirm_ms.clone()), "chưa có xác nhận nào");
    all.happened("17.4", "Trung vị thời gian xác nhận", &INCIDENTS, both(&confirm));
    all.evidence("17.4", "Thông báo cho cơ quan phụ trách: gửi, nhận, kết quả, xác nhận", "Trang từng sự cố");
    let open = &now.unconfirmed;
    all.gap("17.4", "unconfirmed", open.len() as u64, |n| {
        format!("{n} thông báo chưa được cơ quan phụ trách xác nhận: {}", listed(open, open.len() as u64))
    });
}

/// What the law asks of serious incidents within so many hours: met, missed, still running.
fn tell_clocks(all: &mut Gathering<'_>, incidents: &IncidentFacts) {
    let [now, before] = &incidents.periods;
    let both = |value: &dyn Fn(&Told) -> Value| [value(now), value(before)];
    let none = || "không có sự cố nghiêm trọng trong kỳ".to_owned();
    // What runs still is neither met nor missed.
    let met = |told: &Told| match (told.clocks, told.clocks - told.clocks_running) {
        (0, _) => Value::Unknown(none()),
        (_, 0) => Value::Unknown("chưa hạn nào đến".to_owned()),
        (_, whole) => Value::Of { part: told.clocks_met, whole },
    };
    all.happened("10.1", "Báo cáo sự cố nghiêm trọng đúng hạn", &INCIDENTS, both(&met));
    let counted = |told: &Told, count: u64| if told.clocks == 0 { Value::Unknown(none()) } else { Value::Count(count) };
    all.happened(
        "10.1",
        "Báo cáo sự cố nghiêm trọng quá hạn",
        &INCIDENTS,
        both(&|told| counted(told, told.clocks_late)),
    );
    all.happened(
        "10.1",
        "Báo cáo sự cố nghiêm trọng đang trong hạn",
        &INCIDENTS,
        both(&|told| counted(told, told.clocks_running)),
    );
    if now.clocks > 0 {
        let text = format!(
            "{} sự cố được đánh dấu nghiêm trọng, {} hạn báo cáo theo văn bản đang áp dụng; tính theo lúc gửi",
            now.serious, now.clocks
        );
        all.evidence("10.1", text, "Trang từng sự cố, mục Sự cố nghiêm trọng");
    }
    let missed = &now.clocks_missed;
    all.gap("10.1", "clocks-missed", missed.len() as u64, |n| {
        format!("{n} báo cáo sự cố nghiêm trọng quá hạn chưa gửi: {}", listed(missed, missed.len() as u64))
    });
}

/// Incidents month by month, where the period has more than one that has begun.
fn months(all: &Gathering<'_>, told: &Told) -> Option<Bars> {
    if all.unknown(NOW).or_else(|| all.uncounted(NOW, &INCIDENTS)).is_some() {
        return None;
    }
    let (mut month, last) = (all.asked.key.from().first_of_month(), all.asked.key.to());
    let today = all.date(all.asked.now)?;
    let since = all.since.and_then(|at| all.date(at))?;
    let days: Vec<_> = told.opened.iter().filter_map(|at| all.date(*at)).collect();
    let mut items = Vec::new();
    while month <= last && items.len() < MONTHS_MAX {
        let end = month.last_of_month();
        // Of a month that has not begun, or is not on record, nothing is known.
        let known = month <= today && end >= since;
        let count = days.iter().filter(|day| (month..=end).contains(*day)).count();
        items.push(Bar {
            name: format!("Tháng {}/{}", month.month(), month.year()),
            number: known.then_some(count as f64),
            written: if known { wording::count(count as u64) } else { wording::NO_DATA.to_owned() },
        });
        month = end.tomorrow().ok()?;
    }
    let full = items.iter().filter_map(|bar| bar.number).fold(0.0, f64::max);
    (items.len() > 1 && full > 0.0).then(|| Bars { title: "Sự cố theo tháng".to_owned(), full, items })
}
