"""List prices of Amazon's, in US dollars without tax. What was not seen in a source is not here.

Instances: Amazon's own price list of 2026-07-20, as aws/karpenter-provider-aws has it in
pkg/providers/pricing/zz_generated.pricing_aws.go (Linux, on demand). The others are what infracost made of that list
for us-east-1 in the tests of its repository, each with the day of the test; FSx is from c3x.dev, seen 2026-11-22.
"""

from collections.abc import Mapping
from decimal import Decimal

DATE = "2026-07-20"
"""Day of the instances' prices."""
HOURS = 730
"""Of a month, as in Amazon's own calculator."""

CONTROL_PLANE = "eks-cluster"
NAT = "nat-gateway"
ENDPOINT = "interface-endpoint"
"""In one zone."""
GP3 = "gp3-gb-month"
EFS = "efs-gb-month"
LUSTRE = "fsx-lustre-gb-month"
"""SSD, persistent, with the throughput below."""
LUSTRE_THROUGHPUT = 125
"""MB/s for each TiB."""
S3 = "s3-gb-month"
KEY = "kms-key-month"
LOAD_BALANCER = "load-balancer"
"""Application or network; without the units of its traffic."""

_INSTANCES_OF_US_EAST_1 = """
c6i    large=0.085 xlarge=0.17 2xlarge=0.34 4xlarge=0.68 8xlarge=1.36
c7i    large=0.08925 xlarge=0.1785 2xlarge=0.357 4xlarge=0.714 8xlarge=1.428
g4dn   xlarge=0.526 2xlarge=0.752 4xlarge=1.204 8xlarge=2.176 12xlarge=3.912 16xlarge=4.352
g5     xlarge=1.006 2xlarge=1.212 4xlarge=1.624 8xlarge=2.448 12xlarge=5.672 16xlarge=4.096 24xlarge=8.144
g5     48xlarge=16.288
g5g    xlarge=0.42 2xlarge=0.556 4xlarge=0.828 8xlarge=1.372 16xlarge=2.744
g6     xlarge=0.8048 2xlarge=0.9776 4xlarge=1.3232 8xlarge=2.0144 12xlarge=4.6016 16xlarge=3.3968 24xlarge=6.6752
g6     48xlarge=13.3504
g6e    xlarge=1.861 2xlarge=2.24208 4xlarge=3.00424 8xlarge=4.52856 12xlarge=10.49264 16xlarge=7.57719
g6e    24xlarge=15.06559 48xlarge=30.13118
g7e    2xlarge=3.36312 4xlarge=3.99816 8xlarge=5.26824 12xlarge=8.28608 24xlarge=16.57216 48xlarge=33.14432
gr6    4xlarge=1.5392 8xlarge=2.4464
m5     large=0.096 xlarge=0.192 2xlarge=0.384 4xlarge=0.768 8xlarge=1.536
m6a    large=0.0864 xlarge=0.1728 2xlarge=0.3456 4xlarge=0.6912 8xlarge=1.3824
m6g    large=0.077 xlarge=0.154 2xlarge=0.308 4xlarge=0.616 8xlarge=1.232
m6i    large=0.096 xlarge=0.192 2xlarge=0.384 4xlarge=0.768 8xlarge=1.536
m7a    large=0.11592 xlarge=0.23184 2xlarge=0.46368 4xlarge=0.92736 8xlarge=1.85472
m7g    large=0.0816 xlarge=0.1632 2xlarge=0.3264 4xlarge=0.6528 8xlarge=1.3056
m7i    large=0.1008 xlarge=0.2016 2xlarge=0.4032 4xlarge=0.8064 8xlarge=1.6128
p4d    24xlarge=21.957642
p4de   24xlarge=27.44705
p5     4xlarge=6.88 48xlarge=55.04
p5en   48xlarge=63.296
p6-b200 48xlarge=113.9328
p6-b300 48xlarge=142.416
r6i    large=0.126 xlarge=0.252 2xlarge=0.504 4xlarge=1.008 8xlarge=2.016
t3     large=0.0832 xlarge=0.1664 2xlarge=0.3328
"""


def _instances(table: str) -> dict[str, Decimal]:
    """Prices of an hour by instance type."""
    rows = (line.split() for line in table.strip().splitlines())
    sizes = ((family, *size.split("=")) for family, *sizes in rows for size in sizes)
    return {f"{family}.{size}": Decimal(price) for family, size, price in sizes}


PRICES: Mapping[str, Mapping[str, Decimal]] = {
    "us-east-1": {
        **_instances(_INSTANCES_OF_US_EAST_1),
        CONTROL_PLANE: Decimal("0.10"),  # 2025-07-07, in standard support
        NAT: Decimal("0.045"),  # 2024-07-01
        ENDPOINT: Decimal("0.01"),  # 2024-10-18
        GP3: Decimal("0.08"),  # 2024-07-01
        EFS: Decimal("0.30"),  # 2024-07-01, standard storage
        LUSTRE: Decimal("0.145"),
        S3: Decimal("0.023"),  # 2024-07-01, standard storage, the first 50 TB
        KEY: Decimal("1"),  # 2024-07-01
        LOAD_BALANCER: Decimal("0.0225"),  # 2024-07-01
    }
}
"""By region: prices of an hour, or of what the name ends in."""
