variable "stack" {
  description = "The stack as a stack file has it, such as yamldecode(file(\"shop.yaml\")). Give the values of secrets in secret_values, not here."
  type        = any
  nullable    = false
}

variable "environment" {
  description = "Which of the stack's environments is applied. The environment follows the stack's name in the name of the CloudFormation stack. Omit it for a stack without environments."
  type        = string
  default     = null
}

variable "images" {
  description = "Images of services, by service: each replaces what the stack says. An image of this account's ECR may begin with the registry, as in the repository's URL."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = length(setsubtract(keys(var.images), try(keys(var.stack.services), []))) == 0
    error_message = "images names services that the stack does not have (${join(", ", setsubtract(keys(var.images), try(keys(var.stack.services), [])))}): add them to the stack's services, or omit them."
  }
}

variable "health_check_paths" {
  description = "Paths that containers answer when they are healthy, by service. The container's health check asks for the path on container_port, with wget or curl."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for service in keys(var.health_check_paths) : can(tonumber(var.stack.services[service].container_port))])
    error_message = "health_check_paths names services without a container_port (${join(", ", [for service in keys(var.health_check_paths) : service if !can(tonumber(var.stack.services[service].container_port))])}): give each a container_port in the stack, or omit it."
  }
}

variable "secret_values" {
  description = "Values of secret environment variables, by service and variable. Secrets Manager keeps them, and Terraform's state does not."
  type        = map(map(string))
  default     = {}
  nullable    = false
  sensitive   = true

  validation {
    condition     = length(setsubtract(keys(var.secret_values), try(keys(var.stack.services), []))) == 0
    error_message = "secret_values names a service that the stack does not have: add it to the stack's services, or omit it."
  }
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
