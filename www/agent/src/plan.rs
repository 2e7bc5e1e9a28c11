//! What the four specialists of a growth plan work out, and how their results are summed up.
//!
//! Each is a pure function of the figures that were told. What was not told is either asked for or
//! named as an assumption.

mod basis;
mod bid_cap;
mod report;
mod seo_listicle;
mod specialist;
mod summary;
mod test_plan;
#[cfg(test)]
mod tests;
mod unit_economics;

pub use report::Report;
pub use specialist::{Need, Specialist};
pub use summary::{Approval, Decision, Outcome, sum_up};
