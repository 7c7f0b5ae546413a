"""Where results are written, and how object storage is reached."""

from typing import Annotated, Literal

from pydantic import Field, SecretStr

from schemas.spec import Spec, Uri


class Output(Spec):
    """Where labels are committed."""

    uri: Uri = Field(description="A folder: a local path or s3://bucket/prefix.")


class S3KeyEncryption(Spec):
    """SSE-S3: the store encrypts with keys of its own."""

    type: Literal["AES256"]


class KmsEncryption(Spec):
    """SSE-KMS: nodes need kms:GenerateDataKey to write, and kms:Decrypt to read back."""

    type: Literal["aws:kms"]
    key_id: str | None = Field(
        default=None, min_length=1, description="Id or ARN; left out, the account's own S3 key."
    )


Encryption = Annotated[S3KeyEncryption | KmsEncryption, Field(discriminator="type")]


class Storage(Spec):
    """Object storage, where the usual AWS variables do not already say it. Never logged."""

    endpoint_url: str | None = None
    region: str | None = None
    anonymous: bool = False
    requester_pays: bool = Field(
        default=False, description="This account pays for requests to buckets that ask for it."
    )
    encryption: Encryption | None = Field(
        default=None,
        description="Asked for with every object written; left out, the bucket's default.",
    )
    key: SecretStr | None = None
    secret: SecretStr | None = None
    token: SecretStr | None = None
