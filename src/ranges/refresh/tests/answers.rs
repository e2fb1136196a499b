//! What one request makes of one answer.

use super::super::super::github::MetaError;
use super::*;
use crate::fetch::FetchError as Http;
use crate::fetch::fake::Reply;

async fn fetch(reply: Reply, etag: Option<&str>) -> Result<Fetched, FetchError> {
    let fake = Fake::serve(vec![reply]).await;
    refresher(&fake.url).fetch_once(etag).await
}

fn document(body: &str, etag: Option<&str>) -> Result<Fetched, FetchError> {
    Ok(Fetched::Document { document: parsed(body), etag: etag.map(str::to_owned) })
}

#[tokio::test]
async fn judges_each_answer_whole() {
    let missing = || Err(MetaError::Missing("actions".to_owned()).into());
    let null = r#"{"actions":null}"#;
    let cases = [
        (http("200 OK", "", GOOD), None, document(GOOD, None)),
        (http("200 OK", "etag: W/\"a\"\r\n", GOOD), None, document(GOOD, Some("W/\"a\""))),
        (http("304 Not Modified", "", ""), Some("\"a\""), Ok(Fetched::NotModified)),
        (http("500 Internal Server Error", "", GOOD), None, Err(Http::Status { status: 500, wait: None }.into())),
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
async fn asks_in_the_words_of_the_api() {
    let fake = Fake::serve(vec![http("200 OK", "", GOOD)]).await;
    refresher(&fake.url).fetch_once(None).await.unwrap();
    let asked = fake.requests();
    for line in ["accept: application/vnd.github+json", "x-github-api-version: 2022-11-28"] {
        assert!(asked[0].contains(&format!("\r\n{line}\r\n")), "{line} is not in {}", asked[0]);
    }
}
