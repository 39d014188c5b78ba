package casefile

// EvidenceState says how far an item of evidence (证据) has come.
type EvidenceState string

// The states of an item.
const (
	EvidenceStored   EvidenceState = "stored"   // durable and verified
	EvidenceReleased EvidenceState = "released" // the desk lets others see the derivative
)

// Evidence is one item of a manifest. Size, digest, name and capture facts
// stand in Sealed; others than the desk see number, kind and state.
type Evidence struct {
	ID      string        `bson:"id"` // 128 random bits
	Kind    string        `bson:"kind"`
	State   EvidenceState `bson:"state"`
	Object  string        `bson:"object"` // prefix of its objects
	Parts   int           `bson:"parts"`
	Digest  string        `bson:"digest"` // keyed hash of the SHA-256
	Sealed  []byte        `bson:"sealed"` // EvidenceFacts under the record's data key
	Shown   string        `bson:"shown"`  // prefix of the derivative's objects
	ShownOf int           `bson:"shown_of"`
	// ShownSize is the size of the derivative in bytes.
	ShownSize int64 `bson:"shown_size"`
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

// FindEvidence finds an item of a manifest.
func FindEvidence(items []Evidence, id string) (*Evidence, bool) {
	for i := range items {
		if items[i].ID == id {
			return &items[i], true
		}
	}
	return nil, false
}
