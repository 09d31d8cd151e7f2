output "domain_name" {
  description = "CloudFront's domain name of the distribution, for DNS records; null without a distribution."
  value       = one(aws_cloudfront_distribution.this[*].domain_name)
}

output "hosted_zone_id" {
  description = "ID of CloudFront's hosted zone, for alias records; null without a distribution."
  value       = one(aws_cloudfront_distribution.this[*].hosted_zone_id)
}

output "distribution_id" {
  description = "ID of the distribution; null without one."
  value       = one(aws_cloudfront_distribution.this[*].id)
}

output "environment" {
  description = "Environment variables to export for brew."
  value = {
    # All three, for a flat mirror too: see the README.
    for variable, path in {
      HOMEBREW_API_DOMAIN      = "/api"
      HOMEBREW_BOTTLE_DOMAIN   = ""
      HOMEBREW_ARTIFACT_DOMAIN = ""
    } : variable => "https://${local.host}${path}"
  }
}

output "bucket_policy" {
  description = "The bucket's policy document, as JSON."
  value       = local.policy
}
