variable "name" {
  description = "Name of the event bus."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9._-]{1,256}$", var.name)) && var.name != "default"
    error_message = "name (${var.name}) is not valid: give 1 to 256 letters, digits, dots, dashes and underscores, and not \"default\"."
  }
}

variable "publisher_arns" {
  description = "ARNs of the roles and users that may put any event on the bus, where their own policies allow it. A * stands for any text."
  type        = list(string)
}

variable "limited_publisher_arn" {
  description = "ARN of the roles that may put only events of limited_detail_types on the bus. A * stands for any text."
  type        = string
}

variable "limited_detail_types" {
  description = "The detail types that those roles may put."
  type        = list(string)
}
