//! Tasks on Fargate.

use longshore_policy::route::CpuArchitecture;

use crate::schedule_expression::ScheduleExpression;
use crate::spec::{BottleSync, CapacityProvider, Schedule, Service, Stack};

use super::amounts::Quantity;
use super::bill::{Bill, hours};
use super::schedule::frequency;

/// Every Fargate task has these GiB of its own storage for nothing.
const FREE_EPHEMERAL_STORAGE: u32 = 20;

/// How many hours tasks run on Fargate, on demand and Spot. Tasks on the stack's own capacity are paid
/// for with its instances.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct TaskHours {
    on_demand: Quantity,
    spot: Quantity,
}

pub(super) fn services(stack: &Stack, bill: &mut Bill<'_>) {
    for (name, service) in &stack.services {
        let resource = format!("services.{name}");
        // They are on instances, which are charged as such.
        if service.is_daemon() {
            continue;
        }
        let tasks = average_tasks(&resource, service, bill);
        let task_hours = shared_out(tasks, &service.capacity_provider_strategy, hours);
        fargate(&resource, service, task_hours, bill);
        for (schedule_name, schedule) in &service.schedules {
            let resource = format!("{resource}.schedules.{schedule_name}");
            let mut sized = service.clone();
            sized.cpu = schedule.cpu.unwrap_or(service.cpu);
            sized.memory = schedule.memory.unwrap_or(service.memory);
            runs(&resource, &sized, &Runs::of_schedule(schedule), bill);
        }
    }
    if let Some(mirror) = &stack.bottle_sync
        && let Some(service) = mirror.service.as_ref()
        && let Some(service) = stack.services.get(service)
        && let Some(runs_of_mirror) = Runs::of_mirror(mirror)
    {
        runs("bottle_sync", service, &runs_of_mirror, bill);
    }
}

/// Tasks that the clock starts.
struct Runs<'a> {
    expression: &'a str,
    tasks: u32,
    expected_minutes: Option<u32>,
}

impl<'a> Runs<'a> {
    fn of_schedule(schedule: &'a Schedule) -> Self {
        Self {
            expression: &schedule.schedule_expression,
            tasks: schedule.task_count,
            expected_minutes: schedule.expected_minutes,
        }
    }

    /// Those that `sync` starts; their minutes are those of all together.
    fn of_mirror(mirror: &'a BottleSync) -> Option<Self> {
        Some(Self {
            expression: mirror.schedule_expression.as_deref()?,
            tasks: 1,
            expected_minutes: mirror.expected_minutes,
        })
    }
}

fn average_tasks(resource: &str, service: &Service, bill: &mut Bill<'_>) -> Quantity {
    if let Some(expected) = service.expected_task_count {
        return Quantity::expected(expected);
    }
    let tasks = service.first_tasks();
    let field = match &service.scaling {
        Some(_) => "scaling.min_capacity",
        None => "desired_count",
    };
    bill.assume(format!(
        "{resource}: on average as many tasks as its {field}, {tasks}; expected_task_count says otherwise"
    ));
    Quantity::whole(tasks.into())
}

/// Shares tasks out as ECS does on average: the bases first, then the rest by weight. `in_hours` makes
/// hours of a number of tasks.
fn shared_out(
    tasks: Quantity,
    strategy: &[CapacityProvider],
    in_hours: impl Fn(Quantity) -> Quantity,
) -> TaskHours {
    if strategy.is_empty() {
        return TaskHours {
            on_demand: in_hours(tasks),
            spot: Quantity::default(),
        };
    }
    let mut rest = tasks;
    let mut shares: Vec<(&str, u32, Quantity)> = Vec::new();
    for provider in strategy {
        let base = rest.min(Quantity::whole(provider.base.into()));
        rest = rest.less(base);
        shares.push((&provider.capacity_provider, provider.weight, base));
    }
    let weights: u128 = strategy
        .iter()
        .map(|provider| u128::from(provider.weight))
        .sum();
    let mut task_hours = TaskHours::default();
    for (provider, weight, base) in shares {
        let share = in_hours(base.and(rest.scaled(weight.into(), weights)));
        match provider {
            "FARGATE" => task_hours.on_demand = task_hours.on_demand.and(share),
            "FARGATE_SPOT" => task_hours.spot = task_hours.spot.and(share),
            _ => {}
        }
    }
    task_hours
}

fn runs(resource: &str, service: &Service, runs: &Runs<'_>, bill: &mut Bill<'_>) {
    let tasks = Quantity::whole(runs.tasks.into());
    if shared_out(tasks, &service.capacity_provider_strategy, hours) == TaskHours::default() {
        return;
    }
    let Some(minutes) = runs.expected_minutes else {
        return bill.charge_expected(
            resource,
            "Fargate vCPU",
            vcpu_price(service.cpu_architecture, false),
            None,
            &format!("{resource}.expected_minutes"),
            |quantity| quantity,
        );
    };
    let Ok(expression) = ScheduleExpression::parse(runs.expression) else {
        return bill.assume(format!(
            "{resource}: its schedule_expression cannot be read, so its runs are not in the estimate"
        ));
    };
    let frequency = frequency(&expression);
    // Fargate charges a minute at least.
    let minutes = u128::from(minutes.max(1));
    let task_hours = shared_out(tasks, &service.capacity_provider_strategy, |tasks| {
        tasks.scaled(frequency.runs * minutes, frequency.months * 60)
    });
    fargate(resource, service, task_hours, bill);
}

fn fargate(resource: &str, service: &Service, task_hours: TaskHours, bill: &mut Bill<'_>) {
    let architecture = service.cpu_architecture;
    for (task_hours, is_spot, name) in [
        (task_hours.on_demand, false, "Fargate"),
        (task_hours.spot, true, "Fargate Spot"),
    ] {
        if task_hours.is_zero() {
            continue;
        }
        if is_spot {
            bill.assume("Fargate Spot prices are those of one day: they move".to_owned());
        }
        let processor = match architecture {
            CpuArchitecture::X86 => "",
            CpuArchitecture::Arm => " ARM",
        };
        bill.charge(
            resource,
            &format!("{name}{processor} vCPU"),
            vcpu_price(architecture, is_spot),
            task_hours.scaled(service.cpu.into(), 1024),
        );
        bill.charge(
            resource,
            &format!("{name}{processor} memory"),
            memory_price(architecture, is_spot),
            task_hours.scaled(service.memory.into(), 1024),
        );
    }
    let all = task_hours.on_demand.and(task_hours.spot);
    if let Some(size) = service.ephemeral_storage_size_in_gib {
        let charged = size.saturating_sub(FREE_EPHEMERAL_STORAGE);
        bill.charge(
            resource,
            "ephemeral storage over 20 GB",
            "fargate_ephemeral_storage",
            all.scaled(charged.into(), 1),
        );
    }
    if service.assign_public_ip {
        bill.charge(
            resource,
            "public IPv4 addresses",
            "public_ipv4_address",
            all,
        );
    }
}

fn vcpu_price(architecture: CpuArchitecture, is_spot: bool) -> &'static str {
    match (architecture, is_spot) {
        (CpuArchitecture::X86, false) => "fargate_vcpu",
        (CpuArchitecture::X86, true) => "fargate_spot_vcpu",
        (CpuArchitecture::Arm, false) => "fargate_arm_vcpu",
        (CpuArchitecture::Arm, true) => "fargate_arm_spot_vcpu",
    }
}

fn memory_price(architecture: CpuArchitecture, is_spot: bool) -> &'static str {
    match (architecture, is_spot) {
        (CpuArchitecture::X86, false) => "fargate_memory",
        (CpuArchitecture::X86, true) => "fargate_spot_memory",
        (CpuArchitecture::Arm, false) => "fargate_arm_memory",
        (CpuArchitecture::Arm, true) => "fargate_arm_spot_memory",
    }
}
