// The page: fields in, receipt code out. What was typed is kept nowhere, and the
// fragment of the address, which names the tenant and the fingerprint of its
// root (#tenant=ID&root=FINGERPRINT, as on the public notice), is not sent.

import { ask, digest, random, seal, verifyKeys } from "./seal.js";

const $ = (id) => document.getElementById(id);
const form = $("report");
const fragment = new URLSearchParams(location.hash.slice(1));
$("tenant").value = fragment.get("tenant") ?? "";
$("root").value = fragment.get("root") ?? "";

// What is sent, until a field changes: a repeat has the same key and the same
// sealed bytes, and gets the same code.
let ready = null;
form.addEventListener("input", () => { ready = null; });

const text = (id) => $(id).value.trim();
const filled = (fields) => Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== ""));

// prepare verifies and seals, and returns the request.
async function prepare() {
  const tenant = text("tenant");
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(tenant)) {
    throw new Error("请填写受理单位代号（见公告）");
  }
  const path = "/v1/public/" + tenant;
  const shown = await ask(path);
  if ($("officials").checked && shown.officials !== tenant) {
    throw new Error("涉及机关或工作人员的举报由上一级受理，单位代号：" + shown.officials + "。请使用该单位公告上的指纹。");
  }
  const list = verifyKeys(shown.rings, tenant, text("root"));
  const mode = text("mode");
  const known = mode === "real_name";
  if (known && !text("name")) {
    throw new Error("实名举报请填写姓名");
  }
  const reached = known || mode === "contactable";
  const parts = await seal(list, { // an anonymous report carries dummies of the same size
    name: known ? text("name") : "", idNumber: known ? text("idNumber") : "", employer: known ? text("employer") : "",
    relation: known ? text("relation") : "none",
    payeeName: known ? text("payeeName") : "", payeeBank: known ? text("payeeBank") : "", payeeAccount: known ? text("payeeAccount") : "",
  }, { kind: reached ? "phone" : "", value: reached ? text("phone") : "" }, random());
  const photos = await Promise.all([...$("photos").files].map(async (file) => new Uint8Array(await file.arrayBuffer())));
  const report = {
    mode, narrative: text("narrative"), targetText: text("target"),
    allegations: [{ matter: text("matter"), text: text("narrative").slice(0, 2000) }],
    sealed: parts.sealed, evidence: photos.map((bytes) => ({ sha256: digest(bytes) })),
    ...(mode === "code" ? filled({ password: text("password") }) : {}),
  };
  const body = new FormData();
  body.append("report", new Blob([JSON.stringify(report)], { type: "application/json" }));
  body.append("identity", new Blob([parts.identity]));
  body.append("contact", new Blob([parts.contact]));
  // A file's own name may tell of its owner: it is not sent.
  photos.forEach((bytes, i) => body.append("evidence", new Blob([bytes]), "photo-" + (i + 1)));
  return { path: path + "/reports?about=" + ($("officials").checked ? "officials" : "others"), body, key: random() };
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  $("send").disabled = true;
  $("said").textContent = "正在核验密钥、加密并发送……";
  try {
    ready ??= await prepare();
    const answer = await ask(ready.path, { method: "POST", body: ready.body, headers: { "Idempotency-Key": ready.key } });
    form.reset();
    form.hidden = true;
    $("number").textContent = answer.number;
    $("code").textContent = answer.code;
    $("receipt").hidden = false;
    $("said").textContent = "";
    ready = null;
  } catch (wrong) {
    $("said").textContent = wrong instanceof TypeError ? "网络中断，可以再次发送，不会重复登记。" : wrong.message;
  } finally {
    $("send").disabled = false;
  }
});

function show() {
  for (const part of document.querySelectorAll("[data-modes]")) {
    part.hidden = !part.dataset.modes.split(" ").includes(text("mode"));
  }
}
$("mode").addEventListener("change", show);
show();

// Quick exit: nothing stays on the screen, and the way back does not lead here.
function leave() {
  form.reset();
  document.body.replaceChildren();
  location.replace("about:blank");
}
$("exit").addEventListener("click", leave);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    leave();
  }
});
