// Package storetest gives a test a database of its own, and holds the suite
// that what stores records must pass.
package storetest

import (
	"bufio"
	"context"
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gridwatch/server/mongostore"
)

const variable = "GRID_MONGO_URI"

// Open returns a migrated store in a new database, which is dropped when the
// test ends. The engine is that of GRID_TEST_MONGO_URI, of GRID_MONGO_URI, or
// the local stack's; the test fails if there is none.
func Open(tb testing.TB) *mongostore.Store {
	tb.Helper()
	store := Connect(tb, name())
	if err := store.Migrate(tb.Context()); err != nil {
		tb.Fatalf("migrate: %v", err)
	}
	return store
}

// Connect opens a database of a given name that is dropped when the test ends.
// It does not migrate it.
func Connect(tb testing.TB, database string) *mongostore.Store {
	tb.Helper()
	config := mongostore.Config{URI: URI(tb), Database: database, Now: time.Now, Timeout: 30 * time.Second}
	store, err := mongostore.Open(tb.Context(), config)
	if err != nil {
		tb.Fatalf("open the database: %v; run: make stack-up", err)
	}
	tb.Cleanup(func() {
		ctx := context.WithoutCancel(tb.Context())
		if err := store.Drop(ctx); err != nil {
			tb.Errorf("drop the database: %v", err)
		}
		if err := store.Close(ctx); err != nil {
			tb.Errorf("close the database: %v", err)
		}
	})
	return store
}

// URI returns the address of the engine that tests use.
func URI(tb testing.TB) string {
	tb.Helper()
	for _, name := range []string{"GRID_TEST_MONGO_URI", variable} {
		if uri := os.Getenv(name); uri != "" {
			return uri
		}
	}
	file, err := os.Open(filepath.Join(root(tb), ".stack", "env"))
	if err != nil {
		tb.Fatal("there is no database engine; run: make stack-up")
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), "export "+variable+"="); ok {
			return strings.Trim(value, "'")
		}
	}
	tb.Fatalf("the local stack names no %s; run: make stack-up", variable)
	return ""
}

// root is the folder of go.mod.
func root(tb testing.TB) string {
	tb.Helper()
	dir, err := os.Getwd()
	if err != nil {
		tb.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			tb.Fatal("the test runs outside the module")
		}
		dir = filepath.Dir(dir)
	}
}

// name is that of a database no other test has.
func name() string { return "test_" + strings.ToLower(rand.Text()) }

// StackDir is the folder of the local stack whose engines the tests use, with
// the database's own files in it. It is GRID_STACK_DIR, which .stack/env sets,
// or .stack at the root of the module. A test that must read these files fails
// where the engines are others.
func StackDir(tb testing.TB) string {
	tb.Helper()
	dir := os.Getenv("GRID_STACK_DIR")
	if dir == "" {
		dir = filepath.Join(root(tb), ".stack")
	}
	env, err := os.ReadFile(filepath.Join(dir, "env"))
	if uri := URI(tb); err != nil || !strings.Contains(string(env), "export "+variable+"='"+uri+"'\n") {
		tb.Fatalf("the database in use is not that of the local stack in %s, so its data files and write-ahead log cannot be searched here: "+
			"run: make stack-up, and let %s be what .stack/env says, with GRID_STACK_DIR of the same file", dir, variable)
	}
	return dir
}
