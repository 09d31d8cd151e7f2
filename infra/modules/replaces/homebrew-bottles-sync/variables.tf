# The inputs of the module that is replaced.

variable "project_name" {
  description = "Name of the project, and of the ECS service."
  type        = string
  nullable    = false
}

variable "environment" {
  description = "Name of the environment. It follows the stack's name in the name of the CloudFormation stack."
  type        = string
  default     = "prod"
  nullable    = false
}

variable "aws_region" {
  description = "The region, which must be the provider's."
  type        = string
  nullable    = false

  validation {
    # Where a test mocks the provider, its region is no region.
    condition     = var.aws_region == local.region || !can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]+$", local.region))
    error_message = "aws_region (${var.aws_region}) is not the provider's region (${local.region}), where the stack would be made: give that one, or another provider."
  }
}

variable "aws_account_id" {
  description = "ID of the account, which must be the provider's."
  type        = string
  nullable    = false

  validation {
    # Where a test mocks the provider, its account is no account.
    condition     = var.aws_account_id == data.aws_caller_identity.current.account_id || !can(regex("^[0-9]{12}$", data.aws_caller_identity.current.account_id))
    error_message = "aws_account_id (${var.aws_account_id}) is not the provider's account (${data.aws_caller_identity.current.account_id}), where the stack would be made: give that one, or another provider."
  }
}

variable "vpc_id" {
  description = "ID of the VPC."
  type        = string
  nullable    = false
}

variable "private_subnet_ids" {
  description = "IDs of the private subnets for the tasks."
  type        = list(string)
  nullable    = false
}

variable "security_group_ids" {
  description = "IDs of the tasks' security groups."
  type        = list(string)
  nullable    = false
}

variable "task_execution_role_arn" {
  description = "ARN of the execution role."
  type        = string
  nullable    = false
}

variable "task_role_arn" {
  description = "ARN of the task role."
  type        = string
  nullable    = false
}

variable "container_image" {
  description = "The image with its tag. An image of this account's ECR may begin with the registry."
  type        = string
  nullable    = false
}

variable "container_port" {
  description = "Port that the container listens on."
  type        = number
  default     = 8080
  nullable    = false
}

variable "task_cpu" {
  description = "CPU units of the task; 1024 are one vCPU."
  type        = number
  default     = 2048
  nullable    = false
}

variable "task_memory" {
  description = "Memory of the task in MB."
  type        = number
  default     = 8192
  nullable    = false
}

variable "enable_efs_storage" {
  description = "Whether the tasks have an EFS file system. Without it they have scratch space of their own."
  type        = bool
  default     = true
  nullable    = false
}

variable "efs_performance_mode" {
  description = "Performance mode of the file system: generalPurpose or maxIO."
  type        = string
  default     = "generalPurpose"
  nullable    = false
}

variable "efs_throughput_mode" {
  description = "Throughput mode of the file system: bursting, provisioned or elastic."
  type        = string
  default     = "bursting"
  nullable    = false
}

variable "efs_provisioned_throughput" {
  description = "Throughput in MiB a second, if the mode is provisioned."
  type        = number
  default     = 100
  nullable    = false
}

variable "enable_auto_scaling" {
  description = "Whether the number of tasks follows the load. Without it the number is min_capacity."
  type        = bool
  default     = true
  nullable    = false
}

variable "min_capacity" {
  description = "Lowest number of tasks."
  type        = number
  default     = 0
  nullable    = false
}

variable "max_capacity" {
  description = "Highest number of tasks."
  type        = number
  default     = 10
  nullable    = false
}

variable "target_cpu_utilization" {
  description = "Target for the use of CPU, in percent."
  type        = number
  default     = 70
  nullable    = false
}

variable "target_memory_utilization" {
  description = "Target for the use of memory, in percent."
  type        = number
  default     = 80
  nullable    = false
}

variable "environment_variables" {
  description = "Environment variables of the container. It may write to the path in TEMP_STORAGE_PATH, by default /tmp/bottles. LOG_LEVEL overrides log_level."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "secrets" {
  description = "ARNs of secrets, by environment variable. An ARN may end in :<JSON key>::, as in ECS."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "log_retention_days" {
  description = "Number of days for which logs are kept."
  type        = number
  default     = 30
  nullable    = false
}

variable "log_level" {
  description = "Log level of the container, which finds it in LOG_LEVEL."
  type        = string
  default     = "INFO"
  nullable    = false
}

variable "enable_execute_command" {
  description = "Whether ECS Exec may open a shell in the container. The root file system is writable then."
  type        = bool
  default     = false
  nullable    = false
}

variable "health_check_grace_period" {
  description = "Number of seconds after its start for which ECS ignores a task's failing health checks."
  type        = number
  default     = 300
  nullable    = false
}

variable "tags" {
  description = "Tags of everything in the stack."
  type        = map(string)
  default     = {}
  nullable    = false
}

# What Longshore adds to them.

variable "custom_metrics" {
  description = "Your own CloudWatch metrics to scale by. Without any, only a schedule starts a task while none runs."
  type = list(object({
    namespace    = string
    metric_name  = string
    dimensions   = optional(map(string), {})
    statistic    = optional(string)
    target_value = number
  }))
  default  = []
  nullable = false
}

variable "schedule_expression" {
  description = "When a task is run besides those that scaling starts, such as cron(0 3 ? * SUN *)."
  type        = string
  default     = null
}

variable "name" {
  description = "Name of the stack; by default, the project's."
  type        = string
  default     = null
}

variable "provision_function_name" {
  description = "Name of Longshore's function provision, which renders the template."
  type        = string
  default     = "longshore-provision"
  nullable    = false
}

variable "timeout" {
  description = "How long CloudFormation may take, such as \"60m\"."
  type        = string
  default     = "60m"
  nullable    = false
}
