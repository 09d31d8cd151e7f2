//! Every decision, as pure functions of what the record says and what ECS shows.
//!
//! | question | where |
//! | --- | --- |
//! | what is a wake-up about? | [`due`] |
//! | does this request go out, wait, or is it skipped? | [`decide`] |
//! | how far is a service that comes first? | [`progress`] |
//! | what has become of a deployment? | [`settle`] |
//! | what does a service need after its stack changed? | [`at_rest`] |

mod at_rest;
mod due;
mod progress;
mod request;
mod settle;

pub use at_rest::{AtRest, at_rest};
pub use due::{AboutRoute, Due, about_route, due};
pub use progress::{Progress, progress};
pub use request::{Decision, Situation, decide};
pub use settle::{Fact, Settlement, settle};
pub(crate) use settle::{has_failed, is_replaced};
