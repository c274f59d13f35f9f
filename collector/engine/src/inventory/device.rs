//! What is said of a device, checked.

use ioc_common::encoding::hex;
use ioc_common::id::DeviceId;
use ioc_common::random;
use ioc_judge::{DeviceInfo, DeviceKind, Importance};
use ioc_store::{NewDevice, collation};

use crate::command::CommandError;

/// Longest text people may say of a device.
pub const TEXT_MAX_CHARS: usize = 200;
/// Most groups of one device.
const TAGS_MAX: usize = 20;

/// Checks what is said of a new device, and makes up an identifier where there is none.
pub fn check_device(new: NewDevice) -> Result<DeviceInfo, CommandError> {
    let invalid = |why: String| CommandError::Invalid(why);
    let kinds = DeviceKind::ALL.map(DeviceKind::as_str).join(", ");
    let kind = DeviceKind::parse(&new.kind)
        .ok_or_else(|| invalid(format!("kind: found {:?}; allowed are {kinds}", new.kind)))?;
    let texts = [
        ("name", &new.name),
        ("label", &new.label),
        ("place", &new.place),
        ("officer", &new.officer),
        ("leader", &new.leader),
        ("redundancy", &new.redundancy),
        ("address", &new.address),
        ("serial", &new.serial),
        ("mac", &new.mac),
    ];
    let tags = new.tags.iter().map(|tag| ("tags", tag));
    for (field, text) in texts.into_iter().chain(tags) {
        if text.chars().count() > TEXT_MAX_CHARS || text.chars().any(char::is_control) {
            return Err(invalid(format!(
                "{field}: allowed are {TEXT_MAX_CHARS} characters without control characters"
            )));
        }
    }
    if new.name.trim().is_empty() {
        return Err(invalid("name: found none; every device is named (article 6.1)".to_owned()));
    }
    let id = if new.device.is_empty() {
        let random: [u8; 5] = random::secret().map_err(|error| CommandError::Unavailable(error.to_string()))?;
        format!("d-{}", hex(&random))
    } else {
        new.device
    };
    let id = DeviceId::new(&id).map_err(|error| invalid(error.to_string()))?;
    let uplink = if new.uplink.is_empty() { None } else { Some(DeviceId::new(&new.uplink)) };
    let uplink = uplink.transpose().map_err(|error| invalid(format!("uplink: {error}")))?;
    let importance = match new.importance.as_str() {
        "" => Importance::Normal,
        text => Importance::parse(text)
            .ok_or_else(|| invalid(format!("importance: found {text:?}; allowed are low, normal, high")))?,
    };
    if new.tags.len() > TAGS_MAX {
        return Err(invalid(format!("tags: allowed are {TAGS_MAX}")));
    }
    let mac = match new.mac.as_str() {
        "" => String::new(),
        text => mac_of(text).ok_or_else(|| invalid(format!("mac: found {text:?}; allowed is 00:11:22:33:44:55")))?,
    };
    let NewDevice { name, label, place, officer, leader, redundancy, tags, address, serial, .. } = new;
    let mut info = DeviceInfo { label, place, officer, leader, uplink, redundancy, ..DeviceInfo::new(id, kind, name) };
    (info.importance, info.tags, info.address) = (importance, tags, address);
    (info.serial, info.mac) = (serial, mac);
    Ok(info)
}

/// A network address of hardware, lower case with colons, however it was written.
#[must_use]
pub fn mac_of(text: &str) -> Option<String> {
    let digits: Vec<u8> =
        text.bytes().filter(|byte| !b":-. ".contains(byte)).map(|byte| byte.to_ascii_lowercase()).collect();
    if digits.len() != 12 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let pairs: Vec<&str> = digits.chunks(2).filter_map(|pair| std::str::from_utf8(pair).ok()).collect();
    Some(pairs.join(":"))
}

/// An identifier out of a name: lower case, without what cannot stand in one.
pub fn id_of(name: &str) -> String {
    let plain: String = name
        .to_lowercase()
        .chars()
        .map(collation::plain)
        .map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' })
        .collect();
    let parts: Vec<&str> = plain.split('-').filter(|part| !part.is_empty()).collect();
    let id: String = parts.join("-").chars().take(ID_MAX).collect();
    id.trim_end_matches('-').to_owned()
}

/// Longest identifier that is made out of a name.
const ID_MAX: usize = 48;

#[cfg(test)]
mod tests {
    use super::id_of;

    #[test]
    fn names_become_identifiers() {
        assert_eq!(id_of("SRV-01.ioc.tinh.gov.vn"), "srv-01-ioc-tinh-gov-vn");
        assert_eq!(id_of("Máy chủ Đô thị 1"), "may-chu-do-thi-1");
        assert_eq!(id_of("--"), "");
    }
}
