"""The target `eks`: the platform on Amazon EKS."""

from dataclasses import replace

import pulumi
import pulumi_aws as aws
import pulumi_command as command
import pulumi_random as random

from components.aws.beside import Counterparts
from components.aws.cluster import EksCluster, eks_name, resource_tags
from components.aws.identity import identified
from components.aws.network import Network
from components.gitops.charts import operated
from components.storage.s3 import S3Buckets
from components.storage.settings import S3Store
from stacks.cost import tell_of_cost
from stacks.foundation import Foundation
from stacks.mirroring import mirror_images
from stacks.settings import Settings
from stacks.stores import bearers, object_stores, readers, writes


def eks(settings: Settings) -> Foundation:
    """A VPC, an EKS cluster for each of the settings', and buckets beside them."""
    passwords = random.Provider("random")
    account = aws.Provider(
        "aws",
        region=settings.aws.region,
        allowed_account_ids=[settings.aws.account] if settings.aws.account else None,
        default_tags={"tags": resource_tags(settings.aws)},
    )
    amazon = pulumi.ResourceOptions(providers=[account, command.Provider("command")])
    network = Network(
        "network",
        settings.aws.network,
        region=settings.aws.region,
        clusters=[eks_name(cluster.name) for cluster in settings.clusters],
        opts=amazon,
    )
    made = {
        cluster.name: EksCluster(
            cluster.name,
            cluster,
            aws=settings.aws,
            network=network,
            operated=operated(settings.charts, cluster.name),
            opts=amazon,
        )
        for cluster in settings.clusters
    }
    clusters = {name: one.cluster for name, one in made.items()}
    mirror_images(settings)
    tell_of_cost(settings)
    buckets = (
        S3Buckets("store", settings.store, readers=readers(settings), writes=writes(settings), opts=amazon)
        if isinstance(settings.store, S3Store)
        else None
    )
    beside = Counterparts(
        "beside",
        settings.aws,
        settings.gateway,
        network=network,
        nodes={name: one.nodes for name, one in made.items()},
        bucket=settings.store.bucket,
        after=buckets.store.ready if buckets else (),
        opts=amazon.merge(pulumi.ResourceOptions(providers=[passwords])),
    )
    if buckets:
        federations = {name: one.federation for name, one in made.items()}
        store = identified(
            "store", buckets.store, bearers(settings, federations), chosen=settings.aws.roles, opts=amazon
        )
        stores = dict.fromkeys(clusters, store)
    else:
        stores = object_stores(settings, clusters, passwords)
    return Foundation(
        clusters={name: replace(one, ready=(*one.ready, *beside.ready)) for name, one in clusters.items()},
        stores={name: replace(store, files=beside.files.get(name)) for name, store in stores.items()},
        gateways=beside.surroundings,
        charts=beside.charts,
        random=passwords,
    )
