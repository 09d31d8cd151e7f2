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

  press_runtime_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "WriteOwnLogs"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = ["arn:${local.partition}:logs:${local.region}:${local.account_id}:log-group:/aws/lambda/${local.press_name}:*"]
      },
    ]
  })

  # As the other functions show theirs. It has no dead-letter queue: Slack waits for
  # its answer, and tells whoever pressed that there was none.
  press_functions = {
    for name in(local.has_buttons ? ["press"] : []) : name => {
      name           = aws_lambda_function.press[0].function_name
      arn            = aws_lambda_function.press[0].arn
      role_name      = aws_iam_role.press[0].name
      role_arn       = aws_iam_role.press[0].arn
      log_group_name = aws_cloudwatch_log_group.press[0].name
      environment    = aws_lambda_function.press[0].environment[0].variables
      policies = {
        work    = aws_iam_role_policy.press_work[0].policy
        runtime = aws_iam_role_policy.press_runtime[0].policy
      }
    }
  }
}

resource "aws_iam_role" "press" {
  count = local.has_buttons ? 1 : 0

  name        = local.press_name
  description = "The function ${local.press_name}"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "press_work" {
  count = local.has_buttons ? 1 : 0

  name   = "work"
  role   = aws_iam_role.press[0].name
  policy = local.press_policy
}

resource "aws_iam_role_policy" "press_runtime" {
  count = local.has_buttons ? 1 : 0

  name   = "runtime"
  role   = aws_iam_role.press[0].name
  policy = local.press_runtime_policy
}

resource "aws_cloudwatch_log_group" "press" {
  # checkov:skip=CKV_AWS_158: CloudWatch encrypts every group with its own key; no secret is ever logged
  # checkov:skip=CKV_AWS_338: the lasting record of a deployment is in the state bucket; log lines are for finding faults
  count = local.has_buttons ? 1 : 0

  name              = "/aws/lambda/${local.press_name}"
  retention_in_days = var.log_retention_days
}

resource "aws_lambda_function" "press" {
  # checkov:skip=CKV_AWS_50: one function a hop and correlated log fields; traces would cost and show nothing more
  # checkov:skip=CKV_AWS_115: reserved concurrency is the account's to give out; see reserved_concurrency
  # checkov:skip=CKV_AWS_116: nothing invokes it asynchronously: Slack waits for its answer
  # checkov:skip=CKV_AWS_117: it talks to AWS's and Slack's public endpoints only; a VPC would need a NAT gateway that costs while idle
  # checkov:skip=CKV_AWS_173: the environment holds names, never a secret
  # checkov:skip=CKV_AWS_272: packages come from the operator's own build, byte for byte reproducible
  count = local.has_buttons ? 1 : 0

  function_name = local.press_name
  description   = "Takes presses of buttons in Slack"
  role          = aws_iam_role.press[0].arn

  runtime       = "provided.al2023"
  handler       = "press"
  architectures = [var.architecture]
  s3_bucket     = local.package.bucket
  s3_key        = local.package.key

  memory_size                    = var.memory_size
  reserved_concurrent_executions = var.reserved_concurrency.press
  # Slack gives up after three seconds.
  timeout = 10

  environment {
    variables = merge(
      local.environment,
      local.button_environment,
      { SLACK_SIGNING_SECRET_NAME = var.slack_signing_secret_name },
      var.slack_team_id == null ? {} : { SLACK_TEAM_ID = var.slack_team_id },
    )
  }

  logging_config {
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.press[0].name
  }

  # The first press must find the permissions it needs.
  depends_on = [aws_iam_role_policy.press_work, aws_iam_role_policy.press_runtime]
}

# The provider gives everybody the permission to call it (`FunctionURLAllowPublicAccess`),
# and from version 6.29 on the second one that AWS asks for since October 2025; before, see
# docs/install.md.
resource "aws_lambda_function_url" "press" {
  # checkov:skip=CKV_AWS_258: Slack cannot sign as AWS does: the function checks Slack's own signature before it reads anything
  count = local.has_buttons ? 1 : 0

  function_name      = aws_lambda_function.press[0].function_name
  authorization_type = "NONE"
}

resource "aws_cloudwatch_metric_alarm" "press_errors" {
  count = local.has_buttons ? 1 : 0

  alarm_name        = "${local.press_name}-errors"
  alarm_description = "${local.press_name} failed: read the log group /aws/lambda/${local.press_name}."
  namespace         = "AWS/Lambda"
  metric_name       = "Errors"
  dimensions        = { FunctionName = aws_lambda_function.press[0].function_name }

  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"

  alarm_actions = var.alarm_actions
  ok_actions    = var.alarm_actions
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
