//! What libxl keeps about a domain, as `xl list -l` and `xl create --dryrun` print it: JSON -> model.

use super::SyntaxError;
use crate::model::{DomId, Guest};

/// A domain in libxl's JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// Its number, where it runs.
    pub domid: Option<DomId>,
    /// Its configuration.
    pub guest: Guest,
}

/// Reads the list of domains that `xl list -l` prints, or the one object that `xl create --dryrun` and libxl's own files hold.
///
/// Unknown keys are passed over: each release adds some. Errors: text that is not JSON, or that holds no domain.
pub fn from_json(_text: &str) -> Result<Vec<Described>, SyntaxError> {
    Err(SyntaxError { language: "libxl's JSON", place: None, message: "not read yet".into() })
}
