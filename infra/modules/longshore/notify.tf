# notify: every event on Longshore's bus becomes a Slack message, or an edit of one.
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
      {
        # Which message in Slack is about which deployment, change or sync: what
        # a bot has posted, it edits.
        Sid      = "KeepMessages"
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:PutObject"]
        Resource = ["${module.state_bucket.arn}/messages/*"]
      },
      {
        # The first event of each has no message yet, and without this S3 answers
        # 403 for it. No condition on the prefix, as reading an object carries none.
        Sid      = "DistinguishMissingFromRefused"
        Effect   = "Allow"
        Action   = ["s3:ListBucket"]
        Resource = [module.state_bucket.arn]
      },
    ]
  })
}

# Many principals of an account may read all its secrets. This refuses them the
# value and nothing else, so that it locks nobody out: whoever may change the
# secret or its policy still may. A principal without an ARN, which is an AWS
# service, is refused too.
resource "aws_secretsmanager_secret_policy" "slack_webhook" {
  count = var.slack_webhook_secret_arn == null ? 0 : 1

  secret_arn          = var.slack_webhook_secret_arn
  block_public_policy = true
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "RefuseOtherReaders"
        Effect    = "Deny"
        Principal = "*"
        Action    = "secretsmanager:GetSecretValue"
        Resource  = "*"
        Condition = {
          ArnNotLike = {
            "aws:PrincipalArn" = concat(
              ["arn:${local.partition}:iam::${local.account_id}:role/${var.prefix}-notify"],
              var.slack_secret_reader_arns,
            )
          }
        }
      },
    ]
  })
}

module "notify" {
  source = "../function"

  name         = "${var.prefix}-notify"
  description  = "Posts to Slack about deployments, stacks and bottle syncs"
  package      = local.package
  handler      = "notify"
  architecture = var.architecture
  policy       = local.notify_policy
  environment  = merge(local.environment, local.button_environment, { SLACK_WEBHOOK_SECRET_NAME = var.slack_webhook_secret_name })
  rule_arns    = [module.notifications.arn]

  memory_size          = var.memory_size
  log_retention_days   = var.log_retention_days
  reserved_concurrency = var.reserved_concurrency.notify
  alarm_actions        = var.alarm_actions
  require_tls          = var.require_tls
}

module "notifications" {
  source = "../rule"

  name           = "${var.prefix}-notifications"
  description    = "Longshore published something to notify people of"
  account_id     = local.account_id
  event_bus_name = module.event_bus.name
  # The end of a shard is between a task and sync, and what deploy goes on with
  # between watch, press or deploy itself, and deploy.
  event_pattern = jsonencode({
    source = ["longshore"]
    detail-type = [{
      anything-but = [
        "Action Requested",
        "Deployment Stabilized",
        "Reconcile Shard",
        "Sync Shard Completed",
      ]
    }]
  })

  function_name         = module.notify.name
  function_arn          = module.notify.arn
  dead_letter_queue_arn = module.notify.dead_letter_queue_arn
}
