// Checks that an entry is in the log, by a proof of C2SP tlog-proof that ends in a
// checkpoint which the log's key has signed (docs/protocol.md sections 7.1, 7.4).
// Not here: what the entry proves, and whether the log's key is the right one; that
// must be compared with one from elsewhere.

import { bytes, isSigned, same, sha256 } from "./check.js";

/** Whether `proof` shows that `entry`, of double-spends.json, is in the log of `key`. */
export async function isIncluded(entry, proof, key) {
  try {
    const { extra, index, path, checkpoint } = parse(proof);
    const tree = await signedTree(checkpoint, key);
    if (tree === null || index !== BigInt(entry.index)) return false;
    if (!same(extra, logEntry(entry))) return false;
    const leaf = await sha256(joined([0], extra));
    return await leadsTo(tree.root, leaf, index, tree.size, path);
  } catch {
    return false;
  }
}

function parse(proof) {
  const end = proof.indexOf("\n\n");
  const [first, extra, index, ...path] = proof.slice(0, end).split("\n");
  if (first !== "c2sp.org/tlog-proof@v1") throw new Error("not a log proof");
  return {
    extra: bytes(after("extra ", extra)),
    index: BigInt(after("index ", index)),
    path: path.map(bytes),
    checkpoint: proof.slice(end + 2),
  };
}

function after(word, line) {
  if (!line.startsWith(word)) throw new Error(`no ${word}`);
  return line.slice(word.length);
}

/** What a checkpoint says, if the log with this verifier key has signed it. */
async function signedTree(checkpoint, verifier) {
  // A name has no "+"; base64 does.
  const [name, id, ...rest] = verifier.split("+");
  const key = bytes(rest.join("+"));
  const named = new TextEncoder().encode(`${name}\n`);
  const realId = (await sha256(joined(named, key))).subarray(0, 4);
  const saidId = Uint8Array.from(id.match(/../g), (byte) => parseInt(byte, 16));
  if (key[0] !== 1 || !same(realId, saidId)) return null;
  const end = checkpoint.indexOf("\n\n") + 1;
  const text = checkpoint.slice(0, end);
  const [origin, size, root] = text.split("\n");
  if (origin !== name) return null;
  for (const line of checkpoint.slice(end + 1).split("\n")) {
    const [dash, by, signature] = line.split(" ");
    if (dash !== "\u2014" || by !== name) continue;
    const signed = bytes(signature);
    if (!same(signed.subarray(0, 4), saidId)) continue;
    const holds = await isSigned(key.subarray(1), text, signed.subarray(4));
    return holds ? { size: BigInt(size), root: bytes(root) } : null;
  }
  return null;
}

/** RFC 9162 section 2.1.3.2. */
async function leadsTo(expected, leaf, index, size, path) {
  if (index >= size) return false;
  let [node, last, root] = [index, size - 1n, leaf];
  for (const sibling of path) {
    if (last === 0n) return false;
    if (node % 2n === 1n || node === last) {
      root = await sha256(joined([1], sibling, root));
      while (node % 2n === 0n && node !== 0n) {
        node >>= 1n;
        last >>= 1n;
      }
    } else {
      root = await sha256(joined([1], root, sibling));
    }
    node >>= 1n;
    last >>= 1n;
  }
  return last === 0n && same(root, expected);
}

/** The entry as the log has it (section 7.2). */
function logEntry({ minute, evidence }) {
  const [token, cps] = [bytes(evidence.token), new TextEncoder().encode(evidence.cps)];
  const requests = evidence.requests.map((request) => {
    const [digest, signature] = [bytes(request.content_digest), bytes(request.signature)];
    return joined(integer(request.created, 4), digest, signature);
  });
  const [version, kind] = [1, 1];
  const parts = [integer(token.length, 2), token, integer(cps.length, 2), cps, ...requests];
  return joined([version, kind], integer(minute, 8), ...parts);
}

function integer(value, size) {
  const written = new Uint8Array(size);
  let left = BigInt(value);
  for (let place = size - 1; place >= 0; place--) {
    written[place] = Number(left & 255n);
    left >>= 8n;
  }
  return written;
}

function joined(...parts) {
  const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
