package canarytest

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pierrec/lz4/v4"
)

// What PostgreSQL writes to disk, as far as a search needs it: pages of 8 KB,
// the headers of the pages of the write-ahead log, and values that are
// compressed or cut into chunks (TOAST). The layouts are those of
// src/include/varatt.h, access/xlog_internal.h and access/heaptoast.h.
const (
	page        = 8192
	chunk       = 1996 // bytes of a chunk that is not the last
	overlap     = 64 << 10
	window      = 16 << 20
	firstObject = 16384 // FirstNormalObjectId: ids of values lie above
)

// DataFiles reads the files of a PostgreSQL data folder but its write-ahead
// log that were written since a time, and what is compressed in them. Write
// back what is in memory before, with CHECKPOINT.
func DataFiles(dir string, since time.Time) func(func(string, []byte)) error {
	return func(see func(string, []byte)) error {
		return changed(dir, since, func(path string, data []byte) {
			if strings.HasPrefix(path, "pg_wal"+string(filepath.Separator)) {
				return
			}
			for at := 0; at == 0 || at < len(data); at += window - overlap {
				see(path, data[at:min(at+window, len(data))])
			}
			var values toast
			values.add(data)
			inline(data, func(value []byte) { see(path+" > compressed value", value) })
			values.each(func(value []byte) { see(path+" > value of chunks", value) })
		})
	}
}

// WriteAheadLog reads what a PostgreSQL data folder has of its write-ahead log,
// without the headers that cut its records, and what is compressed in it.
func WriteAheadLog(dir string, since time.Time) func(func(string, []byte)) error {
	return func(see func(string, []byte)) error {
		var last []byte
		var values toast
		err := changed(filepath.Join(dir, "pg_wal"), since, func(path string, data []byte) {
			if strings.ContainsRune(path, filepath.Separator) {
				return // notes on what was archived
			}
			stream := append(last, records(data)...)
			see("pg_wal/"+path, stream)
			values.add(stream)
			inline(stream, func(value []byte) { see("pg_wal/"+path+" > compressed value", value) })
			last = slices.Clone(stream[max(0, len(stream)-overlap):])
		})
		values.each(func(value []byte) { see("pg_wal > value of chunks", value) })
		return err
	}
}

// Folder reads the files under a folder that were written since a time, and
// the names of all, but not what lies under the paths to skip.
func Folder(dir string, since time.Time, skip ...string) func(func(string, []byte)) error {
	return func(see func(string, []byte)) error {
		var names []byte
		err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && slices.Contains(skip, path) {
				return fs.SkipDir
			}
			names = append(append(names, path...), '\n')
			return gone(err)
		})
		if err != nil {
			return err
		}
		see("names of files", names)
		return changed(dir, since, see, skip...)
	}
}

// changed reads every file under dir that was written since a time, in the
// order of their names. A file that goes away meanwhile is none.
func changed(dir string, since time.Time, see func(path string, data []byte), skip ...string) error {
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && slices.Contains(skip, path) {
			return fs.SkipDir
		}
		if err != nil || !entry.Type().IsRegular() {
			return gone(err)
		}
		info, err := entry.Info()
		if err != nil || info.ModTime().Before(since) {
			return gone(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return gone(err)
		}
		name, err := filepath.Rel(dir, path)
		see(name, data)
		return err
	})
}

func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// records takes the headers of its pages out of a segment of the log.
func records(segment []byte) []byte {
	const short, long, isLong = 24, 40, 0x0002
	out := make([]byte, 0, len(segment))
	for at := 0; at < len(segment); at += page {
		p := segment[at:min(at+page, len(segment))]
		if len(p) > long && p[1] == 0xD1 { // xlp_magic of every version begins so
			from := short
			if binary.LittleEndian.Uint16(p[2:])&isLong != 0 {
				from = long
			}
			p = p[from:]
		}
		out = append(out, p...)
	}
	return out
}

// inline finds compressed values that lie whole in data, at any offset.
//
//go:norace
func inline(data []byte, see func(value []byte)) {
	const header = 8
	for at := 0; at+header < len(data); at++ {
		if data[at]&3 != 2 || data[at+3] != 0 { // a compressed value of less than 4 MB
			continue
		}
		size := int(binary.LittleEndian.Uint32(data[at:]) >> 2)
		if size <= header || size > page || at+size > len(data) {
			continue
		}
		if value := unpack(data[at+4 : at+size]); value != nil {
			see(value)
		}
	}
}

// unpack decompresses what follows the length of a compressed value, nil if it
// is none: 30 bits of its own length, two of the method, and the packed bytes.
func unpack(packed []byte) []byte {
	if len(packed) < 8 {
		return nil
	}
	info := binary.LittleEndian.Uint32(packed)
	size := int(info & (1<<30 - 1))
	if packed = packed[4:]; size < len(packed) || size > 256*len(packed) || size > largest {
		return nil
	}
	switch info >> 30 {
	case 0:
		return pglz(packed, size)
	case 1:
		value := make([]byte, size)
		if n, err := lz4.UncompressBlock(packed, value); err != nil || n != size {
			return nil
		}
		return value
	default:
		return nil
	}
}

// pglz decompresses what pg_lzcompress.c packed, nil if that does not come to
// size bytes. Each bit of a control byte says whether a literal follows or a
// reference back of three bytes and more.
func pglz(packed []byte, size int) []byte {
	value := make([]byte, 0, min(size, 16*len(packed)))
	for at := 0; at < len(packed); {
		control := packed[at]
		at++
		for bit := 0; bit < 8 && at < len(packed); bit++ {
			if control&(1<<bit) == 0 {
				value = append(value, packed[at])
				at++
				continue
			}
			if at+2 > len(packed) {
				return nil
			}
			length, back := int(packed[at]&0x0f)+3, int(packed[at]&0xf0)<<4|int(packed[at+1])
			at += 2
			if length == 18 {
				if at == len(packed) {
					return nil
				}
				length += int(packed[at])
				at++
			}
			if back == 0 || back > len(value) {
				return nil
			}
			for range min(length, size-len(value)) {
				value = append(value, value[len(value)-back])
			}
		}
		if len(value) > size {
			return nil
		}
	}
	if len(value) != size {
		return nil
	}
	return value
}

// toast gathers chunks of values by their id and number.
type toast struct {
	chunks map[uint32]map[uint32][]byte
}

// add finds the chunks in data, at any offset: id and number, each 4 bytes,
// then a length with the bytes behind it.
//
//go:norace
func (v *toast) add(data []byte) {
	const header = 12
	if v.chunks == nil {
		v.chunks = map[uint32]map[uint32][]byte{}
	}
	for at := 0; at+header < len(data); at++ {
		if data[at+6]|data[at+7]|data[at+10]|data[at+11] != 0 { // numbers and lengths are small
			continue
		}
		id, number := binary.LittleEndian.Uint32(data[at:]), binary.LittleEndian.Uint32(data[at+4:])
		length := binary.LittleEndian.Uint32(data[at+8:])
		size := int(length>>2) - 4
		if length&3 != 0 || size <= 0 || size > chunk || id < firstObject || at+header+size > len(data) {
			continue
		}
		if v.chunks[id] == nil {
			v.chunks[id] = map[uint32][]byte{}
		}
		if old := v.chunks[id][number]; len(old) < size {
			v.chunks[id][number] = data[at+header : at+header+size]
		}
	}
}

// each puts the values together: of more than one chunk as they are, and what
// was compressed decompressed.
func (v *toast) each(see func(value []byte)) {
	for _, chunks := range v.chunks {
		var whole []byte
		n := uint32(0)
		for len(whole) < largest {
			whole = append(whole, chunks[n]...)
			if n++; len(chunks[n-1]) < chunk {
				break
			}
		}
		if n > 1 {
			see(whole)
		}
		if value := unpack(whole); value != nil {
			see(value)
		}
	}
}
