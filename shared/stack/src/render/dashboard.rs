//! The dashboard: a row for each service, then file systems and capacity.

use serde::Serialize;
use serde::ser::SerializeSeq;

use super::named::{NamedService, NamedStack};
use super::names::{Kind, Singleton};
use super::template::{Properties, Tag, Template, Value, json};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Dashboard {
    dashboard_body: Value,
    dashboard_name: String,
    tags: Option<Vec<Tag>>,
}

impl Properties for Dashboard {
    const TYPE: &'static str = "AWS::CloudWatch::Dashboard";
}

#[derive(Serialize)]
struct Body {
    widgets: Vec<Widget>,
}

#[derive(Serialize)]
struct Widget {
    r#type: &'static str,
    x: u32,
    y: u32,
    width: u32,
    height: u32,
    properties: Graph,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Graph {
    title: String,
    view: &'static str,
    region: &'static str,
    stat: &'static str,
    period: u32,
    metrics: Vec<Line>,
}

/// A metric as dashboards write it: namespace, name, and its dimensions' names and values, in one list.
struct Line(Vec<String>);

impl Serialize for Line {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.len()))?;
        for item in &self.0 {
            list.serialize_element(item)?;
        }
        list.end()
    }
}

/// How many columns a dashboard has.
const WIDTH: u32 = 24;
const HEIGHT: u32 = 6;

pub(super) fn render(named_stack: &NamedStack, template: &mut Template) {
    if !named_stack.stack.dashboard {
        return;
    }
    let services = named_stack
        .members()
        .map(|named_service| service_row(named_stack, named_service));
    let file_systems = named_stack
        .stack
        .file_systems
        .keys()
        .map(|name| file_system_row(name));
    let capacity = named_stack
        .stack
        .capacity
        .keys()
        .map(|name| capacity_row(name));
    let rows = services.chain(file_systems).chain(capacity);
    let widgets = (0..)
        .step_by(HEIGHT as usize)
        .zip(rows)
        .flat_map(|(y, row)| {
            let width = WIDTH / (row.len().max(1) as u32);
            (0..)
                .step_by(width as usize)
                .zip(row)
                .map(move |(x, properties)| Widget {
                    r#type: "metric",
                    x,
                    y,
                    width,
                    height: HEIGHT,
                    properties,
                })
        });
    let body = Body {
        widgets: widgets.collect(),
    };
    let dashboard = Dashboard {
        dashboard_name: named_stack.stack_name.clone(),
        dashboard_body: Value::sub(json(&body).to_string()),
        tags: named_stack.tags(),
    };
    template.add_one(Singleton::Dashboard, &dashboard);
}

fn graph(title: String, stat: &'static str, metrics: impl IntoIterator<Item = Line>) -> Graph {
    Graph {
        title,
        view: "timeSeries",
        region: "${AWS::Region}",
        stat,
        period: 60,
        metrics: metrics.into_iter().collect(),
    }
}

fn line(namespace: &str, metric: &str, dimensions: &[(&str, &str)]) -> Line {
    let dimensions = dimensions.iter();
    let dimensions = dimensions.flat_map(|(name, value)| [*name, *value]);
    Line(
        [namespace, metric]
            .into_iter()
            .chain(dimensions)
            .map(str::to_owned)
            .collect(),
    )
}

fn service_row(named_stack: &NamedStack, named_service: NamedService) -> Vec<Graph> {
    let service = format!("${{{}.Name}}", Kind::Service.id(&[named_service.name]));
    let dimensions = [
        ("ClusterName", "${Cluster}"),
        ("ServiceName", service.as_str()),
    ];
    let mut row = vec![
        graph(
            format!("{}: CPU and memory in percent", named_service.name),
            "Average",
            ["CPUUtilization", "MemoryUtilization"].map(|name| line("AWS/ECS", name, &dimensions)),
        ),
        graph(
            format!("{}: tasks", named_service.name),
            "Average",
            ["DesiredTaskCount", "RunningTaskCount"]
                .map(|name| line("ECS/ContainerInsights", name, &dimensions)),
        ),
    ];
    let groups = named_stack.target_groups_of_requests(named_service);
    let groups: Vec<(String, String)> = groups
        .flat_map(|group| {
            let load_balancer = group.load_balancer_full_name();
            let kinds = group.kinds().iter();
            kinds.map(move |kind| (load_balancer.clone(), group.id(*kind)))
        })
        .collect();
    if !groups.is_empty() {
        let lines = groups.iter().flat_map(|(load_balancer, group)| {
            let targets = format!("${{{group}.TargetGroupFullName}}");
            [
                "RequestCount",
                "HTTPCode_Target_4XX_Count",
                "HTTPCode_Target_5XX_Count",
            ]
            .map(|name| {
                let dimensions = [
                    ("LoadBalancer", load_balancer.as_str()),
                    ("TargetGroup", targets.as_str()),
                ];
                line("AWS/ApplicationELB", name, &dimensions)
            })
        });
        row.push(graph(
            format!("{}: requests", named_service.name),
            "Sum",
            lines,
        ));
    }
    row
}

fn file_system_row(name: &str) -> Vec<Graph> {
    let id = format!("${{{}}}", Kind::FileSystem.id(&[name]));
    let dimensions = [("FileSystemId", id.as_str())];
    let of = |title: &str, stat, metrics: &[&str]| {
        let lines = metrics
            .iter()
            .map(|metric| line("AWS/EFS", metric, &dimensions));
        graph(format!("File system {name}: {title}"), stat, lines)
    };
    vec![
        of("bytes", "Sum", &["DataReadIOBytes", "DataWriteIOBytes"]),
        of("throughput", "Average", &["PermittedThroughput"]),
    ]
}

fn capacity_row(name: &str) -> Vec<Graph> {
    let provider = format!("${{{}}}", Kind::CapacityProvider.id(&[name]));
    let group = format!("${{{}}}", Kind::AutoScalingGroup.id(&[name]));
    vec![
        graph(
            format!("Capacity {name}: reserved in percent"),
            "Average",
            [line(
                "AWS/ECS/ManagedScaling",
                "CapacityProviderReservation",
                &[
                    ("CapacityProviderName", &provider),
                    ("ClusterName", "${Cluster}"),
                ],
            )],
        ),
        graph(
            format!("Capacity {name}: instances"),
            "Average",
            ["GroupDesiredCapacity", "GroupInServiceInstances"].map(|metric| {
                line(
                    "AWS/AutoScaling",
                    metric,
                    &[("AutoScalingGroupName", &group)],
                )
            }),
        ),
    ]
}
