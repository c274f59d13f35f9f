//! Sinks for notices: an HTTP server that keeps webhooks, an SMTP server that keeps mail (RFC 5321, as much as a sink needs).

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A webhook as it came.
#[derive(Debug, Clone)]
pub struct Hook {
    /// When the request came.
    pub at: ioc_common::clock::Timestamp,
    /// Headers by lower-case name.
    pub headers: Vec<(String, String)>,
    /// Body of the request.
    pub body: String,
}

/// Whatever a sink has kept; what it does with each is up to whoever made it.
pub type Received<T> = Arc<Mutex<Vec<T>>>;

/// Serves webhooks on `listener`. `answer` decides the status by how many came before.
pub async fn webhooks(listener: TcpListener, kept: Received<Hook>, answer: fn(usize) -> u16, show: bool) {
    loop {
        let Ok((socket, _)) = listener.accept().await else { continue };
        let kept = Arc::clone(&kept);
        tokio::spawn(async move {
            let service = service_fn(move |request| take(request, Arc::clone(&kept), answer, show));
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
        });
    }
}

async fn take(
    request: Request<Incoming>,
    kept: Received<Hook>,
    answer: fn(usize) -> u16,
    show: bool,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let text = |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = request.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let body = String::from_utf8_lossy(&body).into_owned();
    if show {
        print_block("WEBHOOK", &digest(&body));
    }
    let mut kept = kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let status = StatusCode::from_u16(answer(kept.len())).unwrap_or(StatusCode::OK);
    kept.push(Hook { at: ioc_common::clock::now(), headers, body });
    let mut response = Response::new(Full::new(Bytes::from_static(b"taken\n")));
    *response.status_mut() = status;
    Ok(response)
}

/// Serves SMTP on `listener`; each mail is kept whole, headers and body.
pub async fn mail(listener: TcpListener, kept: Received<String>, show: bool) {
    loop {
        let Ok((socket, _)) = listener.accept().await else { continue };
        let kept = Arc::clone(&kept);
        tokio::spawn(async move {
            let _ = converse(socket, &kept, show).await;
        });
    }
}

async fn converse(socket: TcpStream, kept: &Received<String>, show: bool) -> std::io::Result<()> {
    let mut stream = BufReader::new(socket);
    stream.write_all(b"220 sink ready\r\n").await?;
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let verb = line.split([' ', ':', '\r']).next().unwrap_or("").to_ascii_uppercase();
        match verb.as_str() {
            "EHLO" => stream.write_all(b"250-sink\r\n250 8BITMIME\r\n").await?,
            "QUIT" => return stream.write_all(b"221 bye\r\n").await,
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await?;
                let mut mail = String::new();
                loop {
                    line.clear();
                    if stream.read_line(&mut line).await? == 0 || line == ".\r\n" {
                        break;
                    }
                    mail.push_str(line.strip_prefix('.').unwrap_or(&line));
                }
                if show {
                    print_block("E-MAIL", &readable(&mail));
                }
                kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(mail);
                stream.write_all(b"250 kept\r\n").await?;
            }
            _ => stream.write_all(b"250 ok\r\n").await?,
        }
    }
}

/// The head of a webhook, for a person; the whole body is a screenful.
fn digest(body: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    let alert = &value["alerts"][0];
    let text = |value: &serde_json::Value| value.as_str().unwrap_or("-").to_owned();
    // A text message: to whom, and all of it.
    if value["alerts"].is_null() && value["text"].is_string() {
        return format!("SMS to {}\n{}", text(&value["to"]), text(&value["text"]));
    }
    format!(
        "{} · {} · {}\n{} bytes, Alertmanager version {}",
        text(&value["status"]),
        text(&alert["annotations"]["summary"]),
        text(&alert["startsAt"]),
        body.len(),
        text(&value["version"])
    )
}

#[allow(clippy::print_stdout, reason = "showing is what this sink is for")]
fn print_block(title: &str, text: &str) {
    let rule = "-".repeat(70);
    println!("{rule}\n{title}  {}\n{}\n", ioc_common::clock::now(), text.trim());
}

/// A mail as a person reads it: quoted-printable and base64 of UTF-8 undone.
#[must_use]
pub fn readable(mail: &str) -> String {
    let (head, body) = mail.split_once("\r\n\r\n").unwrap_or((mail, ""));
    let lower = head.to_lowercase();
    let body = if lower.contains("content-transfer-encoding: quoted-printable") {
        unquote(body)
    } else if lower.contains("content-transfer-encoding: base64") {
        let compact: String = body.chars().filter(|c| !c.is_whitespace()).collect();
        String::from_utf8_lossy(&unbase64(&compact)).into_owned()
    } else {
        body.to_owned()
    };
    // Between two encoded words the white space is only folding (RFC 2047, 6.2).
    let head = head.replace("?=\r\n =?", "?==?").replace("?= =?", "?==?").replace("\r\n ", " ");
    let head: String = head
        .split("=?utf-8?")
        .enumerate()
        .map(|(place, part)| if place == 0 { part.to_owned() } else { unword(part) })
        .collect();
    format!("{head}\r\n\r\n{body}").replace("\r\n", "\n")
}

/// What follows `=?utf-8?`: the method, the text, and what comes after it.
fn unword(part: &str) -> String {
    let decoded = part.split_once('?').and_then(|(method, rest)| {
        let (text, after) = rest.split_once("?=")?;
        let plain = match method {
            "b" => String::from_utf8_lossy(&unbase64(text)).into_owned(),
            _ => unquote(&text.replace('_', " ")),
        };
        Some(format!("{plain}{after}"))
    });
    decoded.unwrap_or_else(|| part.to_owned())
}

fn unquote(text: &str) -> String {
    let joined = text.replace("=\r\n", "");
    let mut bytes = Vec::with_capacity(joined.len());
    let mut rest = joined.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let hex = tail
            .get(..2)
            .filter(|_| byte == b'=')
            .and_then(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok());
        match hex {
            Some(value) => {
                bytes.push(value);
                rest = &tail[2..];
            }
            None => {
                bytes.push(byte);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn unbase64(text: &str) -> Vec<u8> {
    let value =
        |c: u8| b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".iter().position(|b| *b == c);
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_usize, 0);
    for digit in text.bytes().filter_map(value) {
        bits = (bits << 6 | digit) & 0xff_ffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}
