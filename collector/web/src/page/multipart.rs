//! A form with a file as browsers send it (`multipart/form-data`, RFC 7578), read from what has come whole: the body has its bound before. Nothing is
//! kept of it but names and contents; what is no such form is none, and never a part of one.

use axum::http::{HeaderMap, header};

/// Longest boundary (RFC 2046, 5.1.1), and most fields of one form.
const BOUNDARY_MAX: usize = 70;
const FIELDS_MAX: usize = 64;

/// A field with its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Field<'b> {
    pub(crate) name: String,
    pub(crate) content: &'b [u8],
}

/// What stands between the fields, where it is such a form.
pub(crate) fn boundary(headers: &HeaderMap) -> Option<String> {
    let kind = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let (kind, parameters) = kind.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = parameters.split(';').find_map(|one| {
        let (name, value) = one.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"').to_owned())
    })?;
    (1..=BOUNDARY_MAX).contains(&boundary.len()).then_some(boundary)
}

/// The fields in their order; none where the body is not whole, or no such form.
pub(crate) fn fields<'b>(body: &'b [u8], boundary: &str) -> Option<Vec<Field<'b>>> {
    let first = format!("--{boundary}");
    let between = format!("\r\n--{boundary}");
    let mut rest = body.get(find(body, first.as_bytes())? + first.len()..)?;
    let mut fields = Vec::new();
    loop {
        if rest.starts_with(b"--") {
            return Some(fields);
        }
        if fields.len() == FIELDS_MAX {
            return None;
        }
        let part = rest.strip_prefix(b"\r\n")?;
        let end = find(part, between.as_bytes())?;
        let (whole, behind) = (part.get(..end)?, part.get(end + between.len()..)?);
        let head = find(whole, b"\r\n\r\n")?;
        let name = name_of(std::str::from_utf8(whole.get(..head)?).ok()?)?;
        fields.push(Field { name, content: whole.get(head + 4..)? });
        rest = behind;
    }
}

fn find(body: &[u8], what: &[u8]) -> Option<usize> {
    body.windows(what.len()).position(|window| window == what)
}

/// What a field is called, by its headers.
fn name_of(headers: &str) -> Option<String> {
    let line = headers.lines().find(|line| line.to_ascii_lowercase().starts_with("content-disposition:"))?;
    line.split(';').find_map(|one| {
        let value = one.trim().strip_prefix("name=\"")?;
        value.strip_suffix('"').map(str::to_owned)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_with_a_file_is_read_and_what_is_none_is_not() {
        let mut headers = HeaderMap::new();
        assert_eq!(boundary(&headers), None);
        headers.insert(header::CONTENT_TYPE, "multipart/form-data; boundary=\"x-1\"".parse().expect("a header"));
        let of = boundary(&headers).expect("one");
        let body = b"--x-1\r\nContent-Disposition: form-data; name=\"digest\"\r\n\r\nab\r\n--x-1\r\n\
                     content-disposition: form-data; name=\"file\"; filename=\"a;b.csv\"\r\nContent-Type: text/csv\r\n\r\n\
                     name,kind\r\nM\xc3\xa1y,server\r\n\r\n--x-1--\r\n";
        let found = fields(body, &of).expect("a form");
        let field = |name: &str, content: &'static str| Field { name: name.to_owned(), content: content.as_bytes() };
        assert_eq!(found, [field("digest", "ab"), field("file", "name,kind\r\nMáy,server\r\n")]);
        for end in 0..body.len() - 4 {
            assert!(fields(&body[..end], &of).is_none_or(|all| all.len() == 2), "what is cut off is no form: {end}");
        }
        headers.insert(header::CONTENT_TYPE, "application/x-www-form-urlencoded".parse().expect("a header"));
        assert_eq!(boundary(&headers), None);
    }
}
