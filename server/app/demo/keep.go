package demo

import (
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gridwatch/server/casefile"
	"gridwatch/server/vault"
)

// SignIn is an account of the demo with its password in clear.
type SignIn struct {
	Tenant   string          `json:"tenant"`
	Login    string          `json:"login"`
	Person   string          `json:"person"`
	Label    string          `json:"label"`
	Roles    []casefile.Role `json:"roles"`
	Password string          `json:"password"`
}

const signInsFile = "sign-ins.json"

// ReadSignIns reads what Load kept in a folder; none if it never ran there.
func ReadSignIns(dir string) ([]SignIn, error) {
	text, err := os.ReadFile(filepath.Join(dir, signInsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var in []SignIn
	if json.Unmarshal(text, &in) != nil {
		return nil, fmt.Errorf("%s is not readable: remove it and load again", filepath.Join(dir, signInsFile))
	}
	return in, nil
}

// writeSignIns replaces the file in one step.
func writeSignIns(dir string, signIns []SignIn) error {
	text, err := json.MarshalIndent(signIns, "", "  ") //nolint:gosec // the demo's passwords are kept on purpose
	if err != nil {
		return err
	}
	path := filepath.Join(dir, signInsFile)
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func newPassword(random io.Reader) (string, error) {
	raw := make([]byte, 10)
	if _, err := io.ReadFull(random, raw); err != nil {
		return "", fmt.Errorf("draw a password: %w", err)
	}
	return strings.ToLower(base32.StdEncoding.EncodeToString(raw)), nil
}

// KeyFile is where the key of a custody officer of the demo lies.
func KeyFile(dir, tenant, login string) string {
	return filepath.Join(dir, "custody", tenant+"-"+login+".key")
}

// custodyKeys are the public halves of a tenant's rings, by login.
type custodyKeys map[string]vault.OfficerPublic

func (k custodyKeys) sorted() []vault.OfficerPublic {
	var all []vault.OfficerPublic
	for _, login := range slices.Sorted(maps.Keys(k)) {
		all = append(all, k[login])
	}
	return all
}

// custodyKeys reads the officers' keys, and makes those that are missing.
func (l *loader) custodyKeys(tenant string, people []member) (custodyKeys, error) {
	rings := map[casefile.Role]vault.Ring{casefile.IdentityOfficer: vault.RingA, casefile.SealLeader: vault.RingB}
	if err := os.MkdirAll(filepath.Join(l.Dir, "custody"), 0o700); err != nil {
		return nil, err
	}
	keys := custodyKeys{}
	for _, m := range people {
		ring, ok := rings[m.role]
		if !ok {
			continue
		}
		key, err := l.officerKey(KeyFile(l.Dir, tenant, m.login), ring, m.label)
		if err != nil {
			return nil, err
		}
		keys[m.login] = key.Public()
	}
	return keys, nil
}

func (l *loader) officerKey(path string, ring vault.Ring, label string) (*vault.OfficerKey, error) {
	file, err := os.ReadFile(path)
	if err == nil {
		return vault.ParseOfficerKey(file, "")
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	key, err := vault.NewOfficerKey(ring, label, l.Random)
	if err != nil {
		return nil, err
	}
	if file, err = key.File(""); err != nil {
		return nil, err
	}
	return key, errors.Join(os.WriteFile(path+".new", file, 0o600), os.Rename(path+".new", path))
}
