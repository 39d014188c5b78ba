package web

import (
	"encoding/base64"
	"encoding/json"
	"strconv"

	"gridwatch/server/fault"
)

const maxCursor = 512 // characters

// Page is a piece of a list.
type Page[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty"` // cursor of the next page; "" at the end
}

// Listing is what a list is asked for: ?state=&limit=&cursor=.
type Listing struct {
	State string // "" is any
	Limit int
	After string // id of the last item of the page before, "" on the first
}

// usual is how many items a page has when the caller does not say, and most the
// number it can ask for.
const (
	usual = 50
	most  = 100
)

// Listing reads what a list is asked for. Its cursor holds an id and nothing
// else: the time that a list is ordered by is not for everybody.
func (q *Request) Listing(states []string) (Listing, error) {
	var l Listing
	var err error
	if l.State, err = q.QueryOneOf("state", states...); err != nil {
		return l, err
	}
	if l.Limit, err = q.QueryInt("limit", usual, 1, most); err != nil {
		return l, err
	}
	after, err := q.Cursor(1)
	if err == nil && after != nil {
		l.After = after[0]
	}
	return l, err
}

// AfterN is After in a list whose items are known by a number, 0 on the first
// page. It returns an Invalid Fault page.cursor for what no page gave.
func (l Listing) AfterN() (int, error) {
	if l.After == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(l.After)
	if err != nil || n < 1 {
		return 0, errCursor()
	}
	return n, nil
}

// Paged cuts a page out of records, of which one more than the limit were read.
// Show says what is seen of a record, and its id.
func Paged[R, V any](l Listing, records []R, show func(*R) (V, string)) Page[V] {
	page := Page[V]{Items: []V{}}
	for i := range records[:min(l.Limit, len(records))] {
		v, id := show(&records[i])
		page.Items = append(page.Items, v)
		if i == l.Limit-1 && len(records) > l.Limit {
			page.Next = Cursor(id)
		}
	}
	return page
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
		return nil, errCursor()
	}
	return parts, nil
}

func errCursor() error {
	return fault.New(fault.Invalid, "page.cursor", "a cursor is what the page before gave as next").At("?cursor")
}
