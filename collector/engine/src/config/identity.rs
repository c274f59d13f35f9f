//! `[oidc]` and `[people]`: signing in at the organisation's identity provider, and who needs a second factor.

use std::path::PathBuf;

use serde::Deserialize;

use ioc_common::config::{ConfigError, Source, Spanned};
use ioc_store::Role;

use super::kind::whole_url;

/// The organisation's identity provider (OpenID Connect).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oidc {
    /// What people call it.
    pub name: String,
    /// Its address, as it names itself.
    pub issuer: String,
    /// What we are called there.
    pub client_id: String,
    /// File with our secret there.
    pub secret_file: PathBuf,
    /// The claim that names the account here.
    pub claim: String,
    /// Values of the claim `acr` that say that it asked for a second factor, beside what `amr` says.
    pub second_factor_acr: Vec<String>,
    /// It asks everyone for a second factor, always, and does not say so.
    pub second_factor_always: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OidcForm {
    #[serde(default)]
    name: Option<String>,
    issuer: Spanned<String>,
    client_id: String,
    #[serde(deserialize_with = "ioc_common::config::secret_file")]
    secret_file: PathBuf,
    #[serde(default)]
    claim: Option<String>,
    #[serde(default)]
    second_factor_acr: Vec<Spanned<String>>,
    #[serde(default)]
    second_factor_always: bool,
}

/// Most values of `acr` that are named, and longest one, bytes.
const ACR_MAX: usize = 20;
const ACR_MAX_BYTES: usize = 200;

impl OidcForm {
    pub(super) fn check(self, source: &Source) -> Result<Oidc, ConfigError> {
        let span = self.issuer.span();
        let issuer = whole_url(source, self.issuer)?;
        let here = ["http://127.0.0.1", "http://localhost", "http://[::1]"].iter().any(|of| issuer.starts_with(of));
        if issuer.starts_with("http://") && !here {
            let message = format!("found issuer {issuer:?}; allowed is https:// (http only on this machine)");
            return Err(source.fault(span, &message, "whoever is in between could sign in as anyone; use https"));
        }
        for (place, acr) in self.second_factor_acr.iter().enumerate() {
            let value = acr.get_ref();
            let fits = !value.is_empty() && value.len() <= ACR_MAX_BYTES && !value.contains(char::is_whitespace);
            if !fits || place >= ACR_MAX {
                let message = format!(
                    "found second_factor_acr {value:?}; allowed are {ACR_MAX} values of 1 to {ACR_MAX_BYTES} bytes without spaces"
                );
                return Err(source.fault(
                    acr.span(),
                    &message,
                    "name the values of acr by which the provider says that it asked for a second factor",
                ));
            }
        }
        Ok(Oidc {
            name: self.name.unwrap_or_else(|| "OpenID".to_owned()),
            issuer,
            client_id: self.client_id,
            secret_file: self.secret_file,
            claim: self.claim.unwrap_or_else(|| "preferred_username".to_owned()),
            second_factor_acr: self.second_factor_acr.into_iter().map(Spanned::into_inner).collect(),
            second_factor_always: self.second_factor_always,
        })
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PeopleForm {
    pub(super) second_factor_for: Vec<Role>,
}
