# Rules have new names on AWS, which replaces them; their permissions and targets follow. The reconcile finds what
# `deploy` and `provision` would miss in the seconds between.
moved {
  from = module.stack_at_rest_for_deploy
  to   = module.stack_settled_for_deploy
}

moved {
  from = module.stack_at_rest_for_provision
  to   = module.stack_settled_for_provision
}

moved {
  from = module.deployment_told
  to   = module.notifications
}
