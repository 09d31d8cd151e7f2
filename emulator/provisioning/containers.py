"""Amazon ECS: clusters, capacity providers, task definitions, services."""

from ministack.services import ecs as ministack_ecs

from provisioning.calls import Refused
from provisioning.resource import (
    ResourceType, changed, exists, ignoring_missing, lower_first, register, tag_list, upper_first, without,
)

# What a service deployment is while it goes on, and while nothing has gone wrong with it.
_UNDER_WAY = ("PENDING", "IN_PROGRESS", "STOP_REQUESTED", "ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS")
_GOING_WELL = ("PENDING", "IN_PROGRESS", "SUCCESSFUL")
# Maps whose keys are the template's own.
_MAPS = ("DockerLabels", "Options", "DriverOpts", "Labels")
_RENAMED = {
    "EFSVolumeConfiguration": "efsVolumeConfiguration",
    "FSxWindowsFileServerVolumeConfiguration": "fsxWindowsFileServerVolumeConfiguration",
    "FilesystemId": "fileSystemId",
    "IAM": "iam",
    "ProxyConfigurationProperties": "properties",
    "EnableECSManagedTags": "enableECSManagedTags",
    "S3FilesVolumeConfiguration": "s3filesVolumeConfiguration",
}


class _Containers(ResourceType):
    service, service_name = "ecs", "AmazonECS"
    tagged_by, tags_member, tag_keys_member = "resourceArn", "tags", "tagKeys"
    renamed = _RENAMED

    def tags_as(self, tags):
        return tag_list(tags, "key", "value")

    def request(self, work, properties):
        """The properties as ECS takes them."""
        return lower_first(without(properties, "Tags"), _MAPS, self.renamed)

    def active(self, found):
        return next((one for one in found if one["status"] == "ACTIVE"), None)


def _providers(request):
    return {
        "capacityProviders": request.get("capacityProviders", []),
        "defaultCapacityProviderStrategy": request.get("defaultCapacityProviderStrategy", []),
    }


@register
class Cluster(_Containers):
    name = "AWS::ECS::Cluster"
    named_by, name_member, looks_first = "ClusterName", "clusterName", True
    creates = ("create_cluster",)
    deletes, id_member = "delete_cluster", "cluster"
    tag_target = "arn:aws:ecs:{region}:{account}:cluster/{id}"
    shown = {"Arn": tag_target}

    def request(self, work, properties):
        request = super().request(work, properties)
        return {**without(request, "clusterSettings"), "settings": request.get("clusterSettings", [])}

    def modify(self, work, ecs, name, old, new):
        request = self.request(work, new)
        changes = {}
        if changed(old, new, "ClusterSettings"):
            # A setting that left the template goes back to what it is without one.
            absent = {one["Name"] for one in old.get("ClusterSettings", [])}
            absent -= {one["Name"] for one in new.get("ClusterSettings", [])}
            disabled = [{"name": one, "value": "disabled"} for one in sorted(absent)]
            changes["settings"] = request["settings"] + disabled
        if changed(old, new, "Configuration"):
            changes["configuration"] = request.get("configuration", {})
        if changes:
            ecs.update_cluster(cluster=name, **changes)

    def read(self, work, physical_id, properties):
        found = work.client("ecs").describe_clusters(clusters=[physical_id], include=["SETTINGS", "CONFIGURATIONS"])
        given = upper_first(self.active(found["clusters"]), _MAPS, _RENAMED)
        return given and {**given, "ClusterSettings": given.get("Settings", [])}


@register
class CapacityProvider(_Containers):
    name = "AWS::ECS::CapacityProvider"
    named_by, name_member = "Name", "name"
    creates = ("create_capacity_provider",)
    deletes, id_member = "delete_capacity_provider", "capacityProvider"
    tag_target = "arn:aws:ecs:{region}:{account}:capacity-provider/{id}"

    def request(self, work, properties):
        request = super().request(work, properties)
        # A template may name the group; ECS shows its ARN.
        provider = request.get("autoScalingGroupProvider") or {}
        group = str(provider.get("autoScalingGroupArn", ""))
        if group and not group.startswith("arn:"):
            groups = work.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[group])
            for found in groups["AutoScalingGroups"]:
                provider["autoScalingGroupArn"] = found["AutoScalingGroupARN"]
        return request

    def modify(self, work, ecs, name, old, new):
        if changed(old, new, "AutoScalingGroupProvider"):
            provider = lower_first(without(new.get("AutoScalingGroupProvider", {}), "AutoScalingGroupArn"))
            ecs.update_capacity_provider(name=name, autoScalingGroupProvider=provider)

    def read(self, work, physical_id, properties):
        found = work.client("ecs").describe_capacity_providers(capacityProviders=[physical_id])
        given = upper_first(self.active(found["capacityProviders"]))
        if given is None:
            return None
        group = given.get("AutoScalingGroupProvider") or {}
        wanted = (properties.get("AutoScalingGroupProvider") or {}).get("AutoScalingGroupArn", "")
        if str(group.get("AutoScalingGroupArn", "")).endswith(f"/{wanted}"):
            group["AutoScalingGroupArn"] = wanted
        return given


@register
class ClusterCapacityProviderAssociations(_Containers):
    name = "AWS::ECS::ClusterCapacityProviderAssociations"
    tags = None

    def create(self, work, properties):
        self.put(work, work.client("ecs"), properties["Cluster"], {}, properties)
        return work.made(properties["Cluster"])

    def put(self, work, ecs, cluster, old, new):
        ecs.put_cluster_capacity_providers(cluster=cluster, **_providers(self.request(work, new)))

    def delete(self, work, physical_id, properties):
        ignoring_missing(work.client("ecs").put_cluster_capacity_providers, cluster=physical_id, **_providers({}))

    def read(self, work, physical_id, properties):
        cluster = self.active(work.client("ecs").describe_clusters(clusters=[physical_id])["clusters"])
        return cluster and {"Cluster": properties.get("Cluster", physical_id), **upper_first(_providers(cluster))}


@register
class TaskDefinition(_Containers):
    name = "AWS::ECS::TaskDefinition"
    creates = ("register_task_definition", "taskDefinition", "taskDefinitionArn")
    deletes, id_member = "deregister_task_definition", "taskDefinition"
    shown = {"TaskDefinitionArn": "{id}"}

    def request(self, work, properties):
        # A family has no separators of its own: stack, logical id and suffix run together.
        return {"family": work.name(255, separator=""), **super().request(work, properties)}

    def read(self, work, physical_id, properties):
        found = exists(work.client("ecs").describe_task_definition, taskDefinition=physical_id, include=["TAGS"])
        if found is None or found["taskDefinition"]["status"] != "ACTIVE":
            return None
        given = upper_first(found["taskDefinition"], _MAPS, _RENAMED)
        # Only what the template says of each container: ECS fills in the rest.
        wanted = {one.get("Name"): one for one in properties.get("ContainerDefinitions", [])}
        given["ContainerDefinitions"] = [
            {name: value for name, value in one.items() if name in wanted.get(one.get("Name"), one)}
            for one in given.get("ContainerDefinitions", [])
        ]
        return given


@register
class Service(_Containers):
    name = "AWS::ECS::Service"
    named_by = "ServiceName"
    shown = {"ServiceArn": "{id}", "Name": "{name}"}
    # Members of an update; what cannot be sent to UpdateService needs a replacement.
    _UPDATABLE = (
        "AvailabilityZoneRebalancing", "CapacityProviderStrategy", "DeploymentConfiguration", "EnableECSManagedTags",
        "EnableExecuteCommand", "HealthCheckGracePeriodSeconds", "LoadBalancers", "NetworkConfiguration",
        "PlacementConstraints", "PlacementStrategies", "PlatformVersion", "PropagateTags",
        "ServiceConnectConfiguration", "ServiceRegistries", "TaskDefinition", "VolumeConfigurations",
    )
    renamed = {**_RENAMED, "PlacementStrategies": "placementStrategy"}

    def needs_replacement(self, old, new):
        if super().needs_replacement(old, new):
            return True
        # From a launch type to another; to a capacity provider strategy ECS itself can go.
        return changed(old, new, "LaunchType") and bool(new.get("LaunchType"))

    def replaces_on(self, name, old, new):
        if name == "LaunchType":
            return "Always" if self.needs_replacement(old, new) else "Conditionally"
        return super().replaces_on(name, old, new)

    def create(self, work, properties):
        request = self.with_tags(self.request(work, properties), properties)
        request["serviceName"] = request.get("serviceName") or work.name(255)
        if request.get("schedulingStrategy", "REPLICA") != "DAEMON":
            request.setdefault("desiredCount", 1)
        ecs = work.client("ecs")
        service = ecs.create_service(**request)["service"]
        arn = work.made(service["serviceArn"])
        self._wait(work, properties, arn, service["currentServiceDeployment"])
        return arn

    def modify(self, work, ecs, arn, old, new):
        request, before = self.request(work, new), self.request(work, old)
        changes = {}
        for name in self._UPDATABLE:
            if not changed(old, new, name):
                continue
            member = self.renamed.get(name) or name[:1].lower() + name[1:]
            empty = [] if isinstance(before.get(member), list) else None
            value = request.get(member, empty)
            if value is not None:
                changes[member] = value
        if "PlatformVersion" in old and "PlatformVersion" not in new:
            changes["platformVersion"] = "LATEST"
        for member, default in (("enableExecuteCommand", False), ("healthCheckGracePeriodSeconds", 0)):
            if member in before and member not in request:
                changes[member] = default
        # Left out, it stays what the autoscaler, or a person, made of it.
        if "DesiredCount" in new and changed(old, new, "DesiredCount"):
            changes["desiredCount"] = new["DesiredCount"]
        if "capacityProviderStrategy" in changes:
            changes["forceNewDeployment"] = True
        if changes:
            before = self._described(work, new, arn)["currentServiceDeployment"]
            answer = ecs.update_service(cluster=new.get("Cluster", "default"), service=arn, **changes)
            after = answer["service"]["currentServiceDeployment"]
            self._wait(work, new, arn, after if after != before else None)

    def _described(self, work, properties, arn):
        found = work.client("ecs").describe_services(cluster=properties.get("Cluster", "default"), services=[arn])
        return next((one for one in found["services"] if one["status"] != "INACTIVE"), None)

    def _wait(self, work, properties, arn, deployment):
        """Until the service is stable after a service deployment of the stack's own, which fails the resource where it
        fails; without one, until the service is stable."""
        ecs, cluster = work.client("ecs"), properties.get("Cluster", "default")

        def settled():
            service = self._described(work, properties, arn)
            if service is None:
                raise Refused(f"Service {arn} was deleted while it was waited for.", "NotStabilized")
            newest = ecs.list_service_deployments(cluster=cluster, service=arn)["serviceDeployments"][0]
            if deployment:
                found = ecs.describe_service_deployments(serviceDeploymentArns=[deployment])["serviceDeployments"][0]
                # One that another took the place of is over, too: then that other one is waited for.
                stopped = newest["serviceDeploymentArn"] == deployment and newest["status"] not in _GOING_WELL
                for what, member in (("Alarm", "alarms"), ("Circuit Breaker", "deploymentCircuitBreaker")):
                    if found[member]["status"] == "TRIGGERED":
                        self._refuse(f"ECS Deployment {what} was triggered")
                if stopped:
                    self._refuse(newest.get("statusReason", newest["status"]))
            return (
                newest["status"] not in _UNDER_WAY
                and len(service["deployments"]) == 1
                and service["runningCount"] == service["desiredCount"]
            )

        work.wait(f"service {arn} did not become stable", settled)

    def _refuse(self, reason):
        raise Refused(f"Error occurred during operation '{reason}'.", "GeneralServiceException")

    def delete(self, work, physical_id, properties):
        ecs, cluster = work.client("ecs"), properties.get("Cluster", "default")
        if self._described(work, properties, physical_id) is None:
            return
        ignoring_missing(ecs.delete_service, cluster=cluster, service=physical_id, force=True)
        name = physical_id.rsplit("/", 1)[-1]

        def drained():
            service = self._described(work, properties, physical_id)
            # Its tasks, too: what they use is deleted next. No call, for AWS makes none.
            return service is None and not any(
                task.get("group") == f"service:{name}"
                and task.get("clusterArn", "").endswith(f":cluster/{physical_id.split('/')[-2]}")
                and task.get("lastStatus") != "STOPPED"
                for task in list(ministack_ecs._tasks.values())
            )

        work.wait(f"service {physical_id} did not drain", drained)

    def physical_id(self, identifier):
        return identifier["ServiceArn"]

    def read(self, work, physical_id, properties):
        service = self._described(work, properties, physical_id)
        if service is None:
            return None
        given = upper_first(service, _MAPS, self.renamed)
        given["Cluster"] = properties.get("Cluster")
        configuration = properties.get("DeploymentConfiguration") or {}
        given["DeploymentConfiguration"] = {
            name: value for name, value in given.get("DeploymentConfiguration", {}).items() if name in configuration
        }
        return given
