use data_encoding::BASE64;

use super::*;

/// Made by age 1.1.1 of Debian for the identity below, and by the passphrase below.
const BY_AGE: &str = concat!(
    "YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IFgyNTUxOSBPZTdINFMzaGNoR0hRd1NlV1dHN2JYVlhoNzFZa3JBcjRhWlJXZ1p2Y0ZnCmxDN1Fvb0d6WXZBb3hCZnltY3NtVnIzaW9FS29VNmpDSFlMcF",
    "cyajlVeFkKLS0tIDQwYzJhbWtIQkZ1cGlNTU5HVWRPb2RGd3B1UzNoaTFWWTNQcHRTQjJEaE0KQJ99KierYxUnHOLCRFPDaczvfMhZU2D5hLjsYDJvf2sxkbrFjb7CCyNrLz9zjvXKWjmQLnWHO16c",
    "oQ=="
);
const BY_AGE_PASSPHRASE: &str = concat!(
    "YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IHNjcnlwdCA2dExENVRPb2R5ZzNOa25WaWU1YzhRIDE4CnhsY0M0dmtWTFFtTHJ3NlBZMXc1NnBqbUtmSmZhbXZzdWVQUlZiUjNxWDAKLS0tIG1RdGlzZE",
    "1oK2RvOWZlNlJuZlFUdkp2U3p0VUJiMlZhdWRWYXNkczdUakkKl+TT0Bv1YA7xyXvsiF4Dh8CnGUi5I3PW+G7HwiPoNsBrQfzKkTVqP8xRAhVhdGl4OR8czeC/i21I6A=="
);
const IDENTITY: &str =
    "# public key: age1…\nAGE-SECRET-KEY-1MU8EV6QTL87UH4AGFSLJ03ZZKHVHLT8R6K9KLXKY6DC8KXWARX5QNE46CD\n";
const RECIPIENT: &str = "age1zl8qtjtq6d9c7l9ufvdsd38dzm53epv9d6vgg2xxyc3emd23vqaq7vytt7";
const PLAIN: &str = "sao lưu của trung tâm\n";
const PASSPHRASE: &str = "correct horse battery staple";

fn key() -> OpenKey {
    OpenKey::Identities(identities(IDENTITY).expect("keys"))
}

fn sealed(plain: &[u8], key: &SealKey) -> Vec<u8> {
    let mut writer = AgeWriter::new(Vec::new(), key).expect("begun");
    writer.write_all(plain).expect("written");
    writer.finish().expect("ended")
}

fn opened(bytes: &[u8], key: &OpenKey) -> Result<Vec<u8>, AgeError> {
    let mut plain = Vec::new();
    let read = AgeReader::new(bytes, key).and_then(|mut reader| reader.read_to_end(&mut plain));
    match read {
        Ok(_) => Ok(plain),
        Err(error) => Err(error
            .into_inner()
            .and_then(|inner| inner.downcast::<AgeError>().ok())
            .map_or_else(|| panic!("another error"), |error| *error)),
    }
}

#[test]
fn what_age_itself_sealed_is_opened() {
    let file = BASE64.decode(BY_AGE.as_bytes()).expect("base64");
    assert_eq!(opened(&file, &key()).expect("opened"), PLAIN.as_bytes());
    let file = BASE64.decode(BY_AGE_PASSPHRASE.as_bytes()).expect("base64");
    assert_eq!(opened(&file, &OpenKey::Passphrase(PASSPHRASE.to_owned())).expect("opened"), PLAIN.as_bytes());
    assert_eq!(opened(&file, &key()), Err(AgeError::OtherKey("by a passphrase")));
    let own = StaticSecret::from(identities(IDENTITY).expect("keys")[0]);
    assert_eq!(recipient(RECIPIENT).expect("a key"), PublicKey::from(&own).to_bytes(), "one belongs to the other");
}

#[test]
fn what_is_sealed_is_opened_whatever_its_length() {
    let to = SealKey::Recipients(vec![[9; 32], recipient(RECIPIENT).expect("a key")]);
    for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK] {
        let plain: Vec<u8> = (0..length).map(|place| (place % 251) as u8).collect();
        assert_eq!(opened(&sealed(&plain, &to), &key()).expect("opened"), plain, "{length}");
    }
    let sealed = sealed(b"x", &SealKey::Passphrase(PASSPHRASE.to_owned()));
    assert_eq!(opened(&sealed, &OpenKey::Passphrase(PASSPHRASE.to_owned())).expect("opened"), b"x");
    assert_eq!(opened(&sealed, &OpenKey::Passphrase("another".to_owned())), Err(AgeError::Passphrase));
    assert_eq!(opened(&sealed, &key()), Err(AgeError::OtherKey("by a passphrase")));
}

#[test]
fn every_byte_that_is_changed_and_every_cut_is_found() {
    let to = SealKey::Recipients(vec![recipient(RECIPIENT).expect("a key")]);
    let plain = vec![7_u8; 2 * CHUNK + 100];
    let file = sealed(&plain, &to);
    let head = file.windows(5).position(|part| part == b"\n--- ").expect("a head");
    // All of the head and its surroundings, and some of each part.
    for place in (0..head + 80).chain((head + 80..file.len()).step_by(4099)).chain([file.len() - 1]) {
        let mut bytes = file.clone();
        bytes[place] ^= 1;
        assert!(opened(&bytes, &key()).is_err(), "byte {place}");
    }
    for length in (0..file.len()).step_by(977).chain([file.len() - 1, file.len() - 116]) {
        assert!(opened(&file[..length], &key()).is_err(), "cut at {length}");
    }
    // Right behind a part.
    let start = file.len() - (2 * (CHUNK + TAG) + 100 + TAG);
    let cut = start + CHUNK + TAG;
    assert_eq!(opened(&file[..cut], &key()), Err(AgeError::Cut(cut as u64)));
    let mut longer = file.clone();
    longer.push(0);
    assert!(opened(&longer, &key()).is_err(), "more than there was");
    // Parts in another order.
    let mut swapped = file;
    let (first, second) = swapped[start..].split_at_mut(CHUNK + TAG);
    first.swap_with_slice(&mut second[..CHUNK + TAG]);
    assert_eq!(opened(&swapped, &key()), Err(AgeError::Damaged(start as u64)));
}

#[test]
fn texts_that_are_no_keys_are_refused() {
    for text in [
        "",
        "age1",
        "age1zl8qtjtq6d9c7l9ufvdsd38dzm53epv9d6vgg2xxyc3emd23vqaq7vytt8",
        "agf1zl8",
        "AGE1X",
        &RECIPIENT.to_uppercase(),
    ] {
        assert!(recipient(text).is_err(), "{text}");
    }
    for text in
        ["", "# nothing\n", RECIPIENT, "AGE-SECRET-KEY-1MU8EV6QTL87UH4AGFSLJ03ZZKHVHLT8R6K9KLXKY6DC8KXWARX5QNE46CE\n"]
    {
        assert!(identities(text).is_err_and(|error| !error.to_string().contains("MU8E")), "{text}");
    }
    let pasted = "AGE-SECRET-KEY-1MU8EV6QTL87UH4AGFSLJ03ZZKHVHLT8R6K9KLXKY6DC8KXWARX5QNE46CE";
    for text in [pasted.to_owned(), pasted.to_lowercase()] {
        assert!(recipient(&text).is_err_and(|error| !error.to_string().to_uppercase().contains("MU8E")), "{text}");
    }
    // An effort that would take all memory.
    let greedy = |log_n: u8| {
        format!(
            "age-encryption.org/v1\n-> scrypt {} {log_n}\n{}\n--- {}\n",
            BASE64_NOPAD.encode(&[1; 16]),
            BASE64_NOPAD.encode(&[1; 32]),
            BASE64_NOPAD.encode(&[1; 32])
        )
    };
    for log_n in [19, 40, 255] {
        let refused = opened(greedy(log_n).as_bytes(), &OpenKey::Passphrase("x".to_owned()));
        assert_eq!(refused, Err(AgeError::Head("its effort is beyond what is opened")), "{log_n}");
    }
}
