// Package app puts the program together: configuration in, a running service
// out. The end-to-end tests run the same App that main does.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"gridwatch/media"
	"gridwatch/media/blob"
	"gridwatch/media/clamd"
	"gridwatch/media/copies"
	"gridwatch/media/redact"
	"gridwatch/media/scrub"
	"gridwatch/mobileapi"
	"gridwatch/notify/fcm"
	"gridwatch/notify/gateway"
	"gridwatch/notify/outbox"
	"gridwatch/schemas/catalog/retention"
	"gridwatch/schemas/catalog/schemes"
	"gridwatch/schemas/examples/sealpage"
	"gridwatch/server/audit"
	"gridwatch/server/config"
	"gridwatch/server/console"
	"gridwatch/server/mongostore"
	"gridwatch/server/reward"
	"gridwatch/server/vault"
	"gridwatch/server/web"
	"gridwatch/server/web/work"
	"gridwatch/server/workflow"
)

// Env is what the program takes from its surroundings.
type Env struct {
	Now      func() time.Time
	Random   io.Reader
	Log      *slog.Logger
	Password vault.Argon2 // cost of passwords
}

// App is the running service.
type App struct {
	cfg     config.Config
	env     Env
	store   *mongostore.Store
	objects *blob.Store
	service *workflow.Service
	photos  *scrub.Cleaner
	keys    *keyFile
	audit   *audit.Log
	relay   *workflow.Relay
	sender  *fcm.Sender     // nil when push is off
	worker  *outbox.Worker  // nil when push is off
	gateway *gateway.Client // nil when there is none
	carrier *outbox.Worker  // nil with it
	maker   *copies.Maker   // nil when nothing is served
	copiers *workflow.Copiers
	server  *web.Server
	metrics *prometheus.Registry
	public  net.Listener
	ops     net.Listener
}

// Open connects to the engines, migrates the database and listens. It serves
// nothing before Run.
func Open(ctx context.Context, cfg config.Config, env Env) (*App, error) {
	a := newApp(cfg, env)
	if err := a.open(ctx); err != nil {
		return nil, errors.Join(err, a.Close(context.WithoutCancel(ctx)))
	}
	return a, nil
}

func newApp(cfg config.Config, env Env) *App {
	return &App{cfg: cfg, env: env, metrics: prometheus.NewRegistry(), photos: scrub.New(scrub.Config{})}
}

func (a *App) open(ctx context.Context) error {
	if err := a.engines(ctx); err != nil {
		return err
	}
	var err error
	a.maker, err = copies.New(ctx, copies.Config{
		Scratch: a.cfg.MediaScratch, Random: a.env.Random, Photos: a.photos, Scanner: a.scanner(),
	})
	if err != nil {
		return fmt.Errorf("GRID_MEDIA_SCRATCH: %w", err)
	}
	if a.maker.Isolation() == "none" {
		a.env.Log.LogAttrs(ctx, slog.LevelWarn, "no isolation or no ffmpeg: films, sounds, documents and HEIC are kept, and copies of them wait",
			slog.Any("error", a.maker.Why()))
	}
	if err := a.maker.Fonts(ctx); errors.Is(err, copies.ErrNoFonts) {
		a.env.Log.LogAttrs(ctx, slog.LevelWarn, "Chinese text cannot be drawn: documents are kept, and copies of them wait for poppler-data and a Chinese font",
			slog.Any("error", err))
	}
	if err := a.assemble(ctx); err != nil {
		return err
	}
	listening := web.Listening{Addr: a.cfg.Listen, Cert: a.cfg.TLSCert, Key: a.cfg.TLSKey, Proxies: a.cfg.TrustedProxies}
	if a.public, err = listening.Listen(ctx); err != nil {
		return inUse(a.cfg.Listen, "GRID_LISTEN", err)
	}
	if a.ops, err = new(net.ListenConfig).Listen(ctx, "tcp", a.cfg.OpsListen); err != nil {
		return inUse(a.cfg.OpsListen, "GRID_OPS_LISTEN", err)
	}
	return nil
}

// engines opens database and object store and brings both up to date.
func (a *App) engines(ctx context.Context) error {
	var err error
	a.store, err = mongostore.Open(ctx, mongostore.Config{
		URI: a.cfg.MongoURI.Reveal(), Database: a.cfg.MongoDatabase, Now: a.env.Now,
	})
	if err != nil {
		return err
	}
	if err := a.store.Migrate(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	a.objects, err = blob.Open(blob.Config{
		URL: a.cfg.S3URL, AccessKey: a.cfg.S3AccessKey.Reveal(), SecretKey: a.cfg.S3SecretKey.Reveal(), Bucket: a.cfg.S3Bucket, Prefix: a.cfg.S3Prefix, Lock: blob.LockMode(a.cfg.S3Lock),
	})
	if err != nil {
		return err
	}
	if err := a.objects.EnsureBucket(ctx); err != nil {
		return err
	}
	return a.objects.EnsureLocked(ctx)
}

// assemble makes the service and its surfaces.
func (a *App) assemble(ctx context.Context) error {
	var err error
	if a.keys, err = openKeyFile(newKeyStore(a.cfg)); err != nil {
		return err
	}
	keyring := a.keys.keyring
	rules, err := loadSchemes(a.cfg.SchemesDir)
	if err != nil {
		return err
	}
	terms, err := retention.Load()
	if err != nil {
		return err
	}
	if a.audit, err = a.log(keyring); err != nil {
		return err
	}
	deps := workflow.Deps{
		Reports: a.store.Reports, Tasks: a.store.Tasks, Visits: a.store.Visits, Hazards: a.store.Hazards,
		Penalties: a.store.Penalties, Awards: a.store.Awards, Openings: a.store.Openings, Rings: a.store.Rings, Leads: a.store.Leads, Held: a.store.Held, Batches: a.store.Batches, Payouts: a.store.Payouts,
		Approvals: a.store.Approvals, Contacts: a.store.Contacts, Envelopes: a.store.Envelopes,
		Messages: a.store.Messages, Uploads: a.store.Uploads, WrappedKeys: a.store.WrappedKeys, Erasures: a.store.Erasures, Leases: a.store.Leases, Terms: terms, Pending: a.store.Pending, Directory: a.store.Directory, Accounts: a.store.Accounts,
		SignIns: a.store.SignIns, Rosters: a.store.Rosters, Ledger: a.store.Ledger, Statistics: a.store.Statistics,
		Media: media.New(objects{a.objects}, a.env.Random, media.Config{Memory: evidenceMemory, Patience: a.cfg.Patience}), Cleaner: a.photos,
		Chains: a.store.Chains, Prints: a.store.Prints, Painter: redact.New(0),
		Copies: a.maker, CopyJobs: a.store.CopyJobs, Claims: a.store.Claims,
		Keyring: keyring, Hasher: a.hasher(keyring), Schemes: rules, Audit: a.audit,
		Now: a.env.Now, Random: a.env.Random, Log: a.env.Log,
	}
	if a.cfg.PasskeyOrigin != "" {
		if deps.Passkeys, err = workflow.NewPasskeys(a.cfg.PasskeyOrigin); err != nil {
			return fmt.Errorf("GRID_PASSKEY_ORIGIN: %w", err)
		}
	}
	if a.cfg.FCM == "on" {
		if deps.Pushes, err = a.push(ctx, keyring); err != nil {
			return err
		}
	}
	if a.cfg.ContactGateway != "" {
		if deps.HandOvers, err = a.handOvers(keyring); err != nil {
			return err
		}
		deps.Gateway = reach{a.gateway}
	}
	a.service = workflow.New(deps)
	a.relay, a.copiers = workflow.NewRelay(a.service), workflow.NewCopiers(a.service)
	return a.surfaces(ctx, keyring)
}

// scanner is ClamAV, if there is one.
func (a *App) scanner() copies.Scanner {
	if a.cfg.Clamd == "" {
		return nil
	}
	return clamd.New(a.cfg.Clamd)
}

// push makes the worker that sends what the relay queues.
func (a *App) push(ctx context.Context, keyring *vault.Keyring) (workflow.Pushes, error) {
	var err error
	a.sender, err = fcm.New(ctx, fcm.Config{
		ProjectID: a.cfg.FCMProject, CredentialsFile: a.cfg.FCMCredentials, Endpoint: a.cfg.FCMEndpoint,
	})
	if err != nil {
		return nil, err
	}
	owner, err := vault.NewID(a.env.Random)
	if err != nil {
		return nil, err
	}
	open := func(sealed []byte) (string, error) { return workflow.OpenToken(keyring, sealed) }
	a.worker = outbox.New(outbox.Config{
		Store: a.store.Outbox, Devices: a.store.Devices(open, workflow.DeviceID), Sender: a.sender,
		Now: a.env.Now, Random: a.env.Random, Logger: a.env.Log, Owner: owner,
	})
	return pushes{store: a.store.Outbox, worker: a.worker, life: pushLife}, a.metrics.Register(a.worker.Collector())
}

// surfaces mounts every route.
func (a *App) surfaces(ctx context.Context, keyring *vault.Keyring) error {
	metrics, err := web.NewMetrics(a.metrics, a.env.Now)
	if err != nil {
		return err
	}
	if err := a.metrics.Register(collectors.NewGoCollector()); err != nil {
		return err
	}
	tokens := web.NewTokens("gridwatch", keyring, a.env.Now)
	var gate *work.Gate
	if a.cfg.ProofOfWork > 0 {
		gate = work.NewGate(keyring, a.env.Random, a.env.Now, a.cfg.ProofOfWork)
	}
	a.server = web.New(web.Deps{
		Tokens: tokens, Directory: a.service, Metrics: metrics, Log: a.env.Log, Now: a.env.Now,
		RequestDeadline: a.cfg.RequestDeadline, UploadDeadline: a.cfg.UploadDeadline, Work: gate, PerMinute: a.cfg.PerMinute, Patience: a.cfg.Patience,
		Strict: a.cfg.TLSCert != "" || len(a.cfg.TrustedProxies) > 0,
	})
	page, err := sealpage.Files()
	if err != nil {
		return err
	}
	if err := a.server.Page(ReportPage, page); err != nil {
		return err
	}
	return a.server.Mount(ctx, Routes(a.service, tokens)) //nolint:contextcheck // a handler has the context of its request
}

// ReportPage is where the page lies that seals a report in the browser.
const ReportPage = "/report/"

// Routes is the one table of all routes.
func Routes(s *workflow.Service, tokens *web.Tokens) []web.Route {
	return append(mobileapi.Routes(mobileapi.Deps{Service: s, Tokens: tokens}), console.Routes(console.Deps{Service: s})...)
}

// Run serves until ctx is done and then stops in order: no new connections, the
// open requests to their end, the workers, the connections to the engines.
func (a *App) Run(ctx context.Context) error {
	owner, err := vault.NewID(a.env.Random)
	if err != nil {
		return err
	}
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	a.relay.Start(work)
	a.copiers.Start(work)
	a.audit.Start(work)
	for _, w := range a.workers() {
		w.Start(work)
	}
	a.checkClock(ctx)
	keeper := a.keep(work, owner)
	ops := web.Ops(a.ops.Addr(), a.metrics, a.env.Log, a.checks()...)
	opsDone := make(chan error, 1)
	go func() { opsDone <- ops.Serve(a.ops) }()

	err = a.server.Serve(ctx, a.public, a.cfg.Drain)
	a.relay.Stop()
	a.copiers.Stop()
	a.audit.Stop()
	for _, w := range a.workers() {
		w.Stop()
	}
	stop()
	<-keeper
	err = errors.Join(err, ops.Close())
	if served := <-opsDone; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return errors.Join(err, a.Close(context.WithoutCancel(ctx)))
}

// workers are those of the outboxes that are in use.
func (a *App) workers() []*outbox.Worker {
	var all []*outbox.Worker
	for _, w := range []*outbox.Worker{a.worker, a.carrier} {
		if w != nil {
			all = append(all, w)
		}
	}
	return all
}

// Close lets go of everything Open took.
func (a *App) Close(ctx context.Context) error {
	var errs []error
	for _, l := range []net.Listener{a.public, a.ops} {
		if l != nil {
			if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
				errs = append(errs, err)
			}
		}
	}
	if a.sender != nil {
		a.sender.Close()
	}
	if a.gateway != nil {
		a.gateway.Close()
	}
	if a.objects != nil {
		a.objects.Close()
	}
	if a.store != nil {
		errs = append(errs, a.store.Close(ctx))
	}
	return errors.Join(errs...)
}

// Addr is the address that serves.
func (a *App) Addr() string { return a.public.Addr().String() }

// OpsAddr is the address of operations.
func (a *App) OpsAddr() string { return a.ops.Addr().String() }

// Service gives tests and commands the use cases.
func (a *App) Service() *workflow.Service { return a.service }

func loadSchemes(dir string) ([]reward.Scheme, error) {
	if dir == "" {
		return reward.Load(schemes.Files)
	}
	return reward.Load(os.DirFS(dir))
}

// inUse says in one line that a port is taken.
func inUse(addr, setting string, err error) error {
	if isInUse(err) {
		return fmt.Errorf("%s is in use by another program: stop it, or set %s to another address", addr, setting)
	}
	return err
}
