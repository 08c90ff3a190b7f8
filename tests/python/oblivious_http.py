"""Oblivious HTTP (RFC 9458), the client's half, on HPKE by pyhpke."""

import struct

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pyhpke import AEADId, CipherSuite, KDFId, KEMId

# Npk, which is Nenc, too (RFC 9180 section 7.1).
PUBLIC_KEY_SIZES = {KEMId.DHKEM_X25519_HKDF_SHA256: 32, KEMId.DHKEM_P256_HKDF_SHA256: 65}
# Nk and Nn (RFC 9180 section 7.3).
AEAD_SIZES = {AEADId.AES128_GCM: (16, 12), AEADId.AES256_GCM: (32, 12)}


class KeyConfiguration:
    """A key configuration (RFC 9458 section 3.1), of a KEM that pyhpke has."""

    def __init__(self, encoded):
        self.key_id, kem = struct.unpack_from(">BH", encoded)
        self.kem = KEMId(kem)
        end = 3 + PUBLIC_KEY_SIZES[self.kem]
        self.public_key = encoded[3:end]
        (length,) = struct.unpack_from(">H", encoded, end)
        pairs = encoded[end + 2 :]
        if len(pairs) != length or length % 4:
            raise ValueError("the list of symmetric algorithms has another length than it says")
        self.algorithms = list(struct.iter_unpack(">HH", pairs))

    @staticmethod
    def read_list(body):
        """All that have a KEM of ours, in their order (RFC 9458 section 3.2)."""
        found = []
        while body:
            (length,) = struct.unpack_from(">H", body)
            encoded, body = body[2 : 2 + length], body[2 + length :]
            if len(encoded) != length:
                raise ValueError("a key configuration is shorter than it says")
            (kem,) = struct.unpack_from(">H", encoded, 1)
            if kem in {known.value for known in PUBLIC_KEY_SIZES}:
                found.append(KeyConfiguration(encoded))
        return found


class Encapsulation:
    """One request, sealed, and what opens the answers to it."""

    def __init__(self, configuration, message):
        kdf, aead = configuration.algorithms[0]
        suite = CipherSuite.new(configuration.kem, KDFId(kdf), AEADId(aead))
        header = struct.pack(">BHHH", configuration.key_id, configuration.kem.value, kdf, aead)
        self.enc, self.context = suite.create_sender_context(
            suite.kem.deserialize_public_key(configuration.public_key),
            info=b"message/bhttp request\0" + header,
        )
        self.key_size, self.nonce_size = AEAD_SIZES[AEADId(aead)]
        self.sealed = header + self.enc + self.context.seal(message)

    def open(self, answer):
        """The message in an encapsulated response (RFC 9458 section 4.4)."""
        size = max(self.key_size, self.nonce_size)
        response_nonce, sealed = answer[:size], answer[size:]
        secret = self.context.export(b"message/bhttp response", size)

        def derive(info, length):
            salt = self.enc + response_nonce
            return HKDF(SHA256(), length=length, salt=salt, info=info).derive(secret)

        key = AESGCM(derive(b"key", self.key_size))
        return key.decrypt(derive(b"nonce", self.nonce_size), sealed, None)
