variable "prefix" {
  description = "First part of the names of functions, roles, queues, rules and alarms."
  type        = string
  default     = "longshore"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,30}$", var.prefix))
    error_message = "prefix (${var.prefix}) is not valid: give a letter and at most 30 more lowercase letters, digits and dashes."
  }
}

variable "package_directory" {
  description = "Folder that holds <architecture>/longshore.zip."
  type        = string
}

variable "architecture" {
  description = "Instruction set of the functions: arm64 or x86_64."
  type        = string
  default     = "arm64"

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "architecture (${var.architecture}) is not valid: give arm64 or x86_64."
  }
}

variable "task_role_arns" {
  description = "ARNs of the task roles and execution roles of all adopted services, which no stack file made. deploy may pass them to ECS tasks. Stack files may not name them."
  type        = list(string)
  default     = []

  validation {
    condition = alltrue([
      for arn in var.task_role_arns : can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+$", arn))
    ])
    error_message = "task_role_arns holds what is not the ARN of a role: give each role by its whole ARN, arn:aws:iam::<account>:role/<name>, without wildcards."
  }
}

variable "stack_role_arns" {
  description = "ARNs of the roles that stack files may name in task_role_arn and execution_role_arn, besides those that stack files make. Whoever may write one stack file can run any image with each of them: the permissions boundary does not limit them."
  type        = list(string)
  default     = []

  validation {
    condition = alltrue([
      for arn in var.stack_role_arns : can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+$", arn))
    ])
    error_message = "stack_role_arns holds what is not the ARN of a role: give each role by its whole ARN, arn:aws:iam::<account>:role/<name>, without wildcards."
  }
}

variable "operator_arns" {
  description = "ARNs of the roles and users that may put Longshore's events on its bus besides Longshore's functions: of whoever deploys or applies with the command line. A * stands for any text, such as in arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/*/AWSReservedSSO_Operators_*."
  type        = list(string)
  default     = []

  validation {
    condition = alltrue([
      for arn in var.operator_arns : can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:(role|user)/[A-Za-z0-9+=,.@_/*-]+$", arn)) && !can(regex("^arn:[^:]+:iam::[0-9]+:(role|user)/[*]", arn))
    ])
    error_message = "operator_arns holds what is not the ARN of a role or a user: give arn:aws:iam::<account>:role/<path and name>, in which * may stand for a part of the path or the name, but not at its beginning."
  }
}

variable "cluster_names" {
  description = "Names of the ECS clusters whose services Longshore may deploy. \"*\" means all clusters of the account and region."
  type        = list(string)
  default     = ["*"]

  validation {
    condition = length(var.cluster_names) > 0 && alltrue([
      for name in var.cluster_names : name == "*" || can(regex("^[A-Za-z0-9_-]{1,255}$", name))
    ])
    error_message = "cluster_names is empty, or holds what is not the name of a cluster: give names of letters, digits, dashes and underscores, or \"*\" for all."
  }
}

variable "repository_names" {
  description = "Names of the ECR repositories from which images may come, such as \"shop/api\" or \"shop/*\". \"*\" means all repositories of the account and region."
  type        = list(string)
  default     = ["*"]

  validation {
    condition = length(var.repository_names) > 0 && alltrue([
      for name in var.repository_names : can(regex("^[a-z0-9*][a-z0-9._/*-]{0,255}$", name))
    ])
    error_message = "repository_names is empty, or holds what is not the name of a repository: give names of lowercase letters, digits, dots, dashes, underscores and slashes, in which * stands for any text, or \"*\" for all."
  }
}

variable "mirror_bucket_names" {
  description = "Names of the buckets of mirrors, which stacks may have and sync may fill. A * at the end stands for any rest of the name. A bucket without a bucket_name in its stack file is named <stack>-<bucket>-<account>."
  type        = list(string)
  default     = ["homebrew-bottles-*"]

  validation {
    condition = length(var.mirror_bucket_names) > 0 && alltrue([
      for name in var.mirror_bucket_names : can(regex("^[a-z0-9][a-z0-9-]{2,61}[a-z0-9*]$", name))
    ])
    error_message = "mirror_bucket_names is empty, or holds what is not the name of a bucket: give names of lowercase letters, digits and dashes, or at least their first three characters and *."
  }

  validation {
    condition = !anytrue([
      for name in var.mirror_bucket_names :
      startswith(coalesce(var.state_bucket_name, "${var.prefix}-state-"), trimsuffix(name, "*"))
    ])
    error_message = "mirror_bucket_names includes the state bucket, which is not a mirror: give names that do not match its name."
  }
}

variable "bucket_names" {
  description = "Names of further buckets that stacks may have, besides those of mirrors. A * stands for any text, such as in \"shop-*-111122223333\". A bucket without a bucket_name in its stack file is named <stack>-<bucket>-<account>."
  type        = list(string)
  default     = []

  validation {
    condition = alltrue([
      for name in var.bucket_names : can(regex("^[a-z0-9][a-z0-9-]{2}[a-z0-9*-]{0,59}[a-z0-9*]$", name))
    ])
    error_message = "bucket_names holds what is not the name of a bucket: give names of lowercase letters, digits and dashes, or at least their first three characters and *."
  }

  validation {
    condition = !anytrue([
      for name in var.bucket_names :
      startswith(coalesce(var.state_bucket_name, "${var.prefix}-state-"), split("*", name)[0])
    ])
    error_message = "bucket_names includes the state bucket, which is not a stack's: give names that do not begin as its name does."
  }
}

variable "hosted_zone_ids" {
  description = "Ids of the hosted zones of Route 53 in which stack files may make names of load balancers. Whoever writes a stack file may take any name of such a zone."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for id in var.hosted_zone_ids : can(regex("^Z[A-Z0-9]{1,31}$", id))])
    error_message = "hosted_zone_ids holds what is not the id of a hosted zone: give ids such as Z0123456789ABCDEFGHIJ."
  }
}

variable "sync_threshold_bytes" {
  description = "A sync that transfers at least this number of bytes runs in tasks, not in the function."
  type        = number
  default     = 20000000000

  validation {
    condition     = var.sync_threshold_bytes >= 0 && floor(var.sync_threshold_bytes) == var.sync_threshold_bytes
    error_message = "sync_threshold_bytes (${var.sync_threshold_bytes}) is not valid: give a whole number of bytes, 0 or more."
  }
}

variable "sync_memory_size" {
  description = "Memory of sync in MB. With 1769 MB, Lambda gives it a whole processor."
  type        = number
  default     = 1769
}

variable "permissions_boundary_actions" {
  description = "Actions that the permissions boundary allows to the roles of stack files, besides what every service needs (images, logs, secrets, parameters, EFS, objects of S3, queues and topics of its own stack). For example \"dynamodb:GetItem\" or \"sqs:*\"."
  type        = list(string)
  default     = []

  validation {
    condition = alltrue([
      for action in var.permissions_boundary_actions :
      can(regex("^[a-z0-9-]+:[A-Za-z*]+$", action)) && !can(regex("^(iam|organizations|account|sts):", action))
    ])
    error_message = "permissions_boundary_actions holds what is not allowed: give each action as <service>:<action>, and none of iam, sts, organizations or account. A role that may give rights, or take another role, has no limits."
  }
}

variable "image_parameter_names" {
  description = "Names of the account's SSM parameters that stack files may give in image_ssm_parameter, for images of ECS instances. AWS's own parameters under /aws/service/ecs are always allowed."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for name in var.image_parameter_names : can(regex("^/?[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*$", name))])
    error_message = "image_parameter_names holds what is not the name of a parameter: give names of letters, digits and _.-/, not ARNs."
  }
}

variable "slack_webhook_secret_name" {
  description = "Name of the secret that holds the URL of the Slack webhook, {\"webhook_url\": \"https://…\"}, or the token and the channel of a Slack bot, {\"bot_token\": \"xoxb-…\", \"channel\": \"C…\"}; docs/install.md has channels and mentions by stack."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9/_+=.@-]{1,512}$", var.slack_webhook_secret_name))
    error_message = "slack_webhook_secret_name (${var.slack_webhook_secret_name}) is not the name of a secret: give letters, digits and /_+=.@-. Give the name, not the ARN."
  }
}

variable "slack_webhook_secret_arn" {
  description = "ARN of the same secret. With it, the secret gets a policy in the place of the one that it has: only notify and slack_secret_reader_arns may read its value. null leaves the secret as it is."
  type        = string
  default     = null

  validation {
    condition     = var.slack_webhook_secret_arn == null || can(regex("^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:.+-[A-Za-z0-9]{6}$", var.slack_webhook_secret_arn))
    error_message = "slack_webhook_secret_arn (${coalesce(var.slack_webhook_secret_arn, "null")}) is not the ARN of a secret: give the whole ARN, arn:aws:secretsmanager:<region>:<account>:secret:<name>-<six characters>."
  }
}

variable "slack_secret_reader_arns" {
  description = "ARNs of the roles and users that may read the value of the secret besides notify: of a rotation, or of people. A * stands for any text."
  type        = list(string)
  default     = []

  validation {
    condition = alltrue([
      for arn in var.slack_secret_reader_arns : can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:(role|user)/[A-Za-z0-9+=,.@_/*-]+$", arn)) && !can(regex("^arn:[^:]+:iam::[0-9]+:(role|user)/[*]", arn))
    ])
    error_message = "slack_secret_reader_arns holds what is not the ARN of a role or a user: give arn:aws:iam::<account>:role/<path and name>, in which * may stand for a part of the path or the name, but not at its beginning."
  }
}

variable "slack_signing_secret_name" {
  description = "Name of the secret that holds the signing secret of the Slack app, bare or as {\"signing_secret\": \"…\"}. With it, messages have buttons for what slack_button_users lets somebody do, and press takes what Slack sends. Without it, there is neither."
  type        = string
  default     = null

  validation {
    condition     = var.slack_signing_secret_name == null || can(regex("^[A-Za-z0-9/_+=.@-]{1,512}$", var.slack_signing_secret_name))
    error_message = "slack_signing_secret_name (${format("%v", var.slack_signing_secret_name)}) is not the name of a secret: give letters, digits and /_+=.@-. Give the name, not the ARN."
  }

  validation {
    condition     = var.slack_signing_secret_name == null || var.slack_signing_secret_name != var.slack_webhook_secret_name
    error_message = "slack_signing_secret_name (${format("%v", var.slack_signing_secret_name)}) is the name of the webhook's secret: give each a secret of its own, so that press, which has a public URL, cannot read the bot's token."
  }
}

variable "slack_signing_secret_arn" {
  description = "ARN of the same secret. With it, the secret gets a policy that replaces its present one: only press and slack_secret_reader_arns may read its value. Without it, the secret stays as it is."
  type        = string
  default     = null

  validation {
    condition     = var.slack_signing_secret_arn == null || can(regex("^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:.+$", var.slack_signing_secret_arn))
    error_message = "slack_signing_secret_arn (${format("%v", var.slack_signing_secret_arn)}) is not the ARN of a secret: give arn:aws:secretsmanager:<region>:<account>:secret:<name>-<six characters>."
  }
}

variable "slack_button_users" {
  description = "Who may press which button: ids of Slack users (U… or W…), or \"*\" for everybody of the workspace. Nobody who is not listed may, and a button that nobody may press is not shown."
  type = object({
    approve  = optional(list(string), [])
    reject   = optional(list(string), [])
    rollback = optional(list(string), [])
    hold     = optional(list(string), [])
    resume   = optional(list(string), [])
  })
  default  = {}
  nullable = false

  validation {
    condition = alltrue(flatten([
      for ids in values(var.slack_button_users) : [for id in ids : can(regex("^([*]|[UW][A-Z0-9]{2,20})$", id))]
    ]))
    error_message = "slack_button_users holds what is not the id of a Slack user: give ids such as U024BE7LH, or \"*\" for everybody of the workspace. In Slack: profile, more, copy member ID."
  }
}

variable "slack_team_id" {
  description = "Id of the Slack workspace (T…) whose people may press buttons. Without it, people of another workspace who are in a shared channel may, too, where slack_button_users lists them or has \"*\"."
  type        = string
  default     = null

  validation {
    condition     = var.slack_team_id == null || can(regex("^[TE][A-Z0-9]{2,20}$", var.slack_team_id))
    error_message = "slack_team_id (${format("%v", var.slack_team_id)}) is not the id of a workspace: give an id such as T024BE7LD."
  }
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

variable "force_destroy" {
  description = "Whether Terraform deletes the objects when it destroys the state bucket."
  type        = bool
  default     = false
}

variable "memory_size" {
  description = "Memory of each function except sync, in MB."
  type        = number
  default     = 256
}

variable "reserved_concurrency" {
  description = "Reserved concurrency of each function. -1 reserves nothing. With 1 for notify, Slack gets about one message a second, which is its limit. A number for press bounds what somebody who sends forged requests to its URL can cost."
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

  validation {
    condition     = contains(["TRACE", "DEBUG", "INFO", "WARN", "ERROR"], var.log_level)
    error_message = "log_level (${var.log_level}) is not valid: give TRACE, DEBUG, INFO, WARN or ERROR."
  }
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

  validation {
    condition     = alltrue([for arn in var.alarm_actions : startswith(arn, "arn:")])
    error_message = "alarm_actions holds what is not an ARN: give the ARN of each, such as the ARN of an SNS topic."
  }
}

variable "extra_environment" {
  description = "Environment variables that every function gets besides its own; they override none of these. Do not put secrets here."
  type        = map(string)
  default     = {}
}

variable "require_tls" {
  description = "Whether the bucket and the queues refuse plain HTTP. Set it to false only for an endpoint on loopback."
  type        = bool
  default     = true
}

variable "cloudwatch_dashboard" {
  description = "Whether to make a dashboard of CloudWatch: deployments, lead time, functions, queues and syncs."
  type        = bool
  default     = false
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

  validation {
    condition     = var.digest_schedule == null || can(regex("^(rate|cron)\\(.+\\)$", var.digest_schedule))
    error_message = "digest_schedule is not valid: give rate(...) or cron(...), such as cron(0 9 ? * MON *), or null for no digest."
  }
}

variable "digest_time_zone" {
  description = "Time zone of digest_schedule, such as Europe/Ljubljana."
  type        = string
  default     = "UTC"
  nullable    = false
}
