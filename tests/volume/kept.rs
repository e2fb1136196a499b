//! A connection that is opened again where the other side has ended it.

use crate::common::http::{Connection, Request, Response};
use std::net::SocketAddr;

pub struct Kept {
    address: SocketAddr,
    connection: Connection,
}

impl Kept {
    pub fn to(address: SocketAddr) -> Self {
        Self { address, connection: Connection::open(address) }
    }

    pub fn exchange(&mut self, request: &Request) -> Response {
        self.try_exchange(request).unwrap_or_else(|e| panic!("no answer: {e}"))
    }

    /// The answer, or why there is none: the other side may hang up instead, also on a connection that is new.
    pub fn try_exchange(&mut self, request: &Request) -> std::io::Result<Response> {
        let mut answer = self.connection.try_exchange(request);
        if answer.is_err() {
            self.connection = Connection::open(self.address);
            answer = self.connection.try_exchange(request);
        }
        let close = |answer: &Response| answer.header("Connection").is_some_and(|v| v.eq_ignore_ascii_case("close"));
        if answer.as_ref().map_or(true, close) {
            self.connection = Connection::open(self.address);
        }
        answer
    }
}
