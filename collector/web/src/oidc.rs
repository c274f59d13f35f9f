//! Signing in at the organisation's own identity provider: OpenID Connect Core 1.0, authorization code flow with PKCE (RFC 7636).
//!
//! Who someone is comes from there; what they may do is said here: an account of that name must exist.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::digest::{SHA256, digest};
use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;
use serde_json::Value;

use ioc_common::clock::{self, Timestamp};

use crate::problem::Problem;
use ioc_engine::config::Oidc;
use ioc_engine::http::{self, Request, SendError};
use ioc_engine::refusal_reason::{RefusalKind, RefusalReason, Word};
use ioc_store::template::percent_encoded;

/// How long the provider may take to answer: a person waits.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// How far clocks may differ, seconds.
const SKEW_S: i64 = 60;
/// Has the provider ask who someone is though it knows them, and say when it did (OpenID Connect Core 1.0, 3.1.2.1).
const REAUTHENTICATE: [(&str, &str); 2] = [("prompt", "login"), ("max_age", "0")];

/// Why nobody came in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OidcError {
    /// The provider cannot be asked, or refuses.
    #[error("the identity provider: {0}")]
    Provider(#[from] SendError),
    /// What it says is not what was agreed on.
    #[error("the identity provider's answer: {0}")]
    Answer(String),
    /// It let someone through whom it was to ask anew.
    #[error(
        "the identity provider did not ask anew who you are: {0}; mend it there: asked with prompt=login and max_age=0, it must have people \
         sign in again, and say when they did (the claim auth_time, seconds, a number)"
    )]
    Stale(String),
}

impl OidcError {
    /// The same in words that people read in their language.
    pub(crate) fn reason(&self) -> RefusalReason {
        let (key, why) = match self {
            Self::Provider(error) => ("refusal-provider-away", error.to_string()),
            Self::Answer(why) => ("refusal-provider-answer", why.clone()),
            Self::Stale(why) => ("refusal-provider-stale", why.clone()),
        };
        RefusalReason::new(key, [("why", Word::text(why))], self.to_string())
    }
}

fn answer(why: impl Into<String>) -> OidcError {
    OidcError::Answer(why.into())
}

/// What a provider says of itself (OpenID Connect Discovery 1.0).
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Provider {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
}

/// One attempt to come in: what only we and the provider know of it.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    /// Comes back with the browser.
    pub(crate) state: String,
    /// Comes back in the signed token.
    pub(crate) nonce: String,
    /// Proves that whoever redeems the code is who asked for it.
    pub(crate) verifier: String,
    /// When it was begun, where the provider is to ask anew who it is, however lately that was.
    pub(crate) reauthenticate_since: Option<Timestamp>,
}

/// Who someone is, as the provider's signed token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VerifiedIdentity {
    /// What the claim says that `[oidc] claim` names: the name of an account here.
    pub(crate) name: String,
    /// When they last showed the provider who they are, where it says so: it may have let a browser through that did days ago.
    pub(crate) authenticated_at: Option<Timestamp>,
    /// Whether it asked for a second factor then, as far as it says so, or the configuration does.
    pub(crate) second_factor: bool,
}

/// Asks a provider what it says of itself.
///
/// # Errors
/// [`OidcError`] when it does not answer, or says that it is another.
pub(crate) async fn discover(config: &Oidc) -> Result<Provider, OidcError> {
    let url = format!("{}/.well-known/openid-configuration", config.issuer.trim_end_matches('/'));
    let provider: Provider = read(&get(&url).await?)?;
    if provider.issuer.trim_end_matches('/') != config.issuer.trim_end_matches('/') {
        return Err(answer(format!("issuer: found {:?}; allowed is {:?}", provider.issuer, config.issuer)));
    }
    Ok(provider)
}

/// Where the browser goes to sign in.
#[must_use]
pub(crate) fn authorization_url(config: &Oidc, provider: &Provider, attempt: &Attempt, back: &str) -> String {
    let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, attempt.verifier.as_bytes()));
    let fields = [
        ("response_type", "code"),
        ("client_id", &config.client_id),
        ("redirect_uri", back),
        ("scope", "openid profile email"),
        ("state", &attempt.state),
        ("nonce", &attempt.nonce),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    let again: &[(&str, &str)] = if attempt.reauthenticate_since.is_some() { &REAUTHENTICATE } else { &[] };
    // Who is asked anew is so because accounts are to be changed, which needs a second factor.
    let wanted = config.second_factor_acr.join(" ");
    let acr = (attempt.reauthenticate_since.is_some() && !wanted.is_empty()).then_some(("acr_values", wanted.as_str()));
    let all = fields.iter().chain(again).chain(&acr);
    let query: Vec<String> = all.map(|(name, value)| format!("{name}={}", percent_encoded(value))).collect();
    let joint = if provider.authorization_endpoint.contains('?') { '&' } else { '?' };
    format!("{}{joint}{}", provider.authorization_endpoint, query.join("&"))
}

/// Redeems a code: who signed in, and when.
///
/// # Errors
/// [`OidcError`] when the provider refuses the code, its token is not good, or it was to ask anew and did not.
pub(crate) async fn redeem(
    config: &Oidc,
    provider: &Provider,
    attempt: &Attempt,
    code: &str,
    back: &str,
    now: Timestamp,
) -> Result<VerifiedIdentity, OidcError> {
    #[derive(Deserialize)]
    struct Tokens {
        id_token: String,
    }
    let secret = http::secret(Some(&config.secret_file))?;
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", back),
        ("code_verifier", &attempt.verifier),
    ];
    let body: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", percent_encoded(value))).collect();
    let basic = STANDARD.encode(format!("{}:{}", percent_encoded(&config.client_id), percent_encoded(&secret)));
    let request = Request {
        method: "POST",
        url: &provider.token_endpoint,
        content_type: "application/x-www-form-urlencoded",
        headers: vec![("authorization".to_owned(), format!("Basic {basic}"))],
        body: body.join("&").into_bytes(),
    };
    let tokens: Tokens = read(&http::send_within(ANSWER_TIMEOUT, request).await?)?;
    let keys: Value = read(&get(&provider.jwks_uri).await?)?;
    let claims = verified_claims(&tokens.id_token, &keys)?;
    check_claims(config, provider, attempt, &claims, now)?;
    let authenticated_at = authenticated_at(attempt, &claims, now)?;
    let name = claims[&config.claim].as_str();
    let name = name.ok_or_else(|| answer(format!("the token has no claim {:?}", config.claim)))?.to_owned();
    Ok(VerifiedIdentity { name, authenticated_at, second_factor: used_second_factor(config, &claims) })
}

async fn get(url: &str) -> Result<String, SendError> {
    let (method, content_type) = ("GET", "application/json");
    http::send_within(ANSWER_TIMEOUT, Request { method, url, content_type, headers: Vec::new(), body: Vec::new() })
        .await
}

fn read<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, OidcError> {
    serde_json::from_str(text).map_err(|error| answer(error.to_string()))
}

fn decoded(part: &str) -> Result<Vec<u8>, OidcError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|error| answer(format!("base64url: {error}")))
}

/// The claims of a token that one of these keys signed (RFC 7515, 7517, 7518). Only RS256 and ES256 are taken: what names another way,
/// or none, is not.
fn verified_claims(token: &str, keys: &Value) -> Result<Value, OidcError> {
    let mut parts = token.split('.');
    let (Some(head), Some(body), Some(sign), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(answer("the token is not signed"));
    };
    let header: Value = read(&String::from_utf8_lossy(&decoded(head)?))?;
    let signed = token.rsplit_once('.').map_or("", |(signed, _)| signed).as_bytes();
    let sign = decoded(sign)?;
    let algorithm = header["alg"].as_str().unwrap_or_default();
    let all = keys["keys"].as_array().map(Vec::as_slice).unwrap_or_default();
    let candidates = all.iter().filter(|key| header["kid"].is_null() || key["kid"] == header["kid"]);
    let part = |key: &Value, name: &str| key[name].as_str().and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
    let good = candidates.into_iter().any(|key| match (algorithm, key["kty"].as_str()) {
        ("RS256", Some("RSA")) => part(key, "n").zip(part(key, "e")).is_some_and(|(n, e)| {
            RsaPublicKeyComponents { n, e }.verify(&signature::RSA_PKCS1_2048_8192_SHA256, signed, &sign).is_ok()
        }),
        ("ES256", Some("EC")) => part(key, "x").zip(part(key, "y")).is_some_and(|(x, y)| {
            let point = [&[4][..], &x, &y].concat();
            UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point).verify(signed, &sign).is_ok()
        }),
        _ => false,
    });
    if !good {
        return Err(answer(format!(
            "no key of the provider signed the token (alg {algorithm:?}; allowed are RS256, ES256)"
        )));
    }
    read(&String::from_utf8_lossy(&decoded(body)?))
}

/// Whether the token is for us, of now and of this attempt (OpenID Connect Core 1.0, 3.1.3.7).
fn check_claims(
    config: &Oidc,
    provider: &Provider,
    attempt: &Attempt,
    claims: &Value,
    now: Timestamp,
) -> Result<(), OidcError> {
    let seconds = now.as_millis().div_euclid(1000);
    let id = config.client_id.as_str();
    let audience = match &claims["aud"] {
        Value::Array(all) => all.iter().any(|one| one == id) && (all.len() == 1 || claims["azp"] == id),
        one => one == id,
    };
    let faults = [
        (claims["iss"] != provider.issuer.as_str(), "iss"),
        (!audience, "aud"),
        (claims["exp"].as_f64().is_none_or(|exp| (exp as i64) < seconds - SKEW_S), "exp"),
        (claims["nonce"] != attempt.nonce.as_str(), "nonce"),
    ];
    match faults.into_iter().find(|(wrong, _)| *wrong) {
        Some((_, claim)) => Err(answer(format!("{claim} of the token is not as it must be: {}", claims[claim]))),
        None => Ok(()),
    }
}

/// When whoever signed in showed who they are (`auth_time`; OpenID Connect Core 1.0, 2 and 3.1.3.7). Where the provider was to ask anew,
/// it is not taken at its address' word: whoever holds the browser can change that.
fn authenticated_at(attempt: &Attempt, claims: &Value, now: Timestamp) -> Result<Option<Timestamp>, OidcError> {
    let skew_ms = SKEW_S * 1000;
    let at = claims["auth_time"].as_f64().map(|seconds| Timestamp::from_millis((seconds * 1000.0) as i64));
    if at.is_some_and(|at| at.millis_since(now) > skew_ms) {
        return Err(answer(format!("auth_time of the token is not as it must be: {}", claims["auth_time"])));
    }
    match (attempt.reauthenticate_since, at) {
        (Some(_), None) => Err(OidcError::Stale("its token has no auth_time".to_owned())),
        (Some(since), Some(at)) if since.millis_since(at) > skew_ms => {
            Err(OidcError::Stale(format!("it last did so at {at}")))
        }
        _ => Ok(at),
    }
}

/// Methods of each kind of factor: what one knows, what one has, what one is (RFC 8176, 2).
const METHODS: [&[&str]; 3] =
    [&["pwd", "pin", "kba"], &["otp", "hwk", "swk", "sc", "sms", "tel"], &["face", "fpt", "iris", "retina", "vbm"]];

/// Whether the provider says that it asked for a second factor: `amr` has `mfa`, or methods of two kinds; or `acr` is one that the
/// configuration names (OpenID Connect Core 1.0, 2). One that says neither is taken at the configuration's word alone.
fn used_second_factor(config: &Oidc, claims: &Value) -> bool {
    let amr: Vec<&str> = claims["amr"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let kinds = METHODS.iter().filter(|kind| kind.iter().any(|method| amr.contains(method))).count();
    let acr = claims["acr"].as_str().is_some_and(|acr| config.second_factor_acr.iter().any(|one| one == acr));
    config.second_factor_always || acr || kinds > 1 || amr.contains(&"mfa")
}

/// How long what the provider says of itself is believed, and how long that it does not answer.
const FOUND_VALID_MS: u64 = 600_000;
const FAILURE_VALID_MS: u64 = 1000;

/// What the identity provider said of itself: strangers must not make us ask it without end.
#[derive(Default)]
pub(crate) struct ProviderCache(tokio::sync::Mutex<Option<Discovered>>);

struct Discovered {
    issuer: String,
    found: Result<Provider, RefusalReason>,
    at_ms: u64,
}

/// The provider cannot be asked now.
fn away(reason: RefusalReason) -> Problem {
    Problem::explained(RefusalKind::Unavailable, reason)
}

impl ProviderCache {
    pub(crate) async fn get(&self, config: &Oidc) -> Result<Provider, Problem> {
        let mut known = self.0.lock().await;
        let now_ms = clock::boottime_ms();
        if let Some(Discovered { issuer, found, at_ms }) = known.as_ref()
            && *issuer == config.issuer
            && now_ms.saturating_sub(*at_ms) < if found.is_ok() { FOUND_VALID_MS } else { FAILURE_VALID_MS }
        {
            return found.clone().map_err(away);
        }
        let found = discover(config).await.map_err(|error| {
            tracing::warn!(%error, "sign-in by the identity provider");
            error.reason()
        });
        *known = Some(Discovered { issuer: config.issuer.clone(), found: found.clone(), at_ms: clock::boottime_ms() });
        found.map_err(away)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
    use serde_json::json;

    fn signed(pair: &EcdsaKeyPair, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", part(header), part(claims));
        let sign = pair.sign(&SystemRandom::new(), text.as_bytes()).expect("signed");
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(sign.as_ref()))
    }

    fn config() -> Oidc {
        Oidc {
            name: String::new(),
            issuer: "https://idp".into(),
            client_id: "ioc".into(),
            secret_file: "/none".into(),
            claim: "preferred_username".into(),
            second_factor_acr: Vec::new(),
            second_factor_always: false,
        }
    }

    #[test]
    fn a_second_factor_was_asked_for_where_the_provider_or_the_configuration_says_so() {
        let named = Oidc { second_factor_acr: vec!["gold".into()], ..config() };
        let always = Oidc { second_factor_always: true, ..config() };
        for (claims, silent, by_acr) in [
            (json!({}), false, false),
            (json!({ "amr": null, "acr": null }), false, false),
            (json!({ "amr": ["pwd"], "acr": "1" }), false, false),
            (json!({ "amr": ["otp"] }), false, false),
            (json!({ "amr": ["otp", "sms"] }), false, false),
            (json!({ "amr": ["pwd", "user", "rba"] }), false, false),
            (json!({ "amr": "mfa" }), false, false),
            (json!({ "amr": [1, "mfa"] }), true, true),
            (json!({ "amr": ["pwd", "otp"] }), true, true),
            (json!({ "amr": ["pin", "hwk"] }), true, true),
            (json!({ "amr": ["hwk", "fpt"] }), true, true),
            (json!({ "acr": "gold" }), false, true),
            (json!({ "acr": ["gold"] }), false, false),
        ] {
            let found = [&config(), &named, &always].map(|config| used_second_factor(config, &claims));
            assert_eq!(found, [silent, by_acr, true], "{claims}");
        }
    }

    #[test]
    fn only_a_token_that_was_signed_for_us_now_and_for_this_attempt_is_good() {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("key");
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.as_ref(), &random).expect("key");
        let point = pair.public_key().as_ref();
        let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..]));
        let keys = json!({ "keys": [{ "kty": "EC", "crv": "P-256", "kid": "1", "x": x, "y": y }] });
        let config = config();
        let provider = Provider {
            issuer: "https://idp".into(),
            authorization_endpoint: "https://idp/a".into(),
            token_endpoint: String::new(),
            jwks_uri: String::new(),
        };
        let attempt =
            Attempt { state: "s".into(), nonce: "n".into(), verifier: "v".into(), reauthenticate_since: None };
        let header = json!({ "alg": "ES256", "kid": "1" });
        let claims =
            json!({ "iss": "https://idp", "aud": ["ioc"], "exp": 1000, "nonce": "n", "preferred_username": "lan" });
        let now = Timestamp::from_millis(900_000);
        let good = verified_claims(&signed(&pair, &header, &claims), &keys).expect("signed by a known key");
        assert!(check_claims(&config, &provider, &attempt, &good, now).is_ok());

        for (field, wrong) in [
            ("iss", json!("https://other")),
            ("aud", json!("other")),
            ("aud", json!(["ioc", "other"])),
            ("exp", json!(100)),
            ("exp", Value::Null),
            ("nonce", json!("other")),
        ] {
            let mut claims = claims.clone();
            claims[field] = wrong;
            let read = verified_claims(&signed(&pair, &header, &claims), &keys).expect("signed");
            assert!(check_claims(&config, &provider, &attempt, &read, now).is_err(), "{field}");
        }
        for header in
            [json!({ "alg": "none" }), json!({ "alg": "HS256", "kid": "1" }), json!({ "alg": "ES256", "kid": "2" })]
        {
            assert!(verified_claims(&signed(&pair, &header, &claims), &keys).is_err(), "{header}");
        }
        let token = signed(&pair, &header, &claims);
        let (begin, sign) = token.rsplit_once('.').expect("three parts");
        let (head, _) = begin.split_once('.').expect("three parts");
        let other = URL_SAFE_NO_PAD
            .encode(json!({ "iss": "https://idp", "aud": "ioc", "preferred_username": "admin" }).to_string());
        assert!(verified_claims(&format!("{head}.{other}.{sign}"), &keys).is_err(), "changed after it was signed");
        let place = authorization_url(&config, &provider, &attempt, "https://ioc/login/oidc/back");
        assert!(
            place.starts_with("https://idp/a?response_type=code&client_id=ioc&redirect_uri=https%3A%2F%2Fioc"),
            "{place}"
        );
        assert!(!place.contains("prompt="), "{place}");
        let again = Attempt { reauthenticate_since: Some(now), ..attempt };
        let place = authorization_url(&config, &provider, &again, "https://ioc/login/oidc/back");
        assert!(place.ends_with("&prompt=login&max_age=0"), "{place}");
        let gold = Oidc { second_factor_acr: vec!["gold".into(), "platinum".into()], ..config };
        let place = authorization_url(&gold, &provider, &again, "https://ioc/login/oidc/back");
        assert!(place.ends_with("&max_age=0&acr_values=gold%20platinum"), "{place}");
    }

    #[test]
    fn who_is_to_be_asked_anew_was_asked_when_the_token_says_so_and_not_otherwise() {
        let now = Timestamp::from_millis(10_000_000);
        let at = |reauthenticate_since: Option<i64>, auth_time: Value| {
            let reauthenticate_since = reauthenticate_since.map(Timestamp::from_millis);
            let attempt = Attempt { state: "s".into(), nonce: "n".into(), verifier: "v".into(), reauthenticate_since };
            authenticated_at(&attempt, &json!({ "auth_time": auth_time }), now).map(|at| at.map(Timestamp::as_millis))
        };
        // Whoever comes in as usual may have signed in there long ago, or nobody knows when.
        assert_eq!(at(None, json!(100)).expect("taken"), Some(100_000));
        assert_eq!(at(None, json!(100.5)).expect("taken"), Some(100_500));
        for unknown in [Value::Null, json!("10000"), json!(true)] {
            assert_eq!(at(None, unknown.clone()).expect("taken"), None, "{unknown}");
            let refused = at(Some(9_900_000), unknown).expect_err("nobody knows").to_string();
            assert!(refused.contains("no auth_time") && refused.contains("mend it there"), "{refused}");
        }
        // Clocks may differ by a minute, and no more.
        assert_eq!(at(Some(9_900_000), json!(9_840)).expect("taken"), Some(9_840_000));
        assert!(matches!(at(Some(9_900_000), json!(9_839)), Err(OidcError::Stale(_))));
        for reauthenticate_since in [None, Some(9_900_000)] {
            assert_eq!(at(reauthenticate_since, json!(10_060)).expect("taken"), Some(10_060_000));
            for ahead in [json!(10_061), json!(1e300)] {
                assert!(matches!(at(reauthenticate_since, ahead.clone()), Err(OidcError::Answer(_))), "{ahead}");
            }
        }
    }
}
