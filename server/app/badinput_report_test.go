package app_test

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"

	"filippo.io/age"

	"gridwatch/media"
	"gridwatch/media/mediatest"
	"gridwatch/server/app/demo"
	"gridwatch/server/casefile"
	"gridwatch/server/vault"
)

// rightReport is a report that would be taken in, but for what a row changes.
func rightReport(change ...object) object {
	r := object{
		"mode": casefile.Anonymous, "narrative": "Gas bottles. " + marker, "targetText": marker,
		"allegations": []object{{"matter": casefile.IllegalAct, "text": marker}},
	}
	for _, c := range change {
		maps.Copy(r, c)
	}
	return r
}

func someAllegations(n int) []object {
	all := make([]object, n)
	for i := range all {
		all[i] = object{"matter": casefile.IllegalAct, "text": marker}
	}
	return all
}

func at(lon, lat any, more ...object) object {
	p := object{"lon": lon, "lat": lat, "datum": "wgs84"}
	for _, m := range more {
		maps.Copy(p, m)
	}
	return object{"target": p}
}

// rawReport is a right report whose text is changed.
func rawReport(old, replacement string) []byte {
	text, _ := json.Marshal(rightReport(at(126.5, 44.8)))
	return bytes.Replace(text, []byte(old), []byte(replacement), 1)
}

// invalid is a report that its schema refuses.
func invalid(report any, field string) badRow {
	return badRow{path: publicURL, form: []part{jsonPart("report", report)}, status: 400, code: "body.invalid", at: field}
}

// refused is a report that its schema takes and the program does not.
func refusedReport(report any, status int, code, field string, more ...part) badRow {
	return badRow{path: publicURL, form: append([]part{jsonPart("report", report)}, more...), status: status, code: code, at: field}
}

func badReports(t *testing.T, _ *world) map[string]badRow {
	t.Helper()
	key := func(key string) http.Header { return http.Header{"Idempotency-Key": {key}} }
	const badKey = "idempotency_key.format"
	right := []part{jsonPart("report", rightReport())}
	form, media := encodeForm(t, right)
	named, reached := object{"identity": object{"name": marker}}, object{"contact": object{"kind": "phone", "value": marker}}
	mode := func(m casefile.Mode) object { return object{"mode": m} }
	return map[string]badRow{
		"no key":            {path: publicURL, form: right, header: http.Header{"Idempotency-Key": nil}, status: 400, code: badKey},
		"weak key":          {path: publicURL, form: right, header: key(marker), status: 400, code: badKey},
		"a UUID as key":     {path: publicURL, form: right, header: key("7f2c1c5e-5b1e-4c55-9a63-1d6f0f6a2b11"), status: 400, code: badKey},
		"empty form":        {path: publicURL, form: []part{}, status: 400, code: "body.parts", at: "/report"},
		"file first":        {path: publicURL, form: []part{{name: "evidence", file: marker, media: "image/jpeg", body: []byte(marker)}, right[0]}, status: 400, code: "body.part_order", at: "/evidence"},
		"unknown part":      refusedReport(rightReport(), 400, "body.parts", "/*", part{name: marker, media: "text/plain", body: []byte(marker)}),
		"report twice":      refusedReport(rightReport(), 400, "body.parts", "/report", right[0]),
		"sealed unasked":    refusedReport(rightReport(), 400, "body.parts", "/identity", part{name: "identity", body: []byte(marker)}),
		"unknown field":     invalid(rightReport(object{marker: marker}), " body.unknown_field"),
		"field deep down":   invalid(rightReport(object{"allegations": []object{{"matter": casefile.IllegalAct, "text": "x", marker: 1}}}), "/allegations/0 body.unknown_field"),
		"a number for text": invalid(rightReport(object{"narrative": 7}), "/narrative body.type"),
		"text for a list":   invalid(rightReport(object{"allegations": marker}), "/allegations body.type"),
		"a list":            invalid([]string{marker}, " body.type"),
		"no narrative":      invalid(rightReport(object{"narrative": nil}), "/narrative body.type"),
		"empty narrative":   invalid(rightReport(object{"narrative": ""}), "/narrative body.too_short"),
		"20,001 characters": invalid(rightReport(object{"narrative": strings.Repeat("长", 20_001)}), "/narrative body.too_long"),
		"unknown mode":      invalid(rightReport(object{"mode": marker}), "/mode body.enum"),
		"unknown matter":    invalid(rightReport(object{"allegations": []object{{"matter": marker, "text": "x"}}}), "/allegations/0/matter body.enum"),
		"no allegation":     invalid(rightReport(object{"allegations": []object{}}), "/allegations body.too_few"),
		"21 allegations":    invalid(rightReport(object{"allegations": someAllegations(21)}), "/allegations body.too_many"),
		"lon 181":           invalid(rightReport(at(181, 44)), "/target/lon body.range"),
		"lat as text":       invalid(rightReport(at(126, "NaN")), "/target/lat body.type"),
		"lat NaN":           invalid(rawReport("44.8", "NaN"), "/target/lat body.syntax"),
		"0, 0":              refusedReport(rightReport(at(0, 0)), 400, "place.no_fix", "/target/lon"),
		"unknown datum":     invalid(rightReport(at(126, 44, object{"datum": marker})), "/target/datum body.enum"),
		"accuracy -1":       invalid(rightReport(at(126, 44, object{"accuracyM": -1})), "/target/accuracyM body.range"),
		"a huge number":     invalid(rawReport("44.8", "1e400"), "/target/lat body.number"),
		"a long number":     invalid(rawReport("44.8", "44."+strings.Repeat("8", 60)), "/target/lat body.number"),
		"a tiny number":     invalid(rawReport("44.8", "1e-999999"), "/target/lat body.number"),
		"a key twice":       invalid(rawReport(`{"allegations"`, `{"mode":"code","allegations"`), " body.duplicate_key"),
		"not UTF-8":         invalid(rawReport("Gas", "\xff\xfe"), " body.encoding"),
		"NUL":               invalid(rawReport("Gas", `\u0000`), "/narrative body.encoding"),
		"half a character":  refusedReport(rawReport("Gas", `\ud800`), 400, "body.json", ""),
		"60 levels deep":    invalid(rawReport(`"Gas bottles. `+marker+`"`, strings.Repeat("[", 60)+strings.Repeat("]", 60)), "/narrative"+strings.Repeat("/0", 31)+" body.depth"),
		"something after":   invalid(rawReport("", "{} "), " body.syntax"),
		"cut JSON":          invalid(rawReport(`"targetText":`, ""), "/* body.syntax"),
		"600 KiB of JSON":   refusedReport(rightReport(object{"narrative": strings.Repeat("x", 600<<10)}), 413, "body.too_large", ""),
		"named, anonymous":  refusedReport(rightReport(named), 400, "report.identity_unexpected", "/identity/name"),
		"named, by code":    refusedReport(rightReport(mode(casefile.ByCode), named), 400, "report.identity_unexpected", "/identity/name"),
		"reached, by code":  refusedReport(rightReport(mode(casefile.ByCode), reached), 400, "report.contact_unexpected", "/contact/value"),
		"real name, none":   refusedReport(rightReport(mode(casefile.RealName)), 400, "report.identity_missing", "/identity/name"),
		"real name, blank":  refusedReport(rightReport(mode(casefile.RealName), object{"identity": object{"name": " "}}), 400, "report.identity_missing", "/identity/name"),
		"contactable, none": refusedReport(rightReport(mode(casefile.Contactable)), 400, "report.contact_missing", "/contact/value"),
		"unknown tenant":    {path: "/v1/public/" + marker + "/reports", form: right, status: 404, code: "record.not_found"},
		"compressed":        {path: publicURL, form: right, header: http.Header{"Content-Encoding": {"gzip"}}, status: 415, code: "body.encoded"},
		"JSON, no form":     {path: publicURL, body: rightReport(), status: 415, code: "body.media_type"},
		"no boundary":       {path: publicURL, form: right, header: http.Header{"Content-Type": {"multipart/form-data"}}, status: 400, code: "body.multipart"},
		"another boundary":  {path: publicURL, form: right, header: http.Header{"Content-Type": {"multipart/form-data; boundary=" + marker}}, status: 400, code: "body.multipart"},
		"cut form":          {path: publicURL, body: form[:len(form)-9], header: http.Header{"Content-Type": {media}}, status: 400, code: "body.multipart"},
		"chunked, too long": {
			path: "/v1/receipt/session", status: 413, code: "body.too_large",
			body: func() io.Reader { return io.LimitReader(strings.NewReader(strings.Repeat(marker, 20<<10)), 200<<10) },
		},
	}
}

func photo(body []byte) part {
	return part{name: "evidence", file: marker + ".jpg", media: "image/jpeg", body: body}
}

func badEvidence(t *testing.T, _ *world) map[string]badRow {
	t.Helper()
	picture := mediatest.Picture(mediatest.Options{Width: 64, Height: 48})
	row := func(status int, code string, files ...part) badRow {
		return refusedReport(rightReport(), status, code, "/evidence", files...)
	}
	declared := func(code string, sums ...string) badRow {
		all := []object{}
		for _, s := range sums {
			all = append(all, object{"sha256": s})
		}
		return refusedReport(rightReport(object{"evidence": all}), 400, code, "/evidence", photo(picture))
	}
	eleven := make([]part, 11)
	for i := range eleven {
		eleven[i] = photo(picture)
	}
	wrong, unnamed, said := photo(picture), photo(picture), photo(picture)
	wrong.digest = "sha-256=:" + strings.Repeat("A", 43) + "=:"
	unnamed.file = ""
	said.digest = "sha-256=" + marker
	sum := strings.Repeat("ab", 32)
	return map[string]badRow{
		"11 files":              row(400, "report.too_many_items", eleven...),
		"empty":                 row(400, "evidence.empty", photo(nil)),
		"20 MB and a byte":      row(413, "evidence.too_large", photo(append(bytes.Clone(picture), make([]byte, media.DefaultMaxBytes+1-len(picture))...))),
		"GIF":                   row(415, "evidence.type", photo([]byte("GIF89a\x01\x00\x01\x00\x00\x00\x00;"+marker))),
		"text as .jpg":          row(415, "evidence.type", photo([]byte(marker))),
		"broken JPEG":           row(400, "evidence.broken", photo([]byte("\xff\xd8\xff\xe0"+marker))),
		"a flood of pixels":     row(413, "evidence.pixels", photo(flood())),
		"second file broken":    row(415, "evidence.type", photo(picture), photo([]byte(marker))),
		"other digest":          row(400, "evidence.digest", wrong),
		"no file name":          row(400, "evidence.file_name", unnamed),
		"digest is none":        row(400, "evidence.digest_format", said),
		"other than declared":   declared("evidence.digest", sum),
		"less than declared":    declared("evidence.digest", sum, sum), // the first is looked at first
		"more than declared":    declared("evidence.count"),
		"declared and not sent": refusedReport(rightReport(object{"evidence": []object{{"sha256": sum}}}), 400, "evidence.count", "/evidence"),
		"declared digest short": invalid(rightReport(object{"evidence": []object{{"sha256": marker}}}), "/evidence/0/sha256 body.format"),
	}
}

// flood is the head of a PNG of 60,000 by 60,000 pixels.
func flood() []byte {
	head := append([]byte("IHDR"), 0, 0, 0xEA, 0x60, 0, 0, 0xEA, 0x60, 8, 2, 0, 0, 0)
	out := append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d"), head...)
	return append(binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(head)), make([]byte, 64)...)
}

func badEnvelopes(t *testing.T, w *world) map[string]badRow {
	t.Helper()
	tenant, err := w.store.Directory.Tenant(t.Context(), demo.Tenant)
	if err != nil {
		t.Fatal(err)
	}
	rings, err := vault.ParseRings(tenant.Rings.A, tenant.Rings.B)
	if err != nil {
		t.Fatal(err)
	}
	binding := newKey(t)
	identity, err := vault.SealIdentity(rings, vault.Identity{Relation: vault.RelationNone, Binding: binding})
	if err != nil {
		t.Fatal(err)
	}
	contact, err := vault.SealContact(rings, vault.Contact{Binding: binding})
	if err != nil {
		t.Fatal(err)
	}
	sealed := object{"sealed": object{"innerDigest": identity.InnerDigest, "binding": binding}}
	row := func(status int, code, field string, report object, first, second []byte) badRow {
		return refusedReport(rightReport(sealed, report), status, code, field,
			part{name: "identity", media: "application/octet-stream", body: first}, part{name: "contact", media: "application/octet-stream", body: second})
	}
	garbage := bytes.Repeat([]byte(marker), len(identity.File)/len(marker)+1)[:len(identity.File)]
	return map[string]badRow{
		"sealed and in clear":   row(400, "report.sealed_twice", "/identity", object{"identity": object{"name": marker}}, identity.File, contact.File),
		"of another size":       row(400, "envelope.size", "/identity", nil, identity.File[1:], contact.File),
		"contact of no size":    row(400, "envelope.size", "/contact", nil, identity.File, nil),
		"no age file":           row(400, "envelope.format", "/identity", nil, garbage, contact.File),
		"to an X25519 key":      row(400, "envelope.recipients", "/identity", nil, classic(t, len(identity.File)), contact.File),
		"contact for ring B":    row(400, "envelope.size", "/contact", nil, identity.File, identity.File),
		"100 KiB":               row(413, "envelope.too_large", "/identity", nil, make([]byte, 100<<10), contact.File),
		"no parts":              refusedReport(rightReport(sealed), 400, "body.parts", "/identity"),
		"no second part":        refusedReport(rightReport(sealed), 400, "body.parts", "/contact", part{name: "identity", body: identity.File}),
		"parts in other order":  refusedReport(rightReport(sealed), 400, "body.parts", "/identity", part{name: "contact", body: contact.File}),
		"binding is no binding": invalid(rightReport(object{"sealed": object{"innerDigest": identity.InnerDigest, "binding": marker}}), "/sealed/binding body.format"),
	}
}

// classic returns an age file of a length to an X25519 key.
func classic(t *testing.T, length int) []byte {
	t.Helper()
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	seal := func(n int) []byte {
		var out bytes.Buffer
		to, err := age.Encrypt(&out, key.Recipient())
		if err == nil {
			_, err = io.CopyN(to, rand.Reader, int64(n))
		}
		if err == nil {
			err = to.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	const sample = 100
	file := seal(length - len(seal(sample)) + sample)
	if len(file) != length {
		t.Fatal(fmt.Errorf("got %d bytes, want %d", len(file), length))
	}
	return file
}
