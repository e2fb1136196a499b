//! What one request makes of one answer.

use std::net::TcpListener;

use super::super::super::fake::Reply;
use super::super::super::github::MetaError;
use super::*;

async fn fetch(reply: Reply, etag: Option<&str>) -> Result<Fetched, FetchError> {
    let fake = Fake::serve(vec![reply]).await;
    refresher(&fake.url).fetch_once(etag).await
}

fn document(body: &str, etag: Option<&str>) -> Result<Fetched, FetchError> {
    Ok(Fetched::Document { document: parsed(body), etag: etag.map(str::to_owned) })
}

fn status(status: u16, wait: Option<u64>) -> Result<Fetched, FetchError> {
    Err(FetchError::Status { status, wait: wait.map(Duration::from_secs) })
}

#[tokio::test]
async fn judges_each_answer_whole() {
    let missing = || Err(MetaError::Missing("actions".to_owned()).into());
    let null = r#"{"actions":null}"#;
    let long_tag = format!("etag: \"{}\"\r\n", "a".repeat(300));
    let cases = [
        (http("200 OK", "", GOOD), None, document(GOOD, None)),
        (http("200 OK", "etag: W/\"a\"\r\n", GOOD), None, document(GOOD, Some("W/\"a\""))),
        (http("200 OK", &long_tag, GOOD), None, document(GOOD, None)),
        (http("200 OK", "content-type: text/html\r\n", GOOD), Some("\"a\""), document(GOOD, None)),
        (http("304 Not Modified", "", ""), Some("\"a\""), Ok(Fetched::NotModified)),
        (http("304 Not Modified", "", ""), None, status(304, None)),
        (http("403 Forbidden", "retry-after: 120\r\n", GOOD), None, status(403, Some(120))),
        (http("429 Too Many Requests", "x-ratelimit-reset: 500\r\n", GOOD), None, status(429, Some(500))),
        (http("500 Internal Server Error", "", GOOD), None, status(500, None)),
        (http("204 No Content", "", ""), None, status(204, None)),
        (http("206 Partial Content", "", GOOD), None, status(206, None)),
        (http("200 OK", "", "{}"), None, missing()),
        (http("200 OK", "", r#"{"message":"API rate limit exceeded"}"#), None, missing()),
        (http("200 OK", "", null), None, Err(MetaError::NotAnArray("actions".to_owned()).into())),
        (http("200 OK", "", r#"{"actions":[]}"#), None, Err(MetaError::Empty("actions".to_owned()).into())),
    ];
    for (index, (reply, etag, want)) in cases.into_iter().enumerate() {
        assert_eq!(fetch(reply, etag).await, want, "case {index}");
    }
    for body in [HTML, "", &GOOD[..GOOD.len() - 1]] {
        let got = fetch(http("200 OK", "", body), None).await;
        assert!(matches!(got, Err(FetchError::Meta(MetaError::NotJson(_)))), "{body}: {got:?}");
    }
}

#[tokio::test]
async fn says_who_asks_and_for_what() {
    let fake = Fake::serve(vec![http("200 OK", "", GOOD), http("304 Not Modified", "", "")]).await;
    let refresher = refresher(&fake.url);
    refresher.fetch_once(None).await.unwrap();
    refresher.fetch_once(Some("W/\"a\"")).await.unwrap();
    let requests = fake.requests();
    for request in &requests {
        assert!(request.starts_with("get /meta http/1.1\r\n"), "{request}");
        for line in
            ["accept: application/vnd.github+json", "x-github-api-version: 2022-11-28", "user-agent: pushguard/test"]
        {
            assert!(request.contains(&format!("\r\n{line}\r\n")), "{line} is not in {request}");
        }
    }
    assert!(!requests[0].contains("if-none-match"), "{}", requests[0]);
    assert!(requests[1].contains("\r\nif-none-match: w/\"a\"\r\n"), "{}", requests[1]);
}

#[tokio::test]
async fn finds_localhost_without_a_name_service() {
    let mut url = Fake::serve(vec![http("200 OK", "", GOOD)]).await.url;
    url.set_host(Some("localhost")).unwrap();
    assert_eq!(refresher(&url).fetch_once(None).await, document(GOOD, None));
}

#[tokio::test]
async fn takes_at_most_two_mebibytes() {
    let padded = |length: usize| format!("{}{}", " ".repeat(length - GOOD.len()), GOOD);
    let chunked = |body: &str| {
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        Reply::Close(format!("{head}{:x}\r\n{body}\r\n0\r\n\r\n", body.len()).into_bytes())
    };
    let cap = fetch::MAX_BODY;
    assert_eq!(fetch(http("200 OK", "", padded(cap)), None).await, document(GOOD, None));
    assert_eq!(fetch(chunked(&padded(cap)), None).await, document(GOOD, None));
    for length in [cap + 1, 3 << 20] {
        assert_eq!(fetch(http("200 OK", "", padded(length)), None).await, Err(FetchError::TooBig), "{length}");
        assert_eq!(fetch(chunked(&padded(length)), None).await, Err(FetchError::TooBig), "{length} in chunks");
    }
}

#[tokio::test]
async fn follows_no_redirect() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let target = format!("http://{}/meta", elsewhere.local_addr().unwrap());
    for code in
        ["301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"]
    {
        let got = fetch(http(code, &format!("location: {target}\r\n"), GOOD), None).await;
        let want = FetchError::Redirect { status: code[..3].parse().unwrap(), location: target.clone() };
        assert_eq!(got, Err(want), "{code}");
    }
    let contacted = elsewhere.accept().map(|_| ()).map_err(|error| error.kind());
    assert_eq!(contacted, Err(std::io::ErrorKind::WouldBlock), "the other host must never be asked");
}

#[tokio::test]
async fn refuses_answers_that_end_early() {
    let whole = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{GOOD}", GOOD.len());
    assert_eq!(fetch(Reply::Close(whole.clone().into_bytes()), None).await, document(GOOD, None));
    for length in [0, 5, 20, whole.len() - GOOD.len(), whole.len() - 1] {
        let got = fetch(Reply::Close(whole.as_bytes()[..length].to_vec()), None).await;
        assert!(matches!(got, Err(FetchError::Network(_))), "{length} bytes: {got:?}");
    }
    // Nobody listens any more on a port that was just given back.
    let freed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refused = Url::parse(&format!("http://{freed}/meta")).unwrap();
    let got = refresher(&refused).fetch_once(None).await;
    assert!(matches!(&got, Err(FetchError::Network(text)) if !text.contains("http://")), "{got:?}");
}

#[tokio::test]
async fn gives_up_on_slow_servers() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n";
    for start in [String::new(), head.to_owned(), format!("{head}\r\n{{\"actions\"")] {
        let fake = Fake::serve(vec![Reply::Hold(start.clone().into_bytes())]).await;
        let mut refresher = refresher(&fake.url);
        let timeouts = Timeouts { total: Duration::from_millis(100), ..Timeouts::default() };
        refresher.client = fetch::client(&fake.url, "pushguard/test", timeouts).unwrap();
        let got = refresher.fetch_once(None).await;
        assert!(matches!(got, Err(FetchError::Timeout(_))), "{start:?}: {got:?}");
    }
}
