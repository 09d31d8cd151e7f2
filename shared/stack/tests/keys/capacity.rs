//! Instances, and which tasks run on which of them.

use longshore_events::longshore::{Problem, Severity};
use longshore_stack::cost::estimate;
use longshore_stack::read::Reading;
use serde_json::{Value, json};

use crate::support::{accepted, example, read_text, template, warnings};

const SHOP: &str = r#"
name: shop
network:
  vpc_id: vpc-0a1b2c3d
  subnet_ids: [subnet-0a1b2c3d, subnet-1a1b2c3d]
"#;

fn shop(rest: &str) -> Result<Reading, Vec<Problem>> {
    read_text(&format!("{SHOP}{rest}"))
}

/// A stack with this capacity and a service on it.
fn on(capacity: &str, service: &str) -> String {
    format!(
        "capacity:\n  main: {capacity}\nservices:\n  work: {{image: \"shop/work:v1\", cpu: 512, memory: 1024, \
         capacity_provider_strategy: [{{capacity_provider: main}}], {service}}}\n"
    )
}

/// A stack with a daemon and another service.
fn with_daemon(daemon: &str) -> String {
    format!(
        "capacity:\n  main: {{instance_type: m5.large}}\nservices:\n  \
         work: {{image: \"shop/work:v1\", cpu: 512, memory: 1024, \
         capacity_provider_strategy: [{{capacity_provider: main}}]}}\n  \
         agent: {{image: \"shop/agent:v1\", cpu: 128, memory: 256, scheduling_strategy: DAEMON, {daemon}}}\n"
    )
}

fn resources(rest: &str) -> Value {
    template(&format!("{SHOP}{rest}"))["Resources"].clone()
}

fn assert_refused(rest: &str, path: &str, words: &str) {
    let problems = match shop(rest) {
        Ok(_) => panic!("{rest} is not refused"),
        Err(problems) => problems,
    };
    let mut errors = problems
        .iter()
        .filter(|problem| problem.severity == Severity::Error);
    assert!(
        errors.any(|problem| problem.path == path && problem.message.contains(words)),
        "{rest}: {path}: {words}: {problems:#?}"
    );
}

fn warned(rest: &str) -> Vec<String> {
    warnings(&accepted(&format!("{SHOP}{rest}")))
}

fn user_data(resources: &Value) -> String {
    let user_data =
        &resources["LaunchTemplateMain"]["Properties"]["LaunchTemplateData"]["UserData"];
    user_data["Fn::Base64"]["Fn::Sub"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn spot_instances_of_several_types_come_from_one_launch_template() {
    let resources = resources(&on(
        "{instance_types: [m6i.large, m5.large, m5a.large], max_size: 10, spot_percentage: 75, \
         on_demand_base_capacity: 1}",
        "",
    ));
    let group = &resources["AutoScalingGroupMain"]["Properties"];
    assert_eq!(group.get("LaunchTemplate"), None);
    assert_eq!(
        group["MixedInstancesPolicy"],
        json!({
            "InstancesDistribution": {
                "OnDemandAllocationStrategy": "prioritized",
                "OnDemandBaseCapacity": 1,
                "OnDemandPercentageAboveBaseCapacity": 25,
                "SpotAllocationStrategy": "price-capacity-optimized",
            },
            "LaunchTemplate": {
                "LaunchTemplateSpecification": {
                    "LaunchTemplateId": {"Ref": "LaunchTemplateMain"},
                    "Version": {"Fn::GetAtt": ["LaunchTemplateMain", "LatestVersionNumber"]},
                },
                "Overrides": [
                    {"InstanceType": "m6i.large"},
                    {"InstanceType": "m5.large"},
                    {"InstanceType": "m5a.large"},
                ],
            },
        })
    );
    let launch = &resources["LaunchTemplateMain"]["Properties"]["LaunchTemplateData"];
    assert_eq!(launch["InstanceType"], "m6i.large");
    assert_eq!(launch.get("InstanceMarketOptions"), None);
    assert!(user_data(&resources).contains("\nECS_ENABLE_SPOT_INSTANCE_DRAINING=true\n"));
}

#[test]
fn instances_of_one_type_on_demand_have_no_policy_of_mixed_ones() {
    let resources = resources(&on("{instance_type: m5.large}", ""));
    let group = &resources["AutoScalingGroupMain"]["Properties"];
    assert_eq!(group.get("MixedInstancesPolicy"), None);
    assert!(group.get("LaunchTemplate").is_some());
    assert_eq!(
        user_data(&resources),
        "#!/bin/bash\ncat >> /etc/ecs/ecs.config <<'END'\nECS_CLUSTER=${Cluster}\nECS_AWSVPC_BLOCK_IMDS=true\nEND\n"
    );
}

#[test]
fn a_service_with_gpus_gets_the_image_with_their_drivers() {
    let image = |resources: &Value| {
        resources["LaunchTemplateMain"]["Properties"]["LaunchTemplateData"]["ImageId"].clone()
    };
    let with = resources(&on("{instance_type: g4dn.xlarge}", "gpu: 1"));
    assert_eq!(
        image(&with),
        "resolve:ssm:/aws/service/ecs/optimized-ami/amazon-linux-2023/gpu/recommended/image_id"
    );
    assert!(user_data(&with).contains("\nECS_ENABLE_GPU_SUPPORT=true\n"));
    let without = resources(&on("{instance_type: g4dn.xlarge}", ""));
    assert_eq!(
        image(&without),
        "resolve:ssm:/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended/image_id"
    );
    let own = resources(&on(
        "{instance_type: g4dn.xlarge, image_ssm_parameter: /shop/image}",
        "gpu: 1",
    ));
    assert_eq!(image(&own), "resolve:ssm:/shop/image");
}

#[test]
fn a_daemon_runs_on_all_instances_without_a_count_and_a_capacity_provider_strategy() {
    let resources = resources(&with_daemon(
        "placement_constraints: [{type: memberOf, expression: \"attribute:ecs.instance-type =~ m5.*\"}]",
    ));
    let agent = &resources["ServiceAgent"];
    let properties = &agent["Properties"];
    assert_eq!(properties["SchedulingStrategy"], "DAEMON");
    assert_eq!(properties["LaunchType"], "EC2");
    for absent in [
        "DesiredCount",
        "CapacityProviderStrategy",
        "PlacementStrategies",
    ] {
        assert_eq!(properties.get(absent), None, "{absent}");
    }
    assert_eq!(properties["AvailabilityZoneRebalancing"], "DISABLED");
    assert_eq!(
        properties["PlacementConstraints"],
        json!([{"Type": "memberOf", "Expression": "attribute:ecs.instance-type =~ m5.*"}])
    );
    let deployment = &properties["DeploymentConfiguration"];
    assert_eq!(deployment["MaximumPercent"], 100);
    assert_eq!(deployment["MinimumHealthyPercent"], 0);
    let dependencies = agent["DependsOn"].as_array().unwrap();
    assert!(dependencies.contains(&json!("ClusterCapacity")));
    assert_eq!(
        resources["TaskDefinitionAgent"]["Properties"]["RequiresCompatibilities"],
        json!(["EC2"])
    );
    let work = &resources["ServiceWork"]["Properties"];
    assert_eq!(work.get("SchedulingStrategy"), None);
}

#[test]
fn a_daemon_keeps_as_many_tasks_as_its_file_says_while_they_are_replaced() {
    let resources = resources(&with_daemon(
        "deployment_configuration: {minimum_healthy_percent: 50, maximum_percent: 100}",
    ));
    let deployment = &resources["ServiceAgent"]["Properties"]["DeploymentConfiguration"];
    assert_eq!(deployment["MinimumHealthyPercent"], 50);
}

#[test]
fn a_daemon_takes_a_network_interface_of_each_instance() {
    let text = |agent: bool| {
        let rest = with_daemon("").replace(
            "cpu: 512, memory: 1024,",
            "cpu: 512, memory: 1024, desired_count: 8,",
        );
        if agent {
            rest
        } else {
            rest.split("  agent:").next().unwrap_or_default().to_owned()
        }
    };
    assert_eq!(warned(&text(false)), Vec::<String>::new());
    let warnings = warned(&text(true));
    assert_eq!(warnings.len(), 1, "{warnings:#?}");
    assert!(
        warnings[0].contains("can run at most 4 of the 8 tasks"),
        "{warnings:#?}"
    );
}

#[test]
fn placement_is_said_as_ecs_takes_it_and_zones_are_evened_out_only_where_they_come_first() {
    let rebalancing = |placement: &str| {
        let resources = resources(&on("{instance_type: m5.large}", placement));
        resources["ServiceWork"]["Properties"]["AvailabilityZoneRebalancing"].clone()
    };
    let zones = "{type: spread, field: \"attribute:ecs.availability-zone\"}";
    assert_eq!(
        rebalancing(&format!(
            "placement_strategies: [{zones}, {{type: binpack, field: memory}}]"
        )),
        "ENABLED"
    );
    assert_eq!(
        rebalancing("placement_strategies: [{type: binpack, field: memory}]"),
        "DISABLED"
    );
    assert_eq!(
        rebalancing(
            "placement_constraints: [{type: memberOf, expression: \"attribute:ecs.availability-zone == eu-west-1a\"}]"
        ),
        "DISABLED"
    );
    let resources = resources(&on(
        "{instance_type: m5.large}",
        &format!(
            "placement_strategies: [{zones}, {{type: random}}], placement_constraints: [{{type: distinctInstance}}]"
        ),
    ));
    let service = &resources["ServiceWork"]["Properties"];
    assert_eq!(
        service["PlacementStrategies"],
        json!([{"Type": "spread", "Field": "attribute:ecs.availability-zone"}, {"Type": "random"}])
    );
    assert_eq!(
        service["PlacementConstraints"],
        json!([{"Type": "distinctInstance"}])
    );
}

#[test]
fn what_ecs_and_ec2_do_not_take_is_refused_with_what_is_allowed() {
    for (capacity, field, words) in [
        ("{}", "instance_type", "expected `instance_type`"),
        (
            "{instance_type: m5.large, instance_types: [m5.large]}",
            "instance_type",
            "keep one of the two",
        ),
        (
            "{instance_types: [m5.large, m5.large]}",
            "instance_types",
            "there twice",
        ),
        (
            "{instance_types: [m5.large, m6g.large]}",
            "cpu_architecture",
            "ARM64",
        ),
        (
            "{instance_type: m5.large, spot_percentage: 101}",
            "spot_percentage",
            "0 to 100",
        ),
        (
            "{instance_type: m5.large, on_demand_base_capacity: 1}",
            "on_demand_base_capacity",
            "say `spot_percentage`",
        ),
        (
            "{instance_type: m5.large, spot_percentage: 50, max_size: 4, on_demand_base_capacity: 5}",
            "on_demand_base_capacity",
            "at most `max_size`, 4",
        ),
        (
            "{instance_type: m5.large, spot_allocation_strategy: lowest-price}",
            "spot_allocation_strategy",
            "no Spot instances",
        ),
    ] {
        assert_refused(&on(capacity, ""), &format!("capacity.main.{field}"), words);
    }
    for (service, field, words) in [
        (
            "placement_strategies: [{type: binpack, field: disk}]",
            "placement_strategies[0].field",
            "`cpu` or `memory`",
        ),
        (
            "placement_strategies: [{type: random, field: cpu}]",
            "placement_strategies[0].field",
            "leave it out",
        ),
        (
            "placement_strategies: [{type: spread}]",
            "placement_strategies[0].field",
            "`instanceId`",
        ),
        (
            "placement_constraints: [{type: memberOf}]",
            "placement_constraints[0].expression",
            "ecs.instance-type",
        ),
        (
            "placement_constraints: [{type: distinctInstance, expression: x}]",
            "placement_constraints[0].expression",
            "takes none",
        ),
        (
            "placement_strategies: [{type: random}], availability_zone_rebalancing: true",
            "availability_zone_rebalancing",
            "attribute:ecs.availability-zone",
        ),
    ] {
        let rest = on("{instance_type: m5.large}", service);
        assert_refused(&rest, &format!("services.work.{field}"), words);
    }
    let fargate =
        |service: &str| format!("services:\n  work: {{image: \"shop/work:v1\", {service}}}\n");
    for (service, field) in [
        (
            "placement_strategies: [{type: random}]",
            "placement_strategies",
        ),
        (
            "placement_constraints: [{type: distinctInstance}]",
            "placement_constraints",
        ),
    ] {
        assert_refused(
            &fargate(service),
            &format!("services.work.{field}"),
            "Fargate has no instances",
        );
    }
    assert_refused(
        &fargate("scheduling_strategy: DAEMON"),
        "services.work.scheduling_strategy",
        "add `capacity`",
    );
}

#[test]
fn what_a_daemon_cannot_have_is_refused_each_by_its_name() {
    for (service, field, words) in [
        (
            "capacity_provider_strategy: [{capacity_provider: main}]",
            "capacity_provider_strategy",
            "placement_constraints",
        ),
        (
            "desired_count: 2",
            "desired_count",
            "as many tasks as instances",
        ),
        (
            "scaling: {max_capacity: 2, target_cpu_utilization: 60}",
            "scaling",
            "as many tasks as instances",
        ),
        (
            "placement_strategies: [{type: random}]",
            "placement_strategies",
            "placement_constraints",
        ),
        (
            "availability_zone_rebalancing: true",
            "availability_zone_rebalancing",
            "where the instances are",
        ),
        (
            "schedules: {nightly: {schedule_expression: rate(1 day)}}",
            "schedules",
            "capacity_provider_strategy",
        ),
        (
            "deployment_configuration: {strategy: BLUE_GREEN}",
            "deployment_configuration.strategy",
            "expected ROLLING",
        ),
        (
            "deployment_configuration: {maximum_percent: 150}",
            "deployment_configuration.maximum_percent",
            "expected 100",
        ),
        (
            "placement_constraints: [{type: distinctInstance}]",
            "placement_constraints[0].type",
            "leave it out",
        ),
    ] {
        assert_refused(
            &with_daemon(service),
            &format!("services.agent.{field}"),
            words,
        );
    }
}

#[test]
fn gpus_are_asked_of_instances_that_have_them() {
    assert_refused(
        &on("{instance_types: [g4dn.xlarge, m5.large]}", "gpu: 1"),
        "capacity.main.instance_types",
        "have no GPU that ECS gives to containers",
    );
    assert_refused(
        &on(
            "{instance_type: g5g.xlarge, cpu_architecture: ARM64}",
            "gpu: 1, cpu_architecture: ARM64",
        ),
        "capacity.main.image_ssm_parameter",
        "ARM64",
    );
}

#[test]
fn tasks_fit_on_each_of_the_instance_types() {
    assert_refused(
        &on("{instance_types: [m5.xlarge, t3.micro]}", ""),
        "services.work.memory",
        "t3.micro",
    );
}

#[test]
fn spot_instances_of_one_type_are_warned_of() {
    let warnings = warned(&on("{instance_type: m5.large, spot_percentage: 100}", ""));
    assert_eq!(warnings.len(), 1, "{warnings:#?}");
    assert!(warnings[0].contains("instance_types"), "{warnings:#?}");
}

#[test]
fn a_container_that_takes_longer_to_stop_than_the_notice_of_a_spot_instance_is_warned_of() {
    let spot = "{instance_types: [m5.large, m6i.large], spot_percentage: 50}";
    let warnings = warned(&on(spot, "stop_timeout: 300"));
    assert_eq!(warnings.len(), 1, "{warnings:#?}");
    assert!(warnings[0].contains("two minutes' notice"), "{warnings:#?}");
    assert_eq!(warned(&on(spot, "stop_timeout: 100")), Vec::<String>::new());
}

#[test]
fn an_estimate_says_that_spot_instances_cost_at_most_what_they_do_on_demand() {
    let reading = shop(&on(
        "{instance_types: [m5.large, m5.xlarge], spot_percentage: 100, expected_instance_count: 2}",
        "",
    ))
    .unwrap();
    let estimate = estimate(&reading.stack);
    let line = estimate
        .lines
        .iter()
        .find(|line| line.item.starts_with("EC2"))
        .unwrap();
    assert_eq!(line.item, "EC2 m5.xlarge");
    // 2 for 730 hours at $0.192.
    assert_eq!(line.monthly.unwrap().to_string(), "280.32");
    assert!(
        estimate
            .assumptions
            .iter()
            .any(|assumption| assumption.contains("not known")),
        "{:#?}",
        estimate.assumptions
    );
}

#[test]
fn a_daemon_is_not_charged_as_tasks_on_fargate() {
    let reading = shop(&with_daemon("")).unwrap();
    let estimate = estimate(&reading.stack);
    assert!(
        estimate
            .lines
            .iter()
            .all(|line| !line.item.contains("Fargate")),
        "{:#?}",
        estimate.lines
    );
}

#[test]
fn the_example_of_gpu_workers_runs_one_on_each_gpu_and_none_while_nothing_waits() {
    let resources = example("gpu-worker.yaml");
    let container = &resources["TaskDefinitionWorker"]["Properties"]["ContainerDefinitions"][0];
    assert_eq!(
        container["ResourceRequirements"],
        json!([{"Type": "GPU", "Value": "1"}])
    );
    let launch = &resources["LaunchTemplateGpu"]["Properties"]["LaunchTemplateData"];
    assert!(launch["ImageId"].as_str().unwrap().contains("/gpu/"));
    let worker = &resources["ScalableTargetWorker"]["Properties"];
    assert_eq!(worker["MinCapacity"], 0);
    let api = &resources["ScalableTargetApi"]["Properties"];
    assert_eq!(api["ScheduledActions"].as_array().unwrap().len(), 2);
}

#[test]
fn the_example_of_a_crawler_packs_tasks_on_spot_instances_of_several_types() {
    let resources = example("spot-crawler.yaml");
    let group = &resources["AutoScalingGroupSpot"]["Properties"];
    let distribution = &group["MixedInstancesPolicy"]["InstancesDistribution"];
    assert_eq!(distribution["OnDemandPercentageAboveBaseCapacity"], 0);
    let fetcher = &resources["ServiceFetcher"]["Properties"];
    assert_eq!(fetcher["PlacementStrategies"][1]["Type"], "binpack");
    assert!(resources.get("BucketPages").is_some());
}

#[test]
fn the_example_of_rails_has_an_agent_beside_each_task_on_fargate_and_on_each_instance() {
    let resources = example("rails.yaml");
    assert_eq!(
        resources["ServiceAgent"]["Properties"]["SchedulingStrategy"],
        "DAEMON"
    );
    let web = &resources["TaskDefinitionWeb"]["Properties"]["ContainerDefinitions"];
    assert_eq!(web[1]["Name"], "datadog");
    assert_eq!(
        web[0]["Secrets"][0]["ValueFrom"]["Fn::Sub"],
        "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter/rails/database-url"
    );
}
