"""Auto Scaling groups, and Application Auto Scaling's targets and policies."""

from provisioning.resource import ResourceType, changed, chosen, exists, ignoring_missing, register, tag_map, without


@register
class AutoScalingGroup(ResourceType):
    name = "AWS::AutoScaling::AutoScalingGroup"
    service, service_name = "autoscaling", "AutoScaling"
    named_by = "AutoScalingGroupName"
    id_member = "AutoScalingGroupName"
    describes = ("describe_auto_scaling_groups", "AutoScalingGroupNames", "AutoScalingGroups")
    gives = {"AutoScalingGroupARN": "AutoScalingGroupARN"}
    _NUMBERS = ("MinSize", "MaxSize", "DesiredCapacity", "HealthCheckGracePeriod", "DefaultInstanceWarmup")
    _APART = ("AutoScalingGroupName", "Tags", "MetricsCollection")

    def stack_tag(self, tag):
        return {**tag, "PropagateAtLaunch": True}

    def _request(self, properties):
        request = without(properties, *self._APART)
        for name in self._NUMBERS:
            if name in request:
                request[name] = int(request[name])
        if isinstance(request.get("VPCZoneIdentifier"), list):
            request["VPCZoneIdentifier"] = ",".join(request["VPCZoneIdentifier"])
        return request

    def _tags(self, name, tags):
        return [{**tag, "ResourceId": name, "ResourceType": "auto-scaling-group"} for tag in tags or []]

    def create(self, work, properties):
        client = work.client("autoscaling")
        name = properties.get("AutoScalingGroupName") or work.name(255)
        tags = self._tags(name, properties.get("Tags"))
        client.create_auto_scaling_group(AutoScalingGroupName=name, **self._request(properties), Tags=tags)
        return work.made(name)

    def modify(self, work, client, name, old, new):
        before, after = self._request(old), self._request(new)
        changes = {member: value for member, value in after.items() if before.get(member) != value}
        if "NewInstancesProtectedFromScaleIn" in before and "NewInstancesProtectedFromScaleIn" not in after:
            changes["NewInstancesProtectedFromScaleIn"] = False
        rolling = work.update_policy.get("AutoScalingRollingUpdate")
        if rolling and changed(old, new, "LaunchTemplate", "MixedInstancesPolicy", "VPCZoneIdentifier"):
            self._roll(work, client, name, rolling, changes)
        elif changes:
            client.update_auto_scaling_group(AutoScalingGroupName=name, **changes)

    def _roll(self, work, client, name, rolling, changes):
        """Replaces the instances one by one. CloudFormation does it itself, with calls that no handler of the type
        makes, and so with rights that its schema does not name."""
        client.describe_scheduled_actions(AutoScalingGroupName=name)
        suspended = rolling.get("SuspendProcesses") or []
        if suspended:
            client.suspend_processes(AutoScalingGroupName=name, ScalingProcesses=suspended)
        client.update_auto_scaling_group(AutoScalingGroupName=name, **changes)
        group = self.described(work, name)
        for instance in group["Instances"]:
            client.set_desired_capacity(AutoScalingGroupName=name, DesiredCapacity=group["DesiredCapacity"])
            client.terminate_instance_in_auto_scaling_group(
                InstanceId=instance["InstanceId"], ShouldDecrementDesiredCapacity=False
            )
            client.describe_scaling_activities(AutoScalingGroupName=name)
        if suspended:
            client.resume_processes(AutoScalingGroupName=name, ScalingProcesses=suspended)

    def put(self, work, client, name, old, new):
        """Tags say whether instances get them, too."""
        before, after = tag_map(old.get("Tags")), tag_map(new.get("Tags"))
        added = [tag for tag in new.get("Tags") or [] if before.get(tag["Key"]) != after[tag["Key"]]]
        if added:
            client.create_or_update_tags(Tags=self._tags(name, added))

    def retag(self, work, client, name, added, removed):
        if removed:
            client.delete_tags(Tags=self._tags(name, [{"Key": key} for key in removed]))

    def delete(self, work, physical_id, properties):
        delete = work.client("autoscaling").delete_auto_scaling_group
        ignoring_missing(delete, AutoScalingGroupName=physical_id, ForceDelete=True)
        work.wait(f"group {physical_id} is not deleted", lambda: self.described(work, physical_id) is None)

    def as_written(self, work, physical_id, found, properties):
        named = (
            "HealthCheckGracePeriod", "HealthCheckType", "NewInstancesProtectedFromScaleIn", "LaunchTemplate",
            "MixedInstancesPolicy",
        )
        return {
            **chosen(found, *named),
            **{name: str(found[name]) for name in ("MinSize", "MaxSize", "DesiredCapacity")},
            "VPCZoneIdentifier": [one for one in found.get("VPCZoneIdentifier", "").split(",") if one],
        }


class _ApplicationScaling(ResourceType):
    service, service_name = "application-autoscaling", "ApplicationAutoScaling"


_TARGET = ("ServiceNamespace", "ResourceId", "ScalableDimension")


@register
class ScalableTarget(_ApplicationScaling):
    name = "AWS::ApplicationAutoScaling::ScalableTarget"
    shown = {"Id": "{id}"}
    tagged_by = "ResourceARN"

    def tags_as(self, tags):
        return tag_map(tags)

    def request(self, work, properties):
        return without(super().request(work, properties), "ScheduledActions")

    def create(self, work, properties):
        client = work.client(self.service)
        client.register_scalable_target(**self.with_tags(self.request(work, properties), properties))
        self._schedule(client, {}, properties)
        return work.made("|".join(properties[one] for one in ("ResourceId", "ScalableDimension", "ServiceNamespace")))

    def modify(self, work, client, identifier, old, new):
        if self.request(work, old) != self.request(work, new):
            client.register_scalable_target(**self.request(work, new))
        self._schedule(client, old, new)

    def _schedule(self, client, old, new):
        before, after = (
            {one["ScheduledActionName"]: one for one in properties.get("ScheduledActions") or []}
            for properties in (old, new)
        )
        target = chosen(new, *_TARGET)
        for name in before.keys() - after.keys():
            client.delete_scheduled_action(ScheduledActionName=name, **target)
        for name, action in after.items():
            if before.get(name) != action:
                client.put_scheduled_action(**action, **target)

    def retag(self, work, client, identifier, added, removed):
        if added or removed:
            resource, dimension, namespace = identifier.split("|")
            named = {"ServiceNamespace": namespace, "ResourceId": resource, "ScalableDimension": dimension}
            super().retag(work, client, self._target(work, named)["ScalableTargetARN"], added, removed)

    def delete(self, work, physical_id, properties):
        ignoring_missing(work.client(self.service).deregister_scalable_target, **chosen(properties, *_TARGET))

    def _target(self, work, properties):
        found = work.client(self.service).describe_scalable_targets(
            ServiceNamespace=properties["ServiceNamespace"],
            ResourceIds=[properties["ResourceId"]],
            ScalableDimension=properties["ScalableDimension"],
        )
        return next(iter(found["ScalableTargets"]), None)

    def read(self, work, physical_id, properties):
        return self._target(work, properties)


@register
class ScalingPolicy(_ApplicationScaling):
    name = "AWS::ApplicationAutoScaling::ScalingPolicy"
    tags = None
    shown = {"Arn": "{id}"}
    creates = ("put_scaling_policy", "PolicyARN")

    def request(self, work, properties):
        request = without(properties, "ScalingTargetId", "PredictiveScalingPolicyConfiguration")
        if properties.get("ScalingTargetId"):
            resource, dimension, namespace = properties["ScalingTargetId"].split("|")
            request.update(ResourceId=resource, ScalableDimension=dimension, ServiceNamespace=namespace)
        return request

    def modify(self, work, client, arn, old, new):
        client.put_scaling_policy(**self.request(work, new))

    def delete(self, work, physical_id, properties):
        request = chosen(self.request(work, properties), "PolicyName", *_TARGET)
        ignoring_missing(work.client(self.service).delete_scaling_policy, **request)

    def physical_id(self, identifier):
        return identifier["Arn"]

    def read(self, work, physical_id, properties):
        request = self.request(work, properties)
        found = exists(
            work.client(self.service).describe_scaling_policies,
            ServiceNamespace=request["ServiceNamespace"],
            ResourceId=request["ResourceId"],
            PolicyNames=[request["PolicyName"]],
        )
        return next(iter(found["ScalingPolicies"]), None) if found else None
