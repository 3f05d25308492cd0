//! Tokens and their keys: key files are read or refused with the number of a line, and
//! whatever a token says, signed or not, it is granted or denied in so many words.
//!
//! Owns the secret that tokens are signed with here, in a file of its own below the
//! system's temporary directory. Otherwise pure.

use std::sync::{Arc, Mutex, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use ringmq::hooks::token::{ClaimNames, TokenKeyFile, TokenKeys, TokenRule};
use ringmq::hooks::{Client, Credentials, Grant, Hook, PublishRequest, Question, Reply, Verdict};
use ringmq::peer::Peer;
use ringmq::protocol::{Connect, ConnectProperties, ProtocolVersion, QoS};
use sha2::Sha256;

use super::input::Input;
use super::rule_files::check_line;

const SECRET: &[u8] = b"a secret of thirty-two bytes, ok";

/// A key file or set; claims, signed as they should be; or a token altogether.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    match input.below(4) {
        Some(0) => check_line(
            input.rest(),
            TokenKeys::parse_set(input.rest()).err().as_ref(),
        ),
        Some(1) => check_line(
            input.rest(),
            TokenKeys::parse_key(input.rest()).err().as_ref(),
        ),
        Some(2) => claims(input.rest()),
        Some(_) => {
            // Nobody but who has the secret signs.
            assert!(judge(input.rest()).is_none() || is_signed(input.rest()));
        }
        None => {}
    }
}

/// What a token with these claims is granted: never more than it says.
fn claims(claims: &[u8]) {
    let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let message = format!("{}.{}", part(br#"{"alg":"HS256"}"#), part(claims));
    let token = format!("{message}.{}", part(&sign(message.as_bytes())));
    let Some(grant) = judge(token.as_bytes()) else {
        return;
    };
    let name = grant.user_name.as_deref().expect("a name");
    assert!(!name.is_empty() && !name.contains('\0'));
    let text = std::str::from_utf8(claims).expect("JSON is text");
    assert!(text.contains("sub") || text.contains('\\'));
    let lists_rights = grant.attachment.is_some();
    let client = Client::new(&attempt(b""), *grant);
    let request = PublishRequest::new("nobody/names/this", QoS::AtMostOnce, false, false);
    let said = rule().authorize_publish(&client, &request);
    assert_eq!(lists_rights, !matches!(said, Verdict::Next), "{said:?}");
    let allowed = matches!(said, Verdict::Allow);
    assert!(!allowed || text.contains(['#', '+', '\\']));
    assert!(allowed || matches!(said, Verdict::Next | Verdict::Deny(_)));
}

fn sign(message: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET).expect("any length");
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

fn is_signed(token: &[u8]) -> bool {
    let Some(dot) = token.iter().rposition(|&byte| byte == b'.') else {
        return false;
    };
    let signature = URL_SAFE_NO_PAD
        .decode(&token[dot + 1..])
        .unwrap_or_default();
    signature == sign(&token[..dot])
}

fn attempt(password: &[u8]) -> Credentials {
    let connect = Connect {
        version: ProtocolVersion::V5,
        clean_start: true,
        keep_alive: 0,
        properties: ConnectProperties::default(),
        client_id: "a",
        will: None,
        username: None,
        password: Some(password),
    };
    Credentials::new(&connect, "a", Peer::from(([127, 0, 0, 1], 1)), 0, None)
}

fn judge(token: &[u8]) -> Option<Box<Grant>> {
    let said = Arc::new(Mutex::new(None));
    let heard = Arc::clone(&said);
    let reply = Reply::new(move |verdict| *heard.lock().expect("one thread") = verdict);
    rule().resolve(Question::Authenticate(Arc::new(attempt(token))), reply);
    let said = said.lock().expect("one thread").take();
    let said = said.expect("an answer, always");
    if let Verdict::Grant(grant) = said {
        return Some(grant);
    }
    assert!(matches!(said, Verdict::Deny(_)), "{said:?}");
    None
}

fn rule() -> &'static TokenRule {
    static RULE: OnceLock<TokenRule> = OnceLock::new();
    RULE.get_or_init(|| {
        let name = format!("ringmq-fuzz-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, SECRET).expect("a writable temporary directory");
        let files = [TokenKeyFile::Key(path.clone())];
        let rule = TokenRule::open(&files, ClaimNames::default()).expect("a secret");
        let _ = std::fs::remove_file(&path);
        rule
    })
}
