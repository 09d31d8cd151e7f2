# What every kind of stack takes.

variable "provision_function_name" {
  description = "Name of Longshore's provision function, which renders the template."
  type        = string
  default     = "longshore-provision"
}

variable "stack" {
  description = "A stack as a stack file has it, for whatever the other inputs do not say. Values of secrets do not belong here: see secret_values."
  type        = any
  default     = null
}

variable "secret_values" {
  description = "With stack: values of secret environment variables, by service and variable. They are kept in Secrets Manager and not in Terraform's state."
  type        = map(map(string))
  default     = {}
  sensitive   = true
  nullable    = false
}

variable "name" {
  description = "The stack's name, which the environment follows in the CloudFormation stack's. Default: project, project_name, or classla."
  type        = string
  default     = null
}

variable "timeout" {
  description = "How long CloudFormation may take, such as \"60m\"."
  type        = string
  default     = "60m"
  nullable    = false
}

# What several kinds take.

variable "environment" {
  description = "The environment's name. With stack: one of the stack's environments, if it has any. Default for homebrew-bottles-sync: prod."
  type        = string
  default     = null
}

variable "container_image" {
  description = "stellar-insights, homebrew-bottles-sync: the image with its tag; of a repository of this account's ECR with or without the registry."
  type        = string
  default     = null
}

variable "container_port" {
  description = "stellar-insights, homebrew-bottles-sync: the port that the container listens on."
  type        = number
  default     = 8080
  nullable    = false
}

variable "vpc_id" {
  description = "classla, homebrew-bottles-sync: the VPC."
  type        = string
  default     = null
}

variable "private_subnet_ids" {
  description = "classla, homebrew-bottles-sync: private subnets for the tasks."
  type        = list(string)
  default     = null
}

# stellar-insights, which is meant when instance_type is given.

variable "instance_type" {
  description = "stellar-insights: the EC2 instance type."
  type        = string
  default     = null
}

variable "cluster_name" {
  description = "stellar-insights: the ECS cluster's name."
  type        = string
  default     = null
}

variable "desired_count" {
  description = "stellar-insights: how many tasks run; in prod the fewest."
  type        = number
  default     = 2
  nullable    = false
}

variable "min_size" {
  description = "stellar-insights: the fewest EC2 instances."
  type        = number
  default     = 1
  nullable    = false
}

variable "max_size" {
  description = "stellar-insights: the most EC2 instances."
  type        = number
  default     = 4
  nullable    = false
}

variable "subnets" {
  description = "stellar-insights: private subnets for instances and tasks, all of one VPC."
  type        = list(string)
  default     = null
}

variable "security_groups" {
  description = "stellar-insights: security groups of the tasks."
  type        = list(string)
  default     = null
}

variable "target_group_arn" {
  description = "stellar-insights: the target group that the service joins."
  type        = string
  default     = null
}

variable "vault_addr" {
  description = "stellar-insights: Vault's URL."
  type        = string
  default     = null
}

variable "vault_role" {
  description = "stellar-insights: the role by which the container logs in to Vault with its task role; it finds it in VAULT_ROLE."
  type        = string
  default     = null
}

variable "vault_paths" {
  description = "stellar-insights: with vault_role, the paths of the secrets; the container finds them in VAULT_SECRET_PATHS."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "db_url" {
  description = "stellar-insights: the database's URL. Kept in Secrets Manager; the container finds it in DATABASE_URL."
  type        = string
  default     = null
  sensitive   = true
}

variable "redis_url" {
  description = "stellar-insights: Redis's URL. Kept in Secrets Manager; the container finds it in REDIS_URL."
  type        = string
  default     = null
  sensitive   = true
}

variable "project" {
  description = "stellar-insights: the project's name."
  type        = string
  default     = "stellar-insights"
  nullable    = false
}

# classla, which is meant when neither of the others is.

variable "alb_security_group_id" {
  description = "classla: the load balancer's security group, from which alone requests come."
  type        = string
  default     = null
}

variable "alb_target_group_arn" {
  description = "classla: the target group that the service joins."
  type        = string
  default     = null
}

variable "ecr_repository_url" {
  description = "classla: the URL of the ECR repository."
  type        = string
  default     = null
}

variable "image_tag" {
  description = "classla: the tag of the first deployment's image; after that, pushes decide."
  type        = string
  default     = "latest"
  nullable    = false
}

variable "secrets_arns" {
  description = "classla: ARNs of the secrets, by supabase_credentials, workos_credentials and app_secrets."
  type        = map(string)
  default     = null
}

variable "secrets_access_policy_arn" {
  description = "classla: a policy that is attached to the execution role of the stack's own, which may read these secrets anyway."
  type        = string
  default     = null
}

variable "container_cpu" {
  description = "classla: CPU units of the task."
  type        = number
  default     = 512
  nullable    = false
}

variable "container_memory" {
  description = "classla: MB of memory of the task."
  type        = number
  default     = 1024
  nullable    = false
}

# homebrew-bottles-sync, which is meant when project_name is given.

variable "project_name" {
  description = "homebrew-bottles-sync: the project's name."
  type        = string
  default     = null
}

variable "aws_region" {
  description = "homebrew-bottles-sync: the region, which must be the provider's."
  type        = string
  default     = null
}

variable "aws_account_id" {
  description = "homebrew-bottles-sync: the account, which must be the provider's."
  type        = string
  default     = null
}

variable "security_group_ids" {
  description = "homebrew-bottles-sync: security groups of the tasks."
  type        = list(string)
  default     = null
}

variable "task_execution_role_arn" {
  description = "homebrew-bottles-sync: the execution role."
  type        = string
  default     = null
}

variable "task_role_arn" {
  description = "homebrew-bottles-sync: the task role."
  type        = string
  default     = null
}

variable "task_cpu" {
  description = "homebrew-bottles-sync: CPU units of the task, 1024 a vCPU."
  type        = number
  default     = 2048
  nullable    = false
}

variable "task_memory" {
  description = "homebrew-bottles-sync: MB of memory of the task."
  type        = number
  default     = 8192
  nullable    = false
}

variable "enable_efs_storage" {
  description = "homebrew-bottles-sync: whether tasks have an EFS file system; without it they have scratch space."
  type        = bool
  default     = true
  nullable    = false
}

variable "efs_performance_mode" {
  description = "homebrew-bottles-sync: generalPurpose or maxIO."
  type        = string
  default     = "generalPurpose"
  nullable    = false
}

variable "efs_throughput_mode" {
  description = "homebrew-bottles-sync: bursting, provisioned or elastic."
  type        = string
  default     = "bursting"
  nullable    = false
}

variable "efs_provisioned_throughput" {
  description = "homebrew-bottles-sync: MiB a second, with provisioned throughput."
  type        = number
  default     = 100
  nullable    = false
}

variable "enable_auto_scaling" {
  description = "homebrew-bottles-sync: whether the number of tasks follows the load; else it is min_capacity."
  type        = bool
  default     = true
  nullable    = false
}

variable "min_capacity" {
  description = "homebrew-bottles-sync: the fewest tasks."
  type        = number
  default     = 0
  nullable    = false
}

variable "max_capacity" {
  description = "homebrew-bottles-sync: the most tasks."
  type        = number
  default     = 10
  nullable    = false
}

variable "target_cpu_utilization" {
  description = "homebrew-bottles-sync: percent of CPU to stay at."
  type        = number
  default     = 70
  nullable    = false
}

variable "target_memory_utilization" {
  description = "homebrew-bottles-sync: percent of memory to stay at."
  type        = number
  default     = 80
  nullable    = false
}

variable "custom_metrics" {
  description = "homebrew-bottles-sync: CloudWatch metrics of one's own to scale by. Without any, nothing but a schedule starts a task while none runs."
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

variable "environment_variables" {
  description = "homebrew-bottles-sync: environment variables of the container. At TEMP_STORAGE_PATH (/tmp/bottles) it has room; LOG_LEVEL takes the place of log_level."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "secrets" {
  description = "homebrew-bottles-sync: environment variables from Secrets Manager: ARNs, which may end in :<JSON key>:: as ECS has it."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "log_retention_days" {
  description = "homebrew-bottles-sync: days that logs are kept."
  type        = number
  default     = 30
  nullable    = false
}

variable "log_level" {
  description = "homebrew-bottles-sync: how much the container logs."
  type        = string
  default     = "INFO"
  nullable    = false
}

variable "enable_execute_command" {
  description = "homebrew-bottles-sync: whether ECS Exec may open a shell; the root file system is writable then."
  type        = bool
  default     = false
  nullable    = false
}

variable "health_check_grace_period" {
  description = "homebrew-bottles-sync: seconds after its start in which a task's failing health checks do not count."
  type        = number
  default     = 300
  nullable    = false
}

variable "schedule_expression" {
  description = "homebrew-bottles-sync: when a task is run, such as cron(0 3 ? * SUN *), besides those that scaling starts."
  type        = string
  default     = null
}

variable "tags" {
  description = "homebrew-bottles-sync: tags of all that is made."
  type        = map(string)
  default     = {}
  nullable    = false
}
