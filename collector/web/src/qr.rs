//! QR codes (ISO/IEC 18004) drawn as one path, for asset labels and authenticator apps.

use qrcode::{Color, EcLevel, QrCode};

/// A code as a path of squares.
pub(crate) struct Code {
    /// Modules on a side, with the quiet zone that readers need.
    pub(crate) side: usize,
    pub(crate) path: String,
}

/// Modules that stay empty around a code (ISO/IEC 18004).
const QUIET: usize = 4;

/// The code for a text; nothing where that is too long.
pub(crate) fn code_of(text: &str) -> Option<Code> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    let width = code.width();
    let mut path = String::new();
    for (y, row) in code.to_colors().chunks(width).enumerate() {
        // What is dark side by side is one bar.
        let mut x = 0;
        for bar in row.chunk_by(|one, next| one == next) {
            if bar.first() == Some(&Color::Dark) {
                let (from, length) = (x + QUIET, bar.len());
                path += &format!("M{from} {}h{length}v1H{from}z", y + QUIET);
            }
            x += bar.len();
        }
    }
    Some(Code { side: width + 2 * QUIET, path })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_its_three_finders_and_room_around() {
        let code = code_of("https://ioc.example/devices/srv-01").expect("fits");
        assert_eq!((code.side - 2 * QUIET - 17) % 4, 0, "sides of codes are 17 + 4 times the version");
        let end = code.side - QUIET - 7;
        for (x, y) in [(QUIET, QUIET), (end, QUIET), (QUIET, end)] {
            assert!(code.path.contains(&format!("M{x} {y}h7v1")), "{x} {y}");
        }
        assert!(!code.path.contains("M0 ") && code_of(&"x".repeat(5000)).is_none());
    }
}
