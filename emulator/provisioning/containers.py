"""Amazon ECS: clusters, capacity providers, task definitions, services."""

from ministack.services import ecs as emulated

from provisioning.calls import Refused
from provisioning.resource import (
    ResourceType,
    changed,
    exists,
    ignoring_missing,
    lower_first,
    register,
    tag_changes,
    tag_list,
    upper_first,
    without,
)

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


def _request(properties):
    given = lower_first(without(properties, "Tags"), _MAPS, _RENAMED)
    if properties.get("Tags"):
        given["tags"] = _tags(properties["Tags"])
    return given


def _tags(tags):
    return tag_list(tags, "key", "value")


def _retag(ecs, arn, old, new):
    added, removed = tag_changes(old.get("Tags"), new.get("Tags"))
    if added:
        ecs.tag_resource(resourceArn=arn, tags=_tags(added))
    if removed:
        ecs.untag_resource(resourceArn=arn, tagKeys=removed)


class _Containers(ResourceType):
    service_name = "AmazonECS"


@register
class Cluster(_Containers):
    name = "AWS::ECS::Cluster"
    named_by = "ClusterName"

    def create(self, work, properties):
        name = properties.get("ClusterName") or work.name(255)
        ecs = work.client("ecs")
        found = ecs.describe_clusters(clusters=[name])["clusters"]
        if any(cluster["status"] == "ACTIVE" for cluster in found):
            raise Refused(
                f"Resource of type '{self.name}' with identifier '{{\"/properties/ClusterName\":\"{name}\"}}' "
                "already exists.",
                "AlreadyExists",
            )
        request = _request({**properties, "ClusterName": name})
        request["settings"] = request.pop("clusterSettings", [])
        ecs.create_cluster(**request)
        return work.made(name)

    def update(self, work, physical_id, old, new):
        ecs = work.client("ecs")
        request = _request(new)
        changes = {}
        if changed(old, new, "ClusterSettings"):
            # A setting that left the template goes back to what it is without one.
            absent = {one["Name"] for one in old.get("ClusterSettings", [])}
            absent -= {one["Name"] for one in new.get("ClusterSettings", [])}
            changes["settings"] = request.get("clusterSettings", []) + [
                {"name": name, "value": "disabled"} for name in sorted(absent)
            ]
        for name in ("configuration", "serviceConnectDefaults"):
            if changed(old, new, name[:1].upper() + name[1:]):
                changes[name] = request.get(name, {})
        if changes:
            ecs.update_cluster(cluster=physical_id, **changes)
        if changed(old, new, "CapacityProviders", "DefaultCapacityProviderStrategy"):
            ecs.put_cluster_capacity_providers(
                cluster=physical_id,
                capacityProviders=request.get("capacityProviders", []),
                defaultCapacityProviderStrategy=request.get("defaultCapacityProviderStrategy", []),
            )
        _retag(ecs, self.attributes(work, physical_id, new)["Arn"], old, new)

    def delete(self, work, physical_id, properties):
        ignoring_missing(work.client("ecs").delete_cluster, cluster=physical_id)

    def attributes(self, work, physical_id, properties):
        return {"Arn": f"arn:aws:ecs:{work.region}:{work.account}:cluster/{physical_id}"}

    def read(self, work, physical_id, properties):
        found = work.client("ecs").describe_clusters(clusters=[physical_id], include=["SETTINGS", "CONFIGURATIONS"])
        for cluster in found["clusters"]:
            if cluster["status"] == "ACTIVE":
                given = upper_first(cluster, _MAPS, _RENAMED)
                given["ClusterSettings"] = given.get("Settings", [])
                return given
        return None


@register
class CapacityProvider(_Containers):
    name = "AWS::ECS::CapacityProvider"
    named_by = "Name"

    def create(self, work, properties):
        name = properties.get("Name") or work.name(255)
        request = _request({**properties, "Name": name})
        # A template may name the group; ECS shows its ARN.
        provider = request.get("autoScalingGroupProvider") or {}
        group = str(provider.get("autoScalingGroupArn", ""))
        if group and not group.startswith("arn:"):
            groups = work.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[group])
            for found in groups["AutoScalingGroups"]:
                provider["autoScalingGroupArn"] = found["AutoScalingGroupARN"]
        work.client("ecs").create_capacity_provider(**request)
        return work.made(name)

    def update(self, work, physical_id, old, new):
        ecs = work.client("ecs")
        provider = without(new.get("AutoScalingGroupProvider", {}), "AutoScalingGroupArn")
        if changed(old, new, "AutoScalingGroupProvider"):
            ecs.update_capacity_provider(name=physical_id, autoScalingGroupProvider=lower_first(provider))
        _retag(ecs, f"arn:aws:ecs:{work.region}:{work.account}:capacity-provider/{physical_id}", old, new)

    def delete(self, work, physical_id, properties):
        ignoring_missing(work.client("ecs").delete_capacity_provider, capacityProvider=physical_id)

    def read(self, work, physical_id, properties):
        found = work.client("ecs").describe_capacity_providers(capacityProviders=[physical_id])
        for provider in found["capacityProviders"]:
            if provider["status"] == "ACTIVE":
                given = upper_first(provider)
                group = given.get("AutoScalingGroupProvider") or {}
                wanted = (properties.get("AutoScalingGroupProvider") or {}).get("AutoScalingGroupArn", "")
                if str(group.get("AutoScalingGroupArn", "")).endswith(f"/{wanted}"):
                    group["AutoScalingGroupArn"] = wanted
                return given
        return None


@register
class ClusterCapacityProviderAssociations(_Containers):
    name = "AWS::ECS::ClusterCapacityProviderAssociations"
    tags = None

    def _put(self, work, properties):
        request = _request(properties)
        work.client("ecs").put_cluster_capacity_providers(
            cluster=properties["Cluster"],
            capacityProviders=request.get("capacityProviders", []),
            defaultCapacityProviderStrategy=request.get("defaultCapacityProviderStrategy", []),
        )

    def create(self, work, properties):
        self._put(work, properties)
        return work.made(properties["Cluster"])

    def update(self, work, physical_id, old, new):
        self._put(work, new)

    def delete(self, work, physical_id, properties):
        ignoring_missing(
            work.client("ecs").put_cluster_capacity_providers,
            cluster=physical_id,
            capacityProviders=[],
            defaultCapacityProviderStrategy=[],
        )

    def read(self, work, physical_id, properties):
        for cluster in work.client("ecs").describe_clusters(clusters=[physical_id])["clusters"]:
            if cluster["status"] == "ACTIVE":
                return {
                    "Cluster": properties.get("Cluster", physical_id),
                    "CapacityProviders": cluster.get("capacityProviders", []),
                    "DefaultCapacityProviderStrategy": upper_first(cluster.get("defaultCapacityProviderStrategy", [])),
                }
        return None


@register
class TaskDefinition(_Containers):
    name = "AWS::ECS::TaskDefinition"

    def create(self, work, properties):
        request = _request(properties)
        # A family has no separators of its own: stack, logical id and suffix run together.
        request.setdefault("family", work.name(255, separator=""))
        definition = work.client("ecs").register_task_definition(**request)["taskDefinition"]
        return work.made(definition["taskDefinitionArn"])

    def update(self, work, physical_id, old, new):
        _retag(work.client("ecs"), physical_id, old, new)

    def delete(self, work, physical_id, properties):
        ignoring_missing(work.client("ecs").deregister_task_definition, taskDefinition=physical_id)

    def attributes(self, work, physical_id, properties):
        return {"TaskDefinitionArn": physical_id}

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
    # Members of an update; what cannot be sent to UpdateService needs a replacement.
    _UPDATABLE = (
        "AvailabilityZoneRebalancing",
        "CapacityProviderStrategy",
        "DeploymentConfiguration",
        "EnableECSManagedTags",
        "EnableExecuteCommand",
        "HealthCheckGracePeriodSeconds",
        "LoadBalancers",
        "NetworkConfiguration",
        "PlacementConstraints",
        "PlacementStrategies",
        "PlatformVersion",
        "PropagateTags",
        "ServiceConnectConfiguration",
        "ServiceRegistries",
        "TaskDefinition",
        "VolumeConfigurations",
    )
    _RENAMED = {**_RENAMED, "PlacementStrategies": "placementStrategy"}

    def _request(self, properties):
        given = lower_first(without(properties, "Tags", "ForceNewDeployment"), _MAPS, self._RENAMED)
        if properties.get("Tags"):
            given["tags"] = _tags(properties["Tags"])
        return given

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
        request = self._request(properties)
        request["serviceName"] = request.get("serviceName") or work.name(255)
        if request.get("schedulingStrategy", "REPLICA") != "DAEMON":
            request.setdefault("desiredCount", 1)
        ecs = work.client("ecs")
        service = ecs.create_service(**request)["service"]
        arn = work.made(service["serviceArn"])
        self._wait(work, properties, arn, service["deployments"][0]["id"])
        return arn

    def update(self, work, physical_id, old, new):
        ecs = work.client("ecs")
        request, before = self._request(new), self._request(old)
        changes = {}
        for name in self._UPDATABLE:
            if not changed(old, new, name):
                continue
            member = self._RENAMED.get(name) or name[:1].lower() + name[1:]
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
        force = new.get("ForceNewDeployment") or {}
        if force.get("EnableForceNewDeployment") and force != old.get("ForceNewDeployment"):
            changes["forceNewDeployment"] = True
        if changes:
            service = ecs.update_service(cluster=new.get("Cluster", "default"), service=physical_id, **changes)
            self._wait(work, new, physical_id, service["service"]["deployments"][0]["id"])
        _retag(ecs, physical_id, old, new)

    def _described(self, work, properties, arn):
        found = work.client("ecs").describe_services(cluster=properties.get("Cluster", "default"), services=[arn])
        return next((one for one in found["services"] if one["status"] != "INACTIVE"), None)

    def _failed(self, arn):
        """What ended the deployments that failed; AWS lists them for ever, the emulator does not."""
        for service in list(emulated._services.values()):
            if service.get("serviceArn") == arn:
                return service.get("_failed_deployments") or {}
        return {}

    def _wait(self, work, properties, arn, deployment_id):
        """Until the deployment is complete and the only one; a failed one fails the resource."""

        def settled():
            service = self._described(work, properties, arn)
            if service is None:
                raise Refused(f"Service {arn} was deleted while it was waited for.", "NotStabilized")
            # One that another took the place of is over, too: then that other one is waited for.
            ended_by = self._failed(arn).get(deployment_id)
            if ended_by:
                method = "Alarm" if ended_by.endswith("alarm") else "Circuit Breaker"
                raise Refused(
                    f"Error occurred during operation 'ECS Deployment {method} was triggered'.",
                    "GeneralServiceException",
                )
            first = service["deployments"][0]
            return (
                len(service["deployments"]) == 1
                and first.get("rolloutState", "COMPLETED") == "COMPLETED"
                and service["runningCount"] == service["desiredCount"]
            )

        work.wait(f"service {arn} did not become stable", settled)

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
                for task in list(emulated._tasks.values())
            )

        work.wait(f"service {physical_id} did not drain", drained)

    def attributes(self, work, physical_id, properties):
        return {"ServiceArn": physical_id, "Name": physical_id.rsplit("/", 1)[-1]}

    def physical_id(self, identifier):
        return identifier["ServiceArn"]

    def read(self, work, physical_id, properties):
        service = self._described(work, properties, physical_id)
        if service is None:
            return None
        given = upper_first(service, _MAPS, self._RENAMED)
        given["Cluster"] = properties.get("Cluster")
        configuration = properties.get("DeploymentConfiguration") or {}
        given["DeploymentConfiguration"] = {
            name: value for name, value in given.get("DeploymentConfiguration", {}).items() if name in configuration
        }
        return given
