//! A broker's process: started pinned, awaited, stopped without fail.
//!
//! Owns the process and its directory; both are gone when it is dropped. One of
//! the few files with `unsafe`, for what is set between fork and exec.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use ringmq::protocol::ProtocolVersion;
use ringmq::transport::client::Connector;

use super::entry::Entry;
use super::words;
use crate::affinity::Cores;
use crate::arguments::TransportArguments;
use crate::encode;
use crate::fault::Fault;
use crate::layers::{Layers, RAW_BYTES};

/// A broker that does not accept by then does not work.
const START_DEADLINE: Duration = Duration::from_secs(20);

/// A broker that has not ended by then is killed.
const STOP_DEADLINE: Duration = Duration::from_secs(5);

/// Between two looks at a process that starts or stops.
const LOOK: Duration = Duration::from_millis(20);

/// Lines of a broker's output that are shown when it does not start.
const LAST_LINES: usize = 5;

/// How a broker is spoken to, and what it needs for that.
#[derive(Clone, Copy, Debug)]
pub struct Speech<'a> {
    /// The version of MQTT.
    pub version: ProtocolVersion,
    /// TLS and WebSocket.
    pub transport: &'a TransportArguments,
    /// The certificates of a broker that speaks TLS, PEM.
    pub cert: &'a Path,
    /// Their key, PEM.
    pub key: &'a Path,
}

/// A running broker.
#[derive(Debug)]
pub struct Launched {
    child: Child,
    address: SocketAddr,
    directory: PathBuf,
}

impl Launched {
    /// Starts a broker in a fresh directory within `scratch`, on the given cores,
    /// and waits until it lets a client in.
    ///
    /// # Errors
    /// Why it does not run, with the end of its output.
    pub fn start(
        entry: &Entry,
        scratch: &Path,
        cores: Option<&Cores>,
        speech: &Speech<'_>,
    ) -> Result<Self, String> {
        let (directory, port) = prepare(scratch, &entry.name)
            .map_err(|error| format!("{}: cannot prepare its start: {error}", entry.name))?;
        let result = Self::spawn(entry, &directory, port, cores, speech);
        let mut launched = match result {
            Ok(child) => Self {
                child,
                address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
                directory,
            },
            Err(error) => {
                let _ = fs::remove_dir_all(&directory);
                return Err(format!("{}: cannot be started: {error}", entry.name));
            }
        };
        match launched.wait_until_open(speech) {
            Ok(()) => Ok(launched),
            Err(what) => Err(format!("{}: {what}{}", entry.name, launched.last_words())),
        }
    }

    fn spawn(
        entry: &Entry,
        directory: &Path,
        port: u16,
        cores: Option<&Cores>,
        speech: &Speech<'_>,
    ) -> io::Result<Child> {
        let threads = cores.map_or_else(
            || thread::available_parallelism().map_or(1, usize::from),
            Cores::count,
        );
        let level = if speech.version == ProtocolVersion::V5 {
            "5"
        } else {
            "4"
        };
        let values = [
            ("port", port.to_string()),
            ("dir", directory.display().to_string()),
            ("threads", threads.to_string()),
            ("mqtt", level.to_owned()),
            ("cert", speech.cert.display().to_string()),
            ("key", speech.key.display().to_string()),
        ];
        for file in &entry.files {
            let text = words::fill(&file.text, &values);
            fs::write(directory.join(&file.name), text)?;
        }
        let arguments = entry.command.iter().map(|word| words::fill(word, &values));
        let arguments: Vec<String> = arguments.collect();
        let output = fs::File::create(log_of(directory))?;
        let mut command = Command::new(&arguments[0]);
        command
            .args(&arguments[1..])
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        let cores = cores.cloned();
        // SAFETY: between fork and exec only two system calls are made, neither
        // of which allocates or takes a lock.
        unsafe {
            command.pre_exec(move || {
                // The broker ends with the harness, however that ends.
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                cores.as_ref().map_or(Ok(()), Cores::bind)
            });
        }
        command.spawn()
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether it has ended by itself, and how.
    pub fn ended(&mut self) -> Option<String> {
        let status = self.child.try_wait().ok()??;
        Some(format!("it has ended ({status}){}", self.last_words()))
    }

    /// Connects as a client does; a port that is merely bound is not enough.
    fn wait_until_open(&mut self, speech: &Speech<'_>) -> Result<(), String> {
        let (host, port) = (self.address.ip().to_string(), self.address.port());
        let connector = speech.transport.connector(&host, port, speech.version)?;
        let deadline = Instant::now() + START_DEADLINE;
        loop {
            if let Some(how) = self.child.try_wait().ok().flatten() {
                return Err(format!("it has ended before it accepted ({how})"));
            }
            match greet(self.address, speech.version, connector.as_deref()) {
                Ok(()) => return Ok(()),
                Err(error) if Instant::now() >= deadline => {
                    return Err(format!(
                        "it does not let a client in after {} s: {error}",
                        START_DEADLINE.as_secs()
                    ));
                }
                Err(_) => thread::sleep(LOOK),
            }
        }
    }

    fn last_words(&self) -> String {
        let output = fs::read(log_of(&self.directory)).unwrap_or_default();
        let output = String::from_utf8_lossy(&output);
        let lines: Vec<&str> = output.lines().collect();
        let last = &lines[lines.len().saturating_sub(LAST_LINES)..];
        last.iter().map(|line| format!("\n    | {line}")).collect()
    }
}

impl Drop for Launched {
    fn drop(&mut self) {
        if let Ok(pid) = libc::pid_t::try_from(self.child.id())
            && matches!(self.child.try_wait(), Ok(None))
        {
            // SAFETY: no pointers; the process is ours and was not waited for,
            // so its number belongs to nobody else.
            unsafe { libc::kill(pid, libc::SIGTERM) };
            let deadline = Instant::now() + STOP_DEADLINE;
            while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
                thread::sleep(LOOK);
            }
        }
        // Both say nothing about a process that has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// A directory of its own, and a port that nobody listens on.
fn prepare(scratch: &Path, name: &str) -> io::Result<(PathBuf, u16)> {
    let directory = scratch.join(name);
    // What an interrupted run has left.
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok((directory, listener.local_addr()?.port()))
}

fn log_of(directory: &Path) -> PathBuf {
    directory.join("output.log")
}

/// CONNECT, CONNACK, DISCONNECT.
fn greet(
    address: SocketAddr,
    version: ProtocolVersion,
    connector: Option<&Connector>,
) -> io::Result<()> {
    let second = Duration::from_secs(1);
    let mut stream = TcpStream::connect_timeout(&address, second)?;
    stream.set_read_timeout(Some(second))?;
    let connect = encode::connect(version, "ringmq-bench-hello", 60);
    let mut head = [0; 1];
    match connector {
        None => {
            stream.write_all(&connect)?;
            stream.read_exact(&mut head)?;
            stream.write_all(&encode::DISCONNECT)?;
        }
        Some(connector) => {
            let mut layers = Layers::open(connector)?;
            head[0] = first_byte(&mut layers, &stream, connect).map_err(io::Error::other)?;
            layers.close(&stream);
        }
    }
    if head[0] == 0x20 {
        Ok(())
    } else {
        Err(io::Error::other("it does not answer CONNECT"))
    }
}

/// Sends a packet through TLS and WebSocket; the first byte of the answer.
fn first_byte(layers: &mut Layers, stream: &TcpStream, mut packet: Vec<u8>) -> Result<u8, Fault> {
    let mut raw = vec![0; RAW_BYTES];
    let mut buffer = vec![0; RAW_BYTES];
    let deadline = Instant::now() + Duration::from_secs(2);
    while Instant::now() < deadline {
        layers.flush(stream, &mut packet)?;
        if layers.receive(stream, &mut raw, &mut buffer, 0)?.is_some() {
            return Ok(buffer[0]);
        }
    }
    Err(Fault::Closed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("ringmq-bench-{name}-{}", std::process::id()))
    }

    #[test]
    fn a_command_that_ends_at_once_is_told_with_its_last_words() {
        let entry = Entry::parse("mine=sh -c 'echo no {port}; exit 7'", "mqtt").expect("sh exists");
        let scratch = scratch("ends");
        let speech = Speech {
            version: ProtocolVersion::V3_1_1,
            transport: &TransportArguments::default(),
            cert: Path::new(""),
            key: Path::new(""),
        };
        let error = Launched::start(&entry, &scratch, None, &speech);
        let error = error.expect_err("it ends");
        assert!(error.starts_with("mine: it has ended before it accepted"));
        assert!(error.contains("exit status: 7") && error.contains("\n    | no "));
        assert!(!scratch.join("mine").exists(), "its directory is gone");
        let _ = fs::remove_dir(scratch);
    }
}
