//! Password files: mosquitto's are read unchanged, mosquitto reads ours, and `ringmq passwd` edits
//! them as mosquitto_passwd does.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::files::{Folder, login, passwd, users};
use crate::mosquitto::{self, Mosquitto};
use crate::support::broker::{Broker, hold_with, unique};
use crate::support::client::Client;
use crate::support::wire::{Connect, Version};

const VERSIONS: [Version; 3] = [Version::V31, Version::V311, Version::V5];

/// Whether the broker lets in who is in the file, with the right password alone.
fn judge(broker: &Broker, users: &[(&str, &str)]) {
    for version in VERSIONS {
        // 3.x: bad user name or password, or, as mosquitto says it, not authorized.
        let refused: &[u8] = match version {
            Version::V5 => &[0x86, 0x87],
            Version::V31 | Version::V311 => &[4, 5],
        };
        for (user, password) in users {
            assert_eq!(
                login(broker, version, user, password),
                0,
                "{user} {version:?}"
            );
        }
        let (user, password) = users[0];
        let wrong = format!("{password}x");
        let answer = login(broker, version, user, &wrong);
        assert!(refused.contains(&answer), "{answer:#x} {version:?}");
        let answer = login(broker, version, "nobody", password);
        assert!(refused.contains(&answer), "{answer:#x} {version:?}");
    }
}

#[test]
fn files_of_mosquitto_passwd_are_accepted() {
    if !mosquitto::has(mosquitto::PASSWD) {
        return;
    }
    let folder = Folder::new();
    let path = folder.write("users", "plain:from a plain file\n");
    let run = |arguments: &[&str]| {
        let output = Command::new(mosquitto::PASSWD).args(arguments).output();
        let output = output.expect("it was found before");
        assert!(output.status.success(), "{output:?}");
    };
    run(&["-U", &path]);
    run(&["-b", "-H", "sha512", &path, "old", "pässword"]);
    run(&["-b", "-H", "sha512-pbkdf2", &path, "new", "secret"]);
    let broker = Broker::start(2, &["--password-file", &path]).expect("a broker of ours");
    judge(
        &broker,
        &[
            ("new", "secret"),
            ("old", "pässword"),
            ("plain", "from a plain file"),
        ],
    );
}

#[test]
fn mosquitto_accepts_files_of_ours() {
    let folder = Folder::new();
    let path = folder.write("users", "# staff\nplain:from a plain file\n");
    assert!(passwd(&["-U", "-H", "sha512", &path]).status.success());
    assert!(
        passwd(&["-b", "-H", "sha512", &path, "old", "pässword"])
            .status
            .success()
    );
    assert!(
        passwd(&["-b", "-H", "sha512-pbkdf2", &path, "new", "secret"])
            .status
            .success()
    );
    let strong = [
        "-b",
        "-H",
        "sha512-pbkdf2",
        "-I",
        "5000",
        &path,
        "strong",
        "s",
    ];
    assert!(passwd(&strong).status.success());
    let lines = format!("allow_anonymous false\npassword_file {path}");
    let Some(mosquitto) = Mosquitto::start(&folder, &lines) else {
        return;
    };
    judge(
        &mosquitto.broker,
        &[
            ("new", "secret"),
            ("old", "pässword"),
            ("plain", "from a plain file"),
            ("strong", "s"),
        ],
    );
}

#[test]
fn every_hash_of_ringmq_passwd_lets_its_user_in() {
    let folder = Folder::new();
    let path = folder.path("users");
    let hashes = ["argon2id", "sha512-pbkdf2", "sha512", "scram-sha-256"];
    for (number, hash) in hashes.into_iter().enumerate() {
        let create: &[&str] = if number == 0 { &["-c"] } else { &[] };
        let output = passwd(&[create, &["-b", "-H", hash, &path, hash, "secret"]].concat());
        assert!(output.status.success(), "{output:?}");
    }
    let broker = Broker::start(1, &["--password-file", &path]).expect("a broker of ours");
    let users: Vec<_> = hashes.iter().map(|hash| (*hash, "secret")).collect();
    judge(&broker, &users);
}

#[test]
fn a_user_is_added_changed_and_deleted_and_the_file_keeps_its_mode() {
    let folder = Folder::new();
    let path = folder.path("users");
    let fails = |arguments: &[&str], said: &str| {
        let output = passwd(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains(said), "{arguments:?}: {text}");
    };
    fails(&["-b", &path, "alice", "one"], "-c creates it");
    assert!(
        passwd(&["-c", "-b", "-H", "sha512", &path, "alice", "one"])
            .status
            .success()
    );
    let mode = |path: &str| fs::metadata(path).expect("it exists").permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("our file");
    let link = folder.path("link");
    std::os::unix::fs::symlink(&path, &link).expect("a writable folder");
    assert!(
        passwd(&["-b", "-H", "sha512", &link, "bob", "two"])
            .status
            .success()
    );
    assert_eq!(mode(&path), 0o640);
    assert!(fs::symlink_metadata(&link).expect("it exists").is_symlink());

    let before = fs::read_to_string(&path).expect("text");
    assert_eq!(before.lines().count(), 2);
    assert!(
        passwd(&["-b", "-H", "sha512", &path, "alice", "three"])
            .status
            .success()
    );
    let after = fs::read_to_string(&path).expect("text");
    assert_eq!(
        before.lines().nth(1),
        after.lines().nth(1),
        "bob is not touched"
    );
    assert_ne!(before.lines().next(), after.lines().next());
    assert!(passwd(&["-D", &path, "alice"]).status.success());
    let left = fs::read_to_string(&path).expect("text");
    assert_eq!(left.lines().count(), 1);

    fails(&["-D", &path, "alice"], "there is no user alice");
    fails(&["-b", &path, "a:b", "x"], "must not contain ':'");
    fails(&["-b", &path, "alice"], "-b needs the password");
    fails(&[&path, "alice", "seen"], "-b allows it");
    fails(
        &["-b", "-H", "md5", &path, "alice", "x"],
        "argon2id, sha512-pbkdf2, sha512 or",
    );
    fails(&["-c", "-U", &path], "cannot be used with");
    folder.write("users", "rubbish\n");
    fails(
        &["-b", &path, "alice", "x"],
        "users:1: is not of the form user:hash",
    );
    assert_eq!(fs::read_to_string(&path).expect("text"), "rubbish\n");
    let left = fs::read_dir(std::path::Path::new(&path).parent().expect("a folder"));
    assert_eq!(
        left.expect("a folder").count(),
        2,
        "nothing is left beside file and link"
    );
}

#[test]
fn without_name_or_password_the_listener_decides() {
    let folder = Folder::new();
    let path = users(&folder, &[("alice", "secret")]);
    let anonymous = |options: &[&str]| {
        let broker = Broker::start(1, options).expect("a broker of ours");
        let connect = Connect::v311(&unique("a"));
        let code = Client::start(&broker, &connect).expect_connack().code;
        let connect = Connect::v311(&unique("a")).username("alice");
        let nameless = Client::start(&broker, &connect).expect_connack().code;
        assert_ne!(nameless, 0, "a known name without a password");
        code
    };
    assert_eq!(anonymous(&["--password-file", &path]), 5);
    assert_eq!(
        anonymous(&["--password-file", &path, "--allow-anonymous"]),
        0
    );
}

#[test]
fn a_broken_file_stops_the_start_and_says_its_line() {
    let folder = Folder::new();
    let password_file = folder.write("users", "alice:secret\n");
    let acl_file = folder.write("acl", "topic read a\ntopic rad b\n");
    for (option, path, said) in [
        (
            "--password-file",
            password_file.as_str(),
            "users:1: user `alice`: the password is not hashed",
        ),
        (
            "--acl-file",
            acl_file.as_str(),
            "acl:2: `rad` is no kind of access",
        ),
        (
            "--jwt-key",
            password_file.as_str(),
            "users:1: neither a PEM key nor a secret",
        ),
        ("--jwt-jwks", password_file.as_str(), "users:1: no JWKS"),
        ("--scram-file", "/nonexistent", "/nonexistent: No such file"),
        ("--auth-http", "ftp://x/", "write http://HOST"),
        (
            "--auth-http-cache",
            "5",
            "--auth-http-cache needs --auth-http",
        ),
        (
            "--jwt-issuer",
            "x",
            "--jwt-issuer needs --jwt-key or --jwt-jwks",
        ),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_ringmq"))
            .args(["--tcp", "127.0.0.1:0", option, path])
            .output()
            .expect("the binary can be run");
        assert_eq!(output.status.code(), Some(2), "{option}");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let last = text.lines().last().unwrap_or_default();
        assert!(
            last.starts_with("ringmq: ") && last.contains(said),
            "{option}: {text}"
        );
    }
}

#[test]
fn other_machines_need_a_password_only_where_there_is_a_file() {
    let folder = Folder::new();
    let path = users(&folder, &[("alice", "secret")]);
    // Exposed without --allow-anonymous would be refused at start.
    hold_with(
        1,
        &["--tcp", "0.0.0.0:0", "--password-file", &path],
        |broker| {
            assert_eq!(login(broker, Version::V5, "alice", "secret"), 0);
        },
    );
}
