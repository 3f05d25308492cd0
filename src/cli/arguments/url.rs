//! `-L mqtt://[username[:password]@]host[:port]/topic`, or with `mqtts`, `ws`, `wss`.
//!
//! Owns nothing. Pure text work on the main thread; never resolves a name.

use crate::cli::failure::Failure;

/// The transport that a URL names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Mqtt,
    Mqtts,
    Ws,
    Wss,
}

/// The parts of a URL, as far as it has them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Url<'a> {
    pub(super) scheme: Scheme,
    pub(super) username: Option<&'a str>,
    pub(super) password: Option<&'a str>,
    pub(super) host: &'a str,
    pub(super) port: Option<&'a str>,
    pub(super) topic: &'a str,
}

impl<'a> Url<'a> {
    /// Takes a URL apart as mosquitto does: nothing is percent-decoded.
    pub(super) fn parse(text: &'a str) -> Result<Self, Failure> {
        let known = [
            ("mqtt://", Scheme::Mqtt),
            ("mqtts://", Scheme::Mqtts),
            ("ws://", Scheme::Ws),
            ("wss://", Scheme::Wss),
        ];
        let found = known
            .iter()
            .find_map(|(prefix, scheme)| Some((text.strip_prefix(prefix)?, *scheme)));
        let Some((rest, scheme)) = found else {
            return Err(Failure::usage(
                "unsupported URL scheme, choose mqtt://, mqtts://, ws:// or wss://.",
            ));
        };
        let Some((authority, topic)) = rest.split_once('/') else {
            return Err(Failure::usage(
                "Invalid URL for -L argument specified - topic missing.",
            ));
        };
        let (login, place) = match authority.rsplit_once('@') {
            Some((login, place)) => (Some(login), place),
            None => (None, authority),
        };
        let (username, password) = match login.map(|login| (login, login.split_once(':'))) {
            Some((_, Some((name, password)))) => (Some(name), Some(password)),
            Some((name, None)) => (Some(name), None),
            None => (None, None),
        };
        let (host, port) = match place
            .strip_prefix('[')
            .and_then(|rest| rest.split_once(']'))
        {
            Some((host, rest)) => (host, rest.strip_prefix(':')),
            None => match place.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (place, None),
            },
        };
        if host.is_empty() {
            return Err(Failure::usage(
                "Invalid URL for -L argument specified - host missing.",
            ));
        }
        Ok(Self {
            scheme,
            username,
            password,
            host,
            port,
            topic,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_found() {
        let url = Url::parse("mqtt://me:pass:word@[::1]:1884/a/b").expect("a good URL");
        assert_eq!(url.username, Some("me"));
        assert_eq!(url.password, Some("pass:word"));
        assert_eq!(
            (url.host, url.port, url.topic),
            ("::1", Some("1884"), "a/b")
        );
        let url = Url::parse("wss://host/t").expect("a good URL");
        assert_eq!(
            (url.scheme, url.host, url.topic),
            (Scheme::Wss, "host", "t")
        );
        let url = Url::parse("mqtt://host/#").expect("a good URL");
        assert_eq!((url.username, url.password), (None, None));
        assert_eq!((url.host, url.port, url.topic), ("host", None, "#"));
    }

    #[test]
    fn a_bad_url_says_what_is_missing() {
        for (text, word) in [
            ("http://h/t", "scheme"),
            ("mqtt://h", "topic"),
            ("mqtt:///t", "host"),
        ] {
            let failure = Url::parse(text).expect_err("a bad URL");
            assert!(
                failure.message.contains(word),
                "{text}: {}",
                failure.message
            );
        }
    }
}
