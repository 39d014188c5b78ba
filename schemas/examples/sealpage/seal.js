// What a client does to seal who reports before anything leaves the machine: it
// verifies the list of keys by the root whose fingerprint a public notice gives,
// pads and seals two compartments, and proves work when a busy server asks.
//
// Nothing here needs crypto.subtle, which browsers give to https pages only: an
// intranet page on plain http seals as well.

import { Encrypter } from "age-encryption";
import { ed25519 } from "@noble/curves/ed25519.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, hexToBytes, utf8ToBytes } from "@noble/hashes/utils.js";

// Sizes that a compartment is padded to, in bytes, so that a dummy looks the same.
export const identitySize = 2048;
export const contactSize = 1024;

export const hex = bytesToHex;
export const digest = (bytes) => bytesToHex(sha256(bytes));
export const random = () => bytesToHex(crypto.getRandomValues(new Uint8Array(16)));

const fromBase64 = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));

// verifyKeys returns the list of keys that a tenant's root signed. It throws a
// message for the reporter if the root is not the one of the public notice, or
// if the list is not signed, not this tenant's, or names no two hybrid keys.
export function verifyKeys(rings, tenant, fingerprint) {
  const root = fromBase64(rings.root ?? "");
  if (root.length !== 32 || digest(root) !== fingerprint.replace(/\s/g, "").toLowerCase()) {
    throw new Error("服务器出示的密钥与公告的指纹不一致：请勿在此举报");
  }
  const signed = utf8ToBytes("gridwatch/keylist/1\n" + rings.list);
  if (!ed25519.verify(fromBase64(rings.signature ?? ""), signed, root, { zip215: false })) {
    throw new Error("密钥清单的签名无效：请勿在此举报");
  }
  const list = JSON.parse(rings.list);
  const hybrid = (key) => typeof key === "string" && key.startsWith("age1pq1");
  if (list.tenant !== tenant || !hybrid(list.a?.recipient) || !hybrid(list.b?.recipient) || list.a.recipient === list.b.recipient) {
    throw new Error("密钥清单不属于该单位：请勿在此举报");
  }
  return list;
}

// pad returns the length of the JSON in four bytes, the JSON, and zeros.
export function pad(value, size) {
  const text = utf8ToBytes(JSON.stringify(value));
  if (text.length + 4 > size) {
    throw new Error("填写的内容过长");
  }
  const out = new Uint8Array(size);
  new DataView(out.buffer).setUint32(0, text.length);
  out.set(text, 4);
  return out;
}

async function encrypt(bytes, recipient) {
  const e = new Encrypter();
  e.addRecipient(recipient);
  return e.encrypt(bytes);
}

// seal returns age(ring B, age(ring A, identity)), age(ring A, contact) and what
// the report says of them. The binding stands in the report and in both.
export async function seal(list, identity, contact, binding) {
  const inner = await encrypt(pad({ ...identity, binding }, identitySize), list.a.recipient);
  return {
    identity: await encrypt(inner, list.b.recipient),
    contact: await encrypt(pad({ ...contact, binding }, contactSize), list.a.recipient),
    sealed: { innerDigest: digest(inner), binding, rings: list.version },
  };
}

// solve finds the number of a challenge as ALTCHA has it, and lets the page live
// meanwhile. It returns the value of the field Proof-Of-Work.
export async function solve({ algorithm, challenge, maxnumber, salt, signature }) {
  const wanted = hexToBytes(challenge);
  const head = utf8ToBytes(salt);
  const hashed = new Uint8Array(head.length + 8); // the salt, and digits behind it
  hashed.set(head);
  let pause = performance.now() + 30;
  for (let number = 0; number <= Math.min(maxnumber, 10_000_000); number++) {
    const digits = String(number);
    for (let i = 0; i < digits.length; i++) {
      hashed[head.length + i] = digits.charCodeAt(i);
    }
    const sum = sha256(hashed.subarray(0, head.length + digits.length));
    if (sum[0] === wanted[0] && sum[1] === wanted[1] && bytesToHex(sum) === challenge) {
      return btoa(JSON.stringify({ algorithm, challenge, number, salt, signature }));
    }
    if ((number & 255) === 0 && performance.now() > pause) {
      await new Promise((go) => setTimeout(go));
      pause = performance.now() + 30;
    }
  }
  throw new Error("服务器出的题无解，请稍后再试");
}

// ask sends a request and returns the JSON of the answer. It solves one
// challenge if the server asks for it.
export async function ask(path, options = {}) {
  const headers = { "Accept-Language": "zh-CN", ...options.headers };
  for (let solved = false; ; solved = true) {
    const answer = await fetch(path, {
      ...options, headers, cache: "no-store", credentials: "omit", referrerPolicy: "no-referrer", redirect: "error",
    });
    const body = await answer.json().catch(() => ({ detail: "服务器没有正确应答，请稍后再试" }));
    if (answer.ok) {
      return body;
    }
    if (!body.challenge || solved) {
      throw new Error([body.detail, ...(body.errors ?? []).map((e) => e.detail)].join(" "));
    }
    headers["Proof-Of-Work"] = await solve(body.challenge);
  }
}
