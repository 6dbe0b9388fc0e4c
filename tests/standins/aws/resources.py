"""Any resource of AWS's, in the account that the environment names."""
# ruff: noqa: ARG002 (the provider's protocol says which arguments there are)

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace

from tests.standins import wire
from tests.standins.aws import ACCOUNT, identities, rules
from tests.standins.aws.account import Account, Thing, key
from tests.standins.aws.clusters import ControlPlanes
from tests.standins.aws.identities import Place
from tests.standins.aws.interruptions import Interruption
from tests.standins.aws.schema import mistakes, schema
from tests.standins.provider import Call, InvalidInputs, Kind, ProviderError
from tests.standins.wire import UNKNOWN, Change, Properties

_SECONDS = 0.05
"""How long anything takes."""
_REPLACING: Mapping[str, frozenset[str]] = {
    rules.VPC: frozenset({"cidrBlock"}),
    rules.SUBNET: frozenset({"vpcId", "cidrBlock", "availabilityZone"}),
    rules.CLUSTER: frozenset({"name", "roleArn", "encryptionConfig", "kubernetesNetworkConfig"}),
    rules.NODES: frozenset(
        {
            "clusterName",
            "nodeGroupName",
            "nodeRoleArn",
            "subnetIds",
            "instanceTypes",
            "amiType",
            "capacityType",
            "diskSize",
        }
    ),
    rules.ROLE: frozenset({"name", "path"}),
    rules.BUCKET: frozenset({"bucket"}),
    rules.GROUP: frozenset({"name", "description", "vpcId"}),
    "aws:ec2/natGateway:NatGateway": frozenset({"subnetId", "allocationId"}),
    "aws:eks/addon:Addon": frozenset({"clusterName", "addonName"}),
    "aws:eks/accessEntry:AccessEntry": frozenset({"clusterName", "principalArn", "type"}),
}
"""Of which another value makes a new one, beside what the package's documentation says."""


class Resources(Mapping[str, Kind]):
    """Every type there is, by its token."""

    def __init__(self, account: Account) -> None:
        self._account, self._interruption = account, Interruption()
        self._place = Place(account=ACCOUNT, region="us-east-1", tags={})
        self._planes = ControlPlanes(account)

    def configure(self, settings: Properties) -> None:
        """Take the provider's settings."""
        tags = _decoded(settings.get("defaultTags")) or {}
        allowed = _decoded(settings.get("allowedAccountIds")) or [ACCOUNT]
        assert isinstance(tags, dict)
        assert isinstance(allowed, list)
        given = tags.get("tags") or {}
        assert isinstance(given, dict)
        self._place = Place(
            account=str(allowed[0]),
            region=str(settings.get("region") or "us-east-1"),
            tags={name: str(value) for name, value in given.items()},
        )

    def __getitem__(self, token: str) -> Kind:
        if not schema(token):
            raise KeyError(token)
        return _Resource(token, self._account, self._place, self._planes, self._interruption)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


class _Resource:
    """One type."""

    def __init__(
        self, token: str, account: Account, place: Place, planes: ControlPlanes, interruption: Interruption
    ) -> None:
        self._token, self._account, self._place = token, account, place
        self._planes, self._interruption = planes, interruption

    def check(self, inputs: Properties) -> Properties:
        if wrong := mistakes(self._token, inputs):
            raise InvalidInputs(wrong)
        return inputs

    def named(self, call: Call, old_inputs: Properties, inputs: Properties, seed: bytes) -> Properties:
        return identities.named(self._token, call.name, old_inputs, inputs, seed)

    def diff(self, state: Properties, old_inputs: Properties, inputs: Properties) -> Mapping[str, Change]:
        return wire.differences(_given(old_inputs), _given(inputs))

    def replaces(self, path: str) -> bool:
        found = schema(self._token)
        first = path.partition(".")[0].partition("[")[0]
        return bool(found) and first in found.replacing | _REPLACING.get(self._token, frozenset())

    def create(self, call: Call, inputs: Properties) -> tuple[str, Properties]:
        if call.preview:
            return "", _given(inputs)
        self._interruption.before(self._token)
        time.sleep(_SECONDS)
        with self._account.changed() as things:
            # What AWS has made with the VPC is one and the same, however often it is asked for.
            number = 0 if ":Default" in self._token else len(things)
            plain = wire.plain(_given(inputs))
            rules.refuse_creation(things, self._token, plain)
            identity, outputs = identities.made(self._token, call.name, plain, number, self._place)
            thing = Thing(type=self._token, identity=identity, name=call.name, inputs=plain, outputs=outputs)
            thing = replace(thing, outputs=outputs | self._planes.made(thing))
            for one in (thing, *rules.appear_with(things, thing)):
                things[key(one.type, one.identity)] = one
        self._account.note("create", self._token, call.name)
        self._interruption.after(self._token)
        return identity, thing.outputs | _given(inputs) | _computed_within(thing, inputs)

    def update(self, call: Call, state: Properties, inputs: Properties) -> Properties:
        if call.preview:
            return {**state, **_given(inputs)}
        time.sleep(_SECONDS)
        identity = call.identity
        with self._account.changed() as things:
            if key(self._token, identity) not in things:
                raise ProviderError(f"ResourceNotFoundException: {self._token} {identity} does not exist")
            thing = things[key(self._token, identity)]
            thing = replace(thing, inputs=wire.plain(_given(inputs)))
            version = thing.outputs.get("latestVersion")
            more: Properties = {"latestVersion": version + 1} if isinstance(version, int) else {}
            kept = {name: value for name, value in thing.outputs.items() if name not in thing.inputs}
            thing = replace(thing, outputs={**kept, **thing.inputs, **more, **_computed_within(thing, thing.inputs)})
            self._planes.changed(thing)
            things[key(self._token, identity)] = thing
        self._account.note("update", self._token, call.name)
        return thing.outputs | _given(inputs) | _computed_within(thing, inputs)

    def delete(self, call: Call, state: Properties) -> None:
        time.sleep(_SECONDS)
        identity = call.identity
        with self._account.changed() as things:
            thing = things.get(key(self._token, identity))
            if thing:
                others = rules.vanish_with(things, thing)
                rules.refuse_deletion(
                    {k: v for k, v in things.items() if k not in others or v.type == rules.NODES}, thing
                )
                self._planes.gone(thing)
                for one in (key(self._token, identity), *others):
                    things.pop(one, None)
        self._account.note("delete", self._token, call.name)

    def read(self, identity: str, state: Properties, inputs: Properties) -> tuple[str, Properties, Properties]:
        found = [thing for thing in self._account.things(self._token) if thing.identity == identity]
        if not found:
            return "", {}, {}
        return identity, state or found[0].outputs, inputs or found[0].inputs


def _given(inputs: Properties) -> Properties:
    return {name: value for name, value in inputs.items() if value is not None and not name.startswith("__")}


def _computed_within(thing: Thing, inputs: Properties) -> Properties:
    """What AWS adds to an object that is an input too."""
    inside, given = thing.outputs.get("vpcConfig"), inputs.get("vpcConfig")
    if thing.type != rules.CLUSTER or not isinstance(inside, dict) or not isinstance(given, dict):
        return {}
    return {"vpcConfig": {**inside, **given}}


def _decoded(value: wire.Wire) -> wire.Wire:
    return json.loads(value) if isinstance(value, str) and value and value != UNKNOWN else None
