//! A page of series that are made at the time of the scrape.

use std::collections::BTreeMap;

use prometheus_client::metrics::MetricType;

use crate::watch::ReleaseKey;

/// A family of series: its help, its kind, and each series' labels and value.
pub struct Series {
    /// What it tells.
    pub help: &'static str,
    /// Its kind.
    pub kind: MetricType,
    /// Labels and value of each series.
    pub values: Vec<(Vec<(&'static str, String)>, f64)>,
}

/// All series of all releases, by name.
#[derive(Default)]
pub struct Page(pub BTreeMap<&'static str, Series>);

/// One release's part of the page.
pub struct Part<'a> {
    /// The page.
    pub page: &'a mut Page,
    /// Whose part it is.
    pub key: &'a ReleaseKey,
}

impl Page {
    /// Adds a series of a kind.
    pub fn put(
        &mut self,
        (name, help): (&'static str, &'static str),
        kind: MetricType,
        labels: Vec<(&'static str, String)>,
        value: f64,
    ) {
        let family = self.0.entry(name).or_insert_with(|| Series { help, kind, values: Vec::new() });
        family.values.push((labels, value));
    }
}

impl Part<'_> {
    /// Adds a gauge.
    pub fn add(&mut self, family: (&'static str, &'static str), labels: &[(&'static str, &str)], value: f64) {
        self.put(family, MetricType::Gauge, labels, value);
    }

    /// Adds a counter.
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    pub fn count(&mut self, family: (&'static str, &'static str), label: (&'static str, &str), count: u64) {
        self.put(family, MetricType::Counter, &[label], count as f64);
    }

    /// Adds a series of a kind.
    pub fn put(
        &mut self,
        family: (&'static str, &'static str),
        kind: MetricType,
        labels: &[(&'static str, &str)],
        value: f64,
    ) {
        let mut all = vec![("namespace", self.key.namespace.clone()), ("name", self.key.name.clone())];
        all.extend(labels.iter().map(|(label, value)| (*label, (*value).to_owned())));
        self.page.put(family, kind, all, value);
    }
}
