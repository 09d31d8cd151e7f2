//! What the tests of several ways in share.

use longshore_events::ecs::{DeploymentEventName, DeploymentStateChange};
use longshore_policy::route::Subscriber;
use longshore_rollout::course::WatchOutcome;
use longshore_rollout::course::watch::deployment_changed;
use longshore_testkit::{FakeCloud, noon, worker};

/// ECS finishes what it works on, and `watch` hears of it.
pub async fn stable(cloud: &FakeCloud, api: &Subscriber, seconds: i64) -> WatchOutcome {
    cloud.complete(api);
    let change = DeploymentStateChange {
        event_name: DeploymentEventName::Completed,
        deployment_id: cloud.primary_id(api),
        updated_at: noon(seconds),
        reason: String::new(),
    };
    let watch = worker("watch", seconds);
    deployment_changed(cloud, &api.service_name(), &change, &watch)
        .await
        .unwrap()
}
