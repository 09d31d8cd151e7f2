variable "name" {
  description = "Name of the schedule and of its role."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9._-]{1,64}$", var.name))
    error_message = "name (${var.name}) is not the name of a schedule: give 1 to 64 letters, digits, dots, dashes and underscores."
  }
}

variable "description" {
  description = "What the schedule is for, in one line."
  type        = string
}

variable "account_id" {
  description = "ID of the account whose Scheduler may assume the role."
  type        = string
}

variable "schedule_expression" {
  description = "When the schedule invokes the function: rate(...), cron(...) or at(...)."
  type        = string

  validation {
    condition     = can(regex("^(rate|cron|at)\\(.+\\)$", var.schedule_expression))
    error_message = "schedule_expression (${var.schedule_expression}) is not valid: give rate(...), cron(...) or at(...)."
  }
}

variable "time_zone" {
  description = "Time zone of a cron(...) or at(...), such as Europe/Ljubljana."
  type        = string
  default     = "UTC"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}$", var.time_zone))
    error_message = "time_zone (${var.time_zone}) is not the name of a time zone: give one of the IANA time zone database, such as Europe/Ljubljana, or UTC."
  }
}

variable "action" {
  description = "Field `action` of the input: what the function is to do."
  type        = string
}

variable "function_arn" {
  description = "ARN of the function that the schedule invokes."
  type        = string
}

variable "dead_letter_queue_arn" {
  description = "ARN of the queue for inputs that Scheduler cannot deliver."
  type        = string
}
