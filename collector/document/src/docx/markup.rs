//! The smallest pieces of OOXML: paragraphs, runs, and the names by which the files of a DOCX name each other.

use crate::model::Align;
use crate::xml::escape;

/// What the head of every page but the first says: its number.
pub(super) const NUMBERED_HEADER: &str = "rId3";
/// The head of first pages, which have none.
pub(super) const EMPTY_HEADER: &str = "rId4";
/// The foot of the document's first page.
pub(super) const CONTACT_FOOTER: &str = "rId5";
/// The foot of all others.
pub(super) const EMPTY_FOOTER: &str = "rId6";

/// A paragraph of a point.
pub(super) const APART: &str = "<w:p><w:pPr><w:spacing w:before=\"0\" w:after=\"0\" w:line=\"20\" w:lineRule=\"exact\"/>\
                                <w:rPr><w:sz w:val=\"2\"/></w:rPr></w:pPr></w:p>";

/// The same before a table: the heading above stays with it.
pub(super) const APART_KEPT: &str = "<w:p><w:pPr><w:keepNext/><w:spacing w:before=\"0\" w:after=\"0\" w:line=\"20\" w:lineRule=\"exact\"/>\
                                     <w:rPr><w:sz w:val=\"2\"/></w:rPr></w:pPr></w:p>";

/// Twentieths of a point.
pub(super) fn twips(mm: f64) -> u32 {
    (mm * 1440.0 / 25.4).round() as u32
}

/// A run of text with properties, as markup.
pub(super) fn run(properties: &str, text: &str) -> String {
    let mut out = String::from("<w:r>");
    if !properties.is_empty() {
        out.push_str("<w:rPr>");
        out.push_str(properties);
        out.push_str("</w:rPr>");
    }
    out.push_str("<w:t xml:space=\"preserve\">");
    escape(&mut out, text);
    out.push_str("</w:t></w:r>");
    out
}

/// A paragraph of a style, with further properties and what stands in it, both as markup.
pub(super) fn paragraph(style: &str, properties: &str, inside: &str) -> String {
    format!("<w:p><w:pPr><w:pStyle w:val=\"{style}\"/>{properties}</w:pPr>{inside}</w:p>")
}

/// How lines stand, in OOXML's word.
pub(super) fn justification(align: Align) -> &'static str {
    match align {
        Align::Left => "left",
        Align::Centre => "center",
        Align::Right => "right",
        Align::Justified => "both",
    }
}
