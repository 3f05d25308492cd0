//! Browsers: MQTT.js in a foreign page, and the broker's own page, over ws and wss.
//!
//! Owns the search for the browsers. What happens in them is `browser/scenarios.js`, which starts
//! and restarts a broker of its own. Where a browser is not installed it is skipped loudly.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::authority::Authority;
use crate::foreign::{finish, missing, succeeds};
use crate::process::{binary, skipped};

/// A browser's start on a busy machine takes most of it.
const DEADLINE: Duration = Duration::from_secs(180);

/// Everything in this browser.
pub fn run(kind: &str, variable: &str, names: &[&str]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop");
    let node = succeeds(Command::new("node").arg("-v"));
    if !node || !folder.join("node_modules/puppeteer-core").is_dir() {
        let why = "needs node and `npm ci` in tests/interop (tests/run does it)";
        return missing("a browser", why);
    }
    let Some(browser) = find(variable, names) else {
        let why = format!("install one of {names:?} or name it with {variable}");
        return skipped(&format!("browser {kind}"), &why);
    };
    let server =
        Authority::shared().server(&format!("browser-{kind}"), &["localhost", "127.0.0.1"]);
    let screenshot = Path::new(env!("CARGO_TARGET_TMPDIR")).join("page");
    let output = finish(
        Command::new("node")
            .arg(folder.join("browser/scenarios.js"))
            .args([kind.as_ref(), browser.as_os_str()])
            .args([
                Path::new(&binary()),
                &server.certificate,
                &server.key,
                &screenshot,
            ]),
        DEADLINE,
    );
    let said = String::from_utf8_lossy(&output.stdout);
    print!("{said}");
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{kind}:\n{said}\n{complaints}");
    assert_eq!(
        said.lines().filter(|line| line.starts_with("ok ")).count(),
        4
    );
}

/// The browser that the variable names, or the first one on the path.
fn find(variable: &str, names: &[&str]) -> Option<PathBuf> {
    if let Some(named) = std::env::var_os(variable) {
        return Some(named.into());
    }
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let places = names
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    places.into_iter().find(|place| place.is_file())
}
