# A stack file, applied by Terraform: `provision` renders the template and
# CloudFormation makes the stack. CloudFormation's events notify Longshore when it is
# done, so Longshore writes the routes and deploys pushes as for any other stack.
data "aws_caller_identity" "current" {}

data "aws_region" "current" {}

locals {
  # Provider 6 says `region`, and warns of `name` and `id`; provider 5 has only those.
  # `lookup` in the whole object works with both, and neither warns.
  region = try(lookup(data.aws_region.current, "region"), lookup(data.aws_region.current, "name"))

  # CloudFormation's name of the stack, by Longshore's rule. Not from provision's
  # answer: a name that is not known when planning would mean another stack.
  stack_name = join("-", compact([try(var.stack.name, ""), var.environment]))

  request = jsonencode(merge(
    { action = "render", stack = local.stack },
    var.environment == null ? {} : { environment = var.environment },
  ))

  # What provision answers; see mocked.tf for what stands in where it is not asked.
  rendered = try(
    merge(local.mocked_rendered, { for field, value in jsondecode(data.aws_lambda_invocation.render.result) : field => value }),
    local.mocked_rendered,
  )

  outputs = try(
    { for field, value in jsondecode(data.aws_lambda_invocation.outputs.result) : field => value },
    local.mocked_outputs,
  )
}

data "aws_lambda_invocation" "render" {
  function_name = var.provision_function_name
  input         = local.request

  lifecycle {
    postcondition {
      condition     = length(try(jsondecode(self.result).parameter_sources, {})) == 0
      error_message = "The stack itself holds values of secrets (${join(", ", values(try(jsondecode(self.result).parameter_sources, {})))}), which Terraform would keep in its state: give them in secret_values, by service and variable."
    }
  }
}

resource "aws_cloudformation_stack" "this" {
  # checkov:skip=CKV_AWS_124: Longshore hears of the stack's events by EventBridge
  name         = local.stack_name
  template_url = local.rendered.template_url
  capabilities = local.rendered.capabilities
  iam_role_arn = local.rendered.cloudformation_role_arn
  tags         = local.rendered.tags

  timeouts {
    create = var.timeout
    update = var.timeout
    delete = var.timeout
  }

  # A task cannot start before the secrets that it reads have values.
  depends_on = [aws_secretsmanager_secret_version.this]
}

# Terraform asks again whenever the stack has changed.
data "aws_lambda_invocation" "outputs" {
  function_name = var.provision_function_name
  input         = jsonencode({ action = "outputs", stack = aws_cloudformation_stack.this.name })

  depends_on = [aws_cloudformation_stack.this]
}
