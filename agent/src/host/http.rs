//! One request over HTTP/1.1 to another system, and its answer: for the collector's page that enrols, an endpoint whose head is asked for,
//! and the address that is told of a missing collector. How long it may take is for whoever asks.

use std::sync::Arc;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request, Uri, header};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

/// What to ask, whom, and how much of the answer to read.
#[derive(Debug)]
pub struct HttpRequest<'a> {
    /// HEAD to ask for the status alone, POST to send `json`.
    pub method: Method,
    /// Where: `https://` needs `tls`.
    pub url: &'a str,
    /// JSON that is sent along; nothing when it is empty.
    pub json: Vec<u8>,
    /// Whom to trust; not looked at for `http://`.
    pub tls: Arc<ClientConfig>,
    /// Most bytes of the answer's body; 0 where only its status counts: then none of it is read.
    pub max_bytes: usize,
}

/// The answer to it.
#[derive(Debug)]
pub struct HttpResponse {
    /// Status of the answer; redirects are not followed.
    pub status: hyper::StatusCode,
    /// As much of the body as the asker allowed; more is an error.
    pub body: Bytes,
}

/// A request that was not answered.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The address is none that can be asked.
    #[error("{0}")]
    Address(String),
    /// There is no connection, or it broke.
    #[error("{0}")]
    Connection(String),
    /// What came is no HTTP, not whole, or too long.
    #[error("{0}")]
    Answer(String),
}

impl From<hyper::Error> for HttpError {
    fn from(error: hyper::Error) -> Self {
        if error.is_parse() || error.is_incomplete_message() {
            Self::Answer(error.to_string())
        } else {
            Self::Connection(error.to_string())
        }
    }
}

/// Makes one request, on a connection of its own.
///
/// # Errors
/// [`HttpError`] says whether it was the address, the connection or the answer.
pub async fn send(request: HttpRequest<'_>) -> Result<HttpResponse, HttpError> {
    let HttpRequest { method, url, json, tls, max_bytes } = request;
    let wrong = || HttpError::Address(format!("found {url:?}; allowed are http:// and https://"));
    let uri: Uri = url.parse().map_err(|error| HttpError::Address(format!("found {url:?}: {error}")))?;
    let secure = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        _ => return Err(wrong()),
    };
    let host = uri.host().ok_or_else(wrong)?.trim_matches(['[', ']']).to_owned();
    let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let mut request = Request::builder()
        .method(method)
        .uri(uri.path_and_query().map_or("/", |path| path.as_str()))
        .header(header::HOST, authority.rsplit('@').next().unwrap_or_default())
        .header(header::USER_AGENT, "ioc-agent");
    if !json.is_empty() {
        request = request.header(header::CONTENT_TYPE, "application/json");
    }
    let request =
        request.body(Full::new(Bytes::from(json))).map_err(|error| HttpError::Address(format!("{url}: {error}")))?;

    let broken = |error: &dyn std::fmt::Display| HttpError::Connection(error.to_string());
    let stream = TcpStream::connect((host.as_str(), port)).await.map_err(|error| broken(&error))?;
    if !secure {
        return exchange(stream, request, max_bytes).await;
    }
    let name = ServerName::try_from(host).map_err(|error| HttpError::Address(format!("{url}: {error}")))?;
    let stream = TlsConnector::from(tls).connect(name, stream).await.map_err(|error| broken(&error))?;
    exchange(stream, request, max_bytes).await
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
    max_bytes: usize,
) -> Result<HttpResponse, HttpError> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // It ends with this function, however that ends.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let response = sender.send_request(request).await?;
    let status = response.status();
    if max_bytes == 0 {
        return Ok(HttpResponse { status, body: Bytes::new() });
    }
    let body = Limited::new(response.into_body(), max_bytes).collect().await;
    let body = body.map_err(|error| HttpError::Answer(error.to_string()))?.to_bytes();
    Ok(HttpResponse { status, body })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    /// Asks a server that says this, whatever it is asked.
    async fn ask_server(answer: &'static str, max_bytes: usize) -> (Result<HttpResponse, HttpError>, String) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/hook?a=b", listener.local_addr().expect("an address"));
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut question = vec![0; 4096];
            let mut filled = 0;
            while !question[..filled].ends_with(b"{}") {
                filled += stream.read(&mut question[filled..]).await.expect("a question");
            }
            stream.write_all(answer.as_bytes()).await.expect("an answer");
            question.truncate(filled);
            String::from_utf8(question).expect("text")
        });
        let (method, json) = (Method::POST, b"{}".to_vec());
        let result = send(HttpRequest { method, url: &url, json, tls: tls(), max_bytes }).await;
        (result, server.await.expect("the server"))
    }

    fn tls() -> Arc<ClientConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let roots = rustls::RootCertStore::empty();
        Arc::new(builder.expect("versions").with_root_certificates(roots).with_no_client_auth())
    }

    #[tokio::test]
    async fn an_answer_is_taken_as_far_as_it_is_one() {
        let (answer, question) = ask_server("HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\nok", 8).await;
        let answer = answer.expect("an answer");
        assert_eq!((answer.status.as_u16(), &answer.body[..]), (202, b"ok".as_slice()));
        assert!(question.starts_with("POST /hook?a=b HTTP/1.1\r\n"), "{question}");
        assert!(question.to_lowercase().contains("content-type: application/json\r\n"), "{question}");
        for none in ["220 mail\r\n\r\n", "", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ntoo much!"] {
            let (answer, _) = ask_server(none, 8).await;
            assert!(matches!(answer, Err(HttpError::Answer(_))), "{none:?}: {answer:?}");
        }
        let (answer, _) = ask_server("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ntoo much!", 0).await;
        assert!(answer.is_ok_and(|answer| answer.status.is_success() && answer.body.is_empty()));
    }

    #[tokio::test]
    async fn an_address_that_cannot_be_asked_is_named() {
        for url in ["ftp://example.vn/", "example.vn", "http://", "https://exa mple.vn/"] {
            let request = HttpRequest { method: Method::HEAD, url, json: Vec::new(), tls: tls(), max_bytes: 0 };
            let refused = send(request).await.expect_err("no such address");
            assert!(matches!(&refused, HttpError::Address(why) if why.contains(url)), "{url}: {refused}");
        }
    }
}
