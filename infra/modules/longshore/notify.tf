# notify: every event on Longshore's bus becomes a Slack message.
locals {
  notify_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        # The secret is encrypted with the account's default key for Secrets
        # Manager, which needs no permission of its own.
        Sid      = "ReadSlackWebhook"
        Effect   = "Allow"
        Action   = ["secretsmanager:GetSecretValue"]
        Resource = [local.slack_webhook_secret_arn]
      },
    ]
  })
}

module "notify" {
  source = "../function"

  name         = "${var.prefix}-notify"
  description  = "Tells Slack about deployments"
  package_path = "${var.package_directory}/${var.architecture}/notify.zip"
  architecture = var.architecture
  policy       = local.notify_policy
  environment  = merge(local.environment, { SLACK_WEBHOOK_SECRET_NAME = var.slack_webhook_secret_name })
  rule_arns    = [module.deployment_told.arn]

  memory_size          = var.memory_size
  log_retention_days   = var.log_retention_days
  reserved_concurrency = var.reserved_concurrency.notify
  alarm_actions        = var.alarm_actions
  require_tls          = var.require_tls
}

module "deployment_told" {
  source = "../rule"

  name           = "${var.prefix}-deployment-told"
  description    = "Longshore told something about a deployment"
  event_bus_name = module.event_bus.name
  event_pattern  = jsonencode({ source = ["longshore"] })

  function_name         = module.notify.name
  function_arn          = module.notify.arn
  dead_letter_queue_arn = module.notify.dead_letter_queue_arn
}
