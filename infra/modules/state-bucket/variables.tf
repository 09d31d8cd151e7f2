variable "name" {
  description = "Name of the bucket, unique in all of AWS."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.name))
    error_message = "name (${var.name}) is not valid: give 3 to 63 lowercase letters, digits and dashes, with a letter or digit at both ends."
  }
}

variable "noncurrent_version_days" {
  description = "Number of days for which S3 keeps overwritten and deleted objects. null keeps them for ever."
  type        = number
  default     = 90

  validation {
    condition     = try(var.noncurrent_version_days >= 1 && floor(var.noncurrent_version_days) == var.noncurrent_version_days, var.noncurrent_version_days == null)
    error_message = "noncurrent_version_days (${format("%v", var.noncurrent_version_days)}) is not valid: give a whole number of at least 1, or null to keep every version."
  }
}

variable "force_destroy" {
  description = "Whether Terraform deletes the objects when it destroys the bucket. Meant for local clouds."
  type        = bool
  default     = false
}

variable "require_tls" {
  description = "Whether the bucket refuses plain HTTP. Set it to false only for an endpoint on loopback."
  type        = bool
  default     = true
}

variable "refused_arns" {
  description = "ARNs of the roles and users that the bucket refuses whatever their own policies allow. A * stands for any text."
  type        = list(string)
  default     = []
}
