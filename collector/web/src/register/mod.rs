//! The registers that the regulation asks for: assets (article 6.1) and software (9.1). Each is a list with what is to be done in it, one row of it, an API and
//! files for spreadsheets.

pub(crate) mod asset;
pub(crate) mod assets;
pub(crate) mod cyclonedx;
pub(crate) mod file;
pub(crate) mod import;
pub(crate) mod product;
pub(crate) mod software;

use crate::app::App;
use crate::person::Person;
use crate::personal_data;
use ioc_store::scope::AccessScope;

/// With whose eyes a register is read that names people (article 12): that they are seen is on record, or they are not.
pub(crate) async fn scope_of(app: &App, person: &Person, register: &str) -> AccessScope {
    let scope = person.scope.clone();
    if scope.sees_names() && !personal_data::record_list_access(app, person, register).await {
        return scope.without_names();
    }
    scope
}
