//! The listeners of `ringmq serve`: addresses and what holds behind them.
//!
//! Owns the grammar of `--tls ADDR,option=value,...`: an option of a listener may be
//! given for all listeners that it fits, or after one's address for that one alone.
//! What fits together is the broker's own rule. Runs on the main thread before
//! anything starts; never opens a file or a socket.

use clap::Args;

use super::listener_options::{Options, mode};
use super::shared_options::{OwnSettings, RawShared};
use crate::broker::{CertificateName, Listener, ListenerKind};
use crate::cli::failure::Failure;
use crate::cli::rules::Rules;
use crate::cli::systemd::Inherited;

/// The listeners as typed.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Listeners, each as ADDR[:PORT][,option[=value]]...")]
pub(in crate::cli) struct RawListeners {
    /// Listen here for MQTT; may be repeated, as all of these; `systemd` takes the sockets
    /// of the socket unit, `systemd:NAME` those of that name [default: 127.0.0.1:1883]
    #[arg(long, value_name = "ADDR")]
    pub(super) tcp: Vec<String>,
    /// Listen here for MQTT over TLS; the usual port is 8883
    #[arg(long, value_name = "ADDR")]
    pub(super) tls: Vec<String>,
    /// Listen here for MQTT over WebSocket; the usual port is 8083
    #[arg(long, value_name = "ADDR")]
    pub(super) ws: Vec<String>,
    /// Listen here for MQTT over secure WebSocket; the usual port is 8084
    #[arg(long, value_name = "ADDR")]
    pub(super) wss: Vec<String>,
    /// Listen here for MQTT on a Unix domain socket
    #[arg(long, value_name = "PATH")]
    pub(super) unix: Vec<String>,
    /// Certificate chain (PEM) for TLS; with --key, may be repeated: one per host name
    #[arg(long, value_name = "FILE")]
    cert: Vec<String>,
    /// Private key (PEM) of the certificate in the same place
    #[arg(long, value_name = "FILE")]
    key: Vec<String>,
    /// Authorities (PEM) that issue client certificates
    #[arg(long, value_name = "FILE")]
    cafile: Option<String>,
    /// Revoked client certificates (CRL, PEM); may be repeated
    #[arg(long, value_name = "FILE")]
    crl: Vec<String>,
    /// Let only clients in that show a certificate of these authorities
    #[arg(long)]
    require_client_certificate: bool,
    /// The common name of a client's certificate is its user name
    #[arg(long)]
    use_identity_as_username: bool,
    /// The whole subject of a client's certificate is its user name
    #[arg(long)]
    use_subject_as_username: bool,
    /// The first alternative name of a client's certificate is its user name
    #[arg(long)]
    use_san_as_username: bool,
    /// Path that WebSocket clients ask for [default: any]
    #[arg(long, value_name = "PATH")]
    ws_path: Option<String>,
    // Written as an attribute: rustdoc would want a link.
    #[arg(
        long,
        value_name = "ORIGIN",
        help = "Origin whose pages may connect, such as https://example.org; may be repeated \
                [default: any]"
    )]
    ws_origin: Vec<String>,
    /// Serve a page at / to try the broker from a browser
    #[arg(long)]
    ws_page: bool,
    /// Expect a PROXY protocol header (version 1 or 2) from a trusted proxy
    #[arg(long)]
    proxy_protocol: bool,
    /// A proxy to believe, as an address or a network; for WebSocket also its
    /// X-Forwarded-For; may be repeated
    #[arg(long, value_name = "CIDR")]
    proxy_trusted: Vec<String>,
    /// Permissions of Unix domain sockets, octal, such as 660 [default: the umask's]
    #[arg(long, value_name = "MODE")]
    unix_mode: Option<String>,
    /// Owner of Unix domain sockets: user, user:group or :group
    #[arg(long, value_name = "OWNER")]
    unix_owner: Option<String>,
}

/// One listener, checked as far as its words go.
#[derive(Debug)]
pub(crate) struct ListenerSettings {
    pub(crate) kind: ListenerKind,
    /// An address, a path, `systemd` or `systemd:NAME`.
    pub(crate) address: String,
    pub(crate) own: OwnSettings,
    options: Options,
}

/// Where to listen if nobody says so.
const DEFAULT_ADDRESS: &str = "127.0.0.1";

/// One listener as typed.
struct RawListener {
    kind: ListenerKind,
    address: String,
    options: Options,
    shared: RawShared,
    /// Whether anything of `shared` was typed.
    has_own: bool,
}

impl RawListeners {
    /// All listeners, in the order tcp, tls, ws, wss, unix; and the one that there is
    /// without any.
    pub(super) fn check(
        self,
        shared: &RawShared,
    ) -> Result<(Vec<ListenerSettings>, ListenerSettings), Failure> {
        let common = self.common()?;
        let mut all = Vec::new();
        for (kind, addresses) in [
            (ListenerKind::Tcp, self.tcp),
            (ListenerKind::Tls, self.tls),
            (ListenerKind::WebSocket, self.ws),
            (ListenerKind::SecureWebSocket, self.wss),
            (ListenerKind::Unix, self.unix),
        ] {
            for text in addresses {
                all.push(RawListener::parse(kind, &text)?);
            }
        }
        let own = all
            .iter()
            .filter(|listener| listener.options.general_rules != Some(false))
            .map(|listener| &listener.shared.rules);
        shared.rules.check_use(own)?;
        let check = |listener: RawListener| listener.check(&common, shared);
        let listeners = all.into_iter().map(check).collect::<Result<Vec<_>, _>>()?;
        common.check_use(&listeners)?;
        let unnamed = RawListener::parse(ListenerKind::Tcp, DEFAULT_ADDRESS)?;
        Ok((listeners, unnamed.check(&common, shared)?))
    }

    fn common(&self) -> Result<Options, Failure> {
        let user_name = [
            (self.use_identity_as_username, CertificateName::CommonName),
            (self.use_subject_as_username, CertificateName::Subject),
            (self.use_san_as_username, CertificateName::AlternativeName),
        ];
        let mut chosen = user_name.iter().filter(|(given, _)| *given);
        let user_name = chosen.next().map(|(_, name)| *name);
        if chosen.next().is_some() {
            return Err(Failure::configuration(
                "one thing of a certificate is the user name: choose one of \
                 --use-identity-as-username, --use-subject-as-username, --use-san-as-username",
            ));
        }
        let unix_mode = self.unix_mode.as_deref();
        Ok(Options {
            allow_anonymous: None,
            general_rules: None,
            max_connections: None,
            proxy_protocol: self.proxy_protocol.then_some(true),
            proxy_trusted: self.proxy_trusted.clone(),
            cert: self.cert.clone(),
            key: self.key.clone(),
            cafile: self.cafile.clone(),
            crl: self.crl.clone(),
            require_client_certificate: self.require_client_certificate.then_some(true),
            user_name,
            no_user_name: Vec::new(),
            ws_path: self.ws_path.clone(),
            ws_origin: self.ws_origin.clone(),
            ws_page: self.ws_page.then_some(true),
            unix_mode: unix_mode
                .map(|text| mode("--unix-mode", text))
                .transpose()?,
            unix_owner: self.unix_owner.clone(),
        })
    }
}

impl RawListener {
    fn parse(kind: ListenerKind, text: &str) -> Result<Self, Failure> {
        let mut parts = text.split(',');
        let address = parts.next().unwrap_or_default().to_owned();
        let listener = format!("--{kind} {address}");
        if address.is_empty() {
            return Err(Failure::configuration(format_args!(
                "{listener}: the address is missing; it comes first, then its options: \
                 --{kind} ADDR,max-connections=100"
            )));
        }
        let names = RawShared::names();
        let is_shared = |option: &&str| {
            let name = option.split('=').next();
            names.iter().any(|(known, _)| Some(known.as_str()) == name)
        };
        let (shared, own): (Vec<&str>, Vec<&str>) = parts.partition(is_shared);
        let mut options = Options::default();
        for option in own {
            options.set(&listener, option)?;
        }
        Ok(Self {
            has_own: !shared.is_empty(),
            shared: RawShared::parse(&shared).map_err(|failure| failure.of(&listener))?,
            kind,
            address,
            options,
        })
    }

    /// With what holds for all.
    fn check(self, common: &Options, shared: &RawShared) -> Result<ListenerSettings, Failure> {
        let kind = self.kind;
        let listener = format!("--{kind} {}", self.address);
        let options = self.options.or(common, kind);
        if options.cert.len() != options.key.len() {
            return Err(Failure::configuration(format_args!(
                "{listener}: {} certificates and {} keys do not match; \
                 give --cert FILE and --key FILE in pairs",
                options.cert.len(),
                options.key.len()
            )));
        }
        let general_rules = options.general_rules != Some(false);
        let own = self.shared.or(shared, general_rules);
        Ok(ListenerSettings {
            kind,
            address: self.address,
            own: own.map_err(|failure| {
                if self.has_own {
                    failure.of(&listener)
                } else {
                    failure
                }
            })?,
            options,
        })
    }
}

impl ListenerSettings {
    pub(super) fn names_users_by_proxy(&self) -> bool {
        self.options.names_users_by_proxy(self.kind)
    }

    /// The same elsewhere.
    pub(crate) fn at(self, address: &str) -> Self {
        Self {
            address: address.to_owned(),
            ..self
        }
    }

    /// As the broker takes it, with its rules opened.
    pub(crate) fn listener(
        self,
        inherited: &mut Inherited,
        rules: &mut Rules,
    ) -> Result<Listener, Failure> {
        let Self {
            kind,
            address,
            own,
            options,
        } = self;
        let mut listener = match inherited.take(&address) {
            Some(sockets) => Listener::inherited(kind, sockets),
            None => Listener::new(kind, address),
        };
        listener = listener.quotas(own.quotas);
        for hook in rules.open(&own.rules)? {
            listener = listener.shared_hook(hook);
        }
        if let Some(allow) = options.allow_anonymous {
            listener = listener.allow_anonymous(allow);
        }
        if let Some(most) = options.max_connections {
            listener = listener.max_connections(most);
        }
        if options.proxy_protocol == Some(true) {
            listener = listener.proxy_protocol();
        }
        for network in options.proxy_trusted {
            listener = listener.trusted_proxy(network);
        }
        for (chain, key) in options.cert.into_iter().zip(options.key) {
            listener = listener.certificate(chain, key);
        }
        if let Some(file) = options.cafile {
            listener = listener.client_authorities(file);
        }
        for file in options.crl {
            listener = listener.revocations(file);
        }
        if options.require_client_certificate == Some(true) {
            listener = listener.require_client_certificate();
        }
        if let Some(name) = options.user_name {
            listener = listener.user_name_from_certificate(name);
        }
        if let Some(path) = options.ws_path {
            listener = listener.websocket_path(path);
        }
        for origin in options.ws_origin {
            listener = listener.websocket_origin(origin);
        }
        if options.ws_page == Some(true) {
            listener = listener.websocket_page();
        }
        if let Some(mode) = options.unix_mode {
            listener = listener.unix_mode(mode);
        }
        if let Some(owner) = options.unix_owner {
            listener = listener.unix_owner(owner);
        }
        Ok(listener)
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::super::{Command, Rejected, parse};
    use super::*;
    use crate::broker::OverRate;
    use crate::hooks::token::TokenKeyFile;

    fn try_serve(words: &str) -> Result<Vec<ListenerSettings>, String> {
        let words = std::iter::once("ringmq").chain(words.split_whitespace());
        match parse(words.map(OsString::from).collect()) {
            Ok(Command::Serve(settings)) => Ok(settings.listeners),
            Err(Rejected::Wrong(failure)) => Err(failure.message),
            other => panic!("{other:?}"),
        }
    }

    fn serve(words: &str) -> Vec<ListenerSettings> {
        try_serve(words).unwrap_or_else(|message| panic!("{words}: {message}"))
    }

    #[test]
    fn an_option_for_all_reaches_those_that_it_fits_and_own_ones_win() {
        let listeners = serve(
            "--cert all.pem --key all.key --cafile ca.pem --require-client-certificate \
             --proxy-protocol --proxy-trusted 10.0.0.0/8 --ws-path /mqtt --unix-mode 660 \
             --tcp 127.0.0.1:0,proxy-protocol=no,max-connections=7 --tls 0.0.0.0 \
             --tls 0.0.0.0:1,cert=own.pem,key=own.key,require-client-certificate=no \
             --ws 0.0.0.0,allow-anonymous,proxy-protocol=no --unix /run/x,unix-mode=600",
        );
        let [tcp, tls, own, ws, unix] = &listeners[..] else {
            panic!("{listeners:?}");
        };
        assert_eq!(
            (tcp.kind, tcp.address.as_str()),
            (ListenerKind::Tcp, "127.0.0.1:0")
        );
        assert_eq!(tcp.options.max_connections, Some(7));
        assert_eq!(tcp.options.proxy_protocol, Some(false));
        assert!(tcp.options.proxy_trusted.is_empty() && tcp.options.cert.is_empty());
        assert_eq!(tls.options.cert, ["all.pem"]);
        assert_eq!(tls.options.proxy_trusted, ["10.0.0.0/8"]);
        assert_eq!(tls.options.require_client_certificate, Some(true));
        assert_eq!(
            (&own.options.cert[..], &own.options.key[..]),
            (&["own.pem".to_owned()][..], &["own.key".to_owned()][..])
        );
        assert_eq!(own.options.require_client_certificate, Some(false));
        assert_eq!(ws.options.allow_anonymous, Some(true));
        assert_eq!(ws.options.ws_path.as_deref(), Some("/mqtt"));
        // Whoever speaks for clients of WebSocket may do so in HTTP, too.
        assert_eq!(ws.options.proxy_trusted, ["10.0.0.0/8"]);
        assert_eq!(
            (unix.options.unix_mode, unix.options.proxy_protocol),
            (Some(0o600), None)
        );
    }

    #[test]
    fn what_is_no_user_name_behind_one_address_is_none_there_whatever_holds_for_all() {
        use CertificateName::{AlternativeName, CommonName, Subject};
        let tls = "--tls 0.0.0.0,cert=c,key=k";
        for (general, own, expected) in [
            ("use-identity-as-username", "", Some(CommonName)),
            (
                "use-identity-as-username",
                ",use-identity-as-username=no",
                None,
            ),
            ("use-san-as-username", ",use-san-as-username=no", None),
            // It is said of this one thing alone.
            (
                "use-san-as-username",
                ",use-subject-as-username=no",
                Some(AlternativeName),
            ),
            (
                "use-san-as-username",
                ",use-subject-as-username,use-identity-as-username=no",
                Some(Subject),
            ),
            (
                "use-san-as-username",
                ",use-san-as-username=no,use-san-as-username",
                Some(AlternativeName),
            ),
        ] {
            let listeners = serve(&format!("--{general} --cafile ca {tls}{own}"));
            let name = listeners[0].options.user_name;
            assert_eq!(name, expected, "--{general} {own}");
        }
    }

    #[test]
    fn rules_and_rates_are_merged_option_by_option_and_what_belongs_together_stays_so() {
        let listeners = serve(
            "--password-file all --acl-file all.acl --jwt-key all.key --jwt-leeway 5 \
             --auth-http http://all/ --auth-http-bearer all.secret --auth-http-cache 7 \
             --message-rate 10 --over-rate disconnect --max-queued-messages 9 --tcp 127.0.0.1 \
             --tcp 127.0.0.1:1,password-file=own,jwt-jwks=own.keys,auth-http=http://own/ \
             --tcp 127.0.0.1:2,general-rules=no,scram-file=own,message-rate=2K \
             --tcp 127.0.0.1:3,over-rate=pause,max-queued-messages=0,auth-http-for=publish",
        );
        let [all, own, none, rates] = &listeners[..] else {
            panic!("{listeners:?}");
        };
        let rules = &all.own.rules;
        assert_eq!(rules.password_file, Some("all".into()));
        assert_eq!(rules.token_keys, [TokenKeyFile::Key("all.key".into())]);
        let http = rules.http.as_ref().expect("asked");
        assert_eq!(http.bearer, Some("all.secret".into()));
        let rules = &own.own.rules;
        assert_eq!(rules.password_file, Some("own".into()));
        assert_eq!(rules.acl_file, Some("all.acl".into()));
        assert_eq!(rules.token_keys, [TokenKeyFile::Set("own.keys".into())]);
        assert_eq!(rules.claims.leeway, 5);
        let http = rules.http.as_ref().expect("asked");
        // What proves the broker to one server is not shown to another.
        assert_eq!((http.url.as_str(), &http.bearer), ("http://own/", &None));
        assert_eq!(http.memory.as_secs(), 7);
        let rules = &none.own.rules;
        assert_eq!(rules.scram_file, Some("own".into()));
        assert!(rules.password_file.is_none() && rules.acl_file.is_none());
        assert!(rules.token_keys.is_empty() && rules.http.is_none());
        for (settings, messages, over_rate, queued) in [
            (all, 10, OverRate::Disconnect, None),
            (none, 2_048, OverRate::Disconnect, None),
            (rates, 10, OverRate::Pause, Some(0)),
        ] {
            let quotas = settings.own.quotas;
            assert_eq!(quotas.messages, Some(messages));
            assert_eq!(quotas.over_rate, over_rate);
            assert_eq!(quotas.max_queued_messages, queued);
        }
        let http = rates.own.rules.http.as_ref().expect("asked");
        assert!(http.questions.publish && !http.questions.connect);
        assert_eq!(http.url, "http://all/");
    }

    #[test]
    fn what_is_wrong_with_a_listener_is_said_with_its_name_and_the_choices() {
        for (words, parts) in [
            (
                "--tls 0.0.0.0,color=red",
                ["--tls 0.0.0.0", "max-connections"],
            ),
            ("--tls ,cert=x", ["--tls", "address"]),
            ("--tls 0.0.0.0 --cert a", ["--tls 0.0.0.0", "pairs"]),
            (
                "--tcp 0.0.0.0,max-connections=0",
                ["--tcp 0.0.0.0,max-connections", "from 1"],
            ),
            (
                "--tcp 0.0.0.0,max-connections",
                ["--tcp 0.0.0.0,max-connections", "needs a value"],
            ),
            (
                "--tcp 0.0.0.0,allow-anonymous=maybe",
                ["allow-anonymous", "yes or no"],
            ),
            ("--unix /x,unix-mode=888", ["unix-mode", "octal"]),
            ("--cert a --key b", ["--tls", "--wss"]),
            (
                "--jwt-issuer us --tcp 0.0.0.0,general-rules=no,jwt-key=k",
                ["--jwt-issuer needs", "--jwt-key"],
            ),
            (
                "--auth-http-cache 1 --tcp 0.0.0.0,general-rules=no,auth-http=http://own/",
                ["--auth-http-cache needs", "--auth-http"],
            ),
            // Files that belong to an address are not for that of a listener's own.
            (
                "--auth-http-bearer x --tcp 0.0.0.0,auth-http=http://own/",
                ["--auth-http-bearer needs", "--auth-http"],
            ),
            (
                "--tcp 0.0.0.0 --use-identity-as-username",
                ["--tls", "--wss"],
            ),
            ("--tcp 0.0.0.0 --ws-page", ["--ws-page", "--wss"]),
            ("--unix-owner root", ["--unix-owner", "--unix PATH"]),
            (
                "--use-identity-as-username --use-subject-as-username",
                ["--use-identity-as-username", "--use-san-as-username"],
            ),
        ] {
            let message = try_serve(words).expect_err("it is refused");
            for part in parts {
                assert!(message.contains(part), "{words}: {message}");
            }
        }
    }
}
