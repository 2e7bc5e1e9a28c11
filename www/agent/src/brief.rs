//! What a user has told so far, and what that calls for.

use crate::answer::ask::{said, told};
use crate::answer::{respond_to, starts_over};
use crate::figures::{Figures, Reading, Subject, mixed, read};
use crate::plan::{Need, Report, Specialist};

/// The figures of a conversation. Those told earlier are remembered; what is told later wins.
#[derive(Debug, Default)]
pub struct Brief {
    known: Figures,
    /// What the last text said.
    last: Reading,
    text: String,
    plan: Plan,
}

/// Whether a plan was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Plan {
    #[default]
    NotAsked,
    /// Asked for before the shop's figures were complete.
    Waits,
    /// The last text calls for it.
    Called,
}

/// What a word from the side changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Each new figure, such as `COGS $12.00`.
    pub changed: Vec<String>,
    /// Why a figure was not taken.
    pub refused: Vec<String>,
}

impl Brief {
    /// Reads the texts a user wrote in a session, oldest first.
    pub fn of<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut brief = Self::default();
        for text in texts {
            brief.hear(text);
        }
        brief
    }

    fn hear(&mut self, text: &str) {
        if starts_over(text) {
            *self = Self::default();
        }
        text.clone_into(&mut self.text);
        self.last = read(text, &self.known.missing());
        self.merge();
        let asked = asks_for_plan(text) || self.plan == Plan::Waits;
        let complete = self.known.missing().is_empty() && self.last.refusals.is_empty();
        self.plan = match (asked, complete) {
            (true, true) => Plan::Called,
            (true, false) => Plan::Waits,
            (false, _) => Plan::NotAsked,
        };
    }

    /// Takes over what was read last, unless it is in another currency.
    fn merge(&mut self) {
        match (self.known.currency, self.last.figures.currency) {
            (Some(before), Some(now)) if before != now => {
                self.last.refusals.push(mixed(before, now));
            }
            _ => self.known.merge(self.last.figures.clone()),
        }
    }

    /// Takes in a word from the side, such as "assume COGS 12".
    pub fn steer(&mut self, text: &str) -> Change {
        self.last = read(text, &self.known.missing());
        self.merge();
        let refused = self.last.refusals.iter().map(ToString::to_string).collect();
        if self.last.refusals.iter().any(|refusal| refusal.is_about_all()) {
            return Change { changed: Vec::new(), refused };
        }
        let costs = self.last.figures.costs.keys().copied().map(Subject::Cost);
        let singles = self.last.figures.singles.keys().copied();
        let changed = costs.chain(singles).filter_map(|subject| {
            Some(format!("{} {}", subject.name(), said(&self.known, subject)?))
        });
        Change { changed: changed.collect(), refused }
    }

    /// The short answer to the last text: what is missing, or the worked answer. Plain text, with a
    /// Markdown pipe table in a worked answer; never empty.
    #[must_use]
    pub fn answer(&self) -> String {
        respond_to(&self.known, &self.last, &self.text)
    }

    /// Whether the last text calls for the plan of all specialists: it asks for one, or completes
    /// the figures of one asked for before.
    #[must_use]
    pub fn calls_for_plan(&self) -> bool {
        self.plan == Plan::Called
    }

    /// What a specialist makes of it, or what it has to be told first.
    pub fn report(&self, specialist: Specialist) -> Result<Report, Vec<Need>> {
        specialist.work(&self.known)
    }

    /// How the orchestrator begins a plan.
    #[must_use]
    pub fn opening(&self) -> String {
        let known = told(&self.known).join(", ");
        let mut text = format!("I have {known}.\n\nFour of us work on it at once:\n");
        for specialist in Specialist::ALL {
            text.push_str(&format!("\n- {}: {}", specialist.name(), specialist.task()));
        }
        text
    }
}

fn asks_for_plan(text: &str) -> bool {
    let text = text.to_lowercase();
    let mut words = text.split(|c: char| !c.is_alphabetic());
    let asks = words.clone().any(|word| matches!(word, "plan" | "copilot"));
    asks && !words.any(|word| matches!(word, "thanks" | "thank"))
}
