package workflow

import (
	"context"
	"crypto/sha256"
	"strings"
	"time"

	"gridwatch/media"
	"gridwatch/media/probe"
	"gridwatch/server/audit"
	"gridwatch/server/casefile"
	"gridwatch/server/grid"
	"gridwatch/server/vault"
)

// DoubtLimits are what a tenant takes as in order. Zero asks nothing.
type DoubtLimits struct {
	AccuracyM int `bson:"accuracy_m" json:"accuracyM"` // metres, of a position
	FarM      int `bson:"far_m" json:"farM"`           // metres, from the place of the task
	ApartM    int `bson:"apart_m" json:"apartM"`       // metres, between the picture's place and the device's
	SkewS     int `bson:"skew_s" json:"skewS"`         // seconds, of a device's clock
	// PictureBits is how many of 64 bits two pictures may differ in and be taken
	// for the same.
	PictureBits int      `bson:"picture_bits" json:"pictureBits"`
	Editors     []string `bson:"editors" json:"editors"` // programs that change pictures, as they name themselves
}

// circumstances are what is known of how an item came, besides what the file
// says of itself.
type circumstances struct {
	received time.Time       // by the server's clock
	begun    time.Time       // of the task; zero without one
	position *casefile.Place // where the sender's device was
	mock     bool            // the device says that its position is made up
	target   bool            // there is a place to be at
	inGrid   bool
	distance float64 // metres from the target
	clock    *Clock
}

// Clock is what a device says of its clock. How much time went by since the
// result was saved is counted by the device's own ticks, not by its clock.
type Clock struct {
	Now       time.Time `json:"now"`       // of the device, when it sent
	ElapsedMS int64     `json:"elapsedMs"` // since the result was saved
}

// doubts says of every rule what it finds of an item. It refuses nothing and
// depends on no other item.
func doubts(f probe.Facts, c circumstances, l DoubtLimits) []casefile.Doubt {
	saved := c.received
	if c.clock != nil {
		saved = c.received.Add(-time.Duration(c.clock.ElapsedMS) * time.Millisecond)
	}
	return []casefile.Doubt{
		accuracyDoubt(c, l), mockDoubt(c), placeDoubt(c, l), apartDoubt(f, c, l),
		beforeDoubt(f, c), afterDoubt(f, saved, l), skewDoubt(c, l), softwareDoubt(f, l),
	}
}

func verdict(rule casefile.DoubtRule, known, wrong bool, inputs map[string]any) casefile.Doubt {
	d := casefile.Doubt{Rule: rule, Verdict: casefile.NoDoubt, Inputs: inputs}
	switch {
	case !known:
		d.Verdict = casefile.NotKnown
	case wrong:
		d.Verdict = casefile.InDoubt
	}
	return d
}

func accuracyDoubt(c circumstances, l DoubtLimits) casefile.Doubt {
	if c.position == nil {
		return verdict(casefile.DoubtAccuracy, false, false, nil)
	}
	a := c.position.AccuracyM
	return verdict(casefile.DoubtAccuracy, true, a <= 0 || (l.AccuracyM > 0 && a > float64(l.AccuracyM)),
		map[string]any{"accuracyM": a, "limitM": l.AccuracyM})
}

func mockDoubt(c circumstances) casefile.Doubt {
	return verdict(casefile.DoubtMock, c.position != nil, c.mock, map[string]any{"mock": c.mock})
}

func placeDoubt(c circumstances, l DoubtLimits) casefile.Doubt {
	far := l.FarM > 0 && c.distance > float64(l.FarM)
	return verdict(casefile.DoubtPlace, c.target && c.position != nil, far || !c.inGrid,
		map[string]any{"inGrid": c.inGrid, "distanceM": c.distance, "limitM": l.FarM})
}

// apartDoubt compares where the picture says it was taken with where the device
// says it was.
func apartDoubt(f probe.Facts, c circumstances, l DoubtLimits) casefile.Doubt {
	if f.Position == nil || c.position == nil {
		return verdict(casefile.DoubtApart, false, false, nil)
	}
	apart := grid.DistanceM(grid.WGS84{Lon: f.Position.Lon, Lat: f.Position.Lat}, grid.WGS84{Lon: c.position.Lon, Lat: c.position.Lat})
	return verdict(casefile.DoubtApart, true, l.ApartM > 0 && apart > float64(l.ApartM), map[string]any{"apartM": apart, "limitM": l.ApartM})
}

// taken is when the picture says it was taken. A camera that does not write its
// offset from UTC shows the time of China.
func taken(f probe.Facts) time.Time {
	if f.Taken == nil {
		return time.Time{}
	}
	if f.OffsetKnown {
		return *f.Taken
	}
	t := f.Taken.UTC()
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, Shanghai())
}

func beforeDoubt(f probe.Facts, c circumstances) casefile.Doubt {
	at := taken(f)
	// When a task was given may tell when its cause was reported: the day alone.
	return verdict(casefile.DoubtBefore, !at.IsZero() && !c.begun.IsZero(), at.Before(c.begun),
		map[string]any{"taken": at, "begunOn": audit.Day(c.begun)})
}

func afterDoubt(f probe.Facts, saved time.Time, l DoubtLimits) casefile.Doubt {
	at := taken(f)
	return verdict(casefile.DoubtAfter, !at.IsZero(), at.After(saved.Add(time.Duration(l.SkewS)*time.Second)),
		map[string]any{"taken": at, "saved": saved})
}

func skewDoubt(c circumstances, l DoubtLimits) casefile.Doubt {
	if c.clock == nil {
		return verdict(casefile.DoubtSkew, false, false, nil)
	}
	skew := c.clock.Now.Sub(c.received).Seconds()
	return verdict(casefile.DoubtSkew, true, l.SkewS > 0 && max(skew, -skew) > float64(l.SkewS),
		map[string]any{"skewS": skew, "limitS": l.SkewS})
}

func softwareDoubt(f probe.Facts, l DoubtLimits) casefile.Doubt {
	edited := false
	for _, name := range l.Editors {
		edited = edited || (name != "" && strings.Contains(strings.ToLower(f.Software), strings.ToLower(name)))
	}
	return verdict(casefile.DoubtSoftware, f.Software != "", edited, map[string]any{"software": f.Software})
}

// doubt keeps with every item of a stage what the rules find of it, sealed as
// its facts are.
func (s *Service) doubt(ctx context.Context, st *stage, c circumstances, l DoubtLimits) error {
	for i := range st.items {
		at := media.Place{Tenant: st.tenant, Record: st.id, Item: st.items[i].ID}
		facts, _ := st.facts[i].Capture.(probe.Facts)
		found, err := s.found(ctx, at, facts, st.files[i].SHA256, c, l)
		if err != nil {
			return err
		}
		key, err := s.Keyring.OpenDataKey(copyPlace(at), st.items[i].CopyKey)
		if err != nil {
			return err
		}
		if st.items[i].Doubts, err = sealJSON(key, found, doubtsAD(at)); err != nil {
			return err
		}
	}
	return nil
}

// found is what all rules find of an item. Whether its file came before is asked
// of what was taken for a task alone.
func (s *Service) found(
	ctx context.Context, at media.Place, f probe.Facts, sum [sha256.Size]byte, c circumstances, l DoubtLimits,
) ([]casefile.Doubt, error) {
	out := doubts(f, c, l)
	if c.begun.IsZero() {
		return out, nil
	}
	same, err := s.sameFile(ctx, at.Tenant, at.Record, sum)
	return append(out, same), err
}

// doubtsOf opens what the rules found of an item.
func (s *Service) doubtsOf(at media.Place, item casefile.Evidence) ([]casefile.Doubt, error) {
	at.Item = item.ID
	if len(item.Doubts) == 0 || len(item.CopyKey) == 0 {
		return nil, nil
	}
	key, err := s.Keyring.OpenDataKey(copyPlace(at), item.CopyKey)
	if err != nil {
		return nil, err
	}
	var out []casefile.Doubt
	return out, openJSON(key, item.Doubts, &out, doubtsAD(at))
}

func doubtsAD(at media.Place) []byte { return vault.AD("evidence", at.Record, at.Item+"/doubts") }
