//! What one request makes of one answer.

use super::fake::{Fake, Reply, Tls, http};
use super::*;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::PathBuf;
use std::time::SystemTime;
use tempfile::TempDir;

const CAP: usize = 2 << 20;
const ASK: Ask<'_> = Ask { accept: "application/json", headers: &[("x-sample", "yes")], etag: None, max_bytes: CAP };

fn client(settings: ClientSettings) -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::new(settings).unwrap()
}

async fn ask(url: &Url, etag: Option<&str>) -> Result<Answer, FetchError> {
    client(ClientSettings::new(url.clone())).get(Ask { etag, ..ASK }, SystemTime::UNIX_EPOCH).await
}

async fn answer(reply: Reply, etag: Option<&str>) -> Result<Answer, FetchError> {
    ask(&Fake::serve(vec![reply]).await.url, etag).await
}

fn body(bytes: impl AsRef<[u8]>, etag: Option<&str>) -> Result<Answer, FetchError> {
    Ok(Answer::Body { bytes: bytes.as_ref().to_vec(), etag: etag.map(str::to_owned) })
}

fn status(status: u16, wait: Option<u64>) -> Result<Answer, FetchError> {
    Err(FetchError::Status { status, wait: wait.map(Duration::from_secs) })
}

#[tokio::test]
async fn judges_each_answer_whole() {
    let long_tag = format!("etag: \"{}\"\r\n", "a".repeat(300));
    let cases = [
        (http("200 OK", "", "abc"), None, body("abc", None)),
        (http("200 OK", "", ""), None, body("", None)),
        (http("200 OK", "etag: W/\"a\"\r\n", "abc"), None, body("abc", Some("W/\"a\""))),
        (http("200 OK", &long_tag, "abc"), None, body("abc", None)),
        (http("200 OK", "content-type: text/html\r\n", "abc"), Some("\"a\""), body("abc", None)),
        (http("304 Not Modified", "", ""), Some("\"a\""), Ok(Answer::NotModified)),
        (http("304 Not Modified", "", ""), None, status(304, None)),
        (http("403 Forbidden", "retry-after: 120\r\n", "abc"), None, status(403, Some(120))),
        (http("429 Too Many Requests", "x-ratelimit-reset: 500\r\n", "abc"), None, status(429, Some(500))),
        (http("500 Internal Server Error", "", "abc"), None, status(500, None)),
        (http("204 No Content", "", ""), None, status(204, None)),
        (http("206 Partial Content", "", "abc"), None, status(206, None)),
    ];
    for (index, (reply, etag, want)) in cases.into_iter().enumerate() {
        assert_eq!(answer(reply, etag).await, want, "case {index}");
    }
}

#[tokio::test]
async fn says_who_asks_and_for_what() {
    let fake = Fake::serve(vec![http("200 OK", "", "a"), http("304 Not Modified", "", "")]).await;
    ask(&fake.url, None).await.unwrap();
    ask(&fake.url, Some("W/\"a\"")).await.unwrap();
    let requests = fake.requests();
    for request in &requests {
        assert!(request.starts_with("get /meta http/1.1\r\n"), "{request}");
        let agent = format!("user-agent: {USER_AGENT}");
        for line in ["accept: application/json", "x-sample: yes", "accept-encoding: gzip", &agent] {
            assert!(request.contains(&format!("\r\n{line}\r\n")), "{line} is not in {request}");
        }
        assert!(!request.contains("authorization"), "{request}");
    }
    assert!(!requests[0].contains("if-none-match"), "{}", requests[0]);
    assert!(requests[1].contains("\r\nif-none-match: w/\"a\"\r\n"), "{}", requests[1]);
}

#[tokio::test]
async fn finds_localhost_without_a_name_service() {
    let mut url = Fake::serve(vec![http("200 OK", "", "a")]).await.url;
    url.set_host(Some("localhost")).unwrap();
    assert_eq!(ask(&url, None).await, body("a", None));
}

fn chunked(bytes: &[u8]) -> Reply {
    let head = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n", bytes.len());
    Reply::Close([head.as_bytes(), bytes, b"\r\n0\r\n\r\n"].concat())
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn takes_no_more_than_the_cap() {
    let bytes = |length: usize| vec![b' '; length];
    assert_eq!(answer(http("200 OK", "", bytes(CAP)), None).await, body(bytes(CAP), None));
    assert_eq!(answer(chunked(&bytes(CAP)), None).await, body(bytes(CAP), None));
    for length in [CAP + 1, 3 << 20] {
        assert_eq!(answer(http("200 OK", "", bytes(length)), None).await, Err(FetchError::TooBig(CAP)), "{length}");
        assert_eq!(answer(chunked(&bytes(length)), None).await, Err(FetchError::TooBig(CAP)), "{length} in chunks");
    }
}

#[tokio::test]
async fn the_cap_holds_after_decompression() {
    let zipped = |bytes: &[u8]| http("200 OK", "content-encoding: gzip\r\n", gzip(bytes));
    assert_eq!(answer(zipped(b"abc"), None).await, body("abc", None));
    assert_eq!(answer(zipped(&vec![0; CAP]), None).await, body(vec![0; CAP], None));
    let bomb = vec![0; 32 << 20];
    assert!(gzip(&bomb).len() < CAP, "small on the wire");
    assert_eq!(answer(zipped(&bomb), None).await, Err(FetchError::TooBig(CAP)));
    let mut cut = gzip(b"abcdefgh");
    cut.truncate(15);
    for broken in [cut, b"abc".to_vec()] {
        let got = answer(http("200 OK", "content-encoding: gzip\r\n", broken), None).await;
        assert!(matches!(got, Err(FetchError::Network(_))), "{got:?}");
    }
}

#[tokio::test]
async fn follows_no_redirect_to_another_host() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let port = elsewhere.local_addr().unwrap().port();
    let codes =
        ["301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"];
    let targets = [
        format!("http://127.0.0.1:{port}/meta"),
        format!("http://localhost:{port}/"),
        format!("https://127.0.0.1:{port}/meta"),
        format!("//127.0.0.1:{port}/meta"),
        "http://169.254.169.254/latest/meta-data".to_owned(),
        "ftp://127.0.0.1/meta".to_owned(),
    ];
    for (code, target) in codes.iter().flat_map(|code| targets.iter().map(move |target| (code, target))) {
        let got = answer(http(code, &format!("location: {target}\r\n"), "a"), None).await;
        let want = FetchError::Redirect { status: code[..3].parse().unwrap(), location: target.clone() };
        assert_eq!(got, Err(want), "{code}");
    }
    let contacted = elsewhere.accept().map(|_| ()).map_err(|error| error.kind());
    assert_eq!(contacted, Err(std::io::ErrorKind::WouldBlock), "the other host must never be asked");
}

#[tokio::test]
async fn follows_three_redirects_on_the_same_host() {
    let moved = |to: &str| http("302 Found", &format!("location: {to}\r\n"), "");
    let fake = Fake::serve(vec![moved("/a"), moved("b"), moved("/c?d"), http("200 OK", "", "abc")]).await;
    assert_eq!(ask(&fake.url, None).await, body("abc", None));
    let asked: Vec<String> = fake.requests().iter().map(|r| r.lines().next().unwrap().to_owned()).collect();
    assert_eq!(asked, ["get /meta http/1.1", "get /a http/1.1", "get /b http/1.1", "get /c?d http/1.1"]);
    let fake = Fake::serve((0..9).map(|_| moved("/meta")).collect()).await;
    let want = FetchError::Redirect { status: 302, location: "/meta".to_owned() };
    assert_eq!(ask(&fake.url, None).await, Err(want), "a circle");
    assert_eq!(fake.requests().len(), 4);
}

#[tokio::test]
async fn refuses_answers_that_end_early() {
    let whole = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nabcdef";
    assert_eq!(answer(Reply::Close(whole.into()), None).await, body("abcdef", None));
    for length in [0, 5, 20, whole.len() - 6, whole.len() - 1] {
        let got = answer(Reply::Close(whole[..length].into()), None).await;
        assert!(matches!(got, Err(FetchError::Network(_))), "{length} bytes: {got:?}");
    }
    // Nobody listens any more on a port that was just given back.
    let freed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let got = ask(&Url::parse(&format!("http://{freed}/meta")).unwrap(), None).await;
    assert!(matches!(&got, Err(FetchError::Network(text)) if !text.contains("http://")), "{got:?}");
    let nowhere = ask(&Url::parse("https://no-such-host.invalid/meta").unwrap(), None).await;
    assert!(matches!(&nowhere, Err(FetchError::Network(_))), "{nowhere:?}");
}

#[tokio::test]
async fn gives_up_on_slow_servers() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n";
    for start in [String::new(), head.to_owned(), format!("{head}\r\nabc")] {
        let fake = Fake::serve(vec![Reply::Hold(start.clone().into_bytes())]).await;
        let timeouts = Timeouts { total: Duration::from_millis(100), ..Timeouts::default() };
        let client = client(ClientSettings { timeouts, ..ClientSettings::new(fake.url.clone()) });
        let got = client.get(ASK, SystemTime::UNIX_EPOCH).await;
        assert!(matches!(got, Err(FetchError::Timeout(_))), "{start:?}: {got:?}");
    }
}

#[tokio::test]
async fn a_token_is_read_from_its_file_at_each_request() {
    let replies =
        (0..2).map(|_| http("200 OK", "", "")).chain([http("302 Found", "location: http://127.0.0.2/\r\n", "")]);
    let fake = Fake::serve(replies.collect()).await;
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("token");
    let client = client(ClientSettings { token_file: Some(file.clone()), ..ClientSettings::new(fake.url.clone()) });
    let get = async || client.get(ASK, SystemTime::UNIX_EPOCH).await;
    for (content, want) in [("one\n", "bearer one"), (" two", "bearer two")] {
        std::fs::write(&file, content).unwrap();
        get().await.unwrap();
        let asked = fake.requests();
        assert!(asked.last().unwrap().contains(&format!("\r\nauthorization: {want}\r\n")), "{asked:?}");
    }
    for content in ["", "\n", "a b", "a\nb", "ä", &"a".repeat(20_000)] {
        std::fs::write(&file, content).unwrap();
        let got = get().await.unwrap_err();
        let FetchError::Token(text) = &got else { panic!("{content:?}: {got:?}") };
        assert!(text.contains("token") && (content.len() < 3 || !text.contains(content)), "{text}");
    }
    std::fs::remove_file(&file).unwrap();
    assert!(matches!(get().await, Err(FetchError::Token(_))));
    assert_eq!(fake.requests().len(), 2, "without its token nothing is asked");
    std::fs::write(&file, "three").unwrap();
    assert!(matches!(get().await, Err(FetchError::Redirect { .. })), "and it goes to no other host");
}

fn written(folder: &TempDir, name: &str, content: &str) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    path
}

#[tokio::test]
async fn verifies_who_answers() {
    let folder = TempDir::new().unwrap();
    let tls = Tls::new();
    let ca_file = written(&folder, "ca.pem", &tls.authority);
    let get = async |host: &str, leaf: &str, ca_file: Option<&PathBuf>| {
        let port = tls.serve(leaf, "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc");
        let url = Url::parse(&format!("https://{host}:{port}/meta")).unwrap();
        let client = client(ClientSettings { ca_file: ca_file.cloned(), ..ClientSettings::new(url) });
        client.get(ASK, SystemTime::UNIX_EPOCH).await
    };
    assert_eq!(get("localhost", "good", Some(&ca_file)).await, body("abc", None));
    for (host, leaf, ca_file) in [
        ("localhost", "good", None),
        ("127.0.0.1", "good", Some(&ca_file)),
        ("localhost", "other name", Some(&ca_file)),
        ("localhost", "expired", Some(&ca_file)),
    ] {
        let got = get(host, leaf, ca_file).await;
        assert!(matches!(&got, Err(FetchError::Tls(text)) if text.contains("certificate")), "{host} {leaf}: {got:?}");
    }
}

#[test]
fn refuses_unfit_settings() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = TempDir::new().unwrap();
    let make = |url: &str, ca_file: Option<PathBuf>| {
        Client::new(ClientSettings { ca_file, ..ClientSettings::new(Url::parse(url).unwrap()) }).map(|_| ())
    };
    assert!(make("http://127.0.0.1:9/", None).is_ok());
    assert!(matches!(make("http://10.0.0.1/", None), Err(SetupError::Url(_))));
    for (name, content) in [("empty.pem", ""), ("text.pem", "hello"), ("cut.pem", "-----BEGIN CERTIFICATE-----\nabc")] {
        let made = make("https://localhost/", Some(written(&folder, name, content)));
        assert!(matches!(&made, Err(SetupError::Certificates { .. })), "{name}: {made:?}");
        assert!(made.unwrap_err().to_string().contains(name));
    }
    assert!(matches!(make("https://localhost/", Some("/no/such/file".into())), Err(SetupError::Certificates { .. })));
}
