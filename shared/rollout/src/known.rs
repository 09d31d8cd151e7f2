//! Services by the names that people know them by.

use longshore_events::arn::ServiceName;
use longshore_policy::route::ServiceId;
use longshore_state::{CallError, ErrorClass};

use crate::documents::{RecordStore, RouteStore};
use crate::ports::Cloud;

/// What is said of a service that nobody knows.
pub const UNKNOWN: &str =
    "no route names it, and nothing was ever deployed to it: look whether the name is right";

/// Which ECS service it is: its record says so, or else a route. `None` where neither knows it.
///
/// # Errors
/// [`CallError`].
pub async fn ecs_service<C: Cloud>(
    cloud: &C,
    service_id: &ServiceId,
) -> Result<Option<ServiceName>, CallError> {
    if let Some((record, _)) = cloud.load(service_id).await? {
        return Ok(Some(record.deployment.service_name()));
    }
    for repository in cloud.repositories().await? {
        let route = match cloud.route(&repository).await {
            // It harms no other that one cannot be read.
            Err(error) if error.class == ErrorClass::Unreadable => continue,
            route => route?,
        };
        let mut subscribers = route.into_iter().flat_map(|route| route.subscribers);
        let found = subscribers.find(|subscriber| subscriber.service_id() == *service_id);
        if let Some(subscriber) = found {
            return Ok(Some(subscriber.service_name()));
        }
    }
    Ok(None)
}
