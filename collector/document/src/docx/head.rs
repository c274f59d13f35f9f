//! The head of a document and its end: what stands in two columns, side by side, in tables without lines.

use super::markup::{APART, paragraph, run, twips};
use crate::layout::{self, AGENCY_COLUMN_MM, MOTTO, NATION, NATION_COLUMN_MM, Ruled};
use crate::model::Document;
use crate::typeface;
use crate::xml::escape;

/// Lines of one paragraph.
fn broken(lines: &[String]) -> String {
    let mut inside = String::from("<w:r>");
    for (at, line) in lines.iter().enumerate() {
        inside.push_str(if at == 0 { "<w:t xml:space=\"preserve\">" } else { "<w:br/><w:t xml:space=\"preserve\">" });
        escape(&mut inside, line);
        inside.push_str("</w:t>");
    }
    inside + "</w:r>"
}

/// A rule of so many millimetres in the middle of `room_mm`: the upper border of a paragraph that is as wide as the rule. Nothing is drawn,
/// so that it stands where it stands in every word processor.
fn rule(length_mm: f64, room_mm: f64, keep: bool) -> String {
    let aside = twips((room_mm - length_mm).max(0.0) / 2.0);
    let keep = if keep { "<w:keepNext/>" } else { "" };
    format!(
        "<w:p><w:pPr>{keep}<w:pBdr><w:top w:val=\"single\" w:sz=\"6\" w:space=\"0\" w:color=\"000000\"/></w:pBdr>\
         <w:spacing w:before=\"40\" w:after=\"0\" w:line=\"60\" w:lineRule=\"exact\"/><w:ind w:left=\"{aside}\" w:right=\"{aside}\"/>\
         <w:rPr><w:sz w:val=\"4\"/></w:rPr></w:pPr></w:p>"
    )
}

fn ruled(style: &str, text: &Ruled, room_mm: f64, keep: bool) -> String {
    if text.lines.is_empty() {
        return String::new();
    }
    paragraph(style, "", &broken(&text.lines)) + &rule(text.rule_mm, room_mm, keep)
}

/// A row of two cells without lines. Word wants a paragraph at the end of each.
fn columns(left_mm: f64, left: &str, right_mm: f64, right: &str, keep: bool) -> String {
    let (left_width, right_width) = (twips(left_mm), twips(right_mm));
    let filled = |inside: &str| if inside.is_empty() { paragraph("Contact", "", "") } else { inside.to_owned() };
    let cell = |width: u32, inside: &str| {
        format!("<w:tc><w:tcPr><w:tcW w:w=\"{width}\" w:type=\"dxa\"/></w:tcPr>{}</w:tc>", filled(inside))
    };
    let row = if keep { "<w:trPr><w:cantSplit/></w:trPr>" } else { "" };
    format!(
        "<w:tbl><w:tblPr><w:tblW w:w=\"{}\" w:type=\"dxa\"/><w:tblLayout w:type=\"fixed\"/>\
         <w:tblCellMar><w:left w:w=\"0\" w:type=\"dxa\"/><w:right w:w=\"0\" w:type=\"dxa\"/></w:tblCellMar></w:tblPr>\
         <w:tblGrid><w:gridCol w:w=\"{left_width}\"/><w:gridCol w:w=\"{right_width}\"/></w:tblGrid>\
         <w:tr>{row}{}{}</w:tr></w:tbl>",
        left_width + right_width,
        cell(left_width, left),
        cell(right_width, right)
    )
}

/// A stamp: its word in a frame that is as wide as it.
fn stamp(word: &str, room_mm: f64, after: &str) -> String {
    let style = layout::style_of("Stamp");
    let aside = twips((room_mm - typeface::width_mm(word, style.size_pt, true) - 6.0).max(0.0) / 2.0);
    let side = |name: &str| format!("<w:{name} w:val=\"single\" w:sz=\"8\" w:space=\"1\" w:color=\"000000\"/>");
    let frame: String = ["top", "left", "bottom", "right"].into_iter().map(side).collect();
    paragraph(
        "Stamp",
        &format!("<w:pBdr>{frame}</w:pBdr>{after}<w:ind w:left=\"{aside}\" w:right=\"{aside}\"/>"),
        &run("", word),
    )
}

/// Everything above the text.
pub(super) fn head(document: &Document) -> String {
    let heading = layout::heading(document);
    let mut out = String::new();
    if let Some(circulation) = &heading.circulation {
        out.push_str(&stamp(
            circulation,
            AGENCY_COLUMN_MM + NATION_COLUMN_MM,
            "<w:spacing w:before=\"0\" w:after=\"160\"/>",
        ));
    }
    let mut left = String::new();
    if !heading.parent.is_empty() {
        left.push_str(&paragraph("Parent", "", &broken(&heading.parent)));
    }
    left.push_str(&ruled("Agency", &heading.agency, AGENCY_COLUMN_MM, false));
    let mut right = paragraph("Nation", "", &run("", NATION));
    right.push_str(&paragraph("Motto", "", &run("", MOTTO)));
    right.push_str(&rule(heading.motto_rule_mm, NATION_COLUMN_MM, false));
    out.push_str(&columns(AGENCY_COLUMN_MM, &left, NATION_COLUMN_MM, &right, true));
    // Two tables that touch become one in some word processors; a paragraph of a point keeps them apart.
    out.push_str(APART);
    let mut left = paragraph("Number", "", &run("", &heading.number));
    if !heading.regarding.is_empty() {
        left.push_str(&paragraph("Regarding", "", &broken(&heading.regarding)));
    }
    left.extend(heading.stamps.iter().map(|word| stamp(word, AGENCY_COLUMN_MM, "")));
    let right = paragraph("Date", "", &run("", &heading.date));
    out.push_str(&columns(AGENCY_COLUMN_MM, &left, NATION_COLUMN_MM, &right, true));
    if let Some(title) = &heading.title {
        out.push_str(&paragraph("Kind", "", &run("", title)));
    }
    out.push_str(&ruled("Summary", &heading.summary, AGENCY_COLUMN_MM + NATION_COLUMN_MM, true));
    match heading.addressees.as_slice() {
        [] => {}
        [one] => out.push_str(&paragraph("Addressee", "", &run("", one))),
        many => {
            for (at, line) in many.iter().enumerate() {
                let room = if at == 0 { "<w:spacing w:before=\"240\"/>" } else { "" };
                out.push_str(&paragraph("AddresseeItem", room, &run("", line)));
            }
        }
    }
    out
}

/// Who gets it, and who signs: side by side where one signs; the signers side by side and who gets it below where several do.
pub(super) fn end(document: &Document) -> String {
    let mut recipients = String::new();
    if !document.recipients.is_empty() {
        recipients.push_str(&paragraph("RecipientsLabel", "", &run("", "Nơi nhận:")));
        for line in layout::recipients(document) {
            recipients.push_str(&paragraph("Recipient", "", &run("", &line)));
        }
    }
    let signature = |one: &crate::model::Signature| {
        paragraph("SignTitle", "", &broken(&one.lines()))
            + &paragraph("SignName", "", &run("", one.name.as_deref().unwrap_or("")))
    };
    let half = (AGENCY_COLUMN_MM + NATION_COLUMN_MM) / 2.0;
    let before = "<w:p><w:pPr><w:keepNext/><w:spacing w:before=\"0\" w:after=\"0\" w:line=\"200\" w:lineRule=\"exact\"/></w:pPr></w:p>";
    match document.signatures.as_slice() {
        [] if recipients.is_empty() => String::new(),
        [] => before.to_owned() + &columns(half, &recipients, half, "", true),
        [one] => before.to_owned() + &columns(half, &recipients, half, &signature(one), true),
        many => {
            let mut out = String::new();
            for pair in many.chunks(2) {
                let right = pair.get(1).map(signature).unwrap_or_default();
                out.push_str(before);
                out.push_str(&columns(half, &signature(&pair[0]), half, &right, true));
            }
            out.push_str(before);
            out + &recipients
        }
    }
}
