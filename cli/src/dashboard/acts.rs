//! What is done from the page: by the commands of the command line, with the credentials of whoever runs it.

use std::collections::BTreeMap;

use longshore_events::image::DigestPrefix;
use longshore_events::longshore::WaitReason;
use longshore_events::manual::RollbackPayload;
use longshore_policy::route::ServiceId;
use longshore_rollout::documents::RecordStore as _;
use longshore_rollout::triggers::rollback::way_back;

use super::address::{Act, Verb};
use super::reading::Seen;
use super::view::{Question, Saying, Tone};
use crate::answer::{Answer, Status};
use crate::arguments::{
    ApproveArguments, HoldArguments, Output, ResumeArguments, RollbackArguments, WaitArguments,
};
use crate::outcome::{DRY_RUN, worker};
use crate::subject::{ServiceArgument, SubjectArgument};
use crate::until::Until;
use crate::{hold, rollback};

/// What was sent with a request, by name.
pub type Fields = BTreeMap<String, String>;

/// The page does not wait for an outcome: it shows how it goes.
const NO_WAIT: WaitArguments = WaitArguments {
    wait: false,
    timeout_minutes: 60,
};

/// What would come of it. Nothing is changed.
pub async fn ask<C: Seen>(cloud: &C, act: Act, fields: &Fields) -> Question {
    let mut fixed = Vec::new();
    let would = match (act.verb, service(&act)) {
        (Verb::RollBack, Some(service)) => {
            would_roll_back(cloud, service, fields, &mut fixed).await
        }
        (Verb::Approve, Some(service)) => would_approve(cloud, service, &mut fixed).await,
        (Verb::Drift, _) => Ok(
            "CloudFormation compares every resource with the template, which takes some time and changes nothing."
                .to_owned(),
        ),
        _ => done(cloud, &act, &Fields::new(), true).await,
    };
    Question {
        act,
        would: would.map_err(|error| format!("{error:#}")),
        fixed,
    }
}

/// Does it, and says what came of it.
pub async fn act<C: Seen>(cloud: &C, act: &Act, fields: &Fields) -> Saying {
    match done(cloud, act, fields, false).await {
        Ok(text) => Saying::new(Tone::Busy, text),
        Err(error) => Saying::new(Tone::Bad, format!("{error:#}")),
    }
}

async fn would_approve<C: Seen>(
    cloud: &C,
    service: ServiceArgument,
    fixed: &mut Vec<(&'static str, String)>,
) -> anyhow::Result<String> {
    let service_id = ServiceId {
        stack: service.stack.clone(),
        service: service.service.clone(),
    };
    let record = cloud.load(&service_id).await?;
    let mut waiting = record
        .iter()
        .flat_map(|(record, _)| record.waiting.values())
        .filter(|waiting| waiting.why == WaitReason::Approval);
    // What is approved is what was shown, whatever comes to wait meanwhile.
    let digest = waiting.next().map(|waiting| &waiting.request.image.digest);
    fixed.extend(digest.map(|digest| ("digest", digest.to_string())));
    let arguments = ApproveArguments {
        service,
        digest: digest.cloned().map(DigestPrefix::from),
        dry_run: true,
        wait: NO_WAIT,
        output: Output::Text,
    };
    text(hold::run_approve(cloud, arguments).await?)
}

async fn would_roll_back<C: Seen>(
    cloud: &C,
    service: ServiceArgument,
    fields: &Fields,
    fixed: &mut Vec<(&'static str, String)>,
) -> anyhow::Result<String> {
    let payload = RollbackPayload {
        from: None,
        stack: service.stack.clone(),
        service: service.service.clone(),
        to: number(fields)?,
        note: None,
        by: None,
    };
    match way_back(cloud, &payload, &worker()).await? {
        None => anyhow::bail!(
            "nothing to do: {}/{} is there already",
            service.stack,
            service.service
        ),
        Some(way) => {
            // It goes where it said, whatever else ends meanwhile.
            fixed.push(("to", way.to.number.to_string()));
            Ok(rollback::in_words(&way))
        }
    }
}

async fn done<C: Seen>(
    cloud: &C,
    act: &Act,
    fields: &Fields,
    dry_run: bool,
) -> anyhow::Result<String> {
    let subject = SubjectArgument {
        stack: act.stack.clone(),
        service: act.service.clone(),
    };
    let note = field(fields, "note").map(str::to_owned);
    let until = field(fields, "until").map(str::parse::<Until>).transpose();
    let answer = match (act.verb, service(act)) {
        (Verb::Hold, _) => {
            let arguments = HoldArguments {
                subject,
                until: until.map_err(|expected| anyhow::anyhow!("until: {expected}"))?,
                dry_run,
                note,
                output: Output::Text,
            };
            hold::run_hold(cloud, arguments).await?
        }
        (Verb::Resume, _) => {
            let arguments = ResumeArguments {
                subject,
                dry_run,
                note,
                wait: NO_WAIT,
                output: Output::Text,
            };
            hold::run_resume(cloud, arguments).await?
        }
        (Verb::Approve, Some(service)) => {
            let digest = field(fields, "digest").map(str::parse).transpose()?;
            let arguments = ApproveArguments {
                service,
                digest,
                dry_run,
                wait: NO_WAIT,
                output: Output::Text,
            };
            hold::run_approve(cloud, arguments).await?
        }
        (Verb::RollBack, Some(service)) => {
            let arguments = RollbackArguments {
                service,
                to: number(fields)?,
                // The page has asked.
                yes: true,
                dry_run,
                note,
                wait: NO_WAIT,
                output: Output::Text,
            };
            rollback::run(cloud, arguments).await?
        }
        (Verb::Approve | Verb::RollBack, None) | (Verb::Drift, _) => {
            anyhow::bail!("{} is not done to {}", act.verb.name(), act.subject())
        }
    };
    text(answer)
}

/// What an answer says, as an error where it is not good.
fn text(answer: Answer) -> anyhow::Result<String> {
    let text = answer.text.replace(DRY_RUN, "");
    let text = text.trim_end().to_owned();
    match answer.status {
        Status::Good | Status::Waits => Ok(text),
        Status::TimedOut | Status::Bad | Status::Ended(_) => Err(anyhow::anyhow!(text)),
    }
}

fn service(act: &Act) -> Option<ServiceArgument> {
    Some(ServiceArgument {
        stack: act.stack.clone(),
        service: act.service.clone()?,
    })
}

/// What was sent under a name, where it is more than blanks.
fn field<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    let value = fields.get(name)?.trim();
    (!value.is_empty()).then_some(value)
}

/// The number of the deployment to go back to.
fn number(fields: &Fields) -> anyhow::Result<Option<u32>> {
    let Some(to) = field(fields, "to") else {
        return Ok(None);
    };
    match to.parse() {
        Ok(number) if number > 0 => Ok(Some(number)),
        _ => anyhow::bail!("to: {to} is not the number of a deployment"),
    }
}
