output "input" {
  description = "What the function is sent, JSON with Scheduler's context attributes."
  value       = aws_scheduler_schedule.this.target[0].input
}

output "policy" {
  description = "What the schedule's role may do, JSON."
  value       = local.policy
}
