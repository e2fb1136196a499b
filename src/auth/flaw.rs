//! The closed set of what can be wrong with a credential: codes for the log and the metric, and what its holder is told.

/// Declares [`Flaw`] from one table, so that a code and its texts cannot drift apart.
macro_rules! flaws {
    ($($(#[$doc:meta])* $name:ident = $code:literal $ground:ident $text:literal,)*) => {
        /// What is wrong with a credential. The code is stable: it begins the log's `detail` and is a metric's label.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Flaw { $($(#[$doc])* $name,)* }

        impl Flaw {
            /// Every flaw, in the order of the table.
            pub const ALL: &'static [Flaw] = &[$(Flaw::$name,)*];

            /// The stable code.
            pub const fn code(self) -> &'static str {
                match self { $(Flaw::$name => $code,)* }
            }

            /// What it says to the operator.
            pub const fn text(self) -> &'static str {
                match self { $(Flaw::$name => $text,)* }
            }

            /// What it depends on.
            pub const fn ground(self) -> Ground {
                match self { $(Flaw::$name => Ground::$ground,)* }
            }
        }
    };
}

/// What a flaw depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ground {
    /// On the credential: it proves nobody, wherever it comes from.
    Itself,
    /// On whom the policy lets come from there: with other principals to choose from it might have proven one.
    Policy,
}

flaws! {
    /// The `Authorization` header names no credential.
    Malformed = "credential_malformed" Itself "the Authorization header names no credential",
    /// No candidate has a password.
    PasswordNotTaken = "password_not_taken" Policy "no principal may use a password from this source",
    /// No candidate has that user name.
    UserUnknown = "user_unknown" Policy "unknown user name",
    /// The password is not the stored one.
    PasswordWrong = "password_wrong" Policy "wrong password",
    /// No candidate takes tokens.
    TokenNotTaken = "token_not_taken" Policy "no principal may use a token from this source",
    /// The client's certificate names nobody.
    CertificateNotGranted = "certificate_not_granted" Policy "no principal fits the names of the client's certificate",
    /// Longer than is ever read.
    TokenTooLong = "token_too_long" Itself "the token is longer than 8192 bytes",
    /// Five parts: encrypted, not signed.
    TokenEncrypted = "token_encrypted" Itself "the token is encrypted; only signed ones are read",
    /// Not three parts.
    TokenParts = "token_parts" Itself "the token is not HEADER.CLAIMS.SIGNATURE",
    /// A part that is not base64url.
    TokenBase64 = "token_base64" Itself "a part of the token is not base64url without padding",
    /// A part that is not a JSON object.
    TokenJson = "token_json" Itself "a part of the token is not a JSON object",
    /// A key stands twice.
    TokenDuplicateKey = "token_duplicate_key" Itself "a JSON key stands twice, so that two readers could read two things",
    /// A header key that is not taken.
    TokenHeader = "token_header" Itself "the header has a key that is not taken",
    /// A header that says it is no plain JWT.
    TokenType = "token_type" Itself "the header's typ is not JWT",
    /// Not an algorithm of the issuer.
    TokenAlgorithm = "token_algorithm" Itself "the algorithm is not one of the issuer's",
    /// No key id.
    TokenKeyMissing = "token_key_missing" Itself "the header names no kid",
    /// A key id that the issuer does not publish.
    TokenKeyUnknown = "token_key_unknown" Itself "the issuer publishes no key of that kid",
    /// A published key that is not used.
    TokenKeyUnfit = "token_key_unfit" Itself "the issuer's key of that kid is not used",
    /// A key of another kind than the algorithm.
    TokenKeyMismatch = "token_key_mismatch" Itself "the key is not for the algorithm that the header names",
    /// The keys of the issuer are not loaded.
    TokenKeysUnavailable = "token_keys_unavailable" Itself "the issuer's keys are not loaded",
    /// The signature does not verify.
    TokenSignature = "token_signature" Itself "the signature is wrong",
    /// Not one of the issuers.
    TokenIssuerUnknown = "token_issuer_unknown" Policy "iss is not an issuer that is taken from this source",
    /// Not the audience, none, or not it alone.
    TokenAudience = "token_audience" Itself "aud is not the audience of this proxy alone",
    /// A time that is missing or no whole number.
    TokenTime = "token_time" Itself "exp, nbf or iat is missing or not a whole number of seconds",
    /// Past `exp`.
    TokenExpired = "token_expired" Itself "exp has passed",
    /// Before `nbf`.
    TokenNotYetValid = "token_not_yet_valid" Itself "nbf is in the future",
    /// Before `iat`.
    TokenIssuedInFuture = "token_issued_in_future" Itself "iat is in the future",
    /// Valid for too long, or for no time.
    TokenLifetime = "token_lifetime" Itself "exp is before iat, or too long after it",
    /// No `sub`.
    TokenSubject = "token_subject" Itself "sub is missing or empty",
    /// No `jti`.
    TokenId = "token_id" Itself "jti is missing or empty",
    /// A claim that every token of this kind has.
    TokenClaimMissing = "token_claim_missing" Itself "a claim is missing that every run of this issuer has",
    /// A token of the runner itself, not of a run.
    TokenRunnerInternal = "token_runner_internal" Itself "this is the credential of a runner, not of a run",
    /// No rule takes the event.
    TokenEventNotGranted = "token_event_not_granted" Policy "the rule that the run fits does not name this kind of event",
    /// No rule fits the claims.
    TokenClaimsNotGranted = "token_claims_not_granted" Policy "no principal fits the claims",
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn codes_are_distinct_and_fit_for_a_label() {
        let codes: BTreeSet<&str> = Flaw::ALL.iter().map(|flaw| flaw.code()).collect();
        assert_eq!(codes.len(), Flaw::ALL.len());
        assert!(
            codes.iter().all(|code| code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'))
        );
    }
}
