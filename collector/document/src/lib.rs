//! Administrative documents as Decree 30/2020/NĐ-CP lays them out: a model of such a document ([`model`]), and two writers of it, for editing
//! ([`docx`]) and for reading and printing ([`mod@print`]). Both go by one table of styles and measures ([`layout`]), so that they look alike. On
//! top: the legal packs that say what is asked by whom ([`legal`]), and the documents that the product makes of figures ([`report`]).
//!
//! Pure: it reads no clock, file or store. Whoever calls brings figures and local times, and keeps what comes out.

pub mod docx;
pub mod layout;
pub mod legal;
pub mod model;
pub mod print;
pub mod report;
pub mod typeface;
pub mod wording;
pub mod workbook;
mod xml;
