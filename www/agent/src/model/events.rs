//! The event stream of an answer.

use std::mem;

use serde_json::Value;

/// Longest line of a stream, in bytes.
const LINE_MAX_BYTES: usize = 256 * 1024;

/// What an event of the stream says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    Text(String),
    End,
    Error(String),
}

/// Puts events together from the pieces a body comes in.
#[derive(Debug, Default)]
pub(super) struct Events {
    line: Vec<u8>,
    data: String,
    has_any: bool,
}

impl Events {
    /// Whether there was any event.
    pub(super) fn has_any(&self) -> bool {
        self.has_any
    }

    /// Takes the next bytes. Fails with what cannot be read.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<Vec<Event>, String> {
        let mut events = Vec::new();
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, after) = rest.split_at(end);
            self.line.extend_from_slice(line);
            rest = after.get(1..).unwrap_or_default();
            let line = String::from_utf8(mem::take(&mut self.line));
            let line = line.map_err(|_| "it is not UTF-8".to_owned())?;
            self.line(line.strip_suffix('\r').unwrap_or(&line), &mut events)?;
        }
        self.line.extend_from_slice(rest);
        if self.line.len() + self.data.len() > LINE_MAX_BYTES {
            return Err("a line without an end".to_owned());
        }
        Ok(events)
    }

    /// A line of the stream; an empty one ends an event. Comments and other fields mean nothing.
    fn line(&mut self, line: &str, events: &mut Vec<Event>) -> Result<(), String> {
        if let Some(data) = line.strip_prefix("data:") {
            if !self.data.is_empty() {
                self.data.push('\n');
            }
            self.data.push_str(data.strip_prefix(' ').unwrap_or(data));
        } else if line.is_empty() && !self.data.is_empty() {
            self.has_any = true;
            let data = mem::take(&mut self.data);
            if data.trim() == "[DONE]" {
                events.push(Event::End);
            } else {
                read(&data, events)?;
            }
        }
        Ok(())
    }
}

/// Reads a chunk: `{"choices": [{"delta": {"content"}, "finish_reason"}]}`, or `{"error"}`.
fn read(data: &str, events: &mut Vec<Event>) -> Result<(), String> {
    let chunk: Value = serde_json::from_str(data).map_err(|error| error.to_string())?;
    if let Some(error) = chunk.get("error").filter(|error| !error.is_null()) {
        events.push(Event::Error(error.to_string()));
        return Ok(());
    }
    // Without a choice it is about something else, such as usage.
    let choices = chunk.get("choices").and_then(Value::as_array).ok_or("it has no choices")?;
    let Some(choice) = choices.first() else { return Ok(()) };
    let text = choice.get("delta").and_then(|delta| delta.get("content")?.as_str());
    if let Some(text) = text.filter(|text| !text.is_empty()) {
        events.push(Event::Text(text.to_owned()));
    }
    if choice.get("finish_reason").is_some_and(|reason| !reason.is_null()) {
        events.push(Event::End);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = concat!(
        ": a comment\r\n\r\n",
        "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\r\n\r\n",
        "event: chunk\n",
        "data: {\"choices\":[{\"delta\":{\"content\":\"30 € \"}}]}\n\n",
        "data:{\"choices\":[{\"delta\":{\"content\":\"left\"}}]}\n\n",
        "data: {\"choices\":[],\"usage\":{\"total_tokens\":7}}\n\n",
        "data: [DONE]\n\n",
    );

    #[test]
    fn a_stream_is_read_the_same_however_it_is_cut() {
        let expected =
            [Event::Text("30 € ".to_owned()), Event::Text("left".to_owned()), Event::End];
        for size in 1..STREAM.len() {
            let mut events = Events::default();
            let pieces = STREAM.as_bytes().chunks(size);
            let read: Vec<Event> = pieces.flat_map(|piece| events.take(piece).unwrap()).collect();
            assert_eq!(read, expected, "{size}");
        }
    }

    #[test]
    fn a_finish_reason_ends_an_answer_without_its_done() {
        let mut events = Events::default();
        let chunk = b"data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
        assert_eq!(events.take(chunk), Ok(vec![Event::End]));
    }

    #[test]
    fn what_is_no_stream_is_refused() {
        for garbage in ["data: {\n\n", "data: 7\n\n", "data: {\"choices\": 3}\n\n"] {
            assert!(Events::default().take(garbage.as_bytes()).is_err(), "{garbage:?}");
        }
        assert!(Events::default().take(b"data: \xff\n\n").is_err());
        assert!(Events::default().take(&vec![b'x'; LINE_MAX_BYTES + 1]).is_err());
    }

    #[test]
    fn an_error_inside_a_stream_is_told() {
        let events = Events::default().take(b"data: {\"error\":{\"message\":\"overloaded\"}}\n\n");
        assert_eq!(events, Ok(vec![Event::Error("{\"message\":\"overloaded\"}".to_owned())]));
    }
}
