# Longshore on the local cloud. Everything that differs from an AWS account is
# in this folder; the modules are the same.
provider "aws" {
  region     = var.region
  access_key = var.access_key_id
  secret_key = var.secret_access_key

  # There is no instance to ask for metadata, and no AWS to ask whether the
  # region or the credentials exist.
  skip_metadata_api_check     = true
  skip_region_validation      = true
  skip_credentials_validation = true

  # Bucket names are not host names on loopback.
  s3_use_path_style = true

  # No block of endpoints: the provider writes the whole block out for each of its
  # 350 members, which takes six seconds of a processor, three times an apply. The
  # endpoint is AWS_ENDPOINT_URL. Without it the calls go to AWS, which refuses
  # keys that it does not know.
}

locals {
  # The local cloud speaks plain HTTP on loopback: the policies that refuse it
  # stay off here, and only here.
  require_tls = startswith(var.endpoint, "https://")
}

resource "aws_secretsmanager_secret" "slack_webhook" {
  # checkov:skip=CKV_AWS_149: it holds a loopback URL of a cloud that is thrown away
  # checkov:skip=CKV2_AWS_57: a webhook's URL is changed at Slack, not by a rotation
  name        = "${var.prefix}/slack-webhook"
  description = "URL of the fake Slack's incoming webhook"
  # A name can be used again at once, so that the next apply does not fail.
  recovery_window_in_days = 0
}

# Write-only: the URL goes to Secrets Manager and into no state or plan file.
resource "aws_secretsmanager_secret_version" "slack_webhook" {
  secret_id                = aws_secretsmanager_secret.slack_webhook.id
  secret_string_wo         = jsonencode({ webhook_url = var.slack_webhook_url })
  secret_string_wo_version = var.slack_webhook_url_version
}

resource "aws_secretsmanager_secret" "slack_signing" {
  # checkov:skip=CKV_AWS_149: it holds a made-up secret of a cloud that is thrown away
  # checkov:skip=CKV2_AWS_57: a signing secret is changed at Slack, not by a rotation
  name                    = "${var.prefix}/slack-signing"
  description             = "Signing secret of the fake Slack's app"
  recovery_window_in_days = 0
}

resource "aws_secretsmanager_secret_version" "slack_signing" {
  secret_id                = aws_secretsmanager_secret.slack_signing.id
  secret_string_wo         = jsonencode({ signing_secret = var.slack_signing_secret })
  secret_string_wo_version = var.slack_webhook_url_version
}

module "longshore" {
  source = "../../modules/longshore"

  prefix            = var.prefix
  package_directory = var.package_directory
  architecture      = var.architecture

  task_role_arns = var.task_role_arns
  # Stack files of tests name the roles of services that no stack file made.
  stack_role_arns  = var.task_role_arns
  cluster_names    = var.cluster_names
  repository_names = var.repository_names
  bucket_names     = var.bucket_names

  slack_webhook_secret_name = aws_secretsmanager_secret.slack_webhook.name

  slack_signing_secret_name = aws_secretsmanager_secret.slack_signing.name
  slack_button_users        = var.slack_button_users

  # The cloud is thrown away with all that is in it, long before a version could
  # expire; and the provider watches a new lifecycle for most of a minute.
  force_destroy           = true
  noncurrent_version_days = null

  log_level          = var.log_level
  log_retention_days = 1
  require_tls        = local.require_tls

  # The functions' own calls come back to the local cloud.
  extra_environment = {
    AWS_ENDPOINT_URL = var.endpoint
    SLACK_API_URL    = var.slack_api_url
  }
}
