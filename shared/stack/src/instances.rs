//! What follows from the name of an EC2 instance type.

use longshore_policy::route::CpuArchitecture;

/// Graviton's families have a `g` after their generation.
pub(crate) fn architecture_of(instance_type: &str) -> Option<CpuArchitecture> {
    let family = instance_type.split('.').next()?;
    let generation = family.find(|character: char| character.is_ascii_digit())?;
    let attributes =
        family[generation..].trim_start_matches(|character: char| character.is_ascii_digit());
    // The `g` families (GPUs) have it in front of the generation.
    Some(if attributes.starts_with('g') || family == "a1" {
        CpuArchitecture::Arm
    } else {
        CpuArchitecture::X86
    })
}

/// Whether an instance of this type has GPUs of NVIDIA's, where its family is known: the Amazon ECS Developer Guide, "Task
/// definitions for GPU workloads".
pub(crate) fn has_gpus(instance_type: &str) -> Option<bool> {
    let family = instance_type.split('.').next()?;
    let (class, rest) = family.split_at_checked(1)?;
    if !rest.starts_with(|character: char| character.is_ascii_digit()) {
        return None;
    }
    match class {
        // Those of g4ad are AMD's.
        "g" | "p" => Some(family != "g4ad"),
        "a" | "c" | "m" | "r" | "t" => Some(false),
        _ => None,
    }
}

/// CPU units and MiB of an instance of this type, where they follow from its name.
pub(crate) fn size_of(instance_type: &str) -> Option<(u32, u32)> {
    let (family, size) = instance_type.split_once('.')?;
    let class = family.chars().next()?;
    if !family[1..].starts_with(|character: char| character.is_ascii_digit()) {
        return None;
    }
    if class == 't' {
        let (processors, memory) = match size {
            "nano" => (2, 512),
            "micro" => (2, 1024),
            "small" => (2, 2048),
            "medium" => (2, 4096),
            "large" => (2, 8192),
            "xlarge" => (4, 16_384),
            "2xlarge" => (8, 32_768),
            _ => return None,
        };
        return Some((processors * 1024, memory));
    }
    let memory_of_a_processor = match class {
        'c' => 2048,
        'm' => 4096,
        'r' => 8192,
        _ => return None,
    };
    let processors: u32 = match size {
        "medium" => 1,
        "large" => 2,
        "xlarge" => 4,
        _ => {
            size.strip_suffix("xlarge")?
                .parse::<u32>()
                .ok()
                .filter(|times| *times <= 48)?
                * 4
        }
    };
    Some((processors * 1024, processors * memory_of_a_processor))
}

/// How many network interfaces an instance of this type can have, where that follows from its name: the Amazon
/// EC2 User Guide, "Maximum IP addresses per network interface".
fn interfaces_of(instance_type: &str) -> Option<u32> {
    let (family, size) = instance_type.split_once('.')?;
    let class = family.chars().next()?;
    let generation = family.chars().nth(1)?.to_digit(10)?;
    if !matches!(class, 'c' | 'm' | 'r' | 't') || !(2..=7).contains(&generation) {
        return None;
    }
    match instance_type {
        "t3a.small" | "m4.large" => return Some(2),
        "t2.xlarge" | "t2.2xlarge" => return Some(3),
        "m4.16xlarge" => return Some(8),
        "m5zn.12xlarge" => return Some(15),
        _ => {}
    }
    Some(match size {
        "nano" | "micro" => 2,
        "medium" if class != 't' => 2,
        "small" | "medium" | "large" => 3,
        "xlarge" => 4,
        _ => match size.strip_suffix("xlarge")?.parse::<u32>().ok()? {
            0..=2 => 4,
            3..=12 => 8,
            // These have two network cards, and ECS uses one.
            32 if family.ends_with("in") || family.ends_with("idn") => 8,
            _ => 15,
        },
    })
}

/// How many tasks an instance of this type has network interfaces for, where that is known. One is the
/// instance's own. With `awsvpcTrunking`, a setting of the account, it is more.
pub(crate) fn tasks_of(instance_type: &str) -> Option<u32> {
    interfaces_of(instance_type).map(|interfaces| interfaces - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn architecture_and_size_follow_from_the_name_of_an_instance_type() {
        for (instance_type, architecture, size) in [
            ("t3.small", CpuArchitecture::X86, Some((2048, 2048))),
            ("t4g.micro", CpuArchitecture::Arm, Some((2048, 1024))),
            ("m6i.large", CpuArchitecture::X86, Some((2048, 8192))),
            ("c7gn.2xlarge", CpuArchitecture::Arm, Some((8192, 16_384))),
            ("r5.24xlarge", CpuArchitecture::X86, Some((98_304, 786_432))),
            ("g5.xlarge", CpuArchitecture::X86, None),
            ("g5g.xlarge", CpuArchitecture::Arm, None),
            ("m5.metal", CpuArchitecture::X86, None),
        ] {
            assert_eq!(
                architecture_of(instance_type),
                Some(architecture),
                "{instance_type}"
            );
            assert_eq!(size_of(instance_type), size, "{instance_type}");
        }
    }

    #[test]
    fn gpus_are_known_by_the_family() {
        for (instance_type, gpus) in [
            ("g4dn.xlarge", Some(true)),
            ("g5g.xlarge", Some(true)),
            ("p5.48xlarge", Some(true)),
            ("g4ad.xlarge", Some(false)),
            ("m6i.large", Some(false)),
            ("inf2.xlarge", None),
            ("gr6.4xlarge", None),
        ] {
            assert_eq!(has_gpus(instance_type), gpus, "{instance_type}");
        }
    }

    #[test]
    fn an_instance_has_an_interface_for_itself_and_one_for_each_task() {
        for (instance_type, tasks) in [
            ("t3.nano", Some(1)),
            ("t3.small", Some(2)),
            ("t3a.small", Some(1)),
            ("m6g.medium", Some(1)),
            ("m5.large", Some(2)),
            ("m4.large", Some(1)),
            ("c7gn.2xlarge", Some(3)),
            ("r5.4xlarge", Some(7)),
            ("r5.24xlarge", Some(14)),
            ("c6in.32xlarge", Some(7)),
            ("m5.metal", None),
            ("g5.xlarge", None),
            ("m8g.large", None),
        ] {
            assert_eq!(tasks_of(instance_type), tasks, "{instance_type}");
        }
    }
}
