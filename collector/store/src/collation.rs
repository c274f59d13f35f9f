//! Sorting as people read: the Vietnamese alphabet, tones after letters, numbers by their value.
//!
//! Source: TCVN 6909 for the letters; tones in the order of dictionaries (ngang, huyền, hỏi, ngã, sắc, nặng).

/// The letters in their order; each with its tones.
const ALPHABET: [&str; 33] = [
    "aàảãáạ",
    "ăằẳẵắặ",
    "âầẩẫấậ",
    "b",
    "c",
    "d",
    "đ",
    "eèẻẽéẹ",
    "êềểễếệ",
    "f",
    "g",
    "h",
    "iìỉĩíị",
    "j",
    "k",
    "l",
    "m",
    "n",
    "oòỏõóọ",
    "ôồổỗốộ",
    "ơờởỡớợ",
    "p",
    "q",
    "r",
    "s",
    "t",
    "uùủũúụ",
    "ưừửữứự",
    "v",
    "w",
    "x",
    "yỳỷỹýỵ",
    "z",
];
const SPACE: u8 = 2;
const NUMBER: u8 = 3;
const LETTERS: u8 = 8;
const OTHERS: u8 = 0xF0;

/// What to compare, byte by byte, to sort `text`. Case counts for nothing; tones count where the letters are alike.
#[must_use]
pub fn key(text: &str) -> Vec<u8> {
    let (mut key, mut tones) = (Vec::with_capacity(2 * text.len() + 1), Vec::with_capacity(text.len()));
    let lower = text.to_lowercase();
    let mut rest = lower.chars().peekable();
    while let Some(letter) = rest.next() {
        if letter.is_ascii_digit() {
            let mut digits = vec![letter];
            while let Some(digit) = rest.next_if(char::is_ascii_digit) {
                digits.push(digit);
            }
            let value: String = digits.iter().skip_while(|digit| **digit == '0').collect();
            // A longer number is a larger one; after 255 digits nobody counts.
            key.extend([NUMBER, u8::try_from(value.len()).unwrap_or(u8::MAX)]);
            key.extend(value.as_bytes());
        } else if let Some((place, tone)) = placed(letter) {
            key.push(LETTERS + place);
            tones.push(tone + 1);
        } else if letter.is_whitespace() || matches!(letter, '-' | '_' | '.' | '/') {
            key.push(SPACE);
        } else {
            key.push(OTHERS);
            key.extend(letter.to_string().as_bytes());
        }
    }
    key.push(0);
    key.extend(tones);
    key
}

/// A letter's place in the alphabet, and its tone.
fn placed(letter: char) -> Option<(u8, u8)> {
    ALPHABET.iter().zip(0..).find_map(|(tones, place)| {
        let tone = tones.chars().zip(0..).find_map(|(one, tone)| (one == letter).then_some(tone))?;
        Some((place, tone))
    })
}

/// A letter without what Vietnamese adds to it: *ệ* is *e*. Others stay.
#[must_use]
pub fn plain(letter: char) -> char {
    let Some((place, _)) = placed(letter) else { return letter };
    match ALPHABET.get(usize::from(place)).and_then(|tones| tones.chars().next()) {
        Some('ă' | 'â') => 'a',
        Some('đ') => 'd',
        Some('ê') => 'e',
        Some('ô' | 'ơ') => 'o',
        Some('ư') => 'u',
        Some(first) => first,
        None => letter,
    }
}

#[cfg(test)]
mod tests {
    use super::key;

    #[test]
    fn vietnamese_names_and_numbers_stand_where_people_look() {
        let right = [
            "",
            "Máy 2",
            "Máy 10",
            "Máy 10 phụ",
            "Máy chủ",
            "Phong",
            "Phòng",
            "Phóng",
            "Phòng 101",
            "Phòng họp",
            "Phông",
            "Tủ đĩa",
            "Tủ điện",
            "Ủy ban",
            "Ứng dụng",
            "日本",
        ];
        let mut sorted = right;
        sorted.reverse();
        sorted.sort_by_key(|name| key(name));
        assert_eq!(sorted, right);
        assert_eq!(key("MÁY chủ"), key("máy CHỦ"));
    }
}
