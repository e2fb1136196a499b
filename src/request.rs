//! A request as policy may know it: bytes are read once, strictly, into values with a meaning.

mod certificate;
mod credential;
mod grouping_key;
mod head;
mod raw;
mod source;
mod target;
mod trace;
mod web;

pub use certificate::{Certificate, NoKind, San, SanKind};
pub use credential::{Credential, CredentialError, TOKEN_USER};
pub use grouping_key::{GroupingKey, PathFault, encode_segment};
pub use head::{Encoding, Head, Length, Origin};
pub use raw::{HeadLimits, Method, RawHead, RawHeadError, Version};
pub use source::{ClientFrom, Peer, SourceError, client_address};
pub use target::{Read, Target, TargetError};
pub use web::{ExternalUrl, RoutePrefix, Web, WebError};

#[cfg(test)]
mod tests;
