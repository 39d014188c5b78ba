package app_test

import (
	"crypto/rand"
	"os"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"

	"gridwatch/schemas/catalog/keys"
	"gridwatch/server/app"
	"gridwatch/server/vault"
)

// rotates puts a new key of a purpose in use, as of a time, and wraps all data
// keys again. It returns the error of the last step.
func (w *world) rotates(t *testing.T, now time.Time, purpose vault.Purpose) (string, error) {
	t.Helper()
	for _, step := range []string{"add", "use"} {
		if said, err := w.at(t, now, "keys", "rotate", "--purpose", string(purpose), "--step", step); err != nil {
			t.Fatalf("%s: %s, %v", step, said, err)
		}
	}
	return w.at(t, now, "keys", "rotate", "--purpose", string(purpose), "--step", "rewrap")
}

// TestPruneKeepsKeysThatWereAddedMeanwhile: prune read the file, counted for as
// long as that takes, and wrote what it had read. A key that a rotation put in
// use in between was gone, and with it all that was made with it.
func TestPruneKeepsKeysThatWereAddedMeanwhile(t *testing.T) {
	t.Parallel()
	w := start(t)
	old := w.keyring(t).NewestID(vault.AtRest)
	if said, err := w.rotates(t, time.Now(), vault.AtRest); err != nil {
		t.Fatal(said, err)
	}
	later := time.Now().Add(2 * time.Hour)
	var added []string
	turning := false
	out := new(strings.Builder)
	err := app.Command(t.Context(), []string{"keys", "prune"}, w.settings, app.System{
		Stdin: strings.NewReader(""), Stdout: out, Stderr: &buffer{}, Random: rand.Reader,
		Now: func() time.Time { // it looks at the clock also between count and write
			if !turning {
				turning = true
				for _, step := range []string{"add", "use"} {
					if said, err := w.at(t, later, "keys", "rotate", "--purpose", "receipt", "--step", step); err != nil {
						t.Errorf("%s: %s, %v", step, said, err)
					}
				}
				added = append(added, w.keyring(t).NewestID(vault.Receipt))
				turning = false
			}
			return later
		},
	})
	if err != nil || !strings.Contains(out.String(), "at_rest "+old+" removed\n") {
		t.Fatalf("prune says %q, %v", out, err)
	}
	file, err := os.ReadFile(w.setting("GRID_KEYRING"))
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range added {
		if !strings.Contains(string(file), id) {
			t.Errorf("of %d keys that were added while prune was at work one is lost", len(added))
		}
	}
	if len(added) == 0 || strings.Contains(string(file), old) {
		t.Error("no key was added, or the old one is still there")
	}
}

// TestRotationGoesOnPastAKeyThatDoesNotOpen: one damaged data key ended every
// rotation where it lay, and all that came after stayed under the old key.
func TestRotationGoesOnPastAKeyThatDoesNotOpen(t *testing.T) {
	t.Parallel()
	w := start(t)
	for range 3 {
		if _, err := newParcel(t).send(t.Context(), w.anyone()); err != nil {
			t.Fatal(err)
		}
	}
	old := w.keyring(t).NewestID(vault.AtRest)
	c := w.database(t).Collection("envelope")
	var first struct {
		ID  string `bson:"_id"`
		Key []byte `bson:"key"`
	}
	if err := c.FindOne(t.Context(), bson.M{}).Decode(&first); err != nil {
		t.Fatal(err)
	}
	first.Key[len(first.Key)-1] ^= 1
	if _, err := c.UpdateOne(t.Context(), bson.M{"_id": first.ID}, bson.M{"$set": bson.M{"key": primitive.Binary{Data: first.Key}}}); err != nil {
		t.Fatal(err)
	}
	said, err := w.rotates(t, time.Now(), vault.AtRest)
	if err == nil || !strings.Contains(err.Error(), "1 data keys cannot be wrapped again") || !strings.Contains(err.Error(), "envelope, key") || strings.Contains(err.Error(), first.ID) {
		t.Errorf("the rotation ends with %v", err)
	}
	if !strings.Contains(said, "and 1 that cannot be") {
		t.Errorf("the rotation says %q", said)
	}
	if used := w.inUse(t); used[old] != 1 || len(used) != 2 {
		t.Errorf("under the old key %s are left %v, want one", old, used)
	}
	if said, err := w.at(t, time.Now().AddDate(1, 0, 0), "keys", "prune"); err != nil || !strings.Contains(said, old+" stays: 1 data keys") {
		t.Errorf("prune says %q, %v", said, err)
	}
}

// TestPruneWaitsAfterTheWrapping: the look-back of an old key began when another
// one took over. Where wrapping all again came later a request that began before
// it could write a wrapped key back whose key was just removed.
func TestPruneWaitsAfterTheWrapping(t *testing.T) {
	t.Parallel()
	w := start(t)
	old := w.keyring(t).NewestID(vault.AtRest)
	began := time.Now()
	for n, step := range []string{"add", "use", "rewrap"} {
		if said, err := w.at(t, began.Add(time.Duration(n)*2*time.Hour), "keys", "rotate", "--step", step); err != nil {
			t.Fatalf("%s: %s, %v", step, said, err)
		}
	}
	if said, err := w.at(t, began.Add(4*time.Hour+time.Minute), "keys", "prune"); err != nil || !strings.Contains(said, "at_rest "+old+" stays: needed until") {
		t.Errorf("prune a minute after the wrapping says %q, %v", said, err)
	}
	if said, err := w.at(t, began.Add(6*time.Hour), "keys", "prune"); err != nil || !strings.Contains(said, "at_rest "+old+" removed") {
		t.Errorf("prune after the look-back says %q, %v", said, err)
	}
}

// TestPruneKnowsEveryPurpose: two purposes had no entry, and their old keys were
// removed at once.
func TestPruneKnowsEveryPurpose(t *testing.T) {
	t.Parallel()
	terms, err := keys.Load()
	if err != nil {
		t.Fatal(err)
	}
	file, err := vault.GenerateKeyring(rand.Reader, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for p := range terms {
		if file, err = vault.AddKey(file, vault.Purpose(p), rand.Reader, time.Now()); err != nil {
			t.Fatalf("there is a term for %s: %v", p, err)
		}
		if file, err = vault.UseKey(file, vault.Purpose(p), time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	old, err := vault.OldKeys(file)
	if err != nil || len(old) != len(terms) {
		t.Errorf("%d purposes have a term, %v", len(old), err)
	}
	for _, k := range old {
		if term := terms[string(k.Purpose)]; term.Text == "" || (!term.Forever && term.LookBackHours < 1) {
			t.Errorf("%s: nothing says how long it is needed, and for what", k.Purpose)
		}
	}
	w := start(t)
	for _, p := range []string{"challenge", "gateway"} {
		if said, err := w.rotates(t, time.Now(), vault.Purpose(p)); err != nil {
			t.Fatal(said, err)
		}
		if said, err := w.at(t, time.Now(), "keys", "prune"); err != nil || !strings.Contains(said, p+" ") || strings.Contains(said, "removed") {
			t.Errorf("prune at once says %q, %v", said, err)
		}
	}
}
