//! How the number of tasks follows the clock, steps and queues.

use longshore_events::longshore::Problem;
use longshore_stack::read::{Reading, Selection, read};
use serde_json::{Value, json};

use crate::support::{errors, read_text, template_of, warnings};

const SHOP: &str = r#"
name: shop
network:
  vpc_id: vpc-0a1b2c3d
  subnet_ids: [subnet-0a1b2c3d, subnet-1a1b2c3d]
services:
  work:
    image: shop/work:v1
"#;

fn shop(scaling: &str) -> Result<Reading, Vec<Problem>> {
    let text =
        format!("{SHOP}environments:\n  test: {{services: {{work: {{scaling: {scaling}}}}}}}\n");
    read(text.as_bytes(), &Selection::Environment(Some("test")))
}

fn template(scaling: &str) -> Value {
    template_of(&shop(scaling).unwrap_or_else(|problems| panic!("{problems:#?}")))
}

/// The properties of the one resource whose id begins so.
fn properties(template: &Value, prefix: &str) -> Value {
    let resources = template["Resources"].as_object().unwrap();
    let mut found = resources.iter().filter(|(id, _)| id.starts_with(prefix));
    let (_, resource) = found.next().unwrap_or_else(|| panic!("no {prefix}"));
    assert!(found.next().is_none(), "{prefix} is there twice");
    resource["Properties"].clone()
}

fn has(template: &Value, prefix: &str) -> bool {
    let mut ids = template["Resources"].as_object().into_iter().flatten();
    ids.any(|(id, _)| id.starts_with(prefix))
}

/// The problems that are errors, as `<path>: <message>`.
fn refused(scaling: &str) -> Vec<String> {
    let problems = shop(scaling).map(|_| ()).unwrap_err();
    let errors = errors(&problems).into_iter();
    errors
        .map(|error| error.replace("environments.test.", ""))
        .collect()
}

fn warned(scaling: &str) -> Vec<String> {
    warnings(&shop(scaling).unwrap_or_else(|problems| panic!("{problems:#?}")))
}

fn assert_refused(scaling: &str, path: &str, words: &str) {
    let errors = refused(scaling);
    let path = format!("services.work.scaling.{path}: ");
    assert!(
        errors
            .iter()
            .any(|error| error.starts_with(&path) && error.contains(words)),
        "{scaling}: {path}{words}: {errors:#?}"
    );
}

#[test]
fn bounds_by_the_clock_are_scheduled_actions_of_the_scalable_target() {
    let template = template(
        "{min_capacity: 1, max_capacity: 4, target_cpu_utilization: 60, scheduled: {\
         morning: {schedule_expression: cron(0 8 ? * MON-FRI *), schedule_expression_timezone: Europe/Berlin, \
         min_capacity: 6, max_capacity: 20}, \
         night: {schedule_expression: cron(0 20 ? * MON-FRI *), min_capacity: 1, max_capacity: 4}}}",
    );
    let target = properties(&template, "ScalableTarget");
    assert_eq!(
        target["ScheduledActions"],
        json!([
            {
                "ScheduledActionName": "morning",
                "Schedule": "cron(0 8 ? * MON-FRI *)",
                "Timezone": "Europe/Berlin",
                "ScalableTargetAction": {"MinCapacity": 6, "MaxCapacity": 20},
            },
            {
                "ScheduledActionName": "night",
                "Schedule": "cron(0 20 ? * MON-FRI *)",
                "Timezone": "UTC",
                "ScalableTargetAction": {"MinCapacity": 1, "MaxCapacity": 4},
            },
        ])
    );
    assert_eq!(target["MinCapacity"], 1);
}

#[test]
fn a_service_can_scale_by_the_clock_alone() {
    let template = template(
        "{min_capacity: 0, max_capacity: 2, scheduled: {\
         on: {schedule_expression: cron(0 8 * * ? *), min_capacity: 2}, \
         off: {schedule_expression: cron(0 20 * * ? *), min_capacity: 0, max_capacity: 0}}}",
    );
    assert!(!has(&template, "ScaleOutPolicy"));
    assert!(!has(&template, "CpuTracking"));
}

#[test]
fn steps_are_distances_from_the_threshold_of_an_alarm() {
    let template = template(
        "{max_capacity: 40, scale_in_cooldown: 600, steps: [{namespace: AWS/SQS, \
         metric_name: ApproximateNumberOfMessagesVisible, dimensions: {QueueName: jobs}, statistic: Maximum, \
         evaluation_periods: 2, cooldown: 30, step_adjustments: [\
         {above: 1000, scaling_adjustment: 10}, {above: 100, scaling_adjustment: 2}, \
         {below: 10, scaling_adjustment: -1}, {below: 1, scaling_adjustment: -20}]}]}",
    );
    let above = properties(&template, "StepAbovePolicy");
    assert_eq!(above["PolicyType"], "StepScaling");
    assert_eq!(
        above["StepScalingPolicyConfiguration"],
        json!({
            "AdjustmentType": "ChangeInCapacity",
            "Cooldown": 30,
            "MetricAggregationType": "Maximum",
            "StepAdjustments": [
                {"MetricIntervalLowerBound": 0, "MetricIntervalUpperBound": 900, "ScalingAdjustment": 2},
                {"MetricIntervalLowerBound": 900, "ScalingAdjustment": 10},
            ],
        })
    );
    let below = properties(&template, "StepBelowPolicy");
    assert_eq!(
        below["StepScalingPolicyConfiguration"]["StepAdjustments"],
        json!([
            {"MetricIntervalLowerBound": -9, "MetricIntervalUpperBound": 0, "ScalingAdjustment": -1},
            {"MetricIntervalUpperBound": -9, "ScalingAdjustment": -20},
        ])
    );
    let alarm = properties(&template, "StepAboveAlarm");
    assert_eq!(alarm["Threshold"], 100);
    assert_eq!(alarm["ComparisonOperator"], "GreaterThanThreshold");
    assert_eq!(alarm["EvaluationPeriods"], 2);
    assert_eq!(alarm["Statistic"], "Maximum");
    assert_eq!(
        alarm["Dimensions"],
        json!([{"Name": "QueueName", "Value": "jobs"}])
    );
    let action = alarm["AlarmActions"][0]["Ref"].as_str().unwrap();
    assert!(action.starts_with("StepAbovePolicyWork"), "{action}");
    assert_eq!(properties(&template, "StepBelowAlarm")["Threshold"], 10);
}

#[test]
fn a_step_without_a_namespace_goes_by_the_services_own_metric_in_percent_if_wanted() {
    let template = template(
        "{max_capacity: 40, target_memory_utilization: 70, steps: [{metric_name: CPUUtilization, \
         adjustment_type: PercentChangeInCapacity, min_adjustment_magnitude: 2, \
         step_adjustments: [{above: 70.3, scaling_adjustment: 20}, {above: 90.1, scaling_adjustment: 50}]}]}",
    );
    assert!(has(&template, "MemoryTracking"));
    let alarm = properties(&template, "StepAboveAlarm");
    assert_eq!(alarm["Namespace"], "AWS/ECS");
    assert_eq!(
        alarm["Dimensions"][1]["Value"],
        json!({"Fn::GetAtt": ["ServiceWork", "Name"]})
    );
    let policy = properties(&template, "StepAbovePolicy");
    let policy = &policy["StepScalingPolicyConfiguration"];
    assert_eq!(policy["MinAdjustmentMagnitude"], 2);
    assert_eq!(policy["Cooldown"], 60);
    assert_eq!(
        policy["StepAdjustments"][0]["MetricIntervalUpperBound"],
        19.8
    );
}

#[test]
fn a_queue_is_tracked_by_its_messages_for_each_task_that_runs() {
    let template =
        template("{max_capacity: 20, queues: [{queue_name: jobs, target_messages_per_task: 50}]}");
    let policy = properties(&template, "MetricTracking");
    let tracking = &policy["TargetTrackingScalingPolicyConfiguration"];
    assert_eq!(tracking["TargetValue"], 50);
    let metrics = tracking["CustomizedMetricSpecification"]["Metrics"]
        .as_array()
        .unwrap();
    assert_eq!(
        metrics[0]["Expression"],
        "IF(tasks > 0, messages / tasks, messages)"
    );
    assert_eq!(metrics[0]["ReturnData"], true);
    let metric = |index: usize| metrics[index]["MetricStat"]["Metric"].clone();
    assert_eq!(
        metric(1)["MetricName"],
        "ApproximateNumberOfMessagesVisible"
    );
    assert_eq!(
        metric(1)["Dimensions"],
        json!([{"Name": "QueueName", "Value": "jobs"}])
    );
    assert_eq!(metric(2)["Namespace"], "ECS/ContainerInsights");
    assert_eq!(metric(2)["MetricName"], "RunningTaskCount");
    // Application Auto Scaling refuses one.
    assert_eq!(metrics[1]["MetricStat"].get("Period"), None);
}

#[test]
fn messages_bring_back_a_service_without_tasks() {
    let template = template(
        "{min_capacity: 0, max_capacity: 20, target_cpu_utilization: 60, \
         queues: [{queue_name: jobs.fifo, target_messages_per_task: 50}]}",
    );
    let alarm = properties(&template, "ScaleOutAlarmWorkQueue");
    assert_eq!(
        alarm["Metrics"][0]["Expression"],
        "IF(FILL(queue0_tasks, 0) > 0, queue0 / FILL(queue0_tasks, 0), queue0)"
    );
    assert_eq!(alarm["Threshold"], 50);
    let alarm = properties(&template, "ScaleInAlarm");
    let expressions: Vec<&str> = alarm["Metrics"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|query| query["Expression"].as_str())
        .collect();
    assert_eq!(
        expressions,
        [
            "MAX([cpu_load, queue0_load])",
            "cpu / 60",
            "IF(FILL(queue0_tasks, 0) > 0, queue0 / FILL(queue0_tasks, 0), queue0) / 50",
        ]
    );
    assert_eq!(
        warned(
            "{min_capacity: 0, max_capacity: 2, queues: [{queue_name: jobs, target_messages_per_task: 5}]}"
        ),
        Vec::<String>::new()
    );
}

#[test]
fn what_cannot_be_scaled_by_is_refused_with_what_is_allowed() {
    let step = |rest: &str| {
        format!("{{max_capacity: 4, steps: [{{metric_name: CPUUtilization, {rest}}}]}}")
    };
    let adjustments = |list: &str| step(&format!("step_adjustments: [{list}]"));
    for (scaling, path, words) in [
        (adjustments(""), "steps[0].step_adjustments", "at least one"),
        (
            adjustments("{scaling_adjustment: 1}"),
            "steps[0].step_adjustments[0]",
            "exactly one of `above` and `below`",
        ),
        (
            adjustments("{above: 1, below: 2, scaling_adjustment: 1}"),
            "steps[0].step_adjustments[0]",
            "exactly one of `above` and `below`",
        ),
        (
            adjustments("{above: 1, scaling_adjustment: 1}, {above: 1, scaling_adjustment: 2}"),
            "steps[0].step_adjustments[1].above",
            "keep one",
        ),
        (
            adjustments("{above: 1, scaling_adjustment: 0}"),
            "steps[0].step_adjustments[0].scaling_adjustment",
            "changes nothing",
        ),
        (
            adjustments("{above: 10, scaling_adjustment: 1}, {below: 20, scaling_adjustment: -1}"),
            "steps[0].step_adjustments",
            "a value between 10 and 20",
        ),
        (
            step("adjustment_type: ExactCapacity, step_adjustments: [{above: 1, scaling_adjustment: -1}]"),
            "steps[0].step_adjustments[0].scaling_adjustment",
            "0 to 5000",
        ),
        (
            step("min_adjustment_magnitude: 2, step_adjustments: [{above: 1, scaling_adjustment: 1}]"),
            "steps[0].min_adjustment_magnitude",
            "PercentChangeInCapacity",
        ),
        (
            step("dimensions: {A: b}, step_adjustments: [{above: 1, scaling_adjustment: 1}]"),
            "steps[0].dimensions",
            "leave them out",
        ),
        (
            step("evaluation_periods: 0, step_adjustments: [{above: 1, scaling_adjustment: 1}]"),
            "steps[0].evaluation_periods",
            "1 to 1440",
        ),
        (
            "{max_capacity: 4, steps: [{metric_name: Backlog, step_adjustments: [{above: 1, scaling_adjustment: 1}]}]}"
                .to_owned(),
            "steps[0].metric_name",
            "CPUUtilization or MemoryUtilization",
        ),
        (
            "{max_capacity: 4, queues: [{queue_name: \"https://sqs/jobs\", target_messages_per_task: 1}]}".to_owned(),
            "queues[0].queue_name",
            "not its URL or ARN",
        ),
        (
            "{max_capacity: 4, queues: [{queue_name: jobs, target_messages_per_task: 0}]}".to_owned(),
            "queues[0].target_messages_per_task",
            "more than 0",
        ),
        (
            "{max_capacity: 4, scheduled: {x: {schedule_expression: daily, min_capacity: 1}}}".to_owned(),
            "scheduled.x.schedule_expression",
            "expected rate(6 hours)",
        ),
        (
            "{max_capacity: 4, scheduled: {x: {schedule_expression: rate(1 day)}}}".to_owned(),
            "scheduled.x",
            "at least one of `min_capacity` and `max_capacity`",
        ),
        (
            "{max_capacity: 4, scheduled: {x: {schedule_expression: rate(1 day), min_capacity: 5}}}".to_owned(),
            "scheduled.x.min_capacity",
            "say both",
        ),
        (
            "{min_capacity: 3, max_capacity: 4, scheduled: {x: {schedule_expression: rate(1 day), max_capacity: 2}}}"
                .to_owned(),
            "scheduled.x.max_capacity",
            "say both",
        ),
        (
            "{max_capacity: 4, scheduled: {x: {schedule_expression: rate(1 day), schedule_expression_timezone: CEST2, \
             max_capacity: 2}}}"
                .to_owned(),
            "scheduled.x.schedule_expression_timezone",
            "Europe/Berlin",
        ),
    ] {
        assert_refused(&scaling, path, words);
    }
}

#[test]
fn a_queue_needs_the_number_of_tasks_that_container_insights_has() {
    let text = format!(
        "{SHOP}    scaling: {{max_capacity: 2, queues: [{{queue_name: jobs, target_messages_per_task: 1}}]}}\n\
         cluster: {{container_insights: disabled}}\n"
    );
    let problems = read_text(&text).unwrap_err();
    assert!(
        problems
            .iter()
            .any(|problem| problem.message.contains("Container Insights")),
        "{problems:#?}"
    );
}

#[test]
fn bounds_that_nothing_sets_back_and_steps_against_targets_are_warned_of() {
    let warnings = warned(
        "{max_capacity: 4, target_cpu_utilization: 60, \
         scheduled: {morning: {schedule_expression: rate(1 day), min_capacity: 2}}, \
         steps: [{metric_name: MemoryUtilization, step_adjustments: [{below: 10, scaling_adjustment: -1}]}]}",
    );
    assert_eq!(warnings.len(), 2, "{warnings:#?}");
    for words in [
        "take tasks away whatever the targets",
        "nothing sets these bounds back",
    ] {
        assert!(
            warnings.iter().any(|warning| warning.contains(words)),
            "{warnings:#?}"
        );
    }
}
