//! What each stack file of `stacks/` promises, property by property.

use longshore_stack::outputs;
use longshore_stack::render::render;
use serde_json::{Value, json};

use super::support::{Template, context, file, stack};

const PREFIX: &str = "${AWS::AccountId}.dkr.ecr.${AWS::Region}.${AWS::URLSuffix}";

fn sub(text: &str) -> Value {
    json!({"Fn::Sub": text})
}

fn names(name: &str, environment: &str) -> std::collections::BTreeMap<String, String> {
    let stack = stack(&file(name), Some(environment));
    outputs::names(&stack, &render(&stack, &context()).outputs)
}

#[test]
fn stellar_insights_runs_on_instances_that_differ_by_environment() {
    // Environment, instance type, least and most instances, CPU, memory.
    for (environment, instance_type, min, max, cpu, memory) in [
        ("dev", "t3.micro", "1", "4", "256", "512"),
        ("staging", "t3.small", "2", "4", "512", "1024"),
        ("prod", "t3.small", "3", "5", "512", "1024"),
    ] {
        let template = Template::of("stellar-insights", environment);
        let cluster = template.properties("Cluster");
        assert_eq!(
            cluster["ClusterName"],
            format!("stellar-insights-{environment}")
        );

        let launch = &template.properties("LaunchTemplateMain")["LaunchTemplateData"];
        assert_eq!(launch["InstanceType"], instance_type);
        assert_eq!(
            launch["ImageId"],
            "resolve:ssm:/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended/image_id"
        );
        assert_eq!(launch["MetadataOptions"]["HttpTokens"], "required");
        let volume = &launch["BlockDeviceMappings"][0]["Ebs"];
        assert_eq!(volume["Encrypted"], true);
        assert_eq!(volume["VolumeType"], "gp3");
        let user_data = launch["UserData"]["Fn::Base64"]["Fn::Sub"]
            .as_str()
            .unwrap();
        assert!(
            user_data.contains("ECS_CLUSTER=${Cluster}\n"),
            "{user_data}"
        );
        // For this one the agent would need a right for the tags of the whole account.
        assert!(!user_data.contains("PROPAGATE_TAGS"), "{user_data}");
        assert_eq!(
            launch["IamInstanceProfile"]["Arn"],
            json!({"Fn::GetAtt": ["InstanceProfileMain", "Arn"]})
        );
        let profile = template.properties("InstanceProfileMain");
        assert_eq!(profile["Roles"], json!([{"Ref": "InstanceRoleMain"}]));
        let actions = template.statements("InstanceRoleMain").into_iter();
        let actions = actions.flat_map(|statement| statement["Action"].as_array().unwrap());
        let actions: Vec<&str> = actions.map(|action| action.as_str().unwrap()).collect();
        assert!(actions.contains(&"ecs:RegisterContainerInstance"));
        assert!(
            actions.iter().all(|action| action.starts_with("ecs:")),
            "{actions:?}"
        );

        let group = template.properties("AutoScalingGroupMain");
        assert_eq!(
            (&group["MinSize"], &group["MaxSize"]),
            (&json!(min), &json!(max))
        );
        let provider = &template.properties("CapacityProviderMain")["AutoScalingGroupProvider"];
        assert_eq!(provider["ManagedScaling"]["Status"], "ENABLED");
        assert_eq!(provider["ManagedDraining"], "ENABLED");
        assert_eq!(
            template.properties("ClusterCapacity")["CapacityProviders"],
            json!(["FARGATE", "FARGATE_SPOT", {"Ref": "CapacityProviderMain"}])
        );

        let task = template.properties("TaskDefinitionBackend");
        assert_eq!(task["RequiresCompatibilities"], json!(["EC2"]));
        assert_eq!(
            (&task["Cpu"], &task["Memory"]),
            (&json!(cpu), &json!(memory))
        );
        let container = template.container("Backend");
        assert_eq!(
            container["Image"],
            sub(&format!("{PREFIX}/stellar-insights-backend:latest"))
        );
        assert_eq!(container["PortMappings"][0]["ContainerPort"], 8080);
        assert_eq!(container["StopTimeout"], 30);
        assert_eq!(container["HealthCheck"]["Interval"], 30);
        let check = container["HealthCheck"]["Command"][1].as_str().unwrap();
        assert!(check.contains("http://localhost:8080/health"), "{check}");

        assert_eq!(template.variable("Backend", "ENVIRONMENT"), environment);
        assert_eq!(
            template.variable("Backend", "VAULT_ADDR"),
            "https://vault.stellar-insights.example:8200"
        );
        assert_eq!(
            template.variable("Backend", "VAULT_ROLE"),
            &format!("stellar-insights-{environment}")
        );
        assert_eq!(
            template.variable("Backend", "VAULT_SECRET_PATHS"),
            &format!("secret/data/stellar-insights/{environment}")
        );
        for (variable, secret) in [("DATABASE_URL", "database_url"), ("REDIS_URL", "redis_url")] {
            assert_eq!(
                template.secret("Backend", variable),
                &sub(&format!(
                    "arn:${{AWS::Partition}}:secretsmanager:${{AWS::Region}}:${{AWS::AccountId}}:\
                     secret:stellar-insights/{environment}/{secret}"
                ))
            );
            assert!(template.variable("Backend", variable).is_null());
        }

        let service = template.properties("ServiceBackend");
        assert_eq!(
            service["CapacityProviderStrategy"],
            json!([{"CapacityProvider": {"Ref": "CapacityProviderMain"}, "Weight": 1, "Base": 0}])
        );
        assert!(service["LaunchType"].is_null());
        let network = &service["NetworkConfiguration"]["AwsvpcConfiguration"];
        assert_eq!(network["SecurityGroups"], json!(["sg-0a1b2c3d4e5f60003"]));
        assert_eq!(network["Subnets"].as_array().unwrap().len(), 2);
        let target = &service["LoadBalancers"][0];
        assert_eq!(
            (&target["ContainerName"], &target["ContainerPort"]),
            (&json!("backend"), &json!(8080))
        );
        assert!(
            target["TargetGroupArn"]
                .as_str()
                .unwrap()
                .contains("targetgroup/stellar-insights/")
        );
        assert!(
            template
                .ids("AWS::ElasticLoadBalancingV2::TargetGroup")
                .is_empty()
        );

        for alarm in [
            "CpuAlarmBackend",
            "MemoryAlarmBackend",
            "RunningTasksAlarmBackend",
            "CapacityAlarmMain",
        ] {
            assert_eq!(
                template.properties(alarm)["TreatMissingData"],
                "notBreaching"
            );
        }
        let log_group = template.properties("LogGroupBackend");
        assert_eq!(
            log_group["LogGroupName"],
            format!("/ecs/stellar-insights-{environment}/backend")
        );
        let names = names("stellar-insights", environment);
        template.has_outputs(
            &names,
            &[
                "cluster_name",
                "cluster_arn",
                "service_name",
                "service_arn",
                "asg_name",
            ],
        );
    }
}

#[test]
fn stellar_insights_scales_within_two_minutes_out_and_five_in_and_only_in_production() {
    let template = Template::of("stellar-insights", "prod");
    for (alarm, comparison, most_seconds, policy) in [
        (
            "ScaleOutAlarmBackendCpu",
            "GreaterThanThreshold",
            120,
            "ScaleOutPolicyBackend",
        ),
        (
            "ScaleInAlarmBackend",
            "LessThanThreshold",
            300,
            "ScaleInPolicyBackend",
        ),
    ] {
        let properties = template.properties(alarm);
        assert_eq!(properties["MetricName"], "CPUUtilization");
        assert_eq!(properties["Threshold"], 70);
        assert_eq!(properties["ComparisonOperator"], comparison);
        assert_eq!(properties["AlarmActions"], json!([{"Ref": policy}]));
        let seconds = properties["Period"].as_u64().unwrap()
            * properties["EvaluationPeriods"].as_u64().unwrap();
        // CloudWatch has a minute's values a minute later.
        assert!(seconds + 60 <= most_seconds, "{alarm}: {seconds}");
        let cooldown = &template.properties(policy)["StepScalingPolicyConfiguration"]["Cooldown"];
        assert!(cooldown.as_u64().unwrap() <= most_seconds);
    }
    assert!(template.properties("ServiceBackend")["DesiredCount"].is_null());

    for (environment, count) in [("dev", 1), ("staging", 2)] {
        let template = Template::of("stellar-insights", environment);
        assert!(
            template
                .ids("AWS::ApplicationAutoScaling::ScalableTarget")
                .is_empty()
        );
        assert_eq!(template.properties("ServiceBackend")["DesiredCount"], count);
    }
}

#[test]
fn classla_runs_on_fargate_with_secrets_by_json_key() {
    for environment in ["dev", "prod"] {
        let template = Template::of("classla", environment);
        assert_eq!(
            template.properties("Cluster")["ClusterSettings"],
            json!([{"Name": "containerInsights", "Value": "enabled"}])
        );
        let task = template.properties("TaskDefinitionBackend");
        assert_eq!(task["RequiresCompatibilities"], json!(["FARGATE"]));
        assert_eq!(task["NetworkMode"], "awsvpc");
        assert_eq!(
            (&task["Cpu"], &task["Memory"]),
            (&json!("512"), &json!("1024"))
        );
        let container = template.container("Backend");
        assert_eq!(container["PortMappings"][0]["ContainerPort"], 3001);
        assert_eq!(template.variable("Backend", "PORT"), "3001");
        assert_eq!(template.variable("Backend", "NODE_ENV"), "production");
        let check = &container["HealthCheck"];
        assert_eq!(
            (&check["Interval"], &check["StartPeriod"], &check["Retries"]),
            (&json!(30), &json!(60), &json!(3))
        );
        assert!(
            check["Command"][1]
                .as_str()
                .unwrap()
                .contains("localhost:3001/health")
        );

        let arn = "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:";
        for (variable, secret) in [
            ("SUPABASE_URL", "supabase_credentials"),
            ("SUPABASE_ANON_KEY", "supabase_credentials"),
            ("SUPABASE_SERVICE_ROLE_KEY", "supabase_credentials"),
            ("WORKOS_API_KEY", "workos_credentials"),
            ("WORKOS_CLIENT_ID", "workos_credentials"),
            ("SESSION_SECRET", "app_secrets"),
        ] {
            assert_eq!(
                template.secret("Backend", variable),
                &sub(&format!("{arn}{secret}:{variable}::"))
            );
        }
        let reads = template.statement("ExecutionRoleBackend", "ReadSecrets");
        assert_eq!(reads["Action"], json!(["secretsmanager:GetSecretValue"]));
        let secrets = ["app_secrets", "supabase_credentials", "workos_credentials"];
        let secrets = secrets.map(|secret| sub(&format!("{arn}{secret}-??????")));
        assert_eq!(reads["Resource"], json!(secrets));
        assert_eq!(
            template.statement("ExecutionRoleBackend", "Pull")["Resource"],
            json!([sub(
                "arn:${AWS::Partition}:ecr:${AWS::Region}:${AWS::AccountId}:repository/classla-backend"
            )])
        );
        assert!(template.statements("TaskRoleBackend").is_empty());

        let group = template.properties("SecurityGroupBackend");
        assert_eq!(
            group["SecurityGroupIngress"],
            json!([{
                "IpProtocol": "tcp", "FromPort": 3001, "ToPort": 3001,
                "SourceSecurityGroupId": "sg-0a1b2c3d4e5f60003",
                "Description": "The load balancer",
            }])
        );
        let service = template.properties("ServiceBackend");
        assert_eq!(service["LaunchType"], "FARGATE");
        assert_eq!(
            service["NetworkConfiguration"]["AwsvpcConfiguration"]["AssignPublicIp"],
            "DISABLED"
        );
        assert_eq!(service["HealthCheckGracePeriodSeconds"], 60);
        let deployment = &service["DeploymentConfiguration"];
        assert_eq!(
            (
                &deployment["MaximumPercent"],
                &deployment["MinimumHealthyPercent"]
            ),
            (&json!(200), &json!(100))
        );
        assert!(service["DesiredCount"].is_null());

        let target = template.properties("ScalableTargetBackend");
        assert_eq!(
            (&target["MinCapacity"], &target["MaxCapacity"]),
            (&json!(1), &json!(2))
        );
        for (policy, metric, value) in [
            ("CpuTrackingBackend", "ECSServiceAverageCPUUtilization", 70),
            (
                "MemoryTrackingBackend",
                "ECSServiceAverageMemoryUtilization",
                80,
            ),
        ] {
            let tracking = &template.properties(policy)["TargetTrackingScalingPolicyConfiguration"];
            assert_eq!(tracking["TargetValue"], value);
            assert_eq!(tracking["ScaleOutCooldown"], 60);
            assert_eq!(tracking["ScaleInCooldown"], 300);
            assert_eq!(
                tracking["PredefinedMetricSpecification"]["PredefinedMetricType"],
                metric
            );
        }
        assert_eq!(
            template.properties("LogGroupBackend")["RetentionInDays"],
            90
        );
        template.has_outputs(
            &names("classla", environment),
            &[
                "cluster_name",
                "cluster_arn",
                "service_name",
                "task_definition_arn",
                "security_group_id",
                "task_execution_role_arn",
                "task_role_arn",
            ],
        );
    }
}

#[test]
fn paperwurks_balances_load_between_services_and_keeps_workers_on_spot() {
    for environment in ["dev", "staging", "prod"] {
        let template = Template::of("paperwurks", environment);
        let balancer = template.properties("LoadBalancer");
        assert_eq!(balancer["Type"], "application");
        assert_eq!(balancer["Scheme"], "internet-facing");
        let http = template.properties("HttpListener");
        assert_eq!(
            (&http["Port"], &http["Protocol"]),
            (&json!(80), &json!("HTTP"))
        );
        assert_eq!(
            http["DefaultActions"][0]["RedirectConfig"]["Protocol"],
            "HTTPS"
        );
        let https = template.properties("HttpsListener");
        assert_eq!(
            (&https["Port"], &https["Protocol"]),
            (&json!(443), &json!("HTTPS"))
        );
        let certificate = https["Certificates"][0]["CertificateArn"].as_str().unwrap();
        assert!(certificate.starts_with("arn:aws:acm:"), "{certificate}");

        let rule = template.properties("ListenerRuleBackend");
        assert_eq!(rule["ListenerArn"], json!({"Ref": "HttpsListener"}));
        assert_eq!(rule["Priority"], 10);
        assert_eq!(
            rule["Conditions"],
            json!([{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/api/*", "/health"]}}])
        );
        let rule = template.properties("ListenerRuleWebhooks");
        assert_eq!(rule["Priority"], 20);
        assert_eq!(
            rule["Conditions"],
            json!([{"Field": "host-header", "HostHeaderConfig": {
                "Values": ["hooks.paperwurks.example", "*.hooks.paperwurks.example"]
            }}])
        );
        for service in ["Backend", "Webhooks"] {
            let id = format!("TargetGroup{service}");
            let attribute = |key| template.attribute(&id, "TargetGroupAttributes", key);
            assert_eq!(attribute("deregistration_delay.timeout_seconds"), "30");
            assert_eq!(attribute("load_balancing.cross_zone.enabled"), "true");
            let id = format!("Service{service}");
            assert_eq!(
                template.properties(&id)["CapacityProviderStrategy"][0]["CapacityProvider"],
                json!({"Ref": "CapacityProviderMain"})
            );
            let before = template.resource(&id)["DependsOn"].as_array().unwrap();
            assert!(before.contains(&json!("HttpsListener")), "{before:?}");
        }
        for service in ["Worker", "Mailer"] {
            let properties = template.properties(&format!("Service{service}"));
            assert_eq!(
                properties["CapacityProviderStrategy"],
                json!([{"CapacityProvider": "FARGATE_SPOT", "Weight": 1, "Base": 0}])
            );
            assert!(properties["LoadBalancers"].is_null());
        }
        for service in ["Backend", "Webhooks", "Worker", "Mailer"] {
            assert_eq!(
                template.properties(&format!("Service{service}"))["DeploymentConfiguration"],
                json!({
                    "Strategy": "ROLLING", "MaximumPercent": 200, "MinimumHealthyPercent": 100,
                    "DeploymentCircuitBreaker": {"Enable": true, "Rollback": true},
                })
            );
            assert_eq!(template.variable(service, "ENVIRONMENT"), environment);
        }
        // Only the load balancer reaches the services behind it, and it reaches only them.
        assert_eq!(
            template.properties("SecurityGroupBackend")["SecurityGroupIngress"],
            json!([{
                "IpProtocol": "tcp", "FromPort": 8000, "ToPort": 8000,
                "SourceSecurityGroupId": {"Fn::GetAtt": ["LoadBalancerSecurityGroup", "GroupId"]},
                "Description": "The load balancer",
            }])
        );
        assert!(template.properties("SecurityGroupWorker")["SecurityGroupIngress"].is_null());
        assert_eq!(
            template.properties("LoadBalancerEgressBackend")["DestinationSecurityGroupId"],
            json!({"Fn::GetAtt": ["SecurityGroupBackend", "GroupId"]})
        );

        let names = names("paperwurks", environment);
        template.has_outputs(
            &names,
            &["cluster_arn", "load_balancer_dns_name", "asg_name"],
        );
        for service in ["Backend", "Webhooks", "Worker", "Mailer"] {
            for output in ["ServiceArn", "TaskRoleArn", "TaskExecutionRoleArn"] {
                assert!(template.0["Outputs"][format!("{output}{service}")].is_object());
            }
        }
    }
}

#[test]
fn paperwurks_environments_differ_as_they_are_said_to_and_in_nothing_else() {
    // Environment, least and most instances, instance type, health check, retention of logs.
    for (environment, min, max, instance_type, (interval, unhealthy), retention) in [
        ("dev", "1", "3", "t3.medium", (60, 5), 7),
        ("staging", "1", "3", "t3.medium", (30, 3), 14),
        ("prod", "2", "6", "t3.large", (10, 2), 30),
    ] {
        let template = Template::of("paperwurks", environment);
        let group = template.properties("AutoScalingGroupMain");
        assert_eq!(
            (&group["MinSize"], &group["MaxSize"]),
            (&json!(min), &json!(max))
        );
        let launch = &template.properties("LaunchTemplateMain")["LaunchTemplateData"];
        assert_eq!(launch["InstanceType"], instance_type);
        for service in ["Backend", "Webhooks"] {
            let targets = template.properties(&format!("TargetGroup{service}"));
            assert_eq!(targets["HealthCheckPath"], "/health");
            assert_eq!(targets["HealthCheckIntervalSeconds"], interval);
            assert_eq!(targets["UnhealthyThresholdCount"], unhealthy);
        }
        for log_group in template.ids("AWS::Logs::LogGroup") {
            assert_eq!(template.properties(log_group)["RetentionInDays"], retention);
        }
        let rollout = &template.0["Metadata"]["Longshore"]["Services"]["webhooks"]["Rollout"];
        assert_eq!(rollout["after"], json!(["backend"]));
        assert_eq!(rollout["freeze_windows"].is_array(), environment == "prod");
    }

    let mut dev = Template::of("paperwurks", "dev").0;
    let mut prod = Template::of("paperwurks", "prod").0;
    for template in [&mut dev, &mut prod] {
        blank_differences(template);
    }
    let text = |template: &Value| template.to_string();
    assert_eq!(
        text(&dev)
            .replace("paperwurks-dev", "paperwurks-prod")
            .replace(r#""dev""#, r#""prod""#),
        text(&prod)
    );
}

/// Blanks what may differ between the environments.
fn blank_differences(value: &mut Value) {
    match value {
        Value::Object(map) => {
            // Only in production nothing is deployed at weekends.
            map.remove("freeze_windows");
            for (key, value) in map {
                let differs = [
                    "MinSize",
                    "MaxSize",
                    "MinInstancesInService",
                    "InstanceType",
                    "RetentionInDays",
                ];
                if differs.contains(&key.as_str())
                    || (key.starts_with("HealthCheck") && key.ends_with("Seconds"))
                    || key.ends_with("ThresholdCount")
                    // Production's load balancer is protected with its stack.
                    || key == "LoadBalancerAttributes"
                {
                    *value = Value::Null;
                } else {
                    blank_differences(value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(blank_differences),
        _ => {}
    }
}

#[test]
fn paperwurks_keeps_the_events_of_tasks_services_targets_and_scaling() {
    let template = Template::of("paperwurks", "prod");
    let pattern = |rule| &template.properties(rule)["EventPattern"];
    assert_eq!(
        pattern("EventsOfTasks")["detail-type"],
        json!(["ECS Task State Change"])
    );
    assert_eq!(
        pattern("EventsOfTasks")["detail"]["clusterArn"],
        json!([{"Fn::GetAtt": ["Cluster", "Arn"]}])
    );
    assert_eq!(
        pattern("EventsOfServices")["resources"],
        json!([{"prefix": sub(
            "arn:${AWS::Partition}:ecs:${AWS::Region}:${AWS::AccountId}:service/paperwurks-prod/"
        )}])
    );
    assert_eq!(
        pattern("EventsOfTargetHealth")["resources"],
        json!([{"prefix": sub(
            "arn:${AWS::Partition}:cloudwatch:${AWS::Region}:${AWS::AccountId}:alarm:\
             ${AWS::StackName}-TargetHealthAlarm"
        )}])
    );
    for service in ["Backend", "Webhooks"] {
        let alarm = template.properties(&format!("TargetHealthAlarm{service}"));
        assert_eq!(alarm["MetricName"], "UnHealthyHostCount");
    }
    assert_eq!(
        pattern("EventsOfScaling")["detail"]["resourceId"],
        json!([{"prefix": "service/paperwurks-prod/"}])
    );
    assert_eq!(
        pattern("EventsOfInstances")["detail"]["AutoScalingGroupName"],
        json!([{"Ref": "AutoScalingGroupMain"}])
    );
    for rule in template.ids("AWS::Events::Rule") {
        let arn = template.properties(rule)["Targets"][0]["Arn"]["Fn::Sub"]
            .as_str()
            .unwrap();
        assert!(arn.ends_with(":log-group:${EventsLogGroup}"), "{arn}");
    }
    // Longshore's Terraform lets EventBridge write to log groups of this form; a region has room for ten policies.
    assert_eq!(
        template.properties("EventsLogGroup")["LogGroupName"],
        "/longshore/paperwurks-prod/events"
    );
    assert!(template.ids("AWS::Logs::ResourcePolicy").is_empty());
}

#[test]
fn homebrew_bottles_sync_keeps_its_files_on_an_encrypted_file_system() {
    let template = Template::of("homebrew-bottles-sync", "prod");
    let file_system = template.properties("FileSystemBottles");
    assert_eq!(file_system["Encrypted"], true);
    assert_eq!(file_system["PerformanceMode"], "generalPurpose");
    assert_eq!(file_system["ThroughputMode"], "provisioned");
    assert_eq!(file_system["ProvisionedThroughputInMibps"], 100);
    assert_eq!(file_system["BackupPolicy"]["Status"], "ENABLED");
    let deny = &file_system["FileSystemPolicy"]["Statement"][0];
    assert_eq!(deny["Effect"], "Deny");
    assert_eq!(
        deny["Condition"],
        json!({"Bool": {"aws:SecureTransport": ["false"]}})
    );

    let targets = template.ids("AWS::EFS::MountTarget");
    let subnets = targets
        .iter()
        .map(|id| &template.properties(id)["SubnetId"]);
    assert_eq!(
        subnets.collect::<Vec<_>>(),
        ["subnet-0a1b2c3d4e5f60001", "subnet-0a1b2c3d4e5f60002"]
    );
    let ingress = template.properties("MountIngressBottlesSync");
    assert_eq!(
        ingress["SourceSecurityGroupId"],
        json!({"Fn::GetAtt": ["SecurityGroupSync", "GroupId"]})
    );
    assert_eq!(
        (&ingress["FromPort"], &ingress["ToPort"]),
        (&json!(2049), &json!(2049))
    );
    let group = template.properties("MountSecurityGroupBottles");
    assert!(group["SecurityGroupIngress"].is_null());

    let point = template.properties("AccessPointBottlesSync");
    assert_eq!(point["PosixUser"], json!({"Uid": "1000", "Gid": "1000"}));
    assert_eq!(
        point["RootDirectory"],
        json!({"Path": "/bottles", "CreationInfo": {
            "OwnerUid": "1000", "OwnerGid": "1000", "Permissions": "755",
        }})
    );
    let volume = &template.properties("TaskDefinitionSync")["Volumes"][0];
    assert_eq!(
        volume["EFSVolumeConfiguration"],
        json!({
            "FilesystemId": {"Ref": "FileSystemBottles"},
            "TransitEncryption": "ENABLED",
            "AuthorizationConfig": {"AccessPointId": {"Ref": "AccessPointBottlesSync"}, "IAM": "ENABLED"},
        })
    );
    let statements = template.statements("TaskRoleSync");
    let mounts = json!([
        "elasticfilesystem:ClientMount",
        "elasticfilesystem:ClientWrite"
    ]);
    let mut statements = statements.into_iter();
    let mount = statements.find(|statement| statement["Action"] == mounts);
    let mount = mount.unwrap();
    assert_eq!(
        mount["Resource"],
        json!([{"Fn::GetAtt": ["FileSystemBottles", "Arn"]}])
    );
    assert_eq!(
        mount["Condition"],
        json!({"StringEquals": {"elasticfilesystem:AccessPointArn": [
            {"Fn::GetAtt": ["AccessPointBottlesSync", "Arn"]}
        ]}})
    );
    let before = template.resource("ServiceSync")["DependsOn"]
        .as_array()
        .unwrap();
    for target in &targets {
        assert!(before.contains(&json!(target)), "waits for {before:?}");
    }
}

#[test]
fn homebrew_bottles_sync_writes_to_its_mount_only_and_reaches_only_what_it_needs() {
    let template = Template::of("homebrew-bottles-sync", "prod");
    let task = template.properties("TaskDefinitionSync");
    assert_eq!(
        (&task["Cpu"], &task["Memory"]),
        (&json!("2048"), &json!("8192"))
    );
    let container = template.container("Sync");
    assert_eq!(container["ReadonlyRootFilesystem"], true);
    assert_eq!(container["Privileged"], false);
    assert_eq!(container["User"], "1000:1000");
    assert_eq!(container["PortMappings"][0]["ContainerPort"], 8080);
    assert_eq!(
        container["MountPoints"],
        json!([{"SourceVolume": "bottles_sync", "ContainerPath": "/tmp/bottles", "ReadOnly": false}])
    );
    assert_eq!(
        container["Image"],
        sub(&format!("{PREFIX}/homebrew-bottles-sync:latest"))
    );
    for (variable, value) in [
        ("S3_BUCKET_NAME", json!({"Ref": "BucketBottles"})),
        ("EVENT_BUS_NAME", json!("longshore")),
        (
            "SLACK_WEBHOOK_SECRET_NAME",
            json!("homebrew-bottles-sync/slack_webhook"),
        ),
        ("AWS_REGION", sub("${AWS::Region}")),
        ("LOG_LEVEL", json!("INFO")),
        ("DOWNLOAD_CONCURRENCY", json!("5")),
        ("TEMP_STORAGE_PATH", json!("/tmp/bottles")),
        ("EFS_MOUNT_PATH", json!("/tmp/bottles")),
    ] {
        assert_eq!(template.variable("Sync", variable), &value);
    }
    let service = template.properties("ServiceSync");
    assert_eq!(service["EnableExecuteCommand"], false);
    assert_eq!(service["HealthCheckGracePeriodSeconds"], 300);
    assert_eq!(
        service["NetworkConfiguration"]["AwsvpcConfiguration"]["AssignPublicIp"],
        "DISABLED"
    );

    let group = template.properties("SecurityGroupSync");
    assert!(group["SecurityGroupIngress"].is_null());
    let ports = group["SecurityGroupEgress"].as_array().unwrap().iter();
    let ports = ports.map(|rule| {
        (
            rule["IpProtocol"].as_str().unwrap(),
            rule["FromPort"].as_u64().unwrap(),
        )
    });
    assert_eq!(
        ports.collect::<Vec<_>>(),
        [("tcp", 443), ("udp", 53), ("tcp", 53)]
    );
    assert_eq!(
        template.ids("AWS::EC2::SecurityGroupEgress"),
        ["MountEgressBottlesSync"]
    );
    let nfs = template.properties("MountEgressBottlesSync");
    assert_eq!(
        nfs["DestinationSecurityGroupId"],
        json!({"Fn::GetAtt": ["MountSecurityGroupBottles", "GroupId"]})
    );
    assert_eq!(
        (&nfs["FromPort"], &nfs["ToPort"]),
        (&json!(2049), &json!(2049))
    );
}

#[test]
fn homebrew_bottles_sync_encrypts_its_logs_and_logs_its_vpc() {
    let template = Template::of("homebrew-bottles-sync", "prod");
    let log_groups = template.ids("AWS::Logs::LogGroup");
    assert_eq!(log_groups, ["FlowLogsLogGroup", "LogGroupSync"]);
    for id in log_groups {
        let group = template.properties(id);
        assert_eq!(group["KmsKeyId"], json!({"Fn::GetAtt": ["LogsKey", "Arn"]}));
        assert_eq!(group["RetentionInDays"], 30);
        assert_eq!(
            template.resource(id)["DeletionPolicy"],
            "RetainExceptOnCreate"
        );
        assert_eq!(template.resource(id)["UpdateReplacePolicy"], "Retain");
    }
    let key = template.properties("LogsKey");
    assert_eq!(key["EnableKeyRotation"], true);
    let logs = &key["KeyPolicy"]["Statement"][1];
    assert_eq!(
        logs["Principal"],
        json!({"Service": [sub("logs.${AWS::Region}.${AWS::URLSuffix}")]})
    );
    let groups = &logs["Condition"]["ArnLike"]["kms:EncryptionContext:aws:logs:arn"];
    assert!(
        groups[0]["Fn::Sub"]
            .as_str()
            .unwrap()
            .ends_with("log-group:/ecs/homebrew-bottles-sync-prod/*")
    );
    let flow_log = template.properties("FlowLog");
    assert_eq!(flow_log["ResourceId"], "vpc-0a1b2c3d4e5f60000");
    assert_eq!(flow_log["TrafficType"], "ALL");
    assert_eq!(flow_log["LogGroupName"], json!({"Ref": "FlowLogsLogGroup"}));
}

#[test]
fn homebrew_bottles_sync_rests_at_zero_and_is_woken_by_its_own_metric_or_the_clock() {
    let template = Template::of("homebrew-bottles-sync", "prod");
    assert!(template.properties("ServiceSync")["DesiredCount"].is_null());
    let target = template.properties("ScalableTargetSync");
    assert_eq!(
        (&target["MinCapacity"], &target["MaxCapacity"]),
        (&json!(0), &json!(10))
    );
    for (alarm, metric, threshold) in [
        ("ScaleOutAlarmSyncCpu", "CPUUtilization", json!(70)),
        ("ScaleOutAlarmSyncMemory", "MemoryUtilization", json!(80)),
        (
            "ScaleOutAlarmSyncLongshorePendingShardsStackHomebrewBottlesSyncProdMaximum",
            "PendingShards",
            json!(0.5),
        ),
    ] {
        let alarm = template.properties(alarm);
        assert_eq!(alarm["MetricName"], metric);
        assert_eq!(alarm["ComparisonOperator"], "GreaterThanThreshold");
        assert_eq!(alarm["Threshold"], threshold);
        assert_eq!(
            (
                &alarm["Period"],
                &alarm["EvaluationPeriods"],
                &alarm["DatapointsToAlarm"]
            ),
            (&json!(60), &json!(2), &json!(2))
        );
        // At rest there are no values of CPU and memory, and none is a reason to start a task.
        assert_eq!(alarm["TreatMissingData"], "notBreaching");
        assert_eq!(
            alarm["AlarmActions"],
            json!([{"Ref": "ScaleOutPolicySync"}])
        );
    }
    let out = &template.properties("ScaleOutPolicySync")["StepScalingPolicyConfiguration"];
    assert_eq!(out["AdjustmentType"], "ChangeInCapacity");
    assert_eq!(out["Cooldown"], 300);
    assert_eq!(
        out["StepAdjustments"],
        json!([{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}])
    );

    // One alarm over all three, so that a task stays while any of them is above its target.
    let alarm = template.properties("ScaleInAlarmSync");
    assert_eq!(
        (&alarm["EvaluationPeriods"], &alarm["DatapointsToAlarm"]),
        (&json!(5), &json!(5))
    );
    let expressions = alarm["Metrics"].as_array().unwrap().iter();
    let expressions = expressions.filter_map(|metric| metric["Expression"].as_str());
    assert_eq!(
        expressions.collect::<Vec<_>>(),
        [
            "MAX([cpu_load, memory_load, metric0_load])",
            "cpu / 70",
            "memory / 80",
            "metric0 / 0.5"
        ]
    );
    assert_eq!(
        (&alarm["ComparisonOperator"], &alarm["Threshold"]),
        (&json!("LessThanThreshold"), &json!(1))
    );
    let policy = &template.properties("ScaleInPolicySync")["StepScalingPolicyConfiguration"];
    assert_eq!(policy["Cooldown"], 600);
    assert_eq!(
        policy["StepAdjustments"],
        json!([{"MetricIntervalUpperBound": 0, "ScalingAdjustment": -1}])
    );
}

#[test]
fn homebrew_bottles_sync_keeps_its_mirror_in_a_bucket_that_is_nobodys_but_its_own() {
    let template = Template::of("homebrew-bottles-sync", "prod");
    let resource = template.resource("BucketBottles");
    assert_eq!(resource["DeletionPolicy"], "RetainExceptOnCreate");
    assert_eq!(resource["UpdateReplacePolicy"], "Retain");
    let bucket = template.properties("BucketBottles");
    assert_eq!(
        bucket["BucketName"],
        sub("homebrew-bottles-${AWS::AccountId}")
    );
    assert_eq!(
        bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"],
        json!([{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}])
    );
    let blocks = bucket["PublicAccessBlockConfiguration"]
        .as_object()
        .unwrap();
    assert_eq!(blocks.len(), 4);
    assert!(blocks.values().all(|block| *block == true), "{blocks:?}");
    assert_eq!(
        bucket["OwnershipControls"],
        json!({"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]})
    );
    assert_eq!(
        bucket["LifecycleConfiguration"]["Rules"],
        json!([{
            "Id": "AbortIncompleteMultipartUploads",
            "Status": "Enabled",
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
        }])
    );
    // Who may read it from outside is said where it is served.
    assert!(template.ids("AWS::S3::BucketPolicy").is_empty());
}

#[test]
fn homebrew_bottles_sync_wakes_the_function_every_night_and_lets_its_tasks_bring_files() {
    let template = Template::of("homebrew-bottles-sync", "prod");
    let function = sub(
        "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:longshore-sync",
    );
    let schedule = template.properties("BottleSyncSchedule");
    assert_eq!(schedule["ScheduleExpression"], "cron(0 3 * * ? *)");
    assert_eq!(schedule["Target"]["Arn"], function);
    assert!(schedule["Target"]["EcsParameters"].is_null());
    let input = schedule["Target"]["Input"].as_str().unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(input).unwrap(),
        json!({
            "action": "run",
            "stack": "homebrew-bottles-sync-prod",
            "schedule_arn": "<aws.scheduler.schedule-arn>",
            "scheduled_time": "<aws.scheduler.scheduled-time>",
            "execution_id": "<aws.scheduler.execution-id>",
            "attempt_number": "<aws.scheduler.attempt-number>",
        })
    );
    let role = template.properties("BottleSyncSchedulingRole");
    assert_eq!(
        role["PermissionsBoundary"],
        "arn:aws:iam::123456789012:policy/longshore-boundary"
    );
    let wake = template.statement("BottleSyncSchedulingRole", "WakeFunction");
    assert_eq!(wake["Action"], json!(["lambda:InvokeFunction"]));
    assert_eq!(wake["Resource"], json!([function]));

    let transfer = template.statement("TaskRoleSync", "TransferFiles");
    assert_eq!(
        transfer["Action"],
        json!(["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"])
    );
    assert_eq!(transfer["Resource"], json!([sub("${BucketBottles.Arn}/*")]));
    let list = template.statement("TaskRoleSync", "DistinguishMissingFromRefused");
    assert_eq!(list["Action"], json!(["s3:ListBucket"]));
    assert_eq!(
        list["Resource"],
        json!([{"Fn::GetAtt": ["BucketBottles", "Arn"]}])
    );
    let publish = template.statement("TaskRoleSync", "PublishShards");
    assert_eq!(publish["Action"], json!(["events:PutEvents"]));
    assert_eq!(
        publish["Resource"],
        json!([sub(
            "arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:event-bus/longshore"
        )])
    );
}

#[test]
fn homebrew_bottles_sync_tags_everything_and_has_all_its_outputs() {
    let template = Template::of("homebrew-bottles-sync", "prod");
    // These take no tags.
    let untagged = [
        "AWS::ApplicationAutoScaling::ScalingPolicy",
        "AWS::EC2::SecurityGroupEgress",
        "AWS::EC2::SecurityGroupIngress",
        "AWS::ECS::ClusterCapacityProviderAssociations",
        "AWS::EFS::MountTarget",
        "AWS::KMS::Alias",
        "AWS::Scheduler::Schedule",
    ];
    for (id, resource) in template.0["Resources"].as_object().unwrap() {
        if untagged.contains(&resource["Type"].as_str().unwrap()) {
            continue;
        }
        let list = ["Tags", "FileSystemTags", "AccessPointTags"];
        let list = list
            .iter()
            .find(|list| resource["Properties"][*list].is_array());
        let list = list.unwrap_or_else(|| panic!("{id} has no tags"));
        assert_eq!(template.attribute(id, list, "Environment"), "prod");
        assert_eq!(
            template.attribute(id, list, "Project"),
            "homebrew-bottles-sync"
        );
    }
    let names = names("homebrew-bottles-sync", "prod");
    template.has_outputs(
        &names,
        &[
            "cluster_name",
            "cluster_arn",
            "cluster_id",
            "service_name",
            "service_arn",
            "service_id",
            "task_definition_arn",
            "task_definition_family",
            "task_definition_revision",
            "efs_file_system_id",
            "efs_file_system_arn",
            "efs_access_point_id",
            "efs_access_point_arn",
            "log_group_name",
            "log_group_arn",
            // The ARN of the scaling target is known to Application Auto Scaling only, by this id.
            "auto_scaling_target_resource_id",
            "security_group_id",
            "bucket_name",
            "bucket_arn",
        ],
    );
}

#[test]
fn insightxi_runs_three_services_of_three_repositories_that_find_each_other() {
    for environment in ["dev", "prod"] {
        let template = Template::of("insightxi", environment);
        let cluster = template.properties("Cluster");
        assert_eq!(
            cluster["ClusterName"],
            format!("insightxi-{environment}-cluster")
        );
        assert_eq!(cluster["ClusterSettings"][0]["Value"], "enabled");
        let namespace = template.properties("DiscoveryNamespace");
        assert_eq!(namespace["Name"], "insightxi.local");
        assert_eq!(namespace["Vpc"], "vpc-0a1b2c3d4e5f60000");
        for (name, id, port) in [
            ("sportmonks", "Sportmonks", 8000),
            ("database", "Database", 8001),
            ("orchestrator", "Orchestrator", 8002),
        ] {
            let task = template.properties(&format!("TaskDefinition{id}"));
            assert_eq!(task["Family"], format!("insightxi-{environment}-{name}"));
            assert_eq!(
                (&task["Cpu"], &task["Memory"]),
                (&json!("256"), &json!("512"))
            );
            assert_eq!(task["RequiresCompatibilities"], json!(["FARGATE"]));
            let container = template.container(id);
            assert_eq!(container["Name"], format!("{name}-service"));
            assert_eq!(
                container["Image"],
                sub(&format!("{PREFIX}/{name}-service:latest"))
            );
            assert_eq!(container["PortMappings"][0]["ContainerPort"], port);
            assert_eq!(
                container["LogConfiguration"]["Options"],
                json!({
                    "awslogs-group": {"Ref": format!("LogGroup{id}")},
                    "awslogs-region": {"Ref": "AWS::Region"},
                    "awslogs-stream-prefix": "ecs",
                })
            );
            let log_group = template.properties(&format!("LogGroup{id}"));
            assert_eq!(log_group["RetentionInDays"], 30);
            assert_eq!(
                log_group["LogGroupName"],
                format!("/ecs/insightxi-{environment}/{name}")
            );

            let service = template.properties(&format!("Service{id}"));
            assert_eq!(
                service["ServiceName"],
                format!("insightxi-{environment}-{name}")
            );
            assert_eq!(service["LaunchType"], "FARGATE");
            assert_eq!(
                service["ServiceRegistries"],
                json!([{"RegistryArn": {"Fn::GetAtt": [format!("DiscoveryEntry{id}"), "Arn"]}}])
            );
            assert_eq!(service["LoadBalancers"][0]["ContainerPort"], port);
            let entry = template.properties(&format!("DiscoveryEntry{id}"));
            assert_eq!(entry["Name"], name);
            assert_eq!(
                entry["DnsConfig"]["DnsRecords"],
                json!([{"Type": "A", "TTL": "10"}])
            );

            let target = template.properties(&format!("ScalableTarget{id}"));
            assert_eq!(
                (&target["MinCapacity"], &target["MaxCapacity"]),
                (&json!(1), &json!(4))
            );
            let tracking = &template.properties(&format!("CpuTracking{id}"));
            assert_eq!(
                tracking["TargetTrackingScalingPolicyConfiguration"]["TargetValue"],
                70
            );

            let metadata = &template.0["Metadata"]["Longshore"]["Services"][name];
            assert_eq!(metadata["Repository"], format!("{name}-service"));
        }
        assert_eq!(
            template.variable("Sportmonks", "BASE_URL"),
            "https://api.sportmonks.com/v3"
        );
        assert!(template.variable("Sportmonks", "API_KEY").is_null());
        let secret = template.secret("Sportmonks", "API_KEY")["Fn::Sub"]
            .as_str()
            .unwrap();
        assert!(secret.ends_with(&format!(
            ":secret:insightxi/{environment}/sportmonks_api_key"
        )));
        let forward = &template.properties("HttpListener")["DefaultActions"][0];
        assert_eq!(
            forward["TargetGroupArn"],
            json!({"Ref": "TargetGroupOrchestrator"})
        );
    }
}
