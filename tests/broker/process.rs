//! A broker process under test: started with any options and limits, watched, stopped.
//!
//! Owns the child: dropped, it is killed, and the kernel kills it should the test's
//! thread vanish. Keeps what the broker said on standard error for the failure
//! message. Knows nothing of MQTT.
#![allow(dead_code, reason = "several test binaries use it, each its own part")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use super::wait::{self, PATIENCE};

/// The binary that Cargo built for these tests, or the one that `RINGMQ_TEST_BINARY` names.
pub fn binary() -> PathBuf {
    let given = std::env::var_os("RINGMQ_TEST_BINARY");
    given.map_or_else(|| env!("CARGO_BIN_EXE_ringmq").into(), PathBuf::from)
}

/// A running broker.
pub struct Broker {
    child: Child,
    /// Lines of standard output that announce a listener.
    announced: Vec<String>,
    addresses: Vec<SocketAddr>,
    stderr: Log,
}

/// A process that ended by itself instead of serving.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// What a process has said so far.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl Log {
    fn text(&self) -> String {
        self.0.lock().expect("no reader panics").clone()
    }

    fn push(&self, line: &str) {
        let mut text = self.0.lock().expect("no reader panics");
        text.push_str(line);
        text.push('\n');
    }

    fn follow(stream: impl Read + Send + 'static) -> (Self, JoinHandle<()>) {
        let log = Self::default();
        let copy = log.clone();
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                copy.push(&line);
            }
        });
        (log, reader)
    }
}

/// `ringmq` on a free port of loopback with so many shards and these options.
pub fn command(shards: usize, options: &[&str]) -> Command {
    command_of(&binary(), shards, options)
}

/// The same for a copy of the binary elsewhere.
pub fn command_of(binary: &Path, shards: usize, options: &[&str]) -> Command {
    let mut command = Command::new(binary);
    command
        .args(["--tcp", "127.0.0.1:0", "--shards", &shards.to_string()])
        .args(options);
    command
}

/// Runs to the end, which must come by itself: a refusal, or a client command.
pub fn run(mut command: Command) -> Ended {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = spawn(&mut command);
    let (stdout, out) = Log::follow(child.stdout.take().expect("piped"));
    let (stderr, err) = Log::follow(child.stderr.take().expect("piped"));
    let ended = wait::for_some("the process to end", PATIENCE, || exited(&mut child));
    for reader in [out, err] {
        reader.join().expect("a reader does not panic");
    }
    Ended {
        code: ended.code(),
        stdout: stdout.text(),
        stderr: stderr.text(),
    }
}

fn exited(child: &mut Child) -> Option<ExitStatus> {
    child.try_wait().expect("a child can be waited for")
}

fn spawn(command: &mut Command) -> Child {
    // SAFETY: prctl only sets an attribute of the calling process; it is
    // async-signal-safe, takes no pointer and allocates nothing.
    unsafe {
        command.pre_exec(|| {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            Ok(())
        });
    }
    command.spawn().expect("the binary can be started")
}

/// Sets a limit of the process to be (soft and hard alike).
pub fn limit(command: &mut Command, resource: libc::__rlimit_resource_t, value: u64) {
    limit_softly(command, resource, value, value);
}

/// Sets a soft limit of the process to be, which it may raise to the hard one.
pub fn limit_softly(
    command: &mut Command,
    resource: libc::__rlimit_resource_t,
    soft: u64,
    hard: u64,
) {
    let limit = libc::rlimit {
        rlim_cur: soft,
        rlim_max: hard,
    };
    // SAFETY: setrlimit is async-signal-safe and reads the limit, which the closure owns.
    unsafe {
        command.pre_exec(move || match libc::setrlimit(resource, &raw const limit) {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        });
    }
}

/// Gives the process to be so many descriptors that it knows nothing of.
pub fn inherit_descriptors(command: &mut Command, count: usize) {
    // SAFETY: dup is async-signal-safe and takes no pointer.
    unsafe {
        command.pre_exec(move || {
            for _ in 0..count {
                if libc::dup(libc::STDERR_FILENO) < 0 {
                    return Err(std::io::Error::last_os_error());
                }
            }
            Ok(())
        });
    }
}

impl Broker {
    pub fn start(shards: usize, options: &[&str]) -> Self {
        Self::serve(command(shards, options), 1)
    }

    /// Starts what must come to serve on so many listeners.
    pub fn serve(command: Command, listeners: usize) -> Self {
        Self::try_serve(command, listeners)
            .unwrap_or_else(|ended| panic!("the broker did not start: {ended:?}"))
    }

    /// Starts a broker, which may refuse.
    pub fn try_serve(mut command: Command, listeners: usize) -> Result<Self, Ended> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = spawn(&mut command);
        let (stderr, err) = Log::follow(child.stderr.take().expect("piped"));
        let lines = lines_of(child.stdout.take().expect("piped"));
        let mut broker = Self {
            child,
            announced: Vec::new(),
            addresses: Vec::new(),
            stderr,
        };
        let mut stdout = String::new();
        while broker.announced.len() < listeners {
            match lines.recv_timeout(PATIENCE) {
                Ok(line) => {
                    if let Some(place) = line.strip_prefix("listening ") {
                        let address: Option<SocketAddr> = place
                            .split_once(' ')
                            .and_then(|(_, text)| text.parse().ok());
                        broker.addresses.extend(address);
                        broker.announced.push(line.clone());
                    }
                    stdout.push_str(&line);
                    stdout.push('\n');
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    panic!("no listener in {PATIENCE:?}; stderr:\n{}", broker.stderr())
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    let status = broker.wait_exit(PATIENCE);
                    err.join().expect("a reader does not panic");
                    return Err(Ended {
                        code: status.code(),
                        stdout,
                        stderr: broker.stderr(),
                    });
                }
            }
        }
        Ok(broker)
    }

    pub fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// What it said of its listeners, in the order of the options.
    pub fn announced(&self) -> &[String] {
        &self.announced
    }

    /// One per listener that has one, in the order of the options.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    pub fn id(&self) -> libc::pid_t {
        libc::pid_t::try_from(self.child.id()).expect("process ids fit")
    }

    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Resident memory in bytes.
    pub fn resident(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = fs::read_to_string(path).expect("the broker is running");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .expect("VmRSS");
        let kib: u64 = line
            .trim()
            .trim_end_matches(" kB")
            .parse()
            .expect("a number of kB");
        kib * 1024
    }

    pub fn is_running(&mut self) -> bool {
        exited(&mut self.child).is_none()
    }

    pub fn signal(&self, signal: libc::c_int) {
        // SAFETY: kill takes no pointer; the child is not reaped before `self` is gone,
        // so its id belongs to nobody else.
        let result = unsafe { libc::kill(self.id(), signal) };
        assert_eq!(result, 0, "the broker is there to be signalled");
    }

    /// Waits for the process to end by itself.
    pub fn wait_exit(&mut self, patience: Duration) -> ExitStatus {
        wait::for_some("the broker to stop", patience, || exited(&mut self.child))
    }

    /// Stops it as an operator does and expects a clean end.
    pub fn stop(mut self) {
        self.signal(libc::SIGTERM);
        let status = self.wait_exit(PATIENCE);
        assert_eq!(
            status.code(),
            Some(0),
            "a clean stop; stderr:\n{}",
            self.stderr()
        );
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("standard error of the broker:\n{}", self.stderr());
        }
        // It may be gone already, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines_of(stream: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            // The pipe is drained even when nobody listens any more.
            let _ = sender.send(line);
        }
    });
    lines
}

/// Says on the real standard error that a test did not run, whatever the harness captures.
pub fn skipped(what: &str, why: &str) {
    let line = format!("\n!!! SKIPPED {what}: {why}\n");
    // Nothing to do when standard error is closed.
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// A folder of this test run below the target folder; the caller removes it or lets it be reused.
pub fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&folder).expect("the target folder is writable");
    folder
}
