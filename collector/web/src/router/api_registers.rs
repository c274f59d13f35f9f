//! The routes of the API to registers and reports, to floor plans of rooms and to shifts that are handed over.

use crate::api::openapi::DescribedRouter;
use crate::api::{ListQuery, Page};
use crate::api_types::account_register::{AccountCoverage, AccountReview, AttestedAccount, RegisteredAccount};
use crate::api_types::asset::{Asset, AssetCoverage};
use crate::api_types::filing::{Filing, FilingFacts, FillRate};
use crate::api_types::product::{Product, ProductCoverage};
use crate::api_types::report::{Issued, ReportFacts, Reports, Settings};
use crate::register::import::{AccountTable, AssetTable, SoftwareTable};
use crate::{duty, incident, register, report, room};
use ioc_engine::writer::FILE_MAX_BYTES;

pub(super) fn reports_api(all: &mut DescribedRouter) {
    all.get("/reports", report::api::list, "Reports: how each stands, and what is due by the law in force")
        .answers::<Reports>(200);
    all.get("/reports/{report}", report::api::facts, "A report with its facts, gathered now")
        .answers::<ReportFacts>(200);
    all.put("/reports/{report}/texts", report::api::write, "Writes texts into a report: all of these, or none")
        .body::<report::api::TextsBody>()
        .done(204);
    all.post("/reports/{report}/issue", report::api::issue, "Gathers a report's facts and issues a version of it")
        .body::<report::api::IssueBody>()
        .answers::<Issued>(201);
    all.get("/filings", report::filing_api::list, "Filings that the law in force asks for, and how each stands")
        .answers::<Vec<Filing>>(200);
    all.get("/filings/{filing}", report::filing_api::facts, "A filing with its cells and their sources, gathered now")
        .answers::<FilingFacts>(200);
    all.get("/filings/{filing}/fill", report::filing_api::fill, "How much of a filing fills itself, part by part")
        .answers::<FillRate>(200);
    all.put("/filings/{filing}/texts", report::filing_api::write, "Writes texts into a filing: all of these, or none")
        .body::<report::api::TextsBody>()
        .done(204);
    all.post("/filings/{filing}/issue", report::filing_api::issue, "Gathers a filing anew and issues a version of it")
        .body::<report::api::IssueBody>()
        .answers::<Issued>(201);
    all.post(
        "/record-documents/{record}/issue",
        report::record_version::api_issue,
        "Issues the record of an incident, a shift, maintenance or the last restore drill as it stands now",
    )
    .body::<report::record_version::RecordBody>()
    .answers::<Issued>(201);
    all.get("/issued-reports", report::api::issued_list, "Versions of reports that were issued, newest first")
        .query::<ListQuery>()
        .answers::<Page<Issued>>(200);
    all.get("/issued-reports/{number}", report::api::issued_one, "A version that was issued").answers::<Issued>(200);
    all.get("/issued-reports/{number}/document", report::api::document, "Its document, DOCX")
        .query::<report::issued::DocumentQuery>()
        .file(report::file::DOCX);
    all.put(
        "/issued-reports/{number}/registration",
        report::api::register,
        "Writes down under which number and date it was registered, or corrects that",
    )
    .body::<report::api::RegistrationBody>()
    .answers::<Issued>(200);
    all.get("/report-settings", report::api::settings, "What the centre says of itself in documents")
        .answers::<Settings>(200);
    all.put("/report-settings", report::api::set_settings, "Changes that; what is not given is empty from then on")
        .body::<Settings>()
        .done(204);
}

pub(super) fn assets_api(all: &mut DescribedRouter) {
    all.get("/assets", register::assets::api_list, "The asset register, by identifier")
        .query::<register::assets::AssetsQuery>()
        .answers::<Page<Asset>>(200);
    all.patch(
        "/assets",
        register::assets::api_change_many,
        "Writes down what is so of several assets: all of it, or nothing",
    )
    .body::<register::assets::ChangesBody>()
    .done(204);
    all.get("/assets.csv", register::file::csv::<register::assets::AssetsAddress>, "The asset register as CSV")
        .query::<register::assets::AssetsAddress>()
        .file("text/csv");
    all.get(
        "/assets.xlsx",
        register::file::xlsx::<register::assets::AssetsAddress>,
        "The asset register as a workbook",
    )
    .query::<register::assets::AssetsAddress>()
    .file(register::file::WORKBOOK);
    all.get("/assets/coverage", register::assets::api_coverage, "How far the asset register is filled")
        .answers::<AssetCoverage>(200);
    all.post_large(
        "/assets/import",
        register::import_api::api,
        register::import::TABLE_MAX_BYTES,
        "Takes a table into the asset register: all of it, or nothing",
    )
    .query::<register::import_api::ImportQuery>()
    .raw_body("text/csv")
    .answers::<register::import_api::ImportAnswer>(200);
    all.get(
        "/assets/imports",
        register::import_api::api_list::<AssetTable>,
        "Tables that were taken in, the newest first",
    )
    .query::<register::import_api::ImportsQuery>()
    .answers::<Vec<register::import_api::ImportItem>>(200);
    all.get("/assets/imports/{number}", register::imported::api_one::<AssetTable>, "One of them, with all that it did")
        .answers::<register::imported::ImportWhole>(200);
    all.get(
        "/assets/imports/{number}/undo",
        register::undoing::api::<AssetTable>,
        "What undoing an import would put back, and what stays because somebody changed it since",
    )
    .answers::<register::undoing::UndoingAnswer>(200);
    all.post(
        "/assets/imports/{number}/undo",
        register::import_api::api_undo::<AssetTable>,
        "Puts back what an import changed",
    )
    .done(204);
    all.get(
        "/assets/attestations",
        register::asset::api_attested,
        "What people attested of machines, the newest first",
    )
    .query::<register::asset::AttestedQuery>()
    .answers::<Page<register::asset::AttestedItem>>(200);
    all.get("/assets/{id}", register::asset::api, "One row of the asset register, with what people attested")
        .answers::<register::asset::AssetAnswer>(200);
    all.patch("/assets/{id}", register::asset::api_change, "Writes down what is so of an asset: only what is given")
        .body::<register::asset::ChangeBody>()
        .done(204);
    all.post(
        "/assets/{id}/attestations",
        register::asset::api_attest,
        "A person says how a machine is protected that no agent looks at",
    )
    .body::<register::asset::AttestationBody>()
    .done(201);
    all.post_large(
        "/assets/{id}/attestations/{area}/files",
        register::asset::api_add_file,
        FILE_MAX_BYTES,
        "Adds a file that shows what was attested of an area last: the body is its content",
    )
    .query::<incident::attachments::FileQuery>()
    .raw_body("application/octet-stream")
    .done(201);
    all.get(
        "/assets/{id}/attestations/{area}/files/{sha256}",
        register::asset::api_file,
        "Gives it back, to who may see people",
    )
    .file("application/octet-stream");
}

pub(super) fn account_register_api(all: &mut DescribedRouter) {
    all.get("/account-register", register::accounts::api_list, "The register of accounts, by key")
        .query::<register::accounts::AccountsQuery>()
        .answers::<Page<RegisteredAccount>>(200);
    all.patch(
        "/account-register",
        register::accounts::api_change,
        "Says who holds accounts that are found by themselves: of all of these, or of none",
    )
    .body::<register::accounts::HoldersBody>()
    .done(204);
    all.get(
        "/account-register.csv",
        register::file::csv::<register::accounts::AccountsAddress>,
        "The register of accounts as CSV",
    )
    .query::<register::accounts::AccountsAddress>()
    .file("text/csv");
    all.get(
        "/account-register.xlsx",
        register::file::xlsx::<register::accounts::AccountsAddress>,
        "The register of accounts as a workbook",
    )
    .query::<register::accounts::AccountsAddress>()
    .file(register::file::WORKBOOK);
    all.get(
        "/account-register/coverage",
        register::accounts::api_coverage,
        "How many accounts there are, and what is to be done about how many",
    )
    .answers::<AccountCoverage>(200);
    account_imports(all);
    all.get(
        "/account-register/attestations",
        register::account_attestation::api_attested,
        "What people vouched for of accounts of appliances, the newest first",
    )
    .query::<register::asset::AttestedQuery>()
    .answers::<Page<AttestedAccount>>(200);
    all.post(
        "/account-register/attestations",
        register::account_attestation::api_attest,
        "A person vouches for an account of an appliance that nothing can look at",
    )
    .body::<register::account_attestation::AttestationBody>()
    .done(201);
    all.post_large(
        "/account-register/{device}/{account}/files",
        register::account_attestation::api_add_file,
        FILE_MAX_BYTES,
        "Adds a file that shows what was vouched for last: the body is its content",
    )
    .query::<incident::attachments::FileQuery>()
    .raw_body("application/octet-stream")
    .done(201);
    all.get(
        "/account-register/{device}/{account}/files/{sha256}",
        register::account_attestation::api_file,
        "Gives it back, to who may see people",
    )
    .file("application/octet-stream");
}

fn account_imports(all: &mut DescribedRouter) {
    all.post_large(
        "/account-register/import",
        register::import_api::api_accounts,
        register::import::TABLE_MAX_BYTES,
        "Takes a table of holders into the register of accounts: all of it, or nothing",
    )
    .query::<register::import_api::ImportQuery>()
    .raw_body("text/csv")
    .answers::<register::import_api::AccountImportAnswer>(200);
    all.get(
        "/account-register/imports",
        register::import_api::api_list::<AccountTable>,
        "Tables of holders that were taken in, the newest first",
    )
    .query::<register::import_api::ImportsQuery>()
    .answers::<Vec<register::import_api::ImportItem>>(200);
    all.get(
        "/account-register/imports/{number}",
        register::imported::api_one::<AccountTable>,
        "One of them, with all that it did",
    )
    .answers::<register::imported::ImportWhole>(200);
    all.get(
        "/account-register/imports/{number}/undo",
        register::undoing::api::<AccountTable>,
        "What undoing an import would put back, and what stays because somebody changed it since",
    )
    .answers::<register::undoing::UndoingAnswer>(200);
    all.post(
        "/account-register/imports/{number}/undo",
        register::import_api::api_undo::<AccountTable>,
        "Puts back what an import changed",
    )
    .done(204);
}

pub(super) fn account_reviews_api(all: &mut DescribedRouter) {
    all.get("/account-reviews", register::account_review::api_list, "Reviews of all accounts, the newest first")
        .query::<register::account_review::ReviewsQuery>()
        .answers::<Vec<AccountReview>>(200);
    all.post("/account-reviews", register::account_review::api_open, "Opens a review of all accounts as they stand")
        .answers::<register::account_review::OpenedReview>(201);
    all.get("/account-reviews/{number}", register::account_review::api, "A review with its accounts")
        .answers::<register::account_review::ReviewAnswer>(200);
    all.put(
        "/account-reviews/{number}/lines",
        register::account_review::api_write,
        "Says what becomes of accounts in a review that is open: of all of these, or of none",
    )
    .body::<register::account_review::LinesBody>()
    .done(204);
    all.post(
        "/account-reviews/{number}/signature",
        register::account_review::api_sign,
        "A leader signs a review as they have seen it, and issues its document",
    )
    .body::<register::account_review::SignBody>()
    .answers::<register::account_review::SignedReview>(201);
}

pub(super) fn software_api(all: &mut DescribedRouter) {
    all.get("/software", register::software::api_list, "The software register: products across machines, by key")
        .query::<register::software::ProductsQuery>()
        .answers::<Page<Product>>(200);
    all.patch("/software", register::software::api_change, "Says what is so of products: of all of these, or of none")
        .body::<register::software::ProductsBody>()
        .done(204);
    all.get("/software/coverage", register::software::api_coverage, "How far the software register is filled")
        .answers::<ProductCoverage>(200);
    all.get("/software/product", register::product::api, "One product, with the machines that it is or was on")
        .query::<register::product::ProductAddress>()
        .answers::<register::product::ProductAnswer>(200);
    all.get(
        "/software.csv",
        register::file::csv::<register::software::SoftwareAddress>,
        "The software register as CSV",
    )
    .query::<register::software::SoftwareAddress>()
    .file("text/csv");
    all.get(
        "/software.xlsx",
        register::file::xlsx::<register::software::SoftwareAddress>,
        "The software register as a workbook",
    )
    .query::<register::software::SoftwareAddress>()
    .file(register::file::WORKBOOK);
    software_imports(all);
    all.get("/software.cdx.json", register::cyclonedx::site, "The products of the site in CycloneDX 1.6")
        .file(register::cyclonedx::CYCLONEDX);
    all.get(
        "/devices/{id}/software.cdx.json",
        register::cyclonedx::device,
        "The packages of a machine in CycloneDX 1.6",
    )
    .file(register::cyclonedx::CYCLONEDX);
}

fn software_imports(all: &mut DescribedRouter) {
    all.post_large(
        "/software/import",
        register::import_api::api_software,
        register::import::TABLE_MAX_BYTES,
        "Takes a table into the software register: all of it, or nothing",
    )
    .query::<register::import_api::ImportQuery>()
    .raw_body("text/csv")
    .answers::<register::import_api::ProductImportAnswer>(200);
    all.get(
        "/software/imports",
        register::import_api::api_list::<SoftwareTable>,
        "Tables of software that were taken in, the newest first",
    )
    .query::<register::import_api::ImportsQuery>()
    .answers::<Vec<register::import_api::ImportItem>>(200);
    all.get(
        "/software/imports/{number}",
        register::imported::api_one::<SoftwareTable>,
        "One of them, with all that it did",
    )
    .answers::<register::imported::ImportWhole>(200);
    all.get(
        "/software/imports/{number}/undo",
        register::undoing::api::<SoftwareTable>,
        "What undoing an import would put back, and what stays because somebody changed it since",
    )
    .answers::<register::undoing::UndoingAnswer>(200);
    all.post(
        "/software/imports/{number}/undo",
        register::import_api::api_undo::<SoftwareTable>,
        "Puts back what an import changed",
    )
    .done(204);
}

pub(super) fn floor_plans_api(all: &mut DescribedRouter) {
    all.get("/floor-plan", room::floor::api_get, "Where devices stand on the picture of a room")
        .query::<room::floor::RoomQuery>()
        .answers::<room::floor::FloorAnswer>(200);
    all.put_large(
        "/floor-plan",
        room::floor::api_put,
        room::floor::FORM_MAX_BYTES,
        "Says where devices stand, in the version that was seen",
    )
    .body::<room::floor::FloorBody>()
    .done(204);
    all.put_large(
        "/floor-plan/picture",
        room::floor::api_picture,
        room::floor::UPLOAD_MAX_BYTES,
        "Gives a room a picture: PNG, JPEG or WebP",
    )
    .query::<room::floor::RoomQuery>()
    .raw_body("application/octet-stream")
    .done(204);
}

pub(super) fn shifts_api(all: &mut DescribedRouter) {
    all.get(
        "/duty/shifts",
        duty::handover::api_get,
        "A shift: what happened on it, who handed it over and took it over",
    )
    .query::<duty::handover::HandoverQuery>()
    .answers::<duty::handover::HandoverAnswer>(200);
    all.post("/duty/shifts", duty::handover::api_sign, "Hands a shift over, or takes it over")
        .body::<duty::handover::SignForm>()
        .done(201);
}
