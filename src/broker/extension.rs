//! What an embedder adds to a broker: rules and observers.
//!
//! Owns nothing: these are the builder's methods for hooks. Lives on the embedder's
//! thread.

use std::sync::Arc;

use super::builder::Builder;
use super::closures::{Access, Authenticator, Authorizer, OnConnect, OnPublish, PasswordCheck};
use crate::hooks::{Client, Credentials, Hook, Outgoing, Treatment, Verdict};

impl Builder {
    /// Adds a hook behind those that are there: where several have an opinion, the
    /// first decides. [`Listener::hook`](super::Listener::hook) is for one listener.
    pub fn hook(mut self, hook: impl Hook) -> Self {
        self.hooks.push(Arc::new(hook));
        self
    }

    /// Adds a hook that the embedder holds, too.
    pub fn shared_hook(mut self, hook: Arc<dyn Hook>) -> Self {
        self.hooks.push(hook);
        self
    }

    /// Decides about clients by their credentials. Runs on a shard: it must not wait.
    /// Implement [`Hook::authenticate`] and [`Hook::resolve`] for what takes time.
    pub fn authenticator(
        self,
        decide: impl Fn(&Credentials) -> Verdict + Send + Sync + 'static,
    ) -> Self {
        self.hook(Authenticator(decide))
    }

    /// Lets in clients whose user name and password it knows. Runs on a worker thread:
    /// it may hash, or ask somebody else.
    ///
    /// ```
    /// # use ringmq::broker::Broker;
    /// let broker = Broker::builder()
    ///     .tcp("127.0.0.1:0")
    ///     .check_password(|user, password| user == "ann" && password == b"secret")
    ///     .start()?;
    /// # broker.shutdown()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn check_password(
        self,
        knows: impl Fn(&str, &[u8]) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.hook(PasswordCheck(knows))
    }

    /// Decides who may publish and subscribe to what. Runs on a shard, each time.
    ///
    /// ```
    /// use ringmq::broker::{Access, Broker};
    /// use ringmq::hooks::Verdict;
    /// use ringmq::protocol::ReasonCode;
    ///
    /// let broker = Broker::builder()
    ///     .tcp("127.0.0.1:0")
    ///     .authorizer(|client, access| match access {
    ///         Access::Publish(wish) if wish.topic.starts_with("admin/") => {
    ///             Verdict::Deny(ReasonCode::NotAuthorized)
    ///         }
    ///         _ => Verdict::Next,
    ///     })
    ///     .start()?;
    /// # broker.shutdown()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn authorizer(
        self,
        decide: impl Fn(&Client, Access<'_>) -> Verdict + Send + Sync + 'static,
    ) -> Self {
        self.hook(Authorizer(decide))
    }

    /// Is told of each client that is connected. Runs on a shard.
    pub fn on_connect(self, tell: impl Fn(&Client) + Send + Sync + 'static) -> Self {
        self.hook(OnConnect(tell))
    }

    /// Sees each message before it goes out, and may alter, drop or refuse it. Runs on
    /// a shard.
    ///
    /// ```
    /// use ringmq::broker::Broker;
    /// use ringmq::hooks::Treatment;
    /// use ringmq::protocol::ReasonCode;
    ///
    /// let broker = Broker::builder()
    ///     .tcp("127.0.0.1:0")
    ///     .on_publish(|client, message| {
    ///         if message.payload().len() > 1_000_000 {
    ///             return Treatment::Refuse(ReasonCode::QuotaExceeded);
    ///         }
    ///         if let Some(rest) = message.topic().strip_prefix("in/") {
    ///             let topic = format!("from/{}/{rest}", client.client_id());
    ///             // A client identifier may hold a wildcard.
    ///             if message.set_topic(topic).is_err() {
    ///                 return Treatment::Refuse(ReasonCode::TopicNameInvalid);
    ///             }
    ///         }
    ///         Treatment::Next
    ///     })
    ///     .start()?;
    /// # broker.shutdown()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_publish(
        self,
        treat: impl Fn(&Client, &mut Outgoing<'_>) -> Treatment + Send + Sync + 'static,
    ) -> Self {
        self.hook(OnPublish(treat))
    }

    /// Threads that answer for hooks which take their time; the default is one per core
    /// and four at most. None at all without hooks.
    pub fn worker_threads(mut self, threads: usize) -> Self {
        self.workers = Some(threads);
        self
    }

    /// Whether attempts to log in are held up where many have failed; they are unless
    /// this says no.
    pub fn login_delays(mut self, delays: bool) -> Self {
        self.login_delays = delays;
        self
    }
}
