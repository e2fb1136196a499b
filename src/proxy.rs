//! The only part that knows pingora: it takes connections, hands heads to the gate, bodies to the inspection, permits
//! to the gateway, and answers.
//!
//! A request as a straight line: `listener` makes room for a connection; `wire` reads a strict head from it; `exchange`
//! runs the gate, reads the body that it admits, and answers; `upstream` is the gateway; `respond` writes what is ours to
//! say. pingora accepts connections and keeps those to the gateway; heads, bodies and answers are read and written here.

mod body;
mod chunked;
mod connections;
mod decode;
mod exchange;
mod handshake;
mod head;
mod learn;
mod listener;
mod prefixed;
mod proxy_protocol;
mod respond;
mod room;
mod service;
mod time;
mod upstream;
mod wire;

pub use connections::Connections;
pub use exchange::Proxy;
pub use handshake::Failures;
pub use learn::Learner;
pub use listener::{Handler, Incoming, Listener, PeerKind, Refused};
pub use respond::{Answer, Reply, Unsent, send};
pub use room::Room;
pub use service::{Service, bind};
pub use upstream::{Page, TESTED, Tested, Upstream, UpstreamUrl, UpstreamUrlError};
pub use wire::{AnswerHead, Wire};
