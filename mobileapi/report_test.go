package mobileapi_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gridwatch/media/mediatest"
	"gridwatch/mobileapi/wire"
	"gridwatch/server/casefile"
	"gridwatch/server/grid"
	"gridwatch/server/vault"
	"gridwatch/server/workflow"
)

const reports = "/v1/public/county/reports"

func picture(seed uint64) []byte {
	return mediatest.Picture(mediatest.Options{Seed: seed, Width: 160, Height: 120, Serial: "canary-serial"})
}

func sum(body []byte) string {
	s := sha256.Sum256(body)
	return hex.EncodeToString(s[:])
}

func contentDigest(body []byte) string {
	s := sha256.Sum256(body)
	return "sha-256=:" + base64.StdEncoding.EncodeToString(s[:]) + ":"
}

func report() wire.Report {
	return wire.Report{
		Mode: casefile.Anonymous, Narrative: "canary-narrative", TargetText: "canary-target",
		Allegations: []wire.Allegation{{Matter: casefile.MajorHazard, Text: "canary-allegation"}},
		Target:      &grid.Place{Lon: 126.55, Lat: 44.85, Datum: grid.DatumWGS84},
		Stood:       &grid.Place{Lon: 126.551, Lat: 44.851, Datum: grid.DatumGCJ02, AccuracyM: 12},
	}
}

// count is how many reports the store has.
func (r *rig) count() int {
	r.t.Helper()
	list, err := r.service.Reports.List(r.t.Context(), workflow.Query{Tenant: "county", Limit: 100})
	r.check(err)
	return len(list)
}

func TestSubmitOnce(t *testing.T) {
	t.Parallel()
	r := start(t)
	key, jpeg := newKey(), picture(1)
	first := r.form(reports, "", key, jsonPart("report", report()), photo(jpeg))
	got := read[wire.Registration](r, first, http.StatusCreated)
	want := []wire.StoredFile{{N: 1, SHA256: sum(jpeg), Size: uint64(len(jpeg))}}
	if diff := cmp.Diff(want, got.Evidence); diff != "" {
		t.Error(diff)
	}
	r.lacks(first, "canary", "IMG_0001")
	statement, err := vault.VerifyStatement(got.Statement, r.service.Keyring.StatementKeys())
	if err != nil || statement.Tenant != "county" {
		t.Errorf("got statement of %q, %v", statement.Tenant, err)
	}

	same := func(name string, a answer) {
		if a.status != http.StatusCreated || !bytes.Equal(a.body, first.body) {
			t.Errorf("%s: got %d %s, want %s", name, a.status, a.body, first.body)
		}
	}
	same("another boundary", r.form(reports, "", key, jsonPart("report", report()), photo(jpeg)))
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() { same("at once", r.form(reports, "", key, jsonPart("report", report()), photo(jpeg))) })
	}
	all.Wait()

	other := report()
	other.Narrative += "."
	for name, a := range map[string]answer{
		"another text":    r.form(reports, "", key, jsonPart("report", other), photo(jpeg)),
		"another picture": r.form(reports, "", key, jsonPart("report", report()), photo(picture(2))),
		"no picture":      r.form(reports, "", key, jsonPart("report", report())),
	} {
		if a.status != http.StatusConflict || a.code() != "idempotency.other_body" {
			t.Errorf("%s: got %d %s", name, a.status, a.body)
		}
	}
	if n := r.count(); n != 1 {
		t.Errorf("got %d reports, want 1", n)
	}
}

func TestSubmitAtOnce(t *testing.T) {
	t.Parallel()
	r := start(t)
	key := newKey()
	var all sync.WaitGroup
	var mu sync.Mutex
	bodies, numbers := map[string]int{}, map[string]int{}
	for n := range 16 {
		all.Go(func() { // the same sixteen times
			a := r.form(reports, "", key, jsonPart("report", report()), photo(picture(1)))
			mu.Lock()
			defer mu.Unlock()
			bodies[string(a.body)]++
		})
		all.Go(func() { // sixteen different ones
			a := r.form(reports, "", newKey(), jsonPart("report", report()), photo(picture(uint64(n))))
			got := read[wire.Registration](r, a, http.StatusCreated)
			mu.Lock()
			defer mu.Unlock()
			numbers[got.Number]++
		})
	}
	all.Wait()
	if len(bodies) != 1 || len(numbers) != 16 {
		t.Errorf("got %d answers to one report, %d numbers of 16: %v", len(bodies), len(numbers), bodies)
	}
	if n := r.count(); n != 17 {
		t.Errorf("got %d reports, want 17", n)
	}
}

func TestSubmitRefuses(t *testing.T) {
	t.Parallel()
	r := start(t)
	jpeg := picture(1)
	declared := func(sums ...string) part { // of no file is not the same as nothing declared
		in, digests := jsonPart("report", report()), []wire.DeclaredDigest{}
		for _, s := range sums {
			digests = append(digests, wire.DeclaredDigest{SHA256: s})
		}
		in.body = append(bytes.TrimSuffix(in.body, []byte("}")), `,"evidence":`...)
		in.body = append(append(in.body, must(json.Marshal(digests))...), '}')
		return in
	}
	sealed := report()
	sealed.Sealed = &wire.Sealed{InnerDigest: sum(nil), Binding: newKey()}
	plain := jsonPart("report", report())
	digested := func(digest string) part { return part{name: "evidence", file: "a.jpg", digest: digest, body: jpeg} }
	tests := map[string]struct {
		parts []part
		want  string
	}{
		"nothing":                  {nil, "body.parts /report"},
		"a file first":             {[]part{photo(jpeg), plain}, "body.part_order /evidence"},
		"a report twice":           {[]part{plain, plain}, "body.parts /report"},
		"an unknown part":          {[]part{plain, {name: "canary-part", body: jpeg}}, "body.parts /*"},
		"an unknown part first":    {[]part{{name: "canary-part"}, plain}, "body.parts /*"},
		"a file without a name":    {[]part{plain, {name: "evidence", body: jpeg}}, "evidence.file_name /evidence"},
		"a seal not announced":     {[]part{plain, {name: "identity", body: jpeg}}, "body.parts /identity"},
		"no sealed identity":       {[]part{jsonPart("report", sealed), photo(jpeg)}, "body.parts /identity"},
		"no sealed contact":        {[]part{jsonPart("report", sealed), {name: "identity", body: jpeg}}, "body.parts /contact"},
		"a sealed part too large":  {[]part{jsonPart("report", sealed), {name: "identity", body: make([]byte, 64<<10+1)}}, "envelope.too_large /identity"},
		"sealed parts that are no": {[]part{jsonPart("report", sealed), {name: "identity", body: jpeg}, {name: "contact", body: jpeg}}, "envelope.size /identity"},
		"another digest":           {[]part{declared(sum(nil)), photo(jpeg)}, "evidence.digest /evidence"},
		"another Content-Digest":   {[]part{plain, digested(contentDigest(nil))}, "evidence.digest /evidence"},
		"two digests":              {[]part{declared(sum(jpeg)), digested(contentDigest(nil))}, "evidence.digest /evidence"},
		"a digest that is none":    {[]part{plain, digested("sha-256=:AAAA:")}, "evidence.digest_format /evidence"},
		"fewer files":              {[]part{declared(sum(jpeg), sum(jpeg)), photo(jpeg)}, "evidence.count /evidence"},
		"more files":               {[]part{declared(sum(jpeg)), photo(jpeg), photo(jpeg)}, "evidence.count /evidence"},
		"a file where none is":     {[]part{declared(), photo(jpeg)}, "evidence.count /evidence"},
		"too many files":           {[]part{plain, photo(jpeg), photo(jpeg), photo(jpeg), photo(jpeg)}, "report.too_many_items /evidence"},
		"no picture":               {[]part{plain, photo([]byte("canary-file"))}, "evidence.type /evidence"},
		"a schema's fault":         {[]part{{name: "report", body: []byte(`{"canary-field":1}`)}}, "body.invalid "},
		"no JSON":                  {[]part{{name: "report", body: []byte(`canary`)}}, "body.invalid "},
	}
	for name, row := range tests {
		a := r.form(reports, "", newKey(), row.parts...)
		if got := a.code(); got != row.want {
			t.Errorf("%s: got %d %q, want %q", name, a.status, got, row.want)
		}
		r.lacks(a, "canary")
	}
	if n := r.count(); n != 0 {
		t.Errorf("got %d reports, want none", n)
	}
	fits := r.form(reports, "", newKey(), declared(sum(jpeg), sum(jpeg)), digested("sha-512=:AA:, "+contentDigest(jpeg)), photo(jpeg))
	read[wire.Registration](r, fits, http.StatusCreated)
	if a := r.form("/v1/public/nowhere/reports", "", newKey(), plain); a.status != http.StatusNotFound {
		t.Errorf("got %d for a tenant that is none", a.status)
	}
	if a := r.form(reports, "", "short", plain); a.code() != "idempotency_key.format" {
		t.Errorf("got %s", a.code())
	}
}

func TestSubmitSealed(t *testing.T) {
	t.Parallel()
	r := start(t)
	tenant := read[wire.Tenant](r, r.get("/v1/public/county", ""), http.StatusOK)
	if tenant.MaxItems != 3 || len(tenant.StatementKeys) != 1 {
		t.Errorf("got %+v", tenant)
	}
	list := must(tenant.Rings.Verify(tenant.Rings.Root, "county"))
	rings := must(list.Rings())
	if list.Version != tenant.Rings.Version || list.A.Recipient != tenant.Rings.A[0] || list.B.Recipient != tenant.Rings.B[0] {
		t.Errorf("got keys %+v, want those of the signed list", tenant.Rings)
	}
	in, binding := report(), newKey()
	identity := must(vault.SealIdentity(rings, vault.Identity{Name: "canary-name", Relation: vault.RelationNone, Binding: binding}))
	contact := must(vault.SealContact(rings, vault.Contact{Kind: "phone", Value: "canary-phone", Binding: binding}))
	in.Mode, in.Sealed = casefile.RealName, &wire.Sealed{InnerDigest: identity.InnerDigest, Binding: binding, Rings: tenant.Rings.Version + 1}
	a := r.form(reports, "", newKey(), jsonPart("report", in),
		part{name: "identity", body: identity.File}, part{name: "contact", body: contact.File}, photo(picture(1)))
	if a.code() != "envelope.keys_changed /sealed/rings" {
		t.Errorf("sealed to another list: got %s", a.code())
	}
	in.Sealed.Rings = tenant.Rings.Version
	a = r.form(reports, "", newKey(), jsonPart("report", in),
		part{name: "identity", body: identity.File}, part{name: "contact", body: contact.File}, photo(picture(1)))
	read[wire.Registration](r, a, http.StatusCreated)

	in.Sealed, in.Identity, in.Contact = nil, &wire.Identity{Name: "canary-name"}, &wire.Contact{Kind: "phone", Value: "canary-phone"}
	a = r.form(reports, "", newKey(), jsonPart("report", in))
	read[wire.Registration](r, a, http.StatusCreated)
	r.lacks(a, "canary")
}

func TestReceipt(t *testing.T) {
	t.Parallel()
	r := start(t)
	a := r.form(reports, "", newKey(), jsonPart("report", report()), photo(picture(1)))
	made := read[wire.Registration](r, a, http.StatusCreated)
	session := read[wire.ReceiptSession](r, r.post("/v1/receipt/session", "", "", wire.OpenReceipt{Code: made.Code}), http.StatusOK)
	a = r.get("/v1/receipt", session.Token)
	want := wire.Receipt{
		Number: made.Number, State: casefile.ReportReceived, RegisteredOn: r.clock.now().In(workflow.Shanghai()).Format("2006-01-02"),
		Evidence: []wire.ReceiptItem{{N: 1, Kind: "photo", State: casefile.EvidenceVerified}}, Openings: []wire.Opening{}, Leads: []wire.Lead{}, ContactUses: []wire.ContactUse{}, TriesLeft: 10,
	}
	if diff := cmp.Diff(want, read[wire.Receipt](r, a, http.StatusOK)); diff != "" {
		t.Error(diff)
	}
	r.lacks(a, "canary", "IMG_0001", made.Code)

	if a := r.post("/v1/receipt/award/claim", session.Token, newKey(), nil); a.status != http.StatusNotFound {
		t.Errorf("got %d for an award that is none", a.status)
	}
	for code, want := range map[string]string{
		"12345 67890 12345 67890 12345": "receipt.code_format /code", "canary": "receipt.code_format /code", validCode(made.Code): "receipt.unknown",
	} {
		a := r.post("/v1/receipt/session", "", "", wire.OpenReceipt{Code: code})
		if a.code() != want {
			t.Errorf("%s: got %s, want %s", code, a.code(), want)
		}
	}
	staff := r.signIn("inspector")
	for name, a := range map[string]answer{
		"receipt as staff": r.get("/v1/field/tasks", session.Token), "staff as receipt": r.get("/v1/receipt", staff.Access),
	} {
		if a.status != http.StatusNotFound {
			t.Errorf("%s: got %d", name, a.status)
		}
	}
	r.clock.pass(16 * time.Minute)
	if a := r.get("/v1/receipt", session.Token); a.status != http.StatusUnauthorized {
		t.Errorf("got %d with a token that is over", a.status)
	}
}

// validCode returns a code other than the one given, with a right check digit.
func validCode(not string) string {
	for n := range 1000 {
		code := fmt.Sprintf("%05d", n) + not[5:]
		if _, err := vault.ParseCode(code); err == nil && code != not {
			return code
		}
	}
	panic("no code")
}
