package workflow

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestStampedFilmsAreFew: films of other days are given up, then the one that
// was longest not looked at; one that is being made stays.
func TestStampedFilmsAreFew(t *testing.T) {
	t.Parallel()
	st, now := newStamps(), time.Date(2026, 3, 2, 1, 0, 0, 0, time.UTC)
	add := func(object, day string, used time.Time) *os.File {
		f, err := os.Create(filepath.Join(t.TempDir(), "film"))
		if err != nil {
			t.Fatal(err)
		}
		st.films[filmOf{object, "leader", day}] = &stampedFilm{file: f, used: used}
		return f
	}
	old := add("old", "2026-03-01", now.Add(time.Hour))
	var today []*os.File
	for i := range stampedFilms {
		today = append(today, add(fmt.Sprint(i), "2026-03-02", now.Add(time.Duration(i)*time.Minute)))
	}
	st.films[filmOf{"making", "leader", "2026-03-02"}] = &stampedFilm{used: now}

	closed := func(f *os.File) bool { return f.Close() != nil } // what is open is closed by it
	st.makeRoom("2026-03-02", stampedFilms-1)
	if len(st.films) != stampedFilms || st.films[filmOf{"making", "leader", "2026-03-02"}] == nil {
		t.Errorf("got %d films, want that of one kept longest given up, and those that are made kept", len(st.films))
	}
	if !closed(old) || !closed(today[0]) || closed(today[1]) {
		t.Error("another film than the oldest was given up")
	}
	st.drop()
	if len(st.films) != 0 {
		t.Errorf("%d films are left", len(st.films))
	}
}
