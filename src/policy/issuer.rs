//! Issuers of tokens: what is known of each kind, so that a policy need not say it.

use crate::auth::token::{self, Algorithm, Audience, ClaimPath, Claims, KeySet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A kind of issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// GitHub Actions, on github.com, a tenant of ghe.com, or a server of one's own.
    GithubActions,
    /// GitLab CI, on gitlab.com or a server of one's own.
    Gitlab,
    /// The service accounts of a cluster.
    Kubernetes,
    /// Any other OpenID Connect issuer.
    Generic,
}

/// An event that a rule must name, because it runs what strangers wrote.
#[derive(Clone, Copy, Debug)]
pub struct Events {
    /// The claim that tells the event.
    pub claim: &'static str,
    /// How the names of such events begin.
    pub untrusted: &'static [&'static str],
}

impl Preset {
    /// Every preset with its name.
    pub const ALL: &'static [(&'static str, Self)] = &[
        ("github-actions", Self::GithubActions),
        ("gitlab", Self::Gitlab),
        ("kubernetes", Self::Kubernetes),
        ("generic", Self::Generic),
    ];

    /// Where its tokens come from, unless the policy says otherwise.
    pub const fn url(self) -> Option<&'static str> {
        match self {
            Self::GithubActions => Some("https://token.actions.githubusercontent.com"),
            Self::Gitlab => Some("https://gitlab.com"),
            Self::Kubernetes | Self::Generic => None,
        }
    }

    /// What it signs with.
    pub const fn algorithms(self) -> &'static [Algorithm] {
        match self {
            Self::GithubActions | Self::Gitlab | Self::Generic => &[Algorithm::Rs256],
            Self::Kubernetes => &[Algorithm::Rs256, Algorithm::Es256, Algorithm::Es384],
        }
    }

    /// A cluster writes a list; all others write one text.
    pub const fn audience_form(self) -> Audience {
        match self {
            Self::Kubernetes => Audience::TextOrListOfOne,
            Self::GithubActions | Self::Gitlab | Self::Generic => Audience::Text,
        }
    }

    /// The claims that each of its tokens has, besides `iss`, `aud`, `sub`, `exp` and `iat`.
    pub const fn required(self) -> &'static [&'static str] {
        match self {
            Self::GithubActions => &[
                "jti",
                "nbf",
                "repository",
                "repository_id",
                "repository_owner",
                "repository_owner_id",
                "ref",
                "event_name",
            ],
            Self::Gitlab => &["jti", "nbf", "project_id", "project_path", "namespace_id", "pipeline_source"],
            Self::Kubernetes => &["jti", "nbf"],
            Self::Generic => &[],
        }
    }

    /// How long its tokens live at most. GitHub's live five minutes, the others' an hour unless they are told otherwise.
    pub const fn max_lifetime(self) -> Duration {
        match self {
            Self::GithubActions => Duration::from_secs(15 * 60),
            Self::Gitlab | Self::Kubernetes | Self::Generic => Duration::from_secs(60 * 60),
        }
    }

    /// What a refusal may show a run of itself.
    pub const fn shown(self) -> &'static [&'static str] {
        match self {
            Self::GithubActions => {
                &["repository", "repository_id", "repository_owner_id", "ref", "ref_protected", "event_name"]
            }
            Self::Gitlab => &["project_path", "project_id", "namespace_id", "ref", "ref_protected", "pipeline_source"],
            Self::Kubernetes | Self::Generic => &["sub"],
        }
    }

    /// Whom the default quotas count: a repository, or else the subject.
    pub const fn counted(self) -> &'static str {
        match self {
            Self::GithubActions => "repository_id",
            Self::Gitlab => "project_id",
            Self::Kubernetes | Self::Generic => "sub",
        }
    }

    /// Whether two spellings of a claim that differ in case are one: GitHub keeps the case of names and ignores it.
    pub fn ignores_case(self, claim: &str) -> bool {
        matches!((self, claim), (Self::GithubActions, "repository" | "repository_owner" | "enterprise"))
    }

    /// The events that a rule must name to take them.
    pub const fn events(self) -> Option<Events> {
        match self {
            Self::GithubActions => Some(Events { claim: "event_name", untrusted: &["pull_request"] }),
            Self::Gitlab => Some(Events {
                claim: "pipeline_source",
                untrusted: &["merge_request_event", "external_pull_request_event"],
            }),
            Self::Kubernetes | Self::Generic => None,
        }
    }
}

/// Where the keys of an issuer come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// A file that was read with the policy.
    File(Arc<KeySet>),
    /// A file that was not there, where a policy is only checked.
    Missing,
    /// The network.
    Published(Published),
}

/// How published keys are fetched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Published {
    /// The address of the keys; none: the issuer's discovery document names it.
    pub jwks_url: Option<String>,
    /// Certificates, in PEM, of further authorities that its host may prove itself by.
    pub ca_file: Option<PathBuf>,
    /// What that file held when the policy was read: other certificates make another way to the keys.
    pub ca: Vec<u8>,
    /// A file with a bearer token for the issuer, read at each fetch because it is rotated.
    pub bearer_file: Option<PathBuf>,
}

/// An issuer whose tokens are taken.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// Its kind.
    pub preset: Preset,
    /// What a good token of it looks like.
    pub token: token::Issuer,
    /// Where its keys come from.
    pub keys: KeySource,
}

impl Issuer {
    /// What the run may be shown of its own token.
    pub fn shown(&self, claims: &Claims) -> String {
        let shown = |name: &&str| {
            let path = ClaimPath::read(name).ok()?;
            let text: String = claims.text(&path)?.chars().take(100).collect();
            Some(format!("{name}={text:?}"))
        };
        self.preset.shown().iter().filter_map(shown).collect::<Vec<_>>().join(" ")
    }
}
