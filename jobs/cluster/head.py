"""An address of a Ray head becomes the id of its cluster, or the reason why there is none.

Ray's own client says within 40 s to 200 s that nobody answers, in lines of its own. This asks the
head's control process (GCS) one question and takes its answer, within 11 s.
"""

from __future__ import annotations

import os
import time

import grpc

from jobs.cluster.token import WANTED_TOKEN, read_token
from schemas.errors import BadInput

CLUSTER = "VRP_CLUSTER"  # of a submitted job: the id of the only cluster that it may join
ANSWER_S = 5.0  # a GCS that works answers in 2 ms
PAUSES_S = (1.0,)  # a head that is being started


def resolve_address() -> str:
    """Return what RAY_ADDRESS means: host:port of a head, or `local`.

    Empty or not set it is `local`: what was started last on this machine may be somebody else's.
    Raises BadInput for an address that no driver can join.
    """
    from ray._private import services

    address = os.environ.get("RAY_ADDRESS", "").strip() or "local"
    if address == "local":
        return address
    if address == "auto":
        found = services.canonicalize_bootstrap_address("auto")
        if found is None:
            raise BadInput(
                "RAY_ADDRESS asks for this machine's cluster, and there is none",
                "RAY_ADDRESS",
                "auto",
                "host:port of a head, a cluster begun here with `ray start --head`, or nothing: "
                "then this machine alone works",
            )
        return found
    _, colon, port = address.rpartition(":")
    if "://" in address or not colon or not port.isdigit():
        raise BadInput(
            "an address that is no head's",
            "RAY_ADDRESS",
            address,
            "host:port of a head, e.g. 10.0.0.1:6379; to work through its dashboard "
            "(http://host:8265), `vrp submit --address`",
        )
    return address


def cluster_of(address: str) -> str:
    """Return the id of the cluster whose head is at host:port; a head begun anew has another.

    Raises BadInput, saying what does not answer there.
    """
    for pause_s in (*PAUSES_S, None):
        try:
            return _ask(address)
        except grpc.RpcError as error:
            # Its type is a call's, which its stubs do not say.
            code, details = error.code(), error.details()  # pyright: ignore[reportAttributeAccessIssue]
            if code == grpc.StatusCode.UNAUTHENTICATED:
                got = "a token it does not accept" if read_token() else "no token"
                raise BadInput(
                    "the cluster refuses this user", address, got, WANTED_TOKEN
                ) from error
            if code != grpc.StatusCode.UNAVAILABLE or pause_s is None:
                raise BadInput(
                    "no Ray head answers",
                    f"RAY_ADDRESS {address}",
                    _told(code, details),
                    "host:port of a head that runs (`ray start --head` prints it), or no "
                    "RAY_ADDRESS: then this machine alone works",
                ) from error
        time.sleep(pause_s)
    raise AssertionError("the last try returns or raises")


def _ask(address: str) -> str:
    from ray.core.generated import gcs_service_pb2 as gcs
    from ray.core.generated import gcs_service_pb2_grpc as gcs_grpc

    token = read_token()
    metadata = [("authorization", f"Bearer {token}")] if token else []
    with grpc.insecure_channel(address) as channel:
        stub = gcs_grpc.NodeInfoGcsServiceStub(channel)
        # Messages of a .proto file: their types exist when it is loaded.
        question = gcs.GetClusterIdRequest()  # pyright: ignore[reportAttributeAccessIssue]
        answer = stub.GetClusterId(question, timeout=ANSWER_S, metadata=metadata)
        return answer.cluster_id.hex()


def _told(code: grpc.StatusCode, details: str | None) -> str:
    if code == grpc.StatusCode.DEADLINE_EXCEEDED:
        return f"a connection, and no answer within {ANSWER_S:.0f} s"
    details = details or code.name
    if "HTTP/2" in details:
        return "a server of another kind"
    if "refused" in details:
        return "nobody listens there (connection refused)"
    return details
