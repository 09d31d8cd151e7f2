//! What an event counts for in CloudWatch: how deployments and changes of stacks end, and how long deployments took.

use longshore_events::longshore::LongshoreEvent;
use longshore_runtime::metrics::Metric;

/// The stack that an event is about, and what it counts for it; `None` for what is not an end.
pub fn figures(event: &LongshoreEvent) -> Option<(&str, Vec<(Metric, u64)>)> {
    let (stack, figures) = match event {
        LongshoreEvent::DeploymentSucceeded(succeeded) => {
            let deployment = &succeeded.deployment;
            let lead_time = succeeded.finished_at - deployment.requested_at;
            // Two clocks are compared.
            let lead_time = u64::try_from(lead_time.num_seconds()).unwrap_or_default();
            let figures = vec![
                (Metric::DeploymentsSucceeded, 1),
                (Metric::DeploymentLeadTime, lead_time),
            ];
            (&deployment.stack, figures)
        }
        // If ECS goes back, that is another event.
        LongshoreEvent::DeploymentFailed(failed) => (
            &failed.deployment.stack,
            vec![(Metric::DeploymentsFailed, 1)],
        ),
        LongshoreEvent::DeploymentRolledBack(rolled_back) => (
            &rolled_back.deployment.stack,
            vec![(Metric::DeploymentsRolledBack, 1)],
        ),
        LongshoreEvent::StackFailed(failed) => {
            (&failed.stack.stack, vec![(Metric::StackChangesFailed, 1)])
        }
        _ => return None,
    };
    Some((stack, figures))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn event(detail_type: &str, more: &Value) -> LongshoreEvent {
        let mut detail = json!({
            "deployment": {
                "deployment_id": "event-1", "stack": "shop", "service": "api", "cluster": "shop",
                "ecs_service": "api",
                "image": {"repository": "shop/api", "tag": "v2", "digest": format!("sha256:{}", "2".repeat(64))},
                "source": {"kind": "push"}, "requested_at": "2026-11-21T12:00:00Z",
            },
            "finished_at": "2026-11-21T12:03:20Z",
        });
        for (name, value) in more.as_object().into_iter().flatten() {
            detail[name] = value.clone();
        }
        LongshoreEvent::from_envelope(detail_type, &detail).unwrap()
    }

    #[test]
    fn a_deployment_that_succeeded_counts_with_the_time_since_it_was_asked_for() {
        let succeeded = event("Deployment Succeeded", &json!({}));
        let expected = vec![
            (Metric::DeploymentsSucceeded, 1),
            (Metric::DeploymentLeadTime, 200),
        ];
        assert_eq!(figures(&succeeded), Some(("shop", expected)));
        let early = event(
            "Deployment Succeeded",
            &json!({"finished_at": "2026-11-21T11:59:59Z"}),
        );
        let (_, counted) = figures(&early).unwrap();
        assert!(counted.contains(&(Metric::DeploymentLeadTime, 0)));
    }

    #[test]
    fn a_failure_and_the_way_back_from_it_count_once_each() {
        let more = json!({
            "reason": "tasks failed to start", "failures": [], "rolling_back": true,
            "running_task_definition": "shop-api:41",
        });
        for (detail_type, metric) in [
            ("Deployment Failed", Metric::DeploymentsFailed),
            ("Deployment Rolled Back", Metric::DeploymentsRolledBack),
        ] {
            let event = event(detail_type, &more);
            assert_eq!(figures(&event), Some(("shop", vec![(metric, 1)])));
        }
    }

    #[test]
    fn what_goes_on_counts_for_nothing() {
        let more = json!({"superseded_by": "event-2"});
        let superseded = event("Deployment Superseded", &more);
        assert_eq!(figures(&superseded), None);
    }
}
