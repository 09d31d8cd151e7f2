# The provider waits 25 seconds for a queue that it has made or changed, whatever
# SQS answers, and not at all for one that it imports as it is to be. `cargo xtask`
# makes the queues of the last apply before it applies again; Terraform compares
# them, and changes what is different by now.
variable "dead_letter_queue_urls" {
  description = "URLs of dead-letter queues that exist already, by function. Terraform imports them."
  type        = map(string)
  default     = {}
}

import {
  for_each = { for function, url in var.dead_letter_queue_urls : function => url if function == "provision" }
  to       = module.longshore.module.provision.aws_sqs_queue.dead_letter
  id       = each.value
}

import {
  for_each = { for function, url in var.dead_letter_queue_urls : function => url if function == "deploy" }
  to       = module.longshore.module.deploy.aws_sqs_queue.dead_letter
  id       = each.value
}

import {
  for_each = { for function, url in var.dead_letter_queue_urls : function => url if function == "watch" }
  to       = module.longshore.module.watch.aws_sqs_queue.dead_letter
  id       = each.value
}

import {
  for_each = { for function, url in var.dead_letter_queue_urls : function => url if function == "sync" }
  to       = module.longshore.module.sync.aws_sqs_queue.dead_letter
  id       = each.value
}

import {
  for_each = { for function, url in var.dead_letter_queue_urls : function => url if function == "notify" }
  to       = module.longshore.module.notify.aws_sqs_queue.dead_letter
  id       = each.value
}
