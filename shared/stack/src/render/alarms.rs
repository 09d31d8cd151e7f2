//! Alarms that notify people of what goes wrong.

use crate::spec::{Alarms, ContainerInsights};

use super::metric::{Alarm, Expression, Metric, Threshold, Watched};
use super::named::{NamedService, NamedStack};
use super::names::Kind;
use super::template::Template;

pub(super) fn render(named_stack: &NamedStack, template: &mut Template) {
    if let Some(alarms) = &named_stack.stack.alarms {
        for named_service in named_stack.members() {
            add_of_service(named_stack, template, alarms, named_service);
        }
        add_of_file_systems(named_stack, template, alarms);
        add_of_capacity(named_stack, template, alarms);
    }
    if named_stack.stack.alarms.is_some() || named_stack.stack.events.is_some() {
        // Targets' health has no event of its own: these alarms' changes are the events.
        for named_service in named_stack.members() {
            add_of_target_health(named_stack, template, named_service);
        }
    }
}

fn add_of_service(
    named_stack: &NamedStack,
    template: &mut Template,
    alarms: &Alarms,
    named_service: NamedService,
) {
    let service = named_stack.ecs_service_name(named_service);
    let mut add = |kind: Kind, description: String, watched, threshold, times| {
        let alarm = Alarm::new(named_stack, description, watched, threshold, times);
        template.add(
            kind,
            &[named_service.name],
            &alarm.notifying(&alarms.alarm_actions),
        );
    };
    add(
        Kind::CpuAlarm,
        format!("{service} has too little CPU"),
        Watched::One(Metric::of_service("CPUUtilization", named_service)),
        Threshold::Above(alarms.cpu_utilization),
        (5, 60),
    );
    add(
        Kind::MemoryAlarm,
        format!("{service} has too little memory"),
        Watched::One(Metric::of_service("MemoryUtilization", named_service)),
        Threshold::Above(alarms.memory_utilization),
        (5, 60),
    );
    // Only Container Insights knows how many tasks are wanted.
    if named_stack.stack.cluster.container_insights != ContainerInsights::Disabled {
        let metrics = [
            ("wanted", "DesiredTaskCount"),
            ("running", "RunningTaskCount"),
        ];
        let metrics =
            metrics.map(|(id, name)| (id.to_owned(), Metric::of_insights(name, named_service)));
        add(
            Kind::RunningTasksAlarm,
            format!("{service} has fewer tasks than it should have"),
            Watched::Expression(Expression {
                result: "wanted - running".to_owned(),
                label: "missing tasks",
                parts: Vec::new(),
                metrics: metrics.into(),
            }),
            Threshold::Above(0.0),
            (10, 60),
        );
    }
    if named_stack
        .target_groups_of_requests(named_service)
        .next()
        .is_some()
    {
        add(
            Kind::TargetErrorsAlarm,
            format!("{service} answers with errors"),
            Watched::targets(
                named_stack,
                "HTTPCode_Target_5XX_Count",
                "Sum",
                "errors",
                named_stack.target_groups_of_requests(named_service),
            ),
            Threshold::Above(alarms.target_5xx_count),
            (1, 300),
        );
    }
}

fn add_of_target_health(
    named_stack: &NamedStack,
    template: &mut Template,
    named_service: NamedService,
) {
    if named_stack
        .own_target_groups(named_service)
        .next()
        .is_none()
    {
        return;
    }
    let service = named_stack.ecs_service_name(named_service);
    let alarm = Alarm::new(
        named_stack,
        format!("{service} has tasks that the load balancer finds unhealthy"),
        Watched::targets(
            named_stack,
            "UnHealthyHostCount",
            "Maximum",
            "unhealthy tasks",
            named_stack.own_target_groups(named_service),
        ),
        Threshold::Above(0.0),
        (3, 60),
    );
    let actions = named_stack.stack.alarms.iter();
    let actions: Vec<String> = actions
        .flat_map(|alarms| alarms.alarm_actions.clone())
        .collect();
    template.add(
        Kind::TargetHealthAlarm,
        &[named_service.name],
        &alarm.notifying(&actions),
    );
}

fn add_of_file_systems(named_stack: &NamedStack, template: &mut Template, alarms: &Alarms) {
    for name in named_stack.stack.file_systems.keys() {
        let metrics = vec![
            (
                "used".to_owned(),
                Metric::of_file_system("MeteredIOBytes", "Sum", name),
            ),
            (
                "permitted".to_owned(),
                Metric::of_file_system("PermittedThroughput", "Average", name),
            ),
        ];
        let alarm = Alarm::new(
            named_stack,
            format!(
                "File system {name} of {} has little throughput left",
                named_stack.stack_name
            ),
            Watched::Expression(Expression {
                result: "100 * (used / PERIOD(used)) / permitted".to_owned(),
                label: "used throughput in percent",
                parts: Vec::new(),
                metrics,
            }),
            Threshold::Above(90.0),
            (15, 60),
        );
        template.add(
            Kind::ThroughputAlarm,
            &[name],
            &alarm.notifying(&alarms.alarm_actions),
        );
    }
}

fn add_of_capacity(named_stack: &NamedStack, template: &mut Template, alarms: &Alarms) {
    for (name, capacity) in &named_stack.stack.capacity {
        // Above the target means that tasks wait for instances; for so long, that none come.
        let alarm = Alarm::new(
            named_stack,
            format!("Capacity {name} of {} is full", named_stack.stack_name),
            Watched::One(Metric::of_capacity(name)),
            Threshold::Above(f64::from(capacity.target_capacity)),
            (15, 60),
        );
        template.add(
            Kind::CapacityAlarm,
            &[name],
            &alarm.notifying(&alarms.alarm_actions),
        );
    }
}
