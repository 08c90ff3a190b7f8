// Checks a double spend with the browser's own cryptography, as anybody can
// (docs/protocol.md section 7.3). Which key is the issuer's the log says. Not here:
// whether the entry is in the log, which is inclusion.js, and how it is shown.

const BLIND_RSA = 2;
/** Bytes of a token before its authenticator (RFC 9577 section 2.2). */
const MESSAGE = 98;
const AUTHENTICATORS = new Map([[1, 48], [BLIND_RSA, 256], [5, 64]]);

/** The exact SubjectPublicKeyInfo of RFC 9578 section 6.5 with a modulus of 256 bytes. */
const SPKI_SIZE = 342;
const MODULUS_HEAD = [0x02, 0x82, 0x01, 0x01, 0x00];
const EXPONENT = [0x02, 0x03, 0x01, 0x00, 0x01];

const FIELD_PRIME = 2n ** 255n - 19n;
const OF_ORDER_8 = 0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n;
/** The y-coordinates of Ed25519 points of small order: such a key has signed anything. */
const SMALL_ORDER = [0n, 1n, FIELD_PRIME - 1n, OF_ORDER_8, FIELD_PRIME - OF_ORDER_8];

/** Why this browser cannot check; null if it can. */
export async function inability() {
  const subtle = globalThis.crypto?.subtle;
  if (!subtle) {
    return "a browser has its cryptography only for pages of https, 127.0.0.1 or localhost";
  }
  try {
    const basePoint = new Uint8Array(32).fill(0x66);
    basePoint[0] = 0x58;
    await subtle.importKey("raw", basePoint, { name: "Ed25519" }, false, ["verify"]);
    return null;
  } catch {
    return "this browser does not know Ed25519";
  }
}

/**
 * Checks an entry of double-spends.json. `steps` says what was found, one after the
 * other; `proven` is whether all of it holds, and `tokenChecked` whether the issuer's
 * signature on the token was among it.
 */
export async function check(entry) {
  const steps = [];
  const step = async (says, holds) => {
    const found = await Promise.resolve().then(holds).catch(() => false);
    steps.push({ says, holds: found === true });
  };
  const { evidence } = entry;
  const [stored, later] = evidence.requests;
  let token = null;
  await step("the token is one in form", () => (token = parseToken(evidence.token)) !== null);
  await step("the two requests have different contents", () => {
    const digests = [stored, later].map((request) => bytes(request.content_digest));
    return digests.every((digest) => digest.length === 32) && !same(...digests);
  });
  const signed = (request) => () => requestIsSigned(token.nonce, evidence.cps, request);
  await step("the first request is signed by the token’s own key", signed(stored));
  await step("the second request is signed by the token’s own key", signed(later));
  await step("the token names the key that the log has for the issuer", async () => {
    return same(token.keyId, await sha256(bytes(entry.token_key)));
  });
  const tokenChecked = token?.type === BLIND_RSA;
  if (tokenChecked) {
    const key = () => bytes(entry.token_key);
    await step("the token is signed by the issuer", () => tokenIsSigned(token, key()));
  }
  return { proven: steps.every(({ holds }) => holds), tokenChecked, steps };
}

/** Whether a key signed a text with Ed25519, by the strict rules of section 3. */
export async function isSigned(publicKey, text, signature) {
  if (publicKey.length !== 32 || signature.length !== 64) return false;
  if (!isSound(publicKey) || isSmall(signature.subarray(0, 32))) return false;
  const subtle = crypto.subtle;
  const key = await subtle.importKey("raw", publicKey, { name: "Ed25519" }, false, ["verify"]);
  return subtle.verify({ name: "Ed25519" }, key, signature, new TextEncoder().encode(text));
}

function parseToken(text) {
  const all = bytes(text);
  const type = all[0] * 256 + all[1];
  if (all.length !== MESSAGE + AUTHENTICATORS.get(type)) return null;
  return {
    type,
    message: all.subarray(0, MESSAGE),
    nonce: all.subarray(2, 34),
    keyId: all.subarray(66, MESSAGE),
    authenticator: all.subarray(MESSAGE),
  };
}

/** The signature base of RFC 9421 that an OOB-AS has signed. */
export function signatureBase(cps, request) {
  const digest = btoa(String.fromCharCode(...bytes(request.content_digest)));
  return [
    '"@method": POST',
    `"@authority": ${cps}`,
    '"@path": /v1/passports',
    `"content-digest": sha-256=:${digest}:`,
    '"@signature-params": ("@method" "@authority" "@path" "content-digest");' +
      `created=${request.created};alg="ed25519";tag="pennyblack-spend"`,
  ].join("\n");
}

async function requestIsSigned(nonce, cps, request) {
  return isSigned(nonce, signatureBase(cps, request), bytes(request.signature));
}

/** RSASSA-PSS with SHA-384 and a salt of 48 bytes (RFC 9578 section 6.4). */
async function tokenIsSigned(token, spki) {
  const at = SPKI_SIZE - EXPONENT.length - 256;
  const head = spki.subarray(at - MODULUS_HEAD.length, at);
  const inForm = spki.length === SPKI_SIZE && same(head, MODULUS_HEAD);
  if (!inForm || !same(spki.subarray(at + 256), EXPONENT)) return false;
  // Browsers do not read a key that says it is for RSASSA-PSS; its numbers they do.
  const jwk = { kty: "RSA", n: base64url(spki.subarray(at, at + 256)), e: "AQAB", alg: "PS384" };
  const algorithm = { name: "RSA-PSS", hash: "SHA-384" };
  const key = await crypto.subtle.importKey("jwk", jwk, algorithm, false, ["verify"]);
  const pss = { name: "RSA-PSS", saltLength: 48 };
  return crypto.subtle.verify(pss, key, token.authenticator, token.message);
}

/** Canonical, and not of small order. */
function isSound(point) {
  return yOf(point) < FIELD_PRIME && !isSmall(point);
}

function isSmall(point) {
  return SMALL_ORDER.includes(yOf(point));
}

function yOf(point) {
  let y = 0n;
  for (let place = 31; place >= 0; place--) y = (y << 8n) | BigInt(point[place]);
  return y & (2n ** 255n - 1n);
}

export async function sha256(message) {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", message));
}

/** Bytes of base64, whichever alphabet, padded or not. */
export function bytes(text) {
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

function base64url(binary) {
  const text = btoa(String.fromCharCode(...binary));
  return text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

export function same(one, other) {
  return one.length === other.length && one.every((byte, place) => byte === other[place]);
}
