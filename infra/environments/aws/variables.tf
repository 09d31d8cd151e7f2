variable "region" {
  description = "AWS region of the services, their images and Longshore."
  type        = string
}

variable "account_id" {
  description = "Account that Longshore is installed into; with credentials of another one nothing is done."
  type        = string
  default     = null

  validation {
    condition     = var.account_id == null || can(regex("^[0-9]{12}$", var.account_id))
    error_message = "An account id has 12 digits."
  }
}

variable "task_role_arns" {
  description = "ARNs of every task role and execution role of services that no template of Longshore's made; besides those that templates make, deploy and CloudFormation may pass these to ECS tasks and no others."
  type        = list(string)
  default     = []
}

variable "permissions_boundary_actions" {
  description = "What roles that templates make may do at most besides what every service needs (images, logs, secrets, parameters, EFS, objects of S3), such as \"dynamodb:GetItem\" or \"sqs:*\"."
  type        = list(string)
  default     = []
}

variable "image_parameter_names" {
  description = "Names of SSM parameters of this account that stack files name images of ECS instances by (image_ssm_parameter); AWS's own under /aws/service/ecs are always allowed."
  type        = list(string)
  default     = []
}

variable "cluster_names" {
  description = "Names of the ECS clusters whose services may be deployed; \"*\" stands for all of this account and region."
  type        = list(string)
  default     = ["*"]
}

variable "repository_names" {
  description = "Names of the ECR repositories images may come from, such as \"shop/api\" or \"shop/*\"; \"*\" stands for all of this account and region."
  type        = list(string)
  default     = ["*"]
}

variable "mirror_bucket_names" {
  description = "Names of the buckets that stacks may have and sync may fill: whole, or the first part of names with * behind it."
  type        = list(string)
  default     = ["homebrew-bottles-*"]
}

variable "sync_threshold_bytes" {
  description = "Bytes from which on a sync runs in tasks and not in the function."
  type        = number
  default     = 20000000000
}

variable "sync_memory_size" {
  description = "Memory of sync in MB; with 1769 it has a whole processor."
  type        = number
  default     = 1769
}

variable "slack_webhook_secret_name" {
  description = "Name of the Secrets Manager secret that holds the Slack webhook's URL; made by hand before the first apply."
  type        = string
  default     = "longshore/slack-webhook"
}

variable "package_directory" {
  description = "Folder with a folder for each architecture, holding longshore.zip; unless given, where `cargo xtask package` puts them."
  type        = string
  default     = null
}

variable "architecture" {
  description = "Instruction set of the functions: arm64 (cheaper) or x86_64."
  type        = string
  default     = "arm64"
}

variable "prefix" {
  description = "First part of the names of functions, roles, queues, rules and alarms."
  type        = string
  default     = "longshore"
}

variable "event_bus_name" {
  description = "Name of the bus for Longshore's own events."
  type        = string
  default     = "longshore"
}

variable "state_bucket_name" {
  description = "Name of the state bucket; unless given, made of the prefix, the account and the region."
  type        = string
  default     = null
}

variable "noncurrent_version_days" {
  description = "Days an overwritten object of the state bucket can still be read by its version; null keeps every version."
  type        = number
  default     = 90
}

variable "memory_size" {
  description = "Memory of each function but sync in MB."
  type        = number
  default     = 256
}

variable "reserved_concurrency" {
  description = "Invocations at a time that are kept for each function and never exceeded; -1 reserves nothing. One for notify keeps Slack's pace of about a message a second."
  type = object({
    provision = optional(number, -1)
    deploy    = optional(number, -1)
    watch     = optional(number, -1)
    sync      = optional(number, -1)
    notify    = optional(number, -1)
  })
  default = {}
}

variable "log_level" {
  description = "Least severe log lines that are written: TRACE, DEBUG, INFO, WARN or ERROR."
  type        = string
  default     = "INFO"
}

variable "log_retention_days" {
  description = "Days log lines are kept."
  type        = number
  default     = 30
}

variable "alarm_actions" {
  description = "ARNs told when an alarm goes off and when it is over, such as SNS topics."
  type        = list(string)
  default     = []
}

variable "tags" {
  description = "Tags that everything gets besides application and managed-by."
  type        = map(string)
  default     = {}
}
