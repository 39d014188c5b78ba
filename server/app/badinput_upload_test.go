package app_test

import (
	"encoding/base64"
	"net/http"
	"slices"
	"testing"

	"gridwatch/mobileapi/tus"
	"gridwatch/server/app/apiclient"
	"gridwatch/server/casefile"
)

// badUploads: what is announced, and what is sent under a right. TestUploadAnswers
// has the protocol's own refusals.
func badUploads(t *testing.T, w *world) map[string]badRow {
	t.Helper()
	d := newDocket(t, w, casefile.Anonymous, casefile.IllegalAct)
	announce := func(status int, code, field string, items ...object) badRow {
		return post("desk1", d.path("/uploads"), object{"items": items}, status, code, field)
	}
	item := func(name string, value any) object {
		o := object{"kind": "photo", "size": 1000}
		o[name] = value
		return o
	}
	many := make([]object, 21)
	for i := range many {
		many[i] = item("size", 1)
	}
	send := func(method, path string, header http.Header, status int, code string) badRow {
		all := http.Header{"Tus-Resumable": {"1.0.0"}, "Content-Type": {tus.Type}}
		for name, values := range header {
			all[name] = values
		}
		return badRow{who: "desk1", method: method, path: path, body: []byte(marker), header: all, status: status, code: code}
	}
	at := tus.Path + "/" + newKey(t)
	var expected struct{ Items []struct{ ID string } }
	if err := d.send("desk1", apiclient.Call{Method: http.MethodPost, Path: d.path("/uploads"), Key: newKey(t), Body: object{"items": []object{item("size", 1)}}}, &expected); err != nil {
		t.Fatal(err)
	}
	message := func(attachments any, status int, code, field string) badRow {
		return badRow{
			who: "desk1", path: d.path("/messages"), form: []part{jsonPart("message", object{"text": "See.", "attachments": attachments})},
			status: status, code: code, at: field,
		}
	}
	return map[string]badRow{
		"nothing":               announce(400, "body.invalid", "/items body.type"),
		"too many":              announce(400, "body.invalid", "/items body.too_many", many...),
		"unknown kind":          announce(400, "body.invalid", "/items/0/kind body.enum", item("kind", marker)),
		"no bytes":              announce(400, "body.invalid", "/items/0/size body.range", item("size", 0)),
		"over 4 GiB":            announce(400, "body.invalid", "/items/0/size body.range", item("size", 4<<30+1)),
		"over the policy":       announce(413, "upload.too_large", "/items/0/size", item("size", 65<<20)),
		"digest short":          announce(400, "body.invalid", "/items/0/sha256 body.format", item("sha256", marker)),
		"unknown field":         announce(400, "body.invalid", "/items/0 body.unknown_field", item(marker, 1)),
		"attached, a word":      message(marker, 400, "body.invalid", "/attachments body.type"),
		"attached, no id":       message([]string{marker}, 400, "body.invalid", "/attachments/0 body.format"),
		"attached twice":        message([]string{expected.Items[0].ID, expected.Items[0].ID}, 400, "body.invalid", "/attachments body.not_unique"),
		"attached, no such":     message([]string{newKey(t)}, 400, "attachment.unknown", "/attachments/0"),
		"attached, not arrived": message([]string{expected.Items[0].ID}, 409, "evidence.not_here", "/attachments/0"),
		"attached, too many":    message(slices.Repeat([]string{newKey(t)}, 21), 400, "body.invalid", "/attachments body.too_many"),
		"no such right": send(http.MethodPost, tus.Path, http.Header{"Upload-Length": {"10"}, "Upload-Metadata": {"right " + base64.StdEncoding.EncodeToString([]byte(marker))}},
			404, "record.not_found"),
		"no length":      send(http.MethodPost, tus.Path, nil, 400, "upload.header"),
		"name not UTF-8": send(http.MethodPost, tus.Path, http.Header{"Upload-Length": {"10"}, "Upload-Metadata": {"filename //8="}}, 400, "upload.metadata"),
		"no such upload": send(http.MethodPatch, at, http.Header{"Upload-Offset": {"0"}}, 404, "record.not_found"),
		"offset in hex":  send(http.MethodPatch, at, http.Header{"Upload-Offset": {"0x" + marker}}, 400, "upload.header"),
		"old protocol":   send(http.MethodPatch, at, http.Header{"Tus-Resumable": {marker}, "Upload-Offset": {"0"}}, 412, "upload.version"),
		"another type":   send(http.MethodPatch, at, http.Header{"Content-Type": {"text/plain"}, "Upload-Offset": {"0"}}, 415, "body.media_type"),
		"ending nothing": {who: "desk1", method: http.MethodDelete, path: at, header: http.Header{"Tus-Resumable": {"1.0.0"}}, status: 404, code: "record.not_found"},
	}
}
