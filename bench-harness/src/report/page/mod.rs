//! stub
use crate::result::{ReadError, StoredResult};
/// x
/// # Errors
/// x
pub fn page(results: &[StoredResult]) -> Result<String, ReadError> {
    let _ = results;
    Ok(String::new())
}
