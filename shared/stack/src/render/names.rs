//! Names within a template. A logical id is made of what the resource is and of names in the stack
//! file, never of a position, so that nothing else changes when something is added or moved.

/// Puts names into one that CloudFormation takes for a logical id: `shop-api` and `DATABASE_URL` become
/// `ShopApi` and `DatabaseUrl`. Names that become the same cannot both be in one template.
pub fn logical_id(name: &str) -> String {
    let mut id = String::with_capacity(name.len());
    for word in name.split(|character: char| !character.is_ascii_alphanumeric()) {
        let shouted = !word.contains(|character: char| character.is_ascii_lowercase());
        for (index, character) in word.chars().enumerate() {
            id.push(if index == 0 {
                character.to_ascii_uppercase()
            } else if shouted {
                character.to_ascii_lowercase()
            } else {
                character
            });
        }
    }
    id
}

/// Defines an enum whose variants are spelt in templates as they are here.
macro_rules! spelt {
    ($(#[$attribute:meta])* $name:ident { $($variant:ident),* $(,)? }) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum $name { $($variant),* }

        impl $name {
            /// All of them.
            pub(crate) const ALL: &[Self] = &[$(Self::$variant),*];

            /// As it is spelt in templates.
            pub(crate) fn as_str(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant)),* }
            }
        }
    };
}

spelt! {
    /// What there is one of for each service, file system and so on, whose name follows in the logical
    /// id. None begins with another one, so that no two ids of different kinds are the same.
    Kind {
        AccessPoint,
        AlternateTargetGroup,
        AutoScalingGroup,
        Bucket,
        CapacityAlarm,
        CapacityProvider,
        CpuAlarm,
        CpuTracking,
        DiscoveryEntry,
        DnsRecord,
        ExecutionRole,
        FileSystem,
        InstanceProfile,
        InstanceRole,
        InstanceSecurityGroup,
        Ipv6DnsRecord,
        LaunchTemplate,
        ListenerRule,
        LoadBalancerEgress,
        LogGroup,
        MemoryAlarm,
        MemoryTracking,
        MetricTracking,
        MountEgress,
        MountIngress,
        MountSecurityGroup,
        MountTarget,
        PeerEgress,
        PeerIngress,
        PortListener,
        RequestTracking,
        RunningTasksAlarm,
        ScalableTarget,
        ScaleInAlarm,
        ScaleInPolicy,
        ScaleOutAlarm,
        ScaleOutPolicy,
        Schedule,
        SchedulingRole,
        Secret,
        SecurityGroup,
        SensitiveValue,
        Service,
        SnsSubscription,
        SnsTopic,
        SqsDeadLetterQueue,
        SqsPolicy,
        SqsQueue,
        StepAboveAlarm,
        StepAbovePolicy,
        StepBelowAlarm,
        StepBelowPolicy,
        TargetErrorsAlarm,
        TargetGroup,
        TargetHealthAlarm,
        TaskDefinition,
        TaskRole,
        ThroughputAlarm,
    }
}

spelt! {
    /// What there is one of in a stack.
    Singleton {
        BottleSyncSchedule,
        BottleSyncSchedulingRole,
        Cluster,
        ClusterCapacity,
        Dashboard,
        DiscoveryNamespace,
        EventsLogGroup,
        EventsOfScaling,
        EventsOfInstances,
        EventsOfServices,
        EventsOfTargetHealth,
        EventsOfTasks,
        FlowLog,
        FlowLogsLogGroup,
        FlowLogsRole,
        HttpListener,
        HttpsListener,
        HttpsListenerCertificates,
        InfrastructureRole,
        LoadBalancer,
        LoadBalancerSecurityGroup,
        LogsKey,
        LogsKeyAlias,
    }
}

impl Kind {
    /// The logical id of what is of this kind and has these names, the widest one first.
    pub(crate) fn id(self, names: &[&str]) -> String {
        let mut id = self.as_str().to_owned();
        for name in names {
            id.push_str(&logical_id(name));
        }
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_joined_in_pascal_case() {
        assert_eq!(logical_id("shop-api"), "ShopApi");
        assert_eq!(logical_id("DATABASE_URL"), "DatabaseUrl");
        assert_eq!(logical_id("subnet-0a1b"), "Subnet0a1b");
        assert_eq!(logical_id("camelCase"), "CamelCase");
        assert_eq!(
            Kind::Schedule.id(&["sync", "every-night"]),
            "ScheduleSyncEveryNight"
        );
    }

    #[test]
    fn no_kind_begins_with_another_one_and_no_singleton_with_a_kind() {
        let kinds = Kind::ALL.iter().map(|kind| kind.as_str());
        let all = kinds.chain(Singleton::ALL.iter().map(|one| one.as_str()));
        for name in all {
            for kind in Kind::ALL.iter().map(|kind| kind.as_str()) {
                assert!(
                    name == kind || !name.starts_with(kind),
                    "{name} begins with {kind}"
                );
            }
        }
    }
}
