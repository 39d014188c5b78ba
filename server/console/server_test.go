package console_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/paulmach/orb"
	"github.com/prometheus/client_golang/prometheus"

	"gridwatch/media"
	"gridwatch/media/blobtest"
	"gridwatch/media/copies"
	"gridwatch/media/redact"
	"gridwatch/media/sandbox"
	"gridwatch/media/scrub"
	"gridwatch/schemas/catalog/schemes"
	"gridwatch/server/casefile"
	"gridwatch/server/console"
	"gridwatch/server/grid"
	"gridwatch/server/reward"
	"gridwatch/server/storetest"
	"gridwatch/server/vault"
	"gridwatch/server/web"
	"gridwatch/server/workflow"
)

const (
	county   = "220182000000"
	inGrid   = "220182103001001"
	password = "a long enough password"
)

// office is the program's office side on the real engines.
type office struct {
	t        *testing.T
	url      string
	client   *http.Client
	service  *workflow.Service
	tokens   *web.Tokens
	sessions map[string]string
	custody  storetest.Custody
}

func open(t *testing.T) *office {
	t.Helper()
	store, ctx := storetest.Open(t), t.Context()
	keyring := must(vault.Parse(must(vault.GenerateKeyring(rand.Reader, time.Now()))))
	o := &office{
		t: t, client: &http.Client{Timeout: time.Minute}, tokens: web.NewTokens("test", keyring, time.Now), sessions: map[string]string{},
		custody: storetest.NewCustody(t, "county"),
	}
	hasher := vault.NewHasher(keyring, vault.Argon2{MemoryKiB: 64, Time: 1, Threads: 1}, 4, rand.Reader)
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	o.service = workflow.New(workflow.Deps{
		Reports: store.Reports, Tasks: store.Tasks, Visits: store.Visits, Hazards: store.Hazards, Penalties: store.Penalties,
		Awards: store.Awards, Openings: store.Openings, Rings: store.Rings, Leads: store.Leads, Held: store.Held, Batches: store.Batches, Payouts: store.Payouts, Statistics: store.Statistics, Envelopes: store.Envelopes, Messages: store.Messages, Uploads: store.Uploads, Pending: store.Pending,
		Approvals: store.Approvals, Contacts: store.Contacts,
		Directory: store.Directory, Accounts: store.Accounts, SignIns: store.SignIns, Rosters: store.Rosters, Ledger: store.Ledger, Schemes: must(reward.Load(schemes.Files)),
		Media: media.New(blobtest.Open(t), rand.Reader, media.Config{}), Cleaner: scrub.New(scrub.Config{}), Painter: redact.New(0), Chains: store.Chains, Prints: store.Prints, CopyJobs: store.CopyJobs, Claims: store.Claims,
		Copies:  must(copies.New(ctx, copies.Config{Scratch: "/dev/shm", Random: rand.Reader, Photos: scrub.New(scrub.Config{}), Ways: sandbox.Only()})),
		Keyring: keyring, Hasher: hasher, Now: time.Now, Random: rand.Reader, Log: log,
		Audit: storetest.NewLog(t, store.Audit, "test", 0),
	})
	importer := workflow.Import{Store: store.Loader, Directory: store.Directory, Hasher: hasher}
	o.check(importer.Tenant(ctx, workflow.Tenant{
		ID: "county", Name: "demo county", Area: county,
		Root: o.custody.Root.Public(), Keys: o.custody.List,
		Policy: workflow.Policy{
			DecideDays: 15, ConcludeDays: 60, TaskHours: 72, PayDays: 15, RepeatHours: 72, OpeningHours: 48, MaxItems: 3,
			ServiceDays: 30, ObjectionDays: 10, RecheckDays: 30, MaxManifest: 5, MaxMessages: 6, LeadDays: 15, AttachmentDays: 30, SuppressUnder: 5, FiguresDays: 30, ResultsMin: 10, ResultsShare: 50, PayoutMin: 1, PayoutMemo: "expense",
			UploadHours: 168, PhotoMiB: 32, VideoMiB: 4096, AudioMiB: 32, DocumentMiB: 32,
			ApprovalUses: 50, ApprovalDays: 90, ContactHours: 24, RecordingDays: 180, CaseRecordingDays: 3650, HazardEvidenceDays: 1825, CaseEvidenceDays: 3650, AccidentEvidenceDays: 10950, MaxRecordings: 20, MaxSegments: 500,
			MediaMinutes: 60, MediaMegapixels: 50, MediaStreams: 16, MediaPages: 100, CopyMinutes: 30,
		},
	}))
	ring := orb.Ring{{126.5, 44.8}, {126.6, 44.8}, {126.6, 44.9}, {126.5, 44.9}, {126.5, 44.8}}
	o.check(store.Loader.PutGrids(ctx, "county", []grid.Grid{
		{Code: inGrid, Name: "demo grid", Polygon: grid.NewGeometry(orb.MultiPolygon{{ring}})},
	}))
	o.custody.Enrol(t, store, "county", map[vault.Ring]string{vault.RingA: "ringA", vault.RingB: "ringB"}, time.Now())
	o.staff(importer)
	o.serve(log)
	return o
}

// staff brings people in: each signs in by the name of what it is.
func (o *office) staff(importer workflow.Import) {
	o.t.Helper()
	begun := time.Now().Add(-24 * time.Hour)
	for login, role := range map[string]casefile.Role{
		"desk": casefile.DeskOfficer, "township": casefile.TownshipOfficer, "inspector": casefile.Inspector, "leader": casefile.Leader,
		"enforcer1": casefile.Enforcer, "enforcer2": casefile.Enforcer, "reward1": casefile.RewardOfficer, "reward2": casefile.RewardOfficer,
		"payer": casefile.Payer, "ringA": casefile.IdentityOfficer, "ringB": casefile.SealLeader,
		"admin1": casefile.Administrator, "admin2": casefile.Administrator, "admin3": casefile.Administrator,
	} {
		p := casefile.Person{
			ID: login, Tenant: "county", Login: login, Label: "demo " + login,
			Posts:        []casefile.Post{{Role: role, Area: county, From: begun}},
			Certificates: []casefile.Certificate{{Number: "demo " + login, From: begun, To: begun.AddDate(1, 0, 0)}},
		}
		o.check(importer.Person(o.t.Context(), p, password))
		s := must(o.service.SignIn(o.t.Context(), workflow.Credentials{Tenant: "county", Login: login, Password: password, Device: "a device"}))
		token, _, err := o.tokens.Issue(web.Claims{Audience: web.Staff, Tenant: s.Tenant, Subject: s.Person, Family: s.Family})
		o.check(err)
		o.sessions[login] = token
	}
}

// serve answers on loopback until the test ends.
func (o *office) serve(log *slog.Logger) {
	o.t.Helper()
	server := web.New(web.Deps{
		Tokens: o.tokens, Directory: o.service, Log: log, Now: time.Now,
		Metrics: must(web.NewMetrics(prometheus.NewRegistry(), time.Now)),
	})
	ctx, stop := context.WithCancel(o.t.Context())
	o.check(server.Mount(ctx, console.Routes(console.Deps{Service: o.service})))
	listener := must(net.Listen("tcp", "127.0.0.1:0"))
	o.url = "http://" + listener.Addr().String()
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, listener, 10*time.Second) }()
	o.t.Cleanup(func() {
		o.client.CloseIdleConnections()
		stop()
		o.check(<-done)
	})
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func (o *office) check(err error) {
	o.t.Helper()
	if err != nil {
		o.t.Fatal(err)
	}
}

// answer is a response as it came.
type answer struct {
	status int
	body   []byte
	header http.Header
}

// ask sends a request as a person; without a body it has none.
func (o *office) ask(method, login, path string, body any, header map[string]string) answer {
	o.t.Helper()
	var in io.Reader
	if body != nil {
		in = bytes.NewReader(must(json.Marshal(body)))
	}
	q := must(http.NewRequestWithContext(o.t.Context(), method, o.url+path, in))
	q.Header.Set("Authorization", "Bearer "+o.sessions[login])
	q.Header.Set("Accept-Language", "en")
	if body != nil {
		q.Header.Set("Content-Type", "application/json")
	}
	for name, value := range header {
		q.Header.Set(name, value)
	}
	res, err := o.client.Do(q)
	o.check(err)
	defer res.Body.Close()
	return answer{status: res.StatusCode, body: must(io.ReadAll(res.Body)), header: res.Header}
}

// do carries a command out and looks at the state it leads to.
func (o *office) do(login, path string, body any, want casefile.State) casefile.Outcome {
	o.t.Helper()
	a := o.ask(http.MethodPost, login, path, body, map[string]string{"Idempotency-Key": must(vault.NewID(rand.Reader))})
	var out casefile.Outcome
	if a.status/100 != 2 {
		o.t.Fatalf("%s by %s: got %d %s", path, login, a.status, a.body)
	}
	o.check(json.Unmarshal(a.body, &out))
	if out.State != want {
		o.t.Fatalf("%s by %s: got %s, want %s", path, login, out.State, want)
	}
	o.relay()
	return out
}

// relay carries out what records wait for.
func (o *office) relay() {
	o.t.Helper()
	for must(o.service.RelayOnce(o.t.Context())) > 0 {
	}
}

// get reads a value as a person.
func get[T any](o *office, login, path string) T {
	o.t.Helper()
	a := o.ask(http.MethodGet, login, path, nil, nil)
	var v T
	if a.status != http.StatusOK {
		o.t.Fatalf("%s by %s: got %d %s", path, login, a.status, a.body)
	}
	o.check(json.Unmarshal(a.body, &v))
	return v
}

// refused fails unless a request is answered with a problem.
func (o *office) refused(a answer, status int, code string) {
	o.t.Helper()
	var p struct {
		Code string `json:"code"`
	}
	_ = json.Unmarshal(a.body, &p)
	if a.status != status || p.Code != code {
		o.t.Errorf("got %d %s, want %d %s", a.status, a.body, status, code)
	}
}
