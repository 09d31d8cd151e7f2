//! Events of the stack's tasks, services, targets and scaling, kept in a log group.

use std::collections::BTreeMap;

use serde::Serialize;

use super::logs;
use super::named::NamedStack;
use super::names::{Kind, Singleton};
use super::template::{Properties, Tag, Template, Value, part_of_sub};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Rule {
    description: String,
    event_pattern: Pattern,
    state: &'static str,
    tags: Option<Vec<Tag>>,
    targets: [Target; 1],
}

impl Properties for Rule {
    const TYPE: &'static str = "AWS::Events::Rule";
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Pattern {
    source: [&'static str; 1],
    detail_type: Vec<&'static str>,
    resources: Option<Vec<Matched>>,
    detail: Option<BTreeMap<&'static str, Vec<Matched>>>,
}

/// What a field of an event has to be.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Matched {
    Prefix(Value),
    #[serde(untagged)]
    Exactly(Value),
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Target {
    arn: Value,
    id: &'static str,
}

pub(super) fn render(named_stack: &NamedStack, template: &mut Template) {
    let Some(events) = &named_stack.stack.events else {
        return;
    };
    // EventBridge may write to all log groups of this form, by a policy that Longshore's Terraform makes once: an
    // account has room for ten of them in a region (the Amazon CloudWatch Logs User Guide, "CloudWatch Logs
    // quotas").
    let name = format!("/longshore/{}/events", named_stack.stack_name);
    let group = logs::Name::One(Singleton::EventsLogGroup);
    logs::add_group(named_stack, template, group, name, events.retention_in_days);

    let cluster = Value::GetAtt(Singleton::Cluster.as_str().to_owned(), "Arn");
    let services = format!("service/{}/", part_of_sub(&named_stack.cluster_name));
    add_rule(
        named_stack,
        template,
        (Singleton::EventsOfTasks, "tasks start and stop"),
        Pattern {
            source: ["aws.ecs"],
            detail_type: vec!["ECS Task State Change"],
            resources: None,
            detail: Some(BTreeMap::from([(
                "clusterArn",
                vec![Matched::Exactly(cluster)],
            )])),
        },
    );
    add_rule(
        named_stack,
        template,
        (
            Singleton::EventsOfServices,
            "services are deployed or cannot be",
        ),
        Pattern {
            source: ["aws.ecs"],
            detail_type: vec!["ECS Deployment State Change", "ECS Service Action"],
            resources: Some(vec![Matched::Prefix(Value::sub(format!(
                "arn:${{AWS::Partition}}:ecs:${{AWS::Region}}:${{AWS::AccountId}}:{services}"
            )))]),
            detail: None,
        },
    );
    if named_stack.members().any(|named_service| {
        named_stack
            .own_target_groups(named_service)
            .next()
            .is_some()
    }) {
        // By the beginning of their names, which CloudFormation makes of the stack's and the logical id:
        // a list of them would soon be longer than a pattern may be.
        let alarms = Value::sub(format!(
            "arn:${{AWS::Partition}}:cloudwatch:${{AWS::Region}}:${{AWS::AccountId}}:alarm:\
             ${{AWS::StackName}}-{}",
            Kind::TargetHealthAlarm.as_str()
        ));
        add_rule(
            named_stack,
            template,
            (
                Singleton::EventsOfTargetHealth,
                "targets become unhealthy or healthy",
            ),
            Pattern {
                source: ["aws.cloudwatch"],
                detail_type: vec!["CloudWatch Alarm State Change"],
                resources: Some(vec![Matched::Prefix(alarms)]),
                detail: None,
            },
        );
    }
    if named_stack
        .members()
        .any(|named_service| named_service.spec.scaling.is_some())
    {
        add_rule(
            named_stack,
            template,
            (Singleton::EventsOfScaling, "services scale"),
            Pattern {
                source: ["aws.application-autoscaling"],
                detail_type: vec!["Application Auto Scaling Scaling Activity State Change"],
                resources: None,
                detail: Some(BTreeMap::from([(
                    "resourceId",
                    vec![Matched::Prefix(if services.contains("${") {
                        Value::Sub(services)
                    } else {
                        Value::Text(services)
                    })],
                )])),
            },
        );
    }
    if !named_stack.stack.capacity.is_empty() {
        let groups = named_stack.stack.capacity.keys();
        let groups = groups.map(|name| Value::Ref(Kind::AutoScalingGroup.id(&[name])));
        add_rule(
            named_stack,
            template,
            (Singleton::EventsOfInstances, "instances start and stop"),
            Pattern {
                source: ["aws.autoscaling"],
                detail_type: vec![
                    "EC2 Instance Launch Successful",
                    "EC2 Instance Launch Unsuccessful",
                    "EC2 Instance Terminate Successful",
                    "EC2 Instance Terminate Unsuccessful",
                ],
                resources: None,
                detail: Some(BTreeMap::from([(
                    "AutoScalingGroupName",
                    groups.map(Matched::Exactly).collect(),
                )])),
            },
        );
    }
}

fn add_rule(
    named_stack: &NamedStack,
    template: &mut Template,
    (id, what): (Singleton, &str),
    event_pattern: Pattern,
) {
    let group = Singleton::EventsLogGroup.as_str();
    let rule = Rule {
        description: format!("{}: {what}", named_stack.stack_name),
        event_pattern,
        state: "ENABLED",
        targets: [Target {
            id: "log-group",
            arn: Value::sub(format!(
                "arn:${{AWS::Partition}}:logs:${{AWS::Region}}:${{AWS::AccountId}}:log-group:${{{group}}}"
            )),
        }],
        tags: named_stack.tags(),
    };
    template.add_one(id, &rule);
}
