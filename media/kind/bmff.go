package kind

import (
	"encoding/binary"
	"errors"
)

// Limits on what a hostile HEIC can make the reader of boxes do.
const (
	maxBoxes   = 4096    // looked at in one file
	maxProfile = 1 << 20 // bytes of a colour profile; a large one has some kilobytes
)

// ErrBoxes says that the boxes of a HEIC do not fit into each other.
var ErrBoxes = errors.New("kind: the boxes of the picture are broken")

// Still is what the boxes of a HEIC say of its picture before anything is
// decoded.
type Still struct {
	Width, Height int    // pixels, of the largest picture inside
	Profile       []byte // ICC profile, nil if the file has none
}

// HEIC reads the picture sizes (ispe) and the colour profile (colr) out of the
// boxes of a HEIC (ISO/IEC 23008-12) without decoding it. It returns ErrBoxes
// if they lie about their lengths or no size is there.
func HEIC(file []byte) (Still, error) {
	w := walker{left: maxBoxes}
	if err := w.walk(file, "", w.visit); err != nil {
		return Still{}, err
	}
	if w.still.Width == 0 || w.still.Height == 0 {
		return Still{}, ErrBoxes
	}
	return w.still, nil
}

type walker struct {
	left  int // boxes that may still be looked at
	still Still
}

// walk calls visit with the type and the content of each box in b.
func (w *walker) walk(b []byte, path string, visit func(path string, content []byte) error) error {
	for len(b) > 0 {
		if w.left--; w.left < 0 || len(b) < 8 {
			return ErrBoxes
		}
		size, header := uint64(binary.BigEndian.Uint32(b)), uint64(8)
		name := string(b[4:8])
		switch size {
		case 0: // to the end of what holds it
			size = uint64(len(b))
		case 1: // a 64-bit length follows
			if len(b) < 16 {
				return ErrBoxes
			}
			size, header = binary.BigEndian.Uint64(b[8:]), 16
		}
		if size < header || size > uint64(len(b)) {
			return ErrBoxes
		}
		if err := visit(path+"/"+name, b[header:size]); err != nil {
			return err
		}
		b = b[size:]
	}
	return nil
}

// visit goes into the boxes on the way to the properties and takes those in.
func (w *walker) visit(path string, content []byte) error {
	switch path {
	case "/meta": // a full box: version and flags come first
		if len(content) < 4 {
			return ErrBoxes
		}
		return w.walk(content[4:], path, w.visit)
	case "/meta/iprp", "/meta/iprp/ipco":
		return w.walk(content, path, w.visit)
	case "/meta/iprp/ipco/ispe":
		if len(content) < 12 {
			return ErrBoxes
		}
		width, height := binary.BigEndian.Uint32(content[4:]), binary.BigEndian.Uint32(content[8:])
		if uint64(width)*uint64(height) > uint64(w.still.Width)*uint64(w.still.Height) { //nolint:gosec // G115: both come from 32 bits
			w.still.Width, w.still.Height = int(width), int(height)
		}
	case "/meta/iprp/ipco/colr":
		if len(content) > 4 && len(content) <= maxProfile && w.still.Profile == nil {
			if use := string(content[:4]); use == "prof" || use == "rICC" {
				w.still.Profile = content[4:]
			}
		}
	}
	return nil
}
