package web

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gridwatch/server/casefile"
	"gridwatch/server/fault"
)

func TestCursorRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOfN(rapid.StringN(0, 20, 40), 1, 3).Draw(t, "parts")
		got, err := parseCursor(Cursor(parts...), len(parts))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(parts, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

func FuzzCursor(f *testing.F) {
	f.Add(Cursor("2026-11-22", "id"))
	f.Add("!")
	f.Fuzz(func(t *testing.T, text string) {
		parts, err := parseCursor(text, 2)
		if err == nil && text != "" && Cursor(parts...) != text {
			t.Errorf("got %q for %q", Cursor(parts...), text)
		}
	})
}

func TestBadCursors(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"not base64":      "!!",
		"not JSON":        base64.RawURLEncoding.EncodeToString([]byte("x")),
		"null":            base64.RawURLEncoding.EncodeToString([]byte("null")),
		"too few parts":   Cursor("a"),
		"too many parts":  Cursor("a", "b", "c"),
		"spaced":          base64.RawURLEncoding.EncodeToString([]byte(`["a", "b"]`)),
		"padded":          Cursor("a", "b") + "=",
		"line in it":      Cursor("a", "b")[:4] + "\n" + Cursor("a", "b")[4:],
		"longer than any": Cursor("a", strings.Repeat("b", 600)),
	} {
		if _, err := parseCursor(text, 2); fault.CodeOf(err) != "page.cursor" {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestQueries(t *testing.T) {
	t.Parallel()
	r := start(t, Deps{}, Route{Method: "GET", Path: "/q", Action: casefile.TenantRead, Handle: func(q *Request) (Reply, error) {
		n, err := q.QueryInt("limit", 20, 1, 100)
		if err != nil {
			return Reply{}, err
		}
		state, err := q.QueryOneOf("state", "OPEN", "DONE")
		if err != nil {
			return Reply{}, err
		}
		if _, err := q.Cursor(2); err != nil {
			return Reply{}, err
		}
		version, err := q.IfMatch()
		if err != nil {
			return Reply{}, err
		}
		return Reply{Body: []any{n, state, version}}, nil
	}})
	for query, want := range map[string]string{
		"":                      `[20,"",3]`,
		"?limit=100&state=OPEN": `[100,"OPEN",3]`,
		"?limit=0":              `"field":"?limit"`,
		"?limit=101":            `"field":"?limit"`,
		"?limit=canary":         `"field":"?limit"`,
		"?state=canary":         `"field":"?state"`,
		"?cursor=canary":        `"code":"page.cursor"`,
		"?limit=1&state=SHUT":   `"field":"?state"`,
	} {
		got := r.ask("GET", "/q"+query, nil, "If-Match", `"3"`)
		if !strings.Contains(got.body, want) || strings.Contains(got.body, "canary") {
			t.Errorf("%s: got %s, want %s", query, got.body, want)
		}
	}
	if got := r.ask("GET", "/q?limit=1", nil); got.body != `[1,"",0]` {
		t.Errorf("without If-Match: got %s", got.body)
	}
	for _, etag := range []string{"3", `W/"3"`, `"03"`, `"-1"`, "*", `"x"`} {
		if got := r.ask("GET", "/q", nil, "If-Match", etag); got.code() != "request.if_match" {
			t.Errorf("%s: got %s", etag, got.body)
		}
	}
}
