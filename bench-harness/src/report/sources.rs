//! Where stored results are: a file, the directory of a run, or that of a
//! comparison.
//!
//! Reads files, never writes any.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::compare::session::{COMPARISON, RESULTS};
use crate::result::{ReadError, StoredResult};

/// What a run's directory holds.
const RESULT: &str = "result.json";

/// What is read of a comparison: who took part, in order.
#[derive(Deserialize)]
struct Comparison {
    brokers: Vec<Participant>,
}

#[derive(Deserialize)]
struct Participant {
    name: String,
}

/// The results at a place; those of a comparison in its order, without brokers
/// that never ran.
///
/// # Errors
/// The file that cannot be read, and why.
pub fn load(place: &Path) -> Result<Vec<StoredResult>, String> {
    let complain = |path: &Path, error: ReadError| format!("{}: {error}", path.display());
    let comparison = place.join(COMPARISON);
    let files: Vec<PathBuf> = if comparison.is_file() {
        let text = fs::read_to_string(&comparison).map_err(ReadError::Io);
        let stored = text
            .and_then(|text| serde_json::from_str::<Comparison>(&text).map_err(ReadError::Json));
        let stored = stored.map_err(|error| complain(&comparison, error))?;
        let file = |broker: Participant| place.join(RESULTS).join(broker.name + ".json");
        let files = stored.brokers.into_iter().map(file);
        files.filter(|file| file.exists()).collect()
    } else if place.is_dir() {
        vec![place.join(RESULT)]
    } else {
        vec![place.to_path_buf()]
    };
    let load = |file: &PathBuf| StoredResult::load(file).map_err(|error| complain(file, error));
    files.iter().map(load).collect()
}
