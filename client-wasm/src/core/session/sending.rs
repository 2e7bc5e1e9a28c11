//! What a session has to say, to the server or to the leader.

use super::super::earliest;
use super::super::frames::Frame;
use super::super::limits::SEEN_EVERY_BYTES;
use super::super::reader::fetch_frame;
use super::super::writer::Writer;
use super::{Asker, Link, Requests, Sending, Session};

impl Session {
    /// The frames that may go out now: attach, acts, fetches, publishes, what was seen. In this
    /// order, since the server takes a producer's publish only after its attach. `tabs` tells how
    /// many of them follow the session here; a follower tells nobody what it saw.
    pub(in crate::core) fn transmit(
        &mut self,
        now: u64,
        requests: &mut Requests,
        tabs: Option<u32>,
        mut send: impl FnMut(Sending, u64, Frame),
    ) {
        if let Link::Apart { at } = self.link
            && self.is_wanted()
            && now >= at
        {
            let request = requests.next();
            self.link = Link::Attaching { request };
            send(Sending::Attach, request, self.attach_frame(tabs.is_some()));
        }
        let request = requests.next();
        if let Some(frame) = self.outbox.transmit(now, request, &self.id) {
            send(Sending::Act, request, frame);
        }
        self.transmit_fetches(now, requests, tabs.is_none(), &mut send);
        if let (Some(writer), Some(log), Link::Attached) =
            (&mut self.writer, self.cursor.log(), &self.link)
        {
            loop {
                let request = requests.next();
                let Some(frame) = writer.transmit(now, request, &self.id, log) else { break };
                send(Sending::Publish, request, frame);
            }
        }
        let Some(tabs) = tabs else { return };
        let is_news = self.unseen_bytes >= SEEN_EVERY_BYTES || self.others.tabs_told != tabs;
        if is_news && self.link == Link::Attached {
            self.unseen_bytes = 0;
            let mut frame = Frame::new("seen");
            frame.text("session", self.id.as_str()).number("offset", self.cursor.offset().as_u64());
            if self.others.tabs_told != tabs {
                self.others.tabs_told = tabs;
                frame.number("tabs", u64::from(tabs));
            }
            send(Sending::Seen, 0, frame);
        }
    }

    /// What was missed is read, by a follower and by the readers. On a socket of its own a session
    /// that missed something attaches again.
    fn transmit_fetches(
        &mut self,
        now: u64,
        requests: &mut Requests,
        is_follower: bool,
        send: &mut impl FnMut(Sending, u64, Frame),
    ) {
        let (Some(log), Link::Attached) = (self.cursor.log(), &self.link) else { return };
        let offset = self.cursor.offset();
        if is_follower && self.known > offset && !self.is_fetching {
            self.is_fetching = true;
            let merge = self.follow.is_none_or(|follow| follow.merge);
            let frame = fetch_frame(&self.id, log, offset, merge);
            send(Sending::Fetch(Asker::Session), requests.next(), frame);
        }
        for reader in &mut self.readers {
            if let Some(frame) = reader.transmit(now, &self.id, log, offset) {
                send(Sending::Fetch(Asker::Reader(reader.number)), requests.next(), frame);
            }
        }
    }

    /// When something is due on a live connection.
    pub(in crate::core) fn timeout(&self) -> Option<u64> {
        let attach = match self.link {
            Link::Apart { at } if self.is_wanted() => Some(at),
            Link::Apart { .. } | Link::Attaching { .. } | Link::Attached => None,
        };
        let is_attached = self.link == Link::Attached;
        let writer = self.writer.as_ref().filter(|_| is_attached).and_then(Writer::timeout);
        let mut next = earliest(earliest(attach, writer), self.outbox.timeout());
        for reader in self.readers.iter().filter(|_| is_attached) {
            next = earliest(next, reader.timeout());
        }
        next
    }

    /// The `attach` without its request: for the server, or the same for a leader.
    fn attach_frame(&self, is_for_server: bool) -> Frame {
        let mut frame = Frame::new("attach");
        frame.text("session", self.id.as_str());
        if let Some(position) = self.cursor.position() {
            let place = Frame::object("log", position.log.as_str())
                .number("offset", position.offset.as_u64())
                .end();
            frame.raw("position", "", &place, "");
        }
        if !is_for_server {
            return frame;
        }
        if self.follow.is_some_and(|follow| !follow.merge) {
            frame.raw("merge", "", "false", "");
        }
        if let Some(writer) = self.writer.as_ref().filter(|writer| !writer.is_fenced()) {
            frame.raw("producer", "", &writer.claim(), "");
        }
        frame
    }
}
