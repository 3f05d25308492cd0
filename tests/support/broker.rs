//! Starts the real `ringmq` binary and finds out where it listens.
//!
//! Owns the process: it is killed when its `Broker` is dropped, and by the kernel when the test
//! process ends in whatever way (a broker shared by a whole binary is never dropped). Standard error is
//! kept and shown when a test fails. With `RINGMQ_TEST_BROKER=host:port` every test talks to the
//! broker that listens there instead, and tests that need options of their own are skipped.
//! Never looks at anything of the broker but its first lines of output and its exit status.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::unix::process::CommandExt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::time::{Duration, Instant};

use super::authority::Authority;
use super::stream::Way;

/// How long a broker may take from its start to its first listener.
const START_DEADLINE: Duration = Duration::from_secs(20);

/// Lines of standard error kept for the failure message.
const KEPT_LINES: usize = 60;

/// A broker to test: ours, started here, or somebody else's, already running.
pub struct Broker {
    way: Way,
    process: Option<Process>,
}

struct Process {
    child: Mutex<Child>,
    stderr: Arc<Mutex<VecDeque<String>>>,
}

impl Broker {
    /// Starts a broker with this many shards and further options on a free port of loopback.
    /// `None` when the tests are pointed at a broker that is already running.
    pub fn start(shards: usize, options: &[&str]) -> Option<Self> {
        Self::start_with(shards, options, &[])
    }

    /// The same with further variables of the environment.
    pub fn start_with(
        shards: usize,
        options: &[&str],
        environment: &[(&str, &str)],
    ) -> Option<Self> {
        if external().is_some() {
            return None;
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringmq"));
        command
            .args(listener())
            .args(["--shards", &shards.to_string()])
            .args(options)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = spawn(command);
        let stderr = keep_lines(child.stderr.take().expect("standard error is piped"));
        let lines = forward_lines(child.stdout.take().expect("standard output is piped"));
        let broker = |way| Self {
            way,
            process: Some(Process {
                child: Mutex::new(child),
                stderr,
            }),
        };
        match first_listener(&lines) {
            Ok(way) => Some(broker(way)),
            Err(what) => {
                let unset = Way::Unix(PathBuf::new());
                panic!("{what}\n{}", broker(unset).diagnosis())
            }
        }
    }

    /// The broker with this many shards that all tests of the binary share.
    pub fn shared(shards: usize) -> &'static Self {
        static ONE: OnceLock<Broker> = OnceLock::new();
        static FOUR: OnceLock<Broker> = OnceLock::new();
        let cell = match shards {
            1 => &ONE,
            4 => &FOUR,
            _ => panic!("shared brokers have 1 or 4 shards, not {shards}"),
        };
        cell.get_or_init(|| {
            Self::start(shards, &["--allow-anonymous"]).unwrap_or_else(|| Self {
                way: Way::Tcp(external().expect("no broker is started only when there is one")),
                process: None,
            })
        })
    }

    /// A broker that listens there, whoever runs it.
    pub fn at(address: SocketAddr) -> Self {
        Self {
            way: Way::Tcp(address),
            process: None,
        }
    }

    /// How clients reach it.
    pub fn way(&self) -> &Way {
        &self.way
    }

    /// Whether it was started here, from this crate.
    pub fn is_ours(&self) -> bool {
        self.process.is_some()
    }

    /// Asks the broker to stop, as an operator would.
    pub fn terminate(&self) {
        let process = self.process.as_ref().expect("a broker started here");
        let id = process.child.lock().expect("no panic holds it").id();
        let status = Command::new("kill")
            .args(["-TERM", &id.to_string()])
            .status()
            .expect("kill can be run");
        assert!(status.success(), "the broker is not there any more");
    }

    /// Asks the broker to read its files again.
    pub fn reload(&self) {
        let process = self.process.as_ref().expect("a broker started here");
        let id = process.child.lock().expect("no panic holds it").id();
        let status = Command::new("kill")
            .args(["-HUP", &id.to_string()])
            .status()
            .expect("kill can be run");
        assert!(status.success(), "the broker is not there any more");
    }

    /// Waits until `count` of the latest lines of its log hold `text`, and returns the last one.
    pub fn wait_for_log(&self, text: &str, count: usize) -> String {
        let process = self.process.as_ref().expect("a broker started here");
        let deadline = Instant::now() + START_DEADLINE;
        loop {
            let lines = process.stderr.lock().expect("no panic holds it");
            let mut found: Vec<_> = lines.iter().filter(|line| line.contains(text)).collect();
            if found.len() >= count {
                return found.pop().cloned().unwrap_or_default();
            }
            drop(lines);
            assert!(
                Instant::now() < deadline,
                "the broker does not log {text:?}\n{}",
                self.diagnosis()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for the process to end.
    pub fn wait_exit(&self, patience: Duration) -> ExitStatus {
        let process = self.process.as_ref().expect("a broker started here");
        let deadline = Instant::now() + patience;
        loop {
            let status = process
                .child
                .lock()
                .expect("no panic holds it")
                .try_wait()
                .expect("a child can be waited for");
            if let Some(status) = status {
                return status;
            }
            assert!(
                Instant::now() < deadline,
                "the broker did not stop within {patience:?}\n{}",
                self.diagnosis()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What is known about the process: whether it lives, and its last words.
    pub fn diagnosis(&self) -> String {
        let Some(process) = &self.process else {
            return format!("(a broker of somebody else: {:?})", self.way);
        };
        let state = match process.child.lock().expect("no panic holds it").try_wait() {
            Ok(None) => "is running".into(),
            Ok(Some(status)) => format!("has ended: {status}"),
            Err(error) => format!("is in an unknown state: {error}"),
        };
        let lines = process.stderr.lock().expect("no panic holds it");
        let lines = lines.iter().cloned().collect::<Vec<_>>().join("\n");
        format!(
            "the broker ({:?}) {state}; its last lines on standard error:\n{lines}",
            self.way
        )
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Ok(mut child) = self.child.lock() {
            // It may be gone already, which is as good.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A name that no other test, and no earlier run against the same broker, uses. At most 23
/// characters for prefixes of up to 10, letters and digits only: legal as any client's identifier.
pub fn unique(prefix: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{prefix}{:x}x{number:x}", std::process::id())
}

/// Runs a promise against the shared broker with this many shards.
pub fn hold(shards: usize, promise: fn(&Broker)) {
    judge(Broker::shared(shards), promise);
}

/// Runs a promise against a broker of its own with these options.
pub fn hold_with(shards: usize, options: &[&str], promise: fn(&Broker)) {
    match Broker::start(shards, options) {
        Some(broker) => judge(&broker, promise),
        None => eprintln!("skipped: it needs a broker started with {options:?}"),
    }
}

fn judge(broker: &Broker, promise: fn(&Broker)) {
    if let Err(failure) = catch_unwind(AssertUnwindSafe(|| promise(broker))) {
        eprintln!("{}", broker.diagnosis());
        resume_unwind(failure);
    }
}

fn external() -> Option<SocketAddr> {
    let name = std::env::var("RINGMQ_TEST_BROKER").ok()?;
    let mut addresses = name
        .to_socket_addrs()
        .unwrap_or_else(|error| panic!("RINGMQ_TEST_BROKER={name} is no host:port: {error}"));
    Some(addresses.next().expect("a name stands for an address"))
}

/// Spawns on a thread that lives as long as the test process: the kernel's "kill me when my parent
/// dies" means the parent *thread*, and the threads that run tests come and go.
fn spawn(command: Command) -> Child {
    type Order = (Command, mpsc::Sender<std::io::Result<Child>>);
    static SPAWNER: OnceLock<Mutex<mpsc::Sender<Order>>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (orders, inbox) = mpsc::channel::<Order>();
        std::thread::spawn(move || {
            for (mut command, answer) in inbox {
                // SAFETY: prctl with PR_SET_PDEATHSIG only sets an attribute of the calling process;
                // it is async-signal-safe, takes no pointer and allocates nothing.
                unsafe {
                    command.pre_exec(|| {
                        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                        Ok(())
                    });
                }
                // The one who ordered it waits for the answer.
                let _ = answer.send(command.spawn());
            }
        });
        Mutex::new(orders)
    });
    let (answer, child) = mpsc::channel();
    spawner
        .lock()
        .expect("nobody panics while sending")
        .send((command, answer))
        .expect("the spawner lives as long as the process");
    child
        .recv()
        .expect("every order is answered")
        .expect("the broker's binary can be started")
}

fn keep_lines(stream: impl Read + Send + 'static) -> Arc<Mutex<VecDeque<String>>> {
    let kept = Arc::new(Mutex::new(VecDeque::new()));
    let lines = Arc::clone(&kept);
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let mut lines = lines.lock().expect("nobody panics with it");
            if lines.len() == KEPT_LINES {
                lines.pop_front();
            }
            lines.push_back(line);
        }
    });
    kept
}

fn forward_lines(stream: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            // After the first listener nobody listens here any more; the pipe is still drained.
            let _ = sender.send(line);
        }
    });
    lines
}

/// The transport that all promises are made over: `RINGMQ_TRANSPORT=tls|ws|wss|unix`, else tcp.
fn transport() -> String {
    std::env::var("RINGMQ_TRANSPORT").unwrap_or_else(|_| "tcp".into())
}

/// The options that make a broker listen for it.
fn listener() -> Vec<String> {
    let kind = transport();
    let place = match kind.as_str() {
        "tcp" | "ws" | "tls" | "wss" => "127.0.0.1:0".to_owned(),
        "unix" => {
            let name = format!("ringmq-{}.sock", unique("t"));
            std::env::temp_dir().join(name).display().to_string()
        }
        other => panic!("RINGMQ_TRANSPORT={other}: choose tcp, tls, ws, wss or unix"),
    };
    let mut options = vec![format!("--{kind}"), place];
    if kind == "tls" || kind == "wss" {
        let server = Authority::shared().server(&unique("server"), &["localhost", "127.0.0.1"]);
        options.extend(server.options().map(str::to_owned));
    }
    options
}

/// How to reach the listener that a line of standard output announces; `None` for other lines.
pub fn announced(line: &str) -> Option<Result<Way, String>> {
    let (kind, place) = line.strip_prefix("listening ")?.split_once(' ')?;
    if kind == "unix" {
        return Some(Ok(Way::Unix(place.into())));
    }
    let client = || Authority::shared().client(None);
    Some(match (kind, place.parse()) {
        ("tcp", Ok(address)) => Ok(Way::Tcp(address)),
        ("tls", Ok(address)) => Ok(Way::Tls(address, client())),
        ("ws", Ok(address)) => Ok(Way::WebSocket(address)),
        ("wss", Ok(address)) => Ok(Way::SecureWebSocket(address, client())),
        _ => Err(format!("no address in {line:?}")),
    })
}

fn first_listener(lines: &mpsc::Receiver<String>) -> Result<Way, String> {
    let deadline = Instant::now() + START_DEADLINE;
    loop {
        let patience = deadline.saturating_duration_since(Instant::now());
        match lines.recv_timeout(patience) {
            Ok(line) => {
                if let Some(way) = announced(&line) {
                    return way;
                }
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {
                return Err(format!("no listener within {START_DEADLINE:?}"));
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                return Err("the broker ended before it listened".into());
            }
        }
    }
}
