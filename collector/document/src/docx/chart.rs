//! Bars as a chart that word processors draw and people edit (DrawingML, ECMA-376 part 1, 21.2): it stands in its line, so that it stays where it is, and
//! has its numbers in a workbook beside it. A bar is named together with its number as the print view writes it: how a number is written then depends on
//! nobody's settings, and one that is not known says so instead of being a bar of no length.

use super::markup::twips;
use crate::layout::Page;
use crate::model::{Bar, Bars};
use crate::workbook::{self, Cell, WorkbookError};
use crate::xml::escaped;

/// What the names of a chart's elements stand for.
const C: &str = "http://schemas.openxmlformats.org/drawingml/2006/chart";
const A: &str = "http://schemas.openxmlformats.org/drawingml/2006/main";
const R: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const WP: &str = "http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing";
/// English metric units of a millimetre and of a twentieth of a point.
const EMU_PER_MM: f64 = 36_000.0;
const EMU_PER_TWIP: u32 = 635;
/// How high a bar with its room is, what stands below all of them, and the most of both, mm.
const BAR_MM: f64 = 9.0;
const AXIS_MM: f64 = 12.0;
const HEIGHT_MAX_MM: f64 = 200.0;
/// Most parts of the scale.
const STEPS: f64 = 5.0;
/// Text of the chart: hundredths of a point.
const TEXT: u32 = 1_100;

/// A bar's name with its number.
fn named(bar: &Bar) -> String {
    format!("{}: {}", bar.name, bar.written)
}

/// What stands for the chart where it is not seen.
fn described(bars: &Bars) -> String {
    let all: Vec<String> = bars.items.iter().map(named).collect();
    format!("Biểu đồ: {}. {}", bars.title, all.join("; "))
}

/// The place of a chart in the text: the `number`-th of the document, from 1.
pub(super) fn place(bars: &Bars, number: usize, page: Page) -> String {
    let width = twips(page.text_mm()) * EMU_PER_TWIP;
    let height = ((bars.items.len() as f64 * BAR_MM + AXIS_MM).min(HEIGHT_MAX_MM) * EMU_PER_MM).round();
    format!(
        "<w:p><w:pPr><w:spacing w:before=\"0\" w:after=\"120\"/><w:jc w:val=\"center\"/></w:pPr><w:r><w:drawing>\
         <wp:inline xmlns:wp=\"{WP}\" distT=\"0\" distB=\"0\" distL=\"0\" distR=\"0\"><wp:extent cx=\"{width}\" cy=\"{height}\"/>\
         <wp:effectExtent l=\"0\" t=\"0\" r=\"0\" b=\"0\"/><wp:docPr id=\"{number}\" name=\"Biểu đồ {number}\" descr=\"{}\"/><wp:cNvGraphicFramePr/>\
         <a:graphic xmlns:a=\"{A}\"><a:graphicData uri=\"{C}\"><c:chart xmlns:c=\"{C}\" r:id=\"{}\"/></a:graphicData></a:graphic>\
         </wp:inline></w:drawing></w:r></w:p>",
        escaped(&described(bars)),
        relation(number)
    )
}

/// By what the text names a chart.
pub(super) fn relation(number: usize) -> String {
    format!("rIdChart{number}")
}

/// A length that such a scale goes by: 1, 2 or 5 of a power of ten.
fn step(full: f64) -> f64 {
    let rough = full / STEPS;
    let power = 10_f64.powf(rough.log10().floor());
    [1.0, 2.0, 5.0].into_iter().map(|part| part * power).find(|step| *step >= rough).unwrap_or(10.0 * power)
}

/// The number of a bar, as far as there is one.
fn number_of(bar: &Bar) -> Option<f64> {
    bar.number.filter(|number| number.is_finite())
}

/// The chart itself.
pub(super) fn part(bars: &Bars) -> String {
    let count = bars.items.len();
    let mut names = String::new();
    let mut numbers = String::new();
    for (place, bar) in bars.items.iter().enumerate() {
        names.push_str(&format!("<c:pt idx=\"{place}\"><c:v>{}</c:v></c:pt>", escaped(&named(bar))));
        if let Some(number) = number_of(bar) {
            numbers.push_str(&format!("<c:pt idx=\"{place}\"><c:v>{number}</c:v></c:pt>"));
        }
    }
    let last = count + 1;
    let line = |colour: &str| {
        format!("<c:spPr><a:ln w=\"6350\"><a:solidFill><a:srgbClr val=\"{colour}\"/></a:solidFill></a:ln></c:spPr>")
    };
    let font = "<a:latin typeface=\"Times New Roman\"/><a:cs typeface=\"Times New Roman\"/>";
    let full = if bars.full.is_finite() && bars.full > 0.0 { bars.full } else { 1.0 };
    let unit = step(full);
    // Counted things have no halves.
    let unit =
        if bars.items.iter().filter_map(number_of).all(|number| number.fract() == 0.0) { unit.max(1.0) } else { unit };
    let most = (full / unit).ceil() * unit;
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n\
         <c:chartSpace xmlns:c=\"{C}\" xmlns:a=\"{A}\" xmlns:r=\"{R}\"><c:date1904 val=\"0\"/><c:roundedCorners val=\"0\"/>\
         <c:chart><c:autoTitleDeleted val=\"1\"/><c:plotArea><c:layout/>\
         <c:barChart><c:barDir val=\"bar\"/><c:grouping val=\"clustered\"/><c:varyColors val=\"0\"/>\
         <c:ser><c:idx val=\"0\"/><c:order val=\"0\"/>\
         <c:tx><c:strRef><c:f>Sheet1!$B$1</c:f><c:strCache><c:ptCount val=\"1\"/><c:pt idx=\"0\"><c:v>{title}</c:v></c:pt></c:strCache></c:strRef></c:tx>\
         <c:spPr><a:solidFill><a:srgbClr val=\"7F7F7F\"/></a:solidFill></c:spPr><c:invertIfNegative val=\"0\"/>\
         <c:cat><c:strRef><c:f>Sheet1!$A$2:$A${last}</c:f><c:strCache><c:ptCount val=\"{count}\"/>{names}</c:strCache></c:strRef></c:cat>\
         <c:val><c:numRef><c:f>Sheet1!$B$2:$B${last}</c:f><c:numCache><c:formatCode>General</c:formatCode><c:ptCount val=\"{count}\"/>{numbers}\
         </c:numCache></c:numRef></c:val></c:ser><c:gapWidth val=\"60\"/><c:axId val=\"10\"/><c:axId val=\"20\"/></c:barChart>\
         <c:catAx><c:axId val=\"10\"/><c:scaling><c:orientation val=\"maxMin\"/></c:scaling><c:delete val=\"0\"/><c:axPos val=\"l\"/>\
         <c:numFmt formatCode=\"General\" sourceLinked=\"0\"/><c:majorTickMark val=\"none\"/><c:minorTickMark val=\"none\"/><c:tickLblPos val=\"low\"/>{black}\
         <c:crossAx val=\"20\"/><c:crosses val=\"autoZero\"/><c:auto val=\"0\"/><c:lblAlgn val=\"ctr\"/><c:lblOffset val=\"100\"/><c:noMultiLvlLbl val=\"1\"/></c:catAx>\
         <c:valAx><c:axId val=\"20\"/><c:scaling><c:orientation val=\"minMax\"/><c:max val=\"{most}\"/><c:min val=\"0\"/></c:scaling><c:delete val=\"0\"/>\
         <c:axPos val=\"b\"/><c:majorGridlines>{grey}</c:majorGridlines><c:numFmt formatCode=\"General\" sourceLinked=\"0\"/>\
         <c:majorTickMark val=\"none\"/><c:minorTickMark val=\"none\"/><c:tickLblPos val=\"nextTo\"/>{black}<c:crossAx val=\"10\"/><c:crosses val=\"max\"/>\
         <c:crossBetween val=\"between\"/><c:majorUnit val=\"{unit}\"/></c:valAx></c:plotArea>\
         <c:plotVisOnly val=\"1\"/><c:dispBlanksAs val=\"gap\"/></c:chart>\
         <c:spPr><a:solidFill><a:srgbClr val=\"FFFFFF\"/></a:solidFill><a:ln><a:noFill/></a:ln></c:spPr>\
         <c:txPr><a:bodyPr/><a:lstStyle/><a:p><a:pPr><a:defRPr sz=\"{TEXT}\">\
         <a:solidFill><a:srgbClr val=\"000000\"/></a:solidFill>{font}</a:defRPr></a:pPr><a:endParaRPr lang=\"vi-VN\"/></a:p></c:txPr>\
         <c:externalData r:id=\"rId1\"><c:autoUpdate val=\"0\"/></c:externalData></c:chartSpace>",
        title = escaped(&bars.title),
        black = line("000000"),
        grey = line("D9D9D9"),
    )
}

/// The numbers of a chart, to be edited.
///
/// # Errors
/// [`WorkbookError`] when it cannot be packed.
pub(super) fn numbers(bars: &Bars) -> Result<Vec<u8>, WorkbookError> {
    let names: Vec<String> = bars.items.iter().map(named).collect();
    let rows = names
        .iter()
        .zip(&bars.items)
        .map(|(name, bar)| [Cell::Text(name), number_of(bar).map_or(Cell::Text(""), Cell::Number)]);
    workbook::write("Sheet1", &[("", 40), (bars.title.as_str(), 20)], rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bars(items: &[(&str, Option<f64>)], full: f64) -> Bars {
        let bar = |(name, number): &(&str, Option<f64>)| Bar {
            name: (*name).to_owned(),
            number: *number,
            written: number.map_or_else(|| "không có dữ liệu".to_owned(), |number| format!("{number}%")),
        };
        Bars { title: "Máy <đạt> & \"yêu cầu\"".to_owned(), full, items: items.iter().map(bar).collect() }
    }

    #[test]
    fn what_is_not_known_is_named_and_has_no_bar() {
        let bars = bars(&[("Bản vá", Some(99.5)), ("Sao lưu", None), ("Tường lửa", Some(f64::NAN))], 100.0);
        let text = part(&bars);
        assert!(text.contains("<c:v>Sao lưu: không có dữ liệu</c:v>") && text.contains("<c:v>99.5</c:v>"), "{text}");
        assert_eq!(text.matches("<c:pt idx=\"1\">").count(), 1, "a name, and no number");
        assert!(text.contains("<c:max val=\"100\"/>") && text.contains("<c:majorUnit val=\"20\"/>"), "{text}");
        assert!(!text.contains("<đạt>") && text.contains("Máy &lt;đạt&gt; &amp; &quot;yêu cầu&quot;"));
        let place = place(&bars, 3, Page { landscape: false });
        assert!(place.contains("descr=\"Biểu đồ: Máy &lt;đạt&gt;"), "{place}");
        assert!(place.contains("Bản vá: 99.5%; Sao lưu: không có dữ liệu") && place.contains("r:id=\"rIdChart3\""));
        assert!(numbers(&bars).unwrap().starts_with(b"PK"));
    }

    #[test]
    fn a_scale_goes_by_round_numbers_and_never_by_halves_of_things() {
        let of = |full| step(full);
        assert_eq!([100.0, 7.0, 43.0, 1.0].map(of), [20.0, 2.0, 10.0, 0.2]);
        let counted = part(&bars(&[("Tháng 10", Some(1.0)), ("Tháng 11", Some(3.0))], 3.0));
        assert!(counted.contains("<c:max val=\"3\"/>") && counted.contains("<c:majorUnit val=\"1\"/>"), "{counted}");
        for odd in [0.0, f64::NAN, -2.0] {
            assert!(part(&bars(&[("x", None)], odd)).contains("<c:max val=\"1\"/>"));
        }
    }
}
