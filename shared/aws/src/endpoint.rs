//! Where a service answers: the AWS General Reference, "AWS service endpoints", and the rules for endpoints that AWS
//! publishes with its API models.

use aws_config::SdkConfig;
use aws_types::service_config::ServiceConfigKey;
use longshore_events::partition::Partition;

/// The names of services where people configure an endpoint for one of them: `AWS_ENDPOINT_URL_CLOUDWATCH_LOGS`.
const SERVICE_IDS: [(&str, &str); 13] = [
    ("application-autoscaling", "Application Auto Scaling"),
    ("cloudformation", "CloudFormation"),
    ("ec2", "EC2"),
    ("ecr", "ECR"),
    ("ecs", "ECS"),
    ("elasticloadbalancing", "Elastic Load Balancing v2"),
    ("events", "EventBridge"),
    ("iam", "IAM"),
    ("lambda", "Lambda"),
    ("logs", "CloudWatch Logs"),
    ("scheduler", "Scheduler"),
    ("sqs", "SQS"),
    ("sts", "STS"),
];

/// The URL of a service in a configuration, with a slash at its end; `service` is its name in signatures.
pub(crate) fn endpoint(configuration: &SdkConfig, service: &str, region: &str) -> String {
    let of_all = configuration.endpoint_url().map(str::to_owned);
    own_endpoint(configuration, service).or(of_all).map_or_else(
        || {
            regional(
                service,
                region,
                configuration.use_fips().unwrap_or(false),
                configuration.use_dual_stack().unwrap_or(false),
            )
        },
        |url| format!("{}/", url.trim_end_matches('/')),
    )
}

/// The endpoint that is configured for this service alone: the AWS SDKs and Tools Reference Guide,
/// "Service-specific endpoints". One in the code, for all services, comes before it.
fn own_endpoint(configuration: &SdkConfig, service: &str) -> Option<String> {
    if configuration.get_origin("endpoint_url").is_client_config() {
        return None;
    }
    let (_, id) = SERVICE_IDS.into_iter().find(|(name, _)| *name == service)?;
    let key = ServiceConfigKey::builder()
        .service_id(id)
        .profile("endpoint_url")
        .env("AWS_ENDPOINT_URL")
        .build()
        .ok()?;
    configuration.service_config()?.load_config(key)
}

fn regional(service: &str, region: &str, fips: bool, dual_stack: bool) -> String {
    let partition = Partition::of_region(region);
    let suffix = match dual_stack {
        true => format!("api.{}", partition.dual_stack_domain),
        false => partition.domain.to_owned(),
    };
    let is_gov = partition.name == "aws-us-gov";
    if service == "iam" {
        // One for all regions of a partition.
        let place = match partition.name {
            "aws" => "iam".to_owned(),
            "aws-us-gov" => "iam.us-gov".to_owned(),
            _ => format!("iam.{region}"),
        };
        return format!("https://{place}.{}/", partition.domain);
    }
    // Most endpoints of GovCloud are FIPS's without saying so.
    let says_so = match service {
        "ecr" => true,
        "events" => !is_gov,
        _ => dual_stack || !is_gov,
    };
    let fips = if fips && says_so { "-fips" } else { "" };
    let host = if service == "ecr" && !dual_stack {
        "api."
    } else {
        ""
    };
    format!("https://{host}{service}{fips}.{region}.{suffix}/")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As botocore 1.43 works them out from the rules that AWS publishes.
    #[test]
    fn endpoints_are_those_of_the_partition_in_fips_and_in_ipv6_too() {
        let cases = [
            (
                "ec2",
                "eu-west-1",
                false,
                false,
                "ec2.eu-west-1.amazonaws.com",
            ),
            ("ec2", "eu-west-1", false, true, "ec2.eu-west-1.api.aws"),
            (
                "ec2",
                "eu-west-1",
                true,
                false,
                "ec2-fips.eu-west-1.amazonaws.com",
            ),
            (
                "ec2",
                "us-gov-west-1",
                true,
                false,
                "ec2.us-gov-west-1.amazonaws.com",
            ),
            (
                "ec2",
                "us-gov-west-1",
                true,
                true,
                "ec2-fips.us-gov-west-1.api.aws",
            ),
            (
                "events",
                "us-gov-west-1",
                true,
                true,
                "events.us-gov-west-1.api.aws",
            ),
            (
                "events",
                "us-east-1",
                true,
                true,
                "events-fips.us-east-1.api.aws",
            ),
            (
                "ecr",
                "eu-west-1",
                false,
                false,
                "api.ecr.eu-west-1.amazonaws.com",
            ),
            (
                "ecr",
                "eu-west-1",
                true,
                false,
                "api.ecr-fips.eu-west-1.amazonaws.com",
            ),
            (
                "ecr",
                "us-gov-west-1",
                true,
                false,
                "api.ecr-fips.us-gov-west-1.amazonaws.com",
            ),
            (
                "ecr",
                "cn-north-1",
                false,
                false,
                "api.ecr.cn-north-1.amazonaws.com.cn",
            ),
            (
                "ecr",
                "cn-north-1",
                false,
                true,
                "ecr.cn-north-1.api.amazonwebservices.com.cn",
            ),
            (
                "cloudformation",
                "cn-north-1",
                false,
                false,
                "cloudformation.cn-north-1.amazonaws.com.cn",
            ),
            (
                "cloudformation",
                "eusc-de-east-1",
                false,
                false,
                "cloudformation.eusc-de-east-1.amazonaws.eu",
            ),
            (
                "cloudformation",
                "us-iso-east-1",
                true,
                false,
                "cloudformation-fips.us-iso-east-1.c2s.ic.gov",
            ),
            ("iam", "us-east-1", false, false, "iam.amazonaws.com"),
            (
                "iam",
                "us-gov-west-1",
                false,
                false,
                "iam.us-gov.amazonaws.com",
            ),
            (
                "iam",
                "cn-north-1",
                false,
                false,
                "iam.cn-north-1.amazonaws.com.cn",
            ),
            (
                "logs",
                "us-isob-east-1",
                false,
                false,
                "logs.us-isob-east-1.sc2s.sgov.gov",
            ),
        ];
        for (service, region, fips, dual_stack, host) in cases {
            assert_eq!(
                regional(service, region, fips, dual_stack),
                format!("https://{host}/"),
                "{service} {region} {fips} {dual_stack}"
            );
        }
    }
}
