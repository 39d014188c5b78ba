package canarytest

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// shortest is the length in bytes of the shortest form that is looked for:
// what is shorter would be found by chance.
const shortest = 8

const (
	filterBits = 22 // 512 KB of filter, which stay in the cache
	spread     = 0x9E3779B97F4A7C15
)

// needle is one form of one canary.
type needle struct {
	canary int
	form   string
	bytes  []byte
}

// matcher finds tens of thousands of needles in one pass. Nearly every
// position is passed over by one look at a filter of the needles' heads.
type matcher struct {
	filter  []uint64
	byHead  map[uint64][]needle
	longest int
}

func newMatcher(canaries []Canary) (*matcher, error) {
	m := &matcher{filter: make([]uint64, 1<<filterBits/64), byHead: map[uint64][]needle{}}
	for i, c := range canaries {
		if len(c.Raw) < shortest {
			return nil, fmt.Errorf("the canary %s is shorter than %d bytes: it would be found by chance", c.Name, shortest)
		}
		for name, form := range c.Forms() {
			head := binary.LittleEndian.Uint64(form)
			m.byHead[head] = append(m.byHead[head], needle{i, name, form})
			at := head * spread >> (64 - filterBits)
			m.filter[at/64] |= 1 << (at % 64)
			m.longest = max(m.longest, len(form))
		}
	}
	return m, nil
}

// find calls found for each needle in data. It shares nothing, and the race
// detector would make it the longest part of a run.
//
//go:norace
func (m *matcher) find(data []byte, found func(needle)) {
	for i := 0; i+shortest <= len(data); i++ {
		head := binary.LittleEndian.Uint64(data[i:])
		at := head * spread >> (64 - filterBits)
		if m.filter[at/64]&(1<<(at%64)) == 0 {
			continue
		}
		for _, n := range m.byHead[head] {
			if bytes.HasPrefix(data[i:], n.bytes) {
				found(n)
			}
		}
	}
}
