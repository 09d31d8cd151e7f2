variable "name" {
  description = "Name of the function, its role and, with a suffix, its alarms and its queue."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,64}$", var.name))
    error_message = "name (${var.name}) is not the name of a function: give 1 to 64 letters, digits, dashes and underscores."
  }
}

variable "description" {
  description = "What the function does, in one line."
  type        = string
}

variable "package" {
  description = "Bucket and key of the zip that holds `bootstrap`, the program of all functions. Give another zip another key, or the function keeps its old program."
  type        = object({ bucket = string, key = string })
}

variable "handler" {
  description = "Which of the program's functions to run, such as deploy."
  type        = string
}

variable "architecture" {
  description = "Instruction set for which the package was built: arm64 or x86_64."
  type        = string

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "architecture (${var.architecture}) is not valid: give arm64 or x86_64."
  }
}

variable "policy" {
  description = "Policy document of what the function's work needs, as JSON."
  type        = string

  validation {
    condition     = can(jsondecode(var.policy).Statement)
    error_message = "policy is not a policy document: give JSON with a Statement."
  }
}

variable "rule_arns" {
  description = "ARNs of the EventBridge rules that send the function events, and undelivered ones to its dead-letter queue. Empty for a function that nothing calls without waiting for its answer: it has no such queue."
  type        = list(string)
}

variable "environment" {
  description = "Environment variables of the function. Do not put secrets here."
  type        = map(string)
}

variable "memory_size" {
  description = "Memory in MB. Lambda gives processor time in proportion."
  type        = number
  default     = 256

  validation {
    condition     = var.memory_size >= 128 && var.memory_size <= 10240
    error_message = "memory_size (${var.memory_size}) is not valid: give 128 to 10240 MB."
  }
}

variable "timeout_seconds" {
  description = "Number of seconds that one invocation may take."
  type        = number
  default     = 60

  validation {
    condition     = var.timeout_seconds >= 1 && var.timeout_seconds <= 900
    error_message = "timeout_seconds (${var.timeout_seconds}) is not valid: give 1 to 900 seconds."
  }
}

variable "reserved_concurrency" {
  description = "Reserved concurrency of the function. -1 reserves nothing."
  type        = number
  default     = -1

  validation {
    condition     = var.reserved_concurrency == -1 || var.reserved_concurrency >= 1
    error_message = "reserved_concurrency (${var.reserved_concurrency}) is not valid: give -1, or at least 1. With 0 the function never runs."
  }
}

variable "maximum_event_age_seconds" {
  description = "Number of seconds for which Lambda retries an event before it sends it to the dead-letter queue."
  type        = number
  default     = 21600

  validation {
    condition     = var.maximum_event_age_seconds >= 60 && var.maximum_event_age_seconds <= 21600
    error_message = "maximum_event_age_seconds (${var.maximum_event_age_seconds}) is not valid: give 60 to 21600 seconds."
  }
}

variable "log_retention_days" {
  description = "Number of days for which CloudWatch Logs keeps log lines; one of the numbers that it accepts."
  type        = number
  default     = 30

  validation {
    condition = contains(
      [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653],
      var.log_retention_days,
    )
    error_message = "log_retention_days (${var.log_retention_days}) is not valid: give 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653, the numbers that CloudWatch Logs accepts."
  }
}

variable "alarm_actions" {
  description = "ARNs of what the alarms notify, such as SNS topics."
  type        = list(string)
  default     = []
}

variable "require_tls" {
  description = "Whether the queue refuses plain HTTP. Set it to false only for an endpoint on loopback."
  type        = bool
  default     = true
}
