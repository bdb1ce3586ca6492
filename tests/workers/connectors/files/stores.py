"""Google's and Azure's stores, simulated, with what an integration must say to get in."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.simulators.buckets.azure import SERVER_BUSY, AzureSimulator
from tests.simulators.buckets.gcs import GcsSimulator
from tests.simulators.buckets.objects import Objects
from tests.simulators.faults import TOO_MANY, Fault
from tests.simulators.serve import serving_in_thread

ACCOUNT_KEY = "Z2VoZWltZXIgU2NobMO8c3NlbA=="
SAS = "sv=2025-01-05&sp=rl&sig=geheimeSignatur"


@dataclass(frozen=True, slots=True)
class Store:
    """`root` stands before the names of objects; `options` are those of its place."""

    root: str
    options: dict[str, Any]
    simulator: GcsSimulator | AzureSimulator
    throttled: Fault
    """How it says that it is asked too often."""

    @property
    def objects(self) -> Objects:
        return self.simulator.objects


@cache
def _key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def service_account(url: str, key: rsa.RSAPrivateKey) -> str:
    """What Google gives out as JSON, with its token served from `url`."""
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return json.dumps(
        {
            "type": "service_account",
            "project_id": "p",
            "private_key_id": "1",
            "private_key": pem.decode(),
            "client_email": "it@p.iam.gserviceaccount.com",
            "token_uri": f"{url}/token",
        }
    )


@contextmanager
def google() -> Iterator[Store]:
    public = _key().public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    simulator = GcsSimulator("box", public_key=pem)
    with serving_in_thread(simulator.application) as url:
        options = {"endpoint_url": url, "service_account": service_account(url, _key())}
        yield Store("gs://box/", {"gcs": options}, simulator, TOO_MANY)


@contextmanager
def azure() -> Iterator[Store]:
    simulator = AzureSimulator("acme", "box", key=ACCOUNT_KEY, sas="geheimeSignatur")
    with serving_in_thread(simulator.application) as url:
        options = {"account_name": "acme", "account_key": ACCOUNT_KEY, "endpoint_url": f"{url}/acme"}
        yield Store("az://box/", {"azure": options}, simulator, SERVER_BUSY)


STORES: dict[str, Callable[[], AbstractContextManager[Store]]] = {"google": google, "azure": azure}
