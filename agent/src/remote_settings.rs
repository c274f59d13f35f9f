//! Settings that the collector gave: kept with their signature, checked by the surveyor each time the configuration is read.
//!
//! ```text
//! <state>/settings.json       those in use, as they came
//! <state>/settings.offered    those that came and are being looked at
//! ```
//! Nothing in them names a program, a file or a user, and `[collector] settings = false` keeps them all away.

use std::path::Path;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use ioc_common::codec::DOWN_MAX_BYTES;
use ioc_common::id::DeviceId;
use ioc_common::settings::{ENDPOINTS_MAX, EndpointSetting, RemoteSettings, SignedSettings, signed_text};

use crate::config::{Config, probe_fault, survey_fault};
use crate::identity::IdentityStore;

/// File of the settings in use.
pub const KEPT: &str = "settings.json";
/// File of the settings that came and are being looked at.
pub const OFFERED: &str = "settings.offered";
/// Why a host takes none.
pub const NOT_HERE: &str = "this host takes no settings: [collector] settings = false in its agent.toml";

/// The configuration with the settings that are kept. Where those cannot be used it is as the file has it, and says why.
#[must_use]
pub fn with_kept(config: Config) -> Config {
    let path = config.state.join(KEPT);
    if !path.exists() {
        return config;
    }
    let signed = read(&path);
    let used = taken(&config).and_then(|()| config_with(&config, signed.as_ref().map_err(Clone::clone)?));
    used.unwrap_or_else(|why| Config { remote_settings: signed.unwrap_or_default().outcome_refused(why), ..config })
}

/// The configuration with the settings that came.
///
/// # Errors
/// That this host takes none, that the file or its signature is wrong, or which setting is, with what is allowed.
pub fn with_offered(config: &Config) -> Result<Config, String> {
    taken(config)?;
    let signed = read(&config.state.join(OFFERED))?;
    let last = read(&config.state.join(KEPT)).map_or(0, |kept| kept.version);
    if signed.version <= last {
        return Err(format!("found version {}; allowed is one above {last}, which is in use", signed.version));
    }
    config_with(config, &signed)
}

/// Whether this host takes settings at all.
fn taken(config: &Config) -> Result<(), String> {
    if config.takes_settings { Ok(()) } else { Err(NOT_HERE.to_owned()) }
}

fn read(path: &Path) -> Result<SignedSettings, String> {
    let fault = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
    let size = std::fs::metadata(path).map_err(|error| fault(&error))?.len();
    if size > DOWN_MAX_BYTES as u64 {
        return Err(fault(&format!("found {size} bytes; allowed are {DOWN_MAX_BYTES}")));
    }
    let text = std::fs::read(path).map_err(|error| fault(&error))?;
    serde_json::from_slice(&text).map_err(|error| fault(&error))
}

fn config_with(config: &Config, signed: &SignedSettings) -> Result<Config, String> {
    let store = IdentityStore::new(config.state.clone());
    let device = store.identity().map_err(|error| error.to_string())?.device;
    verify(&store.current().join("ca.pem"), &device, signed)?;
    let remote: RemoteSettings = serde_json::from_str(&signed.settings).map_err(|error| error.to_string())?;
    let mut config = config.clone();
    apply(&mut config, remote)?;
    config.remote_settings = signed.outcome_applied();
    Ok(config)
}

/// Whether one of the authorities that this host trusts signed this for it.
fn verify(authorities: &Path, device: &DeviceId, signed: &SignedSettings) -> Result<(), String> {
    let signature = signed.signature().ok_or("the signature is not base64")?;
    let text = signed_text(device, signed.version, &signed.settings);
    let known = CertificateDer::pem_file_iter(authorities).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let known = known.map_err(|error| format!("{}: {error}", authorities.display()))?;
    let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms.all;
    let good = known.iter().filter_map(|der| webpki::EndEntityCert::try_from(der).ok()).any(|certificate| {
        algorithms.iter().any(|one| certificate.verify_signature(*one, text.as_bytes(), &signature).is_ok())
    });
    if good { Ok(()) } else { Err("the signature is not one of this host's collector for this host".to_owned()) }
}

fn apply(config: &mut Config, remote: RemoteSettings) -> Result<(), String> {
    let faults = remote.forbid.iter().filter_map(|name| probe_fault(name));
    let faults = faults.chain(remote.every.keys().filter_map(|name| survey_fault(name)));
    if let Some(fault) = faults.chain(remote.endpoint.iter().filter_map(EndpointSetting::fault)).next() {
        return Err(fault);
    }
    config.interval = remote.interval.unwrap_or(config.interval);
    for name in remote.forbid {
        if !config.forbid.contains(&name) {
            config.forbid.push(name);
        }
    }
    config.every.extend(remote.every);
    let endpoints = &mut config.survey_settings.endpoints;
    for endpoint in remote.endpoint {
        if !endpoints.iter().any(|own| own.name == endpoint.name) {
            endpoints.push(endpoint);
        }
    }
    if endpoints.len() > ENDPOINTS_MAX {
        return Err(format!("found {} endpoints with this host's own; allowed are {ENDPOINTS_MAX}", endpoints.len()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Identity, Material};
    use ioc_common::clock::Timestamp;
    use ioc_common::config::Source;
    use ioc_common::settings::digest;
    use rcgen::{CertificateParams, KeyPair, SigningKey as _};

    fn signed(key: &KeyPair, device: &str, version: u64, settings: &str) -> SignedSettings {
        let device = DeviceId::new(device).expect("valid");
        let text = signed_text(&device, version, settings);
        SignedSettings::new(version, settings.to_owned(), &key.sign(text.as_bytes()).expect("signs"))
    }

    #[test]
    fn only_the_collector_sets_only_this_host_only_forward_and_only_what_can_be_set() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let store = IdentityStore::new(dir.path().to_owned());
        let key = KeyPair::generate().expect("key");
        let ca = CertificateParams::default().self_signed(&key).expect("certificate").pem();
        let material = Material { key: String::new(), certificate: String::new(), authorities: ca };
        store.promote(&store.stage(&material).expect("staged")).expect("promoted");
        let end = Timestamp::from_millis(1);
        let device = DeviceId::new("srv-01").expect("valid");
        store.save_identity(&Identity { device, mqtt: "x:1".into(), renew_at: end, expires_at: end }).expect("saved");
        let text = format!(
            "[paths]\nstate = {:?}\n[probes]\nforbid = [\"usb\"]\n[[endpoint]]\nname = \"own\"\nkind = \"icmp\"\naddress = \"h\"\n",
            dir.path()
        );
        let config = Config::parse(&Source::built_in("agent.toml", &text)).unwrap_or_else(|e| panic!("{e}"));
        let put = |file: &str, signed: &SignedSettings| {
            std::fs::write(dir.path().join(file), serde_json::to_vec(signed).expect("writes")).expect("written");
        };
        let offer = |signed: &SignedSettings| {
            put(OFFERED, signed);
            with_offered(&config)
        };

        let good = r#"{"interval":"30s","forbid":["gpu"],"every":{"smart":"2h"},"endpoint":[{"name":"own","kind":"tcp","address":"evil:1"},{"name":"b","kind":"tcp","address":"x:1"}]}"#;
        let settled = offer(&signed(&key, "srv-01", 5, good)).expect("applies");
        assert_eq!((settled.interval.as_millis(), settled.forbid.join(" ")), (30_000, "usb gpu".to_owned()));
        assert_eq!(
            (settled.survey_settings.endpoints[0].address.as_str(), settled.survey_settings.endpoints.len()),
            ("h", 2)
        );
        assert!(
            settled.remote_settings.applied
                && settled.remote_settings.version == 5
                && settled.remote_settings.digest == digest(good)
        );

        put(KEPT, &signed(&key, "srv-01", 5, good));
        let stranger = KeyPair::generate().expect("key");
        for (offered, why) in [
            (signed(&key, "srv-01", 5, "{}"), "above 5"),
            (signed(&key, "srv-02", 6, "{}"), "signature"),
            (signed(&stranger, "srv-01", 6, "{}"), "signature"),
            (SignedSettings { settings: "{ }".into(), ..signed(&key, "srv-01", 6, "{}") }, "signature"),
            (SignedSettings { signature: "?".into(), ..signed(&key, "srv-01", 6, "{}") }, "base64"),
            (signed(&key, "srv-01", 6, r#"{"commands":{"smartctl":"/tmp/x"}}"#), "commands"),
            (signed(&key, "srv-01", 6, r#"{"forbid":["cpuu"]}"#), "cpuu"),
            (signed(&key, "srv-01", 6, r#"{"endpoint":[{"name":"a","kind":"tcp","address":"x"}]}"#), "host:port"),
            (signed(&key, "srv-01", 6, "{"), "EOF"),
        ] {
            let found = offer(&offered).map(|config| config.remote_settings).expect_err("refused");
            assert!(found.contains(why), "{found}");
        }

        assert!(with_kept(config.clone()).remote_settings.applied);
        std::fs::write(dir.path().join(KEPT), "{}").expect("written");
        let broken = with_kept(config.clone());
        assert!(
            broken.interval == config.interval && broken.remote_settings.why.contains("settings.json"),
            "{broken:?}"
        );
        let closed = Config { takes_settings: false, ..config };
        assert_eq!(with_kept(closed.clone()).remote_settings.why, NOT_HERE);
        assert_eq!(with_offered(&closed).map(|config| config.remote_settings), Err(NOT_HERE.to_owned()));
    }
}
