package app_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gridwatch/media/blob"
	"gridwatch/media/blobtest"
	"gridwatch/notify/fcmtest"
	"gridwatch/server/app"
	"gridwatch/server/app/apiclient"
	"gridwatch/server/app/demo"
	"gridwatch/server/config"
	"gridwatch/server/mongostore"
	"gridwatch/server/storetest"
	"gridwatch/server/vault"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// Fiber and fasthttp start these once for the process and never stop them.
		goleak.IgnoreAnyFunction("github.com/gofiber/fiber/v2/utils.StartTimeStampUpdater.func1.1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		// Ends up to ten seconds after its server.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
	)
}

// world is the whole program on engines of its own: a database, a prefix of
// the object store, the stand-in for FCM, and the demo's tenants and people.
type world struct {
	app      *app.App
	base     string
	ops      string
	dir      string // the demo's keys and sign-ins
	settings []string
	logs     *buffer
	fcm      *fcmtest.Server
	fcmURL   string
	http     *http.Client
	store    *mongostore.Store
	objects  *blob.Store
	people   []demo.SignIn

	mu       sync.Mutex
	sessions map[string]apiclient.Client
}

// buffer is written by many goroutines.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// quick is a cost of passwords that tests can pay a hundred times.
func quick() vault.Argon2 { return vault.Argon2{MemoryKiB: 1 << 10, Time: 1, Threads: 1} }

// newWorld is a world whose program does not run yet, with settings besides
// those of its engines.
func newWorld(t *testing.T, transport *http.Transport, settings []string) *world {
	t.Helper()
	w := &world{
		dir: filepath.Join(t.TempDir(), "demo"), logs: &buffer{}, fcm: fcmtest.NewServer(time.Now),
		http: &http.Client{Timeout: time.Minute, Transport: transport}, sessions: map[string]apiclient.Client{},
	}
	stand := httptest.NewServer(w.fcm.Handler())
	t.Cleanup(stand.Close)
	t.Cleanup(w.http.CloseIdleConnections)
	w.fcmURL = stand.URL
	w.settings = append(w.engines(t), settings...)
	return w
}

// start runs a world until the test ends, with settings besides those of its engines.
func start(t *testing.T, settings ...string) *world {
	t.Helper()
	w := newWorld(t, &http.Transport{}, settings)
	cfg, err := config.Read(w.settings)
	if err != nil {
		t.Fatal(err)
	}
	env := app.Env{
		Now: time.Now, Random: rand.Reader, Password: quick(),
		Log: slog.New(slog.NewJSONHandler(w.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	w.app, err = app.Open(t.Context(), cfg, env)
	if err != nil {
		t.Fatal(err)
	}
	w.base, w.ops = "http://"+w.app.Addr(), "http://"+w.app.OpsAddr()
	summary, err := w.app.LoadDemo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.people = summary.SignIns
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- w.app.Run(ctx) }()
	t.Cleanup(func() {
		w.http.CloseIdleConnections()
		stop()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	return w
}

// engines returns the settings of a program on engines of its own: a database
// and a prefix that are removed at the end.
func (w *world) engines(t *testing.T) []string {
	t.Helper()
	store := blobtest.Locate(t)
	database, prefix := "app_"+strings.ToLower(rand.Text()), rand.Text()+"/"
	w.store, w.objects = storetest.Connect(t, database), blobtest.OpenAt(t, prefix)
	keyring := filepath.Join(t.TempDir(), "keyring.json")
	file, err := vault.GenerateKeyring(rand.Reader, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(keyring, file, 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{
		"GRID_MONGO_URI=" + storetest.URI(t), "GRID_MONGO_DATABASE=" + database,
		"GRID_S3_URL=" + store.URL, "GRID_S3_ACCESS_KEY=" + store.AccessKey, "GRID_S3_SECRET_KEY=" + store.SecretKey,
		"GRID_S3_BUCKET=" + blobtest.Bucket, "GRID_S3_PREFIX=" + prefix,
		"GRID_KEYRING=" + keyring, "GRID_DEMO_DIR=" + w.dir, "GRID_LISTEN=127.0.0.1:0", "GRID_OPS_LISTEN=127.0.0.1:0",
		"GRID_LOG_HOUR=0", "GRID_FCM=on", "GRID_FCM_PROJECT=demo", "GRID_FCM_ENDPOINT=" + w.fcmURL,
	}
}

// as returns a client signed in with a demo login of the tenant yushu, or
// tenant:login.
func (w *world) as(t *testing.T, login string) apiclient.Client {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if c, ok := w.sessions[login]; ok {
		return c
	}
	tenant, name, ok := strings.Cut(login, ":")
	if !ok {
		tenant, name = demo.Tenant, login
	}
	for _, p := range w.people {
		if p.Tenant == tenant && p.Login == name {
			c, err := w.anyone().SignIn(t.Context(), credentials(p, "test-device-"+name+"-0001"))
			if err != nil {
				t.Fatal(err)
			}
			w.sessions[login] = c
			return c
		}
	}
	t.Fatalf("nobody signs in as %s", login)
	return apiclient.Client{}
}

// credentials of a demo login, on a device.
func credentials(p demo.SignIn, device string) apiclient.Credentials {
	return apiclient.Credentials{Tenant: p.Tenant, Login: p.Login, Password: p.Password, Device: device, Codes: apiclient.TOTP(p.TOTP)}
}

// anyone is a client without credentials.
func (w *world) anyone() apiclient.Client { return apiclient.Client{Base: w.base, HTTP: w.http} }
