variable "name" {
  description = "Name of the distribution, its function and its policies in CloudFront."
  type        = string
  default     = "homebrew-bottles"

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,48}$", var.name))
    error_message = "name (${var.name}) is not valid: give 1 to 48 letters, digits, dashes and underscores."
  }
}

variable "bucket_name" {
  description = "Name of the mirror's bucket, which is the stack's output bucket_name."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.bucket_name))
    error_message = "bucket_name (${var.bucket_name}) is not the name of a mirror's bucket: give 3 to 63 lowercase letters, digits and dashes. Give the name, not the ARN."
  }
}

variable "bucket_region" {
  description = "Region of the bucket."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.bucket_region))
    error_message = "bucket_region (${var.bucket_region}) is not a region: give one such as eu-west-1."
  }
}

variable "internet" {
  description = "Whether CloudFront serves the mirror to everybody."
  type        = bool
  default     = true
}

variable "vpc_endpoint_ids" {
  description = "IDs of gateway endpoints of S3 (vpce-...) through which S3 serves the mirror without credentials."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for id in var.vpc_endpoint_ids : can(regex("^vpce-[0-9a-f]+$", id))])
    error_message = "vpc_endpoint_ids (${join(", ", var.vpc_endpoint_ids)}) holds what is not the ID of an endpoint: an ID is vpce- and hexadecimal digits."
  }

  validation {
    condition     = var.internet || length(var.vpc_endpoint_ids) > 0
    error_message = "Nobody could reach the mirror, because internet is false and vpc_endpoint_ids is empty: give an endpoint, or set internet to true."
  }
}

variable "aliases" {
  description = "Domain names of your own for the distribution, such as bottles.example.com. Each needs a DNS record that points to the distribution."
  type        = list(string)
  default     = []

  validation {
    condition     = length(var.aliases) == 0 || var.certificate_arn != null
    error_message = "aliases need a certificate: give certificate_arn."
  }
}

variable "certificate_arn" {
  description = "ARN of the certificate for the aliases, in AWS Certificate Manager in us-east-1."
  type        = string
  default     = null

  validation {
    condition     = var.certificate_arn == null || can(regex("^arn:aws[a-z-]*:acm:us-east-1:[0-9]{12}:certificate/", var.certificate_arn))
    error_message = "certificate_arn (${format("%v", var.certificate_arn)}) is not the ARN of a certificate in us-east-1, the only region from which CloudFront takes certificates: request one there."
  }
}

variable "price_class" {
  description = "Price class of the distribution: PriceClass_100 (Europe and North America), PriceClass_200 or PriceClass_All."
  type        = string
  default     = "PriceClass_100"

  validation {
    condition     = contains(["PriceClass_100", "PriceClass_200", "PriceClass_All"], var.price_class)
    error_message = "price_class (${var.price_class}) is not valid: give PriceClass_100, PriceClass_200 or PriceClass_All."
  }
}
