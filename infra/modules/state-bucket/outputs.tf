# Whoever uses the bucket waits until an object put into it has a version.
output "name" {
  description = "Name of the bucket."
  value       = aws_s3_bucket.this.bucket
  depends_on  = [aws_s3_bucket_versioning.this]
}

output "arn" {
  description = "ARN of the bucket."
  value       = aws_s3_bucket.this.arn
}

output "policy" {
  description = "The bucket's policy document, as JSON; null where the bucket has none."
  value       = one(aws_s3_bucket_policy.this[*].policy)
}
