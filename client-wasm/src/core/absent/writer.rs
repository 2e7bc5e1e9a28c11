//! A page writes no runs. What would ask a writer here can never happen, and is compiled to nothing.

use durable_sessions_protocol::error::Problem;
use durable_sessions_protocol::fold::Node;
use durable_sessions_protocol::id::{Id, LogId, SessionId};
use durable_sessions_protocol::offset::Offset;

use super::backoff::Random;
use super::frames::Frame;
use super::output::Output;

#[path = "../writer/run.rs"]
#[expect(dead_code, reason = "the words of the native build's API")]
mod run;
pub use run::{PartName, RunEnd, Started};

/// There is none.
#[derive(Debug)]
pub(super) enum Writer {}

/// There is none.
#[derive(Debug)]
pub(super) enum Report {}

impl Report {
    pub(super) fn into_output<N>(self, _session: SessionId) -> Output<N> {
        match self {}
    }
}

impl Writer {
    pub(super) const fn has_room(&self) -> bool {
        match *self {}
    }

    pub(super) const fn is_fenced(&self) -> bool {
        match *self {}
    }

    pub(super) fn runs(&self) -> std::slice::Iter<'_, Id> {
        match *self {}
    }

    pub(super) fn claim(&self) -> String {
        match *self {}
    }

    pub(super) fn granted(&mut self, _epoch: u64, _seq: u64, _reports: &mut Vec<Report>) {
        match *self {}
    }

    pub(super) fn cut(&mut self) {
        match *self {}
    }

    pub(super) fn fence(&mut self, _reports: &mut Vec<Report>) {
        match *self {}
    }

    pub(super) fn transmit(
        &mut self,
        _now: u64,
        _request: u64,
        _session: &SessionId,
        _log: &LogId,
    ) -> Option<Frame> {
        match *self {}
    }

    pub(super) fn acked(&mut self, _request: u64, _first: Offset, _reports: &mut Vec<Report>) {
        match *self {}
    }

    pub(super) fn refused(
        &mut self,
        _request: u64,
        _problem: Problem,
        _now: u64,
        _random: &mut Random,
        _reports: &mut Vec<Report>,
    ) {
        match *self {}
    }

    pub(super) fn observe<N: Node>(&mut self, _event: &N, _reports: &mut Vec<Report>) {
        match *self {}
    }

    pub(super) fn lose_log(&mut self, _reports: &mut Vec<Report>) {
        match *self {}
    }

    pub(super) fn lose_runs(&mut self, _problem: &Problem, _reports: &mut Vec<Report>) {
        match *self {}
    }

    pub(super) const fn timeout(&self) -> Option<u64> {
        match *self {}
    }
}
