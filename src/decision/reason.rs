//! The closed table of reasons for a refusal.

/// Declares [`Reason`] from one table, so that a code, its status and its text cannot drift apart.
macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $status:literal $code:literal $title:literal,)*) => {
        /// Why a request was refused. The code is stable: it is in the answer, the log and the metric.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason { $($(#[$doc])* $name,)* }

        impl Reason {
            /// Every reason, in the order of the table.
            pub const ALL: &'static [Reason] = &[$(Reason::$name,)*];

            /// The stable code, as in `Pushguard-Reason`.
            pub const fn code(self) -> &'static str {
                match self { $(Reason::$name => $code,)* }
            }

            /// The HTTP status that carries it.
            pub const fn status(self) -> u16 {
                match self { $(Reason::$name => $status,)* }
            }

            /// What it says to a person in a few words; it names nothing of the policy.
            pub const fn title(self) -> &'static str {
                match self { $(Reason::$name => $title,)* }
            }
        }
    };
}

reasons! {
    /// Not strict HTTP/1.x, or a header that must not be there.
    RequestMalformed = 400 "request_malformed" "the request is not well-formed",
    /// The path could be read as more than one group, or as a group that cannot be stored safely.
    TargetAmbiguous = 400 "target_ambiguous" "the path does not name exactly one group",
    /// The body ended before its declared length or its last chunk.
    BodyIncomplete = 400 "body_incomplete" "the body ended early; nothing was stored",
    /// The body, with the labels of the path, is not what the gateway would store.
    PayloadInvalid = 400 "payload_invalid" "the push is not a valid set of metrics",
    /// No credential was sent and one is needed.
    CredentialMissing = 401 "credential_missing" "a credential is needed",
    /// A credential was sent and did not verify.
    CredentialRejected = 401 "credential_rejected" "the credential was not accepted",
    /// The address of the client could not be established.
    SourceUnknown = 403 "source_unknown" "the client address could not be established",
    /// No principal may be used from this address.
    SourceNotAllowed = 403 "source_not_allowed" "this address may not send requests here",
    /// The address list that would decide is not loaded.
    RangesUnavailable = 403 "ranges_unavailable" "the address list that decides is not loaded yet",
    /// A browser sent it on behalf of another site.
    OriginNotAllowed = 403 "origin_not_allowed" "a browser sent this on behalf of another site",
    /// The operation is not granted.
    OperationNotGranted = 403 "operation_not_granted" "this operation is not granted",
    /// The job is not granted.
    JobNotGranted = 403 "job_not_granted" "this job is not granted",
    /// A grouping label is missing, not granted, or has a value that is not granted.
    LabelNotGranted = 403 "label_not_granted" "these grouping labels are not granted",
    /// Groups, metrics or bytes: one more would be too many.
    GroupLimitReached = 403 "group_limit_reached" "no room is left",
    /// Nothing is served at this path.
    TargetUnknown = 404 "target_unknown" "nothing is served at this path",
    /// The path exists, the method does not.
    MethodNotAllowed = 405 "method_not_allowed" "this method is not allowed here",
    /// The head or the body took too long.
    RequestTimeout = 408 "request_timeout" "the request took too long to arrive",
    /// A push without a body.
    LengthRequired = 411 "length_required" "a push needs a body",
    /// It clashes with what another group holds.
    GroupConflict = 409 "group_conflict" "the push clashes with metrics that are already stored",
    /// More bytes than allowed.
    PayloadTooLarge = 413 "payload_too_large" "the body is too large",
    /// The request target is too long.
    TargetTooLong = 414 "target_too_long" "the path is too long",
    /// A content encoding that is not taken.
    EncodingUnsupported = 415 "encoding_unsupported" "this content encoding is not supported",
    /// The head has too many bytes or fields.
    HeadTooLarge = 431 "head_too_large" "the request head is too large",
    /// The rate granted to the principal is used up.
    QuotaExhausted = 429 "quota_exhausted" "the quota is used up",
    /// Too many failed logins from one source.
    LoginThrottled = 429 "login_throttled" "too many failed logins from this address",
    /// The gateway answered wrongly or closed without an answer.
    UpstreamFailed = 502 "upstream_failed" "the gateway failed; unknown whether the request was applied",
    /// The gateway could not be reached.
    UpstreamUnavailable = 503 "upstream_unavailable" "the gateway cannot be reached; the request was not applied",
    /// The proxy has no room for the request.
    Overloaded = 503 "overloaded" "the proxy is at its limit; the request was not applied",
    /// The keys of the token's issuer are not loaded.
    KeysUnavailable = 503 "keys_unavailable" "the keys that decide are not loaded yet; the request was not applied",
    /// The queue of the password verifier is full.
    VerifierBusy = 503 "verifier_busy" "too many logins at once; the request was not applied",
    /// The gateway did not answer in time.
    UpstreamTimeout = 504 "upstream_timeout" "the gateway did not answer in time; unknown whether the request was applied",
}
