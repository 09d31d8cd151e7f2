//! What Slack shows of each event.

mod actions;
mod blocks;
mod buttons;
mod console;
mod deployments;
mod digest;
mod documents;
mod draft;
mod failures;
mod holds;
mod logs;
mod problems;
mod releases;
mod scaled;
mod scheduled;
mod stacks;
mod syncs;
mod text;
mod transfers;
mod waits;

use longshore_events::longshore::LongshoreEvent;

pub use blocks::{
    BLOCKS, BUTTON_TEXT, BUTTON_VALUE, Block, Button, CONFIRM_TEXT, CONTEXT_ELEMENTS, Confirm,
    HEADER_TEXT, MESSAGE_TEXT, Message, SECTION_TEXT, Style, Text,
};
pub(crate) use buttons::ACTION_ID;
pub use console::Console;
pub use transfers::transfer_message;

/// What Slack shows of `event`, with links into `console`; nothing if only Longshore itself must know of it. Within all of
/// Slack's limits and never empty, whatever the event holds.
pub fn message(event: &LongshoreEvent, console: &Console) -> Option<Message> {
    Some(match event {
        LongshoreEvent::DeploymentStarted(event) => deployments::started(event, console),
        LongshoreEvent::DeploymentSkipped(event) => waits::skipped(event),
        LongshoreEvent::DeploymentSucceeded(event) => deployments::succeeded(event, console),
        LongshoreEvent::DeploymentFailed(event) => deployments::failed(event, console),
        LongshoreEvent::DeploymentRolledBack(event) => deployments::rolled_back(event, console),
        LongshoreEvent::DeploymentSuperseded(event) => deployments::superseded(event, console),
        LongshoreEvent::DeploymentWaiting(event) => waits::waiting(event),
        LongshoreEvent::DeploymentProgressed(event) => deployments::progressed(event, console),
        LongshoreEvent::DeploymentsHeld(event) => holds::held(event),
        LongshoreEvent::DeploymentsResumed(event) => holds::resumed(event),
        LongshoreEvent::DeploymentsDigest(event) => digest::digest(event),
        LongshoreEvent::ImageMissing(event) => deployments::image_missing(event),
        LongshoreEvent::ScheduledTaskFailed(event) => scheduled::failed(event, console),
        LongshoreEvent::ServiceScaled(event) => scaled::scaled(event),
        LongshoreEvent::DocumentUnreadable(event) => documents::unreadable(event),
        LongshoreEvent::ActionRefused(event) => actions::refused(event),
        LongshoreEvent::ReleaseRefused(event) => releases::refused(event),
        LongshoreEvent::StackApplying(event) => stacks::applying(event, console),
        LongshoreEvent::StackReady(event) => stacks::ready(event, console),
        LongshoreEvent::StackFailed(event) => stacks::failed(event, console),
        LongshoreEvent::StackUnchanged(event) => stacks::unchanged(event),
        LongshoreEvent::StackFileRefused(event) => stacks::file_refused(event),
        LongshoreEvent::SyncPlanned(event) => syncs::planned(event),
        LongshoreEvent::SyncUnchanged(event) => syncs::unchanged(event),
        LongshoreEvent::SyncProgressed(event) => syncs::progressed(event),
        LongshoreEvent::SyncCompleted(event) => syncs::completed(event),
        LongshoreEvent::SyncFailed(event) => syncs::failed(event),
        LongshoreEvent::SyncRefused(event) => syncs::refused(event),
        LongshoreEvent::DeploymentStabilized(_)
        | LongshoreEvent::ActionRequested(_)
        | LongshoreEvent::ReconcileShard(_)
        | LongshoreEvent::SyncShardCompleted(_) => return None,
    })
}
