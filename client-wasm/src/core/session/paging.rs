//! Transcripts that do not begin where their log does.

use std::collections::VecDeque;

use durable_sessions_protocol::fold::{Fold, Node};
use durable_sessions_protocol::offset::Position;

use super::super::output::Output;
use super::super::read::Read;
use super::Session;

impl Session {
    /// Goes on after a transcript that was fetched.
    #[inline(never)]
    pub(in crate::core) fn resume<N: Node>(&mut self, position: Position, transcript: &N) {
        if self.cursor.log().is_none() {
            self.cursor.start(position.log, position.offset.next());
            self.fold = Fold::resume(transcript);
        }
    }

    /// Takes in older messages as they stand at the page's offset, and then what happened to them
    /// since. `None`: one cannot be told from the other, or the page is of another log.
    #[inline(never)]
    pub(in crate::core) fn older<N: Node>(
        &mut self,
        page: &N,
        events: Vec<N>,
        out: &mut VecDeque<Output<N>>,
    ) -> Option<()> {
        let Position { log, offset } = self.cursor.position()?;
        let taken = page.offset("offset").filter(|&taken| taken <= offset)?;
        page.log_id("log").filter(|of| *of == log)?;
        let mut missed = Vec::new();
        for event in events {
            if event.offset("offset")? <= taken || !self.fold.names_older(&event) {
                continue;
            }
            if event.offset("first").is_some_and(|first| first <= taken) {
                return None;
            }
            missed.push(event);
        }
        let mut patches = Vec::new();
        if !self.fold.older(page, &mut |patch| patches.push(patch)) {
            return None;
        }
        self.apply(&missed, &mut patches);
        out.push_back(Output::Patches { session: self.id.clone(), log, offset, patches });
        Some(())
    }
}
