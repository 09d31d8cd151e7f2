//! Instances.

use longshore_events::words::counted;

use crate::instances::tasks_of;
use crate::spec::{Capacity, Stack};

use super::amounts::Quantity;
use super::bill::{Bill, hours};

pub(super) fn capacity(stack: &Stack, bill: &mut Bill<'_>) {
    for (name, capacity) in &stack.capacity {
        let resource = format!("capacity.{name}");
        let instances = if let Some(expected) = capacity.expected_instance_count {
            Quantity::expected(expected)
        } else {
            let least = u64::from(capacity.min_size);
            let tasks = stack.first_tasks_on(name);
            let room = capacity.types().filter_map(tasks_of).min();
            let room = room.map(|room| room.saturating_sub(stack.daemons()).max(1));
            let needed = room
                .map_or(least, |room| tasks.div_ceil(room.into()))
                .min(capacity.max_size.into());
            if needed > least {
                bill.assume(format!(
                    "{resource}: on average as many instances as its {} need, {needed}, since each task has a \
                     network interface of its own; expected_instance_count says otherwise",
                    counted(tasks, "task")
                ));
            } else {
                bill.assume(format!(
                    "{resource}: on average as many instances as its min_size, {least}; expected_instance_count \
                     says otherwise"
                ));
            }
            Quantity::whole(needed.max(least))
        };
        charge_instances(&resource, capacity, hours(instances), bill);
        bill.charge(
            &resource,
            "root volumes (EBS gp3)",
            "ebs_gp3",
            instances.scaled(capacity.volume_size.into(), 1),
        );
    }
}

/// Of several types the dearest is charged, and of Spot instances the price on demand: both are the most that it can
/// be.
fn charge_instances(resource: &str, capacity: &Capacity, hours: Quantity, bill: &mut Bill<'_>) {
    let price = |instance_type: &str| bill.prices.instance(instance_type);
    let known = capacity
        .types()
        .filter_map(|instance_type| Some((price(instance_type)?.price, instance_type)));
    let dearest = match capacity.types().find(|name| price(name).is_none()) {
        Some(unknown) => Some(unknown),
        None => known.max().map(|(_, instance_type)| instance_type),
    };
    let Some(instance_type) = dearest else {
        return;
    };
    if capacity.types().count() > 1 {
        bill.assume(format!(
            "{resource}: all instances are of its dearest instance type, {instance_type}"
        ));
    }
    if capacity.spot_percentage > 0 {
        bill.assume(format!(
            "{resource}: Spot instances are charged as on demand, which is the most that they can cost; their \
             price is the market's and is not known"
        ));
    }
    bill.charge_instances(resource, instance_type, hours);
}
