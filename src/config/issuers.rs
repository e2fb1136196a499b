//! `issuers`.

use super::load::Secrets;
use super::reader::{Map, Node, Reader};
use super::units;
use crate::auth::token::{self, Algorithm, KeySet, MAX_KEY_SET_BYTES};
use crate::policy::{Issuer, KeySource, Preset, Published};
use std::collections::BTreeMap;
use std::io::Read as _;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const LEEWAY: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(60);
const DEFAULT_LEEWAY: Duration = Duration::from_secs(30);
const LIFETIME: RangeInclusive<Duration> = Duration::from_secs(60)..=Duration::from_secs(86_400);
/// More than any list of certificates needs.
const MAX_CA_BYTES: usize = 1024 * 1024;

/// All issuers. Files are relative to `folder`.
pub(super) fn issuers(
    reader: &mut Reader,
    node: &Node<'_>,
    folder: &Path,
    secrets: Secrets,
) -> BTreeMap<Arc<str>, Arc<Issuer>> {
    let mut issuers = BTreeMap::<Arc<str>, Arc<Issuer>>::new();
    for (name, node) in reader.map(node).map(|m| m.rest()).unwrap_or_default() {
        reader.name(&node.path, &name);
        let Some(issuer) = issuer(reader, &name, &node, (folder, secrets)) else { continue };
        if let Some(twin) = issuers.values().find(|other| other.token.url == issuer.token.url) {
            let message =
                format!("{} is the issuer {} too; one policy takes one audience of it", name, twin.token.name);
            reader.problem(&node.path, message);
        }
        issuers.insert(name.into(), Arc::new(issuer));
    }
    issuers
}

fn issuer(reader: &mut Reader, name: &str, node: &Node<'_>, place: (&Path, Secrets)) -> Option<Issuer> {
    let mut map = reader.map(node)?;
    let (preset, url, audience) = (map.take("preset"), map.take("url"), map.take("audience"));
    let (algorithms, leeway, lifetime) = (map.take("algorithms"), map.take("leeway"), map.take("max_lifetime"));
    let keys = keys(reader, &mut map, place);
    map.finish(reader);
    if preset.is_none() {
        let names: Vec<&str> = Preset::ALL.iter().map(|(name, _)| *name).collect();
        reader.problem(&node.path, format!("preset is missing; known are {}", names.join(", ")));
    }
    let preset = preset.and_then(|node| {
        let text = reader.text(&node)?;
        reader.one_of(&node.path, "preset", &text, Preset::ALL)
    });
    let audience = self::audience(reader, node, audience, preset);
    let algorithms = algorithms.map(|node| self::algorithms(reader, &node));
    let leeway = leeway.and_then(|node| duration(reader, &node, &LEEWAY, "0s to 60s"));
    let lifetime = lifetime.and_then(|node| duration(reader, &node, &LIFETIME, "1m to 24h"));
    let preset = preset?;
    let url = self::url(reader, node, url, preset)?;
    let token = token::Issuer {
        name: name.into(),
        url,
        audience: audience?,
        audience_form: preset.audience_form(),
        algorithms: algorithms.unwrap_or_else(|| preset.algorithms().to_vec()),
        required: preset.required(),
        leeway: leeway.unwrap_or(DEFAULT_LEEWAY),
        max_lifetime: lifetime.unwrap_or(preset.max_lifetime()),
    };
    Some(Issuer { preset, token, keys })
}

fn url(reader: &mut Reader, issuer: &Node<'_>, node: Option<Node<'_>>, preset: Preset) -> Option<String> {
    let Some(node) = node else {
        if preset.url().is_none() {
            reader.problem(&issuer.path, "url is missing: the issuer, as iss in its tokens says it");
        }
        return preset.url().map(str::to_owned);
    };
    let url = reader.text(&node)?;
    if let Err(message) = check_url(&url) {
        reader.problem(&node.path, format!("{url:?} {message}"));
    }
    if url.ends_with('/') && preset != Preset::Generic {
        reader.problem(&node.path, format!("{url:?} ends in a slash, iss in the tokens does not; remove it"));
    }
    if preset == Preset::Generic {
        let is = |known: &str| url == known || url.starts_with(&format!("{known}/"));
        let known = Preset::ALL.iter().find(|(_, known)| known.url().is_some_and(is));
        if let Some((name, _)) = known {
            reader
                .problem(&node.path, format!("everybody shares this issuer; write preset: {name}, which guards that"));
        }
    }
    Some(url)
}

/// An address from which keys are fetched: whoever can change what comes from it can sign for everybody.
fn check_url(text: &str) -> Result<(), &'static str> {
    let uri: http::Uri = text.parse().map_err(|_| "is not a URL such as https://HOST or https://HOST/PATH")?;
    if uri.scheme_str() != Some("https") {
        return Err("is not an https URL");
    }
    let plain =
        uri.query().is_none() && !text.contains(['#', '@', '?']) && uri.host().is_some_and(|host| !host.is_empty());
    if plain { Ok(()) } else { Err("has more than a host and a path") }
}

fn audience(reader: &mut Reader, issuer: &Node<'_>, node: Option<Node<'_>>, preset: Option<Preset>) -> Option<String> {
    let Some(node) = node else {
        reader.problem(&issuer.path, "audience is missing; choose one for this proxy alone, such as its own address");
        return None;
    };
    let audience = reader.text(&node)?;
    if audience.is_empty() || audience.len() > 256 || audience.chars().any(char::is_control) {
        reader.problem(&node.path, "an audience has 1 to 256 characters and no control characters");
    }
    if preset == Some(Preset::GithubActions) && audience.starts_with("https://github.com/") {
        let message = "this is the audience that GitHub gives a token unless asked for another, so that a token for \
                       somebody else would be taken here; choose one for this proxy alone";
        reader.warn(&node.path, message);
    }
    Some(audience)
}

fn algorithms(reader: &mut Reader, node: &Node<'_>) -> Vec<Algorithm> {
    let texts = reader.texts(node).unwrap_or_default();
    texts.iter().filter_map(|(path, text)| reader.one_of(path, "algorithm", text, Algorithm::ALL)).collect()
}

fn duration(reader: &mut Reader, node: &Node<'_>, range: &RangeInclusive<Duration>, shown: &str) -> Option<Duration> {
    let text = reader.text(node)?;
    let duration = units::duration(&text).filter(|duration| range.contains(duration));
    if duration.is_none() {
        reader.problem(&node.path, format!("{text:?} is not {shown}"));
    }
    duration
}

/// Where keys come from: a file, or else the network with what is needed to ask there.
fn keys(reader: &mut Reader, map: &mut Map<'_>, (folder, secrets): (&Path, Secrets)) -> KeySource {
    let (file, url) = (map.take("jwks_file"), map.take("jwks_url"));
    let (ca, bearer) = (map.take("ca_file"), map.take("bearer_file"));
    if let Some(file) = file {
        for other in [&url, &ca, &bearer].into_iter().flatten() {
            reader.problem(&other.path, "with jwks_file nothing is fetched; remove one of them");
        }
        return content(reader, &file, folder, secrets, MAX_KEY_SET_BYTES)
            .and_then(|json| KeySet::parse(&json).map_err(|error| reader.problem(&file.path, error.to_string())).ok())
            .map_or(KeySource::Missing, |keys| KeySource::File(Arc::new(keys)));
    }
    let jwks_url = url.and_then(|node| {
        let url = reader.text(&node)?;
        check_url(&url).map_err(|message| reader.problem(&node.path, format!("{url:?} {message}"))).ok()?;
        Some(url)
    });
    let ca = ca.and_then(|node| {
        let held = content(reader, &node, folder, secrets, MAX_CA_BYTES)?;
        Some((folder.join(reader.text(&node)?), held))
    });
    let (ca_file, ca) = ca.map(|(file, held)| (Some(file), held)).unwrap_or_default();
    let bearer_file = bearer.and_then(|node| reader.text(&node)).map(|file| folder.join(file));
    KeySource::Published(Published { jwks_url, ca_file, ca, bearer_file })
}

/// A file that holds no secret. Where policies are only checked, it need not be there.
fn content(reader: &mut Reader, node: &Node<'_>, folder: &Path, secrets: Secrets, most: usize) -> Option<Vec<u8>> {
    let file = folder.join(reader.text(node)?);
    reader.names_file(&file);
    let read = || {
        if !std::fs::metadata(&file)?.is_file() {
            return Err(std::io::Error::other("not a file"));
        }
        let mut content = Vec::new();
        let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
        std::fs::File::open(&file)?.take(limit).read_to_end(&mut content)?;
        if content.len() > most { Err(std::io::Error::other(format!("more than {most} bytes"))) } else { Ok(content) }
    };
    match (read(), secrets) {
        (Ok(content), _) => Some(content),
        (Err(error), Secrets::Required) => {
            reader.problem(&node.path, format!("{}: {error}", file.display()));
            None
        }
        (Err(error), Secrets::Optional) => {
            reader.warn_absent(&node.path, format!("{}: {error}", file.display()));
            None
        }
    }
}
