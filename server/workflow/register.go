package workflow

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"gridwatch/media"
	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/grid"
	"gridwatch/server/vault"
)

// Submission is a report as it comes in. Body is its JSON part as sent, of
// which the other fields but the files were read.
type Submission struct {
	Tenant      string
	Key         vault.IdemKey
	Body        []byte
	Channel     string
	Mode        casefile.Mode
	Narrative   string
	Allegations []SubmittedAllegation
	TargetText  string
	Target      *grid.Place // where the matter is
	Stood       *grid.Place // where the sender stood
	Identity    *vault.Identity
	Contact     *vault.Contact
	Sealed      *SealedByClient
	Files       Files

	Password    string // to claim by code; "" for none
	Provisional bool   // an operator reads the code out
}

// SubmittedAllegation is one allegation in the sender's words.
type SubmittedAllegation struct {
	Matter casefile.Matter
	Text   string
}

// SealedByClient are compartments that the client sealed itself: the server
// never sees who reports.
type SealedByClient struct {
	Identity    []byte
	Contact     []byte
	InnerDigest string // SHA-256 of ring A's layer, hex
	Binding     string // 128 random bits, hex
	Rings       int    // version of the list of keys; 0 is the one in force
}

// Files are the files of a form, read one after the other from the stream.
type Files interface {
	// Next returns the next file, io.EOF after the last. Its reader is valid
	// until the next call.
	Next() (IncomingFile, error)
}

// IncomingFile is one file of a form.
type IncomingFile struct {
	Name   string
	SHA256 []byte // as the sender declares it; may be nil
	Reader io.Reader
	From   media.Sender // may be nil
}

// Registration is the answer to a report. It is shown once and kept nowhere:
// a repeat with the same key makes it again.
type Registration struct {
	Number    string
	Code      vault.Code
	Statement string
	Files     []vault.File
}

// Register takes a report in (登记; R1). The report is registered when its
// insert succeeds: before that the files and the envelope are stored, and what
// no report names is swept. The same key and body give the same answer, for
// the tenant's RepeatHours with the code; another body is a Conflict Fault.
func (s *Service) Register(ctx context.Context, in Submission) (Registration, error) {
	if err := s.Intake(); err != nil {
		return Registration{}, err
	}
	tenant, err := s.Directory.Tenant(ctx, in.Tenant)
	if err != nil {
		return Registration{}, err
	}
	if tenant.Rings.Version == 0 {
		return Registration{}, fault.New(fault.Busy, "keys.none", "no keys are published yet that a report could be sealed to")
	}
	rings, err := vault.ParseRings(tenant.Rings.A, tenant.Rings.B)
	if err != nil {
		return Registration{}, fmt.Errorf("rings of tenant %s: %w", tenant.ID, err)
	}
	if in.Sealed != nil && in.Sealed.Rings != 0 && in.Sealed.Rings != tenant.Rings.Version {
		return Registration{}, fault.New(fault.Conflict, "envelope.keys_changed", "the list of keys has changed: read it again and seal anew").At("/sealed/rings")
	}
	if err := checkSubmission(in, rings); err != nil {
		return Registration{}, err
	}
	ids := s.Keyring.RecordIDs(in.Key, in.Tenant, "report")
	if old, err := s.registered(ctx, in.Tenant, ids); err != nil || old != nil {
		if err != nil {
			return Registration{}, err
		}
		files, err := s.digestAll(ctx, in.Files)
		if err != nil {
			return Registration{}, err
		}
		return s.again(tenant, in, old, files)
	}

	stage, err := s.newStage(tenant.Policy.MaxItems, in.Tenant)
	if err != nil {
		return Registration{}, err
	}
	if err := s.storeAll(ctx, stage, in.Files, s.storeOne); err != nil {
		s.discard(ctx, stage.items)
		return Registration{}, err
	}
	envelope, report, tag, err := s.prepare(ctx, tenant, rings, in, ids[0], stage)
	if err != nil {
		s.discard(ctx, stage.items)
		return Registration{}, err
	}
	return s.commit(ctx, tenant, in, ids, stage, envelope, report, tag)
}

// registered finds the report that an earlier call with the same key made.
func (s *Service) registered(ctx context.Context, tenant string, ids []string) (*casefile.Report, error) {
	for _, id := range ids {
		r, err := s.Reports.Get(ctx, tenant, id)
		if fault.KindOf(err) == fault.NotFound {
			continue
		}
		return r, err
	}
	return nil, nil //nolint:nilnil // there is none, and that is the usual case
}

// prepare makes the two documents of a registration.
func (s *Service) prepare(
	ctx context.Context, tenant Tenant, rings vault.Rings, in Submission, id string, stage *stage,
) (Envelope, *casefile.Report, vault.BodyTag, error) {
	tag, err := submissionTag(in, stage.files)
	if err != nil {
		return Envelope{}, nil, tag, err
	}
	envelope, inner, binding, err := s.seal(rings, in)
	if err != nil {
		return Envelope{}, nil, tag, err
	}
	envelope.ID, envelope.Tenant, envelope.Report, envelope.Key = stage.id, in.Tenant, id, stage.wrapped
	envelope.Rings, envelope.At = tenant.Rings.Version, s.now()
	report, err := s.newReport(ctx, tenant, in, id, stage, tag)
	if err != nil {
		return Envelope{}, nil, tag, err
	}
	report.InnerHash, report.Binding = inner, binding
	return envelope, report, tag, nil
}

// commit writes the envelope and then the report. Where it cannot be known
// whether the report was written (the connection broke) nothing is removed: a
// retry finds the report, or the sweep finds what nobody owns.
func (s *Service) commit(
	ctx context.Context, tenant Tenant, in Submission, ids []string, stage *stage,
	envelope Envelope, report *casefile.Report, tag vault.BodyTag,
) (Registration, error) {
	if err := s.Envelopes.Insert(ctx, envelope); err != nil {
		return Registration{}, err
	}
	err := s.Reports.Insert(ctx, report)
	switch {
	case fault.CodeOf(err) == "record.exists":
		winner, err := s.registered(ctx, in.Tenant, ids)
		if err != nil || winner == nil {
			return Registration{}, errors.Join(errors.New("a report exists and cannot be read"), err)
		}
		if winner.Envelope != stage.id {
			s.discard(ctx, stage.items)
			if err := s.Envelopes.Delete(context.WithoutCancel(ctx), in.Tenant, stage.id); err != nil {
				s.Log.LogAttrs(ctx, slog.LevelWarn, "an envelope is left to the sweep")
			}
		}
		return s.again(tenant, in, winner, stage.files)
	case err != nil:
		return Registration{}, err
	}
	s.Kick()
	return s.answer(report, in, tag, stage.files)
}

// newReport makes the record. What the sender wrote goes into Sealed only.
func (s *Service) newReport(
	ctx context.Context, tenant Tenant, in Submission, id string, stage *stage, tag vault.BodyTag,
) (*casefile.Report, error) {
	now := s.now()
	receiptKey, statementKey := s.Keyring.NewestID(vault.Receipt), s.Keyring.NewestID(vault.Signing)
	code, err := s.Keyring.Code(receiptKey, in.Key, tag, in.Tenant)
	if err != nil {
		return nil, err
	}
	salt, err := vault.NewSalt(s.Random)
	if err != nil {
		return nil, err
	}
	number, err := s.number(now)
	if err != nil {
		return nil, err
	}
	r := &casefile.Report{
		Number: number, Channel: in.Channel, Area: tenant.Area, Envelope: stage.id,
		BodyTag: s.Keyring.StoredTag(tag), Receipt: s.Keyring.LookupHashes(code)[0],
		ReceiptKey: receiptKey, SignedWith: statementKey, Commitment: vault.Commitment(id, salt),
		Evidence: stage.items, DecideBy: now.AddDate(0, 0, tenant.Policy.DecideDays),
	}
	r.ID, r.Tenant = id, in.Tenant
	body := casefile.ReportBody{
		Mode: in.Mode, Narrative: in.Narrative, Target: in.TargetText, Wording: map[string]string{}, Salt: salt,
	}
	for _, a := range in.Allegations {
		item, err := s.newID()
		if err != nil {
			return nil, err
		}
		r.Allegations = append(r.Allegations, casefile.Allegation{ID: item, Matter: a.Matter})
		body.Wording[item] = a.Text
	}
	if err := s.places(ctx, tenant, in, r, &body); err != nil {
		return nil, err
	}
	if err := s.doubt(ctx, stage, circumstances{received: now, position: body.Stood}, tenant.Policy.Doubts); err != nil {
		return nil, err
	}
	r.Evidence = stage.items
	if r.Sealed, err = sealJSON(stage.key, body, reportBodyAD(id)); err != nil {
		return nil, err
	}
	r.Behind.Provisional = in.Provisional
	if r.Behind.Claim, err = s.claimLock(ctx, stage.key, id, in.Password); err != nil {
		return nil, err
	}
	e := casefile.Event{At: now, Command: "register", To: casefile.ReportReceived, By: string(casefile.ReceiptHolder)}
	kind, _ := casefile.ReportMoves.LeafKind(e.Command, e.To)
	leaf := leafOf(r, salt, kind, id, r.Seq+1, now).Data()
	effects := append(s.storedLinks(r.Tenant, id, e, stage, time.Time{}), casefile.CopiesOf(stage.items)...)
	return r, r.Record(casefile.ReportMoves, e, append(effects, casefile.Effect{Leaf: leaf})...)
}

// places puts the two places where they belong: the target in the record, the
// place where the sender stood into what is sealed.
func (s *Service) places(ctx context.Context, tenant Tenant, in Submission, r *casefile.Report, body *casefile.ReportBody) error {
	if in.Stood != nil {
		stood, _, err := place(*in.Stood, "/stood")
		if err != nil {
			return err
		}
		body.Stood = &stood
	}
	if in.Target == nil {
		return nil
	}
	target, err := s.locate(ctx, tenant, *in.Target, "/target")
	if err != nil {
		return err
	}
	r.Target.Place, r.Target.Grid, r.Area = target.Place, target.grid, target.area
	return nil
}

// number draws a registration number: the year and 50 random bits, no sequence.
func (s *Service) number(now time.Time) (string, error) {
	raw := make([]byte, 7)
	if _, err := io.ReadFull(s.Random, raw); err != nil {
		return "", fmt.Errorf("draw registration number: %w", err)
	}
	text := base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding).EncodeToString(raw)
	return fmt.Sprintf("%d-%s-%s", now.In(Shanghai()).Year(), text[:5], text[5:10]), nil
}

// Shanghai is the time zone of days and deadlines.
func Shanghai() *time.Location { return time.FixedZone("Asia/Shanghai", 8*60*60) }

// seal seals both compartments, or takes those that the client sealed.
func (s *Service) seal(rings vault.Rings, in Submission) (Envelope, string, string, error) {
	if c := in.Sealed; c != nil {
		return Envelope{Identity: c.Identity, Contact: c.Contact}, c.InnerDigest, c.Binding, nil
	}
	binding, err := s.newID()
	if err != nil {
		return Envelope{}, "", "", err
	}
	identity, contact := vault.Identity{Relation: vault.RelationNone}, vault.Contact{}
	if in.Identity != nil {
		identity = *in.Identity
	}
	if in.Contact != nil {
		contact = *in.Contact
	}
	identity.Binding, contact.Binding = binding, binding
	first, err := vault.SealIdentity(rings, identity)
	if err != nil {
		return Envelope{}, "", "", err
	}
	second, err := vault.SealContact(rings, contact)
	if err != nil {
		return Envelope{}, "", "", err
	}
	return Envelope{Identity: first.File, Contact: second.File}, first.InnerDigest, binding, nil
}

// again answers a repeated registration from the record.
func (s *Service) again(tenant Tenant, in Submission, old *casefile.Report, files []vault.File) (Registration, error) {
	tag, err := submissionTag(in, files)
	if err != nil {
		return Registration{}, err
	}
	if !s.Keyring.SameBody(old.BodyTag, tag) {
		return Registration{}, errOtherBody()
	}
	if s.now().Sub(old.At) > time.Duration(tenant.Policy.RepeatHours)*time.Hour {
		return Registration{}, fault.New(fault.Conflict, "report.registered_before",
			"this report was registered some days ago; its code is not shown again")
	}
	return s.answer(old, in, tag, files)
}

func (s *Service) answer(r *casefile.Report, in Submission, tag vault.BodyTag, files []vault.File) (Registration, error) {
	code, err := s.Keyring.Code(r.ReceiptKey, in.Key, tag, in.Tenant)
	if err != nil {
		return Registration{}, err
	}
	statement, err := s.Keyring.Statement(r.SignedWith, r.Tenant, r.Commitment, r.At)
	if err != nil {
		return Registration{}, err
	}
	return Registration{Number: r.Number, Code: code, Statement: statement, Files: files}, nil
}

func submissionTag(in Submission, files []vault.File) (vault.BodyTag, error) {
	canonical, err := vault.Canonical(in.Body, files...)
	if err != nil {
		return vault.BodyTag{}, err
	}
	return in.Key.Tag(canonical), nil
}

// checkSubmission refuses what the schema cannot see: parts that do not fit
// the mode. It returns Invalid Faults.
func checkSubmission(in Submission, rings vault.Rings) error {
	if c := in.Sealed; c != nil {
		if in.Identity != nil || in.Contact != nil {
			return fault.New(fault.Invalid, "report.sealed_twice", "who reports is sent sealed or for the server to seal, not both").At("/identity")
		}
		if digest, err := hex.DecodeString(c.InnerDigest); err != nil || len(digest) != sha256.Size {
			return fault.New(fault.Invalid, "envelope.inner_digest", "a sealed identity comes with the SHA-256 of its inner file").At("/sealed/innerDigest")
		}
		if err := vault.CheckIdentity(c.Identity, rings); err != nil {
			return err
		}
		return vault.CheckContact(c.Contact, rings)
	}
	named := in.Identity != nil && strings.TrimSpace(in.Identity.Name) != ""
	reached := in.Contact != nil && strings.TrimSpace(in.Contact.Value) != ""
	switch in.Mode {
	case casefile.RealName:
		if !named {
			return fault.New(fault.Invalid, "report.identity_missing", "a real-name report needs a name").At("/identity/name")
		}
	case casefile.Contactable:
		if !reached {
			return fault.New(fault.Invalid, "report.contact_missing", "to be contactable a phone number or another address is needed").At("/contact/value")
		}
		if named {
			return fault.New(fault.Invalid, "report.identity_unexpected", "a name belongs to a real-name report only").At("/identity/name")
		}
	case casefile.Anonymous, casefile.ByCode:
		if named {
			return fault.New(fault.Invalid, "report.identity_unexpected", "a name belongs to a real-name report only").At("/identity/name")
		}
		if reached {
			return fault.New(fault.Invalid, "report.contact_unexpected", "an anonymous report carries no address").At("/contact/value")
		}
	}
	return nil
}

func reportBodyAD(id string) []byte { return vault.AD("report", id, "body") }
