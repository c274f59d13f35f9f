//! The certificate of restore, as a document: the drill's own certificate lies beside the archive.

use ioc_document::model::Document;
use ioc_document::report::restore::{RestoreCertificate, document};

/// Makes the document.
#[must_use]
pub fn restore(certificate: &RestoreCertificate) -> Document {
    document(certificate)
}
