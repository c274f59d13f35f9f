//! What is said of a device, checked.

use ioc_common::encoding::hex;
use ioc_common::id::DeviceId;
use ioc_common::random;
use ioc_judge::{DeviceInfo, DeviceKind, Importance};
use ioc_store::{NewDevice, collation};

use crate::command::CommandError;
use crate::refusal_field::Field;
use crate::refusal_reason::{RefusalReason, Word};

/// Longest text people may say of a device.
pub const TEXT_MAX_CHARS: usize = 200;
/// Most groups of one device.
const TAGS_MAX: usize = 20;

/// Checks what is said of a new device, and makes up an identifier where there is none.
pub fn check_device(new: NewDevice) -> Result<DeviceInfo, CommandError> {
    let kinds = DeviceKind::ALL.map(DeviceKind::as_str).join(", ");
    let kind = DeviceKind::parse(&new.kind).ok_or_else(|| Field::Kind.allowed(&new.kind, &kinds).invalid())?;
    let texts = [
        (Field::Name, &new.name),
        (Field::Label, &new.label),
        (Field::Place, &new.place),
        (Field::Officer, &new.officer),
        (Field::Leader, &new.leader),
        (Field::Redundancy, &new.redundancy),
        (Field::Address, &new.address),
        (Field::Serial, &new.serial),
        (Field::Mac, &new.mac),
    ];
    let tags = new.tags.iter().map(|tag| (Field::Tags, tag));
    for (field, text) in texts.into_iter().chain(tags) {
        if text.chars().count() > TEXT_MAX_CHARS || text.chars().any(char::is_control) {
            return Err(field.characters(TEXT_MAX_CHARS).invalid());
        }
    }
    if new.name.trim().is_empty() {
        let english = "name: found none; every device is named (article 6.1)";
        return Err(RefusalReason::new("refusal-device-name", [], english).invalid());
    }
    let id = if new.device.is_empty() {
        let random: [u8; 5] = random::secret().map_err(CommandError::unread)?;
        format!("d-{}", hex(&random))
    } else {
        new.device
    };
    let id = device_id(&id)?;
    let uplink = if new.uplink.is_empty() { None } else { Some(DeviceId::new(&new.uplink)) };
    let uplink = uplink.transpose().map_err(|error| Field::Uplink.of(RefusalReason::no_device_id(&error)).invalid())?;
    let importance = match new.importance.as_str() {
        "" => Importance::Normal,
        text => {
            Importance::parse(text).ok_or_else(|| Field::Importance.allowed(text, "low, normal, high").invalid())?
        }
    };
    if new.tags.len() > TAGS_MAX {
        return Err(Field::Tags.range(new.tags.len(), 0, TAGS_MAX as u64).invalid());
    }
    let mac = match new.mac.as_str() {
        "" => String::new(),
        text => mac_of(text).ok_or_else(|| Field::Mac.allowed(text, "00:11:22:33:44:55").invalid())?,
    };
    let NewDevice { name, label, place, officer, leader, redundancy, tags, address, serial, .. } = new;
    let mut info = DeviceInfo { label, place, officer, leader, uplink, redundancy, ..DeviceInfo::new(id, kind, name) };
    (info.importance, info.tags, info.address) = (importance, tags, address);
    (info.serial, info.mac) = (serial, mac);
    Ok(info)
}

/// The identifier of a device as somebody wrote it.
///
/// # Errors
/// What cannot be one.
pub fn device_id(text: &str) -> Result<DeviceId, CommandError> {
    DeviceId::new(text).map_err(|error| RefusalReason::no_device_id(&error).invalid())
}

/// What is known of a device, with these fields as somebody says them.
///
/// # Errors
/// A field that there is not.
pub fn with_fields(known: &DeviceInfo, fields: &[String], said: &NewDevice) -> Result<NewDevice, CommandError> {
    NewDevice::from(known.clone()).with(fields, said).map_err(|why| {
        let field = why.split(':').next().unwrap_or_default().to_owned();
        RefusalReason::new("refusal-field-unknown", [("field", Word::text(field))], why).invalid()
    })
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
