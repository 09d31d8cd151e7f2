locals {
  functions = {
    deploy = module.deploy
    watch  = module.watch
    notify = module.notify
  }

  rules = {
    image_pushed       = module.image_pushed
    release_written    = module.release_written
    deployment_changed = module.deployment_changed
    task_stopped       = module.task_stopped
    deployment_told    = module.deployment_told
  }
}

output "state_bucket_name" {
  description = "Name of the state bucket."
  value       = module.state_bucket.name
}

output "event_bus_name" {
  description = "Name of the bus for Longshore's own events."
  value       = module.event_bus.name
}

output "function_names" {
  description = "Names of the Lambda functions, by function."
  value       = { for key, function in local.functions : key => function.name }
}

output "function_arns" {
  description = "ARNs of the Lambda functions, by function."
  value       = { for key, function in local.functions : key => function.arn }
}

output "role_names" {
  description = "Names of the functions' roles, by function."
  value       = { for key, function in local.functions : key => function.role_name }
}

output "role_arns" {
  description = "ARNs of the functions' roles, by function."
  value       = { for key, function in local.functions : key => function.role_arn }
}

output "policies" {
  description = "The policy documents on each function's role, as JSON, by function and policy name."
  value       = { for key, function in local.functions : key => function.policies }
}

output "log_group_names" {
  description = "Names of the log groups, by function."
  value       = { for key, function in local.functions : key => function.log_group_name }
}

output "dead_letter_queue_urls" {
  description = "URLs of the dead-letter queues, by function."
  value       = { for key, function in local.functions : key => function.dead_letter_queue_url }
}

output "dead_letter_queue_policies" {
  description = "The dead-letter queues' policy documents, as JSON, by function."
  value       = { for key, function in local.functions : key => function.dead_letter_queue_policy }
}

output "environments" {
  description = "The functions' environment variables, by function."
  value       = { for key, function in local.functions : key => function.environment }
}

output "rules" {
  description = "Name, ARN, bus and pattern of each rule."
  value = {
    for key, rule in local.rules : key => {
      name           = rule.name
      arn            = rule.arn
      event_bus_name = rule.event_bus_name
      event_pattern  = rule.event_pattern
    }
  }
}

output "slack_webhook_secret_name" {
  description = "Name of the secret that holds the Slack webhook's URL."
  value       = var.slack_webhook_secret_name
}
