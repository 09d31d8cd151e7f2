//! What is in the account besides stacks: repositories, images, subnets, secrets, file systems,
//! buckets and scalable targets.

use std::collections::{BTreeMap, BTreeSet};

use aws_config::SdkConfig;
use aws_sdk_efs::types::LifeCycleState;
use futures_util::future::{try_join, try_join_all, try_join3, try_join5};
use longshore_events::arn::ServiceName;
use longshore_provisioning::ports::{FoundBucket, FoundFileSystem, Inventory, ServingGroup};
use longshore_rollout::ports::ImageRegistry;
use longshore_stack::check::{Listener, Needs, Subnet, Surroundings};
use longshore_state::{CallError, ErrorClass};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Value, json};

use crate::connect::is_on_loopback;
use crate::error::{failed, not_found, unreadable};
use crate::registry::ecr;
use crate::signed::{Query, json_call};
use crate::xml::or_blank;
use crate::{AwsCloud, service_deployments};

/// The tags by which a file system or a bucket is known again after its stack is gone.
const STACK_TAG: &str = "longshore:stack";
const FILE_SYSTEM_TAG: &str = "longshore:file-system";
const BUCKET_TAG: &str = "longshore:bucket";

/// DescribeScalableTargets takes this many resource ids at once.
const RESOURCE_IDS_ALLOWED: usize = 50;

impl Inventory for AwsCloud {
    async fn surroundings(&self, needs: &Needs) -> Result<Surroundings, CallError> {
        let (missing_repositories, missing_images, subnets, secrets, listeners) = try_join5(
            self.missing_repositories(&needs.repositories),
            self.missing_images(needs),
            self.subnets(&needs.subnets),
            self.secret_arns(&needs.secrets),
            self.listeners(&needs.listeners),
        )
        .await?;
        let (missing_clusters, missing_file_systems, missing_namespaces) = try_join3(
            self.missing_clusters(&needs.clusters),
            self.missing_file_systems(&needs.file_systems),
            self.missing_namespaces(needs),
        )
        .await?;
        Ok(Surroundings {
            missing_repositories,
            missing_images,
            subnets,
            secrets,
            listeners,
            missing_clusters,
            missing_file_systems,
            missing_namespaces,
            is_on_loopback: is_on_loopback(self.configuration.endpoint_url()),
        })
    }

    async fn file_systems(&self, stack: &str) -> Result<Vec<FoundFileSystem>, CallError> {
        let operation = "describe EFS file systems";
        let mut pages = self.efs().describe_file_systems().into_paginator().send();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(failed(operation))?;
            for file_system in page.file_systems() {
                let tag = |key: &str| {
                    file_system
                        .tags()
                        .iter()
                        .find(|tag| tag.key() == key)
                        .map(|tag| tag.value().to_owned())
                };
                if tag(STACK_TAG).as_deref() != Some(stack)
                    || *file_system.life_cycle_state() != LifeCycleState::Available
                {
                    continue;
                }
                let Some(name) = tag(FILE_SYSTEM_TAG) else {
                    continue;
                };
                found.push(FoundFileSystem {
                    name,
                    file_system_id: file_system.file_system_id().to_owned(),
                    size_in_bytes: file_system
                        .size_in_bytes()
                        .and_then(|size| u64::try_from(size.value()).ok())
                        .unwrap_or_default(),
                });
            }
        }
        Ok(found)
    }

    async fn buckets(
        &self,
        stack: &str,
        names: &BTreeMap<String, String>,
    ) -> Result<Vec<FoundBucket>, CallError> {
        let mut found = Vec::new();
        for (name, written) in names {
            for bucket_name in self.buckets_named(written).await? {
                if self.is_bucket_of(&bucket_name, stack, name).await? {
                    found.push(FoundBucket {
                        name: name.clone(),
                        bucket_name,
                    });
                }
            }
        }
        Ok(found)
    }

    async fn serving_group(&self, service: &ServiceName) -> Result<ServingGroup, CallError> {
        service_deployments::serving_group(self, service).await
    }

    async fn scalable_target_arns(
        &self,
        resource_ids: &[String],
    ) -> Result<BTreeMap<String, String>, CallError> {
        let operation = "describe the scalable targets of ECS services";
        let mut arns = BTreeMap::new();
        for resource_ids in resource_ids.chunks(RESOURCE_IDS_ALLOWED) {
            let answer: Value = json_call(
                &self.configuration,
                operation,
                "application-autoscaling",
                "AnyScaleFrontendService.DescribeScalableTargets",
                &json!({"ServiceNamespace": "ecs", "ResourceIds": resource_ids}),
            )
            .await?;
            let targets = answer["ScalableTargets"].as_array();
            arns.extend(targets.into_iter().flatten().filter_map(|target| {
                Some((
                    target["ResourceId"].as_str()?.to_owned(),
                    target["ScalableTargetARN"].as_str()?.to_owned(),
                ))
            }));
        }
        Ok(arns)
    }
}

/// Whether a name is this one, whatever CloudFormation fills in for `${…}`.
fn is_named(name: &str, written: &str) -> bool {
    let (first, last) = fixed_parts(written);
    match (first, last) {
        (whole, None) => name == whole,
        (first, Some(last)) => {
            name.len() >= first.len() + last.len()
                && name.starts_with(first)
                && name.ends_with(last)
        }
    }
}

/// What is before the first `${…}`, and what is after the last one if there is one.
fn fixed_parts(written: &str) -> (&str, Option<&str>) {
    match (written.find("${"), written.rfind('}')) {
        (Some(start), Some(end)) => (&written[..start], written.get(end + 1..)),
        _ => (written, None),
    }
}

impl AwsCloud {
    /// The account's buckets of this name.
    async fn buckets_named(&self, written: &str) -> Result<Vec<String>, CallError> {
        let (prefix, _) = fixed_parts(written);
        let mut pages = self
            .s3()
            .list_buckets()
            .set_prefix((!prefix.is_empty()).then(|| prefix.to_owned()))
            .into_paginator()
            .send();
        let mut named = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(failed("list S3 buckets"))?;
            let names = page.buckets().iter().filter_map(|bucket| bucket.name());
            let names = names.filter(|name| is_named(name, written));
            named.extend(names.map(str::to_owned));
        }
        Ok(named)
    }

    /// Whether a bucket has the tags of a stack's.
    async fn is_bucket_of(
        &self,
        bucket_name: &str,
        stack: &str,
        name: &str,
    ) -> Result<bool, CallError> {
        let answer = self
            .s3()
            .get_bucket_tagging()
            .bucket(bucket_name)
            .send()
            .await
            .map_err(failed(format!("read tags of bucket {bucket_name}")));
        let answer = match answer {
            // One without tags, or one that was deleted meanwhile.
            Err(CallError {
                code: Some(code), ..
            }) if matches!(code.as_str(), "NoSuchTagSet" | "NoSuchBucket") => return Ok(false),
            answer => answer?,
        };
        let has = |key: &str, value: &str| {
            let mut tags = answer.tag_set().iter();
            tags.any(|tag| tag.key() == key && tag.value() == value)
        };
        Ok(has(STACK_TAG, stack) && has(BUCKET_TAG, name))
    }
}

impl AwsCloud {
    async fn missing_repositories(
        &self,
        repositories: &BTreeSet<String>,
    ) -> Result<BTreeSet<String>, CallError> {
        missing(repositories, async |repository| {
            let operation = format!("describe ECR repository {repository}");
            let request = json!({"repositoryNames": [repository]});
            ecr::<IgnoredAny>(
                &self.configuration,
                &operation,
                "DescribeRepositories",
                &request,
            )
            .await
            .map(drop)
        })
        .await
    }

    async fn missing_clusters(
        &self,
        clusters: &BTreeSet<String>,
    ) -> Result<BTreeSet<String>, CallError> {
        missing(clusters, async |cluster| {
            let operation = format!("describe ECS cluster {cluster}");
            let call = self.ecs().describe_clusters().clusters(cluster);
            let answer = call.send().await.map_err(failed(&operation))?;
            // ECS shows a deleted one for a while.
            let mut found = answer.clusters().iter();
            found
                .find(|one| one.status() == Some("ACTIVE"))
                .map(drop)
                .ok_or_else(|| not_found(&operation, "ECS shows none that is active"))
        })
        .await
    }

    async fn missing_file_systems(
        &self,
        file_systems: &BTreeSet<String>,
    ) -> Result<BTreeSet<String>, CallError> {
        missing(file_systems, async |id| {
            let call = self.efs().describe_file_systems().file_system_id(id);
            let answer = call.send().await;
            answer
                .map(drop)
                .map_err(failed(format!("describe EFS file system {id}")))
        })
        .await
    }

    async fn missing_namespaces(&self, needs: &Needs) -> Result<BTreeSet<String>, CallError> {
        let identified = missing(&needs.namespaces, async |namespace| {
            let operation = format!("get namespace {namespace}");
            let answer = discovery::<IgnoredAny>(
                &self.configuration,
                &operation,
                "GetNamespace",
                &json!({"Id": namespace}),
            )
            .await;
            match answer {
                // Another account may share its namespaces by their ARNs. These are not provision's to look at.
                Err(error)
                    if error.class == ErrorClass::Denied && namespace.starts_with("arn:") =>
                {
                    Ok(())
                }
                answer => answer.map(drop),
            }
        });
        let named = missing(&needs.named_namespaces, async |name| {
            self.find_namespace(name).await
        });
        let (mut missing, named) = try_join(identified, named).await?;
        missing.extend(named);
        Ok(missing)
    }

    /// Finds a namespace by its name.
    async fn find_namespace(&self, name: &str) -> Result<(), CallError> {
        let operation = format!("find namespace {name}");
        let mut token: Option<String> = None;
        loop {
            let mut request =
                json!({"Filters": [{"Name": "NAME", "Values": [name], "Condition": "EQ"}]});
            if let Some(token) = token {
                request["NextToken"] = token.into();
            }
            let answer: ListedNamespaces =
                discovery(&self.configuration, &operation, "ListNamespaces", &request).await?;
            if answer.namespaces.iter().any(|one| one.name == name) {
                return Ok(());
            }
            token = answer.next_token;
            if token.is_none() {
                return Err(not_found(&operation, "Cloud Map lists none of this name"));
            }
        }
    }

    async fn missing_images(&self, needs: &Needs) -> Result<BTreeSet<String>, CallError> {
        let services = needs.images.keys().cloned().collect();
        missing(&services, async |service| match needs.images.get(service) {
            Some(reference) => self.resolve(reference).await.map(drop),
            None => Ok(()),
        })
        .await
    }

    /// The complete ARNs of the secrets that are there, by what they were asked for with.
    async fn secret_arns(
        &self,
        secrets: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, String>, CallError> {
        there(secrets, async |secret| {
            let operation = format!("describe secret {secret}");
            let answer = self
                .secrets_manager()
                .describe_secret()
                .secret_id(secret)
                .send()
                .await
                .map_err(failed(&operation))?;
            answer
                .arn
                .ok_or_else(|| unreadable(operation, "Secrets Manager named no ARN"))
        })
        .await
    }

    /// Those of the subnets that are there.
    async fn subnets(
        &self,
        subnets: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, Subnet>, CallError> {
        if subnets.is_empty() {
            return Ok(BTreeMap::new());
        }
        // A filter, because an id that is not there makes EC2 refuse the whole call.
        let mut query =
            Query::new("DescribeSubnets", "2016-11-15").with("Filter.1.Name", "subnet-id");
        for (number, subnet) in subnets.iter().enumerate() {
            query = query.with(&format!("Filter.1.Value.{}", number + 1), subnet);
        }
        let answer: DescribedSubnets = query
            .send(&self.configuration, "describe subnets", "ec2")
            .await?;
        Ok(answer
            .subnet_set
            .into_iter()
            .map(|subnet| {
                let described = Subnet {
                    availability_zone: subnet.availability_zone,
                    vpc_id: subnet.vpc_id,
                };
                (subnet.subnet_id, described)
            })
            .collect())
    }
}

/// The version of Elastic Load Balancing's API: the Elastic Load Balancing API Reference, from which the shapes below are
/// taken.
const LOAD_BALANCING_VERSION: &str = "2015-12-01";

/// DescribeTags takes this many resources at once.
const TAGGED_ALLOWED: usize = 20;

/// The tag by which CloudFormation says whose a resource is.
const CLOUDFORMATION_STACK_TAG: &str = "aws:cloudformation:stack-name";

impl AwsCloud {
    /// The listeners that are there, with whose their rules are.
    async fn listeners(
        &self,
        arns: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, Listener>, CallError> {
        let mut listeners = BTreeMap::new();
        for arn in arns {
            let query = Query::new("DescribeListeners", LOAD_BALANCING_VERSION)
                .with("ListenerArns.member.1", arn);
            let operation = format!("describe listener {arn}");
            let answer = query
                .send::<DescribedListeners>(&self.configuration, &operation, "elasticloadbalancing")
                .await;
            let described = match answer {
                Ok(answer) => answer.listeners.into_iter().next(),
                // `ListenerNotFound`, whose class is not known to others; an ARN of another account is denied.
                Err(error) if error.code.as_deref() == Some("ListenerNotFound") => None,
                Err(error) => return Err(error),
            };
            if let Some(described) = described {
                let listener = Listener {
                    is_https: described.protocol == "HTTPS",
                    rules: self.rules(arn).await?,
                };
                listeners.insert(arn.clone(), listener);
            }
        }
        Ok(listeners)
    }

    /// By their priorities, the rules of a listener but the default one: the stack that has each.
    async fn rules(&self, listener: &str) -> Result<BTreeMap<u32, Option<String>>, CallError> {
        let operation = format!("describe the rules of listener {listener}");
        let mut priorities = BTreeMap::new();
        let mut marker: Option<String> = None;
        loop {
            let query = Query::new("DescribeRules", LOAD_BALANCING_VERSION)
                .with("ListenerArn", listener)
                .with_some("Marker", marker.as_deref());
            let answer: DescribedRules = query
                .send(&self.configuration, &operation, "elasticloadbalancing")
                .await?;
            // The priority of the default one is the word `default`.
            let rules = answer.rules.into_iter();
            priorities.extend(
                rules.filter_map(|rule| Some((rule.rule_arn, rule.priority.parse().ok()?))),
            );
            marker = answer.next_marker.filter(|marker| !marker.is_empty());
            if marker.is_none() {
                break;
            }
        }
        let arns: Vec<&String> = priorities.keys().collect();
        let mut stacks: BTreeMap<String, String> = BTreeMap::new();
        for arns in arns.chunks(TAGGED_ALLOWED) {
            let mut query = Query::new("DescribeTags", LOAD_BALANCING_VERSION);
            for (number, arn) in arns.iter().enumerate() {
                query = query.with(&format!("ResourceArns.member.{}", number + 1), arn);
            }
            let answer: DescribedTags = query
                .send(&self.configuration, &operation, "elasticloadbalancing")
                .await?;
            for described in answer.tag_descriptions {
                let mut tags = described.tags.into_iter();
                if let Some(tag) = tags.find(|tag| tag.key == CLOUDFORMATION_STACK_TAG) {
                    stacks.insert(described.resource_arn, tag.value);
                }
            }
        }
        let rules = priorities
            .into_iter()
            .map(|(arn, priority): (String, u32)| (priority, stacks.remove(&arn)));
        Ok(rules.collect())
    }
}

/// Calls an operation of Cloud Map: the AWS Cloud Map API Reference.
async fn discovery<T: DeserializeOwned>(
    configuration: &SdkConfig,
    operation: &str,
    action: &str,
    request: &Value,
) -> Result<T, CallError> {
    let target = format!("Route53AutoNaming_v20170314.{action}");
    json_call(
        configuration,
        operation,
        "servicediscovery",
        &target,
        request,
    )
    .await
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListedNamespaces {
    #[serde(default)]
    namespaces: Vec<ListedNamespace>,
    next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListedNamespace {
    name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DescribedListeners {
    #[serde(default, deserialize_with = "or_blank")]
    listeners: Vec<DescribedListener>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DescribedListener {
    #[serde(default)]
    protocol: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DescribedRules {
    #[serde(default, deserialize_with = "or_blank")]
    rules: Vec<DescribedRule>,
    next_marker: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DescribedRule {
    rule_arn: String,
    priority: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DescribedTags {
    #[serde(default, deserialize_with = "or_blank")]
    tag_descriptions: Vec<DescribedTagsOf>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DescribedTagsOf {
    resource_arn: String,
    #[serde(default, deserialize_with = "or_blank")]
    tags: Vec<DescribedTag>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DescribedTag {
    key: String,
    #[serde(default)]
    value: String,
}

/// The answer to DescribeSubnets: the Amazon EC2 API Reference.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DescribedSubnets {
    #[serde(default, deserialize_with = "or_blank")]
    subnet_set: Vec<DescribedSubnet>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DescribedSubnet {
    subnet_id: String,
    availability_zone: String,
    vpc_id: String,
}

/// What `look` found, by name. A name that AWS refuses to look up cannot be one of anything, so it is not there
/// either.
async fn there<T>(
    names: &BTreeSet<String>,
    look: impl AsyncFn(&str) -> Result<T, CallError>,
) -> Result<BTreeMap<String, T>, CallError> {
    let look = &look;
    let answers = try_join_all(names.iter().map(|name| async move {
        match look(name).await {
            Ok(found) => Ok(Some((name.clone(), found))),
            Err(error) if error.class.is_refusal() => Ok(None),
            Err(error) => Err(error),
        }
    }))
    .await?;
    Ok(answers.into_iter().flatten().collect())
}

/// Those of `names` that `look` does not find.
async fn missing(
    names: &BTreeSet<String>,
    look: impl AsyncFn(&str) -> Result<(), CallError>,
) -> Result<BTreeSet<String>, CallError> {
    let found = there(names, look).await?;
    let missing = names.iter().filter(|name| !found.contains_key(*name));
    Ok(missing.cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the Amazon EC2 API Reference, "DescribeSubnets", shortened.
    const ANSWER: &str = r#"<DescribeSubnetsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">
      <requestId>7a62c49f-347e-4fc4-9331-6e8eEXAMPLE</requestId>
      <subnetSet>
        <item><subnetId>subnet-9d4a7b6c</subnetId><state>available</state><vpcId>vpc-1a2b3c4d</vpcId>
          <availabilityZone>us-east-1a</availabilityZone>
          <tagSet><item><key>Name</key><value>first</value></item></tagSet></item>
        <item><subnetId>subnet-6e7f829e</subnetId><vpcId>vpc-1a2b3c4d</vpcId>
          <availabilityZone>us-east-1b</availabilityZone></item>
      </subnetSet>
    </DescribeSubnetsResponse>"#;

    #[test]
    fn subnets_are_read_with_their_zones_and_their_vpc() {
        let subnets = crate::xml::read::<DescribedSubnets>(ANSWER)
            .unwrap()
            .subnet_set;
        let [first, second] = subnets.as_slice() else {
            panic!("{subnets:?}");
        };
        assert_eq!(first.subnet_id, "subnet-9d4a7b6c");
        assert_eq!(first.availability_zone, "us-east-1a");
        assert_eq!(second.vpc_id, "vpc-1a2b3c4d");
    }

    #[test]
    fn rules_are_read_with_their_priorities() {
        // From the Elastic Load Balancing API Reference, "DescribeRules", shortened.
        let answer = r#"<DescribeRulesResponse xmlns="http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/">
          <DescribeRulesResult><Rules>
            <member><IsDefault>false</IsDefault><Conditions><member><Field>path-pattern</Field></member></Conditions>
              <Priority>10</Priority><RuleArn>rule/1</RuleArn></member>
            <member><IsDefault>true</IsDefault><Conditions/><Priority>default</Priority><RuleArn>rule/2</RuleArn></member>
          </Rules></DescribeRulesResult></DescribeRulesResponse>"#;
        let rules = crate::xml::read::<DescribedRules>(answer).unwrap().rules;
        let rules: Vec<(&str, &str)> = rules
            .iter()
            .map(|rule| (rule.rule_arn.as_str(), rule.priority.as_str()))
            .collect();
        assert_eq!(rules, [("rule/1", "10"), ("rule/2", "default")]);
    }

    #[test]
    fn buckets_are_known_by_what_is_fixed_of_their_names() {
        let written = "bottles-${AWS::AccountId}-${AWS::Region}-x";
        assert!(is_named("bottles-123456789012-eu-west-1-x", written));
        assert!(!is_named("bottles-123456789012-eu-west-1", written));
        assert!(!is_named("other-123456789012-eu-west-1-x", written));
        assert!(is_named(
            "bottles-123456789012",
            "bottles-${AWS::AccountId}"
        ));
        assert!(is_named("bottles", "bottles") && !is_named("bottles-2", "bottles"));
        assert!(!is_named("aba", "ab${AWS::Region}ba"));
    }
}
