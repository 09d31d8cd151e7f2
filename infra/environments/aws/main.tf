# Longshore in an AWS account.
provider "aws" {
  region              = var.region
  allowed_account_ids = var.account_id == null ? null : [var.account_id]

  default_tags {
    tags = merge({ application = "longshore", "managed-by" = "terraform" }, var.tags)
  }
}

# The secret is made by hand (see docs/install.md) and only looked up here, so
# that its value never comes near Terraform. A plan without it fails.
data "aws_secretsmanager_secret" "slack_webhook" {
  name = var.slack_webhook_secret_name
}

# The same, only where there are to be buttons in Slack.
data "aws_secretsmanager_secret" "slack_signing" {
  count = var.slack_signing_secret_name == null ? 0 : 1

  name = var.slack_signing_secret_name
}

module "longshore" {
  source = "../../modules/longshore"

  prefix            = var.prefix
  package_directory = coalesce(var.package_directory, "${path.root}/../../../target/packages")
  architecture      = var.architecture

  task_role_arns   = var.task_role_arns
  stack_role_arns  = var.stack_role_arns
  operator_arns    = var.operator_arns
  cluster_names    = var.cluster_names
  repository_names = var.repository_names

  hosted_zone_ids      = var.hosted_zone_ids
  mirror_bucket_names  = var.mirror_bucket_names
  bucket_names         = var.bucket_names
  sync_threshold_bytes = var.sync_threshold_bytes
  sync_memory_size     = var.sync_memory_size

  permissions_boundary_actions = var.permissions_boundary_actions
  image_parameter_names        = var.image_parameter_names

  slack_webhook_secret_name = data.aws_secretsmanager_secret.slack_webhook.name
  slack_webhook_secret_arn  = var.slack_secret_reader_arns == null ? null : data.aws_secretsmanager_secret.slack_webhook.arn
  slack_secret_reader_arns  = coalesce(var.slack_secret_reader_arns, [])

  slack_signing_secret_name = one(data.aws_secretsmanager_secret.slack_signing[*].name)
  slack_signing_secret_arn  = var.slack_secret_reader_arns == null ? null : one(data.aws_secretsmanager_secret.slack_signing[*].arn)
  slack_button_users        = var.slack_button_users
  slack_team_id             = var.slack_team_id

  event_bus_name          = var.event_bus_name
  state_bucket_name       = var.state_bucket_name
  noncurrent_version_days = var.noncurrent_version_days
  memory_size             = var.memory_size
  reserved_concurrency    = var.reserved_concurrency
  log_level               = var.log_level
  log_retention_days      = var.log_retention_days
  alarm_actions           = var.alarm_actions

  cloudwatch_dashboard     = var.cloudwatch_dashboard
  failed_deployments_alarm = var.failed_deployments_alarm

  digest_schedule  = var.digest_schedule
  digest_time_zone = var.digest_time_zone
}
