//! The document as HTML, to be read, and to be printed to paper or PDF by a browser. It looks as the DOCX does, by the same table of styles. What
//! looks how stands in one style sheet, by classes: a page with a strict content security policy takes it as it is. Scripts are none.
//!
//! Numbers of pages stand in boxes of the margin, which Chromium has from version 131 on; browsers without them print the same pages without numbers.
//! No browser counts anew within one print, and annexes have pages of their own: printed with the document they have no numbers, and each
//! part printed by itself has its own ([`Part`]). The address of the agency (box 13) stands at the end, not at the foot of the first page.

mod body;

use std::fmt::Write as _;

use crate::layout::{
    self, AGENCY_COLUMN_MM, LEFT_MM, NATION_COLUMN_MM, NUMBER_FROM_TOP_MM, RIGHT_MM, STYLES, Style, TOP_MM,
};
use crate::model::{Align, Document};
use crate::wording;
use crate::xml::escaped;

/// Longest rule that has a class, mm.
const RULE_MAX_MM: u32 = 140;

/// The style sheet, for all documents.
#[must_use]
pub fn style_sheet() -> String {
    let mut out = String::from(include_str!("print.css"));
    let number = "font: 14pt \"Times New Roman\", Tinos, \"Liberation Serif\", serif; color: #000;";
    let paper = |name: &str, size: &str, content: &str| {
        format!(
            "@page {name}{{ size: {size}; margin: {TOP_MM}mm {RIGHT_MM}mm {TOP_MM}mm {LEFT_MM}mm; \
             @top-center {{ content: {content}; {number} vertical-align: top; padding-top: {NUMBER_FROM_TOP_MM}mm; }} }}\n"
        )
    };
    let counted = "counter(page, from-two)";
    out.push_str(&paper("", "A4 portrait", counted));
    out.push_str(&paper("wide ", "A4 landscape", counted));
    out.push_str(&paper("annex ", "A4 portrait", "none"));
    out.push_str(&paper("annex-wide ", "A4 landscape", "none"));
    let _ = writeln!(
        out,
        "@media print, screen and (min-width: 215mm) {{ .paper .head {{ grid-template-columns: {AGENCY_COLUMN_MM}mm {NATION_COLUMN_MM}mm; }} }}"
    );
    for style in STYLES {
        let _ = writeln!(out, ".paper .{} {{ {} }}", style.id, looks(style));
    }
    for mm in 1..=RULE_MAX_MM {
        let _ = write!(out, ".paper .r{mm}{{width:{mm}mm}}");
    }
    for percent in 1..=100 {
        let _ = write!(out, ".paper .w{percent}{{width:{percent}%}}");
    }
    out.push('\n');
    out
}

fn looks(style: &Style) -> String {
    let mut out = format!("font-size: {}pt; text-align: {};", style.size_pt, alignment(style.align));
    let _ = write!(out, " font-weight: {};", if style.bold { "bold" } else { "normal" });
    if style.italic {
        out.push_str(" font-style: italic;");
    }
    if style.first_mm > 0.0 {
        let _ = write!(out, " text-indent: {}mm;", style.first_mm);
    }
    if style.before_pt > 0.0 || style.after_pt > 0.0 {
        let _ = write!(out, " padding-top: {}pt; padding-bottom: {}pt;", style.before_pt, style.after_pt);
    }
    if style.keep_next {
        out.push_str(" break-after: avoid;");
    }
    out
}

fn alignment(align: Align) -> &'static str {
    match align {
        Align::Left => "left",
        Align::Centre => "center",
        Align::Right => "right",
        Align::Justified => "justify",
    }
}

/// Where a page takes its style sheet from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sheet<'a> {
    /// From an address, for pages with a strict content security policy.
    Linked(&'a str),
    /// It is in the page, which can then be kept as one file.
    Embedded,
}

/// What of a document is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// All of it, to be read.
    Whole,
    /// The document without its annexes, with its own numbers of pages.
    Main,
    /// One annex, from 0, with its own numbers of pages; nothing where there is none.
    Annex(usize),
}

/// The whole page.
#[must_use]
pub fn page(document: &Document, part: Part, sheet: Sheet<'_>) -> String {
    let sheet = match sheet {
        Sheet::Linked(address) => format!("<link rel=\"stylesheet\" href=\"{}\">", escaped(address)),
        Sheet::Embedded => format!("<style>\n{}</style>", style_sheet()),
    };
    let kind = document
        .kind
        .title()
        .map_or_else(|| "Công văn".to_owned(), |title| wording::capitalised(&title.to_lowercase()));
    format!(
        "<!DOCTYPE html>\n<html lang=\"vi\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{}</title>\n{sheet}\n</head>\n<body>\n{}</body>\n</html>\n",
        escaped(&format!("{kind}: {}", document.summary)),
        fragment(document, part)
    )
}

/// The document alone, to stand in a page that has the style sheet.
#[must_use]
pub fn fragment(document: &Document, part: Part) -> String {
    let mut out = String::from("<article class=\"paper\">\n");
    if !matches!(part, Part::Annex(_)) {
        main_part(&mut out, document);
    }
    for (at, annex) in document.annexes.iter().enumerate() {
        let class = match part {
            Part::Main => continue,
            Part::Annex(one) if one != at => continue,
            Part::Annex(_) => "part",
            Part::Whole => "annex",
        };
        let (label, reference) = layout::annex_label(document, at);
        let _ = writeln!(
            out,
            "<section class=\"{class}{}\"><div class=\"sheet\">",
            if annex.landscape { " wide" } else { "" }
        );
        body::paragraph(&mut out, "h2", "AnnexLabel", &escaped(&label));
        body::paragraph(&mut out, "p", "AnnexTitle", &escaped(&annex.title.to_uppercase()));
        body::paragraph(&mut out, "p", "AnnexReference", &escaped(&reference));
        body::blocks(&mut out, &annex.body);
        out.push_str("</div></section>\n");
    }
    out + "</article>\n"
}

fn main_part(out: &mut String, document: &Document) {
    out.push_str("<section><div class=\"sheet\">\n");
    head(out, document);
    for basis in &document.bases {
        body::paragraph(out, "p", "Basis", &escaped(basis));
    }
    body::blocks(out, &document.closed_body());
    end(out, document);
    if let Some(contact) = &document.head.contact {
        body::paragraph(out, "p", "Contact contact", &escaped(contact));
    }
    out.push_str("</div></section>\n");
}

/// Lines, each a line of its own.
fn lines(all: &[String]) -> String {
    let line = |line: &String| format!("<span class=\"line\">{}</span>", escaped(line));
    all.iter().map(line).collect()
}

fn rule(out: &mut String, length_mm: f64) {
    let length = (length_mm.round() as u32).clamp(1, RULE_MAX_MM);
    let _ = writeln!(out, "<div class=\"rule r{length}\"></div>");
}

fn ruled(out: &mut String, style: &str, text: &layout::Ruled) {
    if !text.lines.is_empty() {
        body::paragraph(out, "p", style, &lines(&text.lines));
        rule(out, text.rule_mm);
    }
}

fn head(out: &mut String, document: &Document) {
    let heading = layout::heading(document);
    if let Some(circulation) = &heading.circulation {
        body::paragraph(out, "p", "Stamp above", &escaped(circulation));
    }
    out.push_str("<header class=\"columns head\">\n<div>\n");
    if !heading.parent.is_empty() {
        body::paragraph(out, "p", "Parent", &lines(&heading.parent));
    }
    ruled(out, "Agency", &heading.agency);
    out.push_str("</div>\n<div>\n");
    body::paragraph(out, "p", "Nation", layout::NATION);
    body::paragraph(out, "p", "Motto", layout::MOTTO);
    rule(out, heading.motto_rule_mm);
    out.push_str("</div>\n<div>\n");
    body::paragraph(out, "p", "Number", &escaped(&heading.number));
    if !heading.regarding.is_empty() {
        body::paragraph(out, "p", "Regarding", &lines(&heading.regarding));
    }
    for stamp in &heading.stamps {
        body::paragraph(out, "p", "Stamp", stamp);
    }
    out.push_str("</div>\n<div>\n");
    body::paragraph(out, "p", "Date", &escaped(&heading.date));
    out.push_str("</div>\n</header>\n");
    if let Some(title) = &heading.title {
        body::paragraph(out, "h1", "Kind", &escaped(title));
    }
    ruled(out, "Summary", &heading.summary);
    match heading.addressees.as_slice() {
        [] => {}
        [one] => body::paragraph(out, "p", "Addressee", &escaped(one)),
        many => many.iter().for_each(|line| body::paragraph(out, "p", "AddresseeItem", &escaped(line))),
    }
}

fn end(out: &mut String, document: &Document) {
    let recipients = |out: &mut String| {
        if !document.recipients.is_empty() {
            body::paragraph(out, "p", "RecipientsLabel", "Nơi nhận:");
            for line in layout::recipients(document) {
                body::paragraph(out, "p", "Recipient", &escaped(&line));
            }
        }
    };
    let signature = |out: &mut String, one: &crate::model::Signature| {
        body::paragraph(out, "p", "SignTitle", &lines(&one.lines()));
        let name = one.name.as_deref().map_or_else(|| "&nbsp;".to_owned(), escaped);
        body::paragraph(out, "p", "SignName", &name);
    };
    out.push_str("<footer>\n");
    match document.signatures.as_slice() {
        [] => recipients(out),
        [one] => {
            out.push_str("<div class=\"columns end\">\n<div>\n");
            recipients(out);
            out.push_str("</div>\n<div>\n");
            signature(out, one);
            out.push_str("</div>\n</div>\n");
        }
        many => {
            out.push_str("<div class=\"columns end\">\n");
            for one in many {
                out.push_str("<div>\n");
                signature(out, one);
                out.push_str("</div>\n");
            }
            out.push_str("</div>\n");
            recipients(out);
        }
    }
    out.push_str("</footer>\n");
}

#[cfg(test)]
mod tests;
