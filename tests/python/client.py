#!/usr/bin/env python3
"""A client of Oblivious HTTP that shares no code with this project.

Reads a request as one JSON object (method, scheme, authority, path, fields, content in
hexadecimal), seals it to the first fitting key of a gateway, sends it through a relay, and
writes each answer as one line of JSON: status, fields, content, and how many bytes the relay
saw of both.
"""

import argparse
import json
import sys
from urllib.request import ProxyHandler, Request, build_opener

from binary_http import read_response, write_request
from oblivious_http import Encapsulation, KeyConfiguration
from pyhpke import KEMId

KEMS = {"x25519": KEMId.DHKEM_X25519_HKDF_SHA256, "p256": KEMId.DHKEM_P256_HKDF_SHA256}
# No relay or gateway takes longer.
TIMEOUT = 30

http = build_opener(ProxyHandler({}))


def exchange(request, media_type):
    """Sends it, and the content of the answer, which must have this type."""
    with http.open(request, timeout=TIMEOUT) as answer:
        if answer.headers["content-type"] != media_type:
            raise ValueError(f"{request.full_url} answered {answer.headers['content-type']}")
        return answer.read()


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--keys", required=True, help="URL of the gateway's key configurations")
    options.add_argument("--relay", required=True, help="URL of the gateway at the relay")
    options.add_argument("--kem", choices=KEMS, default="x25519")
    options.add_argument("--pad", type=int, default=0, help="bytes of the message that is sealed")
    options.add_argument("--indeterminate", action="store_true", help="send content in chunks")
    options.add_argument("--replay", type=int, default=0, help="send the same bytes again so often")
    chosen = options.parse_args()

    keys = KeyConfiguration.read_list(exchange(Request(chosen.keys), "application/ohttp-keys"))
    key = next(key for key in keys if key.kem == KEMS[chosen.kem])
    message = write_request(json.load(sys.stdin), chosen.indeterminate, chosen.pad)
    request = Encapsulation(key, message)
    for _ in range(1 + chosen.replay):
        post = Request(
            chosen.relay, request.sealed, {"content-type": "message/ohttp-req"}, method="POST"
        )
        sealed = exchange(post, "message/ohttp-res")
        answer = read_response(request.open(sealed))
        sizes = {"sealed_request": len(request.sealed), "sealed_answer": len(sealed)}
        print(json.dumps(answer | sizes))


if __name__ == "__main__":
    main()
