//! The lists of addresses that a source takes from elsewhere: `github`, `url`, `file`.

use super::load::Secrets;
use super::reader::{Map, Node, Reader, suggestion};
use crate::fetch::check_url;
use crate::ranges::feed::{Feed, INTERVAL, Origin, Wanted};
use crate::ranges::github;
use crate::ranges::list::{Form, Pointer};
use std::path::Path;

/// What a source takes from elsewhere.
#[derive(Debug, Default)]
pub(super) struct Lists {
    /// Keys of GitHub's document, each a set.
    pub(super) github: Vec<Wanted>,
    /// A document of its own, of which one list is the set that is called like the source.
    pub(super) feed: Option<Feed>,
}

/// The entries of a source that are about lists.
pub(super) struct Entries<'v> {
    github: Option<Node<'v>>,
    url: Option<Node<'v>>,
    file: Option<Node<'v>>,
    pointer: Option<Node<'v>>,
    token_file: Option<Node<'v>>,
    allow_private: Option<Node<'v>>,
}

/// Where secret files are, and whether they must be there.
#[derive(Clone, Copy)]
pub(super) struct Files<'a> {
    pub(super) folder: &'a Path,
    pub(super) secrets: Secrets,
}

impl Lists {
    /// The names of the sets.
    pub(super) fn sets(&self) -> Vec<String> {
        self.wanted().map(|wanted| wanted.name.clone()).collect()
    }

    /// Whether somebody else publishes any of it.
    pub(super) fn published(&self) -> bool {
        let fetched = |feed: &Feed| matches!(feed.origin, Origin::Url { .. });
        !self.github.is_empty() || self.feed.as_ref().is_some_and(fetched)
    }

    /// Whether it may hold private addresses.
    pub(super) fn private(&self) -> bool {
        let local = |feed: &Feed| matches!(feed.origin, Origin::File(_));
        self.feed.as_ref().is_some_and(local) || self.wanted().any(|wanted| wanted.allow_private)
    }

    fn wanted(&self) -> impl Iterator<Item = &Wanted> {
        self.github.iter().chain(self.feed.iter().flat_map(|feed| &feed.lists))
    }
}

impl<'v> Entries<'v> {
    pub(super) fn take(map: &mut Map<'v>) -> Self {
        Self {
            github: map.take("github"),
            url: map.take("url"),
            file: map.take("file"),
            pointer: map.take("pointer"),
            token_file: map.take("token_file"),
            allow_private: map.take("allow_private"),
        }
    }

    /// Whether there is a list.
    pub(super) const fn any(&self) -> bool {
        self.github.is_some() || self.url.is_some() || self.file.is_some()
    }

    /// Compiles them for the source of that name.
    pub(super) fn read(self, reader: &mut Reader, name: &str, path: &str, files: Files<'_>) -> Lists {
        self.check_company(reader, path);
        let allow_private = self.allow_private.as_ref().and_then(|node| reader.boolean(node)).unwrap_or(false);
        let github = self.github.as_ref().map(|node| keys(reader, node, allow_private)).unwrap_or_default();
        let form = match self.pointer.as_ref() {
            None => Some(Form::Text),
            Some(node) => pointer(reader, node),
        };
        let token_file = self.token_file.as_ref().and_then(|node| named_file(reader, node, files, true));
        let origin = match (&self.url, &self.file) {
            (Some(node), _) => url(reader, node).map(|url| Origin::Url { url, token_file }),
            (None, Some(node)) => named_file(reader, node, files, false).map(Origin::File),
            (None, None) => None,
        };
        if origin.is_some() && (github::KEYS.contains(&name) || name == github::NAME) {
            reader.problem(path, format!("{name} is what a list of GitHub is called; name this source otherwise"));
        }
        let feed = origin.zip(form).map(|(origin, form)| Feed {
            name: name.to_owned(),
            origin,
            interval: INTERVAL,
            lists: vec![Wanted { name: name.to_owned(), form, allow_private }],
        });
        Lists { github, feed }
    }

    /// Which of them go together.
    fn check_company(&self, reader: &mut Reader, path: &str) {
        let kinds = [&self.github, &self.url, &self.file].into_iter().flatten().count();
        if kinds > 1 {
            reader.problem(path, "github, url and file exclude each other; make several sources");
        }
        let own = self.url.is_some() || self.file.is_some();
        if let (Some(node), false) = (&self.pointer, own) {
            reader.problem(&node.path, "a pointer goes with url or file; github names its keys");
        }
        if let (Some(node), None) = (&self.token_file, &self.url) {
            let message = "a token_file goes with url; for GitHub's own list start with --ranges.github-token-file";
            reader.problem(&node.path, message);
        }
        let fetched = self.github.is_some() || self.url.is_some();
        if let (Some(node), false) = (&self.allow_private, fetched) {
            reader.problem(&node.path, "allow_private goes with github or url; everything else may be private anyway");
        }
    }
}

fn keys(reader: &mut Reader, node: &Node<'_>, allow_private: bool) -> Vec<Wanted> {
    let mut wanted = Vec::new();
    for (path, key) in reader.texts(node).unwrap_or_default() {
        if !github::KEYS.contains(&key.as_str()) {
            let near = suggestion(&key, &github::KEYS);
            let near = if near.starts_with("; did you mean") { near } else { ";".to_owned() };
            let message = format!(
                "unknown key {key:?} of GitHub's address document{near} known are {}; for another one write url: {} and \
                 pointer: /KEY",
                github::KEYS.join(", "),
                github::URL,
            );
            reader.problem(&path, message);
            continue;
        }
        wanted.push(Wanted { form: Form::Json(Pointer::key(key.as_str())), name: key, allow_private });
    }
    wanted
}

fn pointer(reader: &mut Reader, node: &Node<'_>) -> Option<Form> {
    let text = reader.text(node)?;
    Pointer::parse(&text).map_err(|error| reader.problem(&node.path, error.to_string())).ok().map(Form::Json)
}

fn url(reader: &mut Reader, node: &Node<'_>) -> Option<crate::fetch::Url> {
    let text = reader.text(node)?;
    check_url(&text).map_err(|error| reader.problem(&node.path, error.to_string())).ok()
}

/// A file beside the policy, or elsewhere. It is read later, and again and again; that it is missing now is said.
fn named_file(reader: &mut Reader, node: &Node<'_>, files: Files<'_>, secret: bool) -> Option<std::path::PathBuf> {
    let text = reader.text(node)?;
    if text.is_empty() {
        reader.problem(&node.path, "the name of a file is empty");
        return None;
    }
    let file = files.folder.join(text);
    if let Err(error) = std::fs::metadata(&file) {
        let message = format!("{}: {error}", file.display());
        if secret && files.secrets == Secrets::Required {
            // Its coming is what mends the policy.
            reader.names_file(&file);
            reader.problem(&node.path, message);
        } else {
            reader.warn_absent(&node.path, message);
        }
    }
    Some(file)
}
