//! Load balancers, what exists, and who may call whom: what they become in the template, and what is refused.

use std::fs;
use std::path::PathBuf;

use longshore_stack::check::{Listener, Subnet, Surroundings, check_surroundings, needs};
use longshore_stack::cost::estimate;
use longshore_stack::read::Reading;
use longshore_stack::render::metadata;
use serde_json::{Value, json};

use crate::support;

const LISTENER: &str =
    "arn:aws:elasticloadbalancing:eu-west-1:111122223333:listener/app/web/0a1b2c3d/4e5f6071";

/// A stack file in a network, with this besides.
fn text(rest: &str) -> String {
    format!("name: shop\nnetwork: {{vpc_id: vpc-1, subnet_ids: [subnet-1, subnet-2]}}\n{rest}")
}

fn accepted(rest: &str) -> Reading {
    support::accepted(&text(rest))
}

fn template(rest: &str) -> Value {
    support::template(&text(rest))
}

fn properties(template: &Value, id: &str) -> Value {
    let resource = &template["Resources"][id];
    assert!(resource.is_object(), "no {id} in {template:#}");
    resource["Properties"].clone()
}

fn types(template: &Value) -> Vec<&str> {
    let resources = template["Resources"].as_object().into_iter().flatten();
    resources
        .filter_map(|(_, resource)| resource["Type"].as_str())
        .collect()
}

/// The errors of a file that is refused: `<path>: <message>`.
fn errors(rest: &str) -> Vec<String> {
    support::errors(&support::read_text(&text(rest)).err().unwrap_or_default())
}

fn refused(rest: &str, path: &str, words: &str) {
    let errors = errors(rest);
    assert!(
        errors
            .iter()
            .any(|error| error.starts_with(&format!("{path}: ")) && error.contains(words)),
        "{rest}\n{errors:#?}"
    );
}

#[test]
fn a_service_gets_a_rule_on_a_listener_that_exists_and_lets_its_load_balancer_in() {
    let template = template(&format!(
        "alarms: {{}}\ndashboard: true\nservices:\n  api: {{image: \"shop/api:v1\", container_port: 8080, \
         scaling: {{min_capacity: 1, max_capacity: 4, target_requests_per_task: 100}}, \
         target_group: {{listener_arn: \"{LISTENER}\", load_balancer_security_group_ids: [sg-1], \
         host_headers: [api.example.com], priority: 7}}}}\n"
    ));
    let rule = properties(&template, "ListenerRuleApi");
    assert_eq!(rule["ListenerArn"], LISTENER);
    assert_eq!(rule["Priority"], 7);
    assert_eq!(
        rule["Actions"],
        json!([{"Type": "forward", "TargetGroupArn": {"Ref": "TargetGroupApi"}}])
    );
    let group = properties(&template, "SecurityGroupApi");
    assert_eq!(
        group["SecurityGroupIngress"],
        json!([{
            "IpProtocol": "tcp", "FromPort": 8080, "ToPort": 8080,
            "SourceSecurityGroupId": "sg-1", "Description": "The load balancer",
        }])
    );
    assert_eq!(
        template["Resources"]["ServiceApi"]["DependsOn"],
        json!(["ListenerRuleApi"])
    );
    // CloudWatch knows the load balancer by what its listener's ARN says.
    let alarm = properties(&template, "TargetErrorsAlarmApi");
    assert_eq!(
        alarm["Dimensions"][0],
        json!({"Name": "LoadBalancer", "Value": "app/web/0a1b2c3d"})
    );
    let tracking = properties(&template, "RequestTrackingApi").to_string();
    assert!(
        tracking.contains("app/web/0a1b2c3d/${TargetGroupApi"),
        "{tracking}"
    );
    assert!(
        !template.to_string().contains("${LoadBalancer."),
        "{template:#}"
    );
    assert!(!types(&template).contains(&"AWS::ElasticLoadBalancingV2::LoadBalancer"));
}

#[test]
fn priorities_differ_among_the_rules_of_one_listener_and_not_beyond_it() {
    let services = |one: &str, other: &str| {
        let service = |name: &str, listener: &str| {
            format!(
                "  {name}: {{image: \"shop/api:v1\", container_port: 80, target_group: {{{listener}\
                 host_headers: [{name}.example.com], priority: 7}}}}\n"
            )
        };
        format!(
            "load_balancer: {{subnet_ids: [subnet-1, subnet-2], ingress_cidr_ips: [10.0.0.0/8]}}\nservices:\n{}{}",
            service("one", one),
            service("two", other)
        )
    };
    let existing = format!("listener_arn: \"{LISTENER}\", ");
    accepted(&services("", &existing));
    for listener in ["", existing.as_str()] {
        refused(
            &services(listener, listener),
            "services.two.target_group.priority",
            "service `one` has this priority already",
        );
    }
}

#[test]
fn a_further_rule_may_have_the_priority_of_a_service_on_another_listener() {
    let file = |listener: &str| {
        format!(
            "load_balancer: {{subnet_ids: [subnet-1, subnet-2], ingress_cidr_ips: [10.0.0.0/8]}}\nservices:\n  \
             api: {{image: \"shop/api:v1\", container_port: 80, target_group: {{path_patterns: [/a], priority: 7}}}}\n\
             resources:\n  \
             AdminTargets: {{Type: \"AWS::ElasticLoadBalancingV2::TargetGroup\", Properties: {{VpcId: vpc-1, Port: 80, \
             Protocol: HTTP, TargetType: ip}}}}\n  \
             AdminListener: {{Type: \"AWS::ElasticLoadBalancingV2::Listener\", Properties: {{LoadBalancerArn: {{Ref: \
             LoadBalancer}}, Port: 81, Protocol: HTTP, DefaultActions: [{{Type: forward, TargetGroupArn: {{Ref: \
             AdminTargets}}}}]}}}}\n  \
             AdminRule: {{Type: \"AWS::ElasticLoadBalancingV2::ListenerRule\", Properties: {{ListenerArn: {{Ref: \
             {listener}}}, Priority: 7, Conditions: [{{Field: path-pattern, PathPatternConfig: {{Values: [/b]}}}}], \
             Actions: [{{Type: forward, TargetGroupArn: {{Ref: AdminTargets}}}}]}}}}\n"
        )
    };
    accepted(&file("AdminListener"));
    refused(
        &file("HttpListener"),
        "resources.AdminRule.Properties.Priority",
        "the rule of service `api` has this priority",
    );
}

#[test]
fn a_rule_on_a_listener_that_exists_says_which_requests_are_its_own() {
    let file = |group: &str| {
        format!(
            "services:\n  api: {{image: \"shop/api:v1\", container_port: 80, target_group: {{{group}}}}}\n"
        )
    };
    let place = "services.api.target_group";
    refused(
        &file(&format!("listener_arn: \"{LISTENER}\"")),
        place,
        "what no rule is for is not this service's either",
    );
    for wrong in [
        "arn:aws:elasticloadbalancing:eu-west-1:111122223333:listener/net/web/0a/0b",
        "arn:aws:elasticloadbalancing:eu-west-1:111122223333:loadbalancer/app/web/0a",
        "web",
    ] {
        refused(
            &file(&format!(
                "listener_arn: \"{wrong}\", path_patterns: [/a], priority: 1"
            )),
            "services.api.target_group.listener_arn",
            "not an ARN of a listener of an Application Load Balancer",
        );
    }
    refused(
        &file("load_balancer_security_group_ids: [sg-1], target_group_arn: \"x\""),
        "services.api.target_group.load_balancer_security_group_ids",
        "the target group exists",
    );
    refused(
        &file("path_patterns: [/a], priority: 1"),
        place,
        "the stack has no `load_balancer`",
    );
}

#[test]
fn a_cluster_and_a_file_system_that_are_not_there_are_refused_where_they_are_named() {
    let reading = accepted(
        "cluster: {existing: web}\nfile_systems: {media: {file_system_id: fs-0a1b2c3d}}\nservices:\n  \
         api: {image: \"registry.example.com/api:v1\", mount_points: [{file_system: media, container_path: /media}]}\n",
    );
    let needs = needs(&reading.stack);
    assert!(needs.clusters.contains("web") && needs.file_systems.contains("fs-0a1b2c3d"));
    let there = |subnets: &mut Surroundings| {
        for (id, zone) in [("subnet-1", "a"), ("subnet-2", "b")] {
            let subnet = Subnet {
                availability_zone: zone.to_owned(),
                vpc_id: "vpc-1".to_owned(),
            };
            subnets.subnets.insert(id.to_owned(), subnet);
        }
    };
    let mut surroundings = Surroundings::default();
    there(&mut surroundings);
    assert!(check_surroundings(&reading.stack, &surroundings).is_empty());
    surroundings.missing_clusters.insert("web".to_owned());
    surroundings
        .missing_file_systems
        .insert("fs-0a1b2c3d".to_owned());
    let findings = check_surroundings(&reading.stack, &surroundings);
    let found: Vec<(String, &str)> = findings
        .iter()
        .map(|finding| (finding.path.clone(), finding.message.as_str()))
        .collect();
    assert_eq!(found[0].0, "cluster.existing");
    assert!(found[0].1.contains("no such cluster"), "{found:?}");
    assert_eq!(found[1].0, "file_systems.media.file_system_id");
    assert!(found[1].1.contains("no such EFS file system"), "{found:?}");
}

#[test]
fn a_namespace_that_is_not_there_is_refused_where_it_is_named() {
    let connect = |name: &str, namespace: &str| {
        format!(
            "  {name}: {{image: \"registry.example.com/{name}:v1\", container_port: 80, service_connect: {{namespace: \
             \"{namespace}\"}}}}\n"
        )
    };
    let arn = "arn:aws:servicediscovery:eu-west-1:111122223333:namespace/ns-2";
    let reading = accepted(&format!(
        "service_discovery: {{namespace: shop.local, namespace_id: ns-0a1b2c3d}}\nservices:\n{}{}{}",
        connect("api", "other.local"),
        connect("web", arn),
        // The stack's own.
        connect("worker", "shop.local"),
    ));
    let needs = needs(&reading.stack);
    assert_eq!(
        needs.namespaces,
        [arn.to_owned(), "ns-0a1b2c3d".to_owned()].into()
    );
    assert_eq!(needs.named_namespaces, ["other.local".to_owned()].into());

    let found = |missing: &[&str]| -> Vec<(String, String)> {
        let surroundings = Surroundings {
            missing_namespaces: missing.iter().map(|one| (*one).to_owned()).collect(),
            ..Surroundings::default()
        };
        check_surroundings(&reading.stack, &surroundings)
            .into_iter()
            .filter(|finding| finding.path.contains("namespace"))
            .map(|finding| (finding.path, finding.message))
            .collect()
    };
    assert_eq!(found(&[]), []);
    let all = found(&["ns-0a1b2c3d", "other.local", arn]);
    let paths: Vec<&str> = all.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "service_discovery.namespace_id",
            "services.api.service_connect.namespace",
            "services.web.service_connect.namespace",
        ]
    );
    assert!(
        all[0]
            .1
            .contains("no such namespace of Cloud Map in this account and region; correct its id")
    );
    assert!(all[1].1.contains("correct its name"), "{}", all[1].1);
}

#[test]
fn a_priority_that_another_stack_has_on_the_listener_is_refused_with_one_that_is_free() {
    let reading = accepted(&with_group(
        "",
        &format!(
            "listener_arn: \"{LISTENER}\", load_balancer_security_group_ids: [sg-1], path_patterns: [/a], priority: 1, \
             protocol_version: GRPC"
        ),
    ));
    assert_eq!(
        needs(&reading.stack).listeners,
        [LISTENER.to_owned()].into()
    );
    let found = |is_https, owner: Option<&str>| {
        let listener = Listener {
            is_https,
            rules: [(1, owner.map(str::to_owned)), (2, None)].into(),
        };
        let surroundings = Surroundings {
            listeners: [(LISTENER.to_owned(), listener)].into(),
            subnets: ["subnet-1", "subnet-2"]
                .map(|id| {
                    let subnet = Subnet {
                        availability_zone: id.to_owned(),
                        vpc_id: "vpc-1".to_owned(),
                    };
                    (id.to_owned(), subnet)
                })
                .into(),
            ..Surroundings::default()
        };
        let findings = check_surroundings(&reading.stack, &surroundings);
        let findings = findings.into_iter();
        findings
            .map(|finding| format!("{}: {}", finding.path, finding.message))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        found(true, Some("search")),
        [
            "services.api.target_group.priority: a rule of stack `search` has this priority on the listener already; \
          the first one that is free is 3"
        ]
    );
    // Its own rule is the one that is changed.
    assert_eq!(found(true, Some("shop")), Vec::<String>::new());
    let [of_version] = found(false, Some("shop")).try_into().unwrap();
    assert!(of_version.contains(
        "protocol_version: Elastic Load Balancing takes this on a listener of HTTPS only"
    ));
    let all = check_surroundings(&reading.stack, &Surroundings::default());
    assert!(
        all.iter()
            .any(|finding| finding.message.contains("there is no such listener"))
    );
}

#[test]
fn a_stack_in_a_cluster_that_exists_makes_none_and_refers_to_it_by_its_name() {
    let rest = "cluster: {existing: web}\nalarms: {}\ndashboard: true\nevents: {}\nservices:\n  \
                api: {image: \"shop/api:v1\", scaling: {min_capacity: 1, max_capacity: 4, target_cpu_utilization: 50}, \
                schedules: {nightly: {schedule_expression: \"cron(0 3 * * ? *)\"}}}\n  \
                worker: {image: \"shop/api:v1\", capacity_provider_strategy: [{capacity_provider: spot-instances}]}\n";
    let template = template(rest);
    let body = template.to_string();
    for id in [
        "{\"Ref\":\"Cluster\"}",
        "[\"Cluster\",",
        "${Cluster",
        "ClusterCapacity",
        "CapacityProviderSpot",
    ] {
        assert!(!body.contains(id), "{id} in {template:#}");
    }
    assert_eq!(properties(&template, "ServiceApi")["Cluster"], "web");
    assert_eq!(
        properties(&template, "ServiceWorker")["CapacityProviderStrategy"][0]["CapacityProvider"],
        "spot-instances"
    );
    let target = properties(&template, "ScalableTargetApi");
    assert_eq!(
        target["ResourceId"],
        json!({"Fn::Sub": "service/web/${ServiceApi.Name}"})
    );
    assert_eq!(
        properties(&template, "ScheduleApiNightly")["Target"]["Arn"],
        json!({"Fn::Sub": "arn:${AWS::Partition}:ecs:${AWS::Region}:${AWS::AccountId}:cluster/web"})
    );
    assert_eq!(template["Outputs"]["ClusterName"]["Value"], "web");
    // What deployments look for.
    let metadata = metadata(&accepted(rest).stack);
    assert_eq!(metadata.services["api"].cluster, "web");
    refused(
        "cluster: {existing: web, cluster_name: other}\nservices: {}\n",
        "cluster.cluster_name",
        "leave out this or `existing`",
    );
    refused(
        "cluster: {existing: web}\ncapacity: {main: {instance_type: t3.small}}\nservices: {}\n",
        "capacity",
        "is not this stack's",
    );
}

#[test]
fn a_file_system_and_a_namespace_that_exist_are_used_and_not_made() {
    let template = template(
        "service_discovery: {namespace: shop.local, namespace_id: ns-1}\n\
         file_systems:\n  data: {file_system_id: fs-1, access_points: {api: {posix_user: {uid: 1, gid: 1}}}}\n\
         services:\n  api: {image: \"shop/api:v1\", container_port: 80, mount_points: \
         [{file_system: data, access_point: api, container_path: /data}]}\n",
    );
    for made in [
        "AWS::EFS::FileSystem",
        "AWS::EFS::MountTarget",
        "AWS::ServiceDiscovery::PrivateDnsNamespace",
    ] {
        assert!(!types(&template).contains(&made), "{made}");
    }
    assert_eq!(
        properties(&template, "AccessPointDataApi")["FileSystemId"],
        "fs-1"
    );
    let volume = &properties(&template, "TaskDefinitionApi")["Volumes"][0];
    assert_eq!(volume["EFSVolumeConfiguration"]["FilesystemId"], "fs-1");
    let role = properties(&template, "TaskRoleApi").to_string();
    assert!(role.contains(":file-system/fs-1"), "{role}");
    assert_eq!(
        properties(&template, "DiscoveryEntryApi")["NamespaceId"],
        "ns-1"
    );
    assert!(
        !template.to_string().contains("FileSystemData\""),
        "{template:#}"
    );
    refused(
        "file_systems: {data: {file_system_id: fs-1, backup: false, deletion: delete}}\nservices: {}\n",
        "file_systems.data.deletion",
        "its settings are not this stack's",
    );
}

#[test]
fn services_let_each_other_in_by_name_on_both_sides() {
    let template = template(
        "services:\n  \
         api: {image: \"shop/api:v1\", container_port: 8080, security_group: {ingress: [{service: web}]}}\n  \
         web: {image: \"shop/web:v1\", container_port: 80, security_group: {ingress: [{service: web, from_port: 7000, \
         to_port: 7010}], egress: [{cidr_ip: 0.0.0.0/0, from_port: 443}]}}\n",
    );
    let group = |id: &str| json!({"Fn::GetAtt": [id, "GroupId"]});
    let ingress = properties(&template, "PeerIngressApiWebTcp8080");
    assert_eq!(ingress["GroupId"], group("SecurityGroupApi"));
    assert_eq!(ingress["SourceSecurityGroupId"], group("SecurityGroupWeb"));
    assert_eq!(
        (&ingress["FromPort"], &ingress["ToPort"]),
        (&json!(8080), &json!(8080))
    );
    // Only what is said goes out of web, and this was said at the other end.
    let egress = properties(&template, "PeerEgressWebApiTcp8080");
    assert_eq!(egress["GroupId"], group("SecurityGroupWeb"));
    assert_eq!(
        egress["DestinationSecurityGroupId"],
        group("SecurityGroupApi")
    );
    let among = properties(&template, "PeerIngressWebWebTcp7000to7010");
    assert_eq!(among["SourceSecurityGroupId"], group("SecurityGroupWeb"));
    let first = &template["Resources"]["ServiceWeb"]["DependsOn"];
    for id in ["PeerIngressApiWebTcp8080", "PeerEgressWebApiTcp8080"] {
        assert!(first.as_array().unwrap().contains(&json!(id)), "{first}");
    }
    refused(
        "services:\n  api: {image: \"shop/api:v1\", container_port: 80, security_group: {ingress: [{service: wep}]}}\n  \
         web: {image: \"shop/web:v1\"}\n",
        "services.api.security_group.ingress[0].service",
        "did you mean `web`?",
    );
    refused(
        "services:\n  api: {image: \"shop/api:v1\", container_port: 80, security_group: {ingress: \
         [{service: api, cidr_ip: 10.0.0.0/8}]}}\n",
        "services.api.security_group.ingress[0]",
        "exactly one of `cidr_ip`, `cidr_ipv6`, `prefix_list_id`, `security_group_id` and `service`",
    );
}

const HTTPS: &str = "load_balancer: {scheme: internet-facing, subnet_ids: [subnet-1, subnet-2], certificate_arns: \
                     [\"arn:aws:acm:eu-west-1:111122223333:certificate/1\"]}\n";
const HTTP: &str =
    "load_balancer: {subnet_ids: [subnet-1, subnet-2], ingress_cidr_ips: [10.0.0.0/8]}\n";

fn with_group(balancer: &str, group: &str) -> String {
    format!(
        "{balancer}services:\n  api: {{image: \"shop/api:v1\", container_port: 80, target_group: {{{group}}}}}\n"
    )
}

#[test]
fn targets_of_grpc_are_asked_as_grpc_answers() {
    let with = |group: &str| properties(&template(&with_group(HTTPS, group)), "TargetGroupApi");
    let targets = with("protocol_version: GRPC");
    assert_eq!(targets["ProtocolVersion"], "GRPC");
    assert_eq!(targets["HealthCheckPath"], "/AWS.ALB/healthcheck");
    assert_eq!(targets["Matcher"], json!({"GrpcCode": "12"}));
    let targets = with(
        "protocol_version: GRPC, health_check: {path: /grpc.health.v1.Health/Check, matcher: \"0\"}",
    );
    assert_eq!(targets["HealthCheckPath"], "/grpc.health.v1.Health/Check");
    assert_eq!(targets["Matcher"], json!({"GrpcCode": "0"}));
    let targets = with("protocol_version: HTTP2");
    assert_eq!(targets["Matcher"], json!({"HttpCode": "200"}));
    refused(
        &with_group(HTTP, "protocol_version: GRPC"),
        "services.api.target_group.protocol_version",
        "on a listener of HTTPS only",
    );
    refused(
        &with_group(
            HTTPS,
            "protocol_version: GRPC, health_check: {matcher: \"201\"}",
        ),
        "services.api.target_group.health_check.matcher",
        "expected codes from 0 to 99",
    );
}

#[test]
fn a_rule_has_every_condition_and_at_most_five_values() {
    let rule = properties(
        &template(&with_group(
            HTTPS,
            "http_headers: {X-Version: [\"2*\"]}, http_request_methods: [POST], query_strings: [beta=yes, x], \
             source_ips: [192.0.2.0/24], priority: 1",
        )),
        "ListenerRuleApi",
    );
    assert_eq!(
        rule["Conditions"],
        json!([
            {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "X-Version", "Values": ["2*"]}},
            {"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": ["POST"]}},
            {"Field": "query-string", "QueryStringConfig": {"Values": [{"Key": "beta", "Value": "yes"}, {"Value": "x"}]}},
            {"Field": "source-ip", "SourceIpConfig": {"Values": ["192.0.2.0/24"]}},
        ])
    );
    refused(
        &with_group(
            HTTPS,
            "http_headers: {X-A: [a, b]}, query_strings: [a, b, c], http_request_methods: [GET], priority: 1",
        ),
        "services.api.target_group",
        "expected at most 5",
    );
    for (group, key, words) in [
        (
            "http_headers: {Host: [a]}",
            "http_headers.Host",
            "use `host_headers`",
        ),
        (
            "http_request_methods: [get]",
            "http_request_methods[0]",
            "capital letters",
        ),
        ("source_ips: [192.0.2.1]", "source_ips[0]", "192.0.2.0/24"),
        (
            "query_strings: [\"=a\"]",
            "query_strings[0]",
            "<key>=<value>",
        ),
    ] {
        refused(
            &with_group(HTTPS, &format!("{group}, priority: 1")),
            &format!("services.api.target_group.{key}"),
            words,
        );
    }
}

const OIDC: &str = "issuer: \"https://login.example\", authorization_endpoint: \"https://login.example/a\", \
                    token_endpoint: \"https://login.example/t\", user_info_endpoint: \"https://login.example/u\", \
                    client_id: shop";

#[test]
fn people_log_in_before_a_request_comes_to_the_service_and_no_template_shows_the_secret() {
    let oidc = |secret: &str| {
        format!(
            "authenticate: {{oidc: {{{OIDC}, client_secret: {{value_from: {secret}, json_key: secret}}}}}}"
        )
    };
    let rendered = template(&with_group(
        HTTPS,
        &format!(
            "{}, host_headers: [a.example.com], priority: 1",
            oidc("shop/api/oidc")
        ),
    ));
    let actions = properties(&rendered, "ListenerRuleApi")["Actions"].clone();
    assert_eq!(actions[0]["Type"], "authenticate-oidc");
    assert_eq!(
        (&actions[0]["Order"], &actions[1]["Order"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(
        actions[0]["AuthenticateOidcConfig"]["ClientSecret"],
        "{{resolve:secretsmanager:shop/api/oidc:SecretString:secret}}"
    );
    assert_eq!(actions[1]["Type"], "forward");
    // The load balancer itself asks the provider.
    let group = properties(&rendered, "LoadBalancerSecurityGroup");
    assert_eq!(group["SecurityGroupEgress"][0]["FromPort"], 443);
    for other in ["billing/api/oidc", "shop/oidc", "\"shop/api/x}}{{\""] {
        refused(
            &with_group(HTTPS, &oidc(other)),
            "services.api.target_group.authenticate.oidc.client_secret.value_from",
            "not a name of a secret of this stack",
        );
    }
    let cognito = "authenticate: {cognito: {user_pool_arn: \"arn:aws:cognito-idp:eu-west-1:111122223333:userpool/p\", \
                   user_pool_client_id: c, user_pool_domain: d}}";
    let template = template(&with_group(HTTPS, cognito));
    let actions = &properties(&template, "HttpsListener")["DefaultActions"];
    assert_eq!(actions[0]["Type"], "authenticate-cognito");
    assert_eq!(
        actions[0]["AuthenticateCognitoConfig"]["UserPoolDomain"],
        "d"
    );
    refused(
        &with_group(HTTP, cognito),
        "services.api.target_group.authenticate",
        "on a listener of HTTPS only",
    );
}

#[test]
fn services_call_each_other_by_service_connect() {
    let template = template(
        "service_discovery: {namespace: shop.local}\nservices:\n  \
         api: {image: \"shop/api:v1\", container_port: 8080, service_connect: {app_protocol: http, \
         per_request_timeout_seconds: 5, client_alias: {port: 80}}}\n  \
         worker: {image: \"shop/worker:v1\", service_connect: {}}\n",
    );
    let api = properties(&template, "ServiceApi")["ServiceConnectConfiguration"].clone();
    assert_eq!(
        api["Services"],
        json!([{
            "PortName": "api",
            "ClientAliases": [{"DnsName": "api", "Port": 80}],
            "Timeout": {"PerRequestTimeoutSeconds": 5},
        }])
    );
    assert_eq!(
        api["Namespace"],
        json!({"Fn::GetAtt": ["DiscoveryNamespace", "Arn"]})
    );
    let ports =
        &properties(&template, "TaskDefinitionApi")["ContainerDefinitions"][0]["PortMappings"];
    assert_eq!(
        *ports,
        json!([{"Name": "api", "ContainerPort": 8080, "Protocol": "tcp", "AppProtocol": "http"}])
    );
    let worker = properties(&template, "ServiceWorker")["ServiceConnectConfiguration"].clone();
    assert_eq!(
        (&worker["Enabled"], &worker["Services"]),
        (&json!(true), &Value::Null)
    );
    refused(
        "services:\n  api: {image: \"shop/api:v1\", service_connect: {}}\n",
        "services.api.service_connect",
        "add `service_discovery` to the stack",
    );
    refused(
        "services:\n  api: {image: \"shop/api:v1\", service_connect: {namespace: a.local, app_protocol: grpc}}\n",
        "services.api.service_connect.app_protocol",
        "without a `container_port`",
    );
}

#[test]
fn a_network_load_balancer_listens_where_services_say() {
    let rest = "alarms: {}\nload_balancer: {type: network, scheme: internet-facing, subnet_ids: [subnet-1, subnet-2], \
                certificate_arns: [\"arn:aws:acm:eu-west-1:111122223333:certificate/1\"]}\nservices:\n  \
                broker: {image: \"shop/broker:v1\", container_port: 1883, target_group: {listener_port: 8883, \
                listener_protocol: TLS, preserve_client_ip: true}}\n  \
                dns: {image: \"shop/dns:v1\", container_port: 53, additional_container_ports: [8080], target_group: \
                {listener_port: 53, listener_protocol: UDP, health_check: {port: 8080}}}\n";
    let template = template(rest);
    let balancer = properties(&template, "LoadBalancer");
    assert_eq!(balancer["Type"], "network");
    let attributes = balancer["LoadBalancerAttributes"].to_string();
    assert!(
        !attributes.contains("idle_timeout") && attributes.contains("cross_zone"),
        "{attributes}"
    );
    let listener = properties(&template, "PortListenerBroker");
    assert_eq!(
        (&listener["Port"], &listener["Protocol"]),
        (&json!(8883), &json!("TLS"))
    );
    assert!(listener["Certificates"].is_array() && listener["SslPolicy"].is_string());
    let targets = properties(&template, "TargetGroupBroker");
    assert_eq!(
        (&targets["Protocol"], &targets["HealthCheckProtocol"]),
        (&json!("TCP"), &json!("TCP"))
    );
    assert_eq!(
        (&targets["HealthCheckPath"], &targets["Matcher"]),
        (&Value::Null, &Value::Null)
    );
    let targets = properties(&template, "TargetGroupDns");
    assert_eq!(
        (&targets["Protocol"], &targets["HealthCheckPort"]),
        (&json!("UDP"), &json!("8080"))
    );
    let ports =
        &properties(&template, "TaskDefinitionDns")["ContainerDefinitions"][0]["PortMappings"];
    assert_eq!(
        (&ports[0]["Protocol"], &ports[1]["Protocol"]),
        (&json!("udp"), &json!("tcp"))
    );
    let ingress =
        properties(&template, "LoadBalancerSecurityGroup")["SecurityGroupIngress"].clone();
    let opened: Vec<(&str, i64)> = ingress
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| {
            (
                rule["IpProtocol"].as_str().unwrap(),
                rule["FromPort"].as_i64().unwrap(),
            )
        })
        .collect();
    assert_eq!(opened, [("tcp", 8883), ("udp", 53)]);
    // The service is open to the load balancer at both of its ports.
    let ingress = properties(&template, "SecurityGroupDns")["SecurityGroupIngress"].to_string();
    assert!(
        ingress.contains("\"udp\"") && ingress.contains("8080"),
        "{ingress}"
    );
    assert!(!types(&template).contains(&"AWS::ElasticLoadBalancingV2::ListenerRule"));
    let alarm = properties(&template, "TargetHealthAlarmDns");
    assert_eq!(alarm["Namespace"], "AWS/NetworkELB");
    let estimate = estimate(&accepted(rest).stack);
    assert!(
        estimate
            .lines
            .iter()
            .any(|line| line.price == "network_load_balancer")
    );
}

#[test]
fn connections_and_datagrams_come_to_one_port_of_a_service() {
    let file = |group: &str| {
        format!(
            "load_balancer: {{type: network, scheme: internet-facing, subnet_ids: [subnet-1, subnet-2]}}\nservices:\n  \
             dns: {{image: \"shop/dns:v1\", container_port: 53, additional_container_ports: [8080], target_group: \
             {{listener_port: 53, listener_protocol: TCP_UDP{group}}}}}\n"
        )
    };
    let template = template(&file(", health_check: {port: 8080}"));
    let listener = properties(&template, "PortListenerDns");
    assert_eq!(
        (&listener["Port"], &listener["Protocol"]),
        (&json!(53), &json!("TCP_UDP"))
    );
    let targets = properties(&template, "TargetGroupDns");
    assert_eq!(targets["Protocol"], "TCP_UDP");
    assert!(
        targets["TargetGroupAttributes"]
            .as_array()
            .unwrap()
            .contains(&json!({"Key": "preserve_client_ip.enabled", "Value": "true"}))
    );
    let ports =
        &properties(&template, "TaskDefinitionDns")["ContainerDefinitions"][0]["PortMappings"];
    let ports: Vec<(&Value, &Value)> = ports
        .as_array()
        .unwrap()
        .iter()
        .map(|port| (&port["ContainerPort"], &port["Protocol"]))
        .collect();
    let (tcp, udp) = (json!("tcp"), json!("udp"));
    assert_eq!(
        ports,
        [(&json!(53), &tcp), (&json!(53), &udp), (&json!(8080), &tcp)]
    );
    // The load balancer takes both from clients, and may reach the tasks by both and at the port of health checks.
    for (group, rules) in [("LoadBalancerSecurityGroup", 2), ("SecurityGroupDns", 3)] {
        let ingress = properties(&template, group)["SecurityGroupIngress"].clone();
        let protocols: Vec<&str> = ingress
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|rule| rule["IpProtocol"].as_str())
            .collect();
        assert_eq!(protocols.len(), rules, "{ingress}");
        assert!(protocols.contains(&"tcp") && protocols.contains(&"udp"));
    }
    let egress = types(&template)
        .into_iter()
        .filter(|one| *one == "AWS::EC2::SecurityGroupEgress");
    assert_eq!(egress.count(), 3);
    // A connection says whether a task is healthy: no port of its own is needed.
    accepted(&file(""));
    refused(
        &file(", preserve_client_ip: false"),
        "services.dns.target_group.preserve_client_ip",
        "also of TCP_UDP",
    );
}

#[test]
fn what_a_network_load_balancer_cannot_do_is_refused() {
    const NETWORK: &str = "load_balancer: {type: network, subnet_ids: [subnet-1, subnet-2], ingress_cidr_ips: [10.0.0.0/8]}\n";
    for (group, key, words) in [
        ("{}", "", "add `listener_port`"),
        (
            "listener_port: 80, path_patterns: [/a]",
            ".path_patterns",
            "does not look into",
        ),
        (
            "listener_port: 80, listener_protocol: TLS",
            ".listener_protocol",
            "add `certificate_arns`",
        ),
        (
            "listener_port: 80, listener_protocol: UDP",
            ".health_check",
            "listens to TCP",
        ),
        (
            "listener_port: 80, health_check: {path: /a}",
            ".health_check.path",
            "add `protocol: HTTP`",
        ),
    ] {
        let group = group.trim_matches(|brace| "{}".contains(brace) && group == "{}");
        refused(
            &with_group(NETWORK, group),
            &format!("services.api.target_group{key}"),
            words,
        );
    }
    refused(
        &with_group(HTTPS, "listener_port: 80"),
        "services.api.target_group.listener_port",
        "only a Network Load Balancer has this",
    );
    refused(
        &format!(
            "{NETWORK}services:\n  one: {{image: \"shop/a:v1\", container_port: 1, target_group: {{listener_port: 80}}}}\n  \
             two: {{image: \"shop/a:v1\", container_port: 1, target_group: {{listener_port: 80}}}}\n"
        ),
        "services.two.target_group.listener_port",
        "service `one` is at this port already",
    );
}

#[test]
fn with_both_kinds_of_addresses_load_balancer_names_and_groups_have_both() {
    let text = "name: shop\nnetwork: {vpc_id: vpc-1, subnet_ids: [subnet-1, subnet-2], ip_address_type: dualstack}\n\
                load_balancer: {scheme: internet-facing, subnet_ids: [subnet-1, subnet-2], certificate_arns: \
                [\"arn:aws:acm:eu-west-1:111122223333:certificate/1\"], dns: {hosted_zone_id: Z1, names: \
                [shop.example.com, \"*.shop.example.com\"]}}\nservices:\n  \
                api: {image: \"shop/api:v1\", container_port: 80, target_group: {}, security_group: {ingress: \
                [{cidr_ipv6: \"2001:db8::/32\"}]}}\n";
    let template = support::template(text);
    assert_eq!(
        properties(&template, "LoadBalancer")["IpAddressType"],
        "dualstack"
    );
    let group = properties(&template, "SecurityGroupApi");
    assert_eq!(
        group["SecurityGroupIngress"][0]["CidrIpv6"],
        "2001:db8::/32"
    );
    assert_eq!(group["SecurityGroupEgress"][1]["CidrIpv6"], "::/0");
    let clients = properties(&template, "LoadBalancerSecurityGroup").to_string();
    assert!(clients.contains("::/0"), "{clients}");
    for (id, name, kind) in [
        ("DnsRecordShopExampleCom", "shop.example.com", "A"),
        ("Ipv6DnsRecordShopExampleCom", "shop.example.com", "AAAA"),
        ("DnsRecordAnyShopExampleCom", "*.shop.example.com", "A"),
    ] {
        let record = properties(&template, id);
        assert_eq!(
            (&record["Name"], &record["Type"]),
            (&json!(name), &json!(kind))
        );
        assert_eq!(
            record["AliasTarget"]["HostedZoneId"],
            json!({"Fn::GetAtt": ["LoadBalancer", "CanonicalHostedZoneID"]})
        );
    }
    refused(
        "load_balancer: {subnet_ids: [subnet-1, subnet-2], ingress_cidr_ips: [\"::/0\"]}\nservices: {}\n",
        "load_balancer.ingress_cidr_ips[0]",
        "add `ip_address_type: dualstack`",
    );
}

#[test]
fn an_attribute_is_a_text_and_a_task_with_its_own_network_has_no_hostname() {
    refused(
        &format!(
            "{}overrides: {{load_balancer: {{LoadBalancerAttributes: {{routing.http2.enabled: {{Value: \"false\"}}}}}}}}\n",
            with_group(HTTPS, "")
        ),
        "overrides.load_balancer.LoadBalancerAttributes[\"routing.http2.enabled\"]",
        "expected a text, a number or a boolean",
    );
    for property in [
        "Hostname: a",
        "DnsServers: [10.0.0.2]",
        "ExtraHosts: []",
        "Links: [a]",
    ] {
        let name = property.split(':').next().unwrap();
        refused(
            &format!(
                "services:\n  api: {{image: \"shop/api:v1\", overrides: {{task_definition: {{ContainerDefinitions: \
                 {{api: {{{property}}}}}}}}}}}\n"
            ),
            &format!("services.api.overrides.task_definition.ContainerDefinitions.api.{name}"),
            "ECS refuses it",
        );
    }
}

/// A service behind the load balancer with this, and these lists of its own.
fn with_groups(balancer: &str, rest: &str, groups: &[&str]) -> String {
    let groups: String = groups
        .iter()
        .map(|group| format!("    - {{{group}}}\n"))
        .collect();
    format!(
        "{balancer}services:\n  api:\n    image: \"shop/api:v1\"\n    container_port: 80\n    \
         additional_container_ports: [9090]\n    sidecars: {{proxy: {{image: \"shop/proxy:v1\", container_port: 8443}}}}\n\
         {rest}    target_groups:\n{groups}"
    )
}

const BALANCER: &str = "load_balancer: {subnet_ids: [subnet-1, subnet-2], ingress_cidr_ips: [10.0.0.0/8], certificate_arns: \
                        [\"arn:aws:acm:eu-west-1:111122223333:certificate/1\"]}\n";

#[test]
fn requests_come_to_several_ports_of_a_service_by_rules_of_their_own() {
    let stack = template(&with_groups(
        &format!("alarms: {{}}\ndashboard: true\n{BALANCER}"),
        "    scaling: {min_capacity: 1, max_capacity: 4, target_requests_per_task: 100}\n",
        &[
            "",
            "container_port: 9090, host_headers: [admin.example.com], priority: 2, health_check: {port: 80}",
            "container_name: proxy, path_patterns: [/proxy/*], priority: 3",
            "container_port: 9090, path_patterns: [/metrics], priority: 4",
            &format!(
                "listener_arn: \"{LISTENER}\", load_balancer_security_group_ids: [sg-9], path_patterns: [/a], priority: 4"
            ),
        ],
    ));
    // What is the first one's is called as what a single one has.
    let ids = [
        "Api",
        "Api9090",
        "ApiProxy8443",
        "Api9090At4",
        "Api804e5f6071",
    ];
    let service = properties(&stack, "ServiceApi");
    let targets = [
        ("api", 80),
        ("api", 9090),
        ("proxy", 8443),
        ("api", 9090),
        ("api", 80),
    ];
    let expected: Vec<Value> = ids
        .iter()
        .zip(targets)
        .map(|(id, (container, port))| {
            json!({
                "ContainerName": container,
                "ContainerPort": port,
                "TargetGroupArn": {"Ref": format!("TargetGroup{id}")},
            })
        })
        .collect();
    assert_eq!(service["LoadBalancers"], Value::Array(expected));
    for (id, (_, port)) in ids.iter().zip(targets) {
        let group = properties(&stack, &format!("TargetGroup{id}"));
        assert_eq!(group["Port"], port, "{id}");
    }
    for id in &ids[1..] {
        let rule = properties(&stack, &format!("ListenerRule{id}"));
        assert_eq!(
            rule["Actions"][0]["TargetGroupArn"],
            json!({"Ref": format!("TargetGroup{id}")})
        );
        // ECS takes a target group only once a rule sends to it.
        let before = stack["Resources"]["ServiceApi"]["DependsOn"].to_string();
        assert!(
            before.contains(&format!("\"ListenerRule{id}\"")),
            "{before}"
        );
    }
    assert_eq!(
        properties(&stack, "HttpsListener")["DefaultActions"][0]["TargetGroupArn"],
        json!({"Ref": "TargetGroupApi"})
    );

    // Each port is open once for each load balancer, on both sides.
    let ingress = properties(&stack, "SecurityGroupApi")["SecurityGroupIngress"].clone();
    let opened = ingress.as_array().unwrap().iter().map(|rule| {
        let port = rule["FromPort"].as_u64().unwrap();
        (port, rule["SourceSecurityGroupId"].is_string())
    });
    let opened: Vec<(u64, bool)> = opened.collect();
    assert_eq!(
        opened,
        [(80, false), (9090, false), (8443, false), (80, true)]
    );
    for (id, port) in [("Api", 80), ("ApiTcp9090", 9090), ("ApiTcp8443", 8443)] {
        let egress = properties(&stack, &format!("LoadBalancerEgress{id}"));
        assert_eq!(egress["FromPort"], port);
    }

    // The first one's requests are counted, and the errors and the health of all of them.
    let label = properties(&stack, "RequestTrackingApi").to_string();
    assert!(
        label.contains("${TargetGroupApi.TargetGroupFullName}"),
        "{label}"
    );
    for alarm in ["TargetErrorsAlarmApi", "TargetHealthAlarmApi"] {
        let alarm = properties(&stack, alarm).to_string();
        for id in ids {
            let metric = json!(["TargetGroup".to_owned() + id, "TargetGroupFullName"]).to_string();
            assert!(alarm.contains(&metric), "{id} is not in {alarm}");
        }
    }
    let dashboard = properties(&stack, "Dashboard").to_string();
    assert!(
        dashboard.contains("TargetGroupApiProxy8443.TargetGroupFullName"),
        "{dashboard}"
    );
    assert!(dashboard.contains("app/web/0a1b2c3d"), "{dashboard}");
}

#[test]
fn moving_a_target_group_into_a_list_replaces_nothing() {
    let before = template(&with_group(
        BALANCER,
        "path_patterns: [/a], priority: 7, health_check: {port: 81}",
    ));
    let list = with_group(
        BALANCER,
        "path_patterns: [/a], priority: 7, health_check: {port: 81}",
    )
    .replace("target_group: {", "target_groups: [{")
    .replace("}}}\n", "}}]}\n");
    assert_eq!(template(&list), before);

    let more = list.replace("}}]}\n", "}}, {path_patterns: [/b], priority: 8}]}\n");
    let after = template(&more);
    let resources = before["Resources"].as_object().unwrap();
    for (id, resource) in resources {
        // Only the service has more than before.
        if id != "ServiceApi" {
            assert_eq!(&after["Resources"][id], resource, "{id}");
        }
    }
    let added: Vec<&String> = after["Resources"].as_object().unwrap().keys().collect();
    let added: Vec<_> = added
        .into_iter()
        .filter(|id| !resources.contains_key(*id))
        .collect();
    assert_eq!(added, ["ListenerRuleApi80", "TargetGroupApi80"]);
}

#[test]
fn a_network_load_balancer_listens_at_several_ports_for_one_service() {
    let balancer = "load_balancer: {type: network, subnet_ids: [subnet-1, subnet-2], ingress_cidr_ips: [10.0.0.0/8]}\n";
    let stack = template(&with_groups(
        balancer,
        "",
        &[
            "listener_port: 443",
            "listener_port: 9090, container_port: 9090",
            "listener_port: 9091, container_port: 9090, listener_protocol: UDP, health_check: {port: 80}",
        ],
    ));
    for (id, port) in [("Api", 443), ("Api9090", 9090), ("Api9090At9091", 9091)] {
        let listener = properties(&stack, &format!("PortListener{id}"));
        assert_eq!(listener["Port"], port);
        assert_eq!(
            listener["DefaultActions"][0]["TargetGroupArn"],
            json!({"Ref": format!("TargetGroup{id}")})
        );
    }
    // Connections and datagrams come to one port of the container, each by a listener of its own.
    let containers = properties(&stack, "TaskDefinitionApi")["ContainerDefinitions"].clone();
    let mappings = &containers[0]["PortMappings"];
    assert_eq!(
        mappings,
        &json!([
            {"ContainerPort": 80, "Protocol": "tcp"},
            {"ContainerPort": 9090, "Protocol": "tcp"},
            {"ContainerPort": 9090, "Protocol": "udp"},
        ])
    );
}

#[test]
fn several_target_groups_of_a_service_differ_and_are_said_in_one_place() {
    let two =
        |second: &str| with_groups(BALANCER, "", &["path_patterns: [/a], priority: 1", second]);
    accepted(&two("path_patterns: [/b], priority: 2"));
    for (second, path, words) in [
        (
            "path_patterns: [/b], priority: 1",
            "[1].priority",
            "another target group of this service has this priority",
        ),
        (
            "container_port: 9091, path_patterns: [/b], priority: 2",
            "[1].container_port",
            "expected 80 or 9090",
        ),
        (
            "container_name: proxy, container_port: 80, path_patterns: [/b], priority: 2",
            "[1].container_port",
            "expected 8443",
        ),
        (
            "container_name: nginx, path_patterns: [/b], priority: 2",
            "[1].container_name",
            "expected one of `api`, `proxy`",
        ),
    ] {
        refused(
            &two(second),
            &format!("services.api.target_groups{path}"),
            words,
        );
    }
    refused(
        &with_groups(BALANCER, "", &["", "container_port: 9090"]),
        "services.api.target_groups[1]",
        "two target groups of `api` would both get what no other service gets",
    );
    let arn =
        "target_group_arn: \"arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/a/b\"";
    refused(
        &with_groups(BALANCER, "", &["", arn, arn]),
        "services.api.target_groups[2].target_group_arn",
        "another target group of this service is this one already",
    );
    let six: Vec<String> = (1..=6)
        .map(|priority| format!("path_patterns: [/{priority}], priority: {priority}"))
        .collect();
    let six: Vec<&str> = six.iter().map(String::as_str).collect();
    refused(
        &with_groups(BALANCER, "", &six),
        "services.api.target_groups",
        "expected at most 5",
    );
    refused(
        &with_groups(
            BALANCER,
            "    target_group: {path_patterns: [/c], priority: 3}\n",
            &[""],
        ),
        "services.api.target_groups",
        "is said twice",
    );
    let blue_green = "    deployment_configuration: {strategy: BLUE_GREEN}\n";
    accepted(&with_groups(BALANCER, blue_green, &[""]));
    refused(
        &with_groups(
            BALANCER,
            blue_green,
            &["", "path_patterns: [/b], priority: 2"],
        ),
        "services.api.target_groups",
        "ECS moves the requests of one target group",
    );
    let by_requests =
        "    scaling: {min_capacity: 1, max_capacity: 4, target_requests_per_task: 100}\n";
    refused(
        &with_groups(BALANCER, by_requests, &[arn, ""]),
        "services.api.scaling.target_requests_per_task",
        "not behind `target_group_arn`",
    );
    // The place is in the file's own lines.
    let problems = support::read_text(&text(&two("path_patterns: [/b], priority: 1"))).unwrap_err();
    let twice = problems
        .iter()
        .find(|problem| problem.path.ends_with("[1].priority"))
        .unwrap();
    assert!(twice.line.is_some() && twice.column.is_some(), "{twice:?}");
}

#[test]
fn a_priority_of_a_further_target_group_that_another_stack_has_is_refused() {
    let second = format!(
        "listener_arn: \"{LISTENER}\", load_balancer_security_group_ids: [sg-1], path_patterns: [/a], priority: 1"
    );
    let reading = accepted(&with_groups(BALANCER, "", &["", &second]));
    assert_eq!(
        needs(&reading.stack).listeners,
        [LISTENER.to_owned()].into()
    );
    let listener = Listener {
        is_https: true,
        rules: [(1, Some("search".to_owned()))].into(),
    };
    let surroundings = Surroundings {
        listeners: [(LISTENER.to_owned(), listener)].into(),
        ..Surroundings::default()
    };
    let findings = check_surroundings(&reading.stack, &surroundings);
    let found = findings
        .iter()
        .find(|finding| finding.path.ends_with("priority"))
        .unwrap();
    assert_eq!(found.path, "services.api.target_groups[1].priority");
    assert!(
        found.message.contains("a rule of stack `search`"),
        "{}",
        found.message
    );
}

/// The stack files that show what a stack file may say.
#[test]
fn every_example_is_read_and_rendered_without_a_warning() {
    let mut files: Vec<PathBuf> = fs::read_dir(support::examples())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty());
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy();
        support::example(&name);
    }
}
