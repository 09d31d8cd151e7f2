//! CloudWatch metrics, and alarms on them.

use serde::Serialize;

use crate::spec::Text;

use super::named::{NamedGroup, NamedService, NamedStack};
use super::names::{Kind, Singleton};
use super::template::{Number, Properties, Tag, Value};

/// A metric with what is made of its values in a period.
#[derive(Clone)]
pub(super) struct Metric {
    pub(super) namespace: Value,
    pub(super) metric_name: Value,
    pub(super) dimensions: Vec<Dimension>,
    pub(super) statistic: &'static str,
}

#[derive(Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Dimension {
    pub(super) name: Value,
    pub(super) value: Value,
}

impl Dimension {
    fn new(name: &str, value: Value) -> Self {
        Self {
            name: Value::from(name),
            value,
        }
    }
}

impl Metric {
    fn new(
        namespace: &str,
        metric_name: &str,
        statistic: &'static str,
        dimensions: Vec<Dimension>,
    ) -> Self {
        Self {
            namespace: Value::from(namespace),
            metric_name: Value::from(metric_name),
            dimensions,
            statistic,
        }
    }

    /// One that ECS has of each service, `CPUUtilization` or `MemoryUtilization`.
    pub(super) fn of_service(name: &str, named_service: NamedService) -> Self {
        Self::new(
            "AWS/ECS",
            name,
            "Average",
            service_dimensions(named_service),
        )
    }

    /// One that Container Insights has of each service.
    pub(super) fn of_insights(name: &str, named_service: NamedService) -> Self {
        let dimensions = service_dimensions(named_service);
        Self::new("ECS/ContainerInsights", name, "Average", dimensions)
    }

    /// One that the load balancer has of each target group, of one of this kind.
    pub(super) fn of_targets(
        name: &str,
        statistic: &'static str,
        group: &NamedGroup,
        kind: Kind,
    ) -> Self {
        let balancer = group.load_balancer_full_name();
        let targets = group.id(kind);
        let dimensions = vec![
            Dimension::new(
                "LoadBalancer",
                if balancer.contains("${") {
                    let own = Singleton::LoadBalancer.as_str().to_owned();
                    Value::GetAtt(own, "LoadBalancerFullName")
                } else {
                    Value::Text(balancer)
                },
            ),
            Dimension::new("TargetGroup", Value::GetAtt(targets, "TargetGroupFullName")),
        ];
        Self::new("AWS/ApplicationELB", name, statistic, dimensions)
    }

    /// One that SQS has of each queue.
    pub(super) fn of_queue(name: &str, queue_name: &Text) -> Self {
        let queue = Value::written(queue_name.as_str());
        let dimensions = vec![Dimension::new("QueueName", queue)];
        Self::new("AWS/SQS", name, "Average", dimensions)
    }

    pub(super) fn of_file_system(name: &str, statistic: &'static str, file_system: &str) -> Self {
        let id = Value::Ref(Kind::FileSystem.id(&[file_system]));
        let dimensions = vec![Dimension::new("FileSystemId", id)];
        Self::new("AWS/EFS", name, statistic, dimensions)
    }

    /// How full the instances of a capacity provider are, or would be if there were enough.
    pub(super) fn of_capacity(capacity: &str) -> Self {
        let provider = Value::Ref(Kind::CapacityProvider.id(&[capacity]));
        let dimensions = vec![
            Dimension::new("CapacityProviderName", provider),
            Dimension::new("ClusterName", cluster()),
        ];
        Self::new(
            "AWS/ECS/ManagedScaling",
            "CapacityProviderReservation",
            "Average",
            dimensions,
        )
    }
}

fn cluster() -> Value {
    Value::Ref(Singleton::Cluster.as_str().to_owned())
}

fn service_dimensions(named_service: NamedService) -> Vec<Dimension> {
    let service = Value::GetAtt(Kind::Service.id(&[named_service.name]), "Name");
    vec![
        Dimension::new("ClusterName", cluster()),
        Dimension::new("ServiceName", service),
    ]
}

/// An alarm that goes off when every one of this many periods breaches its threshold. What is missing does
/// not.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Alarm {
    alarm_actions: Option<Vec<Value>>,
    alarm_description: String,
    comparison_operator: &'static str,
    datapoints_to_alarm: u32,
    dimensions: Option<Vec<Dimension>>,
    evaluation_periods: u32,
    metric_name: Option<Value>,
    metrics: Option<Vec<Query>>,
    namespace: Option<Value>,
    #[serde(rename = "OKActions")]
    ok_actions: Option<Vec<Value>>,
    period: Option<u32>,
    statistic: Option<&'static str>,
    tags: Option<Vec<Tag>>,
    threshold: Number,
    treat_missing_data: &'static str,
}

impl Properties for Alarm {
    const TYPE: &'static str = "AWS::CloudWatch::Alarm";
}

/// A metric, or an expression over others.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Query {
    expression: Option<String>,
    id: String,
    label: Option<&'static str>,
    metric_stat: Option<MetricStat>,
    return_data: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct MetricStat {
    metric: PlainMetric,
    period: Option<u32>,
    stat: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PlainMetric {
    dimensions: Option<Vec<Dimension>>,
    metric_name: Value,
    namespace: Value,
}

/// When an alarm goes off.
pub(super) enum Threshold {
    Above(f64),
    Below(f64),
}

/// What an alarm looks at.
pub(super) enum Watched {
    One(Metric),
    /// The value of an expression.
    Expression(Expression),
}

/// An expression over metrics and, where one is too much for one line, over other expressions.
pub(super) struct Expression {
    pub(super) result: String,
    /// What the result is called.
    pub(super) label: &'static str,
    /// Other expressions by their ids.
    pub(super) parts: Vec<(String, String)>,
    /// Metrics by their ids.
    pub(super) metrics: Vec<(String, Metric)>,
}

impl Watched {
    /// A metric that load balancers have of each target group, over these: requests come to a service in several ways, or ECS
    /// moves them from one to the other.
    pub(super) fn targets<'a>(
        named_stack: &NamedStack<'a>,
        name: &str,
        statistic: &'static str,
        label: &'static str,
        groups: impl Iterator<Item = NamedGroup<'a>>,
    ) -> Self {
        let metrics = groups.flat_map(|group| {
            let kinds = group.kinds().iter();
            kinds.map(move |kind| {
                let mut metric = Metric::of_targets(name, statistic, &group, *kind);
                if named_stack.is_behind_network(&group) {
                    metric.namespace = Value::from("AWS/NetworkELB");
                }
                metric
            })
        });
        let mut metrics: Vec<Metric> = metrics.collect();
        if metrics.len() == 1 {
            return Self::One(metrics.remove(0));
        }
        let ids = ["one".to_owned(), "other".to_owned()];
        let ids = ids
            .into_iter()
            .chain((3..).map(|number| format!("other{number}")));
        let metrics: Vec<(String, Metric)> = ids.zip(metrics).collect();
        // A group without tasks has no values.
        let values = metrics.iter().map(|(id, _)| format!("FILL({id}, 0)"));
        let values: Vec<String> = values.collect();
        Self::Expression(Expression {
            result: values.join(" + "),
            label,
            parts: Vec::new(),
            metrics,
        })
    }
}

impl Alarm {
    pub(super) fn new(
        named_stack: &NamedStack,
        alarm_description: String,
        watched: Watched,
        threshold: Threshold,
        (periods, period): (u32, u32),
    ) -> Self {
        let (comparison_operator, threshold) = match threshold {
            Threshold::Above(value) => ("GreaterThanThreshold", value),
            Threshold::Below(value) => ("LessThanThreshold", value),
        };
        let mut alarm = Self {
            alarm_description,
            namespace: None,
            metric_name: None,
            dimensions: None,
            statistic: None,
            period: None,
            metrics: None,
            comparison_operator,
            threshold: Number(threshold),
            evaluation_periods: periods,
            datapoints_to_alarm: periods,
            treat_missing_data: "notBreaching",
            alarm_actions: None,
            ok_actions: None,
            tags: named_stack.tags(),
        };
        match watched {
            Watched::One(metric) => {
                alarm.namespace = Some(metric.namespace);
                alarm.metric_name = Some(metric.metric_name);
                alarm.dimensions = some(metric.dimensions);
                alarm.statistic = Some(metric.statistic);
                alarm.period = Some(period);
            }
            Watched::Expression(expression) => {
                alarm.metrics = Some(queries(expression, Some(period)))
            }
        }
        alarm
    }

    /// With this done when it goes off.
    pub(super) fn doing(mut self, action: Value) -> Self {
        self.alarm_actions = Some(vec![action]);
        self
    }

    /// With these done when it goes off and when it is over.
    pub(super) fn notifying(mut self, actions: &[String]) -> Self {
        self.alarm_actions = Value::all_written(actions);
        self.ok_actions = Value::all_written(actions);
        self
    }
}

/// The queries of an expression; its metrics have a value in each period, in seconds.
pub(super) fn queries(expression: Expression, period: Option<u32>) -> Vec<Query> {
    let calculated = |id: String, expression: String, label, return_data| Query {
        id,
        expression: Some(expression),
        label,
        metric_stat: None,
        return_data,
    };
    let result = calculated(
        "result".to_owned(),
        expression.result,
        Some(expression.label),
        true,
    );
    let parts = expression.parts.into_iter();
    let parts = parts.map(|(id, part)| calculated(id, part, None, false));
    let metrics = expression.metrics.into_iter().map(|(id, metric)| Query {
        id,
        expression: None,
        label: None,
        metric_stat: Some(MetricStat {
            metric: PlainMetric {
                namespace: metric.namespace,
                metric_name: metric.metric_name,
                dimensions: some(metric.dimensions),
            },
            period,
            stat: metric.statistic,
        }),
        return_data: false,
    });
    [result].into_iter().chain(parts).chain(metrics).collect()
}

fn some<T>(items: Vec<T>) -> Option<Vec<T>> {
    (!items.is_empty()).then_some(items)
}
