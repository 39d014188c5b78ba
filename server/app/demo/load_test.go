package demo_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gridwatch/server/app/demo"
	"gridwatch/server/casefile"
	"gridwatch/server/mongostore"
	"gridwatch/server/storetest"
	"gridwatch/server/vault"
	"gridwatch/server/workflow"
)

func newKeyring(t *testing.T) *vault.Keyring {
	t.Helper()
	file, err := vault.GenerateKeyring(rand.Reader, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	keyring, err := vault.Parse(file)
	if err != nil {
		t.Fatal(err)
	}
	return keyring
}

func hasher(t *testing.T) *vault.Hasher {
	t.Helper()
	return vault.NewHasher(newKeyring(t), vault.Argon2{MemoryKiB: 64, Time: 1, Threads: 1}, 2, rand.Reader)
}

// custody is a service with what the rings need of it.
func custody(t *testing.T, s *mongostore.Store) *workflow.Service {
	t.Helper()
	return workflow.New(workflow.Deps{
		Rings: s.Rings, Directory: s.Directory, Keyring: newKeyring(t), Now: time.Now, Random: rand.Reader,
	})
}

func load(t *testing.T, s *mongostore.Store, h *vault.Hasher, dir string) demo.Summary {
	t.Helper()
	out, err := tryLoad(t, s, h, dir)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func tryLoad(t *testing.T, s *mongostore.Store, h *vault.Hasher, dir string) (demo.Summary, error) {
	t.Helper()
	return demo.Load(t.Context(), demo.LoadDeps{
		Import: workflow.Import{Store: s.Loader, Directory: s.Directory, Hasher: h}, Custody: custody(t, s),
		Now: time.Now, Random: rand.Reader, Dir: dir, BaseURL: "http://127.0.0.1:8080",
		Enrol: func(ctx context.Context, tenant, login, secret string) error {
			return workflow.Enrol(ctx, s.Accounts, newKeyring(t), rand.Reader, tenant, login, secret)
		},
	})
}

// state is all that a Load wrote, as text.
func state(t *testing.T, s *mongostore.Store, signIns []demo.SignIn) string {
	t.Helper()
	var all []any
	for _, id := range []string{demo.Tenant, demo.Neighbour} {
		tenant, err := s.Directory.Tenant(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		grids, err := s.Directory.Grids(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		areas, err := s.Loader.Areas(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, tenant, grids, areas)
	}
	for _, in := range signIns {
		p, err := s.Directory.Person(t.Context(), in.Tenant, in.Person)
		if err != nil {
			t.Fatal(err)
		}
		a, err := s.Accounts.Account(t.Context(), in.Tenant, in.Login)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p, a)
	}
	text, err := json.MarshalIndent(all, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestLoadTwice(t *testing.T) {
	t.Parallel()
	s, h, dir := storetest.Open(t), hasher(t), t.TempDir()
	first := load(t, s, h, dir)
	before := state(t, s, first.SignIns)
	second := load(t, s, h, dir)
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("summary (-first +second)\n%s", diff)
	}
	if diff := cmp.Diff(before, state(t, s, second.SignIns)); diff != "" {
		t.Errorf("store (-first +second)\n%s", diff)
	}
}

func TestLoadMakesWhatIsPromised(t *testing.T) {
	t.Parallel()
	s, h, dir := storetest.Open(t), hasher(t), t.TempDir()
	out := load(t, s, h, dir)
	roles := map[casefile.Role]int{}
	for _, in := range out.SignIns {
		if in.Tenant == demo.Tenant {
			roles[in.Roles[0]]++
		}
		a, err := s.Accounts.Account(t.Context(), in.Tenant, in.Login)
		if err != nil {
			t.Fatal(err)
		}
		if right, err := h.Verify(t.Context(), a.Hash, in.Password); err != nil || !right {
			t.Errorf("%s %s: the password does not open the account: %v", in.Tenant, in.Login, err)
		}
	}
	for _, role := range casefile.StaffRoles() {
		if roles[role] == 0 {
			t.Errorf("got nobody with the role %s", role)
		}
	}
	tenant, err := s.Directory.Tenant(t.Context(), demo.Tenant)
	if err != nil {
		t.Fatal(err)
	}
	if tenant.Policy.DecideDays != 15 || tenant.Policy.ConcludeDays != 60 || tenant.Rings.Version != 1 {
		t.Errorf("got policy %+v, rings version %d", tenant.Policy, tenant.Rings.Version)
	}
	for _, name := range []string{"sign-ins.json", "custody/yushu-identity1.key", "custody/yushu-seal1.key"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s: got mode %v, want 0600", name, info.Mode())
		}
	}
	expired := 0
	for _, login := range []string{"enforcer1", "enforcer2", "enforcer3"} {
		p, err := s.Directory.Person(t.Context(), demo.Tenant, demo.Tenant+"-"+login)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := p.Certificate(time.Now()); !ok {
			expired++
		}
	}
	if expired != 1 {
		t.Errorf("got %d officers without a valid certificate, want 1", expired)
	}
	var text bytes.Buffer
	if _, err := out.WriteTo(&text); err != nil {
		t.Fatal(err)
	}
	for _, in := range out.SignIns {
		if !bytes.Contains(text.Bytes(), []byte(in.Password)) {
			t.Errorf("the summary does not tell the sign-in of %s", in.Login)
		}
	}
}

// Sign-ins that were lost are made again.
func TestLoadAfterSignInsWereLost(t *testing.T) {
	t.Parallel()
	s, h, dir := storetest.Open(t), hasher(t), t.TempDir()
	load(t, s, h, dir)
	if err := os.Remove(filepath.Join(dir, "sign-ins.json")); err != nil {
		t.Fatal(err)
	}
	for _, in := range load(t, s, h, dir).SignIns {
		a, err := s.Accounts.Account(t.Context(), in.Tenant, in.Login)
		if err != nil {
			t.Fatal(err)
		}
		if right, err := h.Verify(t.Context(), a.Hash, in.Password); err != nil || !right {
			t.Errorf("%s: the password does not open the account: %v", in.Login, err)
		}
	}
}

// Custody keys cannot be made again: nobody could open what was sealed to them.
// A new database takes the keys of the folder.
func TestLoadAfterKeysWereLost(t *testing.T) {
	t.Parallel()
	for name, lost := range map[string][]string{
		"root":    {"yushu-root.key"},
		"officer": {"yushu-seal1.key"},
		"all":     {"yushu-root.key", "yushu-seal1.key", "yushu-identity1.key"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, h, dir := storetest.Open(t), hasher(t), t.TempDir()
			load(t, s, h, dir)
			for _, file := range lost {
				if err := os.Remove(filepath.Join(dir, "custody", file)); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := tryLoad(t, s, h, dir); err == nil || !strings.Contains(err.Error(), "make clean") {
				t.Errorf("got %v, want the way out", err)
			}
			load(t, storetest.Open(t), h, dir)
		})
	}
}

func TestParseFines(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		text string
		want []int64
	}{
		"unit":          {"10000", []int64{10000}},
		"unit, person":  {"100000, 30000", []int64{100000, 30000}},
		"nothing":       {"", nil},
		"zero":          {"0", nil},
		"below zero":    {"-5", nil},
		"three":         {"1,2,3", nil},
		"not a number":  {"much", nil},
		"with a point":  {"10.5", nil},
		"far too large": {"1000000001", nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := demo.ParseFines(tt.text)
			if (err != nil) != (tt.want == nil) {
				t.Fatalf("got error %v", err)
			}
			if diff := cmp.Diff(tt.want, got); err == nil && diff != "" {
				t.Error(diff)
			}
		})
	}
}
