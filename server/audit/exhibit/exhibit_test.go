package exhibit_test

import (
	"archive/zip"
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"gridwatch/server/audit"
	"gridwatch/server/audit/exhibit"
	"gridwatch/server/casefile"
)

const (
	item = "00112233445566778899aabbccddeeff"
	day  = "2026-03-02"
)

// logOf is a log of one tile in memory that holds the leaves of events.
type logOf struct {
	hashes []tlog.Hash
	note   string
	signer note.Signer
	key    string
}

func (l *logOf) ReadHashes(at []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(at))
	for i, x := range at {
		out[i] = l.hashes[x]
	}
	return out, nil
}

func newLog(t *testing.T, seed byte, events ...casefile.CustodyEvent) *logOf {
	t.Helper()
	l := &logOf{}
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, 32))
	var err error
	if l.signer, err = audit.NewSigner(key); err != nil {
		t.Fatal(err)
	}
	if l.key, err = audit.VerifierKey(key.Public().(ed25519.PublicKey)); err != nil {
		t.Fatal(err)
	}
	for n := range int64(256) {
		data := []byte{byte(n)}
		if int(n) < len(events) {
			data = exhibit.StatementOf(events[n]).Data()
		}
		added, err := tlog.StoredHashes(n, data, l)
		if err != nil {
			t.Fatal(err)
		}
		l.hashes = append(l.hashes, added...)
	}
	root, err := tlog.TreeHash(256, l)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := note.Sign(&note.Note{Text: fmt.Sprintf("%s\n256\n%s\n%s\n", audit.Origin, root, day)}, l.signer)
	if err != nil {
		t.Fatal(err)
	}
	l.note = string(signed)
	return l
}

func (l *logOf) link(t *testing.T, n int64, e casefile.CustodyEvent) exhibit.Link {
	t.Helper()
	path, err := tlog.ProveRecord(256, n, l)
	if err != nil {
		t.Fatal(err)
	}
	return exhibit.Link{Event: e, Proof: audit.Proof{Statement: exhibit.StatementOf(e), Index: &n, Path: path}}
}

var pixels = strings.Repeat("a picture ", 20)

func digestOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// chain is the events of one item, the last of them younger than the checkpoint.
func chain() []casefile.CustodyEvent {
	at := time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)
	events := []casefile.CustodyEvent{
		{Act: casefile.CustodyStore, By: "inspector-1", Copy: "original", Digest: digestOf("original")},
		{Act: casefile.CustodyDerive, By: "system", Copy: "display", Digest: digestOf(pixels)},
		{Act: casefile.CustodyView, By: "desk-1", Copy: "display"},
		{Act: casefile.CustodyExport, By: "desk-1"},
	}
	for i := range events {
		e := &events[i]
		e.Tenant, e.Record, e.Item, e.N, e.On, e.At = "t", "r1", item, i+1, day, at
		e.Salt = bytes.Repeat([]byte{byte(i)}, 32)
	}
	events[3].On = "2026-03-03"
	return events
}

func archiveOf(t *testing.T, l *logOf, events []casefile.CustodyEvent) []byte {
	t.Helper()
	var links []exhibit.Link
	for i, e := range events[:len(events)-1] {
		links = append(links, l.link(t, int64(i), e))
	}
	last := events[len(events)-1]
	links = append(links, exhibit.Link{Event: last, Proof: audit.Proof{Statement: exhibit.StatementOf(last), Pending: last.On}})
	var out bytes.Buffer
	w := exhibit.NewWriter(&out, exhibit.Manifest{
		Tenant: "t", Kind: "task", Record: "r1", MadeBy: "desk-1", MadeAt: time.Date(2026, 3, 3, 0, 0, 0, 0, time.UTC), Size: 256,
		Items: []exhibit.Item{{ID: item, N: 1, Kind: "photo", State: "derived", Events: len(events)}},
	})
	f := exhibit.File{Path: exhibit.Path(item, "display", ".jpg"), Item: item, Copy: "display", Type: "image/jpeg"}
	if err := w.Add(f, digestOf(pixels), strings.NewReader(pixels)); err != nil {
		t.Fatal(err)
	}
	if err := w.Finish(map[string][]exhibit.Link{item: links}, l.note, l.signer); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func check(t *testing.T, text []byte, keys ...string) exhibit.Report {
	t.Helper()
	known, err := audit.Verifiers(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return exhibit.Verify(bytes.NewReader(text), int64(len(text)), known)
}

// rewrite makes another archive of one: change says what a file is called and
// holds now, "" to leave it out.
func rewrite(t *testing.T, text []byte, change func(name, content string) (string, string), extra ...string) []byte {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader(text), int64(len(text)))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	put := func(name, content string) {
		f, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
		if err == nil {
			_, err = io.WriteString(f, content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range r.File {
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		if name, content := change(f.Name, string(content)); name != "" {
			put(name, content)
		}
	}
	for i := 0; i < len(extra); i += 2 {
		put(extra[i], extra[i+1])
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func same(name, content string) (string, string) { return name, content }

func TestArchiveHolds(t *testing.T) {
	t.Parallel()
	events := chain()
	l := newLog(t, 1, events...)
	r := check(t, archiveOf(t, l, events), l.key)
	if len(r.Faults) > 0 || r.Checkpoint.Day != day || len(r.Waiting) != 1 || r.Manifest.Record != "r1" {
		t.Errorf("got %+v", r)
	}
}

func TestWhatDoesNotFitIsNamed(t *testing.T) {
	t.Parallel()
	events := chain()
	l := newLog(t, 1, events...)
	whole := archiveOf(t, l, events)
	display := exhibit.Path(item, "display", ".jpg")
	other := newLog(t, 2, events...)
	dropped := chain()[1:]
	changed := chain()
	changed[2].By = "somebody-else"
	tests := map[string]struct {
		text []byte
		key  string
		want string
	}{
		"flipped content": {rewrite(t, whole, func(name, content string) (string, string) {
			return name, strings.Replace(content, "a picture", "a Picture", 1)
		}), l.key, display + " is not the file"},
		"missing": {rewrite(t, whole, func(name, content string) (string, string) {
			if name == display {
				return "", ""
			}
			return name, content
		}), l.key, display + " is missing"},
		"renamed": {rewrite(t, whole, func(name, content string) (string, string) {
			if name == display {
				name = exhibit.Path(item, "poster", ".jpg")
			}
			return name, content
		}), l.key, display + " was renamed to items/"},
		"added":             {rewrite(t, whole, same, exhibit.Path("ff", "display", ".jpg"), "x"), l.key, "items/ff/display.jpg was added"},
		"zip slip":          {rewrite(t, whole, same, "items/../../etc/passwd", "x"), l.key, "do not unpack"},
		"absolute":          {rewrite(t, whole, same, "/etc/passwd", "x"), l.key, "do not unpack"},
		"backslash":         {rewrite(t, whole, same, `items\..\x.jpg`, "x"), l.key, "do not unpack"},
		"twice":             {rewrite(t, whole, same, display, "x"), l.key, "is there twice"},
		"cut off":           {whole[:len(whole)-30], l.key, "cut off"},
		"empty":             {nil, l.key, "cut off"},
		"something before":  {append([]byte("#!/bin/sh\n"), whole...), l.key, "differs from what it holds at byte 0"},
		"another log's key": {whole, other.key, "not of this log's key"},
		"no manifest": {rewrite(t, whole, func(name, content string) (string, string) {
			if name == "manifest.json" {
				return "", ""
			}
			return name, content
		}), l.key, "manifest.json is missing"},
		"manifest changed": {rewrite(t, whole, func(name, content string) (string, string) {
			if name == "manifest.json" {
				content = strings.Replace(content, "desk-1", "desk-2", 1)
			}
			return name, content
		}), l.key, "manifest.json was changed"},
		"another checkpoint": {rewrite(t, whole, func(name, content string) (string, string) {
			if name == "checkpoint.txt" {
				content = other.note
			}
			return name, content
		}), l.key, "checkpoint"},
		// These were signed by the log itself: a server that lies about an item.
		"event left out": {archiveOf(t, newLog(t, 1, dropped...), dropped), l.key, "one before it is missing"},
		"event changed":  {archiveOf(t, l, changed), l.key, "is not leaf"},
	}
	for name, tt := range tests {
		r := check(t, tt.text, tt.key)
		if !strings.Contains(strings.Join(r.Faults, "\n"), tt.want) {
			t.Errorf("%s: got %q, want one with %q", name, r.Faults, tt.want)
		}
	}
}

// TestEveryFlippedByteIsFound flips each byte of an archive in turn.
func TestEveryFlippedByteIsFound(t *testing.T) {
	t.Parallel()
	events := chain()
	l := newLog(t, 1, events...)
	whole := archiveOf(t, l, events)
	for at := range whole {
		whole[at] ^= 0x20
		if r := check(t, whole, l.key); len(r.Faults) == 0 {
			t.Errorf("the flip of byte %d of %d was not found", at, len(whole))
		}
		whole[at] ^= 0x20
	}
}

func TestOnlyWhatItsChainTellsOfIsAdded(t *testing.T) {
	t.Parallel()
	w := exhibit.NewWriter(io.Discard, exhibit.Manifest{})
	f := exhibit.File{Path: exhibit.Path(item, "display", ".jpg"), Item: item, Copy: "display"}
	if err := w.Add(f, digestOf("another"), strings.NewReader(pixels)); err == nil {
		t.Error("a copy was taken that is not the one derived")
	}
	f.Path = "../x"
	if err := w.Add(f, digestOf(pixels), strings.NewReader(pixels)); err == nil {
		t.Error("a path out of the archive was taken")
	}
}
