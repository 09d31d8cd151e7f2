variable "region" {
  description = "Region of the services, their images and Longshore."
  type        = string
}

variable "account_id" {
  description = "ID of the account. With credentials of another account, Terraform refuses to do anything."
  type        = string
  default     = null

  validation {
    condition     = var.account_id == null || can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id (${format("%v", var.account_id)}) is not the ID of an account: give 12 digits."
  }
}

variable "task_role_arns" {
  description = "ARNs of the task roles and execution roles of all adopted services, which no stack file made. deploy may pass them to ECS tasks. Stack files may not name them."
  type        = list(string)
  default     = []
}

variable "stack_role_arns" {
  description = "ARNs of the roles that stack files may name in task_role_arn and execution_role_arn, besides those that stack files make. Whoever may write one stack file can run any image with each of them: the permissions boundary does not limit them."
  type        = list(string)
  default     = []
}

variable "operator_arns" {
  description = "ARNs of the roles and users that may put Longshore's events on its bus besides Longshore's functions: of whoever deploys or applies with the command line. A * stands for any text, such as in arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/*/AWSReservedSSO_Operators_*."
  type        = list(string)
  default     = []
}

variable "permissions_boundary_actions" {
  description = "Actions that the permissions boundary allows to the roles of stack files, besides what every service needs (images, logs, secrets, parameters, EFS, objects of S3). For example \"dynamodb:GetItem\" or \"sqs:*\"."
  type        = list(string)
  default     = []
}

variable "image_parameter_names" {
  description = "Names of the account's SSM parameters that stack files may give in image_ssm_parameter, for images of ECS instances. AWS's own parameters under /aws/service/ecs are always allowed."
  type        = list(string)
  default     = []
}

variable "cluster_names" {
  description = "Names of the ECS clusters whose services Longshore may deploy. \"*\" means all clusters of the account and region."
  type        = list(string)
  default     = ["*"]
}

variable "repository_names" {
  description = "Names of the ECR repositories from which images may come, such as \"shop/api\" or \"shop/*\". \"*\" means all repositories of the account and region."
  type        = list(string)
  default     = ["*"]
}

variable "hosted_zone_ids" {
  description = "Ids of the hosted zones of Route 53 in which stack files may make names of load balancers."
  type        = list(string)
  default     = []
}

variable "mirror_bucket_names" {
  description = "Names of the buckets of mirrors, which stacks may have and sync may fill. A * at the end stands for any rest of the name."
  type        = list(string)
  default     = ["homebrew-bottles-*"]
}

variable "bucket_names" {
  description = "Names of further buckets that stacks may have, besides those of mirrors. A * stands for any text."
  type        = list(string)
  default     = []
}

variable "sync_threshold_bytes" {
  description = "A sync that transfers at least this number of bytes runs in tasks, not in the function."
  type        = number
  default     = 20000000000
}

variable "sync_memory_size" {
  description = "Memory of sync in MB. With 1769 MB, Lambda gives it a whole processor."
  type        = number
  default     = 1769
}

variable "slack_webhook_secret_name" {
  description = "Name of the secret that holds the URL of the Slack webhook, or the token and the channel of a Slack bot. Create it before the first apply."
  type        = string
  default     = "longshore/slack-webhook"
}

variable "slack_secret_reader_arns" {
  description = "ARNs of the roles and users that may read the value of that secret besides notify, and that of the signing secret besides press. The secret gets a policy that refuses it to others, in the place of the one that it has; null leaves the secret's policy as it is."
  type        = list(string)
  default     = []
}

variable "slack_signing_secret_name" {
  description = "Name of the secret that holds the signing secret of the Slack app: messages then have buttons for what slack_button_users lets somebody do. Create it before the apply."
  type        = string
  default     = null
}

variable "slack_button_users" {
  description = "Who may press which button: ids of Slack users, or \"*\" for everybody of the workspace. Nobody who is not listed may."
  type = object({
    approve  = optional(list(string), [])
    reject   = optional(list(string), [])
    rollback = optional(list(string), [])
    hold     = optional(list(string), [])
    resume   = optional(list(string), [])
  })
  default = {}
}

variable "slack_team_id" {
  description = "Id of the Slack workspace whose people may press buttons. Without it, those of another workspace who are in a shared channel may, too, where slack_button_users lets them."
  type        = string
  default     = null
}

variable "package_directory" {
  description = "Folder that holds <architecture>/longshore.zip. By default, target/packages of this checkout, to which `cargo xtask package` writes."
  type        = string
  default     = null
}

variable "architecture" {
  description = "Instruction set of the functions: arm64, which costs less, or x86_64."
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
  description = "Name of the state bucket. By default, <prefix>-state-<account>-<region>."
  type        = string
  default     = null
}

variable "noncurrent_version_days" {
  description = "Number of days for which S3 keeps overwritten objects of the state bucket. null keeps them for ever."
  type        = number
  default     = 90
}

variable "memory_size" {
  description = "Memory of each function except sync, in MB."
  type        = number
  default     = 256
}

variable "reserved_concurrency" {
  description = "Reserved concurrency of each function. -1 reserves nothing. With 1 for notify, Slack gets about one message a second, which is its limit."
  type = object({
    provision = optional(number, -1)
    deploy    = optional(number, -1)
    watch     = optional(number, -1)
    sync      = optional(number, -1)
    notify    = optional(number, -1)
    press     = optional(number, -1)
  })
  default = {}
}

variable "log_level" {
  description = "Log level of the functions: TRACE, DEBUG, INFO, WARN or ERROR."
  type        = string
  default     = "INFO"
}

variable "log_retention_days" {
  description = "Number of days for which CloudWatch Logs keeps log lines."
  type        = number
  default     = 30
}

variable "alarm_actions" {
  description = "ARNs of what the alarms notify, such as SNS topics."
  type        = list(string)
  default     = []
}

variable "tags" {
  description = "Tags of everything that Terraform makes, besides application and managed-by."
  type        = map(string)
  default     = {}
}

variable "cloudwatch_dashboard" {
  description = "Whether to make a dashboard of CloudWatch: deployments, lead time, functions, queues and syncs."
  type        = bool
  default     = true
  nullable    = false
}

variable "failed_deployments_alarm" {
  description = "Whether an alarm tells alarm_actions of deployments that fail, besides Slack."
  type        = bool
  default     = false
  nullable    = false
}

variable "digest_schedule" {
  description = "When Slack gets a digest of the deployments of the last seven days, such as cron(0 9 ? * MON *). Without it, never."
  type        = string
  default     = null
}

variable "digest_time_zone" {
  description = "Time zone of digest_schedule, such as Europe/Ljubljana."
  type        = string
  default     = "UTC"
  nullable    = false
}
