package workflow

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"

	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/vault"
)

// Claim says with what something was seen first: a photo's id, or a file. Only
// what staff take is claimed, never what a reporter sends.
type Claim struct {
	ID     string `bson:"_id"` // what it is, a keyed hash
	Tenant string `bson:"tenant"`
	By     string `bson:"by"` // what it was seen with
}

// Claims keeps claims for good.
type Claims interface {
	// Claim keeps a claim unless there is one of its id, and returns by what the
	// id is claimed then: of any number of callers the first one.
	Claim(ctx context.Context, c Claim) (string, error)
	// Holder returns by what an id is claimed, "" if it is not.
	Holder(ctx context.Context, id string) (string, error)
}

// claim returns by what a thing is claimed, which is now if it was not. Ids are
// of one thing under each key, newest first.
func (s *Service) claim(ctx context.Context, tenant, what string, ids []string, by string) (string, error) {
	for _, id := range ids[1:] {
		if holder, err := s.Claims.Holder(ctx, what+":"+id); holder != "" || err != nil {
			return holder, err
		}
	}
	return s.Claims.Claim(ctx, Claim{ID: what + ":" + ids[0], Tenant: tenant, By: by})
}

// claimPhotos refuses a photo whose id came before with another task or another
// file. The same again is the same photo: a command may be tried again, and an
// upload announced anew. An empty id is none.
func (s *Service) claimPhotos(ctx context.Context, t *casefile.Task, photos []string, sums [][sha256.Size]byte, field string) error {
	for i, photo := range photos {
		if photo == "" {
			continue
		}
		var with []string // the task and the file, under each key
		for _, index := range s.Keyring.FileIndex(t.Tenant, sums[i]) {
			with = append(with, t.ID+":"+index)
		}
		holder, err := s.claim(ctx, t.Tenant, "photo", s.Keyring.PhotoIndex(t.Tenant, photo), with[0])
		if err != nil {
			return err
		}
		if !slices.Contains(with, holder) {
			return fault.New(fault.Conflict, "evidence.replayed",
				"this photo's id came before, with another task or another file: take the photo anew").At(fmt.Sprintf(field, i))
		}
	}
	return nil
}

// claimForm is claimPhotos for the files of a form: an id for each of them, in
// their order, or none at all.
func (s *Service) claimForm(ctx context.Context, t *casefile.Task, photos []string, files []vault.File) error {
	if len(photos) > 0 && len(photos) != len(files) {
		return fault.New(fault.Invalid, "evidence.photo_ids", "there is one photo id for each file, in their order, or none").At("/photoIds")
	}
	sums := make([][sha256.Size]byte, len(files))
	for i, f := range files {
		sums[i] = f.SHA256
	}
	return s.claimPhotos(ctx, t, photos, sums, "/photoIds/%d")
}

// sameFile is the doubt that a file was kept for another task before.
func (s *Service) sameFile(ctx context.Context, tenant, task string, sum [sha256.Size]byte) (casefile.Doubt, error) {
	holder, err := s.claim(ctx, tenant, "file", s.Keyring.FileIndex(tenant, sum), task)
	tasks := []string{}
	if holder != task {
		tasks = append(tasks, holder)
	}
	return verdict(casefile.DoubtSameFile, true, len(tasks) > 0, map[string]any{"tasks": tasks}), err
}
