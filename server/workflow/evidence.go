package workflow

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"

	"gridwatch/media"
	"gridwatch/media/redact"
	"gridwatch/media/scrub"
	"gridwatch/media/upload"
	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/vault"
)

// stage is one attempt to take a form in: the items stored so far. Until a
// record names them they belong to nobody.
type stage struct {
	id     string // of the place: an envelope, or a task
	tenant string
	max    int
	items  []casefile.Evidence
	files  []vault.File
	facts  []casefile.EvidenceFacts // as stored

	key     *vault.DataKey // of a record that is being made
	wrapped []byte
}

// newStage is the stage of a record that is being made, with its data key.
func (s *Service) newStage(maxItems int, tenant string) (*stage, error) {
	id, err := s.newID()
	if err != nil {
		return nil, err
	}
	key, wrapped, err := s.Keyring.NewDataKey(id, s.Random)
	if err != nil {
		return nil, err
	}
	return &stage{id: id, tenant: tenant, max: maxItems, key: key, wrapped: wrapped}, nil
}

// newItem returns an item at a place with keys of its own: the original's and
// that of facts and copies.
func (s *Service) newItem(at media.Place, kind casefile.EvidenceKind, state casefile.EvidenceState) (
	item casefile.Evidence, original, copies *vault.DataKey, err error,
) {
	item = casefile.Evidence{ID: at.Item, Kind: kind, State: state}
	if original, item.Key, err = s.Keyring.NewDataKey(keyPlace(at), s.Random); err != nil {
		return item, nil, nil, err
	}
	copies, item.CopyKey, err = s.Keyring.NewDataKey(copyPlace(at), s.Random)
	return item, original, copies, err
}

// keyPlace and copyPlace are what the two keys of an item are wrapped for.
func keyPlace(at media.Place) string  { return at.String() + "/original" }
func copyPlace(at media.Place) string { return at.String() + "/copies" }

// eachFile gives the files of a form to do, one after the other.
func eachFile(files Files, do func(IncomingFile) error) error {
	if files == nil {
		return nil
	}
	for {
		f, err := files.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := do(f); err != nil {
			return err
		}
	}
}

// storeAll streams every file of a form into the object store, by storeOne or
// copyOne.
func (s *Service) storeAll(ctx context.Context, st *stage, files Files, store func(context.Context, *stage, IncomingFile) error) error {
	return eachFile(files, func(f IncomingFile) error {
		if len(st.items) == st.max {
			return errTooManyItems(st.max)
		}
		return store(ctx, st, f)
	})
}

// storeOne stores an original.
func (s *Service) storeOne(ctx context.Context, st *stage, f IncomingFile) error {
	id, err := s.newID()
	if err != nil {
		return err
	}
	at := media.Place{Tenant: st.tenant, Record: st.id, Item: id}
	item, key, copies, err := s.newItem(at, casefile.Photo, casefile.EvidenceVerified)
	if err != nil {
		return err
	}
	stored, err := s.Media.Store(ctx, media.Source{Reader: f.Reader, DeclaredSHA256: f.SHA256, From: f.From}, key, at)
	if err != nil {
		return mediaFault(err)
	}
	facts := casefile.EvidenceFacts{
		Name: f.Name, Size: stored.Size, SHA256: hex.EncodeToString(stored.SHA256), Type: stored.Kind.Type,
		Width: stored.Width, Height: stored.Height, Capture: stored.Facts,
	}
	sum := [sha256.Size]byte(stored.SHA256)
	item.Kind = casefile.EvidenceKind(stored.Kind.Class)
	item.Object, item.Parts, item.Digest = stored.Object, stored.Parts, s.Keyring.FileIndex(st.tenant, sum)[0]
	if item.Sealed, err = sealJSON(copies, facts, factsAD(st.id, id)); err != nil {
		return err
	}
	st.items, st.facts = append(st.items, item), append(st.facts, facts)
	st.files = append(st.files, vault.File{Name: f.Name, Size: uint64(stored.Size), SHA256: sum}) //nolint:gosec // a size is not negative
	return nil
}

// digestAll reads every file of a form without storing it: the repeat of a
// request whose files are stored already.
func (s *Service) digestAll(ctx context.Context, files Files) ([]vault.File, error) {
	var out []vault.File
	err := eachFile(files, func(f IncomingFile) error {
		size, sum, err := s.Media.Digest(ctx, media.Source{Reader: f.Reader, DeclaredSHA256: f.SHA256})
		if err != nil {
			return mediaFault(err)
		}
		out = append(out, vault.File{Name: f.Name, Size: uint64(size), SHA256: [sha256.Size]byte(sum)}) //nolint:gosec // a size is not negative
		return nil
	})
	return out, err
}

// discard removes the objects of an attempt that came to nothing. What it
// leaves the sweep takes.
func (s *Service) discard(ctx context.Context, items []casefile.Evidence) {
	for _, item := range items {
		for _, ref := range refs(item) {
			if err := s.Media.Delete(context.WithoutCancel(ctx), ref); err != nil {
				s.Log.LogAttrs(ctx, slog.LevelWarn, "objects of a refused upload are left to the sweep")
				return
			}
		}
	}
}

// refs are the stored things of an item.
func refs(item casefile.Evidence) []media.Ref {
	var all []media.Ref
	if item.Object != "" {
		all = append(all, original(item))
	}
	for _, c := range item.Copies {
		all = append(all, media.Ref{Object: c.Object, Parts: c.Parts})
	}
	return all
}

func original(item casefile.Evidence) media.Ref {
	ref := media.Ref{Object: item.Object, Parts: item.Parts}
	for _, run := range item.Runs {
		ref.Runs = append(ref.Runs, media.Run(run))
	}
	return ref
}

// Original is a stored file in clear, to be closed.
type Original struct {
	io.ReadCloser
	Type string
	Size int64  // bytes
	Tag  string // strong ETag of bytes that never change; "" if they may
}

// tagOf is the strong ETag of what lies under an object, which never changes.
func tagOf(object string) string {
	sum := sha256.Sum256([]byte("gridwatch/etag/1 " + object))
	return `"` + hex.EncodeToString(sum[:16]) + `"`
}

// inMemory is a file that was made here.
func inMemory(text []byte, kind string) Original {
	return Original{ReadCloser: io.NopCloser(bytes.NewReader(text)), Type: kind, Size: int64(len(text))}
}

// readOriginal returns an item as it was sent. Where its key is gone, or it is
// not whole, there is none.
func (s *Service) readOriginal(ctx context.Context, at media.Place, item casefile.Evidence) (Original, error) {
	at.Item = item.ID
	if len(item.Key) == 0 || !item.Stored() {
		return Original{}, fault.Absent()
	}
	key, err := s.Keyring.OpenDataKey(keyPlace(at), item.Key)
	if err != nil {
		return Original{}, err
	}
	facts, err := s.facts(at, item)
	if err != nil {
		return Original{}, err
	}
	body, err := s.Media.Read(ctx, original(item), key, at)
	if err != nil {
		return Original{}, err
	}
	return Original{ReadCloser: body, Type: facts.Type, Size: facts.Size, Tag: tagOf(item.Object)}, nil
}

// facts opens what is known of an item.
func (s *Service) facts(at media.Place, item casefile.Evidence) (casefile.EvidenceFacts, error) {
	at.Item = item.ID
	var facts casefile.EvidenceFacts
	if len(item.Sealed) == 0 || len(item.CopyKey) == 0 {
		return facts, nil
	}
	key, err := s.Keyring.OpenDataKey(copyPlace(at), item.CopyKey)
	if err != nil {
		return facts, err
	}
	return facts, openJSON(key, item.Sealed, &facts, factsAD(at.Record, item.ID))
}

// readCopy returns a clean copy of an item.
func (s *Service) readCopy(ctx context.Context, at media.Place, item casefile.Evidence, kind casefile.CopyKind) (Original, error) {
	at.Item = item.ID
	c, ok := item.Copy(kind)
	if !ok || len(item.CopyKey) == 0 {
		return Original{}, fault.Absent()
	}
	key, err := s.Keyring.OpenDataKey(copyPlace(at), item.CopyKey)
	if err != nil {
		return Original{}, err
	}
	lies, _ := media.PlaceOf(c.Object)
	body, err := s.Media.Read(ctx, media.Ref{Object: c.Object, Parts: c.Parts}, key, lies)
	if err != nil {
		return Original{}, err
	}
	return Original{ReadCloser: body, Type: c.Type, Size: c.Size, Tag: tagOf(c.Object)}, nil
}

// storeCopy stores a clean copy for the item at a place, under an id of its own.
func (s *Service) storeCopy(
	ctx context.Context, at media.Place, copyKey []byte, kind casefile.CopyKind, mediaType string, body io.Reader,
) (casefile.Copy, error) {
	key, err := s.Keyring.OpenDataKey(copyPlace(at), copyKey)
	if err != nil {
		return casefile.Copy{}, err
	}
	if at.Item, err = s.newID(); err != nil {
		return casefile.Copy{}, err
	}
	stored, err := s.Media.Store(ctx, media.Source{Reader: body, MaxBytes: maxCopy}, key, at)
	if err != nil {
		return casefile.Copy{}, err
	}
	return casefile.Copy{Kind: kind, Object: stored.Object, Parts: stored.Parts, Size: stored.Size, Type: mediaType, SHA256: hex.EncodeToString(stored.SHA256)}, nil
}

// maxCopy bounds a clean copy in bytes; what makes them has limits of its own.
const maxCopy = 4 << 30

// refusal is what is said of an error of what was sent in.
type refusal struct {
	is   error
	kind fault.Kind
	code string
	text string
}

var mediaRefusals = []refusal{
	{media.ErrEmpty, fault.Invalid, "evidence.empty", "a file has at least one byte"},
	{media.ErrTooLarge, fault.TooLarge, "evidence.too_large", "a file has at most 20 MB"},
	{media.ErrType, fault.Unsupported, "evidence.type", "a file is a JPEG, PNG, WebP or HEIC picture, an MP4, MOV, WebM or 3GP video, an M4A, AAC, AMR, WAV, MP3 or OGG sound, or a PDF"},
	{media.ErrBroken, fault.Invalid, "evidence.broken", "the picture cannot be read"},
	{scrub.ErrBroken, fault.Invalid, "evidence.broken", "the picture cannot be read"},
	{scrub.ErrTooLarge, fault.TooLarge, "evidence.pixels", "a picture has at most 50 million pixels"},
	{media.ErrPixels, fault.TooLarge, "evidence.pixels", "a picture has at most 50 million pixels"},
	{redact.ErrOutside, fault.Invalid, "evidence.rectangle", "every rectangle has a size and lies within the picture"},
	{media.ErrDigest, fault.Invalid, "evidence.digest", "the file that arrived is not the one whose SHA-256 was declared; send it again"},
}

var uploadRefusals = []refusal{
	{upload.ErrNone, fault.NotFound, "record.not_found", "there is no such record"},
	{upload.ErrEnded, fault.Conflict, "upload.gone", "the upload has come to its end or has expired; announce the file again"},
	{upload.ErrLocked, fault.Conflict, "upload.locked", "another request is sending to this upload; ask again in 15 seconds"},
	{upload.ErrFenced, fault.Conflict, "upload.locked", "another request is sending to this upload; ask again in 15 seconds"},
	{upload.ErrOffset, fault.Conflict, "upload.offset", "a piece begins at the offset that HEAD tells"},
	{upload.ErrTooLong, fault.TooLarge, "upload.too_long", "the upload has the length that was declared"},
	{upload.ErrChecksum, fault.Invalid, "upload.checksum", "the piece that arrived does not have its checksum; send it again"},
	{upload.ErrKind, fault.Unsupported, "evidence.kind", "the content is not of the kind that was announced"},
}

// mediaFault turns an error of what was sent in into a Fault.
func mediaFault(err error) error { return faultOf(err, mediaRefusals, "/evidence") }

// uploadFault turns an error of an upload into a Fault.
func uploadFault(err error) error { return mediaFault(faultOf(err, uploadRefusals, "")) }

// faultOf returns the Fault of an error that is in a list, or the error.
func faultOf(err error, list []refusal, pointer string) error {
	for _, m := range list {
		if errors.Is(err, m.is) {
			return fault.New(m.kind, m.code, "%s", m.text).At(pointer)
		}
	}
	return err
}

func factsAD(record, item string) []byte { return vault.AD("evidence", record, item) }
