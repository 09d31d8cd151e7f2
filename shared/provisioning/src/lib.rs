//! The provisioning engine: stacks are planned, applied and destroyed through CloudFormation.
