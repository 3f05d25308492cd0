//! A folder of a test's own, and `ringmq passwd` to fill it.
//!
//! Owns the folder: it is gone when dropped.

use std::path::PathBuf;
use std::process::{Command, Output};

use crate::support::broker::{Broker, unique};
use crate::support::client::Client;
use crate::support::wire::{Connect, Version};

/// A folder below the system's temporary one.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        let path = std::env::temp_dir().join(unique("ringmq-auth"));
        std::fs::create_dir(&path).expect("a writable temporary folder");
        Self(path)
    }

    /// The path of a file in it, which need not exist.
    pub fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("a plain path").to_owned()
    }

    /// Writes a file and returns its path.
    pub fn write(&self, name: &str, content: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, content).expect("a writable folder");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs `ringmq passwd` to its end.
pub fn passwd(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ringmq"))
        .arg("passwd")
        .args(arguments)
        .output()
        .expect("the binary can be run")
}

/// A password file with these users, quickly hashed.
pub fn users(folder: &Folder, users: &[(&str, &str)]) -> String {
    users_in(folder, "users", users)
}

/// The same under a name of its own.
pub fn users_in(folder: &Folder, name: &str, users: &[(&str, &str)]) -> String {
    let path = folder.write(name, "");
    for (user, password) in users {
        let output = passwd(&["-b", "-H", "sha512", &path, user, password]);
        assert!(output.status.success(), "{output:?}");
    }
    path
}

/// The broker's answer to this user and password.
pub fn login(broker: &Broker, version: Version, user: &str, password: &str) -> u8 {
    let connect = Connect::new(version, &unique("u")).username(user);
    let connect = connect.password(password.as_bytes());
    Client::start(broker, &connect).expect_connack().code
}

/// A client that is let in.
pub fn client(broker: &Broker, version: Version, id: &str, user: &str, password: &str) -> Client {
    let connect = Connect::new(version, id).username(user);
    Client::connect(broker, &connect.password(password.as_bytes()))
}
