//! `longshore scale`.

use longshore_policy::route::ServiceId;
use longshore_report::words::counted;
use longshore_rollout::ports::{Cloud, ServiceScaler};
use longshore_rollout::triggers::scale::{ScaleOutcome, ScaledBy, scale};
use serde_json::json;

use crate::arguments::ScaleArguments;
use crate::caller::caller;
use crate::outcome::{DRY_RUN, worker};
use crate::output::Output;

/// Sets how many tasks of a service run, and says from how many it goes to how many.
pub async fn run<C: Cloud + ServiceScaler>(
    cloud: &C,
    arguments: ScaleArguments,
) -> anyhow::Result<String> {
    let ScaleArguments {
        service,
        count,
        dry_run,
        note,
        output,
    } = arguments;
    let service_id = ServiceId {
        stack: service.stack,
        service: service.service,
    };
    let by = ScaledBy { by: caller(), note };
    let outcome = scale(cloud, &service_id, count, by, dry_run, &worker()).await?;
    let is_new = outcome.from != outcome.to;
    Ok(match output {
        Output::Json => serde_json::to_string_pretty(&json!({
            "stack": outcome.stack,
            "service": outcome.service,
            "outcome": match (is_new, dry_run) {
                (false, _) => "nothing",
                (true, true) => "would_scale",
                (true, false) => "scaled",
            },
            "from": outcome.from,
            "to": outcome.to,
        }))?,
        Output::Text => in_words(&outcome, dry_run),
    })
}

fn in_words(outcome: &ScaleOutcome, dry_run: bool) -> String {
    let ScaleOutcome {
        stack,
        service,
        from,
        to,
    } = outcome;
    let name = format!("{stack}/{service}");
    let tasks = counted(usize::try_from(*to).unwrap_or(usize::MAX), "task");
    if from == to {
        return format!("nothing to do: {name} has {tasks} to run already");
    }
    if dry_run {
        return format!("{name} would go from {from} to {tasks} {DRY_RUN}");
    }
    format!(
        "{name} goes from {from} to {tasks}; follow it with: longshore status {name} --watch\nif its stack file says \
         `desired_count`, an apply may set that number again: change it there, or leave it out"
    )
}

#[cfg(test)]
mod tests {
    use longshore_testkit::{FakeCloud, subscriber};
    use serde_json::Value;

    use super::*;

    fn arguments(count: u32, dry_run: bool, output: Output) -> ScaleArguments {
        ScaleArguments {
            service: "shop/api".parse().unwrap(),
            count,
            dry_run,
            note: None,
            output,
        }
    }

    #[tokio::test]
    async fn it_is_said_from_how_many_it_goes_to_how_many_and_what_may_set_that_again() {
        let api = subscriber("api");
        let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
        let dry = run(&cloud, arguments(1, true, Output::Text)).await.unwrap();
        assert_eq!(
            dry,
            "shop/api would go from 2 to 1 task (dry run: nothing was done)"
        );
        let scaled = run(&cloud, arguments(5, false, Output::Text))
            .await
            .unwrap();
        assert!(
            scaled.starts_with("shop/api goes from 2 to 5 tasks"),
            "{scaled}"
        );
        assert!(scaled.contains("`desired_count`"), "{scaled}");
        let again = run(&cloud, arguments(5, false, Output::Json))
            .await
            .unwrap();
        let again: Value = serde_json::from_str(&again).unwrap();
        assert_eq!(again["outcome"], "nothing");
        assert_eq!(cloud.service(&api).unwrap().desired_count, 5);
    }
}
