//! The server of the page: on this machine alone, one request at a time.

use std::io::Read;
use std::net::Ipv4Addr;
use std::process::ExitCode;

use serde_json::json;
use tiny_http::{Header, Request, Response, Server};

use super::api::{self, Asked, Refusal, Reply};
use crate::failure::Failure;
use crate::say;

/// A request may come with so many bytes: the longest logs have some hundred thousand.
const MAX_BODY: u64 = 8 << 20;

/// Answers until the program is ended.
pub(super) fn serve(port: u16, page: &str) -> Result<ExitCode, Failure> {
    let server = Server::http((Ipv4Addr::LOCALHOST, port))
        .map_err(|error| Failure::failed(format!("cannot listen on 127.0.0.1:{port}: {error}")))?;
    say::out(&format!("http://{}/", server.server_addr()));
    say::err("serving until Ctrl-C");
    for mut request in server.incoming_requests() {
        let reply = answered(&mut request, page);
        // Whoever does not wait for the answer has gone.
        let _gone = request.respond(response(reply));
    }
    Ok(ExitCode::SUCCESS)
}

fn answered(request: &mut Request, page: &str) -> Result<Reply, Refusal> {
    from_here(request)?;
    let (method, address) = (request.method().to_string(), request.url().to_owned());
    let path = address.split('?').next().unwrap_or("");
    if method == "GET" && matches!(path, "/" | "/index.html") {
        return Ok(Reply::html(page));
    }
    let mut body = Vec::new();
    let mut limited = request.as_reader().take(MAX_BODY + 1);
    limited.read_to_end(&mut body).map_err(|error| Refusal {
        status: 400,
        text: format!("the body cannot be read: {error}"),
    })?;
    if body.len() as u64 > MAX_BODY {
        return Err(Refusal {
            status: 413,
            text: format!("the body is too long: at most {MAX_BODY} bytes are read"),
        });
    }
    api::answer(&Asked {
        method: &method,
        address: &address,
        body: &body,
    })
}

/// Refuses requests that a page from elsewhere has a browser make: its own name for this machine is in
/// `Host` then, or its address is in `Origin`.
fn from_here(request: &Request) -> Result<(), Refusal> {
    let value = |name: &'static str| {
        let mut headers = request.headers().iter();
        let found = headers.find(|header| header.field.equiv(name));
        found.map(|header| header.value.as_str())
    };
    let refused = |text: String| Err(Refusal { status: 403, text });
    match value("Host") {
        Some(host) if is_loopback(host) => {}
        Some(host) => {
            return refused(format!(
                "'{host}' is not this machine: ask for 127.0.0.1 or localhost"
            ));
        }
        None => return refused("there is no Host: ask for 127.0.0.1 or localhost".to_owned()),
    }
    match value("Origin") {
        None => Ok(()),
        // Another program's page on this machine is a stranger, too.
        Some(origin) if origin.strip_prefix("http://") == value("Host") => Ok(()),
        Some(origin) => refused(format!(
            "'{origin}' is another page: only the one from this server may ask"
        )),
    }
}

/// Whether a host, with its port or without, is this machine.
fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|it| it.is_ascii_digit()) => name,
        _ => host,
    };
    matches!(name, "127.0.0.1" | "localhost" | "[::1]")
}

fn response(reply: Result<Reply, Refusal>) -> Response<std::io::Cursor<Vec<u8>>> {
    let (status, reply) = match reply {
        Ok(reply) => (200, reply),
        Err(Refusal { status, text }) => {
            let body = json!({ "error": text }).to_string().into_bytes();
            let content_type = "application/json";
            (status, Reply { content_type, body })
        }
    };
    let header = |name: &str, value: &str| {
        Header::from_bytes(name, value).expect("names and values of headers are plain")
    };
    Response::from_data(reply.body)
        .with_status_code(status)
        .with_header(header("Content-Type", reply.content_type))
        .with_header(header("Cache-Control", "no-store"))
        .with_header(header("X-Content-Type-Options", "nosniff"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_this_machine() {
        for host in [
            "127.0.0.1",
            "127.0.0.1:80",
            "localhost:1",
            "[::1]:8080",
            "[::1]",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil:80",
            "",
            ":80",
            "a:b",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
