//! The partitions of AWS, and the domains that hosts of each end in: the AWS General Reference, "AWS service
//! endpoints", and the file of partitions that AWS publishes with its API models.

#[derive(Debug, PartialEq, Eq)]
pub struct Partition {
    /// As ARNs name it, such as `aws-cn`.
    pub name: &'static str,
    /// How its regions begin.
    region_prefix: &'static str,
    /// What hosts end in that have IPv4 only.
    pub domain: &'static str,
    /// What hosts end in that have IPv4 and IPv6, after `api.` for services and `on.` for registries of images.
    pub dual_stack_domain: &'static str,
}

/// The one whose regions begin in any way comes last.
pub const PARTITIONS: [Partition; 8] = [
    partition(
        "aws-cn",
        "cn-",
        "amazonaws.com.cn",
        "amazonwebservices.com.cn",
    ),
    partition("aws-eusc", "eusc-", "amazonaws.eu", "amazonwebservices.eu"),
    partition("aws-iso", "us-iso-", "c2s.ic.gov", "aws.ic.gov"),
    partition("aws-iso-b", "us-isob-", "sc2s.sgov.gov", "aws.scloud"),
    partition(
        "aws-iso-e",
        "eu-isoe-",
        "cloud.adc-e.uk",
        "cloud-aws.adc-e.uk",
    ),
    partition("aws-iso-f", "us-isof-", "csp.hci.ic.gov", "aws.hci.ic.gov"),
    partition("aws-us-gov", "us-gov-", "amazonaws.com", "aws"),
    AWS,
];

const AWS: Partition = partition("aws", "", "amazonaws.com", "aws");

const fn partition(
    name: &'static str,
    region_prefix: &'static str,
    domain: &'static str,
    dual_stack_domain: &'static str,
) -> Partition {
    Partition {
        name,
        region_prefix,
        domain,
        dual_stack_domain,
    }
}

impl Partition {
    pub fn of_region(region: &str) -> &'static Self {
        let of_region = |partition: &&Self| region.starts_with(partition.region_prefix);
        PARTITIONS.iter().find(of_region).unwrap_or(&AWS)
    }

    /// The one of this name; `aws` where there is none.
    pub fn named(name: &str) -> &'static Self {
        let is_it = |partition: &&Self| partition.name == name;
        PARTITIONS.iter().find(is_it).unwrap_or(&AWS)
    }
}
