# The inputs of the module that is replaced.

variable "environment" {
  description = "Name of the environment. It follows the stack's name in the name of the CloudFormation stack."
  type        = string
  nullable    = false
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

variable "alb_security_group_id" {
  description = "ID of the load balancer's security group. The tasks accept requests from it only."
  type        = string
  nullable    = false
}

variable "alb_target_group_arn" {
  description = "ARN of the target group that the service joins."
  type        = string
  nullable    = false
}

variable "ecr_repository_url" {
  description = "URL of the ECR repository."
  type        = string
  nullable    = false
}

variable "secrets_arns" {
  description = "ARNs of the secrets, by supabase_credentials, workos_credentials and app_secrets. Each secret is a JSON object whose keys are the names of the variables."
  type        = map(string)
  nullable    = false

  validation {
    condition     = length(setsubtract(values(local.secrets), keys(var.secrets_arns))) == 0
    error_message = "secrets_arns lacks ${join(", ", setsubtract(values(local.secrets), keys(var.secrets_arns)))}: give the ARNs of ${join(", ", distinct(values(local.secrets)))}."
  }
}

variable "secrets_access_policy_arn" {
  description = "ARN of a policy that is attached to the stack's execution role. The role may read the secrets without it, too."
  type        = string
  nullable    = false
}

variable "container_cpu" {
  description = "CPU units of the task; 1024 are one vCPU."
  type        = number
  default     = 512
  nullable    = false
}

variable "container_memory" {
  description = "Memory of the task in MB."
  type        = number
  default     = 1024
  nullable    = false
}

# What Longshore adds to them.

variable "image_tag" {
  description = "Tag of the image that the first deployment runs. After that, Longshore deploys what is pushed. If you change the tag, the next apply deploys it."
  type        = string
  default     = "latest"
  nullable    = false
}

variable "name" {
  description = "Name of the stack."
  type        = string
  default     = "classla"
  nullable    = false
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
