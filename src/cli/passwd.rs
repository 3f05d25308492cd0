//! `ringmq passwd`: creates and edits password files.
//!
//! Owns the file while it is edited: what is written goes to a new file beside it,
//! which takes its place in one step, with mode and owner of the old one. Lives on the
//! main thread; never reaches a broker, which reads the file again at SIGHUP.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use super::arguments::{PasswdSettings, Task};
use super::failure::{CLIENT_USAGE, Failure};
use crate::hooks::authentication::password_edit;
use crate::hooks::authentication::password_hash::PasswordHash;
use crate::hooks::line_error::LineError;

/// Who may read a new password file: its owner.
const NEW_MODE: u32 = 0o600;

/// Does what the settings say.
pub(crate) fn run(settings: &PasswdSettings) -> Result<(), Failure> {
    let path = &settings.file;
    let hash = |password: &[u8]| PasswordHash::create(settings.scheme, password);
    match &settings.task {
        Task::Set {
            user,
            password,
            create,
        } => {
            // Looked at first: nobody likes to type a password in vain.
            let old = if *create { Vec::new() } else { read(path)? };
            let typed = password.clone().map_or_else(ask, Ok)?;
            let hash = hash(typed.as_bytes()).map_err(|error| failed(path, &error))?;
            let (text, found) =
                password_edit::set(&old, user, &hash).map_err(|error| corrupt(path, &error))?;
            replace(path, &text)?;
            let done = if found { "Updating" } else { "Adding" };
            say(format_args!("{done} password for user {user}"));
        }
        Task::Delete(user) => {
            let text = password_edit::remove(&read(path)?, user)
                .map_err(|error| corrupt(path, &error))?
                .ok_or_else(|| failed(path, &format_args!("there is no user {user}")))?;
            replace(path, &text)?;
        }
        Task::Upgrade => {
            let hash = |password: &str| hash(password.as_bytes());
            let (text, hashed) = password_edit::upgrade(&read(path)?, hash)
                .map_err(|error| corrupt(path, &error))?;
            if hashed > 0 {
                replace(path, &text)?;
            }
            say(format_args!("Hashed {hashed} passwords"));
        }
    }
    Ok(())
}

fn failed(path: &Path, what: &dyn std::fmt::Display) -> Failure {
    Failure::new(
        CLIENT_USAGE,
        format_args!("Error: {}: {what}", path.display()),
    )
}

fn corrupt(path: &Path, LineError { line, what }: &LineError) -> Failure {
    Failure::new(
        CLIENT_USAGE,
        format_args!("Error: {}:{line}: {what}", path.display()),
    )
}

/// Whoever closed standard output does not want to know.
fn say(what: std::fmt::Arguments<'_>) {
    let _ = writeln!(io::stdout(), "{what}");
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| {
        if error.kind() == io::ErrorKind::NotFound {
            failed(path, &"there is no such file; -c creates it")
        } else {
            failed(path, &error)
        }
    })
}

/// Asks twice at a terminal, and reads one line otherwise.
fn ask() -> Result<String, Failure> {
    let wrong =
        |what: &dyn std::fmt::Display| Failure::new(CLIENT_USAGE, format_args!("Error: {what}"));
    if !io::stdin().is_terminal() {
        let mut line = String::new();
        io::stdin()
            .read_line(&mut line)
            .map_err(|error| wrong(&error))?;
        let password = line.strip_suffix('\n').unwrap_or(&line);
        let password = password.strip_suffix('\r').unwrap_or(password);
        return if password.is_empty() {
            Err(wrong(&"the password is empty"))
        } else {
            Ok(password.to_owned())
        };
    }
    let ask = |prompt: &str| rpassword::prompt_password(prompt).map_err(|error| wrong(&error));
    let password = ask("Password: ")?;
    if password.is_empty() {
        return Err(wrong(&"the password is empty"));
    }
    if ask("Reenter password: ")? != password {
        return Err(wrong(&"the passwords do not match"));
    }
    Ok(password)
}

/// Puts `text` in the file's place: readers see the old file or the new one, whatever
/// happens in between.
fn replace(path: &Path, text: &str) -> Result<(), Failure> {
    // A link is followed: what it points to is the file that is kept.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let beside = beside(&target);
    let written = write_beside(&target, &beside, text)
        .and_then(|()| fs::rename(&beside, &target))
        .and_then(|()| sync_folder(&target));
    written.map_err(|error| {
        let _ = fs::remove_file(&beside);
        failed(path, &error)
    })
}

fn beside(target: &Path) -> PathBuf {
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(format!(".new.{}", std::process::id()));
    target.with_file_name(name)
}

fn write_beside(target: &Path, beside: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(NEW_MODE)
        .open(beside)?;
    match fs::metadata(target) {
        Ok(old) => {
            let own = file.metadata()?;
            if (own.uid(), own.gid()) != (old.uid(), old.gid()) {
                fchown(&file, Some(old.uid()), Some(old.gid()))?;
            }
            // After the owner: until then nobody else may read it.
            file.set_permissions(old.permissions())?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// So that the new name survives a power failure.
fn sync_folder(target: &Path) -> io::Result<()> {
    let folder = match target.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}
