//! CloudFormation: requests as forms, answers in XML, as the AWS CloudFormation API Reference shows them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use longshore_provisioning::drift::last_drift;
use longshore_provisioning::ports::{
    Action, ChangeSet, ChangeSetKind, ChangeSetRequest, ParameterValue, ResourceToImport,
    StackObserver, StackProvisioner, TemplateSource,
};
use longshore_rollout::installation::rights::{NEEDED, THE_DRIFT_OF_LS};
use longshore_stack::spec::Sensitive;
use longshore_state::ErrorClass;

use crate::support::{Answer, Wire};

const STACK_ID: &str = "arn:aws:cloudformation:eu-west-1:111122223333:stack/shop/5d2a";

fn answer(action: &str, result: &str) -> Answer {
    let namespace = "http://cloudformation.amazonaws.com/doc/2010-05-15/";
    let body = format!(
        "<{action}Response xmlns=\"{namespace}\"><{action}Result>{result}</{action}Result>\
         <ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></{action}Response>"
    );
    (200, body)
}

fn refusal(code: &str, message: &str) -> Answer {
    let body = format!(
        "<ErrorResponse xmlns=\"http://cloudformation.amazonaws.com/doc/2010-05-15/\"><Error>\
         <Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
    );
    (400, body)
}

/// The members of a request.
fn form(body: &str) -> BTreeMap<String, String> {
    form_urlencoded::parse(body.as_bytes())
        .into_owned()
        .collect()
}

fn request(kind: ChangeSetKind) -> ChangeSetRequest {
    ChangeSetRequest {
        stack: "shop".to_owned(),
        name: "longshore-1".to_owned(),
        kind,
        template: TemplateSource::Body("{\"Resources\": {}} & more+".to_owned()),
        parameters: BTreeMap::from([
            ("Kept".to_owned(), ParameterValue::Previous),
            (
                "Password".to_owned(),
                ParameterValue::New(Sensitive::from("a b&c=d+é".to_owned())),
            ),
        ]),
        tags: BTreeMap::from([("team".to_owned(), "shop".to_owned())]),
        role_arn: Some("arn:aws:iam::111122223333:role/cloudformation".to_owned()),
        resources_to_import: vec![ResourceToImport {
            logical_id: "Logs".to_owned(),
            resource_type: "AWS::Logs::LogGroup".to_owned(),
            identifier: "LogGroupName".to_owned(),
            value: "/ecs/shop/api".to_owned(),
        }],
    }
}

const CHANGES: &str = "<Status>CREATE_COMPLETE</Status><Changes><member><Type>Resource</Type><ResourceChange>\
    <Action>Modify</Action><Replacement>True</Replacement><PolicyAction>ReplaceAndRetain</PolicyAction>\
    <LogicalResourceId>Files</LogicalResourceId><PhysicalResourceId>fs-1</PhysicalResourceId>\
    <ResourceType>AWS::EFS::FileSystem</ResourceType><Scope><member>Properties</member></Scope>\
    <Details><member><Target><Attribute>Properties</Attribute><Name>Encrypted</Name>\
    <RequiresRecreation>Always</RequiresRecreation><AfterValue>true</AfterValue></Target></member></Details>\
    </ResourceChange></member></Changes>";

#[tokio::test]
async fn a_change_set_is_asked_for_with_everything_that_it_needs_and_read_when_it_is_ready() {
    let wire = Wire::new(|call| match call.name.as_str() {
        "CreateChangeSet" => answer("CreateChangeSet", "<Id>x</Id>"),
        "DescribeChangeSet" => answer("DescribeChangeSet", CHANGES),
        other => panic!("unexpected call {other}"),
    });
    let made = wire
        .cloud()
        .create_change_set(&request(ChangeSetKind::Update))
        .await
        .unwrap();
    let ChangeSet::Ready(changes) = made else {
        panic!("{made:?}");
    };
    let [change] = changes.as_slice() else {
        panic!("{changes:?}");
    };
    assert_eq!(change.action, Action::ReplaceAndKeep);
    assert_eq!(change.physical_id.as_deref(), Some("fs-1"));
    let [property] = change.properties.as_slice() else {
        panic!("{change:?}");
    };
    assert_eq!(property.path, "/Properties/Encrypted");
    assert_eq!(property.after.as_deref(), Some("true"));
    assert!(property.replaces);

    let calls = wire.calls();
    let sent = form(&calls[0].body);
    let expected = [
        ("Action", "CreateChangeSet"),
        ("Capabilities.member.1", "CAPABILITY_IAM"),
        ("ChangeSetName", "longshore-1"),
        ("ChangeSetType", "UPDATE"),
        ("ImportExistingResources", "true"),
        ("Parameters.member.1.ParameterKey", "Kept"),
        ("Parameters.member.1.UsePreviousValue", "true"),
        ("Parameters.member.2.ParameterKey", "Password"),
        ("Parameters.member.2.ParameterValue", "a b&c=d+é"),
        ("RoleARN", "arn:aws:iam::111122223333:role/cloudformation"),
        ("StackName", "shop"),
        ("Tags.member.1.Key", "team"),
        ("Tags.member.1.Value", "shop"),
        ("TemplateBody", "{\"Resources\": {}} & more+"),
        ("Version", "2010-05-15"),
    ];
    let expected: BTreeMap<String, String> = expected
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    assert_eq!(sent, expected);
    let authorization = calls[0].header("authorization").unwrap();
    assert!(
        authorization.contains("/eu-west-1/cloudformation/aws4_request"),
        "{authorization}"
    );
}

#[tokio::test]
async fn an_import_names_each_resource_by_its_identifier() {
    let wire = Wire::new(|call| match call.name.as_str() {
        "CreateChangeSet" => answer("CreateChangeSet", "<Id>x</Id>"),
        _ => answer(
            "DescribeChangeSet",
            "<Status>FAILED</Status><StatusReason>no</StatusReason>",
        ),
    });
    let made = wire
        .cloud()
        .create_change_set(&request(ChangeSetKind::Import))
        .await
        .unwrap();
    assert!(matches!(made, ChangeSet::Refused(reason) if reason == "no"));
    let sent = form(&wire.calls()[0].body);
    let import = "ResourcesToImport.member.1";
    assert_eq!(sent[&format!("{import}.LogicalResourceId")], "Logs");
    assert_eq!(
        sent[&format!("{import}.ResourceIdentifier.entry.1.key")],
        "LogGroupName"
    );
    assert_eq!(
        sent[&format!("{import}.ResourceIdentifier.entry.1.value")],
        "/ecs/shop/api"
    );
    assert!(!sent.contains_key("ImportExistingResources"));
}

#[tokio::test]
async fn a_stack_that_does_not_exist_is_nothing_and_another_refusal_is_an_error() {
    let wire = Wire::new(|_| refusal("ValidationError", "Stack with id shop does not exist"));
    assert_eq!(wire.cloud().describe("shop").await.unwrap(), None);
    let wire = Wire::new(|_| refusal("AccessDenied", "User is not authorized"));
    let error = wire.cloud().describe("shop").await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Denied);
    assert_eq!(error.code.as_deref(), Some("AccessDenied"));
    assert_eq!(error.operation, "describe stack shop");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_throttled_is_sent_again_although_its_status_is_400() {
    let refused = Mutex::new(0);
    let wire = Wire::new(move |_| {
        let mut refused = refused.lock().unwrap();
        *refused += 1;
        if *refused < 3 {
            return refusal("Throttling", "Rate exceeded");
        }
        answer(
            "DescribeStacks",
            &format!(
                "<Stacks><member><StackId>{STACK_ID}</StackId><StackName>shop</StackName>\
                 <StackStatus>UPDATE_COMPLETE</StackStatus><CreationTime>2026-03-01T10:00:00.123Z</CreationTime>\
                 <Outputs><member><OutputKey>Url</OutputKey><OutputValue>https://a</OutputValue></member>\
                 </Outputs><EnableTerminationProtection>true</EnableTerminationProtection></member></Stacks>"
            ),
        )
    });
    let stack = wire
        .patient_cloud()
        .describe("shop")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(stack.status.as_str(), "UPDATE_COMPLETE");
    assert_eq!(stack.outputs["Url"], "https://a");
    assert!(stack.termination_protection);
    assert_eq!(wire.names(), ["DescribeStacks"; 3]);
}

#[tokio::test]
async fn a_machine_whose_clock_is_wrong_is_asked_again_at_the_time_of_aws() {
    let ahead = chrono::Utc::now() + chrono::TimeDelta::minutes(20);
    // As HTTP writes it: the day of the month always has two digits.
    let date = ahead.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let date: &'static str = Box::leak(date.into_boxed_str());
    let is_first = Mutex::new(true);
    let wire = Wire::new(move |_| {
        if std::mem::take(&mut *is_first.lock().unwrap()) {
            return refusal("InvalidSignatureException", "Signature expired");
        }
        refusal("ValidationError", "Stack with id shop does not exist")
    })
    .with_header("date", date);
    assert_eq!(wire.patient_cloud().describe("shop").await.unwrap(), None);
    let signed_at: Vec<String> = wire
        .calls()
        .iter()
        .map(|call| call.header("x-amz-date").unwrap().to_owned())
        .collect();
    let expected = ahead.format("%Y%m%dT%H").to_string();
    assert_eq!(signed_at.len(), 2);
    assert!(signed_at[0] < signed_at[1], "{signed_at:?}");
    assert!(signed_at[1].starts_with(&expected), "{signed_at:?}");
}

#[tokio::test]
async fn what_longshore_wrote_into_a_template_is_read_with_the_stack() {
    let wire = Wire::new(|call| match call.name.as_str() {
        "DescribeStacks" => answer(
            "DescribeStacks",
            &format!(
                "<Stacks><member><StackId>{STACK_ID}</StackId><StackStatus>CREATE_COMPLETE</StackStatus>\
                 <CreationTime>2026-03-01T10:00:00.000Z</CreationTime>\
                 <LastUpdatedTime>2026-03-02T10:00:00.000Z</LastUpdatedTime></member></Stacks>"
            ),
        ),
        "GetTemplateSummary" => answer(
            "GetTemplateSummary",
            "<Parameters/><Metadata>{&quot;Longshore&quot;: {&quot;Version&quot;: 1, &quot;Stack&quot;: \
             &quot;shop&quot;, &quot;Services&quot;: {}}}</Metadata>",
        ),
        other => panic!("unexpected call {other}"),
    });
    let stack = wire.cloud().describe_stack("shop").await.unwrap().unwrap();
    assert_eq!(stack.stack_id, STACK_ID);
    assert_eq!(
        stack.changed_at.unwrap().to_rfc3339(),
        "2026-03-02T10:00:00+00:00"
    );
    let metadata = stack.longshore.unwrap();
    assert_eq!((metadata.version, metadata.stack.as_str()), (1, "shop"));
}

#[tokio::test]
async fn events_are_read_page_by_page_back_to_the_beginning_of_the_last_change() {
    let event = |id: &str, status: &str| {
        format!(
            "<member><EventId>{id}</EventId><StackName>shop</StackName><LogicalResourceId>shop</LogicalResourceId>\
             <PhysicalResourceId>{STACK_ID}</PhysicalResourceId>\
             <ResourceType>AWS::CloudFormation::Stack</ResourceType><Timestamp>2026-03-01T10:00:00Z</Timestamp>\
             <ResourceStatus>{status}</ResourceStatus></member>"
        )
    };
    let first = event("3", "UPDATE_COMPLETE");
    let second = event("2", "UPDATE_IN_PROGRESS") + &event("1", "CREATE_COMPLETE");
    let wire = Wire::new(move |call| {
        let page = match form(&call.body).get("NextToken").map(String::as_str) {
            None => format!("<StackEvents>{first}</StackEvents><NextToken>more</NextToken>"),
            Some("more") => {
                format!("<StackEvents>{second}</StackEvents><NextToken>old</NextToken>")
            }
            Some(other) => panic!("unexpected page {other}"),
        };
        answer("DescribeStackEvents", &page)
    });
    let events = wire.cloud().events("shop").await.unwrap();
    let ids: Vec<&str> = events.iter().map(|event| event.id.as_str()).collect();
    assert_eq!(ids, ["2", "3"]);
}

/// What it asks CloudFormation for is what `doctor` asks IAM about.
#[tokio::test]
async fn the_drift_of_ls_needs_the_rights_that_doctor_looks_for_and_no_others() {
    let wire = Wire::new(move |call| match call.name.as_str() {
        "DescribeStacks" => answer(
            "DescribeStacks",
            &format!(
                "<Stacks><member><StackName>shop</StackName><StackId>{STACK_ID}</StackId>\
                 <CreationTime>2026-11-21T10:00:00.000Z</CreationTime>\
                 <StackStatus>UPDATE_COMPLETE</StackStatus><DriftInformation>\
                 <StackDriftStatus>DRIFTED</StackDriftStatus>\
                 <LastCheckTimestamp>2026-11-21T12:00:00.000Z</LastCheckTimestamp></DriftInformation>\
                 </member></Stacks>"
            ),
        ),
        "DescribeStackResourceDrifts" => answer(
            "DescribeStackResourceDrifts",
            &format!(
                "<StackResourceDrifts><member><StackId>{STACK_ID}</StackId>\
                 <LogicalResourceId>Bucket</LogicalResourceId><ResourceType>AWS::S3::Bucket</ResourceType>\
                 <StackResourceDriftStatus>DELETED</StackResourceDriftStatus>\
                 <Timestamp>2026-11-21T12:00:00.000Z</Timestamp></member></StackResourceDrifts>"
            ),
        ),
        "GetTemplate" => answer("GetTemplate", "<TemplateBody>{}</TemplateBody>"),
        other => panic!("{other}"),
    });
    let found = last_drift(&wire.cloud(), "shop").await.unwrap().unwrap();
    assert_eq!(found.drifted.len(), 1);
    let called: BTreeSet<String> = wire
        .names()
        .iter()
        .map(|name| format!("cloudformation:{name}"))
        .collect();
    let needed: BTreeSet<String> = NEEDED
        .iter()
        .filter(|(commands, _, _)| *commands == THE_DRIFT_OF_LS)
        .flat_map(|(_, _, actions)| *actions)
        .map(|action| (*action).to_owned())
        .collect();
    assert_eq!(called, needed);
}

#[tokio::test]
async fn what_the_last_comparison_found_is_read_without_another_one() {
    for (information, expected) in [
        (
            "<DriftInformation><StackDriftStatus>NOT_CHECKED</StackDriftStatus></DriftInformation>",
            None,
        ),
        ("", None),
        (
            "<DriftInformation><StackDriftStatus>IN_SYNC</StackDriftStatus>\
             <LastCheckTimestamp>2026-11-21T12:00:00.000Z</LastCheckTimestamp></DriftInformation>",
            Some(0),
        ),
        (
            "<DriftInformation><StackDriftStatus>DRIFTED</StackDriftStatus>\
             <LastCheckTimestamp>2026-11-21T12:00:00.000Z</LastCheckTimestamp></DriftInformation>",
            Some(1),
        ),
    ] {
        let wire = Wire::new(move |call| match call.name.as_str() {
            "DescribeStacks" => answer(
                "DescribeStacks",
                &format!(
                    "<Stacks><member><StackName>shop</StackName><StackId>{STACK_ID}</StackId>\
                     <CreationTime>2026-11-21T10:00:00.000Z</CreationTime>\
                     <StackStatus>UPDATE_COMPLETE</StackStatus>{information}</member></Stacks>"
                ),
            ),
            "DescribeStackResourceDrifts" => answer(
                "DescribeStackResourceDrifts",
                &format!(
                    "<StackResourceDrifts><member><StackId>{STACK_ID}</StackId>\
                     <LogicalResourceId>Bucket</LogicalResourceId><ResourceType>AWS::S3::Bucket</ResourceType>\
                     <StackResourceDriftStatus>DELETED</StackResourceDriftStatus>\
                     <Timestamp>2026-11-21T12:00:00.000Z</Timestamp></member></StackResourceDrifts>"
                ),
            ),
            other => panic!("{other}"),
        });
        let found = wire.cloud().last_comparison("shop").await.unwrap();
        assert_eq!(found.as_ref().map(|found| found.drifted.len()), expected);
        if let Some(found) = found {
            assert_eq!(found.at.to_rfc3339(), "2026-11-21T12:00:00+00:00");
            assert!(found.drifted.iter().all(|drift| drift.deleted));
        }
    }
}
