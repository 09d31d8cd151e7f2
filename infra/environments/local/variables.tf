variable "endpoint" {
  description = "URL of the local cloud. Terraform refuses a URL that is not on loopback."
  type        = string

  validation {
    condition     = can(regex("^https?://(127\\.0\\.0\\.1|localhost|\\[::1\\]):[0-9]+$", var.endpoint))
    error_message = "endpoint (${var.endpoint}) is not on loopback: give a loopback URL with a port, such as http://127.0.0.1:4566. This environment is not for an AWS account."
  }
}

variable "region" {
  description = "Region that the local cloud emulates."
  type        = string
  default     = "eu-west-1"
}

variable "access_key_id" {
  description = "Access key ID of the local cloud's administrator. Not in Terraform's state."
  type        = string
  ephemeral   = true
}

variable "secret_access_key" {
  description = "Secret access key of the local cloud's administrator. Not in Terraform's state."
  type        = string
  sensitive   = true
  ephemeral   = true
}

variable "slack_webhook_url" {
  description = "URL of the fake Slack's webhook. Terraform writes it to a secret, and its state does not keep it."
  type        = string
  sensitive   = true
  ephemeral   = true
}

variable "slack_webhook_url_version" {
  description = "Change this number to have Terraform write the webhook's URL again: it does not notice that the URL has changed."
  type        = number
  default     = 1
}

variable "slack_api_url" {
  description = "URL of the fake Slack's Web API. notify uses it if the secret holds a bot's token."
  type        = string
}

variable "slack_signing_secret" {
  description = "Signing secret of the fake Slack's app. Terraform writes it to a secret, and its state does not keep it."
  type        = string
  sensitive   = true
  ephemeral   = true
}

variable "slack_button_users" {
  description = "Who may press which button: ids of Slack users, or \"*\" for everybody."
  type = object({
    approve  = optional(list(string), [])
    reject   = optional(list(string), [])
    rollback = optional(list(string), [])
    hold     = optional(list(string), [])
    resume   = optional(list(string), [])
  })
  default = {
    approve  = ["U0ADA"]
    reject   = ["U0ADA"]
    rollback = ["U0ADA"]
    hold     = ["*"]
    resume   = ["*"]
  }
}

variable "package_directory" {
  description = "Folder that holds <architecture>/longshore.zip."
  type        = string
}

variable "architecture" {
  description = "Instruction set of this machine, on which the functions run: x86_64 or arm64."
  type        = string
  default     = "x86_64"
}

variable "task_role_arns" {
  description = "ARNs of the task roles and execution roles of all services that no stack file made. Here stack files may name them, too."
  type        = list(string)
  default     = []
}

variable "cluster_names" {
  description = "Names of the ECS clusters whose services Longshore may deploy. \"*\" means all clusters of the account and region."
  type        = list(string)
  default     = ["*"]
}

variable "repository_names" {
  description = "Names of the ECR repositories from which images may come. \"*\" means all repositories of the account and region."
  type        = list(string)
  default     = ["*"]
}

variable "bucket_names" {
  description = "Names of the buckets that stacks may have besides those of mirrors. The default are those of the stack files of examples."
  type        = list(string)
  default     = ["crawler-pages-*", "django-uploads-*", "nightly-batch-reports-*"]
}

variable "prefix" {
  description = "First part of all names."
  type        = string
  default     = "longshore"
}

variable "log_level" {
  description = "Log level of the functions: TRACE, DEBUG, INFO, WARN or ERROR."
  type        = string
  default     = "INFO"
}
