# The inputs of the module that is replaced.

variable "cluster_name" {
  description = "Name of the ECS cluster."
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

variable "desired_count" {
  description = "Number of tasks; in prod the lowest number."
  type        = number
  default     = 2
  nullable    = false
}

variable "min_size" {
  description = "Lowest number of EC2 instances."
  type        = number
  default     = 1
  nullable    = false
}

variable "max_size" {
  description = "Highest number of EC2 instances; in prod the highest number of tasks, too."
  type        = number
  default     = 4
  nullable    = false
}

variable "instance_type" {
  description = "Type of the EC2 instances, such as t3.small."
  type        = string
  nullable    = false
}

variable "subnets" {
  description = "IDs of the private subnets for instances and tasks, all in one VPC."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.subnets) > 0
    error_message = "subnets is empty: give at least one subnet."
  }
}

variable "security_groups" {
  description = "IDs of the tasks' security groups."
  type        = list(string)
  nullable    = false
}

variable "target_group_arn" {
  description = "ARN of the target group that the service joins."
  type        = string
  nullable    = false
}

variable "vault_addr" {
  description = "URL of Vault."
  type        = string
  nullable    = false
}

variable "db_url" {
  description = "URL of the database. Secrets Manager keeps it, and the container finds it in DATABASE_URL."
  type        = string
  nullable    = false
  sensitive   = true
}

variable "redis_url" {
  description = "URL of Redis. Secrets Manager keeps it, and the container finds it in REDIS_URL."
  type        = string
  nullable    = false
  sensitive   = true
}

variable "environment" {
  description = "Name of the environment. It follows the stack's name in the name of the CloudFormation stack. In dev (or development) the tasks are smaller; in prod (or production) they scale."
  type        = string
  nullable    = false
}

variable "project" {
  description = "Name of the project."
  type        = string
  default     = "stellar-insights"
  nullable    = false
}

# What Longshore adds to them.

variable "vault_role" {
  description = "Role with which the container logs in to Vault by its task role; the container finds it in VAULT_ROLE. Without it, the container finds only Vault's URL, in VAULT_ADDR."
  type        = string
  default     = null
}

variable "vault_paths" {
  description = "With vault_role: paths of the secrets in Vault; the container finds them in VAULT_SECRET_PATHS."
  type        = list(string)
  default     = []
  nullable    = false
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
