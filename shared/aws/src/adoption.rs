//! ECS: the settings of services that other tools made.

use longshore_events::arn::ServiceName;
use longshore_provisioning::ports::{ServiceInspector, ServiceSettings};
use longshore_state::CallError;

use crate::AwsCloud;

impl ServiceInspector for AwsCloud {
    async fn service_settings(&self, service: &ServiceName) -> Result<ServiceSettings, CallError> {
        let found = self.active_service(service).await?;
        let circuit_breaker = found
            .deployment_configuration()
            .and_then(|configuration| configuration.deployment_circuit_breaker());
        Ok(ServiceSettings {
            task_definition: found.task_definition().unwrap_or_default().to_owned(),
            // ECS names none where it is its own: the Amazon ECS API Reference, `Service`.
            controller: found
                .deployment_controller()
                .map_or("ECS", |controller| controller.r#type().as_str())
                .to_owned(),
            circuit_breaker: circuit_breaker.is_some_and(|breaker| breaker.enable()),
            rolls_back: circuit_breaker
                .is_some_and(|breaker| breaker.enable() && breaker.rollback()),
        })
    }
}
