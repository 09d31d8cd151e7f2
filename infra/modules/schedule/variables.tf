variable "name" {
  description = "Name of the schedule and of its role."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9._-]{1,64}$", var.name))
    error_message = "The schedule name takes 1 to 64 letters, digits, dots, dashes and underscores."
  }
}

variable "description" {
  description = "What the schedule is for, in one line."
  type        = string
}

variable "account_id" {
  description = "Account whose Scheduler may take the role."
  type        = string
}

variable "schedule_expression" {
  description = "When it fires: rate(...), cron(...) or at(...)."
  type        = string

  validation {
    condition     = can(regex("^(rate|cron|at)\\(.+\\)$", var.schedule_expression))
    error_message = "The schedule expression must be rate(...), cron(...) or at(...)."
  }
}

variable "action" {
  description = "What the function is to do, as the field `action` of the input."
  type        = string
}

variable "function_arn" {
  description = "ARN of the function the schedule wakes."
  type        = string
}

variable "dead_letter_queue_arn" {
  description = "ARN of the queue for runs that could not be handed to the function."
  type        = string
}
