package mobileapi_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"log/slog"
	"mime/multipart"
	"net"
	"net/http"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paulmach/orb"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"gridwatch/media"
	"gridwatch/media/blobtest"
	"gridwatch/media/copies"
	"gridwatch/media/redact"
	"gridwatch/media/sandbox"
	"gridwatch/media/scrub"
	"gridwatch/mobileapi"
	"gridwatch/mobileapi/wire"
	"gridwatch/server/casefile"
	"gridwatch/server/grid"
	"gridwatch/server/storetest"
	"gridwatch/server/vault"
	"gridwatch/server/web"
	"gridwatch/server/workflow"
)

const (
	password = "a long enough password"
	origin   = "https://grid.example.gov.cn"
	device   = "0123456789abcdef0123456789abcdef"
	inGrid   = "220182103001001"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// Clocks that these libraries keep for the life of a process.
		goleak.IgnoreAnyFunction("github.com/gofiber/fiber/v2/utils.StartTimeStampUpdater.func1.1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		// It sleeps up to ten seconds before it sees that its pool was stopped.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
	)
}

// clock is the time of rules and tokens; connections have the machine's.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// rig is the program's phone side on the real engines.
type rig struct {
	t       *testing.T
	url     string
	client  *http.Client
	clock   *clock
	service *workflow.Service
	tokens  *web.Tokens
	keys    []byte // file of the keyring
	loader  workflow.Loader
}

func start(t *testing.T) *rig {
	t.Helper()
	store, ctx := storetest.Open(t), t.Context()
	file := must(vault.GenerateKeyring(rand.Reader, time.Now()))
	keyring := must(vault.Parse(file))
	r := &rig{t: t, keys: file, clock: &clock{at: time.Now()}, client: &http.Client{Timeout: time.Minute}}
	r.loader = store.Loader
	r.tokens = web.NewTokens("test", keyring, r.clock.now)
	hasher := vault.NewHasher(keyring, vault.Argon2{MemoryKiB: 64, Time: 1, Threads: 1}, 4, rand.Reader)
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	r.service = workflow.New(workflow.Deps{
		Reports: store.Reports, Tasks: store.Tasks, Visits: store.Visits, Hazards: store.Hazards, Penalties: store.Penalties,
		Awards: store.Awards, Openings: store.Openings, Leads: store.Leads, Held: store.Held, Batches: store.Batches, Payouts: store.Payouts, Statistics: store.Statistics, Envelopes: store.Envelopes, Messages: store.Messages, Uploads: store.Uploads, WrappedKeys: store.WrappedKeys, Pending: store.Pending,
		Contacts:  store.Contacts,
		Directory: store.Directory, Accounts: store.Accounts, SignIns: store.SignIns, Rosters: store.Rosters, Ledger: store.Ledger,
		Media: media.New(blobtest.Open(t), rand.Reader, media.Config{}), Cleaner: scrub.New(scrub.Config{}), Painter: redact.New(0), Chains: store.Chains, Prints: store.Prints, CopyJobs: store.CopyJobs, Claims: store.Claims,
		Copies:   must(copies.New(ctx, copies.Config{Scratch: "/dev/shm", Random: rand.Reader, Photos: scrub.New(scrub.Config{}), Ways: sandbox.Only()})),
		Passkeys: must(workflow.NewPasskeys(origin)), Keyring: keyring, Hasher: hasher, Now: r.clock.now, Random: rand.Reader, Log: log,
		Audit: storetest.NewLog(t, store.Audit, "test", 0),
	})
	custody := storetest.NewCustody(t, "county")
	importer := workflow.Import{Store: store.Loader, Directory: store.Directory, Hasher: hasher}
	r.check(importer.Tenant(ctx, workflow.Tenant{
		ID: "county", Name: "demo county", Area: "220182000000",
		Root: custody.Root.Public(), Keys: custody.List,
		Policy: workflow.Policy{
			DecideDays: 15, ConcludeDays: 60, TaskHours: 72, PayDays: 15, RepeatHours: 72, OpeningHours: 48, MaxItems: 3,
			SecondFactor: []casefile.Role{casefile.Payer},
			ServiceDays:  30, ObjectionDays: 10, RecheckDays: 30, MaxManifest: 5, MaxMessages: 6, LeadDays: 15, AttachmentDays: 30, SuppressUnder: 5, FiguresDays: 30, ResultsMin: 10, ResultsShare: 50, PayoutMin: 1, PayoutMemo: "expense",
			UploadHours: 168, PhotoMiB: 32, VideoMiB: 4096, AudioMiB: 32, DocumentMiB: 32,
			ApprovalUses: 50, ApprovalDays: 90, ContactHours: 24, RecordingDays: 180, CaseRecordingDays: 3650, HazardEvidenceDays: 1825, CaseEvidenceDays: 3650, AccidentEvidenceDays: 10950, MaxRecordings: 20, MaxSegments: 500,
			MediaMinutes: 60, MediaMegapixels: 50, MediaStreams: 16, MediaPages: 100, CopyMinutes: 30,
		},
	}))
	ring := orb.Ring{{126.5, 44.8}, {126.6, 44.8}, {126.6, 44.9}, {126.5, 44.9}, {126.5, 44.8}}
	r.check(store.Loader.PutGrids(ctx, "county", []grid.Grid{
		{Code: inGrid, Name: "demo grid", Polygon: grid.NewGeometry(orb.MultiPolygon{{ring}})},
	}))
	for login, role := range map[string]casefile.Role{
		"inspector": casefile.Inspector, "other": casefile.Inspector, "desk": casefile.DeskOfficer, "payer": casefile.Payer,
	} {
		r.check(importer.Person(ctx, casefile.Person{
			ID: login, Tenant: "county", Login: login, Label: "demo " + login,
			Posts: []casefile.Post{{Role: role, Area: "220182000000", From: time.Now().Add(-time.Hour)}},
		}, password))
	}
	r.serve(log)
	return r
}

// serve answers on loopback until the test ends.
func (r *rig) serve(log *slog.Logger) {
	r.t.Helper()
	server := web.New(web.Deps{
		Tokens: r.tokens, Directory: r.service, Log: log, Now: time.Now,
		Metrics: must(web.NewMetrics(prometheus.NewRegistry(), time.Now)),
	})
	ctx, stop := context.WithCancel(r.t.Context())
	r.check(server.Mount(ctx, mobileapi.Routes(mobileapi.Deps{Service: r.service, Tokens: r.tokens})))
	listener := must(net.Listen("tcp", "127.0.0.1:0"))
	r.url = "http://" + listener.Addr().String()
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, listener, 10*time.Second) }()
	r.t.Cleanup(func() {
		r.client.CloseIdleConnections()
		stop()
		r.check(<-done)
	})
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func (r *rig) check(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// newKey is a fresh idempotency key.
func newKey() string { return must(vault.NewID(rand.Reader)) }

// answer is a response as it came.
type answer struct {
	status int
	body   []byte
	header http.Header
}

// code is the code of a problem and the field it names.
func (a answer) code() string {
	var p struct {
		Code   string           `json:"code"`
		Errors []web.FieldError `json:"errors"`
	}
	_ = json.Unmarshal(a.body, &p)
	if len(p.Errors) > 0 {
		return p.Code + " " + p.Errors[0].Field
	}
	return p.Code
}

func read[T any](r *rig, a answer, status int) T {
	r.t.Helper()
	var v T
	if a.status != status {
		r.t.Fatalf("got %d %s, want %d", a.status, a.body, status)
	}
	r.check(json.Unmarshal(a.body, &v))
	return v
}

// send asks with a body; token and key may be empty.
func (r *rig) send(method, path, token, key, media string, body io.Reader) answer {
	q := must(http.NewRequestWithContext(r.t.Context(), method, r.url+path, body))
	for name, value := range map[string]string{"Authorization": "Bearer " + token, "Idempotency-Key": key, "Content-Type": media} {
		if value != "" && value != "Bearer " {
			q.Header.Set(name, value)
		}
	}
	res, err := r.client.Do(q)
	if err != nil {
		r.t.Error(err)
		return answer{}
	}
	defer res.Body.Close()
	return answer{status: res.StatusCode, body: must(io.ReadAll(res.Body)), header: res.Header}
}

func (r *rig) get(path, token string) answer { return r.send(http.MethodGet, path, token, "", "", nil) }

// post sends JSON; nil sends no body.
func (r *rig) post(path, token, key string, body any) answer {
	if body == nil {
		return r.send(http.MethodPost, path, token, key, "", nil)
	}
	return r.send(http.MethodPost, path, token, key, "application/json", bytes.NewReader(must(json.Marshal(body))))
}

// part is one part of a form; a file has a file name.
type part struct {
	name, file, digest string
	body               []byte
}

func jsonPart(name string, v any) part { return part{name: name, body: must(json.Marshal(v))} }

func photo(body []byte) part { return part{name: "evidence", file: "IMG_0001.jpg", body: body} }

// form sends parts under a boundary of its own.
func (r *rig) form(path, token, key string, parts ...part) answer {
	var out bytes.Buffer
	w := multipart.NewWriter(&out)
	for _, p := range parts {
		h := textproto.MIMEHeader{"Content-Disposition": {`form-data; name="` + p.name + `"`}}
		if p.file != "" {
			h.Set("Content-Disposition", h.Get("Content-Disposition")+`; filename="`+p.file+`"`)
		}
		if p.digest != "" {
			h.Set("Content-Digest", p.digest)
		}
		must(must(w.CreatePart(h)).Write(p.body))
	}
	r.check(w.Close())
	return r.send(http.MethodPost, path, token, key, w.FormDataContentType(), &out)
}

// signIn returns the tokens of a person.
func (r *rig) signIn(login string) wire.Session {
	r.t.Helper()
	return read[wire.Session](r, r.post("/v1/session", "", "", wire.OpenSession{
		Tenant: "county", Login: login, Password: password, Device: device,
	}), http.StatusOK)
}

// lacks fails if an answer tells what it must not.
func (r *rig) lacks(a answer, hidden ...string) {
	r.t.Helper()
	for _, text := range hidden {
		if strings.Contains(string(a.body), text) {
			r.t.Errorf("the answer tells %q: %s", text, a.body)
		}
	}
}
