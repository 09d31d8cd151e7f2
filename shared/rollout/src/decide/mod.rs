//! Every decision, as pure functions of what the record says and what ECS shows.
//!
//! | question | where |
//! | --- | --- |
//! | What is worth asking before anything is decided, and what need not be asked? | [`is_likely_news`], [`question`] |
//! | What is a wake-up about? | [`due`] |
//! | Does this request go out, wait, or is it skipped, and why? | [`decide`]; for its image's architecture [`fit`]; while its stack changes [`while_changing`] |
//! | What does a skipped request leave behind? | [`skipped`] |
//! | What is noted of a push that does not go out? | [`note`] |
//! | Which request does an approval let go out, or a rejection end? | [`to_be_approved`] |
//! | Is a request given up that waits for its route? | [`about_route`] |
//! | How far is a service that comes first? | [`progress`] |
//! | Which attempt is it at a rollback or a restart? | [`attempt`] |
//! | Where does a rollback by hand go? | [`is_candidate`], [`goes_back_from`] |
//! | Does a restart by hand begin? | [`restart`] |
//! | Is a number of tasks set by hand? | [`scale`] |
//! | What comes after a one-off task? | [`next_step`] |
//! | What has become of a deployment? | [`verdict`] |
//! | What does a service need after its stack changed? | [`settled`] |

mod ahead;
mod approval;
mod due;
mod next_step;
mod passed_over;
mod progress;
mod request;
mod restart;
mod rollback;
mod scale;
mod settle;
mod settled;
mod skip;

pub use ahead::{Question, can_be_surveyed, is_likely_news, learn, question};
pub use approval::to_be_approved;
pub use due::{AboutRoute, WakeUp, about_route, due};
pub use next_step::{NextStep, next_step};
pub use passed_over::{Heard, Note, find, note};
pub use progress::{Progress, progress};
pub use request::{Decision, Situation, decide};
pub use restart::{Restart, restart};
pub use rollback::{Attempt, attempt, goes_back_from, is_candidate, nothing_to_roll_back};
pub use scale::{Scale, ScaleSituation, scale};
pub use settle::{Evidence, Fact, Settlement, Verdict, verdict};
pub(crate) use settle::{has_failed, is_about_to_end, needs_account};
pub use settled::{Settled, settled};
pub use skip::{Fit, Skipped, fit, skipped, while_changing};
