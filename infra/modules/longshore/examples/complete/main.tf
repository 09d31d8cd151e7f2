# Longshore with the functions of a release, a secret for Slack, and alarms to a topic.
terraform {
  required_version = ">= 1.11.0, < 2.0.0"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100.0, < 7.0.0"
    }
  }
}

variable "package_directory" {
  description = "Folder in which longshore-functions-<version>-arm64.tar.gz of the release was unpacked: it holds arm64/longshore.zip."
  type        = string
}

variable "slack_webhook_url" {
  description = "URL of the Slack webhook. It is in no state."
  type        = string
  sensitive   = true
  ephemeral   = true
}

resource "aws_secretsmanager_secret" "slack" {
  name = "longshore/slack-webhook"
}

resource "aws_secretsmanager_secret_version" "slack" {
  secret_id                = aws_secretsmanager_secret.slack.id
  secret_string_wo         = jsonencode({ webhook_url = var.slack_webhook_url })
  secret_string_wo_version = 1
}

resource "aws_sns_topic" "alarms" {
  name              = "longshore-alarms"
  kms_master_key_id = "alias/aws/sns"
}

module "longshore" {
  # In a configuration of yours:
  # source = "github.com/<owner>/longshore//infra/modules/longshore?ref=v<version>"
  source = "../.."

  package_directory         = var.package_directory
  slack_webhook_secret_name = aws_secretsmanager_secret.slack.name
  cluster_names             = ["shop"]
  repository_names          = ["shop/*"]
  alarm_actions             = [aws_sns_topic.alarms.arn]
}

output "state_bucket_name" {
  description = "Where stack files are written to, under stacks/."
  value       = module.longshore.state_bucket_name
}

output "provision_function_name" {
  description = "What the module stack calls."
  value       = module.longshore.function_names["provision"]
}
