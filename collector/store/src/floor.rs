//! Floor plans: a picture of a room, and where on it devices stand. A picture is one of three formats that hold no program, told by what it holds and not by
//! what it is called.

use serde::{Deserialize, Serialize};

use ioc_common::id::DeviceId;

use crate::StoreError;

/// Largest picture, bytes.
pub const FLOOR_PICTURE_MAX_BYTES: usize = 2 << 20;
/// Longest side of a picture, pixels: browsers take as much memory as it has pixels, whatever its file is long.
pub const FLOOR_SIDE_MAX_PX: u32 = 8_000;
/// Most devices on one plan.
pub const FLOOR_DEVICES_MAX: usize = 500;
/// Far right and bottom of a picture, in tenths of a percent.
pub const FLOOR_EDGE: u16 = 1_000;

/// A format that pictures come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PictureFormat {
    /// PNG.
    Png,
    /// JPEG.
    Jpeg,
    /// WebP.
    Webp,
}

impl PictureFormat {
    /// Its media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Webp => "image/webp",
        }
    }
}

/// What is known of a picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FloorPicture {
    /// SHA-256 of its content, hex.
    pub sha256: String,
    /// Its format.
    pub format: PictureFormat,
    /// How wide it is, pixels.
    pub width: u32,
    /// How high it is, pixels.
    pub height: u32,
}

/// Where a device stands on a picture: from its left and its top, in tenths of a percent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct FloorPlace {
    pub device: DeviceId,
    pub x: u16,
    pub y: u16,
}

/// The plan of a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FloorPlan {
    /// The room, as the places of devices begin.
    pub room: String,
    /// Counts what was saved, from 1.
    pub version: u64,
    /// Its picture; none before one was given.
    pub picture: Option<FloorPicture>,
    /// Where devices stand on it.
    pub places: Vec<FloorPlace>,
}

/// Reads floor plans.
///
/// # Errors
/// As for [`Reader`](crate::Reader), of which it is a part.
pub trait FloorReader {
    /// Where devices stand on the picture of a room, by its name; whoever asks has looked whether the room is within reach.
    fn floor_plan(&self, room: &str) -> Result<Option<FloorPlan>, StoreError>;

    /// The picture of a room; the same holds.
    fn floor_picture(&self, room: &str) -> Result<Option<Vec<u8>>, StoreError>;
}

/// The format and size of a picture, by what it holds: width and height in pixels. None for what is none of the three formats, or says no size.
#[must_use]
pub fn picture_of(content: &[u8]) -> Option<(PictureFormat, u32, u32)> {
    let (format, width, height) = match content {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => {
            let (width, height) = png_size(content)?;
            (PictureFormat::Png, width, height)
        }
        [0xff, 0xd8, 0xff, ..] => {
            let (width, height) = jpeg_size(content)?;
            (PictureFormat::Jpeg, width, height)
        }
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => {
            let (width, height) = webp_size(content)?;
            (PictureFormat::Webp, width, height)
        }
        _ => return None,
    };
    (width > 0 && height > 0).then_some((format, width, height))
}

fn bytes<const N: usize>(content: &[u8], at: usize) -> Option<[u8; N]> {
    content.get(at..at.checked_add(N)?)?.try_into().ok()
}

/// The header chunk comes first (PNG, 11.2.2).
fn png_size(content: &[u8]) -> Option<(u32, u32)> {
    if bytes::<4>(content, 12)? != *b"IHDR" {
        return None;
    }
    Some((u32::from_be_bytes(bytes(content, 16)?), u32::from_be_bytes(bytes(content, 20)?)))
}

/// The first frame header has the size (ITU T.81, B.2.2); what stands before it is passed over by its length.
fn jpeg_size(content: &[u8]) -> Option<(u32, u32)> {
    let mut at = 2;
    loop {
        let [mark, kind] = bytes(content, at)?;
        if mark != 0xff {
            return None;
        }
        match kind {
            0xff => at += 1,
            // A frame, but for tables of codes (C4, CC) and the one that is reserved (C8).
            0xc0..=0xcf if !matches!(kind, 0xc4 | 0xc8 | 0xcc) => {
                let height = u16::from_be_bytes(bytes(content, at + 5)?);
                let width = u16::from_be_bytes(bytes(content, at + 7)?);
                return Some((u32::from(width), u32::from(height)));
            }
            0x01 | 0xd0..=0xd9 => return None,
            _ => at = at.checked_add(2)?.checked_add(usize::from(u16::from_be_bytes(bytes(content, at + 2)?)))?,
        }
    }
}

/// The first chunk says it, in one of three ways (RFC 9649, 2.5 to 2.7).
fn webp_size(content: &[u8]) -> Option<(u32, u32)> {
    match &bytes::<4>(content, 12)? {
        b"VP8X" => {
            let three = |at| bytes::<3>(content, at).map(|[a, b, c]| u32::from_le_bytes([a, b, c, 0]));
            Some((three(24)? + 1, three(27)? + 1))
        }
        b"VP8L" => {
            let bits = u32::from_le_bytes(bytes(content, 21)?);
            (content.get(20) == Some(&0x2f)).then_some(((bits & 0x3fff) + 1, ((bits >> 14) & 0x3fff) + 1))
        }
        b"VP8 " => {
            let side = |at| bytes::<2>(content, at).map(|two| u32::from(u16::from_le_bytes(two) & 0x3fff));
            (bytes::<3>(content, 23)? == [0x9d, 0x01, 0x2a]).then_some((side(26)?, side(28)?))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_picture_is_known_by_what_it_holds() {
        let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x03\x20\0\0\x02\x58\x08\x02";
        assert_eq!(picture_of(png), Some((PictureFormat::Png, 800, 600)));
        let jpeg = b"\xff\xd8\xff\xe0\0\x04AB\xff\xff\xc4\0\x03x\xff\xc2\0\x0b\x08\x02\x58\x03\x20\x01";
        assert_eq!(picture_of(jpeg), Some((PictureFormat::Jpeg, 800, 600)));
        let extended = b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\x1f\x03\0\x57\x02\0";
        assert_eq!(picture_of(extended), Some((PictureFormat::Webp, 800, 600)));
        let lossy = b"RIFF\0\0\0\0WEBPVP8 \x0a\0\0\0\0\0\0\x9d\x01\x2a\x20\x03\x58\x02";
        assert_eq!(picture_of(lossy), Some((PictureFormat::Webp, 800, 600)));
        let bits = (799_u32 | (599 << 14)).to_le_bytes();
        let lossless = [b"RIFF\0\0\0\0WEBPVP8L\x0a\0\0\0\x2f".as_slice(), &bits].concat();
        assert_eq!(picture_of(&lossless), Some((PictureFormat::Webp, 800, 600)));
        for other in [
            b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>".as_slice(),
            b"<?xml version=\"1.0\"?><svg/>",
            b"GIF89a\x20\x03\x58\x02",
            b"BM\0\0",
            b"<html>",
            b"%PDF-1.7",
            b"",
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\0\0\0\x02\x58",
            b"\xff\xd8\xff\xd9",
        ] {
            assert_eq!(picture_of(other), None, "{}", String::from_utf8_lossy(other));
        }
        for cut in 0..png.len() - 2 {
            let found = picture_of(&png[..cut]);
            assert!(cut >= 24 || found.is_none(), "{cut}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_picture_or_none(content in proptest::collection::vec(any::<u8>(), 0..200), head in 0..3_usize) {
            let heads: [&[u8]; 3] = [b"\xff\xd8\xff", b"RIFF\0\0\0\0WEBPVP8X", b"\x89PNG\r\n\x1a\n"];
            let _ = picture_of(&[heads[head], &content].concat());
        }
    }
}
