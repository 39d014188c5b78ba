// Package media takes in evidence and gives it back.
//
// It owns the way from an upload to ciphertext in the object store: what may
// enter (type by content, size, pixels), the sealing of every part, the
// digest, the facts of capture, and the removal of what no record owns. It
// refuses to write a clear byte anywhere: evidence is in clear only in a
// bounded number of buffers in memory.
//
// It knows no records, no rights and no HTTP. Who may store or read is
// decided by its caller, and so is the key.
package media

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"gridwatch/media/kind"
	"gridwatch/media/probe"
)

// Errors of what was sent in; the sender can act on them.
var (
	ErrEmpty    = errors.New("media: the file is empty")
	ErrTooLarge = errors.New("media: the file is larger than the limit")
	ErrType     = errors.New("media: the content is not of an accepted type")
	ErrBroken   = errors.New("media: the picture cannot be read")
	ErrPixels   = errors.New("media: the picture has more pixels than the limit")
	ErrDigest   = errors.New("media: the content does not have the declared SHA-256")
)

// ErrDamaged says that what is stored is not what was stored: a part is
// missing, changed, out of order, or belongs elsewhere.
var ErrDamaged = errors.New("media: stored evidence is damaged")

// Limits of a Config that leaves them zero.
const (
	DefaultMaxBytes  = 20 << 20   // bytes of one file
	DefaultMaxPixels = 50_000_000 // width times height of one picture
	DefaultMemory    = 96 << 20   // bytes of evidence in memory
	DefaultPatience  = 5 * time.Second
	MaxPartSize      = 8 << 20 // bytes in clear of one part
	// DefaultPartSize is in bytes. Of this size two are stored while a third is
	// filled: `make bench-media` is fastest with it.
	DefaultPartSize = 2 << 20
)

// putsAtOnce is how many parts are on their way to the store at once: more would
// only take memory.
const putsAtOnce = 16

// Objects is where sealed parts lie. Keys are slash-separated ASCII.
type Objects interface {
	// Put stores body under key, replacing what is there. It is durable when
	// Put returns nil. When it returns, body is read no more.
	Put(ctx context.Context, key string, body []byte) error
	// Get returns what is under key, and how many bytes that is; an error
	// matching fs.ErrNotExist if nothing is.
	Get(ctx context.Context, key string) (io.ReadCloser, int64, error)
	// Delete removes key, locked or not; that nothing is there is not an error. An
	// error matching fs.ErrPermission says that a lock or a hold keeps it.
	Delete(ctx context.Context, key string) error
	// List visits keys with the prefix in their order, with the time of last
	// change, and stops at the first error of visit. Visit may delete.
	List(ctx context.Context, prefix string, visit func(key string, modified time.Time) error) error
	// Lock keeps key from being removed or replaced before a time. It is read as
	// before, and no longer listed. It may be called again.
	Lock(ctx context.Context, key string, until time.Time) error
	// Hold keeps a locked key whatever its time, until the hold is lifted.
	Hold(ctx context.Context, key string, on bool) error
}

// Sealer is the data key of one item. SealTo appends what it seals to dst;
// plain may be what lies behind dst. Open must fail unless sealed and ad are
// what SealTo appended and was given.
type Sealer interface {
	SealTo(dst, plain, ad []byte) ([]byte, error)
	Open(sealed, ad []byte) ([]byte, error)
}

// Place says what an item belongs to. The three are random or internal ids of
// letters, digits, "_" and "-", never names: they are seen in the store.
type Place struct {
	Tenant string
	Record string
	Item   string
}

// String is the place as one text. No two places share it.
func (p Place) String() string { return p.Tenant + "/" + p.Record + "/" + p.Item }

// Ref points at a stored item.
type Ref struct {
	Object string // key prefix in the store
	Parts  int
	Runs   []Run // of what came in pieces; what was stored in one go has none
}

// Run is a row of parts that are alike.
type Run struct {
	Parts int   `bson:"n"` // how many
	Size  int   `bson:"s"` // bytes in clear of each
	Term  int64 `bson:"t"` // under which they were written
}

// Add adds a part behind the others.
func (r *Ref) Add(size int, term int64) {
	r.Parts++
	if n := len(r.Runs); n > 0 && r.Runs[n-1].Size == size && r.Runs[n-1].Term == term {
		r.Runs[n-1].Parts++
		return
	}
	r.Runs = append(r.Runs, Run{Parts: 1, Size: size, Term: term})
}

// Last returns the size of the last part, 0 if there is none.
func (r *Ref) Last() int {
	if len(r.Runs) == 0 {
		return 0
	}
	return r.Runs[len(r.Runs)-1].Size
}

// DropLast takes the last part away. It leaves the Runs it shares with other
// Refs as they are.
func (r *Ref) DropLast() {
	n := len(r.Runs) - 1
	r.Runs = slices.Clone(r.Runs)
	r.Parts--
	if r.Runs[n].Parts--; r.Runs[n].Parts == 0 {
		r.Runs = r.Runs[:n]
	}
}

// key returns the key of part n.
func (r *Ref) key(n int) string {
	first := 1
	for _, run := range r.Runs {
		if n < first+run.Parts {
			return partKey(r.Object, n, run.Term)
		}
		first += run.Parts
	}
	return partKey(r.Object, n, 0)
}

// holds says whether a key is one of the parts'.
func (r *Ref) holds(key string) bool {
	text, ok := strings.CutPrefix(key, r.Object+"/")
	number, _, _ := strings.Cut(text, "-")
	n, err := strconv.Atoi(number)
	return ok && err == nil && n >= 1 && n <= r.Parts && key == r.key(n)
}

// Source is one file as it comes in.
type Source struct {
	Reader         io.Reader
	DeclaredSHA256 []byte // what the sender says the digest is; may be nil
	MaxBytes       int64  // 0 is the Config's
	From           Sender // who is cut off if too slow while others wait; may be nil
}

// Stored is what is known of an item once it is durable. Its size, digest and
// facts tell of the sender's device: the caller seals them before it keeps them.
type Stored struct {
	Ref
	Content
	Size   int64
	SHA256 []byte
}

// Content is what the first bytes of a file say.
type Content struct {
	Kind   kind.Kind
	Width  int // pixels of a JPEG or PNG, before the orientation in Facts
	Height int
	Facts  probe.Facts
}

// Config bounds an Ingest. A zero field means its default.
type Config struct {
	MaxBytes  int64
	MaxPixels int64
	PartSize  int // at most MaxPartSize
	Memory    int // bytes; who finds it taken waits
	// Patience is how long one waits for memory before a sender that has been
	// waited for as long is cut off.
	Patience time.Duration
}

// Ingest stores, reads and removes evidence. It may be used by many goroutines.
type Ingest struct {
	objects Objects
	random  io.Reader
	cfg     Config
	buffers *pool
	puts    chan struct{} // a place for each part that is being stored
}

// New returns an Ingest over objects. Random is the source of the ids of attempts.
func New(objects Objects, random io.Reader, cfg Config) *Ingest {
	cfg.MaxBytes = cmp.Or(cfg.MaxBytes, DefaultMaxBytes)
	cfg.MaxPixels = cmp.Or(cfg.MaxPixels, DefaultMaxPixels)
	cfg.PartSize = min(cmp.Or(cfg.PartSize, DefaultPartSize), MaxPartSize)
	cfg.Memory = max(cmp.Or(cfg.Memory, DefaultMemory), class(cfg.PartSize))
	in := &Ingest{objects: objects, random: random, cfg: cfg, buffers: newPool(cfg.Memory, cmp.Or(cfg.Patience, DefaultPatience)), puts: make(chan struct{}, putsAtOnce)}
	runtime.AddCleanup(in, (*pool).drain, in.buffers)
	return in
}

var id = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// NewObject returns the key prefix of a new attempt to store an item at p.
func (in *Ingest) NewObject(p Place) (string, error) {
	var attempt [16]byte
	if _, err := io.ReadFull(in.random, attempt[:]); err != nil {
		return "", fmt.Errorf("draw attempt id: %w", err)
	}
	return p.object(hex.EncodeToString(attempt[:]))
}

// object returns the key prefix of one attempt to store an item at p. The
// attempt keeps senders of the same record from writing over each other.
func (p Place) object(attempt string) (string, error) {
	for _, s := range []string{p.Tenant, p.Record, p.Item} {
		if !id.MatchString(s) {
			return "", errors.New("media: a place is made of ids of letters, digits, _ and -")
		}
	}
	return fmt.Sprintf("%s/%s-%s/%s", p.Tenant, p.Record, attempt, p.Item), nil
}

// PlaceOf returns the place whose item is stored under object, and whether
// object is a key prefix that Store can have made.
func PlaceOf(object string) (Place, bool) {
	s := strings.Split(object, "/")
	if len(s) != 3 {
		return Place{}, false
	}
	cut := strings.LastIndexByte(s[1], '-')
	if cut < 0 {
		return Place{}, false
	}
	p := Place{Tenant: s[0], Record: s[1][:cut], Item: s[2]}
	again, err := p.object(s[1][cut+1:])
	return p, err == nil && again == object
}

// partKey returns the key of part n, counted from 1, that was written under a
// term; 0 is that of an item stored in one go.
func partKey(object string, n int, term int64) string {
	if term == 0 {
		return fmt.Sprintf("%s/%06d", object, n)
	}
	return fmt.Sprintf("%s/%06d-%d", object, n, term)
}

// termOf returns the term of a part by its key.
func termOf(key string) int64 {
	_, text, _ := strings.Cut(path.Base(key), "-")
	term, _ := strconv.ParseInt(text, 10, 64) // without one it is 0
	return term
}

// partAD returns what a part is bound to: its key, which holds tenant, record,
// attempt, item, number and term, and whether it is the last. Ids hold no
// slash, so no two parts share it.
func partAD(key string, last bool) []byte { return fmt.Appendf(nil, "%s/last=%t", key, last) }
