//! Whether a number of tasks is set by hand.

use longshore_policy::route::ServiceId;
use longshore_state::Worker;

use crate::record::Record;

/// What to do about a number of tasks that somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scale {
    /// Ask ECS for it.
    Begin,
    /// So many are to run already.
    Nothing,
    /// Not now, or not at all: why, and what to do.
    Refuse(String),
}

/// All that decides about a number of tasks.
#[derive(Debug, Clone, Copy)]
pub struct ScaleSituation<'a> {
    pub service_id: &'a ServiceId,
    /// The service's record.
    pub record: Option<&'a Record>,
    /// Whether the service's stack is being changed.
    pub is_changing: bool,
    /// Whether Application Auto Scaling sets the number.
    pub is_automatic: bool,
    /// How many tasks are to run now.
    pub from: u32,
    /// How many are asked for.
    pub to: u32,
    pub worker: &'a Worker,
}

/// Decides about a number of tasks. Like a restart, it waits for nothing.
pub fn scale(situation: &ScaleSituation<'_>) -> Scale {
    let ScaleSituation {
        service_id,
        record,
        is_changing,
        is_automatic,
        from,
        to,
        worker,
    } = *situation;
    let ServiceId { stack, service } = service_id;
    if is_automatic {
        return Scale::Refuse(format!(
            "Application Auto Scaling sets its number of tasks, and would set another one again: give `scaling` of \
             service {service} another `min_capacity` or `max_capacity` in the stack file of {stack} and apply it, or \
             set them where the scaling was made"
        ));
    }
    if is_changing {
        return Scale::Refuse("its stack is being changed: scale it when that is over".to_owned());
    }
    if let Some(record) = record {
        let last = &record.deployment;
        if last.state.is_open() {
            return Scale::Refuse(format!(
                "deployment {} is under way: wait for its end with `longshore status {stack}/{service} --watch`",
                last.number
            ));
        }
        if let Some(hold) = record.holds(worker.now) {
            let note = hold.note.as_ref().map(|note| format!(" ({note})"));
            return Scale::Refuse(format!(
                "it is held{}: resume it first with `longshore resume {stack}/{service}`",
                note.unwrap_or_default()
            ));
        }
    }
    if from == to {
        return Scale::Nothing;
    }
    Scale::Begin
}
