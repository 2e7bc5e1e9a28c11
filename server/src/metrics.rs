//! What the server counts, in the text form of Prometheus.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use durable_sessions_protocol::error::ErrorCode;

use crate::hub::Published;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds to it.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Relaxed);
    }

    fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// How many of something there are now. Clones count the same.
#[derive(Debug, Clone, Default)]
pub struct Gauge(Arc<AtomicU64>);

impl Gauge {
    /// Counts one more until the guard is dropped.
    #[must_use]
    pub fn enter(&self) -> GaugeGuard {
        self.0.fetch_add(1, Relaxed);
        GaugeGuard(self.0.clone())
    }

    /// How many there are.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Counts one in a [`Gauge`] while it lives.
#[derive(Debug)]
pub struct GaugeGuard(Arc<AtomicU64>);

impl Drop for GaugeGuard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// Everything the borders of the server count.
#[derive(Debug)]
pub struct Metrics {
    /// Open WebSockets.
    pub connections: Gauge,
    /// Open SSE streams.
    pub sse_streams: Gauge,
    /// Sessions followed, over all WebSockets.
    pub attaches: Gauge,
    /// Sessions in memory.
    pub sessions: Gauge,
    /// Requests over HTTP.
    pub http_requests: Counter,
    /// Publishes that were appended.
    pub publishes: Counter,
    /// Publishes that had been appended before.
    pub duplicates: Counter,
    /// Events that were appended.
    pub events: Counter,
    /// Frames sent on WebSockets.
    pub frames_sent: Counter,
    /// Bytes of those frames.
    pub bytes_sent: Counter,
    /// Frames received on WebSockets.
    pub frames_received: Counter,
    /// Bytes of those frames.
    pub bytes_received: Counter,
    /// Input offered to workers.
    pub wakes: Counter,
    refused: Vec<Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            connections: Gauge::default(),
            sse_streams: Gauge::default(),
            attaches: Gauge::default(),
            sessions: Gauge::default(),
            http_requests: Counter::default(),
            publishes: Counter::default(),
            duplicates: Counter::default(),
            events: Counter::default(),
            frames_sent: Counter::default(),
            bytes_sent: Counter::default(),
            frames_received: Counter::default(),
            bytes_received: Counter::default(),
            wakes: Counter::default(),
            refused: ErrorCode::ALL.iter().map(|_| Counter::default()).collect(),
        }
    }
}

impl Metrics {
    /// Counts a refusal, on whatever transport.
    pub fn refuse(&self, code: ErrorCode) {
        let place = ErrorCode::ALL.iter().position(|&known| known == code);
        if let Some(counter) = place.and_then(|place| self.refused.get(place)) {
            counter.add(1);
        }
    }

    /// Counts an answered publish.
    pub fn published(&self, published: &Published) {
        if published.duplicate {
            self.duplicates.add(1);
        } else {
            self.publishes.add(1);
            self.events.add(published.last.since(published.first) + 1);
        }
    }

    /// The text a scraper reads.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut out = String::with_capacity(4096);
        let gauges = [
            ("connections", "Open WebSockets.", &self.connections),
            ("sse_streams", "Open SSE streams.", &self.sse_streams),
            ("attaches", "Sessions followed over WebSockets.", &self.attaches),
            ("sessions", "Sessions in memory.", &self.sessions),
        ];
        for (name, help, gauge) in gauges {
            family(&mut out, name, help, "gauge");
            sample(&mut out, name, "", gauge.value());
        }
        let counters = [
            ("http_requests_total", "HTTP requests.", &self.http_requests),
            ("publishes_total", "Publishes appended.", &self.publishes),
            ("duplicates_total", "Publishes sent again and answered again.", &self.duplicates),
            ("events_total", "Events appended by clients.", &self.events),
            ("frames_sent_total", "WebSocket frames sent.", &self.frames_sent),
            ("sent_bytes_total", "Bytes of WebSocket frames sent.", &self.bytes_sent),
            ("frames_received_total", "WebSocket frames received.", &self.frames_received),
            ("received_bytes_total", "Bytes of WebSocket frames received.", &self.bytes_received),
            ("wakes_total", "Input offered to workers.", &self.wakes),
        ];
        for (name, help, counter) in counters {
            family(&mut out, name, help, "counter");
            sample(&mut out, name, "", counter.value());
        }
        family(&mut out, "refused_total", "Requests refused, by error code.", "counter");
        for (code, counter) in ErrorCode::ALL.iter().zip(&self.refused) {
            sample(&mut out, "refused_total", &format!("{{code=\"{code}\"}}"), counter.value());
        }
        out
    }
}

// Writing to a string cannot fail.
fn family(out: &mut String, name: &str, help: &str, kind: &str) {
    let _ = writeln!(out, "# HELP durable_sessions_{name} {help}");
    let _ = writeln!(out, "# TYPE durable_sessions_{name} {kind}");
}

fn sample(out: &mut String, name: &str, labels: &str, value: u64) {
    let _ = writeln!(out, "durable_sessions_{name}{labels} {value}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gauge_counts_what_lives() {
        let metrics = Metrics::default();
        let guard = metrics.connections.enter();
        assert!(metrics.to_text().contains("\ndurable_sessions_connections 1\n"));
        drop(guard);
        assert!(metrics.to_text().contains("\ndurable_sessions_connections 0\n"));
    }

    #[test]
    fn refusals_are_counted_by_their_code() {
        let metrics = Metrics::default();
        metrics.refuse(ErrorCode::RunStopped);
        let text = metrics.to_text();
        assert!(text.contains("durable_sessions_refused_total{code=\"run_stopped\"} 1\n"));
        assert!(text.contains("durable_sessions_refused_total{code=\"invalid\"} 0\n"));
    }
}
