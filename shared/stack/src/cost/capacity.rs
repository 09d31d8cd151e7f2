//! Instances.

use longshore_events::words::counted;

use crate::instances::tasks_of;
use crate::spec::Stack;

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
            let needed = tasks_of(&capacity.instance_type)
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
        bill.charge_instances(&resource, &capacity.instance_type, hours(instances));
        bill.charge(
            &resource,
            "root volumes (EBS gp3)",
            "ebs_gp3",
            instances.scaled(capacity.volume_size.into(), 1),
        );
    }
}
