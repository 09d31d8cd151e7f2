data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  # Known before the bucket is there: the rules, and after them the queues, which
  # take longest of all, need not wait for it.
  state_bucket_name = coalesce(var.state_bucket_name, "${var.prefix}-state-${local.account_id}-${local.region}")

  # Provider 6 says `region`, and warns of `name` and `id`; provider 5 has only those.
  # `lookup` in the whole object works with both, and neither warns.
  present = {
    partition  = data.aws_partition.current.partition
    account_id = data.aws_caller_identity.current.account_id
    region     = try(lookup(data.aws_region.current, "region"), lookup(data.aws_region.current, "name"))
  }

  # Where a test mocks the provider, Terraform makes these up, and what is made of them
  # would be no ARN, which the provider checks all the same.
  partition  = startswith(local.present.partition, "aws") ? local.present.partition : "aws"
  account_id = can(regex("^[0-9]{12}$", local.present.account_id)) ? local.present.account_id : "123456789012"
  region     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]+$", local.present.region)) ? local.present.region : "us-east-1"

  ecs_arn = "arn:${local.partition}:ecs:${local.region}:${local.account_id}"

  cluster_arns = [for name in var.cluster_names : "${local.ecs_arn}:cluster/${name}"]
  # ECS checks a service deployment and a service revision beside their service.
  service_history_arns = concat(
    local.service_arns,
    [for name in var.cluster_names : "${local.ecs_arn}:service-deployment/${name}/*"],
    local.service_revision_arns,
  )
  service_revision_arns   = [for name in var.cluster_names : "${local.ecs_arn}:service-revision/${name}/*"]
  service_arns            = [for name in var.cluster_names : "${local.ecs_arn}:service/${name}/*"]
  task_arns               = [for name in var.cluster_names : "${local.ecs_arn}:task/${name}/*"]
  task_definition_pattern = "${local.ecs_arn}:task-definition/*"

  repository_arns = [
    for name in var.repository_names :
    "arn:${local.partition}:ecr:${local.region}:${local.account_id}:repository/${name}"
  ]

  # Secrets Manager puts six random characters behind the name. The pattern
  # still holds when the secret was deleted and made anew, and matches no other
  # name.
  slack_webhook_secret_arn = "arn:${local.partition}:secretsmanager:${local.region}:${local.account_id}:secret:${var.slack_webhook_secret_name}-??????"

  # Longshore's own word that CloudFormation has done with a stack.
  stack_settled_pattern = jsonencode({
    source      = ["longshore"]
    detail-type = ["Stack Ready", "Stack Failed"]
  })

  # What all functions find in their environment; each adds what only it needs.
  environment = merge(var.extra_environment, {
    STATE_BUCKET_NAME = module.state_bucket.name
    EVENT_BUS_NAME    = module.event_bus.name
    LOG_LEVEL         = var.log_level
  })
}

module "event_bus" {
  source = "../event-bus"

  name = var.event_bus_name

  # By their names: the functions need the bus before they are there.
  publisher_arns = concat(
    [
      for function in ["provision", "deploy", "watch", "sync"] :
      "arn:${local.partition}:iam::${local.account_id}:role/${var.prefix}-${function}"
    ],
    local.has_buttons ? ["arn:${local.partition}:iam::${local.account_id}:role/${local.press_name}"] : [],
    var.operator_arns,
  )

  # The tasks of a mirror.
  limited_publisher_arn = local.template_role_pattern
  limited_detail_types  = ["Sync Shard Completed"]
}

module "state_bucket" {
  source = "../state-bucket"

  name                    = local.state_bucket_name
  noncurrent_version_days = var.noncurrent_version_days
  force_destroy           = var.force_destroy
  require_tls             = var.require_tls
  # Should a role of a template ever lose its boundary.
  refused_arns = [local.template_role_pattern]
}
