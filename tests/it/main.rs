//! `pushguard` as a black box, one process at a time. One binary, since each one more is linked anew with every change; what
//! runs by itself, or by volume, or counts allocations, has its own beside this folder.

#[path = "../common/mod.rs"]
mod common;
#[path = "../volume/mod.rs"]
mod volume;

mod admin;
mod answers;
mod argon_logins;
mod body_cases;
mod client_certificates;
mod clients;
mod crowds;
mod deadlines;
mod doctor;
mod encodings;
mod gateway_faults;
mod gateway_known;
mod grouping_cases;
mod hostile_gateway;
mod inventory;
mod limits;
mod log_floods;
mod manual;
mod named_sets;
mod page;
mod parity;
mod progress;
mod push_action;
mod ranges_cli;
mod record;
mod report_mode;
mod resident;
mod schema;
mod serve_cli;
mod sources;
mod story;
mod sweep;
mod tls;
mod token_keys;
mod token_pushes;
mod tokens;
mod upstream_tls;
mod web;
mod wire;
