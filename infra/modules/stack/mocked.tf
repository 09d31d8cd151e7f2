# Where a test mocks the provider, nobody asks provision: Terraform makes up a text,
# which is not JSON. These stand in for the answer, so that `terraform test` works on a
# configuration with this module without a word about it in the test.
locals {
  # Also what an older provision does not answer yet.
  mocked_rendered = {
    template_url            = null
    capabilities            = []
    cloudformation_role_arn = null
    tags                    = {}
    warnings                = []
    waits_for_images        = {}
  }

  mocked_outputs = merge(
    { for field in ["cluster_name", "cluster_arn", "cluster_id"] : field => local.mocked_values[field] },
    # A stack with one service has the service's outputs at the top, too.
    try({ for field, value in one(values(local.mocked_services)) : field => value }, {}),
    { services = local.mocked_services },
  )

  mocked_services = {
    for service in try(keys(var.stack.services), []) : service => {
      for field, value in local.mocked_values : field => value if !startswith(field, "cluster_")
    }
  }

  # The provider checks the form of an ARN even where it is mocked.
  mocked_values = {
    for field in [
      "cluster_name",
      "cluster_arn",
      "cluster_id",
      "service_name",
      "service_arn",
      "service_id",
      "task_definition_arn",
      "task_definition_family",
      "task_definition_revision",
      "security_group_id",
      "target_group_arn",
      "task_execution_role_arn",
      "task_role_arn",
      "log_group_name",
      "log_group_arn",
    ] : field => endswith(field, "_arn") ? "arn:aws:mocked:us-east-1:123456789012:${field}" : "mocked-${field}"
  }
}
