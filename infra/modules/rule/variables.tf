variable "name" {
  description = "Name of the rule."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9._-]{1,64}$", var.name))
    error_message = "The rule name takes 1 to 64 letters, digits, dots, dashes and underscores."
  }
}

variable "description" {
  description = "What the rule waits for, in one line."
  type        = string
}

variable "event_bus_name" {
  description = "Bus the rule listens on; AWS's own events come on the default bus."
  type        = string
  default     = "default"
}

variable "event_pattern" {
  description = "The event pattern, as JSON."
  type        = string

  validation {
    condition     = can(jsondecode(var.event_pattern).source)
    error_message = "The event pattern must be JSON and name the source it matches."
  }
}

variable "function_name" {
  description = "Name of the function the rule wakes."
  type        = string
}

variable "function_arn" {
  description = "ARN of that function."
  type        = string
}

variable "dead_letter_queue_arn" {
  description = "ARN of the queue for events that could not be handed to the function; its policy must name this rule."
  type        = string
}
