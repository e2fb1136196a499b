//! `pushguard` stands in front of a Prometheus Pushgateway and lets through exactly the pushes that its policy grants.
//!
//! # The life of a request
//!
//! 1. [`proxy`] reads a strict head from the connection; what is not strict HTTP/1.x is answered and closed.
//! 2. [`live`] hands out one [`policy::World`]: policy and address sets as they are now, used to the end of the request.
//! 3. [`request::Head`] is the head as meaning: source address, grouping key, credential, declared body.
//! 4. [`gate`] drives [`decision::decide`], which says what to find out next: verify a password ([`auth`]), charge
//!    quotas ([`limit`]), look into the body ([`payload`]), reserve room at the gateway ([`inventory`]), until a decision
//!    stands.
//! 5. A denial is answered with its reason. A permit becomes a new request to the gateway, written from the grouping key.
//! 6. [`record`] writes the one log line and counts.
//!
//! # The other rooms
//!
//! [`groups`] reads what the gateway holds, [`janitor`] removes what is older than the policy keeps it, [`doctor`]
//! finds what is wrong with it. [`tls`] reads certificates and keys. [`config`] compiles the YAML policy, or tells all
//! its problems. [`ranges`] keeps published address lists fresh, [`keys`] those with which issuers sign tokens.
//! [`fetch`] is the one careful HTTPS GET, [`state`] the files that outlive the process. [`admin`] serves metrics,
//! health and the status page, [`recent`] is what that page remembers. [`cli`] is the command line; the ways to ask a
//! policy without serving it are [`explain`], [`suite`] (`pushguard test`) and [`replay`], which reads [`access_log`];
//! [`dry_run`] is what they share. [`clock`], [`secret`] and [`shown`] are what everybody needs: time as an argument,
//! values that cannot print themselves, and foreign text made fit for a log.

// What comes from outside must not end the process, and only `clock` reads a clock. Tests may do as they like.
#![cfg_attr(
    not(test),
    warn(
        clippy::as_conversions,
        clippy::disallowed_methods,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::string_slice,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]

pub mod access_log;
pub mod admin;
pub mod auth;
pub mod cli;
pub mod clock;
pub mod config;
pub mod decision;
pub mod doctor;
pub mod dry_run;
pub mod explain;
pub mod fetch;
pub mod gate;
pub mod groups;
pub mod inventory;
pub mod janitor;
pub mod keys;
pub mod limit;
pub mod live;
pub mod logging;
pub mod metrics;
pub mod payload;
pub mod policy;
pub mod prefix_set;
pub mod proxy;
pub mod ranges;
pub mod recent;
pub mod record;
pub mod replay;
pub mod request;
pub mod secret;
pub mod shown;
pub mod state;
pub mod suite;
pub mod tls;
