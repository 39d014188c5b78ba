package web

import (
	"encoding/base64"
	"encoding/json"

	"gridwatch/server/fault"
)

const maxCursor = 512 // characters

// Page is a piece of a list.
type Page[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty"` // cursor of the next page; "" at the end
}

// Cursor makes an opaque cursor of the sort values of a page's last item.
func Cursor(parts ...string) string {
	text, err := json.Marshal(parts)
	if err != nil { // strings always encode
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

// Cursor returns the n parts of the query parameter cursor, nil if there is
// none. It returns an Invalid Fault page.cursor for what no page gave.
func (q *Request) Cursor(n int) ([]string, error) { return parseCursor(q.Query("cursor"), n) }

func parseCursor(text string, n int) ([]string, error) {
	if text == "" {
		return nil, nil
	}
	var parts []string
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(text) > maxCursor || json.Unmarshal(raw, &parts) != nil || len(parts) != n || Cursor(parts...) != text {
		return nil, fault.New(fault.Invalid, "page.cursor", "a cursor is what the page before gave as next").At("?cursor")
	}
	return parts, nil
}
