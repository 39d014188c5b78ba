package cliptest

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Patched returns a file with the bytes behind the first occurrence of a box's
// name changed, from an offset on; a negative one lies in front.
func Patched(tb testing.TB, file []byte, box string, offset int, with ...byte) []byte {
	tb.Helper()
	at := bytes.Index(file, []byte(box))
	if at < 0 {
		tb.Fatalf("the file has no %s", box)
	}
	out := bytes.Clone(file)
	copy(out[at+4+offset:], with)
	return out
}

// Tracks returns an MP4 whose movie has the same track many times.
func Tracks(tb testing.TB, n int) []byte {
	tb.Helper()
	file := Media(tb, "mp4", "-f", "lavfi", "-i", "sine=duration=1", "-c:a", "aac", "-movflags", "+faststart")
	at := func(name string) (int, int) {
		i := bytes.Index(file, []byte(name)) - 4
		return i, i + int(binary.BigEndian.Uint32(file[i:]))
	}
	moov, _ := at("moov")
	begin, end := at("trak")
	out := append(bytes.Clone(file[:end]), bytes.Repeat(file[begin:end], n-1)...)
	out = append(out, file[end:]...)
	binary.BigEndian.PutUint32(out[moov:], binary.BigEndian.Uint32(file[moov:])+uint32((n-1)*(end-begin))) //nolint:gosec // G115: of some megabytes
	return out
}

// Mutated returns a file changed in a way that goes by the round: single bits, a
// run of noise, cut off or a piece twice.
func Mutated(r *rand.Rand, seed []byte, round int) []byte {
	file := bytes.Clone(seed)
	switch round % 3 {
	case 0:
		for range 1 + r.IntN(40) {
			file[r.IntN(len(file))] ^= 1 << r.IntN(8)
		}
	case 1: // often over lengths
		at := r.IntN(len(file))
		for i := at; i < min(len(file), at+1+r.IntN(64)); i++ {
			file[i] = byte(r.UintN(256)) //nolint:gosec // G115: below 256
		}
	default:
		at := r.IntN(len(file))
		if r.IntN(2) == 0 {
			return file[:at]
		}
		return append(file[:at:at], seed[r.IntN(at+1):]...)
	}
	return file
}

// NoZombies wants every child of a process that has ended to be waited for. Other
// work at the same time may have some that are about to be.
func NoZombies(tb testing.TB, parent int) {
	tb.Helper()
	tick, late := time.NewTicker(10*time.Millisecond), time.NewTimer(time.Minute)
	defer tick.Stop()
	defer late.Stop()
	for _, path := range zombies(tb, parent) {
		for slices.Contains(zombies(tb, parent), path) {
			select {
			case <-tick.C:
			case <-late.C:
				tb.Fatalf("nobody waits for %s", path)
			}
		}
	}
}

func zombies(tb testing.TB, parent int) []string {
	tb.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		tb.Fatal(err)
	}
	var found []string
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		// The name, in brackets, may hold anything.
		rest := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
		if len(rest) > 1 && rest[0] == "Z" && rest[1] == strconv.Itoa(parent) {
			found = append(found, path)
		}
	}
	return found
}
