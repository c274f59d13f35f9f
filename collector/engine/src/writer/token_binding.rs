//! What speaks against taking a machine at its word that comes with a token of many: label, serial number, network address and host
//! name are all its own say. Pure; `enrolment` calls it, and a person decides whatever is found here.

use std::net::IpAddr;

use ioc_common::enrolment::EnrolRequest;
use ioc_judge::{DeviceInfo, Importance};

use crate::inventory::asset::is_serial;
use ioc_store::ApprovalReason;
use ioc_store::NewDevice;
use ioc_store::collation;
use ioc_store::scope::AccessScope;

/// The serial number that a machine gives; none where it gives only what makers leave in place of one.
pub(super) fn serial_of(request: &EnrolRequest) -> Option<&str> {
    Some(request.facts.serial.trim()).filter(|serial| is_serial(serial))
}

/// Whether two texts are the same name; an empty one is none.
pub(super) fn same(one: &str, other: &str) -> bool {
    !one.is_empty() && one.trim().to_lowercase() == other.trim().to_lowercase()
}

/// Why a machine is not simply taken for this asset: the token is not for such a one, others depend on it, or what is written down of
/// it is not what the machine says.
pub(super) fn against(
    asset: &DeviceInfo,
    template: &NewDevice,
    request: &EnrolRequest,
    peer: &str,
    is_uplink: bool,
) -> Vec<ApprovalReason> {
    let device = || asset.id.clone();
    let mut reasons = Vec::new();
    if asset.kind.as_str() != template.kind || asset.parent.is_some() {
        reasons.push(ApprovalReason::Kind { device: device() });
    }
    let place = template.place.trim();
    if !place.is_empty() && !AccessScope::of(&[place.to_owned()]).holds(&asset.place) {
        reasons.push(ApprovalReason::Place { device: device() });
    }
    let other_uplink =
        !template.uplink.is_empty() && asset.uplink.as_ref().is_none_or(|id| id.as_str() != template.uplink);
    if is_uplink || other_uplink {
        reasons.push(ApprovalReason::Uplink { device: device() });
    }
    let others = !asset.redundancy.is_empty() && asset.redundancy != template.redundancy;
    let worth = Importance::parse(&template.importance).unwrap_or_default();
    if others || asset.importance > worth {
        reasons.push(ApprovalReason::Importance { device: device() });
    }
    if !asset.address.is_empty() && !is_from(&asset.address, peer) {
        reasons.push(ApprovalReason::Address { device: device() });
    }
    let serial = asset.serial.is_empty() || serial_of(request).is_some_and(|serial| same(&asset.serial, serial));
    let mac = asset.mac.is_empty() || request.macs.iter().any(|mac| same(&asset.mac, mac));
    if !serial || !mac {
        reasons.push(ApprovalReason::Hardware { device: device() });
    }
    reasons
}

/// Whether a request comes from the address that is written down. A name is none that could be compared.
fn is_from(address: &str, peer: &str) -> bool {
    let parsed = |text: &str| text.trim().parse::<IpAddr>().ok().map(|address| address.to_canonical());
    parsed(address).is_some_and(|address| parsed(peer) == Some(address))
}

/// How a name looks to a hurried eye: letters that are drawn alike are one, whatever their script.
pub(super) fn look_of(name: &str) -> String {
    let drawn = |letter: char| match letter {
        '0' | 'о' | 'ο' | 'օ' | 'ө' => 'o',
        '1' | 'і' | 'ι' | 'ı' | 'l' | '|' | 'ӏ' => 'i',
        'а' | 'α' => 'a',
        'в' | 'β' => 'b',
        'с' | 'ϲ' => 'c',
        'ԁ' => 'd',
        'е' | 'ε' => 'e',
        'һ' | 'н' | 'η' => 'h',
        'ј' => 'j',
        'к' | 'κ' => 'k',
        'м' | 'μ' => 'm',
        'ո' | 'ν' => 'n',
        'р' | 'ρ' => 'p',
        'ԛ' => 'q',
        'г' => 'r',
        'ѕ' => 's',
        'т' | 'τ' => 't',
        'υ' | 'ս' => 'u',
        'ѵ' => 'v',
        'ԝ' | 'ω' => 'w',
        'х' | 'χ' => 'x',
        'у' | 'γ' => 'y',
        '_' | '.' | '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
        // Full width.
        '\u{ff01}'..='\u{ff5e}' => {
            let plain = u32::from(letter) - 0xff01 + 0x21;
            char::from_u32(plain).map_or(letter, |plain| plain.to_ascii_lowercase())
        }
        other => other,
    };
    let invisible = |letter: &char| {
        letter.is_whitespace()
            || matches!(letter, '\u{ad}' | '\u{300}'..='\u{36f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
    };
    name.to_lowercase().chars().filter(|letter| !invisible(letter)).map(collation::plain).map(drawn).collect()
}

#[cfg(test)]
mod tests {
    use ioc_common::id::DeviceId;
    use ioc_judge::DeviceKind;

    use super::*;

    fn asset() -> DeviceInfo {
        let id = DeviceId::new("sw-core").expect("valid");
        DeviceInfo { label: "TS-1".into(), ..DeviceInfo::new(id, DeviceKind::Server, "Máy chủ 1") }
    }

    fn template() -> NewDevice {
        NewDevice { kind: "server".into(), ..NewDevice::default() }
    }

    fn request(serial: &str, mac: &str) -> EnrolRequest {
        let text = serde_json::json!({ "token": "t", "csr": "c", "fingerprint": "f", "label": "TS-1",
            "facts": { "serial": serial }, "macs": [mac] });
        serde_json::from_value(text).expect("a request")
    }

    fn whys(asset: &DeviceInfo, template: &NewDevice, behind: bool) -> Vec<String> {
        let found = against(asset, template, &request("SN-1", "00:11:22:33:44:55"), "10.0.0.7", behind);
        let why = |one: &ApprovalReason| {
            serde_json::to_value(one).expect("written")["why"].as_str().unwrap_or_default().to_owned()
        };
        found.iter().map(why).collect()
    }

    #[test]
    fn an_asset_is_taken_only_for_what_the_token_is_for() {
        assert!(whys(&asset(), &template(), false).is_empty());
        assert_eq!(whys(&DeviceInfo { kind: DeviceKind::Other, ..asset() }, &template(), false), ["kind"]);
        let sensor = DeviceInfo { parent: DeviceId::new("srv-9").ok(), ..asset() };
        assert_eq!(whys(&sensor, &template(), false), ["kind"], "a sensor has no agent");
        assert_eq!(whys(&asset(), &template(), true), ["uplink"]);
        let elsewhere = NewDevice { place: "Tầng 2".into(), ..template() };
        assert_eq!(whys(&asset(), &elsewhere, false), ["place"], "where it stands is not known");
        let at = |place: &str| DeviceInfo { place: place.into(), ..asset() };
        assert_eq!(whys(&at("Tầng 20"), &elsewhere, false), ["place"]);
        assert!(whys(&at("Tầng 2, phòng máy"), &elsewhere, false).is_empty());
        assert_eq!(whys(&DeviceInfo { importance: Importance::High, ..asset() }, &template(), false), ["importance"]);
        assert_eq!(whys(&DeviceInfo { redundancy: "db".into(), ..asset() }, &template(), false), ["importance"]);
        let behind = NewDevice { uplink: "sw-2".into(), ..template() };
        assert_eq!(whys(&asset(), &behind, false), ["uplink"]);
    }

    #[test]
    fn what_is_written_down_is_what_the_machine_says() {
        let from = |address: &str| DeviceInfo { address: address.into(), ..asset() };
        assert!(whys(&from("10.0.0.7"), &template(), false).is_empty());
        assert!(whys(&from("::ffff:10.0.0.7"), &template(), false).is_empty());
        assert_eq!(whys(&from("10.0.0.8"), &template(), false), ["address"]);
        assert_eq!(whys(&from("srv.example.vn"), &template(), false), ["address"]);
        let serial = |serial: &str| DeviceInfo { serial: serial.into(), ..asset() };
        assert!(whys(&serial("sn-1"), &template(), false).is_empty());
        assert_eq!(whys(&serial("SN-2"), &template(), false), ["hardware"]);
        let mac = |mac: &str| DeviceInfo { mac: mac.into(), ..asset() };
        assert!(whys(&mac("00:11:22:33:44:55"), &template(), false).is_empty());
        assert_eq!(whys(&mac("00:11:22:33:44:66"), &template(), false), ["hardware"]);
        let silent = against(&serial("SN-2"), &template(), &request("Default string", ""), "10.0.0.7", false);
        assert!(
            matches!(silent[..], [ApprovalReason::Hardware { .. }]),
            "who says nothing has not said the right thing"
        );
    }

    #[test]
    fn names_that_look_alike_are_one() {
        for (one, other) in [
            ("srv-01", "SRV-O1"),
            ("srv-01", "ѕrv-01"),
            ("srv-01", "srv‐01"),
            ("srv-01", "srv_01"),
            ("srv-l", "srv-1"),
            ("Máy chủ 1", "máy\u{200b}chủ 1"),
            ("srv-01", "ｓｒｖ-01"),
        ] {
            assert_eq!(look_of(one), look_of(other), "{one} {other}");
        }
        assert_ne!(look_of("srv-01"), look_of("srv-02"));
        assert_ne!(look_of("pc-1-12"), look_of("pc-11-2"));
    }
}
