variable "endpoint" {
  description = "URL at which the local cloud answers for every AWS service."
  type        = string

  validation {
    condition     = can(regex("^https?://(127\\.0\\.0\\.1|localhost|\\[::1\\]):[0-9]+$", var.endpoint))
    error_message = "The endpoint must be a loopback URL with a port, such as http://127.0.0.1:4566: this environment is never applied to an AWS account."
  }
}

variable "region" {
  description = "Region the local cloud plays."
  type        = string
  default     = "eu-west-1"
}

variable "access_key_id" {
  description = "Access key of the local cloud's administrator."
  type        = string
  ephemeral   = true
}

variable "secret_access_key" {
  description = "Secret key of the local cloud's administrator."
  type        = string
  sensitive   = true
  ephemeral   = true
}

variable "slack_webhook_url" {
  description = "URL of the stand-in for Slack's incoming webhook."
  type        = string
  sensitive   = true
  ephemeral   = true
}

variable "slack_webhook_url_version" {
  description = "Any other number makes Terraform write the webhook's URL again, which it cannot compare as it does not keep it."
  type        = number
  default     = 1
}

variable "slack_api_url" {
  description = "URL of the stand-in for Slack's Web API, which is used where the secret holds a bot's token in place of a webhook's URL."
  type        = string
}

variable "package_directory" {
  description = "Folder with a folder for each architecture, holding longshore.zip."
  type        = string
}

variable "architecture" {
  description = "Instruction set of this machine, as the functions run on it: x86_64 or arm64."
  type        = string
  default     = "x86_64"
}

variable "task_role_arns" {
  description = "ARNs of every task role and execution role of services that no template of Longshore's made."
  type        = list(string)
  default     = []
}

variable "cluster_names" {
  description = "Names of the ECS clusters whose services may be deployed."
  type        = list(string)
  default     = ["*"]
}

variable "repository_names" {
  description = "Names of the ECR repositories images may come from."
  type        = list(string)
  default     = ["*"]
}

variable "prefix" {
  description = "First part of the names of everything that is made."
  type        = string
  default     = "longshore"
}

variable "log_level" {
  description = "Least severe log lines that are written: TRACE, DEBUG, INFO, WARN or ERROR."
  type        = string
  default     = "INFO"
}
