"""Media types that Schemathesis does not know: bodies that are bytes or text as they are, and
answers that are JSON by another name. It also puts things that exist into some requests, which
tests/tests/openapi/schemathesis.rs names, since a random mailbox or record never does.
"""

import json
import os
import zlib

import schemathesis
from schemathesis import GenerationMode
from schemathesis.transport.serialization import serialize_binary

BYTES = [
    "application/private-token-request",
    "application/private-token-generic-batch-request",
    "application/private-token-amortized-batch-request",
    "application/vnd.pennyblack.sealed-passport",
    "message/ohttp-req",
]
TEXTS = [
    "application/vnd.pennyblack.key-record+jwt",
    "message/sip",
    "application/sip",
]
JSON = [
    "application/private-token-issuer-directory",
    "application/vnd.pennyblack.key-records+json",
]

# By the names of parameters: values that exist.
EXISTING = json.loads(os.environ.get("PENNYBLACK_EXISTING", "{}"))


@schemathesis.serializer(*BYTES, *TEXTS)
def as_it_is(ctx, value):
    return serialize_binary(value)


@schemathesis.deserializer("application/vnd.pennyblack.key-record+jwt")
def text(ctx, response):
    return response.text


@schemathesis.deserializer(*JSON)
def json_by_another_name(ctx, response):
    return json.loads(response.content)


@schemathesis.hook
def before_call(context, case, kwargs):
    if case.meta is None or case.meta.generation.mode != GenerationMode.POSITIVE:
        return
    for name, value in case.path_parameters.items():
        # Every other one, by what was drawn: no run differs from the next.
        if name in EXISTING and zlib.crc32(str(value).encode()) % 2:
            case.path_parameters[name] = EXISTING[name]
