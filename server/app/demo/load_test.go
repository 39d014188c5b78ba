package demo_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"os"
	"path/filepath"
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

func hasher(t *testing.T) *vault.Hasher {
	t.Helper()
	file, err := vault.GenerateKeyring(rand.Reader, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	keyring, err := vault.Parse(file)
	if err != nil {
		t.Fatal(err)
	}
	return vault.NewHasher(keyring, vault.Argon2{MemoryKiB: 64, Time: 1, Threads: 1}, 2, rand.Reader)
}

func load(t *testing.T, s *mongostore.Store, h *vault.Hasher, dir string) demo.Summary {
	t.Helper()
	out, err := demo.Load(t.Context(), demo.LoadDeps{
		Import: workflow.Import{Store: s.Loader, Directory: s.Directory, Hasher: h},
		Now:    time.Now, Random: rand.Reader, Dir: dir, BaseURL: "http://127.0.0.1:8080",
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
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

// What was lost of folder or store is made again, and fits together.
func TestLoadAfterALoss(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		lose string
		want int // version of the rings
	}{
		"sign-ins lost": {"sign-ins.json", 1},
		"keys lost":     {"custody", 2},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, h, dir := storetest.Open(t), hasher(t), t.TempDir()
			load(t, s, h, dir)
			if err := os.RemoveAll(filepath.Join(dir, tt.lose)); err != nil {
				t.Fatal(err)
			}
			out := load(t, s, h, dir)
			for _, in := range out.SignIns {
				a, err := s.Accounts.Account(t.Context(), in.Tenant, in.Login)
				if err != nil {
					t.Fatal(err)
				}
				if right, err := h.Verify(t.Context(), a.Hash, in.Password); err != nil || !right {
					t.Errorf("%s: the password does not open the account: %v", in.Login, err)
				}
			}
			tenant, err := s.Directory.Tenant(t.Context(), demo.Tenant)
			if err != nil {
				t.Fatal(err)
			}
			if tenant.Rings.Version != tt.want {
				t.Errorf("got version %d of the rings, want %d", tenant.Rings.Version, tt.want)
			}
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
