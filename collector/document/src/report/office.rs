//! Who issues documents here: settings of the centre, never literals.

use jiff::civil::Date;

use crate::model::{Head, Signature};

/// The agency that issues documents, and who signs and gets them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Office {
    /// The agency above, if it is named in heads.
    pub parent: Option<String>,
    /// The agency.
    pub agency: String,
    /// Its abbreviation in numbers.
    pub abbreviation: String,
    /// Its place.
    pub place: String,
    /// Address and telephone, for the foot of first pages.
    pub contact: Option<String>,
    /// Who signs reports.
    pub signature: Signature,
    /// To whom reports go up; none where they do not.
    pub addressees: Vec<String>,
    /// Who gets them, the archive last.
    pub recipients: Vec<String>,
}

impl Office {
    /// The head of a document of a day, which has no number yet.
    #[must_use]
    pub fn head(&self, date: Option<Date>) -> Head {
        Head {
            parent: self.parent.clone(),
            agency: self.agency.clone(),
            abbreviation: self.abbreviation.clone(),
            place: self.place.clone(),
            date,
            number: None,
            contact: self.contact.clone(),
        }
    }
}
