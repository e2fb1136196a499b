//! The limits of the process by the names under which they are counted.

/// Declares [`Limit`] from one table.
macro_rules! limits {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// A limit that can end a connection or a request. It is called as the flag that sets it, or as the key of the
        /// policy.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Limit { $($(#[$doc])* $name,)* }

        impl Limit {
            /// Every limit.
            pub const ALL: &'static [Limit] = &[$(Limit::$name,)*];

            /// Its name in the metric.
            pub const fn name(self) -> &'static str {
                match self { $(Limit::$name => $text,)* }
            }
        }
    };
}

limits! {
    /// A connection was turned away, or a waiting one ended in favour of it.
    Connections = "web.max-connections",
    /// The same, for the share of one source.
    SourceConnections = "web.max-connections-per-source",
    /// A connection was idle for too long.
    Idle = "web.idle-timeout",
    /// A head took too long.
    HeadTime = "web.head-timeout",
    /// A head had too many bytes.
    HeadBytes = "web.max-head-bytes",
    /// A head had too many fields.
    HeadFields = "web.max-header-fields",
    /// A request target had too many bytes.
    TargetBytes = "web.max-target-bytes",
    /// A body took too long.
    BodyTime = "web.body-timeout",
    /// A body came too slowly.
    BodyRate = "web.body-min-rate",
    /// A body had too many bytes.
    BodyBytes = "payload.max_bytes",
    /// There was no room for a body.
    BodyMemory = "web.max-body-memory",
    /// A request took too long as a whole.
    RequestTime = "web.request-timeout",
    /// An answer could not be written in time.
    WriteTime = "web.write-timeout",
    /// The queue of writes was full, or a write waited too long for its turn.
    WriteQueue = "upstream.max-queue",
    /// The queue of writes to one group was full.
    GroupQueue = "upstream.max-group-queue",
    /// There was no place for a scrape.
    Scrapes = "upstream.max-scrapes",
    /// There was no place for another read.
    Reads = "upstream.max-reads",
    /// The gateway could not be connected to in time.
    ConnectTime = "upstream.connect-timeout",
    /// The gateway did not begin its answer in time.
    FirstByteTime = "upstream.first-byte-timeout",
    /// The gateway did not end its answer in time.
    ExchangeTime = "upstream.timeout",
    /// The gateway's answer to a write had too many bytes.
    AnswerBytes = "upstream.max-answer",
    /// A page of the gateway had too many bytes.
    PageBytes = "upstream.max-page",
}
