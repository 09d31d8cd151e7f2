//! Overrides, further resources and outputs: what they do to the template, and what is refused.

use longshore_events::longshore::Problem;
use longshore_stack::outputs::{names, outputs};
use longshore_stack::read::{Selection, read, schema};
use longshore_stack::render::{Context, render};
use serde_json::{Value, json};

const SHOP: &str = r#"
name: shop
network:
  vpc_id: vpc-0a1b2c3d
  subnet_ids: [subnet-0a1b2c3d, subnet-1a1b2c3d]
load_balancer:
  subnet_ids: [subnet-2a1b2c3d, subnet-3a1b2c3d]
  ingress_cidr_ips: [10.0.0.0/8]
service_discovery: {namespace: shop.local}
alarms: {}
capacity:
  main: {instance_type: t3.small}
file_systems:
  data: {}
services:
  api:
    image: shop/api:v1
    container_port: 8080
    target_group: {}
    scaling: {min_capacity: 1, max_capacity: 4, target_cpu_utilization: 70}
    schedules:
      nightly: {schedule_expression: rate(1 day)}
    sidecars:
      proxy: {image: "shop/proxy:v1", container_port: 8443}
  web:
    image: shop/web:v1
    container_port: 8080
    target_group: {path_patterns: ["/web/*"], priority: 10}
    deployment_configuration: {strategy: BLUE_GREEN}
  batch:
    image: shop/batch:v1
    cpu: 512
    memory: 1024
    capacity_provider_strategy: [{capacity_provider: main}]
    mount_points: [{file_system: data, container_path: /data}]
"#;

fn read_with(overlay: &str) -> Result<longshore_stack::spec::Stack, Vec<Problem>> {
    let text = format!("{SHOP}environments:\n  test: {overlay}\n");
    let reading = read(text.as_bytes(), &Selection::Environment(Some("test")));
    reading.map(|reading| reading.stack)
}

// Clippy takes the functions beside `#[test]` functions for tests only when it is told so.
#[cfg(test)]
fn template(overlay: &str) -> Value {
    let stack = read_with(overlay).unwrap_or_else(|problems| panic!("{problems:#?}"));
    serde_json::from_str(&render(&stack, &Context::default()).body).unwrap()
}

/// The one problem: its path and message.
#[track_caller]
fn refused(overlay: &str) -> (String, String) {
    match read_with(overlay) {
        Ok(_) => panic!("{overlay} is not refused"),
        Err(mut problems) => {
            problems
                .retain(|problem| problem.severity == longshore_events::longshore::Severity::Error);
            assert_eq!(problems.len(), 1, "{overlay}\n{problems:#?}");
            let problem = problems.remove(0);
            (problem.path, problem.message)
        }
    }
}

/// An overlay of the service `api` with these overrides.
fn of_api(overrides: &str) -> String {
    format!("{{services: {{api: {{overrides: {overrides}}}}}}}")
}

#[test]
fn an_override_changes_the_property_that_it_names_and_nothing_else() {
    let before = template("{}");
    let after = template(&of_api(
        "{task_definition: {EnableFaultInjection: true}, service: {PlatformVersion: 1.4.0}}",
    ));
    let mut expected = before;
    expected["Resources"]["TaskDefinitionApi"]["Properties"]["EnableFaultInjection"] = json!(true);
    expected["Resources"]["ServiceApi"]["Properties"]["PlatformVersion"] = json!("1.4.0");
    assert_eq!(after, expected);
}

#[test]
fn a_container_is_changed_by_its_name_and_the_others_stay() {
    let before = template("{}");
    let after = template(&of_api(
        "{task_definition: {ContainerDefinitions: {proxy: {Interactive: true, SystemControls: [{Namespace: net.core.somaxconn, \
         Value: \"1024\"}]}}}}",
    ));
    let containers = |template: &Value| {
        template["Resources"]["TaskDefinitionApi"]["Properties"]["ContainerDefinitions"].clone()
    };
    let (before, after) = (containers(&before), containers(&after));
    assert_eq!(after[0], before[0]);
    let mut expected = before[1].clone();
    expected["Interactive"] = json!(true);
    expected["SystemControls"] = json!([{"Namespace": "net.core.somaxconn", "Value": "1024"}]);
    assert_eq!(after[1], expected);
}

#[test]
fn attributes_are_changed_by_their_keys_and_null_removes() {
    let template = template(
        "{overrides: {load_balancer: {LoadBalancerAttributes: {routing.http2.enabled: \"false\", \
         idle_timeout.timeout_seconds: \"120\"}}}, services: {api: {overrides: {target_group: {ProtocolVersion: GRPC, \
         HealthCheckPath: null, Matcher: {HttpCode: null, GrpcCode: \"12\"}}}}}}",
    );
    let attributes = &template["Resources"]["LoadBalancer"]["Properties"]["LoadBalancerAttributes"];
    assert_eq!(
        attributes[0],
        json!({"Key": "idle_timeout.timeout_seconds", "Value": "120"})
    );
    assert_eq!(
        attributes[3],
        json!({"Key": "routing.http2.enabled", "Value": "false"})
    );
    let group = &template["Resources"]["TargetGroupApi"]["Properties"];
    assert_eq!(group["ProtocolVersion"], "GRPC");
    assert!(group.get("HealthCheckPath").is_none());
    assert_eq!(group["Matcher"], json!({"GrpcCode": "12"}));
}

#[test]
fn null_removes_in_a_file_without_environments_too() {
    let text = format!("{SHOP}overrides: {{listener: {{DefaultActions: null, Port: 8080}}}}\n");
    let stack = read(text.as_bytes(), &Selection::Environment(None))
        .unwrap()
        .stack;
    let template: Value = serde_json::from_str(&render(&stack, &Context::default()).body).unwrap();
    let listener = &template["Resources"]["HttpListener"]["Properties"];
    assert!(listener.get("DefaultActions").is_none());
    assert_eq!(listener["Port"], 8080);
}

#[test]
fn an_environment_adds_to_the_overrides_of_the_file_and_removes_a_patch_by_null() {
    let text = |prod: &str| {
        format!(
            "{SHOP}overrides: {{cluster: {{Configuration: {{}}}}, capacity: {{main: {{Cooldown: \"60\"}}}}}}\n\
             environments:\n  prod: {{overrides: {prod}}}\n"
        )
    };
    for (prod, expected) in [
        (
            "{cluster: null, capacity: {main: null}}",
            json!([null, null]),
        ),
        (
            "{capacity: {main: {CapacityRebalance: true}}}",
            json!(["60", true]),
        ),
        ("{capacity: {main: {Cooldown: null}}}", json!([null, null])),
    ] {
        let text = text(prod);
        let reading = read(text.as_bytes(), &Selection::Environment(Some("prod")));
        let stack = reading
            .unwrap_or_else(|problems| panic!("{problems:#?}"))
            .stack;
        let template: Value =
            serde_json::from_str(&render(&stack, &Context::default()).body).unwrap();
        let group = &template["Resources"]["AutoScalingGroupMain"]["Properties"];
        assert_eq!(
            json!([group["Cooldown"], group["CapacityRebalance"]]),
            expected,
            "{prod}"
        );
    }
}

#[test]
fn both_target_groups_of_a_service_whose_requests_are_shifted_are_changed() {
    let template = template(
        "{services: {web: {overrides: {target_group: {TargetGroupAttributes: {slow_start.duration_seconds: \"30\"}}}}}}",
    );
    for id in ["TargetGroupWeb", "AlternateTargetGroupWeb"] {
        let attributes =
            template["Resources"][id]["Properties"]["TargetGroupAttributes"].as_array();
        assert!(
            attributes
                .unwrap()
                .contains(&json!({"Key": "slow_start.duration_seconds", "Value": "30"})),
            "{id}"
        );
    }
}

#[test]
fn every_key_of_overrides_changes_something() {
    let template = template(
        "{overrides: {cluster: {Configuration: {ExecuteCommandConfiguration: {Logging: NONE}}}, \
         file_systems: {data: {FileSystemProtection: {ReplicationOverwriteProtection: DISABLED}}}, \
         capacity: {main: {MaxInstanceLifetime: 604800}}}, \
         services: {api: {overrides: {log_group: {RetentionInDays: 14}, service_discovery: {Description: x}, \
         scalable_target: {SuspendedState: {DynamicScalingInSuspended: true}}, \
         cpu_tracking: {TargetTrackingScalingPolicyConfiguration: {DisableScaleIn: true}}, \
         cpu_alarm: {EvaluationPeriods: 9}, schedules: {nightly: {FlexibleTimeWindow: {MaximumWindowInMinutes: 5}}}}}}}",
    );
    let of = |id: &str| &template["Resources"][id]["Properties"];
    assert_eq!(
        of("Cluster")["Configuration"]["ExecuteCommandConfiguration"]["Logging"],
        "NONE"
    );
    assert_eq!(
        of("FileSystemData")["FileSystemProtection"]["ReplicationOverwriteProtection"],
        "DISABLED"
    );
    assert_eq!(of("AutoScalingGroupMain")["MaxInstanceLifetime"], 604800);
    assert_eq!(of("LogGroupApi")["RetentionInDays"], 14);
    assert_eq!(of("DiscoveryEntryApi")["Description"], "x");
    assert_eq!(
        of("ScalableTargetApi")["SuspendedState"]["DynamicScalingInSuspended"],
        true
    );
    let tracking = &of("CpuTrackingApi")["TargetTrackingScalingPolicyConfiguration"];
    assert_eq!(
        (&tracking["DisableScaleIn"], &tracking["TargetValue"]),
        (&json!(true), &json!(70))
    );
    assert_eq!(of("CpuAlarmApi")["EvaluationPeriods"], 9);
    assert_eq!(
        of("ScheduleApiNightly")["FlexibleTimeWindow"]["MaximumWindowInMinutes"],
        5
    );
}

#[test]
fn further_resources_and_outputs_refer_to_longshores_own_by_logical_id() {
    let overlay = r#"{
      resources: {
        AdminTargetGroup: {Type: "AWS::ElasticLoadBalancingV2::TargetGroup", Properties: {
          VpcId: "${stack}", Port: 9000, Protocol: HTTP, TargetType: ip}},
        AdminListener: {Type: "AWS::ElasticLoadBalancingV2::Listener", DependsOn: [AdminTargetGroup], Properties: {
          LoadBalancerArn: {Ref: LoadBalancer}, Port: 9000, Protocol: HTTP,
          DefaultActions: [{Type: forward, TargetGroupArn: {Ref: AdminTargetGroup}}]}}},
      outputs: {
        Address: {"Fn::Join": ["", ["http://", {"Fn::GetAtt": LoadBalancer.DNSName}, ":9000"]]},
        Where: "in ${AWS::Region}"}}"#;
    let template = template(&overlay.replace('\n', " "));
    assert_eq!(
        template["Resources"]["AdminListener"],
        json!({
            "Type": "AWS::ElasticLoadBalancingV2::Listener",
            "DependsOn": ["AdminTargetGroup"],
            "Properties": {
                "LoadBalancerArn": {"Ref": "LoadBalancer"}, "Port": 9000, "Protocol": "HTTP",
                "DefaultActions": [{"Type": "forward", "TargetGroupArn": {"Ref": "AdminTargetGroup"}}],
            },
        })
    );
    assert_eq!(
        template["Resources"]["AdminTargetGroup"]["Properties"]["VpcId"],
        "shop-test"
    );
    assert_eq!(
        template["Outputs"]["Address"]["Value"],
        json!({"Fn::Join": ["", ["http://", {"Fn::GetAtt": ["LoadBalancer", "DNSName"]}, ":9000"]]})
    );
    assert_eq!(
        template["Outputs"]["Where"]["Value"],
        json!({"Fn::Sub": "in ${AWS::Region}"})
    );
}

#[test]
fn further_outputs_are_shown_beside_longshores_own() {
    let stack =
        read_with("{outputs: {Zone: {\"Fn::GetAtt\": [LoadBalancer, CanonicalHostedZoneID]}}}")
            .unwrap();
    let rendered = render(&stack, &Context::default());
    assert_eq!(names(&stack, &rendered.outputs)["Zone"], "Zone");
    let values = [("Outputs", "Zone"), ("Zone", "Z1")];
    let values = values.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(
        outputs(&values.into_iter().collect())["outputs"],
        json!({"Zone": "Z1"})
    );
}

/// Each with the path of the problem and a part of its message.
const REFUSED: &[(&str, &str, &str)] = &[
    // Braces that an escape or a pseudo parameter would leave.
    (
        "{service: {PlatformVersion: {\"Fn::Select\": [1, {\"Fn::Split\": [\"$\", \"$${AWS::Region}\"]}]}}}",
        "service.PlatformVersion[\"Fn::Select\"][1][\"Fn::Split\"][1]",
        "cannot have braces",
    ),
    // What is refused inside cannot be removed with what it is in.
    (
        "{task_definition: {RuntimePlatform: null}}",
        "task_definition.RuntimePlatform",
        "cannot be overridden",
    ),
    (
        "{schedules: {nightly: {Target: {EcsParameters: null}}}}",
        "schedules.nightly.Target.EcsParameters",
        "cannot be overridden",
    ),
    (
        "{schedules: {nightly: {Target: {DeadLetterConfig: null}}}}",
        "schedules.nightly.Target.DeadLetterConfig",
        "runs that could not begin",
    ),
    (
        "{service: {SchedulingStrategy: DAEMON}}",
        "service.SchedulingStrategy",
        "use `scheduling_strategy`",
    ),
    // The names of concepts, properties, containers.
    (
        "{task_definitions: {}}",
        "task_definitions",
        "did you mean `task_definition`?",
    ),
    (
        "{task_definition: {Ulimit: 1}}",
        "task_definition.Ulimit",
        "AWS::ECS::TaskDefinition has no such property here",
    ),
    (
        "{task_definition: {ContainerDefinitions: {api: {Ulimit: []}}}}",
        "task_definition.ContainerDefinitions.api.Ulimit",
        "did you mean `Ulimits`?",
    ),
    (
        "{task_definition: {ContainerDefinitions: {prox: {Hostname: x}}}}",
        "task_definition.ContainerDefinitions.prox",
        "did you mean `proxy`?",
    ),
    (
        "{schedules: {nightl: {State: DISABLED}}}",
        "schedules.nightl",
        "no `nightl` among its `schedules`",
    ),
    (
        "{scale_in_alarm: {}}",
        "scale_in_alarm",
        "there is no such key",
    ),
    (
        "{scale_in_policy: {PolicyType: x}}",
        "scale_in_policy",
        "it has one with `scaling` that goes by steps",
    ),
    (
        "{service: {VolumeConfigurations: 1}}",
        "service.VolumeConfigurations",
        "expected a list",
    ),
    (
        "{service: {PlatformVersion: [1]}}",
        "service.PlatformVersion",
        "expected a text, a number or a boolean",
    ),
    // What a key says.
    (
        "{task_definition: {Cpu: 512}}",
        "task_definition.Cpu",
        "use `cpu`",
    ),
    (
        "{service: {DesiredCount: 2}}",
        "service.DesiredCount",
        "use `desired_count` or `scaling`",
    ),
    // What deployments, records and permissions are built on.
    (
        "{task_definition: {ContainerDefinitions: {api: {Image: x}}}}",
        "task_definition.ContainerDefinitions.api.Image",
        "use `image`; deployments replace it",
    ),
    (
        "{task_definition: {ContainerDefinitions: {api: null}}}",
        "task_definition.ContainerDefinitions.api",
        "a container cannot be removed here",
    ),
    (
        "{task_definition: {ContainerDefinitions: {\"Fn::Split\": [x, y]}}}",
        "task_definition.ContainerDefinitions",
        "give a map of what is different",
    ),
    (
        "{task_definition: {ContainerDefinitions: {api: {Ref: Cluster}}}}",
        "task_definition.ContainerDefinitions.api",
        "give a map of what is different",
    ),
    (
        "{task_definition: {ContainerDefinitions: [{Name: api}]}}",
        "task_definition.ContainerDefinitions",
        "give a map of what is different",
    ),
    (
        "{task_definition: {ContainerDefinitions: {api: {LogConfiguration: {LogDriver: none}}}}}",
        "task_definition.ContainerDefinitions.api.LogConfiguration",
        "read the service's log group",
    ),
    (
        "{task_definition: {Tags: []}}",
        "task_definition.Tags",
        "use the stack's `tags`",
    ),
    (
        "{task_definition: {TaskRoleArn: x}}",
        "task_definition.TaskRoleArn",
        "use `task_role_arn`",
    ),
    (
        "{service: {Cluster: other}}",
        "service.Cluster",
        "its own cluster",
    ),
    (
        "{service: {TaskDefinition: x}}",
        "service.TaskDefinition",
        "deployments change it",
    ),
    (
        "{service: {ServiceConnectConfiguration: {Enabled: true, Namespace: other}}}",
        "service.ServiceConnectConfiguration.Namespace",
        "expected a resource of this stack",
    ),
    (
        "{service: {VolumeConfigurations: [{Name: x, ManagedEBSVolume: {RoleArn: x}}]}}",
        "service.VolumeConfigurations[0].ManagedEBSVolume.RoleArn",
        "gives roles to tasks only",
    ),
    (
        "{schedules: {nightly: {Target: {EcsParameters: {TaskDefinitionArn: x}}}}}",
        "schedules.nightly.Target.EcsParameters.TaskDefinitionArn",
        "a task of the service",
    ),
    // What the containers of other tasks are kept apart by.
    (
        "{task_definition: {ContainerDefinitions: {api: {Privileged: true}}}}",
        "task_definition.ContainerDefinitions.api.Privileged",
        "the rights of every task there",
    ),
    (
        "{task_definition: {Volumes: {root: {Host: {SourcePath: /}}}}}",
        "task_definition.Volumes.root.Host",
        "the rights of every task there",
    ),
    (
        "{task_definition: {PidMode: host}}",
        "task_definition.PidMode",
        "only `task`",
    ),
    (
        "{task_definition: {ContainerDefinitions: {api: {LinuxParameters: {Capabilities: {Add: [NET_ADMIN]}}}}}}",
        "task_definition.ContainerDefinitions.api.LinuxParameters.Capabilities.Add",
        "only `SYS_PTRACE`",
    ),
    // What CloudFormation's role may not do.
    (
        "{scalable_target: {ScheduledActions: []}}",
        "scalable_target.ScheduledActions",
        "use `scaling.scheduled`",
    ),
    (
        "{listener_rule: {Actions: []}}",
        "listener_rule",
        "a rule also needs paths or hosts",
    ),
    (
        "{cpu_alarm: {AlarmActions: [\"arn:aws:automate:eu-west-1:ec2:stop\"]}}",
        "cpu_alarm.AlarmActions",
        "SNS topics",
    ),
    // Functions.
    (
        "{service: {PlatformVersion: {\"Fn::Sub\": x}}}",
        "service.PlatformVersion",
        "cannot use this function",
    ),
    (
        "{service: {PlatformVersion: {\"Fn::ImportValue\": x}}}",
        "service.PlatformVersion",
        "cannot use this function",
    ),
    (
        "{service: {PlatformVersion: {Ref: Clustr}}}",
        "service.PlatformVersion",
        "did you mean `Cluster`?",
    ),
    (
        "{service: {PlatformVersion: {Ref: Cluster, x: 1}}}",
        "service.PlatformVersion",
        "stands alone in its map",
    ),
    (
        "{service: {PlatformVersion: {\"Fn::Join\": [\"{\", [\"\", \"resolve:ssm:x\"]]}}}",
        "service.PlatformVersion[\"Fn::Join\"][0]",
        "cannot have braces",
    ),
    (
        "{service: {PlatformVersion: \"{{resolve:ssm:x}}\"}}",
        "service.PlatformVersion",
        "{{resolve:",
    ),
];

#[test]
fn what_breaks_a_promise_is_refused_at_its_place_with_the_reason() {
    for (overrides, path, message) in REFUSED {
        let (found, said) = refused(&of_api(overrides));
        let found = found.replace("environments.test.", "");
        assert_eq!(
            found,
            format!("services.api.overrides.{path}"),
            "{overrides}: {said}"
        );
        assert!(said.contains(message), "{overrides}: {said}");
    }
}

#[test]
fn what_breaks_no_promise_is_taken_where_its_neighbours_are_refused() {
    for overrides in [
        "{task_definition: {ContainerDefinitions: {api: {LinuxParameters: {Capabilities: {Add: [SYS_PTRACE], Drop: [ALL]}}}}}}",
        "{task_definition: {PidMode: task}}",
        "{cpu_alarm: {AlarmActions: [\"arn:aws:sns:eu-west-1:111122223333:shop\", {Ref: CpuTrackingApi}]}}",
        "{cpu_alarm: {AlarmActions: [\"arn:${AWS::Partition}:sns:${AWS::Region}:${AWS::AccountId}:shop\"]}}",
        "{cpu_alarm: {AlarmActions: null}}",
        "{target_group: {HealthCheckPath: null}}",
        "{service: {ServiceConnectConfiguration: {Enabled: true, Namespace: {\"Fn::GetAtt\": [DiscoveryNamespace, Arn]}}}}",
        "{service: {LoadBalancers: [{ContainerName: api, ContainerPort: 8080, TargetGroupArn: {Ref: TargetGroupApi}}]}}",
        "{task_definition: {Volumes: {cache: {EFSVolumeConfiguration: {FilesystemId: {Ref: FileSystemData}}}}}}",
    ] {
        template(&of_api(overrides));
    }
}

#[test]
fn what_ecs_shifts_requests_by_cannot_be_overridden() {
    for (overrides, path) in [
        ("{listener_rule: {Actions: []}}", "listener_rule.Actions"),
        ("{service: {LoadBalancers: []}}", "service.LoadBalancers"),
    ] {
        let (found, said) = refused(&format!(
            "{{services: {{web: {{overrides: {overrides}}}}}}}"
        ));
        assert_eq!(found, format!("services.web.overrides.{path}"));
        assert!(said.contains("ECS moves the service's requests"), "{said}");
    }
}

#[test]
fn spot_capacity_of_several_instance_types_is_an_override_with_the_stacks_own_launch_template() {
    let mixed = |id: &str| {
        format!(
            "{{overrides: {{capacity: {{main: {{LaunchTemplate: null, MixedInstancesPolicy: {{InstancesDistribution: \
             {{OnDemandPercentageAboveBaseCapacity: 0}}, LaunchTemplate: {{LaunchTemplateSpecification: \
             {{LaunchTemplateId: {id}, Version: \"1\"}}, Overrides: [{{InstanceType: t3.medium}}]}}}}}}}}}}}}"
        )
    };
    let template = template(&mixed("{Ref: LaunchTemplateMain}"));
    let group = &template["Resources"]["AutoScalingGroupMain"]["Properties"];
    assert!(group.get("LaunchTemplate").is_none());
    let (path, said) = refused(&mixed("lt-0a1b2c3d"));
    assert!(path.ends_with("LaunchTemplateId"), "{path}");
    assert!(
        said.contains("another stack's is not this one's to change"),
        "{said}"
    );
    let (_, said) =
        refused("{overrides: {capacity: {main: {LaunchTemplate: {LaunchTemplateId: lt-1}}}}}");
    assert!(said.contains("null removes it"), "{said}");
}

#[test]
fn further_resources_that_reach_beyond_the_stack_are_refused() {
    for (id, resource, path, message) in [
        ("X", "{Type: \"AWS::SQS::Queue\"}", "X.Type", "use `queues`"),
        (
            "X",
            "{Type: \"AWS::CloudWatch::Alar\"}",
            "X.Type",
            "did you mean `AWS::CloudWatch::Alarm`?",
        ),
        (
            "X",
            "{Type: \"AWS::IAM::Role\"}",
            "X.Type",
            "use its `task_role_statements`",
        ),
        (
            "X",
            "{Type: \"AWS::CloudFormation::Stack\"}",
            "X.Type",
            "rights that no stack has",
        ),
        (
            "X",
            "{Type: \"Custom::Thing\"}",
            "X.Type",
            "rights that no stack has",
        ),
        (
            "X",
            "{Type: \"AWS::ECS::Service\"}",
            "X.Type",
            "use `services`",
        ),
        (
            "X",
            "{Type: \"AWS::Route53::RecordSet\"}",
            "X.Type",
            "other names of the zone could be taken",
        ),
        (
            "TargetGroupX",
            "{Type: \"AWS::ElasticLoadBalancingV2::TargetGroup\"}",
            "TargetGroupX",
            "called so, or begin so",
        ),
        (
            "a-b",
            "{Type: \"AWS::EC2::SecurityGroup\"}",
            "a-b",
            "letters and digits",
        ),
        (
            "X",
            "{Type: \"AWS::CloudWatch::Alarm\", Properties: {AlarmName: x}}",
            "X.Properties.AlarmName",
            "a name of its own",
        ),
        (
            "X",
            "{Type: \"AWS::EC2::SecurityGroupIngress\", Properties: {IpProtocol: tcp, GroupId: sg-0a1b2c3d}}",
            "X.Properties.GroupId",
            "expected a resource of this stack",
        ),
        (
            "X",
            "{Type: \"AWS::ElasticLoadBalancingV2::ListenerRule\", Properties: {Priority: 1, ListenerArn: \"arn:x\"}}",
            "X.Properties.ListenerArn",
            "expected a resource of this stack",
        ),
        (
            "X",
            "{Type: \"AWS::ApplicationAutoScaling::ScalingPolicy\", Properties: {ResourceId: service/other/api}}",
            "X.Properties.ResourceId",
            "use `ScalingTargetId`",
        ),
        (
            "X",
            "{Type: \"AWS::Logs::LogGroup\"}",
            "X.Properties",
            "begins with `/longshore/shop-test/`",
        ),
        (
            "X",
            "{Type: \"AWS::Logs::LogGroup\", Properties: {LogGroupName: /ecs/other/x}}",
            "X.Properties.LogGroupName",
            "begins with `/longshore/shop-test/`",
        ),
        (
            "X",
            "{Type: \"AWS::EC2::SecurityGroup\", DependsOn: [Clustr]}",
            "X.DependsOn[0]",
            "did you mean `Cluster`?",
        ),
        (
            "X",
            "{Type: \"AWS::EC2::SecurityGroup\", DeletionPolicy: Retain}",
            "X.DeletionPolicy",
            "no such key",
        ),
        ("X", "{Properties: {}}", "X.Type", "it is missing"),
    ] {
        let (found, said) = refused(&format!("{{resources: {{{id}: {resource}}}}}"));
        let found = found.replace("environments.test.", "");
        assert!(
            found.starts_with(&format!("resources.{path}")),
            "{resource}: {found}: {said}"
        );
        assert!(said.contains(message), "{resource}: {said}");
    }
}

#[test]
fn outputs_show_no_secret_and_hide_none_of_longshores_own() {
    let with_secret = "services: {api: {secrets: {TOKEN: {value: hush}}}}, ";
    for (overlay, message) in [
        (
            format!("{{{with_secret}outputs: {{Token: {{Ref: SensitiveValueApiToken}}}}}}"),
            "no resource of this logical id",
        ),
        (
            "{outputs: {ClusterName: x}}".to_owned(),
            "outputs of Longshore's own",
        ),
        (
            "{outputs: {ServiceArnFuture: x}}".to_owned(),
            "outputs of Longshore's own",
        ),
        ("{outputs: {a_b: x}}".to_owned(), "letters and digits"),
        ("{outputs: {A: [1]}}".to_owned(), "not a value of an output"),
        ("{outputs: {A: {B: 1}}}".to_owned(), "this is a map"),
    ] {
        let (_, said) = refused(&overlay);
        assert!(said.contains(message), "{overlay}: {said}");
    }
}

#[test]
fn editors_know_the_keys_of_overrides() {
    let schema = schema();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let mut file = json!({
        "name": "shop",
        "network": {"vpc_id": "vpc-1", "subnet_ids": ["subnet-1"]},
        "services": {"api": {"image": "shop/api:v1", "overrides": {
            "task_definition": {"ContainerDefinitions": {"api": {"Hostname": null}}},
        }}},
        "resources": {"A": {"Type": "AWS::CloudWatch::Alarm", "Properties": {"Threshold": 1}}},
        "outputs": {"A": {"Ref": "A"}},
    });
    assert!(validator.is_valid(&file));
    file["services"]["api"]["overrides"]["task"] = json!({});
    assert!(!validator.is_valid(&file));
}

#[test]
fn the_examples_of_the_documentation_are_taken() {
    let path = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/stacks.md");
    let document = std::fs::read_to_string(path).unwrap();
    let (_, section) = document.split_once("## What no key says").unwrap();
    let blocks = section.split("```yaml\n").skip(1).take(2);
    let examples: String = blocks
        .filter_map(|block| block.split("```").next())
        .collect();
    let text = format!(
        "name: shop\n\
         network: {{vpc_id: vpc-0a1b2c3d, subnet_ids: [subnet-0a1b2c3d, subnet-1a1b2c3d]}}\n\
         load_balancer:\n  \
         subnet_ids: [subnet-2a1b2c3d, subnet-3a1b2c3d]\n  \
         certificate_arns: [\"arn:aws:acm:eu-west-1:111122223333:certificate/0a1b2c3d-0000-0000-0000-000000000001\"]\n\
         {examples}"
    );
    let reading = read(text.as_bytes(), &Selection::Environment(None));
    let stack = reading
        .unwrap_or_else(|problems| panic!("{problems:#?}\n{text}"))
        .stack;
    assert_eq!(stack.resources.len(), 2);
}

#[test]
fn a_further_resource_is_added_to_what_it_names_by_its_id_and_not_by_a_text_of_the_file() {
    let ingress = |group: &str| {
        format!(
            "{{cluster: {{cluster_name: sg-0a1b2c3d4e5f60718}}, resources: {{Open: {{Type: \
             \"AWS::EC2::SecurityGroupIngress\", Properties: {{GroupId: {group}, IpProtocol: tcp, FromPort: 80, \
             ToPort: 80, CidrIp: 10.0.0.0/8}}}}}}}}"
        )
    };
    for group in [
        "{Ref: Cluster}",
        "{\"Fn::GetAtt\": [ServiceApi, Name]}",
        "{\"Fn::GetAtt\": [SecurityGroupApi, VpcId]}",
    ] {
        let (found, said) = refused(&ingress(group));
        assert_eq!(found, "resources.Open.Properties.GroupId", "{group}");
        assert!(said.contains("expected a resource of this stack"), "{said}");
    }
    for group in [
        "{Ref: LoadBalancerSecurityGroup}",
        "{\"Fn::GetAtt\": [SecurityGroupApi, GroupId]}",
    ] {
        template(&ingress(group));
    }
}

#[test]
fn a_service_waits_for_the_rule_that_sends_to_a_target_group_of_its_own_choice() {
    let template = template(
        "{services: {api: {overrides: {service: {LoadBalancers: [{ContainerName: api, ContainerPort: 8080, \
         TargetGroupArn: {Ref: AdminTargetGroup}}]}}}}, resources: {AdminTargetGroup: {Type: \
         \"AWS::ElasticLoadBalancingV2::TargetGroup\", Properties: {VpcId: vpc-0a1b2c3d, Port: 9000, Protocol: HTTP, \
         TargetType: ip}}, AdminRule: {Type: \"AWS::ElasticLoadBalancingV2::ListenerRule\", Properties: {ListenerArn: \
         {Ref: HttpListener}, Priority: 5, Conditions: [{Field: host-header, HostHeaderConfig: {Values: \
         [admin.example.com]}}], Actions: [{Type: forward, TargetGroupArn: {Ref: AdminTargetGroup}}]}}}}",
    );
    let waits_for = template["Resources"]["ServiceApi"]["DependsOn"].as_array();
    assert!(
        waits_for.is_some_and(|ids| ids.contains(&json!("AdminRule"))),
        "{waits_for:?}"
    );
}
