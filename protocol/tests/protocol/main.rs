//! The wire and the fold, against fixtures whose bytes must last and against arbitrary input.

#[cfg(test)]
mod arbitrary;
#[cfg(test)]
mod arbitrary_log;
#[cfg(test)]
mod codec_properties;
#[cfg(test)]
mod document;
#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod fold_examples;
#[cfg(test)]
mod fold_parts;
#[cfg(test)]
mod fold_properties;
#[cfg(test)]
mod merging;
#[cfg(test)]
mod wire_errors;
#[cfg(test)]
mod wire_events;
#[cfg(test)]
mod wire_frames;
