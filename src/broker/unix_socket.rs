//! Unix domain sockets: their files, before and after.
//!
//! Owns the file of a bound socket until the broker stops: dropped, it is removed,
//! unless somebody else has put another one there. Runs on the thread that starts
//! or stops the broker. Never removes what is no socket, nor one that answers.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use nix::unistd::{Group, User};
use socket2::{Domain, SockAddr, Socket, Type};
use tracing::{info, warn};

use super::bind::refusal;
use super::error::StartError;
use super::listener::SocketFile;

/// The file of a socket that we made.
#[derive(Debug)]
pub(crate) struct SocketPath {
    path: PathBuf,
    /// Device and inode: which file at this path is ours.
    identity: (u64, u64),
}

impl Drop for SocketPath {
    fn drop(&mut self) {
        let ours = identity(&self.path).is_ok_and(|found| found == self.identity);
        if ours && let Err(error) = fs::remove_file(&self.path) {
            warn!(path = %self.path.display(), %error, "the socket's file stays behind");
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let file = fs::symlink_metadata(path)?;
    Ok((file.dev(), file.ino()))
}

/// A socket bound to `path`, not yet listening: until the shards listen, whoever
/// connects is refused, so nobody comes in before mode and owner are set.
pub(crate) fn bind(path: &Path, file: &SocketFile) -> Result<(OwnedFd, SocketPath), StartError> {
    let name = || path.display().to_string();
    let owner = match &file.owner {
        Some(owner) => Some(find_owner(owner).map_err(|what| bad_owner(path, what))?),
        None => None,
    };
    make_room(path)?;
    let bind = || {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.bind(&SockAddr::unix(path)?)?;
        let identity = identity(path)?;
        let made = SocketPath {
            path: path.to_owned(),
            identity,
        };
        if let Some((user, group)) = owner {
            chown(path, user, group)?;
        }
        if let Some(mode) = file.mode {
            fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
        }
        Ok((socket.into(), made))
    };
    bind().map_err(|source| refusal(name(), source))
}

/// Removes the socket of a process that is gone.
fn make_room(path: &Path) -> Result<(), StartError> {
    let name = || path.display().to_string();
    let failed = |source| refusal(name(), source);
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found.map_err(failed)?,
    };
    if !found.file_type().is_socket() {
        return Err(StartError::NoSocket(name()));
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            info!(path = %path.display(), "replacing the socket of a process that is gone");
            fs::remove_file(path).map_err(failed)
        }
        Ok(_) => Err(StartError::InUse(name())),
        // Its queue is full: somebody is there.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(StartError::InUse(name())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed(error)),
    }
}

fn bad_owner(path: &Path, what: String) -> StartError {
    let listener = format!("unix {}", path.display());
    super::error::ConfigError::Listener { listener, what }.into()
}

/// `user`, `user:group` or `:group`, each a name or a number.
fn find_owner(owner: &str) -> Result<(Option<u32>, Option<u32>), String> {
    let (user, group) = owner.split_once(':').unwrap_or((owner, ""));
    let unknown =
        |what, name| format!("there is no {what} {name:?}; write user, user:group or :group");
    let user = match (user, user.parse::<u32>()) {
        ("", _) => None,
        (_, Ok(number)) => Some(number),
        (name, Err(_)) => {
            let found = User::from_name(name).ok().flatten();
            Some(found.ok_or_else(|| unknown("user", name))?.uid.as_raw())
        }
    };
    let group = match (group, group.parse::<u32>()) {
        ("", _) => None,
        (_, Ok(number)) => Some(number),
        (name, Err(_)) => {
            let found = Group::from_name(name).ok().flatten();
            Some(found.ok_or_else(|| unknown("group", name))?.gid.as_raw())
        }
    };
    if user.is_none() && group.is_none() {
        return Err("the owner is empty; write user, user:group or :group".into());
    }
    Ok((user, group))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    /// A folder that is gone after the test.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let name = format!("ringmq-unix-{name}-{}", std::process::id());
            let folder = std::env::temp_dir().join(name);
            fs::create_dir_all(&folder).expect("the temporary folder is writable");
            Self(folder)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_stale_socket_is_replaced_and_one_that_answers_is_not() {
        let folder = Folder::new("stale");
        let path = folder.0.join("socket");
        let other = UnixListener::bind(&path).expect("a fresh path");
        let refused = bind(&path, &SocketFile::default());
        assert!(matches!(refused, Err(StartError::InUse(_))), "{refused:?}");
        drop(other);
        assert!(path.exists(), "a listener leaves its file behind");
        let (_socket, made) = bind(&path, &SocketFile::default()).expect("nobody answers");
        drop(made);
        assert!(!path.exists());
    }

    #[test]
    fn what_is_no_socket_or_not_ours_is_never_removed() {
        let folder = Folder::new("foreign");
        let path = folder.0.join("file");
        fs::write(&path, "precious").expect("a file");
        let refused = bind(&path, &SocketFile::default());
        assert!(
            matches!(refused, Err(StartError::NoSocket(_))),
            "{refused:?}"
        );
        fs::remove_file(&path).expect("it is there");
        let (_socket, made) = bind(&path, &SocketFile::default()).expect("a free path");
        fs::remove_file(&path).expect("it is there");
        fs::write(&path, "precious").expect("a file");
        drop(made);
        assert!(path.exists());
    }

    #[test]
    fn mode_and_owner_are_as_asked_for() {
        let folder = Folder::new("mode");
        let path = folder.0.join("socket");
        let own = nix::unistd::getuid();
        let file = SocketFile {
            mode: Some(0o620),
            owner: Some(format!("{own}:{}", nix::unistd::getgid())),
        };
        let (_socket, _made) = bind(&path, &file).expect("a free path");
        let found = fs::metadata(&path).expect("it is there");
        assert_eq!(found.permissions().mode() & 0o777, 0o620);
        assert_eq!(found.uid(), own.as_raw());
        assert_eq!(find_owner("root"), Ok((Some(0), None)));
        assert_eq!(find_owner(":0"), Ok((None, Some(0))));
        assert!(find_owner(":").is_err());
        assert!(find_owner("no-such-user-here").is_err_and(|what| what.contains("no-such-user")));
    }
}
