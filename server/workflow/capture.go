package workflow

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"time"

	"gridwatch/media"
	"gridwatch/media/upload"
	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/grid"
)

// Capture is what an assignee's device says when it announces what was taken at
// the place: as a result has it for the files of its form.
type Capture struct {
	Position *grid.Place `json:"position"` // where it was taken; nil if it does not say
	Mock     bool        `json:"mock"`     // the device says that its position is made up
	Clock    *Clock      `json:"clock"`    // of the device; nil if it does not say
}

// said is Capture as it waits, sealed, for the upload to be whole.
type said struct {
	At       time.Time       `json:"at"` // of the announcement, by the server's clock
	Position *casefile.Place `json:"position"`
	Mock     bool            `json:"mock"`
	Clock    *Clock          `json:"clock"`
}

// collect keeps with announcements of a task what the device says, and claims
// the ids of its photos.
func (s *Service) collect(ctx context.Context, t *casefile.Task, in []Announcement, c Capture) error {
	text, err := s.saying(c)
	if err != nil {
		return err
	}
	photos, sums := make([]string, len(in)), make([][sha256.Size]byte, len(in))
	for i := range in {
		in[i].said = text
		photos[i] = in[i].Photo
		if photos[i] == "" {
			continue
		}
		if len(in[i].SHA256) != sha256.Size {
			return fault.New(fault.Invalid, "evidence.photo_digest", "the id of a photo comes with the SHA-256 of its file").At("/items")
		}
		sums[i] = [sha256.Size]byte(in[i].SHA256)
	}
	return s.claimPhotos(ctx, t, photos, sums, "/items/%d/photoId")
}

// saying is what a device says as it waits for the upload to be whole.
func (s *Service) saying(c Capture) ([]byte, error) {
	kept := said{At: s.now(), Mock: c.Mock, Clock: c.Clock}
	if c.Position != nil {
		at, _, err := place(*c.Position, "/position")
		if err != nil {
			return nil, err
		}
		kept.Position = &at
	}
	text, err := json.Marshal(kept)
	if err != nil {
		return nil, errors.New("what a device says has no JSON")
	}
	return text, nil
}

// doubtsOfUpload is what the rules find of an item that arrived in pieces: the
// same as of one that came by form.
func (s *Service) doubtsOfUpload(ctx context.Context, u upload.Upload, state upload.State) ([]casefile.Doubt, error) {
	if u.Of == toReply {
		return nil, nil // it is no evidence
	}
	tenant, err := s.Directory.Tenant(ctx, u.Tenant)
	if err != nil {
		return nil, err
	}
	// By the end of the day: when in the day is not kept of a reporter.
	c := circumstances{received: onlyDay(s.now()).AddDate(0, 0, 1)}
	if u.Of == toTask {
		if c, err = s.circumstancesAt(ctx, u, state.Said); err != nil {
			return nil, err
		}
	}
	at := media.Place{Tenant: u.Tenant, Record: u.Record, Item: u.Item}
	return s.found(ctx, at, state.Capture, [sha256.Size]byte(state.SHA256), c, tenant.Policy.Doubts)
}

// circumstancesAt are those in which something was taken for a task. It was
// there when it was announced: when the last piece came tells nothing of it.
func (s *Service) circumstancesAt(ctx context.Context, u upload.Upload, text []byte) (circumstances, error) {
	t, err := s.Tasks.Get(ctx, u.Tenant, u.Record)
	if err != nil {
		return circumstances{}, err
	}
	from := said{At: s.now()} // one announced before devices were asked
	if err := json.Unmarshal(text, &from); len(text) > 0 && err != nil {
		return circumstances{}, errors.New("what a device said is not JSON")
	}
	c := circumstances{received: from.At, begun: t.At, position: from.Position, mock: from.Mock, target: true, clock: from.Clock}
	if from.Position != nil {
		point := grid.WGS84{Lon: from.Position.Lon, Lat: from.Position.Lat}
		_, c.inGrid, c.distance, err = s.toTarget(ctx, t, point)
	}
	return c, err
}
