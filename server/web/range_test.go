package web

import (
	"strings"
	"testing"

	"gridwatch/server/casefile"
)

type seekable struct {
	*strings.Reader
	closed chan struct{}
}

func (s seekable) Close() error {
	s.closed <- struct{}{}
	return nil
}

// TestRanges plays what players ask of a video (RFC 9110, 14).
func TestRanges(t *testing.T) {
	t.Parallel()
	const text = "0123456789"
	closed := make(chan struct{}, 100)
	r := start(t, Deps{}, Route{Method: "GET", Path: "/file", Action: casefile.TenantRead, Download: true, Handle: func(*Request) (Reply, error) {
		return Reply{Stream: &Stream{
			ReadCloser: seekable{strings.NewReader(text), closed}, Size: 10, Type: "video/mp4", Name: "v.mp4", Tag: `"a"`,
		}}, nil
	}})
	tests := map[string]struct {
		headers []string
		status  int
		body    string
		says    string // Content-Range
	}{
		"whole":                  {nil, 200, text, ""},
		"middle":                 {[]string{"Range", "bytes=2-4"}, 206, "234", "bytes 2-4/10"},
		"first byte":             {[]string{"Range", "bytes=0-0"}, 206, "0", "bytes 0-0/10"},
		"to the end":             {[]string{"Range", "bytes=7-"}, 206, "789", "bytes 7-9/10"},
		"past the end":           {[]string{"Range", "bytes=7-99"}, 206, "789", "bytes 7-9/10"},
		"last bytes":             {[]string{"Range", "bytes=-3"}, 206, "789", "bytes 7-9/10"},
		"more than all last":     {[]string{"Range", "bytes=-99"}, 206, text, "bytes 0-9/10"},
		"beyond":                 {[]string{"Range", "bytes=10-"}, 416, "", "bytes */10"},
		"no last bytes":          {[]string{"Range", "bytes=-0"}, 416, "", "bytes */10"},
		"number out of all size": {[]string{"Range", "bytes=9999999999999999999-"}, 416, "", "bytes */10"},
		"backwards":              {[]string{"Range", "bytes=4-2"}, 200, text, ""},
		"several":                {[]string{"Range", "bytes=0-1,3-4"}, 200, text, ""},
		"another unit":           {[]string{"Range", "pages=0-1"}, 200, text, ""},
		"nothing":                {[]string{"Range", "bytes=-"}, 200, text, ""},
		"if the same":            {[]string{"Range", "bytes=2-4", "If-Range", `"a"`}, 206, "234", "bytes 2-4/10"},
		"if another":             {[]string{"Range", "bytes=2-4", "If-Range", `"b"`}, 200, text, ""},
		"if weakly the same":     {[]string{"Range", "bytes=2-4", "If-Range", `W/"a"`}, 200, text, ""},
		"if since a day":         {[]string{"Range", "bytes=2-4", "If-Range", "Thu, 01 Jan 2026 00:00:00 GMT"}, 200, text, ""},
	}
	for name, tt := range tests {
		got := r.ask("GET", "/file", nil, tt.headers...)
		if got.status != tt.status || got.header.Get("Content-Range") != tt.says || (tt.status < 300 && got.body != tt.body) {
			t.Errorf("%s: got %d %q %q, want %d %q %q", name, got.status, got.header.Get("Content-Range"), got.body, tt.status, tt.says, tt.body)
		}
		if tt.status < 300 && (got.header.Get("Accept-Ranges") != "bytes" || got.header.Get("ETag") != `"a"`) {
			t.Errorf("%s: got %v", name, got.header)
		}
		if tt.status == 416 && !strings.Contains(got.body, "request.range") {
			t.Errorf("%s: got %s", name, got.body)
		}
		<-closed // every stream is closed, also one that is not sent
	}
}
