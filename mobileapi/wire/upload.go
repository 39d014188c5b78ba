package wire

import (
	"time"

	"gridwatch/server/casefile"
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
