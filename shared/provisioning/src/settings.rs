//! How an installation of Longshore provisions.

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
    /// whose pushes are followed. `aws ecr` and Terraform give names with it.
    pub(crate) fn with_own_images(&self, stack: &Stack) -> Stack {
        let mut stack = stack.clone();
        if let Some(registry) = self.registry() {
            let images = stack.services.values_mut().flat_map(|service| {
                let sidecars = service.sidecars.values_mut();
                std::iter::once(&mut service.image).chain(sidecars.map(|one| &mut one.image))
            });
            for image in images {
                let name = image
                    .strip_prefix(&registry)
                    .and_then(|rest| rest.split_once('/'))
                    .filter(|(suffix, _)| matches!(*suffix, "amazonaws.com" | "amazonaws.com.cn"));
                if let Some((_, name)) = name {
                    *image = name.to_owned();
                }
            }
        }
        stack
    }

    /// The beginning of the registry's host: the account is that of the installation's own role.
    fn registry(&self) -> Option<String> {
        let account = self.cloudformation_role_arn.as_deref()?.split(':').nth(4)?;
        let region = self.region.as_deref()?;
        Some(format!("{account}.dkr.ecr.{region}."))
    }
}
