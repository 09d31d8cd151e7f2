variable "name" {
  description = "Name of the rule."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9._-]{1,64}$", var.name))
    error_message = "name (${var.name}) is not the name of a rule: give 1 to 64 letters, digits, dots, dashes and underscores."
  }
}

variable "description" {
  description = "What the rule matches, in one line."
  type        = string
}

variable "account_id" {
  description = "ID of the account whose events the rule matches."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id (${var.account_id}) is not the ID of an account: give 12 digits."
  }
}

variable "event_bus_name" {
  description = "Bus of the rule. AWS's own events are on the default bus."
  type        = string
  default     = "default"
}

variable "event_pattern" {
  description = "Event pattern, as JSON. It must name the source."
  type        = string

  validation {
    condition     = can(jsondecode(var.event_pattern).source)
    error_message = "event_pattern is not valid: give JSON that names the source."
  }
}

variable "function_name" {
  description = "Name of the function that the rule invokes."
  type        = string
}

variable "function_arn" {
  description = "ARN of the function that the rule invokes."
  type        = string
}

variable "dead_letter_queue_arn" {
  description = "ARN of the queue for events that EventBridge cannot deliver. The queue's policy must allow this rule."
  type        = string
}
