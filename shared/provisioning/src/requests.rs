//! To which of two target groups a template sends requests, where ECS moves them from one to the other: to the one
//! behind which the tasks are, not to the one of the first day.

use std::collections::BTreeSet;

use futures_util::future::try_join_all;
use longshore_events::longshore::Severity;
use longshore_policy::template::{TemplateMetadata, TemplateService};
use longshore_stack::check::Finding;
use longshore_stack::render::logical_id;
use longshore_state::CallError;

use crate::ports::{ProvisioningCloud, ServingGroup};
use crate::template::Template;

/// Where the services' requests go, and what a change of the stack does to that.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    /// The services whose requests go to their alternate target groups.
    pub on_alternate: BTreeSet<String>,
    /// Warnings.
    pub findings: Vec<Finding>,
    /// Why the stack cannot be changed now: a deployment is moving requests by a rule that would change.
    pub obstacle: Option<String>,
}

/// As the stack's present template has it. What ECS moved since is not a change of the stack: CloudFormation leaves a rule
/// alone whose template stays the same.
pub(crate) fn as_in(present: &Template, metadata: &TemplateMetadata) -> Requests {
    let services = metadata.services.keys();
    let on_alternate =
        services.filter(|name| present.sends_to_alternate(&rule_of(name)) == Some(true));
    Requests {
        on_alternate: on_alternate.cloned().collect(),
        ..Requests::default()
    }
}

/// As it is, for those services of the stack's present template whose rules `template` changes: CloudFormation writes
/// such a rule as a whole, with its target groups. `template` is rendered [`as_in`] the present one.
pub(crate) async fn where_tasks_are<C: ProvisioningCloud>(
    cloud: &C,
    present: &Template,
    metadata: &TemplateMetadata,
    template: &Template,
) -> Result<Requests, CallError> {
    let changed = metadata.services.iter().filter_map(|(name, service)| {
        let rule = rule_of(name);
        let on_alternate = present.sends_to_alternate(&rule)?;
        let keeps_target_group = template.has(&format!("TargetGroup{}", logical_id(name)));
        let is_changed = keeps_target_group && present.differs_in(&rule, template);
        is_changed.then_some((name, service, rule, on_alternate))
    });
    let looked_up = changed.map(|(name, service, rule, on_alternate)| async move {
        let serving = serving_group(cloud, metadata, name, service).await?;
        Ok::<_, CallError>((name, rule, on_alternate, serving))
    });
    let mut requests = as_in(present, metadata);
    for (name, rule, on_alternate, serving) in try_join_all(looked_up).await? {
        let stays = template.sends_to_alternate(&rule).is_some();
        let warning = match serving {
            ServingGroup::Both => {
                let obstacle = format!(
                    "a deployment of `{name}` is moving requests from one target group to the other by a rule \
                     that this change of the stack changes; apply it when the deployment has ended"
                );
                Some(requests.obstacle.insert(obstacle).clone())
            }
            ServingGroup::Alternate if !stays => Some(
                "the tasks are behind the alternate target group, which this change of the stack removes: nobody \
                 answers until new tasks have started behind the other one; deploy the service once more before, \
                 so that the tasks are behind that one"
                    .to_owned(),
            ),
            ServingGroup::First | ServingGroup::Alternate => {
                let is_alternate = serving == ServingGroup::Alternate;
                if is_alternate {
                    requests.on_alternate.insert(name.clone());
                } else {
                    requests.on_alternate.remove(name);
                }
                (stays && is_alternate != on_alternate).then(|| {
                    "CloudFormation changes the rule by which ECS sends requests to one of two target groups; if it \
                     rolls the change back, it sends them to the one that has no tasks now, and nobody answers until \
                     the next deployment, or until the change is applied again"
                        .to_owned()
                })
            }
        };
        requests.findings.extend(warning.map(|message| Finding {
            path: format!("services.{name}.target_group"),
            value: None,
            message,
            severity: Severity::Warning,
        }));
    }
    Ok(requests)
}

async fn serving_group<C: ProvisioningCloud>(
    cloud: &C,
    metadata: &TemplateMetadata,
    name: &str,
    service: &TemplateService,
) -> Result<ServingGroup, CallError> {
    let subscriber = service.subscriber(&metadata.stack, name);
    cloud.serving_group(&subscriber.service_name()).await
}

/// The logical id of a service's listener rule.
fn rule_of(service: &str) -> String {
    format!("ListenerRule{}", logical_id(service))
}
