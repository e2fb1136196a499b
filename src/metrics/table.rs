//! Metrics as rows of a table: name, help, and where it is counted.

use prometheus_client::registry::{Metric, Registry};

/// A name without its prefix, a help text, and the metric.
pub(super) type Row<'m> = (&'static str, &'static str, &'m dyn Register);

/// What can be registered.
pub(super) trait Register {
    fn register(&self, registry: &mut Registry, name: &str, help: &str);
}

impl<M: Metric + Clone> Register for M {
    fn register(&self, registry: &mut Registry, name: &str, help: &str) {
        registry.register(name, help, self.clone());
    }
}

/// Where rows go.
pub(super) struct Table<'r>(pub(super) &'r mut Registry);

impl Table<'_> {
    /// Registers each row, in order.
    pub(super) fn rows(self, rows: &[Row<'_>]) {
        rows.iter().for_each(|(name, help, metric)| metric.register(self.0, name, help));
    }
}
