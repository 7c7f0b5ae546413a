"""Turn a job's storage section into the options of an S3 client."""

from typing import Any

from schemas.job.storage import KmsEncryption, Storage


def s3_options(storage: Storage) -> dict[str, Any]:
    """Return the options of s3fs; they hold credentials."""
    from pipeline.storage.patient_s3 import CONNECT_S, SILENCE_S  # noqa: PLC0415

    client: dict[str, str] = {}
    if storage.endpoint_url:
        client["endpoint_url"] = storage.endpoint_url
    if storage.region:
        client["region_name"] = storage.region
    secrets = {"key": storage.key, "secret": storage.secret, "token": storage.token}
    return {
        "anon": storage.anonymous,
        "requester_pays": storage.requester_pays,
        # s3fs gives them to those requests that take them: PUT, and the first of a multipart one.
        "s3_additional_kwargs": _encryption(storage),
        "client_kwargs": client,
        "config_kwargs": {
            "connect_timeout": CONNECT_S,
            "read_timeout": SILENCE_S,
            # One try: PatientS3 repeats them.
            "retries": {"mode": "standard", "total_max_attempts": 1},
            "max_pool_connections": 32,
            # Trailing checksums, botocore's default, are refused by Ceph RGW 16.
            "request_checksum_calculation": "when_required",
            "response_checksum_validation": "when_required",
        },
        **{name: value.get_secret_value() for name, value in secrets.items() if value},
    }


def _encryption(storage: Storage) -> dict[str, str]:
    chosen = storage.encryption
    if chosen is None:
        return {}
    headers = {"ServerSideEncryption": chosen.type}
    if isinstance(chosen, KmsEncryption) and chosen.key_id:
        headers["SSEKMSKeyId"] = chosen.key_id
    return headers
