variable "name" {
  description = "Name of the event bus."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9._-]{1,256}$", var.name)) && var.name != "default"
    error_message = "name (${var.name}) is not valid: give 1 to 256 letters, digits, dots, dashes and underscores, and not \"default\"."
  }
}
