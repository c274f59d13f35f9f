//! Places as people write them: a room, and what is inside it after a slash (*Phòng máy/Tủ 3*). Pure.

/// The room of a place, and the rack or corner within it; the latter is empty where the place says none.
#[must_use]
pub fn parts(place: &str) -> (&str, &str) {
    let place = place.trim();
    place.split_once('/').map_or((place, ""), |(room, within)| (room.trim(), within.trim()))
}

#[cfg(test)]
mod tests {
    use super::parts;

    #[test]
    fn a_room_and_what_is_inside() {
        assert_eq!(parts("Phòng máy/Tủ 3"), ("Phòng máy", "Tủ 3"));
        assert_eq!(parts(" Phòng máy / Tủ 3 / U12 "), ("Phòng máy", "Tủ 3 / U12"));
        assert_eq!(parts("Tầng 2, phòng máy"), ("Tầng 2, phòng máy", ""));
        assert_eq!(parts(""), ("", ""));
    }
}
