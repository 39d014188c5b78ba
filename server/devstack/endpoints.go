package main

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Ports are taken below the range the kernel uses for outgoing connections,
// so that nobody gets a stopped engine's port by chance.
const (
	lowestPort = 20000
	portCount  = 10000
)

// endpoints is what a checkout remembers between starts, in endpoints.json.
type endpoints struct {
	Postgres  int    `json:"postgres"`
	FerretDB  int    `json:"ferretdb"`
	Health    int    `json:"ferretdbHealth"`
	MinIO     int    `json:"minio"`
	FCM       int    `json:"fcm"`
	AccessKey string `json:"minioAccessKey"`
	SecretKey string `json:"minioSecretKey"`
}

func readEndpoints(dir string) (endpoints, error) {
	var e endpoints
	text, err := os.ReadFile(filepath.Join(dir, "endpoints.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return e, nil
	}
	if err != nil {
		return e, err
	}
	if err := json.Unmarshal(text, &e); err != nil {
		return e, fmt.Errorf("read endpoints.json: %w", err)
	}
	return e, nil
}

func (e endpoints) write(dir string) error {
	text, err := json.MarshalIndent(e, "", "  ") //nolint:gosec // the keys of a MinIO on the loopback address, in a file of the user only
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, "endpoints.json"), append(text, '\n'))
}

// secrets makes MinIO's two keys if there are none yet.
func (e *endpoints) secrets(random io.Reader) error {
	for _, key := range []*string{&e.AccessKey, &e.SecretKey} {
		if *key != "" {
			continue
		}
		raw := make([]byte, 16)
		if _, err := io.ReadFull(random, raw); err != nil {
			return err
		}
		*key = fmt.Sprintf("%x", raw)
	}
	return nil
}

// env says to a shell, and to the tests, where the engines are.
func (e endpoints) env() string {
	var text strings.Builder
	for _, v := range [][2]string{
		{"GRID_MONGO_URI", "mongodb://" + local(e.FerretDB) + "/"},
		{"GRID_S3_URL", "http://" + local(e.MinIO)},
		{"GRID_S3_ACCESS_KEY", e.AccessKey},
		{"GRID_S3_SECRET_KEY", e.SecretKey},
		{"GRID_S3_BUCKET", "gridwatch"},
		{"GRID_FCM_ENDPOINT", "http://" + local(e.FCM)},
	} {
		text.WriteString(export(v[0], v[1]))
	}
	return text.String()
}

func export(name, value string) string {
	return fmt.Sprintf("export %s='%s'\n", name, strings.ReplaceAll(value, "'", `'\''`))
}

func local(port int) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}

// choosePort keeps port if it is free, and otherwise finds one that is free
// and not among taken.
func choosePort(port int, taken map[int]bool, random io.Reader, free func(int) bool) (int, error) {
	for range 1000 {
		if port != 0 && !taken[port] && free(port) {
			return port, nil
		}
		n, err := rand.Int(random, big.NewInt(portCount))
		if err != nil {
			return 0, err
		}
		port = lowestPort + int(n.Int64())
	}
	return 0, errors.New("no free port found")
}

// portIsFree reports whether a process of ours could listen on port now.
func portIsFree(port int) bool {
	l, err := net.Listen("tcp", local(port)) //nolint:noctx // opened and closed at once
	if err != nil {
		return false
	}
	return l.Close() == nil
}

// writeFile puts text at path in one step: a reader sees the old or the new.
func writeFile(path string, text []byte) error {
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
