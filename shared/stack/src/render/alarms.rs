//! Alarms that tell people of what goes wrong.

use crate::spec::{Alarms, ContainerInsights};

use super::frame::{Frame, Member};
use super::metric::{Alarm, Expression, Metric, Threshold, Watched};
use super::names::Kind;
use super::template::Template;

pub(super) fn render(frame: &Frame, template: &mut Template) {
    if let Some(alarms) = &frame.stack.alarms {
        for member in frame.members() {
            add_of_service(frame, template, alarms, member);
        }
        add_of_file_systems(frame, template, alarms);
        add_of_capacity(frame, template, alarms);
    }
    if frame.stack.alarms.is_some() || frame.stack.events.is_some() {
        // Targets' health has no event of its own: these alarms' changes are the events.
        for member in frame.members() {
            add_of_target_health(frame, template, member);
        }
    }
}

fn add_of_service(frame: &Frame, template: &mut Template, alarms: &Alarms, member: Member) {
    let service = frame.ecs_service_name(member);
    let mut add = |kind: Kind, description: String, watched, threshold, times| {
        let alarm = Alarm::new(frame, description, watched, threshold, times);
        template.add(kind, &[member.name], &alarm.telling(&alarms.alarm_actions));
    };
    add(
        Kind::CpuAlarm,
        format!("{service} has too little CPU"),
        Watched::One(Metric::of_service("CPUUtilization", member)),
        Threshold::Above(alarms.cpu_utilization),
        (5, 60),
    );
    add(
        Kind::MemoryAlarm,
        format!("{service} has too little memory"),
        Watched::One(Metric::of_service("MemoryUtilization", member)),
        Threshold::Above(alarms.memory_utilization),
        (5, 60),
    );
    // Only Container Insights knows how many tasks are wanted.
    if frame.stack.cluster.container_insights != ContainerInsights::Disabled {
        let metrics = [
            ("wanted", "DesiredTaskCount"),
            ("running", "RunningTaskCount"),
        ];
        let metrics = metrics.map(|(id, name)| (id.to_owned(), Metric::of_insights(name, member)));
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
    if frame.own_target_group(member).is_some() {
        add(
            Kind::TargetErrorsAlarm,
            format!("{service} answers with errors"),
            Watched::targets(frame, "HTTPCode_Target_5XX_Count", "Sum", "errors", member),
            Threshold::Above(alarms.target_5xx_count),
            (1, 300),
        );
    }
}

fn add_of_target_health(frame: &Frame, template: &mut Template, member: Member) {
    if frame.own_target_group(member).is_none() {
        return;
    }
    let service = frame.ecs_service_name(member);
    let alarm = Alarm::new(
        frame,
        format!("{service} has tasks that the load balancer finds unhealthy"),
        Watched::targets(
            frame,
            "UnHealthyHostCount",
            "Maximum",
            "unhealthy tasks",
            member,
        ),
        Threshold::Above(0.0),
        (3, 60),
    );
    let actions = frame.stack.alarms.iter();
    let actions: Vec<String> = actions
        .flat_map(|alarms| alarms.alarm_actions.clone())
        .collect();
    template.add(
        Kind::TargetHealthAlarm,
        &[member.name],
        &alarm.telling(&actions),
    );
}

fn add_of_file_systems(frame: &Frame, template: &mut Template, alarms: &Alarms) {
    for name in frame.stack.file_systems.keys() {
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
            frame,
            format!(
                "File system {name} of {} has little throughput left",
                frame.stack_name
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
            &alarm.telling(&alarms.alarm_actions),
        );
    }
}

fn add_of_capacity(frame: &Frame, template: &mut Template, alarms: &Alarms) {
    for (name, capacity) in &frame.stack.capacity {
        // Above the target means that tasks wait for instances; for so long, that none come.
        let alarm = Alarm::new(
            frame,
            format!("Capacity {name} of {} is full", frame.stack_name),
            Watched::One(Metric::of_capacity(name)),
            Threshold::Above(f64::from(capacity.target_capacity)),
            (15, 60),
        );
        template.add(
            Kind::CapacityAlarm,
            &[name],
            &alarm.telling(&alarms.alarm_actions),
        );
    }
}
