//! The end of a deployment of a service that gets images before others.

use futures_util::future::join_all;
use longshore_policy::route::ServiceId;
use longshore_state::{CallError, Worker};

use super::follow::{Wake, follow};
use crate::documents::{RecordStore, RouteStore};
use crate::engine::{DeployError, ServiceOutcome};
use crate::ports::Cloud;

/// A deployment of `service` ended: what waits for that in other services of the stack may go on.
///
/// # Errors
/// When the record or a route cannot be read. What fails for one service is in its own result.
pub async fn predecessor_ended<C: Cloud>(
    cloud: &C,
    stack: &str,
    service: &str,
    worker: &Worker,
) -> Result<Vec<Result<ServiceOutcome, DeployError>>, CallError> {
    let service_id = ServiceId {
        stack: stack.to_owned(),
        service: service.to_owned(),
    };
    let Some((record, _)) = cloud.load(&service_id).await? else {
        return Ok(Vec::new());
    };
    let mut repositories: Vec<&str> = record
        .deployment
        .images()
        .map(|(_, image)| image.repository.as_str())
        .collect();
    repositories.sort_unstable();
    repositories.dedup();
    let mut outcomes = Vec::new();
    for repository in repositories {
        let Some(route) = cloud.route(repository).await? else {
            continue;
        };
        let subscribers = route.subscribers.iter().filter(|subscriber| {
            subscriber.stack == stack
                && subscriber
                    .rollout
                    .after
                    .iter()
                    .any(|after| after == service)
        });
        let followed =
            subscribers.map(|subscriber| follow(cloud, repository, subscriber, Wake::Look, worker));
        outcomes.extend(join_all(followed).await);
    }
    Ok(outcomes)
}
