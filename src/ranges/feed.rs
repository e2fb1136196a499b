//! Where lists come from, as plain data.

use super::guard::Rules;
use super::list::Form;
use crate::fetch::Url;
use std::path::PathBuf;
use std::time::Duration;

/// Time between two good answers: four requests a day out of the 60 an hour that GitHub gives one address.
pub const INTERVAL: Duration = Duration::from_secs(6 * 60 * 60);

/// A place that publishes one or several lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feed {
    /// What it is called in the log and the metrics.
    pub name: String,
    /// Where it is.
    pub origin: Origin,
    /// Time between two good answers, ±10 %.
    pub interval: Duration,
    /// The lists that are wanted from it; at least one.
    pub lists: Vec<Wanted>,
}

/// Where a document is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// On the network.
    Url {
        /// The address; see [`crate::fetch::check_url`].
        url: Url,
        /// A file with a bearer token.
        token_file: Option<PathBuf>,
    },
    /// On this machine.
    File(PathBuf),
}

/// One list of a document, which becomes the set of that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The name of the set.
    pub name: String,
    /// How the list is written.
    pub form: Form,
    /// Whether it may hold special-purpose addresses.
    pub allow_private: bool,
}

impl Feed {
    /// Where a list of it comes from, in one line: what is kept on disk is only good for the same origin.
    pub fn origin_of(&self, wanted: &Wanted) -> String {
        let document = match &self.origin {
            Origin::Url { url, .. } => url.to_string(),
            Origin::File(path) => format!("file:{}", path.display()),
        };
        match &wanted.form {
            Form::Json(pointer) => format!("{document} {pointer}"),
            Form::Text => document,
        }
    }

    /// The guard's rules for a list of it.
    pub const fn rules(&self, wanted: &Wanted) -> Rules {
        Rules { fetched: matches!(self.origin, Origin::Url { .. }), allow_private: wanted.allow_private }
    }
}
