//! How an installation of Longshore provisions.

/// How an installation of Longshore provisions; both come from its Terraform.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// The role that CloudFormation works with. Without one it works with the caller's rights.
    pub cloudformation_role_arn: Option<String>,
    /// The permissions boundary of the roles that templates make.
    pub permissions_boundary_arn: Option<String>,
}
