# The secrets of classla, made by the same apply as the stack: their ARNs are not
# known when it is planned first.
variable "prefix" {
  description = "First part of the names."
  type        = string
}

locals {
  keys = {
    supabase_credentials = ["SUPABASE_URL", "SUPABASE_ANON_KEY", "SUPABASE_SERVICE_ROLE_KEY"]
    workos_credentials   = ["WORKOS_API_KEY", "WORKOS_CLIENT_ID"]
    app_secrets          = ["SESSION_SECRET"]
  }
}

resource "aws_secretsmanager_secret" "this" {
  for_each = local.keys

  name                    = "${var.prefix}/${each.key}"
  recovery_window_in_days = 0
}

resource "aws_secretsmanager_secret_version" "this" {
  for_each = local.keys

  secret_id                = aws_secretsmanager_secret.this[each.key].id
  secret_string_wo         = jsonencode({ for key in each.value : key => "value of ${key}" })
  secret_string_wo_version = 1
}

resource "aws_iam_policy" "this" {
  name = "${var.prefix}-secrets"
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = "secretsmanager:GetSecretValue"
      Resource = [for secret in aws_secretsmanager_secret.this : secret.arn]
    }]
  })
}

output "all_secret_arns" {
  description = "ARNs of the secrets, by name."
  value       = { for name, version in aws_secretsmanager_secret_version.this : name => version.arn }
}

output "ecs_secrets_access_policy_arn" {
  description = "ARN of a policy that allows to read them."
  value       = aws_iam_policy.this.arn
}
