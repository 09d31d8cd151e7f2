//! How the number of a service's tasks follows its load.

use serde::Serialize;

use crate::spec::{CustomMetric, Scaling, Statistic};

use super::metric::{Alarm, Dimension, Expression, Metric, Threshold, Watched};
use super::named::{NamedService, NamedStack, scales_by_steps};
use super::names::Kind;
use super::template::{Number, Properties, Tag, Template, Value};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ScalableTarget {
    service_namespace: &'static str,
    scalable_dimension: &'static str,
    resource_id: Value,
    min_capacity: u32,
    max_capacity: u32,
    tags: Option<Vec<Tag>>,
}

impl Properties for ScalableTarget {
    const TYPE: &'static str = "AWS::ApplicationAutoScaling::ScalableTarget";
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ScalingPolicy {
    policy_name: String,
    policy_type: &'static str,
    scaling_target_id: Value,
    target_tracking_scaling_policy_configuration: Option<TargetTracking>,
    step_scaling_policy_configuration: Option<StepScaling>,
}

impl Properties for ScalingPolicy {
    const TYPE: &'static str = "AWS::ApplicationAutoScaling::ScalingPolicy";
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TargetTracking {
    target_value: Number,
    scale_out_cooldown: u32,
    scale_in_cooldown: u32,
    predefined_metric_specification: Option<PredefinedMetric>,
    customized_metric_specification: Option<CustomizedMetric>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PredefinedMetric {
    predefined_metric_type: &'static str,
    resource_label: Option<Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct CustomizedMetric {
    namespace: Value,
    metric_name: Value,
    dimensions: Option<Vec<Dimension>>,
    statistic: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct StepScaling {
    adjustment_type: &'static str,
    cooldown: u32,
    metric_aggregation_type: &'static str,
    step_adjustments: [Step; 1],
}

/// One task more or less, however far from the threshold: from no task at all, a share of them would
/// be none.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Step {
    metric_interval_lower_bound: Option<u32>,
    metric_interval_upper_bound: Option<u32>,
    scaling_adjustment: i32,
}

/// Something that a service scales by.
struct Target<'a> {
    /// What it is, in words and for the ids of metrics.
    word: String,
    /// What its logical ids end with.
    names: Vec<&'a str>,
    value: f64,
    metric: Metric,
    tracking: Tracking<'a>,
}

/// How Application Auto Scaling names what it tracks.
enum Tracking<'a> {
    Predefined(Kind, &'static str, Option<Value>),
    Customized(&'a CustomMetric),
}

pub(super) fn render(named_stack: &NamedStack, template: &mut Template) {
    for named_service in named_stack.members() {
        let Some(scaling) = &named_service.spec.scaling else {
            continue;
        };
        add_scalable_target(named_stack, template, named_service, scaling);
        let targets = targets(named_stack, named_service, scaling);
        if scales_by_steps(scaling) {
            add_steps(named_stack, template, named_service, scaling, targets);
        } else {
            for target in targets {
                add_tracking(template, named_service, scaling, target);
            }
        }
    }
}

fn add_scalable_target(
    named_stack: &NamedStack,
    template: &mut Template,
    named_service: NamedService,
    scaling: &Scaling,
) {
    let target = ScalableTarget {
        service_namespace: "ecs",
        scalable_dimension: "ecs:service:DesiredCount",
        resource_id: resource_id(named_service),
        min_capacity: scaling.min_capacity,
        max_capacity: scaling.max_capacity,
        tags: named_stack.tags(),
    };
    template.add(Kind::ScalableTarget, &[named_service.name], &target);
}

/// By which Application Auto Scaling knows the service.
pub(super) fn resource_id(named_service: NamedService) -> Value {
    Value::sub(format!(
        "service/${{Cluster}}/${{{}.Name}}",
        Kind::Service.id(&[named_service.name])
    ))
}

fn targets<'a>(
    named_stack: &NamedStack,
    named_service: NamedService<'a>,
    scaling: &'a Scaling,
) -> Vec<Target<'a>> {
    let predefined = |value: Option<f64>, word: &'static str, metric, tracking| {
        value.map(|value| Target {
            word: word.to_owned(),
            names: vec![word],
            value,
            metric,
            tracking,
        })
    };
    let cpu = predefined(
        scaling.target_cpu_utilization,
        "cpu",
        Metric::of_service("CPUUtilization", named_service),
        Tracking::Predefined(Kind::CpuTracking, "ECSServiceAverageCPUUtilization", None),
    );
    let memory = predefined(
        scaling.target_memory_utilization,
        "memory",
        Metric::of_service("MemoryUtilization", named_service),
        Tracking::Predefined(
            Kind::MemoryTracking,
            "ECSServiceAverageMemoryUtilization",
            None,
        ),
    );
    let label = Value::sub(format!(
        "{}/${{{}.TargetGroupFullName}}",
        named_service.load_balancer_full_name(),
        Kind::TargetGroup.id(&[named_service.name])
    ));
    let behind_own = named_stack
        .target_group_of_requests(named_service)
        .is_some();
    let requests = predefined(
        scaling.target_requests_per_task.filter(|_| behind_own),
        "requests",
        Metric::of_targets(
            "RequestCountPerTarget",
            "Sum",
            named_service,
            Kind::TargetGroup,
        ),
        Tracking::Predefined(
            Kind::RequestTracking,
            "ALBRequestCountPerTarget",
            Some(label),
        ),
    );
    let custom = scaling
        .custom_metrics
        .iter()
        .enumerate()
        .map(|(index, custom)| Target {
            word: format!("metric{index}"),
            names: custom_names(custom),
            value: custom.target_value,
            metric: custom_metric(custom),
            tracking: Tracking::Customized(custom),
        });
    [cpu, memory, requests]
        .into_iter()
        .flatten()
        .chain(custom)
        .collect()
}

/// What distinguishes a metric of one's own from others.
fn custom_names(custom: &CustomMetric) -> Vec<&str> {
    let dimensions = custom.dimensions.iter();
    let dimensions = dimensions.flat_map(|(name, value)| [name.as_str(), value.as_str()]);
    let statistic = match custom.statistic {
        Statistic::Average => "",
        other => statistic(other),
    };
    [custom.namespace.as_str(), custom.metric_name.as_str()]
        .into_iter()
        .chain(dimensions)
        .chain([statistic])
        .collect()
}

fn custom_metric(custom: &CustomMetric) -> Metric {
    let dimensions = custom.dimensions.iter().map(|(name, value)| Dimension {
        name: Value::text(name),
        value: Value::written(value.as_str()),
    });
    Metric {
        namespace: Value::written(&custom.namespace),
        metric_name: Value::written(&custom.metric_name),
        dimensions: dimensions.collect(),
        statistic: statistic(custom.statistic),
    }
}

fn statistic(statistic: Statistic) -> &'static str {
    match statistic {
        Statistic::Average => "Average",
        Statistic::Minimum => "Minimum",
        Statistic::Maximum => "Maximum",
        Statistic::SampleCount => "SampleCount",
        Statistic::Sum => "Sum",
    }
}

fn add_tracking(
    template: &mut Template,
    named_service: NamedService,
    scaling: &Scaling,
    target: Target,
) {
    let (kind, names, predefined, customized) = match target.tracking {
        Tracking::Predefined(kind, predefined_metric_type, resource_label) => {
            let predefined = PredefinedMetric {
                predefined_metric_type,
                resource_label,
            };
            (kind, vec![named_service.name], Some(predefined), None)
        }
        Tracking::Customized(_) => {
            let metric = target.metric;
            let customized = CustomizedMetric {
                namespace: metric.namespace,
                metric_name: metric.metric_name,
                dimensions: (!metric.dimensions.is_empty()).then_some(metric.dimensions),
                statistic: metric.statistic,
            };
            let mut names = vec![named_service.name];
            names.extend(target.names);
            (Kind::MetricTracking, names, None, Some(customized))
        }
    };
    let policy = ScalingPolicy {
        policy_name: kind.id(&names),
        policy_type: "TargetTrackingScaling",
        scaling_target_id: Value::Ref(Kind::ScalableTarget.id(&[named_service.name])),
        target_tracking_scaling_policy_configuration: Some(TargetTracking {
            target_value: Number(target.value),
            scale_out_cooldown: scaling.scale_out_cooldown,
            scale_in_cooldown: scaling.scale_in_cooldown,
            predefined_metric_specification: predefined,
            customized_metric_specification: customized,
        }),
        step_scaling_policy_configuration: None,
    };
    template.add(kind, &names, &policy);
}

/// One step out when anything is above its target, one step in when nothing is.
fn add_steps(
    named_stack: &NamedStack,
    template: &mut Template,
    named_service: NamedService,
    scaling: &Scaling,
    targets: Vec<Target>,
) {
    let out_periods = scaling.scale_out_evaluation_periods.unwrap_or(3);
    let in_periods = scaling.scale_in_evaluation_periods.unwrap_or(15);
    let service = named_stack.ecs_service_name(named_service);

    let step_out = Step {
        metric_interval_lower_bound: Some(0),
        metric_interval_upper_bound: None,
        scaling_adjustment: 1,
    };
    let out = step_policy(
        named_service,
        Kind::ScaleOutPolicy,
        scaling.scale_out_cooldown,
        step_out,
    );
    template.add(Kind::ScaleOutPolicy, &[named_service.name], &out);
    for target in &targets {
        let mut names = vec![named_service.name];
        names.extend(&target.names);
        let alarm = Alarm::new(
            named_stack,
            format!(
                "{service} gets a task: {} is above {}",
                target.said(),
                Number(target.value)
            ),
            Watched::One(target.metric.clone()),
            Threshold::Above(target.value),
            (out_periods, 60),
        )
        .doing(Value::Ref(Kind::ScaleOutPolicy.id(&[named_service.name])));
        template.add(Kind::ScaleOutAlarm, &names, &alarm);
    }

    let step_in = Step {
        metric_interval_lower_bound: None,
        metric_interval_upper_bound: Some(0),
        scaling_adjustment: -1,
    };
    let policy = step_policy(
        named_service,
        Kind::ScaleInPolicy,
        scaling.scale_in_cooldown,
        step_in,
    );
    template.add(Kind::ScaleInPolicy, &[named_service.name], &policy);
    let (watched, threshold) = below_all(targets);
    let alarm = Alarm::new(
        named_stack,
        format!("{service} loses a task: all that it scales by is below its target"),
        watched,
        Threshold::Below(threshold),
        (in_periods, 60),
    )
    .doing(Value::Ref(Kind::ScaleInPolicy.id(&[named_service.name])));
    template.add(Kind::ScaleInAlarm, &[named_service.name], &alarm);
}

impl Target<'_> {
    fn said(&self) -> String {
        match &self.tracking {
            Tracking::Predefined(..) => self.word.clone(),
            Tracking::Customized(custom) => custom.metric_name.clone(),
        }
    }
}

/// What is watched for a step in, and below what it has to be.
///
/// Of several metrics it is the greatest in relation to its target. `MAX` of a list goes by those that
/// have a value, so a metric that is not sent while there is nothing to do keeps no task.
fn below_all(mut targets: Vec<Target>) -> (Watched, f64) {
    if targets.len() == 1
        && let Some(only) = targets.pop()
    {
        return (Watched::One(only.metric), only.value);
    }
    let load = |target: &Target| format!("{}_load", target.word);
    let loads: Vec<String> = targets.iter().map(load).collect();
    let parts = targets.iter().map(|target| {
        let share = format!("{} / {}", target.word, Number(target.value));
        (load(target), share)
    });
    let watched = Watched::Expression(Expression {
        result: format!("MAX([{}])", loads.join(", ")),
        label: "load in relation to its target",
        parts: parts.collect(),
        metrics: targets
            .iter()
            .map(|target| (target.word.clone(), target.metric.clone()))
            .collect(),
    });
    (watched, 1.0)
}

fn step_policy(
    named_service: NamedService,
    kind: Kind,
    cooldown: u32,
    step: Step,
) -> ScalingPolicy {
    ScalingPolicy {
        policy_name: kind.id(&[named_service.name]),
        policy_type: "StepScaling",
        scaling_target_id: Value::Ref(Kind::ScalableTarget.id(&[named_service.name])),
        target_tracking_scaling_policy_configuration: None,
        step_scaling_policy_configuration: Some(StepScaling {
            adjustment_type: "ChangeInCapacity",
            cooldown,
            metric_aggregation_type: "Average",
            step_adjustments: [step],
        }),
    }
}
