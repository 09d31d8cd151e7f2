# Terraform gives the values of secrets straight to Secrets Manager, by a write-only
# argument: they are in no plan and no state, and provision does not get them. A
# NoEcho parameter of CloudFormation would be kept in the state, and would look
# changed in every plan.
locals {
  secret_values = merge([
    for service, values in var.secret_values : {
      for variable, value in values : "${service}/${variable}" => value
    }
  ]...)

  secret_names = nonsensitive(toset(keys(local.secret_values)))

  # As the stack file refers to them, by service. By ARN, which is known only when
  # there is a secret: provision looks the secrets up before it renders. The ARN is
  # the secret's, not its version's: a new value must not make the whole template
  # unknown.
  secret_references = {
    for service in distinct([for name in local.secret_names : split("/", name)[0]]) : service => {
      for name in local.secret_names : split("/", name)[1] => {
        value_from = aws_secretsmanager_secret.this[name].arn
      } if split("/", name)[0] == service
    }
  }
}

resource "aws_secretsmanager_secret" "this" {
  # checkov:skip=CKV_AWS_149: the account's default key needs no permission of its own
  # checkov:skip=CKV2_AWS_57: whoever gives the value changes it
  for_each = local.secret_names

  name        = "${local.stack_name}/${each.key}"
  description = "${split("/", each.key)[1]} of ${split("/", each.key)[0]} of the stack ${local.stack_name}"
  # Whoever gave the value still has it, and the name can be used again at once.
  recovery_window_in_days = 0
}

resource "aws_secretsmanager_secret_version" "this" {
  for_each = aws_secretsmanager_secret.this

  secret_id        = each.value.id
  secret_string_wo = local.secret_values[each.key]
  # Terraform cannot compare what it does not keep. From 24 bits of a hash it sees
  # that the value has changed, and nobody sees the value.
  secret_string_wo_version = parseint(substr(sha256(local.secret_values[each.key]), 0, 6), 16)
}
