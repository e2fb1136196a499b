//! Rules that would let strangers in are refused: some issuers sign for everybody, and a valid signature of theirs only
//! proves that somebody ran something.

use super::reader::Reader;
use crate::policy::{ClaimGlob, Condition, Issuer};

/// The word that accepts names where numbers are safe.
pub(super) const ACCEPT: &str = "i_accept_name_based_trust";

/// An issuer that signs for everybody, and what tells its users apart.
struct Shared {
    url: &'static str,
    whose: &'static str,
    /// Claims that never come to mean somebody else.
    ids: &'static [&'static str],
    /// Claims that can be taken over by somebody else after a rename or a deletion.
    names: &'static [&'static str],
    /// What to write.
    safe: &'static str,
}

const SHARED: &[Shared] = &[
    Shared {
        url: "https://token.actions.githubusercontent.com",
        whose: "everybody on GitHub",
        ids: &["repository_id", "repository_owner_id", "enterprise_id"],
        names: &["repository", "repository_owner", "enterprise"],
        safe: "repository_owner_id: \"123456\" or repository_id (the id in https://api.github.com/users/OWNER or \
               https://api.github.com/repos/OWNER/NAME)",
    },
    Shared {
        url: "https://gitlab.com",
        whose: "everybody on gitlab.com",
        ids: &["project_id", "namespace_id"],
        names: &["project_path", "namespace_path"],
        safe: "namespace_id: \"123456\" or project_id (the id in https://gitlab.com/api/v4/projects/GROUP%2FNAME)",
    },
    Shared {
        url: "https://agent.buildkite.com",
        whose: "everybody on Buildkite",
        ids: &["organization_id", "pipeline_id"],
        names: &["organization_slug"],
        safe: "organization_id: \"ID\" or pipeline_id",
    },
];

/// Notes what is unsafe about the conditions at `path`; `accepted` is the operator's word, and where it stands.
pub(super) fn check(
    reader: &mut Reader,
    path: &str,
    issuer: &Issuer,
    conditions: &[Condition],
    accepted: Option<(bool, String)>,
) {
    let Some(shared) = SHARED.iter().find(|shared| shared.url == issuer.token.url.trim_end_matches('/')) else {
        if let Some((_, at)) = accepted {
            reader.warn(&at, format!("{ACCEPT} changes nothing: this issuer signs for you alone"));
        }
        return;
    };
    let of = |names: &[&str]| {
        let named =
            conditions.iter().filter(|condition| condition.claim.top_level().is_some_and(|n| names.contains(&n)));
        named.collect::<Vec<_>>()
    };
    let ids = of(shared.ids);
    for condition in &ids {
        for glob in condition.values.iter().filter(|glob| !is_id(glob)) {
            let message = format!("{:?} is not one id; an id is written out, without *", glob.source());
            reader.problem(&format!("{path}.{}", condition.claim.source()), message);
        }
    }
    if !ids.is_empty() {
        if let Some((true, at)) = accepted {
            reader.warn(&at, format!("{ACCEPT} changes nothing: an id is named"));
        }
        return;
    }
    let names = of(shared.names);
    let pinned = names.iter().any(|condition| condition.values.iter().all(owner_is_written_out));
    let (whose, safe) = (shared.whose, shared.safe);
    match (pinned, accepted) {
        (true, Some((true, _))) => {}
        (true, _) => {
            let message = format!(
                "a name can become somebody else's after a rename or a deletion: name {safe}; to trust the name all the \
                 same, write {ACCEPT}: true beside claims"
            );
            reader.problem(path, message);
        }
        (false, _) => {
            let message =
                format!("{whose} gets tokens of this issuer, and these conditions leave open whose: name {safe}");
            reader.problem(path, message);
        }
    }
}

/// Written out, of digits or, where ids are such, of hexadecimal digits and hyphens.
fn is_id(glob: &ClaimGlob) -> bool {
    glob.literal().is_some_and(|id| id.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-'))
}

/// `OWNER`, `OWNER/NAME` or `OWNER/*`, where the owner is no pattern.
fn owner_is_written_out(glob: &ClaimGlob) -> bool {
    let owner = glob.source().split('/').next().unwrap_or_default();
    !owner.is_empty() && !owner.contains('*')
}
