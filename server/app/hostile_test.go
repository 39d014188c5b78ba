package app_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"math/rand/v2"
	"net/http"
	"testing"

	"gridwatch/media/cliptest"
	"gridwatch/media/mediatest"
	"gridwatch/server/app/apiclient"
	"gridwatch/server/casefile"
)

// TestHostileFilesCostThemselves hands in, behind a receipt and all named a.jpg
// and image/jpeg, what is made to bring a server down: each is an item with its
// code that the reporter sees, or is refused at once. Afterwards the same server
// is ready, a photo gets its copies, and no process and no file is left over.
func TestHostileFilesCostThemselves(t *testing.T) {
	t.Parallel()
	w := apart(t)
	// Under the race detector its reader of HEIC takes minutes.
	server := launch(t, built(t, "-race=false", "-tags=nodynamic"), w.settings, "serve")
	w.ready(t)
	d := newDocket(t, w, casefile.ByCode, casefile.IllegalAct)
	own := len(d.settled().Evidence)
	film := cliptest.Film(t, "mp4", filmCanary, 1)
	heic := cliptest.HEIC(t, "png", cliptest.Media(t, "png", "-f", "lavfi", "-i", "testsrc=size=192x128", "-frames:v", "1"))
	endless := []byte{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}
	var files [][]byte
	var want []string
	add := func(file []byte, line string) { files, want = append(files, file), append(want, line) }
	add(cliptest.Patched(t, heic, "ispe", 4, endless...), "photo rejected evidence.pixels")
	add(cliptest.Patched(t, film, "stts", 12, 0x7F, 0xFF, 0xFF, 0xFF), "video rejected evidence.duration")
	add(cliptest.Tracks(t, 10_000), "video rejected evidence.streams")
	add(cliptest.Patched(t, film, "mdat", -8, 0x7F, 0xFF, 0xFF, 0xFF), "video rejected evidence.broken")
	add(append([]byte("%PDF-1.7\n"), zipOf(t, filmCanary)...), "document rejected evidence.broken")
	add([]byte("RIFF\xFF\xFF\xFF\x7FWAVEfmt <html>"), "audio rejected evidence.broken")
	add(heic, "photo derived ") // named .jpg
	for len(files) > 0 {
		n := min(len(files), 4)
		d.hands(files[:n]...)
		files = files[n:]
	}
	for name, file := range map[string][]byte{"an archive": zipOf(t, "a"), "a page": []byte("<html>"), "a playlist": []byte("#EXTM3U\nfile:///etc/passwd\n")} {
		form := new(apiclient.Form).File("evidence", "a.jpg", "image/jpeg", file)
		_, err := d.holder().Do(t.Context(), apiclient.Call{Method: http.MethodPost, Path: "/v1/receipt/evidence", Key: newKey(t), Form: form}, nil)
		if code := apiclient.CodeOf(err); code != "evidence.type" {
			t.Errorf("%s named .jpg: got %q, %v, want evidence.type", name, code, err)
		}
	}
	r := rand.New(rand.NewPCG(2026, 12))
	for n := range 3 {
		d.hands(mutated(r, film, n), mutated(r, heic, n), mutated(r, cliptest.Sound(t, "wav", "", 1), n))
	}
	d.settled()
	var seen struct {
		Evidence []struct{ Kind, State, Reason string }
	}
	if _, err := d.holder().Do(t.Context(), apiclient.Call{Method: http.MethodGet, Path: "/v1/receipt"}, &seen); err != nil {
		t.Fatal(err)
	}
	for i, e := range seen.Evidence[own:] {
		got := e.Kind + " " + e.State + " " + e.Reason
		switch {
		case i < len(want) && got != want[i]:
			t.Errorf("item %d: got %s, want %s", i, got, want[i])
		case e.State != "derived" && (e.State != "rejected" || e.Reason == "" || e.Reason == "evidence.not_copied"):
			t.Errorf("item %d: got %s", i, got)
		}
	}
	if got := len(seen.Evidence) - own; got != len(want)+9 {
		t.Errorf("got %d items, want %d", got, len(want)+9)
	}
	d.hands(mediatest.Picture(mediatest.Options{Width: 96, Height: 64}))
	if all := d.settled().Evidence; len(all[len(all)-1].Copies) != 2 {
		t.Error("a photo has no copies afterwards")
	}
	w.ready(t)
	w.nothingLeft(t, filmCanary)
	cliptest.NoZombies(t, server.Process.Pid)
}

// mutated changes a file behind the bytes that say of what kind it is.
func mutated(r *rand.Rand, file []byte, round int) []byte {
	const head = 64
	return append(file[:head:head], cliptest.Mutated(r, file[head:], round)...)
}

func zipOf(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	packed := zip.NewWriter(&b)
	w, err := packed.Create("../../" + text)
	if err == nil {
		_, err = w.Write([]byte(text))
	}
	if err := errors.Join(err, packed.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
