"""Auto Scaling groups, and Application Auto Scaling's targets and policies."""

from provisioning.resource import (
    ResourceType,
    chosen,
    exists,
    ignoring_missing,
    register,
    tag_changes,
    tag_map,
    without,
)


@register
class AutoScalingGroup(ResourceType):
    name = "AWS::AutoScaling::AutoScalingGroup"
    service_name = "AutoScaling"
    named_by = "AutoScalingGroupName"
    _NUMBERS = ("MinSize", "MaxSize", "DesiredCapacity", "HealthCheckGracePeriod", "DefaultInstanceWarmup")

    def stack_tag(self, tag):
        return {**tag, "PropagateAtLaunch": True}

    def _request(self, properties):
        request = without(
            properties,
            "AutoScalingGroupName",
            "Tags",
            "Cooldown",
            "MetricsCollection",
            "NotificationConfigurations",
            "LifecycleHookSpecificationList",
        )
        for name in self._NUMBERS:
            if name in request:
                request[name] = int(request[name])
        if "Cooldown" in properties:
            request["DefaultCooldown"] = int(properties["Cooldown"])
        if isinstance(request.get("VPCZoneIdentifier"), list):
            request["VPCZoneIdentifier"] = ",".join(request["VPCZoneIdentifier"])
        return request

    def _tags(self, name, tags):
        return [{**tag, "ResourceId": name, "ResourceType": "auto-scaling-group"} for tag in tags or []]

    def create(self, work, properties):
        client = work.client("autoscaling")
        name = properties.get("AutoScalingGroupName") or work.name(255)
        client.create_auto_scaling_group(
            AutoScalingGroupName=name,
            **self._request(properties),
            Tags=self._tags(name, properties.get("Tags")),
        )
        work.made(name)
        for hook in properties.get("LifecycleHookSpecificationList") or []:
            client.put_lifecycle_hook(AutoScalingGroupName=name, **hook)
        return name

    def update(self, work, physical_id, old, new):
        client = work.client("autoscaling")
        before, after = self._request(old), self._request(new)
        changes = {name: value for name, value in after.items() if before.get(name) != value}
        for group in ("TargetGroupARNs", "LoadBalancerNames"):
            changes.pop(group, None)
        if "NewInstancesProtectedFromScaleIn" in before and "NewInstancesProtectedFromScaleIn" not in after:
            changes["NewInstancesProtectedFromScaleIn"] = False
        if changes:
            client.update_auto_scaling_group(AutoScalingGroupName=physical_id, **changes)
        added, removed = tag_changes(old.get("Tags"), new.get("Tags"))
        if added:
            tags = [tag for tag in new.get("Tags") or [] if tag["Key"] in added]
            client.create_or_update_tags(Tags=self._tags(physical_id, tags))
        if removed:
            client.delete_tags(Tags=self._tags(physical_id, [{"Key": key} for key in removed]))

    def delete(self, work, physical_id, properties):
        ignoring_missing(
            work.client("autoscaling").delete_auto_scaling_group, AutoScalingGroupName=physical_id, ForceDelete=True
        )

        def gone():
            found = work.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[physical_id])
            return not found["AutoScalingGroups"]

        work.wait(f"group {physical_id} is not deleted", gone)

    def _described(self, work, name):
        found = work.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[name])
        return next(iter(found["AutoScalingGroups"]), None)

    def attributes(self, work, physical_id, properties):
        found = self._described(work, physical_id) or {}
        return {"AutoScalingGroupARN": found.get("AutoScalingGroupARN", "")}

    def read(self, work, physical_id, properties):
        found = self._described(work, physical_id)
        if found is None:
            return None
        given = chosen(
            found,
            "HealthCheckGracePeriod",
            "HealthCheckType",
            "NewInstancesProtectedFromScaleIn",
            "LaunchTemplate",
        )
        for name in ("MinSize", "MaxSize", "DesiredCapacity"):
            given[name] = str(found[name])
        given["VPCZoneIdentifier"] = [one for one in found.get("VPCZoneIdentifier", "").split(",") if one]
        return given


class _ApplicationScaling(ResourceType):
    service_name = "ApplicationAutoScaling"


@register
class ScalableTarget(_ApplicationScaling):
    name = "AWS::ApplicationAutoScaling::ScalableTarget"

    def _request(self, properties):
        return without(properties, "Tags", "ScheduledActions")

    def create(self, work, properties):
        client = work.client("application-autoscaling")
        options = {"Tags": tag_map(properties["Tags"])} if properties.get("Tags") else {}
        client.register_scalable_target(**self._request(properties), **options)
        identifier = "|".join(properties[name] for name in ("ResourceId", "ScalableDimension", "ServiceNamespace"))
        work.made(identifier)
        self._schedule(client, {}, properties)
        return identifier

    def _named(self, properties):
        return chosen(properties, "ServiceNamespace", "ResourceId", "ScalableDimension")

    def _schedule(self, client, old, new):
        before = {one["ScheduledActionName"]: one for one in old.get("ScheduledActions") or []}
        after = {one["ScheduledActionName"]: one for one in new.get("ScheduledActions") or []}
        for name, one in after.items():
            if before.get(name) != one:
                client.put_scheduled_action(**self._named(new), **one)
        for name in before:
            if name not in after:
                ignoring_missing(client.delete_scheduled_action, **self._named(new), ScheduledActionName=name)

    def update(self, work, physical_id, old, new):
        client = work.client("application-autoscaling")
        if self._request(old) != self._request(new):
            client.register_scalable_target(**self._request(new))
        self._schedule(client, old, new)
        added, removed = tag_changes(old.get("Tags"), new.get("Tags"))
        if added or removed:
            arn = self._described(work, new)["ScalableTargetARN"]
            if added:
                client.tag_resource(ResourceARN=arn, Tags=added)
            if removed:
                client.untag_resource(ResourceARN=arn, TagKeys=removed)

    def delete(self, work, physical_id, properties):
        ignoring_missing(work.client("application-autoscaling").deregister_scalable_target, **self._named(properties))

    def _described(self, work, properties):
        found = work.client("application-autoscaling").describe_scalable_targets(
            ServiceNamespace=properties["ServiceNamespace"],
            ResourceIds=[properties["ResourceId"]],
            ScalableDimension=properties["ScalableDimension"],
        )
        return next(iter(found["ScalableTargets"]), None)

    def attributes(self, work, physical_id, properties):
        return {"Id": physical_id}

    def read(self, work, physical_id, properties):
        return self._described(work, properties)


@register
class ScalingPolicy(_ApplicationScaling):
    name = "AWS::ApplicationAutoScaling::ScalingPolicy"
    tags = None

    def _request(self, properties):
        request = without(properties, "ScalingTargetId")
        if properties.get("ScalingTargetId"):
            resource, dimension, namespace = properties["ScalingTargetId"].split("|")
            request.update(ResourceId=resource, ScalableDimension=dimension, ServiceNamespace=namespace)
        for member in (
            "StepScalingPolicyConfiguration",
            "TargetTrackingScalingPolicyConfiguration",
            "PredictiveScalingPolicyConfiguration",
        ):
            request.pop(member, None)
        step = properties.get("StepScalingPolicyConfiguration")
        tracking = properties.get("TargetTrackingScalingPolicyConfiguration")
        if step:
            request["StepScalingPolicyConfiguration"] = step
        if tracking:
            request["TargetTrackingScalingPolicyConfiguration"] = tracking
        return request

    def create(self, work, properties):
        answer = work.client("application-autoscaling").put_scaling_policy(**self._request(properties))
        return work.made(answer["PolicyARN"])

    def update(self, work, physical_id, old, new):
        work.client("application-autoscaling").put_scaling_policy(**self._request(new))

    def delete(self, work, physical_id, properties):
        request = chosen(
            self._request(properties), "PolicyName", "ServiceNamespace", "ResourceId", "ScalableDimension"
        )
        ignoring_missing(work.client("application-autoscaling").delete_scaling_policy, **request)

    def attributes(self, work, physical_id, properties):
        return {"Arn": physical_id}

    def physical_id(self, identifier):
        return identifier["Arn"]

    def read(self, work, physical_id, properties):
        request = self._request(properties)
        found = exists(
            work.client("application-autoscaling").describe_scaling_policies,
            ServiceNamespace=request["ServiceNamespace"],
            ResourceId=request["ResourceId"],
            PolicyNames=[request["PolicyName"]],
        )
        return next(iter(found["ScalingPolicies"]), None) if found else None
