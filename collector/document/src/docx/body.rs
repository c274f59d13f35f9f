//! The text of a document: its blocks, its annexes, and the sections that give each its paper and its numbers of pages.

use super::markup::{
    APART, APART_KEPT, CONTACT_FOOTER, EMPTY_FOOTER, EMPTY_HEADER, NUMBERED_HEADER, justification, paragraph, run,
    twips,
};
use super::{chart, head};
use crate::layout::{self, Page};
use crate::model::{Bars, Block, Document, Run, Table, Text};

/// Room between a cell's line and its text, mm.
const CELL_ROOM_MM: f64 = 1.5;

fn runs(text: &Text) -> String {
    let piece = |piece: &Run| match piece {
        Run::Plain(text) => run("", text),
        Run::Bold(text) => run("<w:b/><w:bCs/>", text),
        Run::Italic(text) => run("<w:i/><w:iCs/>", text),
        Run::Blank(blank) => run("<w:highlight w:val=\"yellow\"/>", &layout::blank(&blank.what)),
    };
    text.runs().iter().map(piece).collect()
}

/// The whole body, with its sections: the document's own, and one for each annex; and the charts in it, which the text names by their order.
pub(super) fn whole(document: &Document) -> (String, Vec<Bars>) {
    let mut charts = Vec::new();
    let page = Page { landscape: false };
    let mut out = head::head(document);
    for basis in &document.bases {
        out.push_str(&paragraph("Basis", "", &run("", basis)));
    }
    blocks(&mut out, &document.closed_body(), page, &mut charts);
    keep_last(&mut out);
    out.push_str(&head::end(document));
    let mut last = section(page, if document.head.contact.is_some() { CONTACT_FOOTER } else { EMPTY_FOOTER });
    for (at, annex) in document.annexes.iter().enumerate() {
        // A section ends in the properties of its last paragraph; that of the document's last section stands by itself.
        out.push_str(&format!(
            "<w:p><w:pPr><w:spacing w:before=\"0\" w:after=\"0\" w:line=\"20\" w:lineRule=\"exact\"/>{last}</w:pPr></w:p>"
        ));
        let page = Page { landscape: annex.landscape };
        let (label, reference) = layout::annex_label(document, at);
        out.push_str(&paragraph("AnnexLabel", "", &run("", &label)));
        out.push_str(&paragraph("AnnexTitle", "", &run("", &annex.title.to_uppercase())));
        out.push_str(&paragraph("AnnexReference", "", &run("", &reference)));
        blocks(&mut out, &annex.body, page, &mut charts);
        last = section(page, EMPTY_FOOTER);
    }
    // What follows a table is a paragraph, or Word mends the file.
    out.push_str(APART);
    (out + &last, charts)
}

/// The last sentence stays with the signature: a page with a signature and nothing else says nothing of what was signed.
fn keep_last(out: &mut String) {
    let styles = ["<w:pStyle w:val=\"Body\"/>", "<w:pStyle w:val=\"Item\"/>"];
    let last = styles.iter().filter_map(|style| Some(out.rfind(style)? + style.len())).max();
    if let Some(at) = last {
        out.insert_str(at, "<w:keepNext/>");
    }
}

/// Paper, margins and numbers of a section, which begin at 1 and are not on its first page.
fn section(page: Page, first_footer: &str) -> String {
    let (short, long) = (twips(layout::SHORT_SIDE_MM), twips(layout::LONG_SIDE_MM));
    let paper = if page.landscape {
        format!("<w:pgSz w:w=\"{long}\" w:h=\"{short}\" w:orient=\"landscape\"/>")
    } else {
        format!("<w:pgSz w:w=\"{short}\" w:h=\"{long}\"/>")
    };
    let (top, left, right) = (twips(layout::TOP_MM), twips(layout::LEFT_MM), twips(layout::RIGHT_MM));
    let number = twips(layout::NUMBER_FROM_TOP_MM);
    format!(
        "<w:sectPr><w:headerReference w:type=\"default\" r:id=\"{NUMBERED_HEADER}\"/><w:headerReference w:type=\"first\" r:id=\"{EMPTY_HEADER}\"/>\
         <w:footerReference w:type=\"default\" r:id=\"{EMPTY_FOOTER}\"/><w:footerReference w:type=\"first\" r:id=\"{first_footer}\"/>\
         <w:type w:val=\"nextPage\"/>{paper}\
         <w:pgMar w:top=\"{top}\" w:right=\"{right}\" w:bottom=\"{top}\" w:left=\"{left}\" w:header=\"{number}\" w:footer=\"{number}\" w:gutter=\"0\"/>\
         <w:pgNumType w:start=\"1\"/><w:titlePg/></w:sectPr>"
    )
}

fn blocks(out: &mut String, all: &[Block], page: Page, charts: &mut Vec<Bars>) {
    for (sign, block) in layout::numbered(all) {
        match block {
            Block::Heading { level, text } => {
                let style = ["Heading1", "Heading2", "Heading3"][usize::from((*level).clamp(1, 3)) - 1];
                out.push_str(&paragraph(style, "", &(run("", &sign) + &runs(text))));
            }
            Block::Paragraph(text) => out.push_str(&paragraph("Body", "", &runs(text))),
            Block::List(items) => {
                out.extend(items.iter().map(|item| paragraph("Item", "", &(run("", "- ") + &runs(item)))));
            }
            Block::Note(text) => out.push_str(&paragraph("Note", "", &runs(text))),
            Block::Table(one) => table(out, one, page),
            Block::Bars(one) => {
                out.push_str(&paragraph("TableTitle", "", &run("", &one.title)));
                if !one.items.is_empty() {
                    charts.push(one.clone());
                    out.push_str(&chart::place(one, charts.len(), page));
                }
            }
        }
    }
}

/// The begin of a table that fills the page.
fn open_table(out: &mut String, widths: &[u32]) {
    let whole: u32 = widths.iter().sum();
    let line = |name: &str| format!("<w:{name} w:val=\"single\" w:sz=\"4\" w:space=\"0\" w:color=\"000000\"/>");
    let all: String = ["top", "left", "bottom", "right", "insideH", "insideV"].into_iter().map(line).collect();
    let borders = format!("<w:tblBorders>{all}</w:tblBorders>");
    let room = twips(CELL_ROOM_MM);
    out.push_str(&format!(
        "<w:tbl><w:tblPr><w:tblW w:w=\"{whole}\" w:type=\"dxa\"/>{borders}<w:tblLayout w:type=\"fixed\"/>\
         <w:tblCellMar><w:left w:w=\"{room}\" w:type=\"dxa\"/><w:right w:w=\"{room}\" w:type=\"dxa\"/></w:tblCellMar></w:tblPr><w:tblGrid>"
    ));
    out.extend(widths.iter().map(|width| format!("<w:gridCol w:w=\"{width}\"/>")));
    out.push_str("</w:tblGrid>");
}

fn cell(out: &mut String, width: u32, span: u32, inside: &str) {
    let span = if span > 1 { format!("<w:gridSpan w:val=\"{span}\"/>") } else { String::new() };
    out.push_str(&format!(
        "<w:tc><w:tcPr><w:tcW w:w=\"{width}\" w:type=\"dxa\"/>{span}<w:vAlign w:val=\"center\"/></w:tcPr>{inside}</w:tc>"
    ));
}

fn table(out: &mut String, table: &Table, page: Page) {
    if let Some(title) = &table.title {
        out.push_str(&paragraph("TableTitle", "", &run("", title)));
    } else {
        out.push_str(APART_KEPT);
    }
    let widths = table.widths(twips(page.text_mm()));
    let (head, body) = layout::table_styles(table.columns().len());
    open_table(out, &widths);
    out.push_str("<w:tr><w:trPr><w:cantSplit/><w:tblHeader/></w:trPr>");
    for (column, width) in table.columns().iter().zip(&widths) {
        cell(out, *width, 1, &paragraph(head.id, "", &run("", &column.title)));
    }
    out.push_str("</w:tr>");
    if table.rows().is_empty() {
        out.push_str("<w:tr>");
        let whole = widths.iter().sum();
        let inside = paragraph(body.id, "<w:jc w:val=\"center\"/>", &run("<w:i/><w:iCs/>", table.empty()));
        cell(out, whole, widths.len() as u32, &inside);
        out.push_str("</w:tr>");
    }
    for row in table.rows() {
        out.push_str("<w:tr><w:trPr><w:cantSplit/></w:trPr>");
        for ((text, column), width) in row.iter().zip(table.columns()).zip(&widths) {
            let own = if column.align == body.align {
                String::new()
            } else {
                format!("<w:jc w:val=\"{}\"/>", justification(column.align))
            };
            cell(out, *width, 1, &paragraph(body.id, &own, &runs(text)));
        }
        out.push_str("</w:tr>");
    }
    out.push_str("</w:tbl>");
    out.push_str(APART);
}
