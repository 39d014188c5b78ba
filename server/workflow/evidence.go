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
	"gridwatch/media/scrub"
	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/vault"
)

// stage is one attempt to take a form in: a data key and the items stored
// under it so far. Until a record names the items they belong to nobody.
type stage struct {
	id      string // random; what the data key is wrapped for
	tenant  string
	max     int
	key     *vault.DataKey
	wrapped []byte
	items   []casefile.Evidence
	files   []vault.File
}

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

// storeAll streams every file of a form into the object store.
func (s *Service) storeAll(ctx context.Context, st *stage, files Files) error {
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
		if len(st.items) == st.max {
			return errTooManyItems(st.max)
		}
		if err := s.storeOne(ctx, st, f); err != nil {
			return err
		}
	}
}

func (s *Service) storeOne(ctx context.Context, st *stage, f IncomingFile) error {
	id, err := s.newID()
	if err != nil {
		return err
	}
	at := media.Place{Tenant: st.tenant, Record: st.id, Item: id}
	stored, err := s.Media.Store(ctx, media.Source{Reader: f.Reader, DeclaredSHA256: f.SHA256}, st.key, at)
	if err != nil {
		return mediaFault(err)
	}
	facts := casefile.EvidenceFacts{
		Name: f.Name, Size: stored.Size, SHA256: hex.EncodeToString(stored.SHA256), Type: stored.Type,
		Width: stored.Width, Height: stored.Height, Capture: stored.Facts,
	}
	sum := [sha256.Size]byte(stored.SHA256)
	item := casefile.Evidence{
		ID: id, Kind: "photo", State: casefile.EvidenceStored, Object: stored.Object, Parts: stored.Parts,
		Digest: s.Keyring.FileIndex(st.tenant, sum)[0],
	}
	if item.Sealed, err = sealJSON(st.key, facts, factsAD(st.id, id)); err != nil {
		return err
	}
	st.items = append(st.items, item)
	st.files = append(st.files, vault.File{Name: f.Name, Size: uint64(stored.Size), SHA256: sum}) //nolint:gosec // a size is not negative
	return nil
}

// digestAll reads every file of a form without storing it: the repeat of a
// request whose files are stored already.
func (s *Service) digestAll(ctx context.Context, files Files) ([]vault.File, error) {
	if files == nil {
		return nil, nil
	}
	var out []vault.File
	for {
		f, err := files.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		size, sum, err := s.Media.Digest(ctx, media.Source{Reader: f.Reader, DeclaredSHA256: f.SHA256})
		if err != nil {
			return nil, mediaFault(err)
		}
		out = append(out, vault.File{Name: f.Name, Size: uint64(size), SHA256: [sha256.Size]byte(sum)}) //nolint:gosec // a size is not negative
	}
}

// discard removes the objects of an attempt that came to nothing. What it
// leaves the sweep takes.
func (s *Service) discard(ctx context.Context, items []casefile.Evidence) {
	for _, item := range items {
		if err := s.Media.Delete(context.WithoutCancel(ctx), media.Ref{Object: item.Object, Parts: item.Parts}); err != nil {
			s.Log.LogAttrs(ctx, slog.LevelWarn, "objects of a refused upload are left to the sweep")
			return
		}
	}
}

// Original is a stored file in clear, to be closed.
type Original struct {
	io.ReadCloser
	Type string
	Size int64 // bytes
}

// readItem returns the clear content of an item; shown selects the derivative.
func (s *Service) readItem(ctx context.Context, wrapped []byte, item casefile.Evidence, shown bool) (Original, error) {
	object, parts := item.Object, item.Parts
	if shown {
		object, parts = item.Shown, item.ShownOf
	}
	at, ok := media.PlaceOf(object)
	if !ok {
		return Original{}, fault.Absent()
	}
	key, err := s.Keyring.OpenDataKey(at.Record, wrapped)
	if err != nil {
		return Original{}, err
	}
	kind, size := "image/jpeg", item.ShownSize
	if !shown {
		var facts casefile.EvidenceFacts
		if err := openJSON(key, item.Sealed, &facts, factsAD(at.Record, item.ID)); err != nil {
			return Original{}, err
		}
		kind, size = facts.Type, facts.Size
	}
	body, err := s.Media.Read(ctx, media.Ref{Object: object, Parts: parts}, key, at)
	if err != nil {
		return Original{}, err
	}
	return Original{ReadCloser: body, Type: kind, Size: size}, nil
}

// derive makes the copy of an item that others may see: drawn anew, without
// any metadata.
func (s *Service) derive(ctx context.Context, wrapped []byte, item *casefile.Evidence) error {
	original, err := s.readItem(ctx, wrapped, *item, false)
	if err != nil {
		return err
	}
	clean, err := s.Cleaner.Clean(ctx, original)
	if err = errors.Join(err, original.Close()); err != nil {
		return mediaFault(err)
	}
	at, _ := media.PlaceOf(item.Object)
	key, err := s.Keyring.OpenDataKey(at.Record, wrapped)
	if err != nil {
		return err
	}
	if at.Item, err = s.newID(); err != nil {
		return err
	}
	stored, err := s.Media.Store(ctx, media.Source{Reader: bytes.NewReader(clean.JPEG)}, key, at)
	if err != nil {
		return err
	}
	item.Shown, item.ShownOf, item.ShownSize, item.State = stored.Object, stored.Parts, stored.Size, casefile.EvidenceReleased
	return nil
}

// mediaFault turns an error of what was sent in into a Fault.
func mediaFault(err error) error {
	for _, m := range []struct {
		is   error
		kind fault.Kind
		code string
		text string
	}{
		{media.ErrEmpty, fault.Invalid, "evidence.empty", "a file has at least one byte"},
		{media.ErrTooLarge, fault.TooLarge, "evidence.too_large", "a file has at most 20 MB"},
		{media.ErrType, fault.Unsupported, "evidence.type", "a file is a JPEG or PNG picture"},
		{media.ErrBroken, fault.Invalid, "evidence.broken", "the picture cannot be read"},
		{scrub.ErrBroken, fault.Invalid, "evidence.broken", "the picture cannot be read"},
		{scrub.ErrTooLarge, fault.TooLarge, "evidence.pixels", "a picture has at most 50 million pixels"},
		{media.ErrPixels, fault.TooLarge, "evidence.pixels", "a picture has at most 50 million pixels"},
		{media.ErrDigest, fault.Invalid, "evidence.digest", "the file that arrived is not the one whose SHA-256 was declared; send it again"},
	} {
		if errors.Is(err, m.is) {
			return fault.New(m.kind, m.code, "%s", m.text).At("/evidence")
		}
	}
	return err
}

func factsAD(record, item string) []byte { return vault.AD("evidence", record, item) }
