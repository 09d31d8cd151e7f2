# The name comes from the versioning, so that whoever uses the bucket waits until
# an object put into it has a version.
output "name" {
  description = "Name of the bucket."
  value       = aws_s3_bucket_versioning.this.bucket
}

output "arn" {
  description = "ARN of the bucket."
  value       = aws_s3_bucket.this.arn
}
