#!/usr/bin/env python3
"""Messages sealed to an X-Wing key, with HKDF-SHA256 and AES-256-GCM, by OpenSSL.

Reads one JSON object (seed, info, aad, message; all in hexadecimal), and writes the public
key of the seed, the message sealed to it, or the sealed message opened.
"""

import hashlib
import json
import sys

from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

SUITE = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)


def private_key(seed):
    """expandDecapsulationKey of draft-connolly-cfrg-xwing-kem, and the public key's bytes."""
    expanded = hashlib.shake_256(seed).digest(96)
    mlkem = MLKEM768PrivateKey.from_seed_bytes(expanded[:64])
    x25519 = X25519PrivateKey.from_private_bytes(expanded[64:])
    public = mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()
    return hpke.MLKEM768X25519PrivateKey(mlkem, x25519), public


def main():
    (task,) = sys.argv[1:]
    given = {name: bytes.fromhex(value) for name, value in json.load(sys.stdin).items()}
    key, public = private_key(given["seed"])
    message, rest = given["message"], (given["info"], given["aad"])
    # The public functions have no `aad`.
    results = {
        "public": lambda: public,
        "seal": lambda: hpke.rust_openssl.hpke._encrypt_with_aad(
            SUITE, message, key.public_key(), *rest
        ),
        "open": lambda: hpke.rust_openssl.hpke._decrypt_with_aad(SUITE, message, key, *rest),
    }
    print(results[task]().hex())


if __name__ == "__main__":
    main()
