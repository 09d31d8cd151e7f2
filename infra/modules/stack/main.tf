# A stack of Longshore's, applied by Terraform: `provision` renders the template
# and CloudFormation makes it. CloudFormation tells Longshore when it is done, so
# routes are written and pushes are deployed as for any other stack.
data "aws_caller_identity" "current" {}

data "aws_region" "current" {}

locals {
  # Which inputs were given decides which stack is meant. Only inputs that are
  # known when planning may decide.
  kind = (
    var.stack != null ? "stack" :
    var.project_name != null ? "homebrew-bottles-sync" :
    var.instance_type != null ? "stellar-insights" :
    "classla"
  )

  environment = local.kind == "homebrew-bottles-sync" ? coalesce(var.environment, "prod") : var.environment

  file = {
    stack                 = local.given
    homebrew-bottles-sync = local.homebrew_bottles_sync
    stellar-insights      = local.stellar_insights
    classla               = local.classla
  }[local.kind]

  # CloudFormation's name for it, by Longshore's rule. Not from provision's
  # answer: a name that is not known when planning would mean another stack.
  stack_name = join("-", compact([local.name, local.environment]))

  name = {
    stack                 = try(var.stack.name, "")
    homebrew-bottles-sync = try(coalesce(var.name, var.project_name), "")
    stellar-insights      = coalesce(var.name, var.project)
    classla               = coalesce(var.name, "classla")
  }[local.kind]

  payload = merge(
    { action = "render", stack = local.file },
    local.environment == null ? {} : { environment = local.environment },
  )

  rendered = jsondecode(data.aws_lambda_invocation.render.result)

  outputs = jsondecode(data.aws_lambda_invocation.outputs.result)

  required = {
    stack = {}
    homebrew-bottles-sync = {
      aws_account_id          = var.aws_account_id
      aws_region              = var.aws_region
      container_image         = var.container_image
      private_subnet_ids      = var.private_subnet_ids
      security_group_ids      = var.security_group_ids
      task_execution_role_arn = var.task_execution_role_arn
      task_role_arn           = var.task_role_arn
      vpc_id                  = var.vpc_id
    }
    stellar-insights = {
      cluster_name     = var.cluster_name
      container_image  = var.container_image
      db_url           = var.db_url
      environment      = var.environment
      redis_url        = var.redis_url
      security_groups  = var.security_groups
      subnets          = var.subnets
      target_group_arn = var.target_group_arn
      vault_addr       = var.vault_addr
    }
    classla = {
      alb_security_group_id     = var.alb_security_group_id
      alb_target_group_arn      = var.alb_target_group_arn
      ecr_repository_url        = var.ecr_repository_url
      environment               = var.environment
      private_subnet_ids        = var.private_subnet_ids
      secrets_access_policy_arn = var.secrets_access_policy_arn
      secrets_arns              = var.secrets_arns
      vpc_id                    = var.vpc_id
    }
  }[local.kind]

  missing = nonsensitive([for name, value in local.required : name if value == null])

  # ECR's address of this account and region. Longshore knows a repository there by
  # its name alone, and follows its pushes.
  own_registry = "${data.aws_caller_identity.current.account_id}.dkr.ecr.${data.aws_region.current.name}.amazonaws.com"
  image        = var.container_image == null ? null : replace(var.container_image, "/^${replace(local.own_registry, ".", "\\.")}(\\.cn)?\\//", "")
}

data "aws_lambda_invocation" "render" {
  function_name = var.provision_function_name
  input         = jsonencode(local.payload)

  lifecycle {
    precondition {
      condition     = length(local.missing) == 0
      error_message = "The stack ${local.kind} needs ${join(", ", local.missing)} as well."
    }

    precondition {
      condition     = local.kind != "homebrew-bottles-sync" || (var.aws_region == data.aws_region.current.name && var.aws_account_id == data.aws_caller_identity.current.account_id)
      error_message = "A stack is made where the provider works: in account ${data.aws_caller_identity.current.account_id}, region ${data.aws_region.current.name}. aws_account_id and aws_region say otherwise."
    }

    precondition {
      condition     = local.kind != "classla" || length(setsubtract(values(local.classla_secrets), try(keys(var.secrets_arns), []))) == 0
      error_message = "secrets_arns must have the keys ${join(", ", distinct(values(local.classla_secrets)))}."
    }

    postcondition {
      condition     = length(jsondecode(self.result).parameter_sources) == 0
      error_message = "Values of secrets are given as secret_values, by service and variable: in the stack itself (${join(", ", values(jsondecode(self.result).parameter_sources))}) they would be kept in Terraform's state."
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

  # A task cannot start before what it reads has a value.
  depends_on = [aws_secretsmanager_secret_version.this]
}

# Asked again whenever the stack has changed.
data "aws_lambda_invocation" "outputs" {
  function_name = var.provision_function_name
  input         = jsonencode({ action = "outputs", stack = aws_cloudformation_stack.this.name })

  depends_on = [aws_cloudformation_stack.this]
}

check "stack_file" {
  assert {
    condition     = length(local.rendered.warnings) == 0
    error_message = join("\n", [for warning in local.rendered.warnings : "${warning.path}: ${warning.message}"])
  }
}
