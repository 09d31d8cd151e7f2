//! How an installation of Longshore provisions.

use longshore_events::registry::{EcrEndpoint, EcrRegistry, ImageName};
use longshore_stack::spec::Stack;

/// How an installation of Longshore provisions; the roles come from its Terraform.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// The region, as AWS names it.
    pub region: Option<String>,
    /// The role that CloudFormation works with. Without one it works with the caller's rights.
    pub cloudformation_role_arn: Option<String>,
    /// The permissions boundary of the roles that templates make.
    pub permissions_boundary_arn: Option<String>,
}

impl Settings {
    /// The stack with images of the installation's own registry named without it, as those are named
    /// whose pushes are followed. `aws ecr` and Terraform give names with it. The registry's other hosts, for
    /// FIPS and for IPv6, stay as they are written: a template names the standard one.
    pub(crate) fn with_own_images(&self, stack: &Stack) -> Stack {
        let mut stack = stack.clone();
        let images = stack.services.values_mut().flat_map(|service| {
            let sidecars = service.sidecars.values_mut();
            std::iter::once(&mut service.image).chain(sidecars.map(|one| &mut one.image))
        });
        for image in images {
            let name = ImageName::of(image);
            if let (Some(host), Some(registry)) = (name.registry, name.ecr())
                && self.is_own(registry)
            {
                *image = image[host.len() + 1..].to_owned();
            }
        }
        stack
    }

    /// Whether this is the standard host of the installation's own registry: the account is that of its role.
    fn is_own(&self, registry: EcrRegistry<'_>) -> bool {
        let role = self.cloudformation_role_arn.as_deref();
        registry.endpoint == EcrEndpoint::Standard
            && role.and_then(|arn| arn.split(':').nth(4)) == Some(registry.account)
            && self.region.as_deref() == Some(registry.region)
    }
}
