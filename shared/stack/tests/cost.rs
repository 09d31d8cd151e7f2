//! What an estimate of costs promises.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use longshore_stack::cost::{Amount, Estimate, Evidence, Line, Prices, estimate, estimate_with};
use longshore_stack::read::{Selection, read};
use longshore_stack::spec::Stack;
use serde_json::{Value, json};

fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

// An integration test is compiled for tests only; clippy takes the functions beside its `#[test]`
// functions for tests only when it is configured so.

/// A stack with nothing that costs anything, and with what is laid over it.
#[cfg(test)]
fn stack(content: Value) -> Stack {
    let mut stack = json!({
        "name": "shop",
        "network": {"vpc_id": "vpc-0a1b2c3d", "subnet_ids": ["subnet-0a1b2c3d", "subnet-1a1b2c3d"]},
        "cluster": {"container_insights": "disabled"},
        "services": {},
    });
    for (key, value) in content.as_object().unwrap() {
        if key == "network" {
            let network = stack["network"].as_object_mut().unwrap();
            network.extend(value.as_object().unwrap().clone());
        } else {
            stack[key] = value.clone();
        }
    }
    serde_json::from_value(stack).unwrap()
}

#[cfg(test)]
fn service(content: Value) -> Stack {
    let mut service = json!({"image": "shop:v1"});
    service
        .as_object_mut()
        .unwrap()
        .extend(content.as_object().unwrap().clone());
    stack(json!({"services": {"api": service}}))
}

/// Every line that has a figure, as `<resource> <item>: <quantity> x <price> = <amount>`.
fn figures(stack: &Stack) -> Vec<String> {
    let estimate = estimate(stack);
    let known = estimate.lines.iter().filter_map(|line| {
        Some(format!(
            "{} {}: {} x {} = {}",
            line.resource,
            line.item,
            line.quantity?,
            line.unit_price?,
            line.monthly?.exact()
        ))
    });
    known.collect()
}

fn line<'a>(estimate: &'a Estimate, resource: &str, item: &str) -> &'a Line {
    let wanted = |line: &&Line| line.resource == resource && line.item == item;
    estimate
        .lines
        .iter()
        .find(wanted)
        .unwrap_or_else(|| panic!("{resource} has no line {item} in\n{estimate}"))
}

#[cfg(test)]
fn shipped(name: &str, environment: Option<&str>) -> Stack {
    let path = repository().join("stacks").join(format!("{name}.yaml"));
    let content = fs::read(&path).unwrap();
    let reading = read(&content, &Selection::Environment(environment));
    reading
        .unwrap_or_else(|problems| panic!("{}: {problems:#?}", path.display()))
        .stack
}

#[test]
fn fargate_costs_its_processors_and_its_memory_for_730_hours() {
    assert_eq!(
        figures(&service(json!({"cpu": 256, "memory": 512}))),
        [
            "services.api Fargate vCPU: 182.5 x 0.04048 = 7.3876",
            "services.api Fargate memory: 365 x 0.004445 = 1.622425",
        ]
    );
}

#[test]
fn arm_and_spot_have_prices_of_their_own() {
    let tasks = json!({
        "cpu": 1024, "memory": 2048, "cpu_architecture": "ARM64", "desired_count": 5,
        "capacity_provider_strategy": [
            {"capacity_provider": "FARGATE", "base": 1, "weight": 1},
            {"capacity_provider": "FARGATE_SPOT", "weight": 3},
        ],
    });
    assert_eq!(
        figures(&service(tasks)),
        [
            "services.api Fargate ARM vCPU: 1460 x 0.03238 = 47.2748",
            "services.api Fargate ARM memory: 2920 x 0.00356 = 10.3952",
            "services.api Fargate Spot ARM vCPU: 2190 x 0.009714 = 21.27366",
            "services.api Fargate Spot ARM memory: 4380 x 0.001068 = 4.67784",
        ]
    );
}

#[test]
fn expected_tasks_count_instead_of_those_at_rest() {
    let mut scaled = json!({"cpu": 1024, "memory": 2048, "scaling": {"min_capacity": 0, "max_capacity": 4, "target_cpu_utilization": 70}});
    let without_load = estimate(&service(scaled.clone()));
    assert!(
        !without_load
            .lines
            .iter()
            .any(|line| line.item.contains("Fargate"))
    );
    assert!(
        without_load.assumptions.iter().any(|assumption| assumption
            .starts_with("services.api: on average as many tasks as its scaling.min_capacity, 0")),
        "{:?}",
        without_load.assumptions
    );
    scaled["expected_task_count"] = json!(0.5);
    let expected = estimate(&service(scaled));
    assert_eq!(
        line(&expected, "services.api", "Fargate vCPU")
            .quantity
            .unwrap()
            .to_string(),
        "365"
    );
}

#[test]
fn only_storage_over_the_20_gb_of_a_task_costs_anything() {
    let estimate = estimate(&service(json!({"ephemeral_storage_size_in_gib": 50})));
    let storage = line(&estimate, "services.api", "ephemeral storage over 20 GB");
    assert_eq!(storage.monthly.unwrap().exact(), "2.4309");
}

#[test]
fn tasks_on_instances_cost_nothing_beside_them() {
    let stack = stack(json!({
        "capacity": {"main": {"instance_type": "t3.small", "min_size": 2, "volume_size": 40}},
        "services": {"api": {"image": "shop:v1", "capacity_provider_strategy": [{"capacity_provider": "main"}]}},
    }));
    assert_eq!(
        figures(&stack),
        [
            "capacity.main EC2 t3.small: 1460 x 0.0208 = 30.368",
            "capacity.main root volumes (EBS gp3): 80 x 0.08 = 6.40",
            "services alarms that scaling makes: 2 x 0.10 = 0.20",
        ]
    );
}

#[test]
fn there_are_as_many_instances_as_the_interfaces_of_the_tasks_need() {
    let with = |max_size: u32| {
        estimate(&stack(json!({
            "capacity": {"main": {"instance_type": "t3.small", "max_size": max_size}},
            "services": {"api": {
                "image": "shop:v1", "desired_count": 7,
                "capacity_provider_strategy": [{"capacity_provider": "main"}],
            }},
        })))
    };
    let hours = |estimate: &Estimate| {
        let instances = line(estimate, "capacity.main", "EC2 t3.small");
        instances.quantity.unwrap().to_string()
    };
    let enough = with(10);
    // Two tasks on each, and 730 hours.
    assert_eq!(hours(&enough), "2920");
    assert!(
        enough
            .assumptions
            .iter()
            .any(|assumption| assumption.contains("as its 7 tasks need, 4")),
        "{:?}",
        enough.assumptions
    );
    assert_eq!(hours(&with(3)), "2190");
}

#[test]
fn an_unknown_instance_type_has_a_line_without_a_figure_that_says_so() {
    let estimate = estimate(&stack(json!({
        "capacity": {"main": {"instance_type": "z9.colossal"}},
    })));
    let instances = line(&estimate, "capacity.main", "EC2 z9.colossal");
    assert_eq!(instances.monthly, None);
    assert_eq!(
        instances.note.as_deref(),
        Some("the price of z9.colossal in us-east-1 is not known")
    );
    assert!(estimate.to_string().contains("no figure"), "{estimate}");
}

#[test]
fn runs_by_the_clock_cost_as_often_and_as_long_as_they_run() {
    let schedules = |minutes: Value| {
        json!({
            "cpu": 2048, "memory": 8192, "desired_count": 0,
            "schedules": {"weekly": {"schedule_expression": "cron(0 3 ? * SUN *)", "expected_minutes": minutes}},
        })
    };
    assert_eq!(
        figures(&service(schedules(json!(240)))),
        [
            "services.api.schedules.weekly Fargate vCPU: 34.761904 x 0.04048 = 1.40716187392",
            "services.api.schedules.weekly Fargate memory: 139.047616 x 0.004445 = 0.61806665312",
        ]
    );
    let unknown = estimate(&service(schedules(Value::Null)));
    assert_eq!(
        line(&unknown, "services.api.schedules.weekly", "Fargate vCPU")
            .note
            .as_deref(),
        Some("depends on use: say how much in services.api.schedules.weekly.expected_minutes")
    );
}

#[test]
fn a_hundred_gb_on_efs_with_100_mb_a_second_cost_630_dollars_exactly() {
    let estimate = estimate(&stack(json!({"file_systems": {"bottles": {
        "throughput_mode": "provisioned",
        "provisioned_throughput_in_mibps": 100,
        "expected_size_in_gib": 100,
        "backup": false,
    }}})));
    assert_eq!(efs(&estimate).exact(), "630.00");
}

fn efs(estimate: &Estimate) -> Amount {
    let lines = estimate
        .lines
        .iter()
        .filter(|line| line.item.starts_with("EFS "));
    lines.filter_map(|line| line.monthly).sum()
}

#[test]
fn elastic_throughput_and_requests_are_paid_by_use() {
    let stack = stack(json!({"file_systems": {"bottles": {
        "throughput_mode": "elastic",
        "expected_size_in_gib": 10,
        "expected_read_gib_per_month": 200,
        "expected_written_gib_per_month": 50,
        "expected_requests_per_month": 2_500_000,
        "backup": false,
    }}}));
    assert_eq!(
        figures(&stack),
        [
            "file_systems.bottles EFS storage: 10 x 0.30 = 3.00",
            "file_systems.bottles EFS elastic throughput, read: 200 x 0.03 = 6.00",
            "file_systems.bottles EFS elastic throughput, written: 50 x 0.06 = 3.00",
            "file_systems.bottles EFS requests: 2500 x 0.0004 = 1.00",
        ]
    );
}

#[test]
fn a_mirror_costs_what_it_holds_and_what_its_tasks_take() {
    let stack = stack(json!({
        "buckets": {"bottles": {"expected_size_in_gib": 1000}, "other": {}},
        "bottle_sync": {
            "bucket": "bottles", "service": "sync",
            "schedule_expression": "rate(1 day)", "expected_minutes": 60,
        },
        "services": {"sync": {"image": "sync:v1", "cpu": 1024, "memory": 2048, "desired_count": 0}},
    }));
    let estimate = estimate(&stack);
    assert_eq!(
        line(&estimate, "buckets.bottles", "S3 storage")
            .monthly
            .unwrap()
            .to_string(),
        "23.00"
    );
    let other = line(&estimate, "buckets.other", "S3 storage");
    assert_eq!(
        other.note.as_deref(),
        Some("depends on use: say how much in buckets.other.expected_size_in_gib")
    );
    let processors = line(&estimate, "bottle_sync", "Fargate vCPU");
    assert_eq!(
        processors.quantity.unwrap().to_string(),
        "30.416667",
        "a task for an hour on each of a month's days"
    );
}

#[test]
fn a_load_balancer_costs_its_hours_its_capacity_units_and_its_addresses() {
    let stack = stack(json!({"load_balancer": {
        "scheme": "internet-facing",
        "subnet_ids": ["subnet-0a1b2c3d", "subnet-1a1b2c3d"],
        "expected_capacity_units": 1.5,
    }}));
    assert_eq!(
        figures(&stack),
        [
            "load_balancer hours: 730 x 0.0225 = 16.425",
            "load_balancer capacity units: 1095 x 0.008 = 8.76",
            "load_balancer public IPv4 addresses: 1460 x 0.005 = 7.30",
        ]
    );
}

#[test]
fn logs_cost_when_they_come_and_while_they_are_kept() {
    let stack = stack(json!({
        "logs": {"retention_in_days": 365, "encryption": "stack_key", "expected_gib_per_month": 10},
        "network": {"flow_logs": {"retention_in_days": 73, "expected_gib_per_month": 5}},
    }));
    assert_eq!(
        figures(&stack),
        [
            "logs KMS key: 1 x 1.00 = 1.00",
            "logs CloudWatch Logs, taken in: 10 x 0.50 = 5.00",
            "logs CloudWatch Logs, kept: 120 x 0.03 = 3.60",
            "network.flow_logs CloudWatch Logs, taken in: 5 x 0.50 = 2.50",
            "network.flow_logs CloudWatch Logs, kept: 12 x 0.03 = 0.36",
        ]
    );
}

#[test]
fn data_that_leaves_costs_once_and_between_zones_twice() {
    let stack = stack(json!({"network": {
        "expected_data_out_gib_per_month": 100, "expected_cross_zone_gib_per_month": 100,
    }}));
    assert_eq!(
        figures(&stack),
        [
            "network data out to the internet: 100 x 0.09 = 9.00",
            "network data between availability zones: 200 x 0.01 = 2.00",
        ]
    );
}

#[test]
fn watching_costs_its_metrics_alarms_and_dashboard_and_discovery_its_zone() {
    let stack = stack(json!({
        "cluster": {"container_insights": "enabled"},
        "alarms": {},
        "dashboard": true,
        "service_discovery": {"namespace": "shop.local"},
        "services": {"api": {
            "image": "shop:v1", "container_port": 8080, "desired_count": 0,
            "scaling": {"min_capacity": 1, "max_capacity": 2, "target_cpu_utilization": 70},
        }},
    }));
    let estimate = estimate(&stack);
    let amount =
        |resource: &str, item: &str| line(&estimate, resource, item).monthly.unwrap().exact();
    assert_eq!(amount("cluster", "Container Insights metrics"), "7.50");
    assert_eq!(amount("services", "alarms that scaling makes"), "0.20");
    assert_eq!(amount("dashboard", "dashboard"), "3.00");
    assert_eq!(amount("service_discovery", "private DNS zone"), "0.50");
    assert!(
        line(&estimate, "alarms", "alarms of the stack")
            .monthly
            .is_some()
    );
}

#[test]
fn only_secrets_that_the_stack_makes_cost_anything() {
    let secrets = json!({"secrets": {
        "A": {"value": "hunter2"}, "B": {"value": "hunter3"}, "C": {"value_from": "shop/c"},
    }});
    let estimate = estimate(&service(secrets));
    assert_eq!(
        line(&estimate, "services.api.secrets", "secrets")
            .monthly
            .unwrap()
            .exact(),
        "0.80"
    );
    assert!(!serde_json::to_string(&estimate).unwrap().contains("hunter"));
}

#[test]
fn what_depends_on_use_has_no_figure_and_names_the_field_that_would_give_one() {
    let estimate = estimate(&stack(json!({
        "file_systems": {"data": {}},
        "load_balancer": {"subnet_ids": ["subnet-0a1b2c3d", "subnet-1a1b2c3d"]},
    })));
    let mut fields: Vec<&str> = estimate
        .lines
        .iter()
        .filter(|line| line.monthly.is_none())
        .map(|line| line.note.as_deref().unwrap().rsplit(' ').next().unwrap())
        .collect();
    fields.dedup();
    assert_eq!(
        fields,
        [
            "load_balancer.expected_capacity_units",
            "file_systems.data.expected_size_in_gib",
            "logs.expected_gib_per_month",
            "network.expected_data_out_gib_per_month",
            "network.expected_cross_zone_gib_per_month",
        ]
    );
    assert_eq!(estimate.lines_without_figure, 7);
}

#[test]
fn the_total_is_the_sum_of_the_lines_and_every_line_its_quantity_times_its_price() {
    for (name, environment) in ENVIRONMENTS {
        let estimate = estimate(&shipped(name, Some(environment)));
        let sum: Amount = estimate.lines.iter().filter_map(|line| line.monthly).sum();
        assert_eq!(estimate.total, sum, "{estimate}");
        for line in &estimate.lines {
            if let (Some(quantity), Some(price)) = (line.quantity, line.unit_price) {
                assert_eq!(line.monthly, Some(quantity.at(price)), "{line:?}");
                assert!(estimate.prices.contains_key(&line.price), "{line:?}");
            } else {
                assert!(line.note.is_some(), "{line:?}");
            }
        }
    }
}

const ENVIRONMENTS: [(&str, &str); 7] = [
    ("stellar-insights", "dev"),
    ("stellar-insights", "staging"),
    ("stellar-insights", "prod"),
    ("paperwurks", "dev"),
    ("paperwurks", "staging"),
    ("paperwurks", "prod"),
    ("homebrew-bottles-sync", "prod"),
];

#[test]
fn an_estimate_as_text_and_as_json() {
    let estimate = estimate(&shipped("homebrew-bottles-sync", Some("prod")));
    insta::assert_snapshot!("homebrew_bottles_sync_text", estimate);
    insta::assert_json_snapshot!("homebrew_bottles_sync_json", estimate);
}

#[test]
fn every_price_says_when_and_where_it_was_found() {
    let text = fs::read_to_string(repository().join("shared/stack/prices/prices.json")).unwrap();
    let prices = Prices::read(&text).unwrap();
    assert_eq!(&prices, Prices::built_in());
    assert_eq!(
        (prices.currency.as_str(), prices.region.as_str()),
        ("USD", "us-east-1")
    );
    let origins = prices.prices.values().map(|price| &price.origin);
    let instances = prices.instances.iter().map(|instances| &instances.origin);
    for origin in origins.chain(instances) {
        let is_date = origin.date.len() == 10 && origin.date.starts_with("20");
        assert!(is_date, "{origin:?}");
        let is_address = origin.source.starts_with("https://");
        assert!(
            is_address || origin.evidence == Evidence::Document,
            "{origin:?}"
        );
    }
}

#[test]
fn prices_of_another_region_can_take_the_place_of_those_that_come_along() {
    let prices = json!({
        "currency": "EUR",
        "region": "eusc-de-east-1",
        "prices": {"fargate_vcpu": {
            "price": "0.05", "unit": "vCPU-hour", "evidence": "aws_page", "date": "2026-11-01",
            "source": "https://aws.eu/fargate/pricing/",
        }},
    });
    let prices = Prices::read(&prices.to_string()).unwrap();
    let estimate = estimate_with(&service(json!({"cpu": 1024, "memory": 2048})), &prices);
    assert_eq!(estimate.currency, "EUR");
    assert_eq!(
        line(&estimate, "services.api", "Fargate vCPU")
            .monthly
            .unwrap()
            .exact(),
        "36.50"
    );
    assert_eq!(
        line(&estimate, "services.api", "Fargate memory")
            .note
            .as_deref(),
        Some("the price of fargate_memory in eusc-de-east-1 is not known")
    );
    let error = Prices::read(r#"{"currency": "EUR", "region": "x", "prices": {}, "nonsense": 1}"#);
    assert!(
        error
            .unwrap_err()
            .to_string()
            .starts_with("read prices: unknown field `nonsense`")
    );
}

/// What the document says of each figure that a reference system's own document names.
#[cfg(test)]
fn documented() -> BTreeMap<(String, String), String> {
    let text = fs::read_to_string(repository().join("shared/stack/prices/README.md")).unwrap();
    let rows = text.lines().filter_map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        match cells.as_slice() {
            [system, what, _, ours, _] if *system != "system" && !system.starts_with("---") => {
                Some((
                    ((*system).to_owned(), (*what).to_owned()),
                    (*ours).to_owned(),
                ))
            }
            _ => None,
        }
    });
    rows.collect()
}

#[test]
fn the_document_of_the_reference_systems_figures_says_what_the_estimate_says() {
    let mut computed = BTreeMap::new();
    let mut add = |system: &str, what: &str, figure: String| {
        computed.insert((system.to_owned(), what.to_owned()), figure);
    };
    let dollars = |amount: Amount| format!("${amount}");
    let sum = |estimate: &Estimate, resource: &str, item: &str| {
        let lines = estimate
            .lines
            .iter()
            .filter(|line| line.resource.starts_with(resource) && line.item.starts_with(item));
        let amounts: Vec<Amount> = lines.filter_map(|line| line.monthly).collect();
        if amounts.is_empty() {
            "no figure".to_owned()
        } else {
            dollars(amounts.into_iter().sum())
        }
    };
    for (name, environment) in ENVIRONMENTS {
        let system = format!("{name} {environment}");
        let estimate = estimate(&shipped(name, Some(environment)));
        add(&system, "total", dollars(estimate.total));
        match name {
            "stellar-insights" => {
                add(&system, "EC2", sum(&estimate, "capacity.", "EC2 "));
                add(&system, "data transfer", sum(&estimate, "network", "data "));
                add(
                    &system,
                    "CloudWatch Logs",
                    sum(&estimate, "logs", "CloudWatch Logs"),
                );
            }
            "homebrew-bottles-sync" => {
                add(&system, "Fargate", sum(&estimate, "bottle_sync", "Fargate"));
                add(&system, "EFS", dollars(efs(&estimate)));
                add(
                    &system,
                    "CloudWatch Logs",
                    sum(&estimate, "logs", "CloudWatch Logs"),
                );
            }
            _ => {}
        }
    }
    let mut up_to_five = shipped("stellar-insights", Some("prod"));
    for capacity in up_to_five.capacity.values_mut() {
        capacity.expected_instance_count = Some(2.0);
    }
    add(
        "stellar-insights prod",
        "auto-scaling up to 5",
        sum(&estimate(&up_to_five), "capacity.", "EC2 "),
    );
    for (system, instances) in [("dev", 2.0), ("staging", 3.0), ("prod", 6.0)] {
        let mut larger = shipped("paperwurks", Some(system));
        for capacity in larger.capacity.values_mut() {
            capacity.expected_instance_count = Some(instances);
        }
        add(
            &format!("paperwurks {system}"),
            &format!("total with {instances} instances"),
            dollars(estimate(&larger).total),
        );
    }
    let smallest = estimate(&service(json!({"cpu": 256, "memory": 512})));
    add(
        "insightxi",
        "a task of the smallest size",
        dollars(smallest.total),
    );
    let watched = |services: u32| {
        let services: BTreeMap<String, Value> = (0..services)
            .map(|number| (format!("s{number}"), json!({"image": "shop:v1"})))
            .collect();
        let stack =
            stack(json!({"cluster": {"container_insights": "enabled"}, "services": services}));
        let estimate = estimate(&stack);
        dollars(
            line(&estimate, "cluster", "Container Insights metrics")
                .monthly
                .unwrap(),
        )
    };
    add("insightxi", "Container Insights, one service", watched(1));
    add(
        "insightxi",
        "Container Insights, three services",
        watched(3),
    );
    assert_eq!(documented(), computed);
}
