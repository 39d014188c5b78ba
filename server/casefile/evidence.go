package casefile

import "slices"

// EvidenceState says how far an item of evidence (证据) has come.
type EvidenceState string

// The states of an item, in their order. That the desk released an item is no
// step on this way: see Evidence.Released.
const (
	EvidenceExpected  EvidenceState = "expected"  // announced; nothing of it is here
	EvidenceReceiving EvidenceState = "receiving" // a part of it is durable
	EvidenceVerified  EvidenceState = "verified"  // whole and durable; the digest is the declared one
	EvidenceDerived   EvidenceState = "derived"   // its clean copies are made
	EvidenceRejected  EvidenceState = "rejected"  // refused; Evidence.Reason says why
	EvidenceRemoved   EvidenceState = "removed"   // it was kept for its term; nothing of it is here any more
)

// EvidenceKind is what sort of thing an item is.
type EvidenceKind string

// The kinds.
const (
	Photo    EvidenceKind = "photo"    // 照片
	Video    EvidenceKind = "video"    // 视频
	Audio    EvidenceKind = "audio"    // 录音
	Document EvidenceKind = "document" // 文件
)

// Evidence is one item of a manifest. Size, digest, name and capture facts
// stand in Sealed; others than the desk see number, kind and state.
type Evidence struct {
	ID     string        `bson:"id"` // 128 random bits
	Kind   EvidenceKind  `bson:"kind"`
	State  EvidenceState `bson:"state"`
	Reason string        `bson:"reason"` // code of the fault, of a rejected item

	// Released says that the desk lets others see a copy: of a picture the one it
	// made for them, which may be cut and have parts hidden for good. Of what the
	// desk sends to a reporter it says that a message took it.
	Released bool `bson:"released"`
	OnSite   bool `bson:"on_site"` // the copy may be shown to people there
	Used     bool `bson:"used"`    // it was handed on: no taking back

	// Held says that a legal hold (保全) keeps the item whatever its term.
	Held bool `bson:"held"`

	// Key is the original's own data key, wrapped for the item's place. Without
	// it the original is not readable here: it was sealed to the rings, or erased.
	Key []byte `bson:"key"`
	// Away is what of the item was sealed away: Key, and a copy of CopyKey, put
	// into the report's strongbox. Of staff's items nothing is.
	Away []byte `bson:"away"`
	// CopyKey is the data key of facts and copies, wrapped for the item's place.
	CopyKey []byte `bson:"copy_key"`

	// Upload is the upload that brings the item, until it has come to an end.
	Upload string `bson:"upload"`

	Object string `bson:"object"` // prefix of the original's objects
	Parts  int    `bson:"parts"`
	Runs   []Run  `bson:"runs,omitempty"` // of what came in pieces
	Digest string `bson:"digest"`         // keyed hash of the SHA-256
	Sealed []byte `bson:"sealed"`         // EvidenceFacts under CopyKey
	Copies []Copy `bson:"copies"`
	Doubts []byte `bson:"doubts"` // []Doubt under CopyKey, for staff only

	// Recording is the recording of enforcement that the item is a segment of.
	Recording string `bson:"recording,omitempty"`
	Cased     bool   `bson:"cased,omitempty"` // a case rests on it: see Task.Cases
}

// Run is a row of parts of an original that are alike.
type Run struct {
	Parts int   `bson:"n"` // how many
	Size  int   `bson:"s"` // bytes in clear of each
	Term  int64 `bson:"t"` // of the upload's lease they were written under
}

// CopyKind says what a clean copy is for.
type CopyKind string

// The kinds of copies.
const (
	DisplayCopy   CopyKind = "display"   // picture to look at
	ThumbnailCopy CopyKind = "thumbnail" // small picture for lists
	VideoCopy     CopyKind = "video"
	PosterCopy    CopyKind = "poster" // picture that stands for a video
	AudioCopy     CopyKind = "audio"
	ReleasedCopy  CopyKind = "released" // picture as the desk lets others see it
	PagesCopy     CopyKind = "pages"    // pictures of a document's pages
)

// OriginalCopy names the original in a chain of custody.
const OriginalCopy CopyKind = "original"

// Copy is a clean copy of an item: made anew, without metadata.
type Copy struct {
	Kind   CopyKind `bson:"kind"`
	Object string   `bson:"object"` // prefix of its objects
	Parts  int      `bson:"parts"`
	Size   int64    `bson:"size"`   // bytes
	Type   string   `bson:"type"`   // media type
	SHA256 string   `bson:"sha256"` // hex, of the clean bytes
}

// EvidenceFacts is the clear form of Evidence.Sealed.
type EvidenceFacts struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`   // bytes
	SHA256 string `json:"sha256"` // hex, of the bytes as sent
	Type   string `json:"type"`   // by content
	Width  int    `json:"width"`  // pixels
	Height int    `json:"height"` // pixels
	// Capture is what the file says of its making.
	Capture any `json:"capture"`
}

// Copy returns the copy of a kind.
func (e *Evidence) Copy(kind CopyKind) (Copy, bool) {
	i := slices.IndexFunc(e.Copies, func(c Copy) bool { return c.Kind == kind })
	if i < 0 {
		return Copy{}, false
	}
	return e.Copies[i], true
}

// Shown is the kind of copy that others than the desk see once the item is
// released.
func (e *Evidence) Shown() CopyKind {
	switch e.Kind {
	case Video:
		if _, heard := e.Copy(AudioCopy); heard { // a film's file with sound alone
			return AudioCopy
		}
		return VideoCopy
	case Audio:
		return AudioCopy
	case Document:
		return PagesCopy
	case Photo:
	}
	return ReleasedCopy
}

// Attached is the kind of copy that a reporter sees of what the desk attached to
// a message.
func (e *Evidence) Attached() CopyKind {
	if e.Kind == Photo {
		return DisplayCopy
	}
	return e.Shown()
}

// Drop takes a copy out of the item and returns it.
func (e *Evidence) Drop(kind CopyKind) (Copy, bool) {
	c, ok := e.Copy(kind)
	e.Copies = slices.DeleteFunc(slices.Clone(e.Copies), func(c Copy) bool { return c.Kind == kind })
	return c, ok
}

// Here says whether the original arrived whole and was not refused.
func (e *Evidence) Here() bool { return e.State == EvidenceVerified || e.State == EvidenceDerived }

// Stored says whether the original is here whole, also where no copy could be
// made of it.
func (e *Evidence) Stored() bool {
	return e.Here() || (e.State == EvidenceRejected && e.Object != "")
}

// Owns says whether objects belong to the item: its original or a copy.
func (e *Evidence) Owns(object string) bool {
	return e.Object == object || slices.ContainsFunc(e.Copies, func(c Copy) bool { return c.Object == object })
}

// SealedAway says whether the original is read by both rings only.
func (e *Evidence) SealedAway() bool { return len(e.Away) > 0 }

// FindEvidence finds an item of a manifest.
func FindEvidence(items []Evidence, id string) (*Evidence, bool) {
	for i := range items {
		if items[i].ID == id {
			return &items[i], true
		}
	}
	return nil, false
}
