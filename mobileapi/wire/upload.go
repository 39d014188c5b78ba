package wire

import (
	"encoding/hex"
	"fmt"
	"time"

	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/grid"
	"gridwatch/server/workflow"
)

// Announce says which files will come in pieces (schema upload-announce).
type Announce struct {
	Items []AnnounceItem `json:"items"`
}

// AnnounceItem is one file that will come.
type AnnounceItem struct {
	Kind   casefile.EvidenceKind `json:"kind"`
	Size   int64                 `json:"size"`             // bytes
	SHA256 string                `json:"sha256,omitempty"` // hex; "" if the sender cannot tell yet
}

// AnnounceTaken is Announce by the assignee of a task, with what the device says
// (schema task-announce).
type AnnounceTaken struct {
	Items []TakenItem `json:"items"`
	Captured
}

// Captured is what a device says of what was taken with it.
type Captured struct {
	Position *grid.Place `json:"position,omitempty"` // where it was taken
	Mock     bool        `json:"mock,omitempty"`     // the device says that its position is made up
	Clock    *Clock      `json:"clock,omitempty"`
}

// TakenItem is one file that will come, and the id that the app gave it when it
// was taken.
type TakenItem struct {
	AnnounceItem
	PhotoID string `json:"photoId,omitempty"` // 128 random bits, hex
}

// Capture returns what the device says.
func (c Captured) Capture() workflow.Capture {
	return workflow.Capture{Position: c.Position, Mock: c.Mock, Clock: c.Clock.clock()}
}

// Announcement returns the file, the i-th of its body, as it is announced.
func (a AnnounceItem) Announcement(i int) (workflow.Announcement, error) {
	sum, err := Digest(a.SHA256, fmt.Sprintf("/items/%d/sha256", i))
	return workflow.Announcement{Kind: a.Kind, Size: a.Size, SHA256: sum}, err
}

// Digest reads a SHA-256 in hex, which may be left out: then it is nil.
func Digest(text, field string) ([]byte, error) {
	if text == "" {
		return nil, nil
	}
	sum, err := hex.DecodeString(text)
	if err != nil {
		return nil, fault.New(fault.Invalid, "evidence.digest_format", "a SHA-256 is 64 hex digits").At(field)
	}
	return sum, nil
}

// Announced are the files that are expected now.
type Announced struct {
	Uploads string          `json:"uploads"` // where they are sent, by tus 1.0.0
	Items   []AnnouncedItem `json:"items"`
}

// AnnouncedItem is one file that is expected.
type AnnouncedItem struct {
	N       int       `json:"n"`       // place in the manifest, from 1
	ID      string    `json:"id"`      // of the item
	Right   string    `json:"right"`   // to create one upload; the metadata "right"
	Expires time.Time `json:"expires"` // what has not come by then is rejected
}
