//! Names within a template. A logical id is made of what the resource is and of names in the stack
//! file, never of a position, so that nothing else changes when something is added or moved.

/// Puts names into one that CloudFormation takes for a logical id: `shop-api` and `DATABASE_URL` become
/// `ShopApi` and `DatabaseUrl`. Names that become the same cannot both be in one template.
pub fn logical_id(name: &str) -> String {
    let mut id = String::with_capacity(name.len());
    push_logical_id(&mut id, name);
    id
}

fn push_logical_id(id: &mut String, name: &str) {
    for word in name.split(|character: char| !character.is_ascii_alphanumeric()) {
        let mut rest = word.chars();
        id.extend(rest.next().map(|first| first.to_ascii_uppercase()));
        if word.bytes().any(|byte| byte.is_ascii_lowercase()) {
            id.push_str(rest.as_str());
        } else {
            id.extend(rest.map(|character| character.to_ascii_lowercase()));
        }
    }
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
        let kind = self.as_str();
        let length: usize = names.iter().map(|name| name.len()).sum();
        let mut id = String::with_capacity(kind.len() + length);
        id.push_str(kind);
        for name in names {
            push_logical_id(&mut id, name);
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
