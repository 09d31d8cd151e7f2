//! How long a sync takes and what it costs.
//!
//! The prices are list prices of us-east-1, as everybody sees them, without free tiers and discounts. They
//! are in millionths of a USD, and those that Longshore's estimates of stacks know too are the same there.
//!
//! | what | price | source | date |
//! | --- | --- | --- | --- |
//! | S3 Standard, PUT and COPY | 0.005 USD a 1,000 | <https://aws.amazon.com/s3/pricing/>, from memory | 2026-11-21 |
//! | S3 Standard, storage | 0.023 USD a GB-month | <https://aws.amazon.com/s3/pricing/>, from memory | 2026-11-21 |
//! | Fargate, vCPU | 0.04048 USD an hour | <https://www.vantage.sh/blog/fargate-pricing> | 2026-11-21 |
//! | Fargate, memory | 0.004445 USD a GB-hour | <https://www.vantage.sh/blog/fargate-pricing> | 2026-11-21 |
//! | Fargate Spot, vCPU | 0.01334053 USD an hour | <https://tomgregory.com/aws/aws-fargate-spot-vs-fargate-price-comparison/> | 2026-11-21 |
//! | Fargate Spot, memory | 0.00146489 USD a GB-hour | <https://aws.amazon.com/fargate/pricing/>, from memory | 2026-11-21 |
//! | Lambda on ARM | 0.0000133334 USD a GB-second | <https://aws.amazon.com/lambda/pricing/>, from memory | 2026-11-21 |
//! | NAT gateway, data | 0.045 USD a GB | <https://aws.amazon.com/vpc/pricing/>, from memory | 2026-11-21 |
//!
//! Data that comes into AWS is free, and so is what goes from there to S3 in the same region, through a
//! gateway endpoint of the VPC. Tasks without public addresses get at the registry through a NAT gateway.

use chrono::Duration;

use crate::settings::TaskLocation;

/// What one process transfers in a second: 25 MB. It is an assumption: AWS publishes no figure, and nobody
/// has measured the registry from where you run. People have seen Lambda functions download large files
/// with 400 to 700 Mbit/s; half of the least, because every byte goes out again, is this.
const BYTES_PER_SECOND: u64 = 25_000_000;

/// What a file takes beside its bytes, with several under way at once: redirect, request, upload.
const FILES_PER_SECOND: u64 = 50;

/// What a task takes before it begins: capacity, the image, the file system.
const TASK_START_SECONDS: u64 = 60;

/// The memory that a function is counted with, in GB.
const FUNCTION_GIB: u128 = 1;

const MILLION: u128 = 1_000_000;
const GIB: u128 = 1 << 30;
const SECONDS_PER_HOUR: u128 = 3_600;

const PUT: u128 = 5;
const STORAGE_GIB_MONTH: u128 = 23_000;
/// In millionths of a millionth, as what follows.
const FUNCTION_GIB_SECOND: u128 = 13_333_400;
const NAT_GIB: u128 = 45_000 * MILLION;
const TASK: TaskPrice = TaskPrice {
    vcpu_hour: 40_480 * MILLION,
    gib_hour: 4_445 * MILLION,
};
const SPOT_TASK: TaskPrice = TaskPrice {
    vcpu_hour: 13_340_530_000,
    gib_hour: 1_464_890_000,
};

/// In millionths of a millionth of a USD.
struct TaskPrice {
    vcpu_hour: u128,
    gib_hour: u128,
}

/// How long one process takes, by a rate that is met rather than missed: 25 MB and 50 files a second.
pub fn duration(files: u64, bytes: u64) -> Duration {
    let seconds = bytes.div_ceil(BYTES_PER_SECOND) + files.div_ceil(FILES_PER_SECOND);
    // A century is as good as any time that is longer.
    Duration::seconds(
        i64::try_from(seconds)
            .unwrap_or(i64::MAX)
            .min(100 * 365 * 86_400),
    )
}

/// What a sync costs once, in millionths of a USD: requests of S3, tasks, the function's time; data that
/// comes into AWS is free, except through a NAT gateway. `tasks` is where they run and how many.
pub fn cost_in_micro_usd(
    files: u64,
    copies: u64,
    bytes: u64,
    tasks: Option<(&TaskLocation, u32)>,
) -> u64 {
    let requests = (u128::from(files) + u128::from(copies)) * PUT;
    let work = match tasks {
        None => seconds(files, bytes) * FUNCTION_GIB * FUNCTION_GIB_SECOND,
        Some((place, count)) => {
            let count = u64::from(count.max(1));
            let each = seconds(files.div_ceil(count), bytes.div_ceil(count))
                + u128::from(TASK_START_SECONDS);
            let price = if is_on_spot(place) { SPOT_TASK } else { TASK };
            let hour = (u128::from(place.cpu) * price.vcpu_hour
                + u128::from(place.memory) * price.gib_hour)
                / 1024;
            let nat = if place.assign_public_ip {
                0
            } else {
                u128::from(bytes) * NAT_GIB / GIB
            };
            u128::from(count) * each * hour / SECONDS_PER_HOUR + nat
        }
    };
    u64::try_from(requests + work.div_ceil(MILLION)).unwrap_or(u64::MAX)
}

/// What `bytes` cost a month in S3 Standard, in millionths of a USD: of all files, or of the second layout,
/// which holds them once more.
pub fn storage_in_micro_usd(bytes: u64) -> u64 {
    u64::try_from((u128::from(bytes) * STORAGE_GIB_MONTH).div_ceil(GIB)).unwrap_or(u64::MAX)
}

fn seconds(files: u64, bytes: u64) -> u128 {
    u128::try_from(duration(files, bytes).num_seconds()).unwrap_or_default()
}

/// Whether all tasks run on Spot. Where only some do, the price of the others is given for all.
fn is_on_spot(place: &TaskLocation) -> bool {
    let strategy = &place.capacity_provider_strategy;
    let is_used = |share: &&crate::settings::CapacityShare| share.weight > 0 || share.base > 0;
    let mut used = strategy.iter().filter(is_used).peekable();
    used.peek().is_some() && used.all(|share| share.capacity_provider == "FARGATE_SPOT")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::CapacityShare;

    const GB: u64 = 1_000_000_000;

    fn place(providers: &[&str], assign_public_ip: bool) -> TaskLocation {
        let share = |provider: &&str| CapacityShare {
            capacity_provider: (*provider).to_owned(),
            weight: 1,
            base: 0,
        };
        TaskLocation {
            cluster_arn: "arn:aws:ecs:eu-west-1:123456789012:cluster/mirror".to_owned(),
            task_definition_family: "mirror-sync".to_owned(),
            container_name: "sync".to_owned(),
            subnet_ids: Vec::new(),
            security_group_ids: Vec::new(),
            assign_public_ip,
            capacity_provider_strategy: providers.iter().map(share).collect(),
            file_system_id: None,
            cpu: 2048,
            memory: 8192,
        }
    }

    #[test]
    fn time_grows_with_files_and_with_bytes() {
        assert_eq!(duration(0, 0), Duration::zero());
        assert_eq!(duration(1, 1), Duration::seconds(2));
        assert_eq!(duration(500, GB), Duration::seconds(50));
        assert_eq!(duration(1_500, 20 * GB), Duration::seconds(830));
        assert!(duration(u64::MAX, u64::MAX) > Duration::days(36_000));
    }

    #[test]
    fn a_function_costs_its_requests_and_its_time() {
        // 500 PUTs for 2,500 and 50 GB-seconds for 667 millionths.
        assert_eq!(cost_in_micro_usd(500, 0, GB, None), 2_500 + 667);
        assert_eq!(cost_in_micro_usd(500, 500, GB, None), 5_000 + 667);
        assert_eq!(cost_in_micro_usd(0, 0, 0, None), 0);
    }

    #[test]
    fn tasks_cost_their_size_for_their_time() {
        // 2 vCPU and 8 GB are 0.11652 USD an hour; each of ten tasks runs 400 + 20 + 60 seconds.
        let on_demand = place(&[], true);
        assert_eq!(
            cost_in_micro_usd(10_000, 0, 100 * GB, Some((&on_demand, 10))),
            50_000 + 155_360
        );
        let spot = place(&["FARGATE_SPOT"], true);
        assert_eq!(
            cost_in_micro_usd(10_000, 0, 100 * GB, Some((&spot, 10))),
            50_000 + 51_201
        );
        // Some may run on demand, and then all may.
        let mixed = place(&["FARGATE_SPOT", "FARGATE"], true);
        assert_eq!(
            cost_in_micro_usd(10_000, 0, 100 * GB, Some((&mixed, 10))),
            cost_in_micro_usd(10_000, 0, 100 * GB, Some((&on_demand, 10)))
        );
    }

    #[test]
    fn tasks_without_public_addresses_pay_for_a_nat_gateway() {
        let gib = 1 << 30;
        let public = cost_in_micro_usd(1, 0, gib, Some((&place(&[], true), 1)));
        let private = cost_in_micro_usd(1, 0, gib, Some((&place(&[], false), 1)));
        assert_eq!(private - public, 45_000);
    }

    #[test]
    fn storage_is_paid_by_the_month() {
        assert_eq!(storage_in_micro_usd(0), 0);
        assert_eq!(storage_in_micro_usd(1), 1);
        assert_eq!(storage_in_micro_usd(1 << 40), 1024 * 23_000);
        assert_eq!(storage_in_micro_usd(u64::MAX), 395_136_991_232_000);
    }
}
