// What a client does before it is let loose on reporters: it reads the golden
// pair (../golden/seal.json), compares, and seals one of its own for the other
// side to open. `node selftest.mjs < ../golden/seal.json` writes that as JSON.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Decrypter } from "age-encryption";
import { contactSize, digest, identitySize, pad, seal, solve, verifyKeys } from "./seal.js";

const golden = JSON.parse(readFileSync(0, "utf8"));
const bytes = (text) => new Uint8Array(Buffer.from(text, "base64"));
const open = async (file, key) => {
  const d = new Decrypter();
  d.addIdentity(key);
  return d.decrypt(file);
};

// The list of keys: as signed, and changed in each way that matters.
const rings = { ...golden.keys, root: golden.root };
const list = verifyKeys(rings, golden.tenant, golden.fingerprint);
const changed = (text) => Buffer.from(bytes(text).map((b, i) => (i === 5 ? b ^ 1 : b))).toString("base64");
for (const [what, bad, tenant, fingerprint] of [
  ["another root", { ...rings, root: changed(rings.root) }, golden.tenant, golden.fingerprint],
  ["another fingerprint", rings, golden.tenant, "0".repeat(64)],
  ["no fingerprint", rings, golden.tenant, ""],
  ["a changed list", { ...rings, list: rings.list.replace('"version":1', '"version":2') }, golden.tenant, golden.fingerprint],
  ["a changed signature", { ...rings, signature: changed(rings.signature) }, golden.tenant, golden.fingerprint],
  ["no list yet", {}, golden.tenant, golden.fingerprint],
  ["another tenant", rings, "other", golden.fingerprint],
]) {
  assert.throws(() => verifyKeys(bad, tenant, fingerprint), undefined, what);
}

// What the other side sealed opens to the bytes that we would have sealed.
const inner = await open(bytes(golden.identityFile), golden.ringB);
assert.equal(digest(inner), golden.innerDigest);
assert.deepEqual(await open(inner, golden.ringA), pad(golden.identity, identitySize));
assert.deepEqual(await open(bytes(golden.contactFile), golden.ringA), pad(golden.contact, contactSize));
await assert.rejects(open(bytes(golden.identityFile), golden.ringA), undefined, "ring A alone opens nothing");
assert.throws(() => pad({ name: "x".repeat(identitySize) }, identitySize), undefined, "too long");

const { binding, ...identity } = golden.identity;
const { binding: _, ...contact } = golden.contact;
const ours = await seal(list, identity, contact, binding);
assert.equal(ours.identity.length, bytes(golden.identityFile).length);
assert.equal(ours.contact.length, bytes(golden.contactFile).length);
console.log(JSON.stringify({
  identityFile: Buffer.from(ours.identity).toString("base64"), contactFile: Buffer.from(ours.contact).toString("base64"),
  innerDigest: ours.sealed.innerDigest, solution: await solve(golden.challenge),
}));
