package demo

import (
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"gridwatch/server/casefile"
)

// SignIn is an account of the demo with its password in clear.
type SignIn struct {
	Tenant   string          `json:"tenant"`
	Login    string          `json:"login"`
	Person   string          `json:"person"`
	Label    string          `json:"label"`
	Roles    []casefile.Role `json:"roles"`
	Password string          `json:"password"`
	TOTP     string          `json:"totp,omitempty"` // secret of the second factor, base32; "" if there is none
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

// newSecret draws a secret of 5 × n bytes in base32.
func newSecret(random io.Reader, n int) (string, error) {
	raw := make([]byte, 5*n)
	if _, err := io.ReadFull(random, raw); err != nil {
		return "", fmt.Errorf("draw a secret: %w", err)
	}
	return base32.StdEncoding.EncodeToString(raw), nil
}
