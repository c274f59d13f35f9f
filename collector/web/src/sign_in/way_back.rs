//! Where a person was when they were asked to sign in: the page that they go back to, in an address of ours and nowhere else.

use axum::http::{HeaderMap, Method, Uri};

use ioc_store::template::percent_encoded;

use crate::language::referring_page;

/// Longest address that is gone back to, characters: lists with all their filters are below it.
const ADDRESS_MAX: usize = 1000;

/// What nobody is on: ways in and out, and what programs ask.
const LEADS_IN: [&str; 5] = ["/login", "/logout", "/live", "/static", "/api/"];

/// This address if it is one of ours that a person can be on; the first page otherwise. It holds nothing that means anything in HTML but `&`.
pub(crate) fn allowed(address: &str) -> &str {
    let is_plain = |letter: u8| letter.is_ascii_alphanumeric() || b"/_-.~?&=%+:,;@*!".contains(&letter);
    let fits = address.len() <= ADDRESS_MAX && address.bytes().all(is_plain);
    let is_ours = address.starts_with('/') && !address.starts_with("//");
    let path = address.split('?').next().unwrap_or_default();
    let leads_in = LEADS_IN.iter().any(|one| path.starts_with(one));
    if fits && is_ours && !leads_in { address } else { "/" }
}

/// The page to sign in, with the way back to what was asked for: of a form, to the page that it stands on. It says that a session has ended
/// where one was shown, or where whoever asks comes from a page of ours: the cookie goes when the session does.
pub(crate) fn login_address(method: &Method, asked: &Uri, headers: &HeaderMap, ended: bool) -> String {
    let page = if method == Method::GET {
        asked.path_and_query().map(|asked| asked.as_str().to_owned())
    } else {
        referring_page(headers)
    };
    let next = page.as_deref().map_or("/", allowed);
    let ended = ended || referring_page(headers).is_some_and(|from| !LEADS_IN.iter().any(|one| from.starts_with(one)));
    let mut said = Vec::new();
    if next != "/" {
        said.push(format!("next={}", percent_encoded(next)));
    }
    if ended {
        said.push("ended=1".to_owned());
    }
    if said.is_empty() { "/login".to_owned() } else { format!("/login?{}", said.join("&")) }
}

#[cfg(test)]
mod tests {
    use axum::http::header;

    use super::*;

    #[test]
    fn only_a_page_of_ours_is_gone_back_to() {
        for good in ["/", "/incidents/7", "/devices?search=m%C3%A1y&kind=server", "/a/abc_DEF-1", "/duty#now"] {
            let is_whole = !good.contains('#');
            assert_eq!(allowed(good) == good, is_whole, "{good}");
        }
        for bad in [
            "//evil.example",
            "https://evil.example",
            "/\\evil.example",
            "/x\"><script>",
            "/login?next=/",
            "/logout",
            "/a\r\nset-cookie: x",
            "",
            "evil",
        ] {
            assert_eq!(allowed(bad), "/", "{bad}");
        }
        assert_eq!(allowed(&format!("/{}", "a".repeat(2000))), "/");
    }

    #[test]
    fn a_form_leads_back_to_its_page_and_an_ended_session_is_said() {
        let mut headers = HeaderMap::new();
        let asked: Uri = "/incidents/7?x=1".parse().expect("an address");
        assert_eq!(login_address(&Method::GET, &asked, &headers, false), "/login?next=%2Fincidents%2F7%3Fx%3D1");
        assert_eq!(login_address(&Method::POST, &asked, &headers, true), "/login?ended=1");
        headers.insert(header::HOST, "ioc.example".parse().expect("a name"));
        headers.insert(header::REFERER, "https://ioc.example/incidents/7".parse().expect("an address"));
        let back = login_address(&Method::POST, &asked, &headers, true);
        assert_eq!(back, "/login?next=%2Fincidents%2F7&ended=1");
        assert!(
            login_address(&Method::GET, &asked, &headers, false).ends_with("&ended=1"),
            "it comes from a page of ours"
        );
        headers.insert(header::REFERER, "https://ioc.example/login".parse().expect("an address"));
        assert!(!login_address(&Method::GET, &asked, &headers, false).contains("ended"));
        headers.insert(header::REFERER, "https://evil.example/incidents/7".parse().expect("an address"));
        assert_eq!(login_address(&Method::POST, &asked, &headers, false), "/login");
    }
}
