package app_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"gridwatch/media"
	"gridwatch/server/app/apiclient"
	"gridwatch/server/app/demo"
	"gridwatch/server/canarytest"
	"gridwatch/server/vault"
)

// loot is what a thief holds: every document of the database, the keyring,
// every object, and all that one opens with the other.
type loot struct {
	keyring *vault.Keyring
	docs    []document
	clear   map[string][]byte // all that can be read, by where it comes from
	blobs   map[string][]byte // all that might be a sealed thing, by its content
	keys    map[string]*vault.DataKey
	opened  map[string]bool // blobs that were opened
}

// document is one document, taken apart.
type document struct {
	texts []string
	blobs [][]byte
}

func (d *document) take(raw bson.Raw) error {
	elements, err := raw.Elements()
	for _, e := range elements {
		switch v := e.Value(); v.Type {
		case bson.TypeEmbeddedDocument, bson.TypeArray:
			err = errors.Join(err, d.take(v.Value))
		case bson.TypeString:
			d.texts = append(d.texts, v.StringValue())
		case bson.TypeBinary:
			_, b := v.Binary()
			d.blobs = append(d.blobs, b)
		default:
		}
	}
	return err
}

// driver is the world's database without this program in between.
func (w *world) driver(t *testing.T) *mongo.Database {
	t.Helper()
	client, err := mongo.Connect(t.Context(), options.Client().ApplyURI(w.setting("GRID_MONGO_URI")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.WithoutCancel(t.Context())) })
	return client.Database(w.setting("GRID_MONGO_DATABASE"))
}

// steal takes the whole database, the keyring's file and the object store.
func (w *world) steal(t *testing.T) *loot {
	t.Helper()
	l := &loot{keyring: w.keyring(t), clear: map[string][]byte{}, blobs: map[string][]byte{}, keys: map[string]*vault.DataKey{}, opened: map[string]bool{}}
	file, err := os.ReadFile(w.setting("GRID_KEYRING"))
	if err != nil {
		t.Fatal(err)
	}
	l.take("the keyring", file)
	db := w.driver(t)
	names, err := db.ListCollectionNames(t.Context(), bson.M{})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		cursor, err := db.Collection(name).Find(t.Context(), bson.M{})
		if err != nil {
			t.Fatal(err)
		}
		for cursor.Next(t.Context()) {
			var d document
			if err := d.take(cursor.Current); err != nil {
				t.Fatal(err)
			}
			l.docs = append(l.docs, d)
			l.take("the database", bytes.Clone(cursor.Current))
			for _, b := range d.blobs {
				l.take("a field of "+name, b)
			}
		}
		if err := cursor.Err(); err != nil {
			t.Fatal(err)
		}
	}
	err = w.objects.List(t.Context(), "", func(key string, _ time.Time) error {
		body, _, err := w.objects.Get(t.Context(), key)
		if err != nil {
			return err
		}
		defer body.Close()
		content, err := io.ReadAll(body)
		l.take("an object", content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// copied is the same loot in other hands.
func (l *loot) copied() *loot {
	c := *l
	c.clear, c.blobs, c.opened = maps.Clone(l.clear), maps.Clone(l.blobs), maps.Clone(l.opened)
	for from, text := range c.clear {
		c.clear[from] = bytes.Clone(text)
	}
	return &c
}

// take adds something to the loot, and what is written in it as base64.
func (l *loot) take(from string, text []byte) {
	l.blobs[string(text)] = text
	l.clear[from] = append(append(l.clear[from], text...), '\n')
	for _, run := range regexp.MustCompile(`[A-Za-z0-9+/]{40,}={0,2}`).FindAll(text, -1) {
		if b, err := base64.StdEncoding.DecodeString(string(run)); err == nil {
			l.blobs[string(b)] = b
		}
	}
}

// pry opens what the keyring opens: every data key, under every name it may be
// wrapped for, and with each every sealed field, for every place that the
// words of its document allow.
func (l *loot) pry() {
	names := map[string]bool{"device": true}
	for _, d := range l.docs {
		for _, text := range d.texts {
			if at, ok := media.PlaceOf(text); ok { // of an item's object
				names[at.String()+"/original"], names[at.String()+"/copies"] = true, true
			}
			for at := range len(text) + 1 {
				if at == len(text) || text[at] == '/' || text[at] == ':' {
					for _, use := range []string{"", "/original", "/copies"} {
						names[text[:at]+use] = true
					}
				}
			}
		}
	}
	for _, d := range l.docs {
		for _, b := range d.blobs {
			for name := range names {
				if len(b) < vault.WrappedLen {
					break
				}
				if key, err := l.keyring.OpenDataKey(name, b[:vault.WrappedLen]); err == nil {
					l.keys[string(b[:vault.WrappedLen])] = key
				}
			}
		}
	}
	for _, d := range l.docs {
		for _, key := range l.keys {
			l.unseal(key, d)
		}
	}
}

// unseal tries a data key on every field of a document.
func (l *loot) unseal(key *vault.DataKey, d document) {
	var ids []string
	for _, text := range d.texts {
		if id := text[strings.LastIndex(text, "/")+1:]; len(id) == 32 && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	fields := append([]string{"body", "refusal", "withdrawal", "objection", "claim", "text", "calculation", "identity", "contact"}, ids...)
	for _, b := range d.blobs {
		for _, kind := range []string{"report", "message", "award", "evidence", "envelope"} {
			for _, id := range ids {
				for _, field := range fields {
					if l.opened[string(b)] {
						break
					}
					if text, err := key.Open(b, vault.AD(kind, id, field)); err == nil {
						l.opened[string(b)] = true
						l.take("what the keyring opens", text)
					}
				}
			}
		}
	}
}

// unlock tries every age identity that lies in the loot on every age file in
// it, until nothing new comes out.
func (l *loot) unlock() {
	const begins = "age-encryption.org/v1\n"
	for more := true; more; {
		more = false
		var identities []age.Identity
		for _, text := range l.clear {
			for _, key := range regexp.MustCompile(`AGE-SECRET-KEY-[A-Z0-9-]+`).FindAllString(string(text), -1) {
				if id, err := age.ParseHybridIdentity(key); err == nil {
					identities = append(identities, id)
				} else if id, err := age.ParseX25519Identity(key); err == nil {
					identities = append(identities, id)
				}
			}
		}
		for _, blob := range slices.Collect(maps.Values(l.blobs)) {
			if l.opened[string(blob)] || !bytes.HasPrefix(blob, []byte(begins)) || len(identities) == 0 {
				continue
			}
			r, err := age.Decrypt(bytes.NewReader(blob), identities...)
			if err != nil {
				continue
			}
			if text, err := io.ReadAll(r); err == nil {
				l.opened[string(blob)], more = true, true
				l.take("what the rings' keys open", text)
			}
		}
	}
}

// found says how many canaries of a kind can be read in the loot.
func (l *loot) found(t *testing.T, canaries []canarytest.Canary, kind canarytest.Kind) int {
	t.Helper()
	var places []canarytest.Place
	for from, text := range l.clear {
		places = append(places, canarytest.Place{Name: from, Read: canarytest.Bytes(text)})
	}
	r, err := canarytest.Sweep(places, canaries)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, h := range r.Hits {
		if h.Canary.Kind == kind {
			seen[h.Canary.Name] = true
		}
	}
	return len(seen)
}

// TestStolenDatabaseAndKeyring: a thief who has the database, the keyring and
// the objects, and tries every key on everything sealed, reads the narratives
// of open cases, as the threat model says. Who reported, and how to reach them,
// is not there to be read. With an officer's key of ring A as well the contact
// is, and with one of each ring the identity: so the search does see them.
func TestStolenDatabaseAndKeyring(t *testing.T) {
	t.Parallel()
	w := start(t)
	m := newMarked(t, nil, true)
	call := apiclient.Call{Method: http.MethodPost, Path: reportsPath, Key: m.key, Form: m.form}
	if _, err := w.anyone().Do(t.Context(), call, nil); err != nil {
		t.Fatal(err)
	}
	o := newOpenings(t, w)
	o.layer() // an opening under way, and what the server relays for it
	all := w.steal(t)
	all.pry()
	for name, tt := range map[string]struct {
		keys  []string // of officers and keepers, taken as well
		reads []canarytest.Kind
	}{
		"alone":                       {nil, []canarytest.Kind{words}},
		"with an officer of ring A":   {[]string{"identity1"}, []canarytest.Kind{words, contact}},
		"with an officer of ring B":   {[]string{"seal1"}, []canarytest.Kind{words}},
		"with an officer of each":     {[]string{"identity1", "seal1"}, []canarytest.Kind{words, contact, identity}},
		"with ring A's recovery key":  {[]string{"recovery-a"}, []canarytest.Kind{words, contact}},
		"with ring B's recovery key":  {[]string{"recovery-b"}, []canarytest.Kind{words}},
		"with both the recovery keys": {[]string{"recovery-a", "recovery-b"}, []canarytest.Kind{words, contact, identity}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := all.copied()
			for _, login := range tt.keys {
				file, err := os.ReadFile(demo.KeyFile(w.dir, demo.Tenant, login))
				if err != nil {
					t.Fatal(err)
				}
				l.take("an officer's machine", file)
			}
			l.unlock()
			for _, kind := range []canarytest.Kind{words, contact, identity} {
				if n, want := l.found(t, m.canaries, kind), slices.Contains(tt.reads, kind); (n > 0) != want {
					t.Errorf("got %d canaries of %s with %d data keys, want some: %t", n, kind, len(l.keys), want)
				}
			}
			for _, from := range []string{"the database", "the keyring", "an object", "what the keyring opens"} {
				if bytes.Contains(l.clear[from], []byte("AGE-SECRET-KEY")) {
					t.Errorf("a private key lies in %s", from)
				}
			}
		})
	}
}
