//! What people say of a device, field by field, as they wrote it: kind, importance and identifiers are words here, empty where nothing is
//! said, until `check_device` of the engine makes a device of them, or says which words there are.

use ioc_judge::DeviceInfo;

/// A device to be enrolled.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NewDevice {
    /// Identifier; made up when empty.
    pub device: String,
    /// Its kind, a name of [`ioc_judge::DeviceKind`].
    pub kind: String,
    /// What people call it.
    pub name: String,
    /// The asset label that stands on it.
    pub label: String,
    /// Where it stands: room, and rack behind a slash.
    pub place: String,
    /// Who looks after it.
    pub officer: String,
    /// Who answers for it.
    pub leader: String,
    /// The device that its network goes through.
    pub uplink: String,
    /// Devices with the same name here can stand in for each other.
    pub redundancy: String,
    /// How much depends on it, a name of [`ioc_judge::Importance`]; normal when empty.
    pub importance: String,
    /// Groups it belongs to.
    pub tags: Vec<String>,
    /// Address at which the collector asks whether it is there.
    pub address: String,
    /// Serial number of the machine: how it is known when it enrols.
    pub serial: String,
    /// Network address of the machine (MAC): the same.
    pub mac: String,
}

impl NewDevice {
    /// The same, with what is not said here as it was.
    #[must_use]
    pub fn over(self, was: Self) -> Self {
        let or = |said: String, was: String| if said.is_empty() { was } else { said };
        Self {
            device: or(self.device, was.device),
            kind: or(self.kind, was.kind),
            name: or(self.name, was.name),
            label: or(self.label, was.label),
            place: or(self.place, was.place),
            officer: or(self.officer, was.officer),
            leader: or(self.leader, was.leader),
            uplink: or(self.uplink, was.uplink),
            redundancy: or(self.redundancy, was.redundancy),
            importance: or(self.importance, was.importance),
            tags: if self.tags.is_empty() { was.tags } else { self.tags },
            address: or(self.address, was.address),
            serial: or(self.serial, was.serial),
            mac: or(self.mac, was.mac),
        }
    }
}

impl NewDevice {
    /// The same, with these fields as `from` has them: what someone changed is put over what is said by now, not over what they once read.
    ///
    /// # Errors
    /// The field that there is not.
    pub fn with(self, fields: &[String], from: &Self) -> Result<Self, String> {
        let mut whole = fields_of(&self);
        let theirs = fields_of(from);
        for field in fields {
            let value = theirs.get(field);
            let value = value.ok_or_else(|| format!("{field}: there is no such field"))?;
            whole.insert(field.clone(), value.clone());
        }
        serde_json::from_value(serde_json::Value::Object(whole)).map_err(|error| error.to_string())
    }

    /// In which fields it says something else than another.
    #[must_use]
    pub fn differing(&self, other: &Self) -> Vec<String> {
        let theirs = fields_of(other);
        fields_of(self)
            .into_iter()
            .filter(|(field, value)| theirs.get(field) != Some(value))
            .map(|(field, _)| field)
            .collect()
    }
}

fn fields_of(device: &NewDevice) -> serde_json::Map<String, serde_json::Value> {
    match serde_json::to_value(device) {
        Ok(serde_json::Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    }
}

impl From<DeviceInfo> for NewDevice {
    /// What is known of a device, as a person would say it.
    fn from(info: DeviceInfo) -> Self {
        Self {
            device: info.id.to_string(),
            kind: info.kind.as_str().to_owned(),
            name: info.name,
            label: info.label,
            place: info.place,
            officer: info.officer,
            leader: info.leader,
            uplink: info.uplink.map(|id| id.to_string()).unwrap_or_default(),
            redundancy: info.redundancy,
            importance: info.importance.as_str().to_owned(),
            tags: info.tags,
            address: info.address,
            serial: info.serial,
            mac: info.mac,
        }
    }
}
