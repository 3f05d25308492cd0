//! What is promised of a third party that answers, and of one that does not.
//!
//! Owns small HTTP servers on loopback. Runs anywhere.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::caller::{Caller, url};
use super::message::{Answered, Outcome};
use super::settings::HttpSettings;
use crate::hooks::rule_file::tests::Scratch;

/// A server that answers each request with what `answer` makes of its number and body.
fn serve(
    answer: impl Fn(usize, &str) -> (u16, String) + Send + 'static,
) -> (String, Arc<AtomicUsize>) {
    let server = tiny_http::Server::http("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}/mqtt", server.server_addr());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    std::thread::spawn(move || {
        for mut request in server.incoming_requests() {
            let number = count.fetch_add(1, Ordering::SeqCst);
            let mut body = String::new();
            let _ = request.as_reader().read_to_string(&mut body);
            let bearer = request
                .headers()
                .iter()
                .find(|it| it.field.equiv("Authorization"));
            body.push_str(bearer.map_or("", |it| it.value.as_str()));
            let (status, text) = answer(number, &body);
            let response = tiny_http::Response::from_string(text).with_status_code(status);
            let _ = request.respond(response);
        }
    });
    (url, asked)
}

fn settings(url: &str) -> HttpSettings {
    HttpSettings {
        timeout: Duration::from_millis(300),
        ..HttpSettings::new(url)
    }
}

fn ask(url: &str) -> Result<Answered, String> {
    Caller::new(&settings(url)).expect("a caller").ask(b"{}")
}

#[test]
fn answers_are_understood() {
    for (text, expected) in [
        (r#"{"result":"allow"}"#, (Outcome::Allow, None, None)),
        (
            r#"{"result": "deny", "why": "because"}"#,
            (Outcome::Deny, None, None),
        ),
        (r#"{"result":"ignore"}"#, (Outcome::Ignore, None, None)),
        (
            r#"{"result":"allow","user_name":"x","expires_in":60}"#,
            (Outcome::Allow, Some("x"), Some(60)),
        ),
    ] {
        let (url, asked) = serve(move |_, _| (200, text.to_owned()));
        let answered = ask(&url).expect(text);
        let found = (
            answered.result,
            answered.user_name.as_deref(),
            answered.expires_in,
        );
        assert_eq!(found, expected, "{text}");
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }
}

#[test]
fn what_is_no_answer_is_none() {
    for (status, text) in [
        (200, ""),
        (200, "allow"),
        (200, "{}"),
        (200, r#"{"result":"yes"}"#),
        (200, r#"{"result":true}"#),
        (204, ""),
        (302, r#"{"result":"allow"}"#),
        (401, r#"{"result":"allow"}"#),
        (404, r#"{"result":"allow"}"#),
        (500, r#"{"result":"allow"}"#),
    ] {
        let (url, _) = serve(move |_, _| (status, text.to_owned()));
        assert!(ask(&url).is_err(), "{status} {text}");
    }
    let (url, _) = serve(|_, _| {
        (
            200,
            format!(r#"{{"result":"allow","x":"{}"}}"#, "y".repeat(70_000)),
        )
    });
    assert!(ask(&url).is_err(), "larger than an answer may be");
}

#[test]
fn a_server_that_fails_once_is_asked_again_and_one_that_refuses_is_not() {
    let fails_once = |number, _: &str| match number {
        0 => (503, String::new()),
        _ => (200, r#"{"result":"allow"}"#.to_owned()),
    };
    let (url, asked) = serve(fails_once);
    assert_eq!(ask(&url).map(|it| it.result), Ok(Outcome::Allow));
    assert_eq!(asked.load(Ordering::SeqCst), 2);

    let (url, asked) = serve(|_, _| (404, String::new()));
    assert!(ask(&url).is_err());
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[test]
fn nobody_waits_longer_than_the_timeout_of_each_attempt() {
    // Accepts and says nothing, or begins an answer that never ends.
    for beginning in ["", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"] {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}/", listener.local_addr().expect("an address"));
        std::thread::spawn(move || {
            let mut kept = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.expect("a connection");
                let _ = stream.read(&mut [0; 1024]);
                let _ = stream.write_all(beginning.as_bytes());
                kept.push(stream);
            }
        });
        let start = Instant::now();
        assert!(ask(&url).is_err());
        assert!(
            start.elapsed() < Duration::from_secs(5),
            "two attempts of 0.3 s"
        );
    }
    // Nobody is there at all.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    drop(listener);
    assert!(ask(&url).is_err());
}

#[test]
fn a_bearer_is_sent_and_read_from_its_file() {
    let file = Scratch::new("http-bearer", b"s3cr3t\n");
    let (url, _) = serve(|_, body| match body {
        "{}Bearer s3cr3t" => (200, r#"{"result":"allow"}"#.to_owned()),
        _ => (403, String::new()),
    });
    let with = HttpSettings {
        bearer: Some(file.0.clone()),
        ..settings(&url)
    };
    assert!(Caller::new(&with).expect("a caller").ask(b"{}").is_ok());
    assert!(ask(&url).is_err());
    std::fs::write(&file.0, "two words").expect("writable");
    assert!(Caller::new(&with).is_err());
}

#[test]
fn what_is_wrong_with_an_url_is_said() {
    for (text, said) in [
        ("auth.example", "write http://HOST"),
        ("ftp://auth.example/", "write http://HOST"),
        ("http:///x", "is no URL"),
        ("/x", "write http://HOST"),
        ("http://u:p@auth.example/", "--auth-http-bearer"),
        ("http://a b/", "is no URL"),
    ] {
        let error = url(&HttpSettings::new(text)).expect_err(text);
        assert!(error.0.contains(said), "{error}");
    }
    assert!(url(&HttpSettings::new("https://auth.example:8443/mqtt?x=1")).is_ok());
    let certifying = |authorities: Option<&str>, certificate: Option<&str>| HttpSettings {
        authorities: authorities.map(Into::into),
        certificate: certificate.map(|file| (file.into(), file.into())),
        ..HttpSettings::new("http://auth.example/")
    };
    for settings in [certifying(Some("ca"), None), certifying(None, Some("own"))] {
        let error = url(&settings).expect_err("nobody would look at it");
        assert!(error.0.contains("--auth-http-cafile"), "{error}");
    }
    let missing = HttpSettings {
        authorities: Some("/nonexistent/ca.pem".into()),
        ..HttpSettings::new("https://auth.example/")
    };
    let error = Caller::new(&missing).err().expect("no such file");
    assert!(
        error.0.starts_with("/nonexistent/ca.pem: No such file"),
        "{error}"
    );
}

#[test]
fn what_is_wrong_with_a_certificate_is_said_with_its_file() {
    let pair = || {
        let key = rcgen::KeyPair::generate().expect("randomness");
        let certificate = rcgen::CertificateParams::new(vec!["broker".to_owned()])
            .and_then(|params| params.self_signed(&key))
            .expect("a valid request");
        (certificate.pem(), key.serialize_pem())
    };
    let ((chain, key), (_, other_key)) = (pair(), pair());
    let write = |name: &str, content: &str| Scratch::new(name, content.as_bytes());
    let chain = write("http-chain", &chain);
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let garbage = write("http-garbage", garbage);
    let with = |authorities: &Scratch, own: (&Scratch, &Scratch)| HttpSettings {
        authorities: Some(authorities.0.clone()),
        certificate: Some((own.0.0.clone(), own.1.0.clone())),
        ..HttpSettings::new("https://auth.example/")
    };
    let (key, other_key) = (write("http-key", &key), write("http-other", &other_key));
    assert!(Caller::new(&with(&chain, (&chain, &key))).is_ok());
    for (settings, said) in [
        (with(&garbage, (&chain, &key)), "http-garbage"),
        (with(&chain, (&chain, &other_key)), "http-other"),
        (with(&chain, (&key, &key)), "holds no certificate"),
        (with(&chain, (&chain, &chain)), "holds no private key"),
    ] {
        let error = Caller::new(&settings).err().expect(said);
        assert!(error.0.contains(said), "{error}");
    }
}
