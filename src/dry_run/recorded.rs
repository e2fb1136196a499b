//! A line of a log, asked again.

use super::{Body, Proof, Question, Token};
use crate::access_log::{Recorded, Who};
use crate::policy::Policy;
use std::sync::Arc;
use std::time::SystemTime;

impl Question {
    /// What the line tells, asked of a policy. `listener` stands in where the line names none, `now` where it has no
    /// time.
    pub fn of_line(recorded: &Recorded<'_>, policy: &Policy, listener: &Arc<str>, now: SystemTime) -> Self {
        let proof = match recorded.who {
            Who::Impostor => Proof::Wrong,
            Who::Unknown => Proof::Unknown,
            Who::Principal(_) | Who::User(_) | Who::Token { .. } | Who::Certificate(_) | Who::Nobody => Proof::Right,
        };
        let now = recorded.time.unwrap_or(now);
        let token = match &recorded.who {
            Who::Token { issuer, claims } => Some(Token { claims: claims.clone(), held: Some(issuer.to_string()) }),
            _ => None,
        };
        Self { head: Ok(recorded.head(policy, listener)), proof, token, body: Body::Unknown, now }
    }
}
