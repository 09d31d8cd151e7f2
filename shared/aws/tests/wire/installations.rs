//! What doctor, replay, scale and exec ask AWS, and what they make of the answers.

use longshore_events::arn::ServiceName;
use longshore_rollout::installation::{Installation as _, SecretState};
use longshore_rollout::lost_events::DeadLetterQueues as _;
use longshore_rollout::ports::ServiceScaler as _;
use longshore_rollout::service_view::ServiceViews as _;
use longshore_rollout::shells::Shells as _;
use longshore_state::ErrorClass;
use serde_json::json;

use super::support::Wire;

const QUEUE: &str =
    "https://sqs.eu-west-1.amazonaws.com/111122223333/longshore-deploy-dead-letters";

fn service() -> ServiceName {
    ServiceName {
        cluster: "shop".to_owned(),
        ecs_service: "api".to_owned(),
    }
}

#[tokio::test]
async fn a_lost_event_is_received_with_its_reason_given_to_its_function_and_deleted() {
    let wire = Wire::new(|call| {
        match call.name.as_str() {
        "GetQueueUrl" => (200, json!({"QueueUrl": QUEUE}).to_string()),
        "ReceiveMessage" => (
            200,
            json!({"Messages": [{
                "MessageId": "m-1", "ReceiptHandle": "r-1", "Body": "{\"action\": \"reconcile\"}",
                "Attributes": {"SentTimestamp": "1790000001000"},
                "MessageAttributes": {"ERROR_CODE": {"DataType": "String", "StringValue": "NO_PERMISSIONS"}},
            }]})
            .to_string(),
        ),
        "POST /2015-03-31/functions/longshore-deploy/invocations" => (202, String::new()),
        "DeleteMessage" | "ChangeMessageVisibility" | "SendMessage" => (200, String::new()),
        other => panic!("{other}"),
    }
    });
    let cloud = wire.cloud();
    let url = cloud.queue_url("longshore-deploy-dead-letters").await;
    assert_eq!(url.unwrap().as_deref(), Some(QUEUE));
    let messages = cloud.receive(QUEUE).await.unwrap();
    let message = &messages[0];
    assert_eq!(message.attributes["ERROR_CODE"], "NO_PERMISSIONS");
    assert_eq!(message.sent_at.unwrap().timestamp(), 1_790_000_001);
    let event = json!({"action": "reconcile"});
    cloud.invoke("longshore-deploy", &event).await.unwrap();
    cloud.delete(QUEUE, message).await.unwrap();
    cloud.release(QUEUE, message).await.unwrap();
    let arn = "arn:aws:sqs:eu-west-1:111122223333:longshore-schedule-dead-letters";
    cloud.send_back(arn, message).await.unwrap();
    let calls = wire.calls();
    assert_eq!(
        calls[1].header("content-type"),
        Some("application/x-amz-json-1.0")
    );
    let invocation = &calls[2];
    assert_eq!(invocation.header("x-amz-invocation-type"), Some("Event"));
    assert_eq!(invocation.json(), event);
    assert_eq!(
        calls[3].json(),
        json!({"QueueUrl": QUEUE, "ReceiptHandle": "r-1"})
    );
}

#[tokio::test]
async fn a_queue_a_function_a_bus_and_a_policy_that_are_not_there_are_nothing_and_not_an_error() {
    let wire = Wire::new(|call| {
        match call.name.as_str() {
        "GetQueueUrl" => (
            400,
            json!({"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "no"}).to_string(),
        ),
        "ListRules" | "DescribeSecret" => (
            400,
            json!({"__type": "ResourceNotFoundException", "message": "no"}).to_string(),
        ),
        "GetPolicy" => (
            404,
            "<ErrorResponse><Error><Type>Sender</Type><Code>NoSuchEntity</Code><Message>no</Message></Error></ErrorResponse>"
                .to_owned(),
        ),
        _ => (
            404,
            json!({"Type": "User", "Message": "Function not found"}).to_string(),
        ),
    }
    });
    let cloud = wire.cloud();
    assert_eq!(cloud.queue_length("q").await.unwrap(), None);
    assert_eq!(cloud.function("longshore-deploy").await.unwrap(), None);
    assert_eq!(
        cloud.rules(Some("longshore"), "longshore-").await.unwrap(),
        None
    );
    assert_eq!(cloud.secret("s").await.unwrap(), None);
    let boundary = "arn:aws:iam::111122223333:policy/longshore-boundary";
    assert!(!cloud.has_policy(boundary).await.unwrap());
}

#[tokio::test]
async fn an_installation_is_shown_as_aws_describes_it() {
    let wire = Wire::new(|call| {
        match call.name.as_str() {
        "GetCallerIdentity" => (
            200,
            "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::111122223333:user/ada</Arn>\
             <UserId>A</UserId><Account>111122223333</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
                .to_owned(),
        ),
        "GET /2015-03-31/functions/longshore-deploy/configuration" => (
            200,
            json!({"State": "Active", "LastUpdateStatus": "Failed", "LastUpdateStatusReason": "no role",
                   "CodeSha256": "abc=", "Environment": {"Variables": {"EVENT_BUS_NAME": "longshore"}}})
            .to_string(),
        ),
        "ListRules" => (
            200,
            match call.json()["NextToken"].as_str() {
                None => json!({"Rules": [{"Name": "longshore-a", "State": "ENABLED"}], "NextToken": "1"}),
                Some(_) => json!({"Rules": [{"Name": "longshore-b", "State": "DISABLED"}]}),
            }
            .to_string(),
        ),
        "GetPolicy" => (200, "<GetPolicyResponse><GetPolicyResult/></GetPolicyResponse>".to_owned()),
        "DescribeSecret" => (
            200,
            json!({"Name": "s", "VersionIdsToStages": {"1": ["AWSCURRENT"]}}).to_string(),
        ),
        "GetQueueUrl" => (200, json!({"QueueUrl": QUEUE}).to_string()),
        "GetQueueAttributes" => (
            200,
            json!({"Attributes": {"ApproximateNumberOfMessages": "2",
                                  "ApproximateNumberOfMessagesNotVisible": "1"}})
            .to_string(),
        ),
        other => panic!("{other}"),
    }
    });
    let cloud = wire.cloud();
    let caller = cloud.caller().await.unwrap();
    assert_eq!(caller.account, "111122223333");
    assert_eq!(caller.arn, "arn:aws:iam::111122223333:user/ada");
    let function = cloud.function("longshore-deploy").await.unwrap().unwrap();
    assert_eq!(function.state, "Active");
    assert_eq!(function.last_update, "Failed");
    assert_eq!(function.reason.as_deref(), Some("no role"));
    assert_eq!(function.environment["EVENT_BUS_NAME"], "longshore");
    let rules = cloud.rules(None, "longshore-").await.unwrap().unwrap();
    assert_eq!((rules["longshore-a"], rules["longshore-b"]), (true, false));
    assert!(
        cloud
            .has_policy("arn:aws:iam::111122223333:policy/p")
            .await
            .unwrap()
    );
    let secret = SecretState {
        has_value: true,
        is_deleted: false,
    };
    assert_eq!(cloud.secret("s").await.unwrap(), Some(secret));
    assert_eq!(cloud.queue_length("q").await.unwrap(), Some(3));
    let of_iam = wire.calls();
    let of_iam = of_iam.iter().find(|call| call.name == "GetPolicy").unwrap();
    let signature = of_iam.header("authorization").unwrap();
    assert!(
        signature.contains("/us-east-1/iam/aws4_request"),
        "{signature}"
    );
}

#[tokio::test]
async fn what_rules_and_schedules_wake_is_asked_for_one_by_one() {
    let wire = Wire::new(|call| {
        match call.name.as_str() {
        "ListTargetsByRule" => (
            200,
            json!({"Targets": [{"Id": "function", "Arn": "arn:aws:lambda:eu-west-1:111122223333:function:x"}]})
                .to_string(),
        ),
        "GET /schedules/longshore-reconcile" => (
            200,
            json!({"Name": "longshore-reconcile", "State": "DISABLED", "Target": {
                "Arn": "arn:aws:lambda:eu-west-1:111122223333:function:longshore-deploy",
                "RoleArn": "arn:aws:iam::111122223333:role/longshore-reconcile"}})
            .to_string(),
        ),
        "GET /schedules/longshore-none" => (404, json!({"Message": "no"}).to_string()),
        other => panic!("{other}"),
    }
    });
    let cloud = wire.cloud();
    let targets = cloud
        .targets(Some("longshore"), "longshore-x")
        .await
        .unwrap();
    assert_eq!(
        targets,
        ["arn:aws:lambda:eu-west-1:111122223333:function:x"]
    );
    assert_eq!(
        wire.calls()[0].json(),
        json!({"Rule": "longshore-x", "EventBusName": "longshore"})
    );
    let schedule = cloud
        .schedule("longshore-reconcile")
        .await
        .unwrap()
        .unwrap();
    assert!(!schedule.is_enabled);
    assert!(schedule.target.ends_with(":function:longshore-deploy"));
    assert_eq!(cloud.schedule("longshore-none").await.unwrap(), None);
}

#[tokio::test]
async fn rights_are_simulated_page_by_page_and_what_the_organization_forbids_is_refused() {
    let wire = Wire::new(|call| {
        let decided = |action: &str, decision: &str, more: &str| {
            format!(
                "<member><EvalActionName>{action}</EvalActionName><EvalDecision>{decision}</EvalDecision>\
                 <EvalResourceName>*</EvalResourceName><MatchedStatements/>{more}</member>"
            )
        };
        let page = |results: String, rest: &str| {
            format!(
                "<SimulatePrincipalPolicyResponse><SimulatePrincipalPolicyResult><EvaluationResults>{results}\
                 </EvaluationResults>{rest}</SimulatePrincipalPolicyResult></SimulatePrincipalPolicyResponse>"
            )
        };
        match call.name.as_str() {
            "GetRole" => (
                200,
                "<GetRoleResponse><GetRoleResult><Role><RoleName>deployer</RoleName>\
                 <Arn>arn:aws:iam::111122223333:role/people/deployer</Arn></Role></GetRoleResult></GetRoleResponse>"
                    .to_owned(),
            ),
            "SimulatePrincipalPolicy" => {
                let forbidden = "<OrganizationsDecisionDetail><AllowedByOrganizations>false</AllowedByOrganizations>\
                                 </OrganizationsDecisionDetail>";
                let answer = match call.body.contains("Marker=next") {
                    false => page(
                        decided("a:One", "allowed", "") + &decided("a:Two", "implicitDeny", ""),
                        "<IsTruncated>true</IsTruncated><Marker>next</Marker>",
                    ),
                    true => page(
                        decided("a:Three", "allowed", forbidden) + &decided("a:Four", "explicitDeny", ""),
                        "<IsTruncated>false</IsTruncated>",
                    ),
                };
                (200, answer)
            }
            other => panic!("{other}"),
        }
    });
    let cloud = wire.cloud();
    let arn = cloud.role_arn("deployer").await.unwrap();
    assert_eq!(arn, "arn:aws:iam::111122223333:role/people/deployer");
    let actions = ["a:One", "a:Two", "a:Three", "a:Four"];
    let refused = cloud.refused_actions(&arn, &actions, "*").await.unwrap();
    assert_eq!(refused, ["a:Two", "a:Three", "a:Four"]);
    let asked = &wire.calls()[1];
    for expected in [
        "PolicySourceArn=arn%3Aaws%3Aiam%3A%3A111122223333%3Arole%2Fpeople%2Fdeployer",
        "ActionNames.member.4=a%3AFour",
        "ResourceArns.member.1=*",
    ] {
        assert!(asked.body.contains(expected), "{expected}: {}", asked.body);
    }
}

#[tokio::test]
async fn a_number_of_tasks_is_sent_alone_and_a_scalable_target_is_seen() {
    let wire = Wire::new(|call| match call.name.as_str() {
        "DescribeScalableTargets" => (
            200,
            json!({"ScalableTargets": [{"ResourceId": "service/shop/api"}]}).to_string(),
        ),
        "UpdateService" => (200, json!({"service": {"serviceName": "api"}}).to_string()),
        other => panic!("{other}"),
    });
    let cloud = wire.cloud();
    assert!(cloud.scales_itself(&service()).await.unwrap());
    cloud.set_desired_count(&service(), 5).await.unwrap();
    assert_eq!(
        wire.calls()[1].json(),
        json!({"cluster": "shop", "service": "api", "desiredCount": 5})
    );
}

#[tokio::test]
async fn whoever_looks_on_sees_the_tasks_that_go_on_those_that_died_and_what_ecs_says() {
    let arn = |id: &str| format!("arn:aws:ecs:eu-west-1:111122223333:task/shop/{id}");
    let wire = Wire::new(move |call| {
        let task = |id: &str, status: &str, members: serde_json::Value| {
            let mut task = json!({"taskArn": arn(id), "lastStatus": status, "startedBy": "ecs-svc/2",
                "taskDefinitionArn": "arn:aws:ecs:eu-west-1:111122223333:task-definition/shop-api:2",
                "createdAt": 1_790_000_000, "startedAt": 1_790_000_010, "stoppingAt": 1_790_000_020,
                "stoppedAt": 1_790_000_030, "healthStatus": "UNKNOWN"});
            for (name, value) in members.as_object().unwrap() {
                task[name] = value.clone();
            }
            task
        };
        match call.name.as_str() {
            "DescribeServices" => (
                200,
                json!({"services": [{"serviceName": "api", "status": "ACTIVE", "desiredCount": 2,
                "deploymentConfiguration": {"strategy": "CANARY"},
                "events": [
                    {"id": "e-2", "createdAt": 1_790_000_002, "message": "second"},
                    {"id": "e-1", "createdAt": 1_790_000_001, "message": "first"},
                ]}]})
                .to_string(),
            ),
            "ListTasks" => (
                200,
                match call.json()["desiredStatus"].as_str() {
                    Some("RUNNING") => json!({"taskArns": [arn("a"), arn("b")]}),
                    _ => json!({"taskArns": [arn("c"), arn("d"), arn("e")]}),
                }
                .to_string(),
            ),
            "DescribeTasks" => (
                200,
                match call.json()["tasks"].as_array().map(Vec::len) {
                    Some(2) => json!({"tasks": [
                        task("a", "RUNNING", json!({"healthStatus": "HEALTHY"})),
                        task("b", "PENDING", json!({})),
                    ]}),
                    _ => json!({"tasks": [
                        task("c", "STOPPED", json!({})),
                        task("d", "STOPPED", json!({"startedBy": "ecs-svc/1"})),
                        task("e", "DEPROVISIONING", json!({"startedBy": "ecs-svc/1"})),
                    ]}),
                }
                .to_string(),
            ),
            other => panic!("{other}"),
        }
    });
    let cloud = wire.cloud();
    let view = cloud.view_service(&service(), Some("ecs-svc/2")).await;
    let view = view.unwrap();
    assert_eq!(view.strategy.as_deref(), Some("CANARY"));
    assert_eq!(view.desired_count, 2);
    let said: Vec<&str> = view
        .messages
        .iter()
        .map(|said| said.text.as_str())
        .collect();
    assert_eq!(said, ["first", "second"]);
    let tasks: Vec<(&str, &str, Option<&str>, i64)> = view
        .tasks
        .iter()
        .map(|task| {
            let id = task.arn.rsplit('/').next().unwrap();
            let since = task.since.unwrap().timestamp() - 1_790_000_000;
            (id, task.status.as_str(), task.health.as_deref(), since)
        })
        .collect();
    assert_eq!(
        tasks,
        [
            ("a", "RUNNING", Some("HEALTHY"), 10),
            ("b", "PENDING", None, 0),
            ("c", "STOPPED", None, 30),
            ("e", "DEPROVISIONING", None, 20),
        ]
    );
}

#[tokio::test]
async fn a_command_is_started_in_a_task_whose_agent_is_shown() {
    let task = "arn:aws:ecs:eu-west-1:111122223333:task/shop/0f3c1";
    let wire = Wire::new(move |call| {
        match call.name.as_str() {
        "ListTasks" => (200, json!({"taskArns": [task]}).to_string()),
        "DescribeTasks" => (
            200,
            json!({"tasks": [{"taskArn": task, "lastStatus": "RUNNING", "enableExecuteCommand": true,
                "startedAt": 1_790_000_000, "containers": [{"name": "app", "runtimeId": "0f3c1-1",
                "managedAgents": [{"name": "ExecuteCommandAgent", "lastStatus": "PENDING"}]}]}]})
            .to_string(),
        ),
        "ExecuteCommand" => (
            200,
            json!({"session": {"sessionId": "s-1", "streamUrl": "wss://x", "tokenValue": "t"}})
                .to_string(),
        ),
        other => panic!("{other}"),
    }
    });
    let cloud = wire.cloud();
    let tasks = cloud.running_tasks(&service()).await.unwrap();
    assert!(tasks[0].enabled);
    assert_eq!(tasks[0].containers[0].agent.as_deref(), Some("PENDING"));
    let session = cloud
        .execute_command("shop", task, "app", "sh")
        .await
        .unwrap();
    assert_eq!((session.id.as_str(), session.token.as_str()), ("s-1", "t"));
    assert_eq!(
        wire.calls()[2].json(),
        json!({"cluster": "shop", "task": task, "container": "app", "command": "sh", "interactive": true})
    );
    let denied = Wire::new(|_| {
        let refused = json!({"__type": "AccessDeniedException", "message": "no"});
        (400, refused.to_string())
    });
    let error = denied.cloud().running_tasks(&service()).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Denied);
}
