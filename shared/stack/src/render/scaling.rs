//! How the number of a service's tasks follows its load.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::spec::{
    CustomMetric, QueueBacklog, Scaling, ScheduledCapacity, Statistic, StepScaling, Text,
};

use super::metric::{Alarm, Dimension, Expression, Metric, Query, Threshold, Watched, queries};
use super::named::{NamedService, NamedStack, scales_by_steps};
use super::names::Kind;
use super::template::{Number, Properties, Tag, Template, Value};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ScalableTarget {
    max_capacity: u32,
    min_capacity: u32,
    resource_id: Value,
    scalable_dimension: &'static str,
    scheduled_actions: Option<Vec<ScheduledAction>>,
    service_namespace: &'static str,
    tags: Option<Vec<Tag>>,
}

impl Properties for ScalableTarget {
    const TYPE: &'static str = "AWS::ApplicationAutoScaling::ScalableTarget";
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ScheduledAction {
    scalable_target_action: Bounds,
    schedule: String,
    scheduled_action_name: String,
    timezone: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Bounds {
    max_capacity: Option<u32>,
    min_capacity: Option<u32>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ScalingPolicy {
    policy_name: String,
    policy_type: &'static str,
    scaling_target_id: Value,
    step_scaling_policy_configuration: Option<StepScalingConfiguration>,
    target_tracking_scaling_policy_configuration: Option<TargetTracking>,
}

impl Properties for ScalingPolicy {
    const TYPE: &'static str = "AWS::ApplicationAutoScaling::ScalingPolicy";
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TargetTracking {
    customized_metric_specification: Option<CustomizedMetric>,
    predefined_metric_specification: Option<PredefinedMetric>,
    scale_in_cooldown: u32,
    scale_out_cooldown: u32,
    target_value: Number,
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
    dimensions: Option<Vec<Dimension>>,
    metric_name: Option<Value>,
    metrics: Option<Vec<Query>>,
    namespace: Option<Value>,
    statistic: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct StepScalingConfiguration {
    adjustment_type: &'static str,
    cooldown: u32,
    metric_aggregation_type: &'static str,
    min_adjustment_magnitude: Option<u32>,
    step_adjustments: Vec<Step>,
}

/// What happens between two distances from the threshold of the alarm.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Step {
    metric_interval_lower_bound: Option<Number>,
    metric_interval_upper_bound: Option<Number>,
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
    /// The target's metric for each task of the service that runs.
    Backlog(&'a QueueBacklog, Metric),
}

pub(super) fn render(named_stack: &NamedStack, template: &mut Template) {
    for named_service in named_stack.members() {
        let Some(scaling) = &named_service.spec.scaling else {
            continue;
        };
        add_scalable_target(named_stack, template, named_service, scaling);
        let targets = targets(named_stack, named_service, scaling);
        if scales_by_steps(scaling) && !targets.is_empty() {
            add_steps(named_stack, template, named_service, scaling, targets);
        } else {
            for target in targets {
                add_tracking(template, named_service, scaling, target);
            }
        }
        for step in &scaling.steps {
            for side in [Side::Above, Side::Below] {
                add_adjustments(named_stack, template, named_service, scaling, step, side);
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
        scheduled_actions: scheduled_actions(&scaling.scheduled),
        tags: named_stack.tags(),
    };
    template.add(Kind::ScalableTarget, &[named_service.name], &target);
}

fn scheduled_actions(
    scheduled: &BTreeMap<String, ScheduledCapacity>,
) -> Option<Vec<ScheduledAction>> {
    let actions = scheduled.iter().map(|(name, scheduled)| ScheduledAction {
        scheduled_action_name: name.clone(),
        schedule: scheduled.schedule_expression.clone(),
        timezone: scheduled.schedule_expression_timezone.clone(),
        scalable_target_action: Bounds {
            min_capacity: scheduled.min_capacity,
            max_capacity: scheduled.max_capacity,
        },
    });
    (!scheduled.is_empty()).then(|| actions.collect())
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
    let counted = named_stack.first_of_requests(named_service);
    let requests = counted.and_then(|group| {
        let label = Value::sub(format!(
            "{}/${{{}.TargetGroupFullName}}",
            group.load_balancer_full_name(),
            group.id(Kind::TargetGroup)
        ));
        predefined(
            scaling.target_requests_per_task,
            "requests",
            Metric::of_targets("RequestCountPerTarget", "Sum", &group, Kind::TargetGroup),
            Tracking::Predefined(
                Kind::RequestTracking,
                "ALBRequestCountPerTarget",
                Some(label),
            ),
        )
    });
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
    let queues = scaling
        .queues
        .iter()
        .enumerate()
        .map(|(index, queue)| Target {
            word: format!("queue{index}"),
            names: vec!["Queue", queue.queue_name.as_str()],
            value: queue.target_messages_per_task,
            metric: Metric::of_queue("ApproximateNumberOfMessagesVisible", &queue.queue_name),
            tracking: Tracking::Backlog(
                queue,
                Metric::of_insights("RunningTaskCount", named_service),
            ),
        });
    [cpu, memory, requests]
        .into_iter()
        .flatten()
        .chain(custom)
        .chain(queues)
        .collect()
}

/// What distinguishes a metric of one's own from others.
fn custom_names(custom: &CustomMetric) -> Vec<&str> {
    metric_names(
        &custom.namespace,
        &custom.metric_name,
        &custom.dimensions,
        custom.statistic,
    )
}

fn metric_names<'a>(
    namespace: &'a str,
    metric_name: &'a str,
    dimensions: &'a BTreeMap<String, Text>,
    of_values: Statistic,
) -> Vec<&'a str> {
    let dimensions = dimensions.iter();
    let dimensions = dimensions.flat_map(|(name, value)| [name.as_str(), value.as_str()]);
    let statistic = match of_values {
        Statistic::Average => "",
        other => statistic(other),
    };
    [namespace, metric_name]
        .into_iter()
        .chain(dimensions)
        .chain([statistic])
        .collect()
}

fn custom_metric(custom: &CustomMetric) -> Metric {
    metric(
        &custom.namespace,
        &custom.metric_name,
        &custom.dimensions,
        custom.statistic,
    )
}

fn metric(
    namespace: &str,
    metric_name: &str,
    dimensions: &BTreeMap<String, Text>,
    of_values: Statistic,
) -> Metric {
    let dimensions = dimensions.iter().map(|(name, value)| Dimension {
        name: Value::text(name),
        value: Value::written(value.as_str()),
    });
    Metric {
        namespace: Value::written(namespace),
        metric_name: Value::written(metric_name),
        dimensions: dimensions.collect(),
        statistic: statistic(of_values),
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
                namespace: Some(metric.namespace),
                metric_name: Some(metric.metric_name),
                dimensions: (!metric.dimensions.is_empty()).then_some(metric.dimensions),
                statistic: Some(metric.statistic),
                metrics: None,
            };
            let mut names = vec![named_service.name];
            names.extend(target.names);
            (Kind::MetricTracking, names, None, Some(customized))
        }
        Tracking::Backlog(_, running) => {
            let backlog = Expression {
                result: messages_of_a_task("messages", "tasks"),
                label: "messages for each task that runs",
                parts: Vec::new(),
                metrics: vec![
                    ("messages".to_owned(), target.metric),
                    ("tasks".to_owned(), running),
                ],
            };
            let customized = CustomizedMetric {
                namespace: None,
                metric_name: None,
                dimensions: None,
                statistic: None,
                // Application Auto Scaling sets the period itself.
                metrics: Some(queries(backlog, None)),
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
        metric_interval_lower_bound: Some(Number(0.0)),
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
            target.watched(),
            Threshold::Above(target.value),
            (out_periods, 60),
        )
        .doing(Value::Ref(Kind::ScaleOutPolicy.id(&[named_service.name])));
        template.add(Kind::ScaleOutAlarm, &names, &alarm);
    }

    let step_in = Step {
        metric_interval_lower_bound: None,
        metric_interval_upper_bound: Some(Number(0.0)),
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
            Tracking::Backlog(queue, _) => format!("messages in {}", queue.queue_name.as_str()),
        }
    }

    fn watched(&self) -> Watched {
        match &self.tracking {
            Tracking::Backlog(..) => Watched::Expression(Expression {
                result: self.expression(),
                label: "messages for each task that runs",
                parts: Vec::new(),
                metrics: self.metrics(),
            }),
            _ => Watched::One(self.metric.clone()),
        }
    }

    /// Its value, in the words of an alarm that has its [`metrics`](Self::metrics).
    fn expression(&self) -> String {
        match &self.tracking {
            // A service without tasks may have no such metric.
            Tracking::Backlog(..) => {
                messages_of_a_task(&self.word, &format!("FILL({}_tasks, 0)", self.word))
            }
            _ => self.word.clone(),
        }
    }

    /// What its value is made of, by ids.
    fn metrics(&self) -> Vec<(String, Metric)> {
        let mut metrics = vec![(self.word.clone(), self.metric.clone())];
        if let Tracking::Backlog(_, running) = &self.tracking {
            metrics.push((format!("{}_tasks", self.word), running.clone()));
        }
        metrics
    }
}

/// While no task runs, all messages are there for one.
fn messages_of_a_task(messages: &str, tasks: &str) -> String {
    format!("IF({tasks} > 0, {messages} / {tasks}, {messages})")
}

/// What is watched for a step in, and below what it has to be.
///
/// Of several metrics it is the greatest in relation to its target. `MAX` of a list goes by those that
/// have a value, so a metric that is not sent while there is nothing to do keeps no task.
fn below_all(mut targets: Vec<Target>) -> (Watched, f64) {
    if targets.len() == 1
        && let Some(only) = targets.pop()
    {
        return (only.watched(), only.value);
    }
    let load = |target: &Target| format!("{}_load", target.word);
    let loads: Vec<String> = targets.iter().map(load).collect();
    let parts = targets.iter().map(|target| {
        let share = format!("{} / {}", target.expression(), Number(target.value));
        (load(target), share)
    });
    let watched = Watched::Expression(Expression {
        result: format!("MAX([{}])", loads.join(", ")),
        label: "load in relation to its target",
        parts: parts.collect(),
        metrics: targets.iter().flat_map(Target::metrics).collect(),
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
        step_scaling_policy_configuration: Some(StepScalingConfiguration {
            adjustment_type: "ChangeInCapacity",
            cooldown,
            metric_aggregation_type: "Average",
            min_adjustment_magnitude: None,
            step_adjustments: vec![step],
        }),
    }
}

/// On which side of the thresholds steps are.
#[derive(Clone, Copy, PartialEq)]
enum Side {
    Above,
    Below,
}

/// The steps on one side: an alarm at the first threshold, and a policy whose steps are distances from it. A value at
/// a bound between two steps belongs to the farther one: the Application Auto Scaling User Guide, "Step adjustments".
fn add_adjustments(
    named_stack: &NamedStack,
    template: &mut Template,
    named_service: NamedService,
    scaling: &Scaling,
    step: &StepScaling,
    side: Side,
) {
    let adjustments = step.step_adjustments.iter();
    let mut adjustments: Vec<(f64, i32)> = adjustments
        .filter_map(|adjustment| {
            let value = match side {
                Side::Above => adjustment.above,
                Side::Below => adjustment.below,
            };
            Some((value?, adjustment.scaling_adjustment))
        })
        .collect();
    adjustments.sort_by(|one, other| match side {
        Side::Above => one.0.total_cmp(&other.0),
        Side::Below => other.0.total_cmp(&one.0),
    });
    let Some((threshold, _)) = adjustments.first().copied() else {
        return;
    };
    let ends = adjustments.iter().skip(1).map(|(value, _)| Some(*value));
    let ends = ends.chain([None]);
    let steps = adjustments
        .iter()
        .zip(ends)
        .map(|((value, scaling_adjustment), end)| {
            let near = Some(distance(*value, threshold));
            let far = end.map(|end| distance(end, threshold));
            let (lower, upper) = match side {
                Side::Above => (near, far),
                Side::Below => (far, near),
            };
            Step {
                metric_interval_lower_bound: lower,
                metric_interval_upper_bound: upper,
                scaling_adjustment: *scaling_adjustment,
            }
        });
    let (policy_kind, alarm_kind, word, breached, cooldown) = match side {
        Side::Above => (
            Kind::StepAbovePolicy,
            Kind::StepAboveAlarm,
            "above",
            Threshold::Above(threshold),
            scaling.scale_out_cooldown,
        ),
        Side::Below => (
            Kind::StepBelowPolicy,
            Kind::StepBelowAlarm,
            "below",
            Threshold::Below(threshold),
            scaling.scale_in_cooldown,
        ),
    };
    let mut names = vec![named_service.name];
    names.extend(metric_names(
        step.namespace.as_deref().unwrap_or_default(),
        &step.metric_name,
        &step.dimensions,
        step.statistic,
    ));
    let policy = ScalingPolicy {
        policy_name: policy_kind.id(&names),
        policy_type: "StepScaling",
        scaling_target_id: Value::Ref(Kind::ScalableTarget.id(&[named_service.name])),
        target_tracking_scaling_policy_configuration: None,
        step_scaling_policy_configuration: Some(StepScalingConfiguration {
            adjustment_type: step.adjustment_type.as_str(),
            cooldown: step.cooldown.unwrap_or(cooldown),
            metric_aggregation_type: match step.statistic {
                Statistic::Minimum => "Minimum",
                Statistic::Maximum => "Maximum",
                _ => "Average",
            },
            min_adjustment_magnitude: step.min_adjustment_magnitude,
            step_adjustments: steps.collect(),
        }),
    };
    template.add(policy_kind, &names, &policy);
    let watched = match &step.namespace {
        Some(namespace) => metric(
            namespace,
            &step.metric_name,
            &step.dimensions,
            step.statistic,
        ),
        None => Metric {
            statistic: statistic(step.statistic),
            ..Metric::of_service(&step.metric_name, named_service)
        },
    };
    let alarm = Alarm::new(
        named_stack,
        format!(
            "{} scales: {} is {word} {}",
            named_stack.ecs_service_name(named_service),
            step.metric_name,
            Number(threshold)
        ),
        Watched::One(watched),
        breached,
        (step.evaluation_periods, 60),
    )
    .doing(Value::Ref(policy_kind.id(&names)));
    template.add(alarm_kind, &names, &alarm);
}

/// How far a value is from a threshold, without what is only in the binary form of decimal numbers.
fn distance(value: f64, threshold: f64) -> Number {
    Number(((value - threshold) * 1e9).round() / 1e9)
}
