//! The calls that a fake was asked for, and what goes wrong with them.

use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::task::Poll;

use longshore_state::{CallError, ErrorClass};

use crate::faults::{Fault, error};

/// The calls made so far, and what a test wants of those to come.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    made: Vec<String>,
    faults: BTreeMap<usize, Fault>,
    faults_of_operations: BTreeMap<String, Fault>,
    delays: VecDeque<u8>,
    dead: bool,
}

/// What a fake keeps, its calls among it.
pub(crate) trait Called {
    fn calls(&mut self) -> &mut Calls;
}

impl Calls {
    /// By the names of the operations that they stand for.
    pub(crate) fn made(&self) -> &[String] {
        &self.made
    }

    pub(crate) fn forget(&mut self) {
        self.made.clear();
    }

    /// Makes the call of this number, counted from the next one as 0, go wrong.
    pub(crate) fn inject(&mut self, call: usize, fault: Fault) {
        self.faults.insert(self.made.len() + call, fault);
    }

    /// Makes the next call of this operation go wrong.
    pub(crate) fn inject_at(&mut self, operation: &str, fault: Fault) {
        self.faults_of_operations
            .insert(operation.to_owned(), fault);
    }

    /// A new process takes over after the last one died; nothing goes wrong any more.
    pub(crate) fn recover(&mut self) {
        self.dead = false;
        self.faults.clear();
        self.faults_of_operations.clear();
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.dead
    }

    pub(crate) fn set_delays(&mut self, delays: &[u8]) {
        self.delays = delays.iter().copied().collect();
    }

    /// How many turns the next call waits for others.
    pub(crate) fn next_delay(&mut self) -> u8 {
        self.delays.pop_front().unwrap_or(1)
    }

    /// Counts a call, and says what goes wrong with it. Where nobody is left to make it, it is an error.
    fn begin(&mut self, operation: &str) -> Result<Option<Fault>, CallError> {
        let number = self.made.len();
        self.made.push(operation.to_owned());
        let fault = match self.faults_of_operations.remove(operation) {
            Some(fault) => Some(fault),
            None => self.faults.get(&number).copied(),
        };
        self.dead |= fault == Some(Fault::Dies);
        if self.dead {
            return Err(error(operation, ErrorClass::Transient));
        }
        Ok(fault)
    }
}

/// Counts a call and lets it go wrong where a test wants that.
pub(crate) fn call<W: Called, T>(
    world: &mut W,
    operation: &str,
    effect: impl FnOnce(&mut W) -> Result<T, CallError>,
) -> Result<T, CallError> {
    match world.calls().begin(operation)? {
        None | Some(Fault::Dies) => effect(world),
        Some(Fault::Fails(class)) => Err(error(operation, class)),
        Some(Fault::AnswerLost) => {
            effect(world)?;
            Err(error(operation, ErrorClass::Transient))
        }
        Some(Fault::DiesAfter) => {
            let answer = effect(world);
            world.calls().dead = true;
            answer
        }
    }
}

/// Lets others run first for this many turns, so that what runs side by side really interleaves.
pub(crate) async fn give_way(mut turns: u8) {
    poll_fn(|context| {
        if turns == 0 {
            return Poll::Ready(());
        }
        turns -= 1;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
