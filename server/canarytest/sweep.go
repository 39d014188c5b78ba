package canarytest

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// Place is somewhere that is searched.
type Place struct {
	Name string
	May  []Kind // kinds of canary that belong here
	// Shared says that other runs write here too, see Canary.Common.
	Shared bool
	// Read hands over all there is, piece by piece; a canary that lies across
	// two pieces is not found. What it hands over is searched at once.
	Read func(see func(piece string, data []byte)) error
}

// Bytes reads a place that is one piece.
func Bytes(data []byte) func(func(string, []byte)) error {
	return func(see func(string, []byte)) error {
		see("", data)
		return nil
	}
}

// Hit is a canary in a place.
type Hit struct {
	Canary Canary
	Form   string // in which it was found first
	Place  string
	Piece  string // of the place, and what had to be opened in it
	Owned  bool   // it belongs there
}

// String names canary and place.
func (h Hit) String() string {
	text := fmt.Sprintf("%s %s as %s in %s", h.Canary.Kind, h.Canary.Name, h.Form, h.Place)
	if h.Piece != "" {
		text += " (" + h.Piece + ")"
	}
	return text
}

// Searched says how much of a place was read.
type Searched struct {
	Place  Place
	Pieces int
	Bytes  int64
	Opened int64 // bytes that came out of what was compressed or encoded
}

// Result of a sweep.
type Result struct {
	Canaries int
	Forms    int
	Places   []Searched
	Hits     []Hit // one for each canary and place, leaks and what belongs there
}

// Leaks are the hits outside the places that own them.
func (r Result) Leaks() []Hit {
	return slices.DeleteFunc(slices.Clone(r.Hits), func(h Hit) bool { return h.Owned })
}

// Owned says how many canaries were found in a place where they belong.
func (r Result) Owned(place string) int {
	n := 0
	for _, h := range r.Hits {
		if h.Owned && h.Place == place {
			n++
		}
	}
	return n
}

// Sweep searches all places for all canaries.
func Sweep(places []Place, canaries []Canary) (Result, error) {
	m, err := newMatcher(canaries)
	if err != nil {
		return Result{}, err
	}
	out := Result{Canaries: len(canaries)}
	for _, needles := range m.byHead {
		out.Forms += len(needles)
	}
	for _, p := range places {
		s := Searched{Place: p}
		seen := map[int]bool{}
		look := func(piece string, data []byte) {
			m.find(data, func(n needle) {
				c := canaries[n.canary]
				if seen[n.canary] || p.Shared && c.Common {
					return
				}
				seen[n.canary] = true
				out.Hits = append(out.Hits, Hit{Canary: c, Form: n.form, Place: p.Name, Piece: piece, Owned: slices.Contains(p.May, c.Kind)})
			})
		}
		err := p.Read(func(piece string, data []byte) {
			s.Pieces++
			s.Bytes += int64(len(data))
			look(piece, data)
			open(piece, data, deepest, func(inside string, opened []byte) {
				s.Opened += int64(len(opened))
				look(inside, opened)
			})
		})
		if err != nil {
			return Result{}, fmt.Errorf("search %s: %w", p.Name, err)
		}
		out.Places = append(out.Places, s)
	}
	slices.SortFunc(out.Hits, func(a, b Hit) int { return cmp.Compare(a.String(), b.String()) })
	return out, nil
}

// Print writes what was searched and what was found: a line for each place
// with what belongs there, then the leaks.
func (r Result) Print(w io.Writer) error {
	leaks := map[string]int{}
	for _, h := range r.Leaks() {
		leaks[h.Place]++
	}
	table := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintf(table, "place\tpieces\tbytes\topened\tbelongs here\tfound of it\tleaks\n")
	var total, opened int64
	for _, s := range r.Places {
		var may []string
		for _, k := range s.Place.May {
			may = append(may, string(k))
		}
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%s\t%d\t%d\n", s.Place.Name, s.Pieces, s.Bytes, s.Opened,
			cmp.Or(strings.Join(may, ", "), "nothing"), r.Owned(s.Place.Name), leaks[s.Place.Name])
		total, opened = total+s.Bytes, opened+s.Opened
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, h := range r.Leaks() {
		if _, err := fmt.Fprintf(w, "LEAK: %s\n", h); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "%d canaries in %d forms, %d places, %d bytes and %d opened: %d hits outside their owning places\n",
		r.Canaries, r.Forms, len(r.Places), total, opened, len(r.Leaks()))
	return err
}
