//! What people get of stored results: tables, files for the usual plotters, a
//! page, and a picture and a Markdown table for pages of their own.
//!
//! Pure, except for [`write_all`] and `sources`. Nothing here measures; everything is made
//! from a [`StoredResult`].

pub mod comparison;
pub mod hgrm;
pub mod hlog;
pub mod markdown;
pub mod number;
pub mod page;
pub mod panels;
pub mod picture;
pub mod sources;
pub mod table;

use std::fs;
use std::io;
use std::path::Path;

use crate::result::StoredResult;

/// Writes `result.json`, `report.html`, and per run a `.hlog` and per histogram a
/// `.hgrm` into a directory, which is made.
///
/// # Errors
/// When a file cannot be written.
pub fn write_all(result: &StoredResult, directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    result.save(&directory.join("result.json"))?;
    let page = page::page(std::slice::from_ref(result)).map_err(io::Error::other)?;
    fs::write(directory.join("report.html"), page)?;
    for (number, run) in (1..).zip(&result.runs) {
        let suffix = if result.runs.len() > 1 {
            format!("-{number}")
        } else {
            String::new()
        };
        if !run.intervals.is_empty() {
            let path = directory.join(format!("latency{suffix}.hlog"));
            fs::write(path, hlog::log(result, run))?;
        }
        for (key, distribution) in run.distributions.iter() {
            let histogram = distribution.histogram().map_err(io::Error::other)?;
            let path = directory.join(format!("{key}{suffix}.hgrm"));
            fs::write(path, hgrm::percentiles(&histogram))?;
        }
    }
    Ok(())
}
