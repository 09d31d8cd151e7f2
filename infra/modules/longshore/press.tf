# press: whoever presses a button of a message in Slack asks deploy for something.
# Slack calls its URL, and its signature is what lets the request in. Only where the
# secret that Slack signs with is named.
locals {
  has_buttons = var.slack_signing_secret_name != null
  press_name  = "${var.prefix}-press"

  # As of the webhook's secret.
  slack_signing_secret_arns = local.has_buttons ? [
    "arn:${local.partition}:secretsmanager:${local.region}:${local.account_id}:secret:${var.slack_signing_secret_name}-??????",
  ] : []

  # notify shows the buttons that somebody may press, and press lets nobody else.
  button_environment = local.has_buttons ? { SLACK_BUTTON_USERS = jsonencode(var.slack_button_users) } : {}

  press_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        # Encrypted with the account's default key for Secrets Manager, which needs
        # no permission of its own.
        Sid      = "ReadSigningSecret"
        Effect   = "Allow"
        Action   = ["secretsmanager:GetSecretValue"]
        Resource = local.slack_signing_secret_arns
      },
      {
        # What the whole internet can send something to says one thing only.
        Sid      = "PublishActions"
        Effect   = "Allow"
        Action   = ["events:PutEvents"]
        Resource = [module.event_bus.arn]
        Condition = {
          "ForAllValues:StringEquals" = {
            "events:source"      = "longshore"
            "events:detail-type" = "Action Requested"
          }
        }
      },
    ]
  })
}

# Nothing sends it events: Slack waits for its answer, and tells whoever pressed that
# there was none.
module "press" {
  source = "../function"
  count  = local.has_buttons ? 1 : 0

  name         = local.press_name
  description  = "Takes presses of buttons in Slack"
  package      = local.package
  handler      = "press"
  architecture = var.architecture
  policy       = local.press_policy
  environment = merge(
    local.environment,
    local.button_environment,
    { SLACK_SIGNING_SECRET_NAME = var.slack_signing_secret_name },
    var.slack_team_id == null ? {} : { SLACK_TEAM_ID = var.slack_team_id },
  )
  rule_arns = []

  memory_size = var.memory_size
  # Slack gives up after three seconds.
  timeout_seconds      = 10
  log_retention_days   = var.log_retention_days
  reserved_concurrency = var.reserved_concurrency.press
  alarm_actions        = var.alarm_actions
}

# The provider gives everybody the permission to call it (`FunctionURLAllowPublicAccess`),
# and from version 6.29 on the second one that AWS asks for since October 2025; before, see
# docs/install.md.
resource "aws_lambda_function_url" "press" {
  # checkov:skip=CKV_AWS_258: Slack cannot sign as AWS does: the function checks Slack's own signature before it reads anything
  count = local.has_buttons ? 1 : 0

  function_name      = module.press[0].name
  authorization_type = "NONE"
}

# Whoever reads this secret can press every button in anybody's name. As of the
# webhook's secret, this refuses the value and locks nobody out.
resource "aws_secretsmanager_secret_policy" "slack_signing" {
  count = var.slack_signing_secret_arn == null ? 0 : 1

  secret_arn          = var.slack_signing_secret_arn
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
              ["arn:${local.partition}:iam::${local.account_id}:role/${local.press_name}"],
              var.slack_secret_reader_arns,
            )
          }
        }
      },
    ]
  })
}
