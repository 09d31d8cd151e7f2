//! What is not as the template says, except where that is on purpose.

use std::collections::BTreeMap;

use longshore_policy::template::TemplateMetadata;
use longshore_state::CallError;
use serde::Serialize;

use crate::error::ProvisioningError;
use crate::ports::{Comparison, Drift, ProvisioningCloud};
use crate::template::Template;

/// The result of comparing a stack with its template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DriftReport {
    pub stack: String,
    /// What is not as the template says.
    pub drifted: Vec<Drift>,
}

/// Compares every resource of a stack with its template.
///
/// # Errors
/// [`ProvisioningError`].
pub async fn drift<C: ProvisioningCloud>(
    cloud: &C,
    stack: &str,
) -> Result<DriftReport, ProvisioningError> {
    let Some(template) = cloud.template(stack).await? else {
        return Err(ProvisioningError::Conflict {
            operation: "detect the drift of",
            stack: stack.to_owned(),
            reason: "there is no such stack".to_owned(),
        });
    };
    let drifted = cloud.drift(stack).await?;
    Ok(DriftReport {
        stack: stack.to_owned(),
        drifted: without_design(drifted, Some(&template)),
    })
}

/// Without what is changed by design, as far as the template says it.
fn without_design(drifted: Vec<Drift>, template: Option<&str>) -> Vec<Drift> {
    let template = template.and_then(Template::parse);
    let metadata = template.as_ref().and_then(Template::metadata);
    let by_design = template.map(|template| template.changed_by_design());
    unintended(drifted, metadata.as_ref(), &by_design.unwrap_or_default())
}

/// What the last comparison of a stack with its template found, whoever asked for it. Nothing is compared; `None` where
/// nothing was.
///
/// # Errors
/// [`CallError`].
pub async fn last_drift<C: ProvisioningCloud>(
    cloud: &C,
    stack: &str,
) -> Result<Option<Comparison>, CallError> {
    let Some(mut found) = cloud.last_comparison(stack).await? else {
        return Ok(None);
    };
    if !found.drifted.is_empty() {
        let template = cloud.template(stack).await?;
        found.drifted = without_design(found.drifted, template.as_deref());
    }
    Ok(Some(found))
}

/// Without what is changed by design: `deploy` changes which task definition a service runs, and others what
/// `by_design` has, by logical id. How many tasks an autoscaler has set is not in the template, so CloudFormation
/// does not compare it.
fn unintended(
    drifts: Vec<Drift>,
    metadata: Option<&TemplateMetadata>,
    by_design: &BTreeMap<String, &[&str]>,
) -> Vec<Drift> {
    let is_ours = |drift: &Drift| {
        metadata.is_some_and(|metadata| {
            drift.resource_type == "AWS::ECS::Service"
                && metadata.services.values().any(|service| {
                    let physical_id = drift.physical_id.as_deref().unwrap_or_default();
                    physical_id.ends_with(&format!("/{}", service.ecs_service))
                })
        })
    };
    drifts
        .into_iter()
        .filter_map(|mut drift| {
            let places: Option<&[&str]> = if drift.deleted {
                None
            } else if is_ours(&drift) {
                Some(&["/TaskDefinition"])
            } else {
                by_design.get(&drift.logical_id).copied()
            };
            if let Some(places) = places {
                drift.properties.retain(|property| {
                    !places.iter().any(|place| {
                        let rest = property.path.strip_prefix(place);
                        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                    })
                });
                if drift.properties.is_empty() {
                    return None;
                }
            }
            Some(drift)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::PropertyDrift;
    use longshore_policy::template::TemplateService;

    fn metadata() -> TemplateMetadata {
        TemplateMetadata {
            version: 1,
            stack: "shop".to_owned(),
            environment: None,
            services: BTreeMap::from([(
                "api".to_owned(),
                TemplateService {
                    repository: Some("shop/api".to_owned()),
                    cluster: "shop".to_owned(),
                    ecs_service: "shop-api".to_owned(),
                    container: "api".to_owned(),
                    other_containers: Vec::new(),
                    image_policy: None,
                    cpu_architecture: None,
                    rollout: longshore_policy::settings::RolloutSettings::default(),
                    image: "shop/api:v1".to_owned(),
                    sidecars: BTreeMap::new(),
                },
            )]),
        }
    }

    fn service_drift(paths: &[&str]) -> Drift {
        Drift {
            logical_id: "ApiService".to_owned(),
            physical_id: Some(
                "arn:aws:ecs:eu-west-1:123456789012:service/shop/shop-api".to_owned(),
            ),
            resource_type: "AWS::ECS::Service".to_owned(),
            deleted: false,
            properties: paths
                .iter()
                .map(|path| PropertyDrift {
                    path: (*path).to_owned(),
                    expected: "1".to_owned(),
                    actual: "2".to_owned(),
                })
                .collect(),
        }
    }

    #[test]
    fn a_pushed_image_is_not_a_drift() {
        let drifts = vec![service_drift(&["/TaskDefinition"])];
        assert_eq!(
            unintended(drifts, Some(&metadata()), &BTreeMap::new()),
            Vec::new()
        );
    }

    #[test]
    fn what_nobody_meant_to_change_stays_beside_what_was_meant() {
        let drifts = vec![service_drift(&["/TaskDefinition", "/EnableExecuteCommand"])];
        let left = unintended(drifts, Some(&metadata()), &BTreeMap::new());
        assert_eq!(left, vec![service_drift(&["/EnableExecuteCommand"])]);
    }

    #[test]
    fn where_ecs_has_moved_requests_is_not_a_drift() {
        let rule = |paths: &[&str]| Drift {
            logical_id: "ListenerRuleApi".to_owned(),
            physical_id: Some("arn:aws:elasticloadbalancing:…:listener-rule/app/…".to_owned()),
            resource_type: "AWS::ElasticLoadBalancingV2::ListenerRule".to_owned(),
            ..service_drift(paths)
        };
        let moved = rule(&["/Actions/0/ForwardConfig/TargetGroups/0/Weight"]);
        let shifting = BTreeMap::from([("ListenerRuleApi".to_owned(), &["/Actions"][..])]);
        assert_eq!(
            unintended(vec![moved.clone()], Some(&metadata()), &shifting),
            Vec::new()
        );
        assert_eq!(
            unintended(vec![moved.clone()], Some(&metadata()), &BTreeMap::new()),
            vec![moved]
        );
        let other = rule(&["/Actions/0/Order", "/Priority"]);
        assert_eq!(
            unintended(vec![other], Some(&metadata()), &shifting),
            vec![rule(&["/Priority"])]
        );
    }

    #[test]
    fn bounds_that_a_schedule_of_the_service_moves_are_not_a_drift() {
        let template = Template::parse(
            r#"{"Resources": {
                "ScalableTargetApi": {"Type": "AWS::ApplicationAutoScaling::ScalableTarget",
                    "Properties": {"MinCapacity": 1, "ScheduledActions": [{"ScheduledActionName": "morning"}]}},
                "ScalableTargetWork": {"Type": "AWS::ApplicationAutoScaling::ScalableTarget",
                    "Properties": {"MinCapacity": 1}}
            }}"#,
        )
        .unwrap();
        let target = |logical_id: &str, paths: &[&str]| Drift {
            logical_id: logical_id.to_owned(),
            physical_id: Some("service/shop/shop-api|ecs:service:DesiredCount|ecs".to_owned()),
            resource_type: "AWS::ApplicationAutoScaling::ScalableTarget".to_owned(),
            ..service_drift(paths)
        };
        let bounds = ["/MinCapacity", "/MaxCapacity"];
        let drifts = vec![
            target("ScalableTargetApi", &bounds),
            target("ScalableTargetWork", &bounds),
        ];
        assert_eq!(
            unintended(drifts, Some(&metadata()), &template.changed_by_design()),
            vec![target("ScalableTargetWork", &bounds)]
        );
    }

    #[test]
    fn a_service_that_is_gone_is_drift() {
        let gone = Drift {
            deleted: true,
            ..service_drift(&[])
        };
        assert_eq!(
            unintended(vec![gone.clone()], Some(&metadata()), &BTreeMap::new()),
            vec![gone]
        );
    }
}
