package workflow

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/vault"
)

// keyOf returns the wrapped data key under which a report is written now.
func (s *Service) keyOf(ctx context.Context, r *casefile.Report) ([]byte, error) {
	if r.Archived() {
		return r.Archive.Key, nil
	}
	envelope, err := s.Envelopes.Get(ctx, r.Tenant, r.Envelope)
	return envelope.Key, err
}

// reportKey opens the data key under which a report is written now. Of one that
// was sealed away it opens nothing that was written before.
func (s *Service) reportKey(ctx context.Context, r *casefile.Report) (*vault.DataKey, error) {
	if r.State == casefile.ReportErased {
		return nil, errErased()
	}
	wrapped, err := s.keyOf(ctx, r)
	if err != nil {
		return nil, err
	}
	return s.Keyring.OpenDataKey(r.Envelope, wrapped)
}

func errErased() error {
	return fault.New(fault.Conflict, "report.erased", "what was in this report is erased")
}

// bodyOf opens what the sender said, with the report's key. Of a report that
// was sealed away it is what the server kept: how far the reporter wants to be
// known, and the salt.
func (s *Service) bodyOf(ctx context.Context, r *casefile.Report) (*vault.DataKey, casefile.ReportBody, error) {
	var body casefile.ReportBody
	key, err := s.reportKey(ctx, r)
	if err != nil {
		return nil, body, err
	}
	if !r.Archived() {
		return key, body, openJSON(key, r.Sealed, &body, reportBodyAD(r.ID))
	}
	kept, err := keptOf(key, r)
	return key, casefile.ReportBody{Mode: kept.Mode, Salt: kept.Salt}, err
}

func keptOf(key *vault.DataKey, r *casefile.Report) (casefile.ArchiveKept, error) {
	var kept casefile.ArchiveKept
	return kept, openJSON(key, r.Archive.Kept, &kept, keptAD(r.ID))
}

func refusalAD(report string) []byte { return vault.AD("report", report, "refusal") }

func keptAD(report string) []byte { return vault.AD("report", report, "kept") }

// calculationOf opens the calculation of an award of a report, JSON.
func (s *Service) calculationOf(ctx context.Context, r *casefile.Report, a *casefile.Award) ([]byte, error) {
	key, err := s.reportKey(ctx, r)
	if err != nil {
		return nil, err
	}
	if r.Archived() {
		kept, err := keptOf(key, r)
		if err != nil {
			return nil, err
		}
		if text, ok := kept.Calculations[a.ID]; ok {
			return text, nil
		}
	}
	return key.Open(a.Calculation, calculationAD(a.ID))
}

// sealAway (归档封存) seals the data keys of a report to its tenant's two rings
// and destroys the server's: a break-in then finds open cases only. What the
// server goes on showing is sealed anew under a fresh key, which is the
// report's from then on.
func (s *Service) sealAway(ctx context.Context, r *casefile.Report) (bool, error) {
	over, err := s.objectionOver(ctx, r)
	if err != nil || !over || r.Held() {
		return false, err
	}
	there, err := s.around(ctx, r)
	if err != nil || there.unpaid || there.newest.After(s.daysAgo(s.Terms.Quiet.Days)) {
		return false, err
	}
	rings, err := s.ringsOf(ctx, r.Tenant)
	if err != nil {
		return false, err
	}
	return s.onTerm(ctx, r, "seal_away", func(r *casefile.Report) ([]casefile.Effect, error) {
		if err := s.archive(ctx, r, rings); err != nil {
			return nil, err
		}
		return []casefile.Effect{{Erasure: &casefile.Erasure{Envelope: r.Envelope, Key: true}}}, nil
	})
}

// archive does to the record what sealAway says.
func (s *Service) archive(ctx context.Context, r *casefile.Report, rings vault.Rings) error {
	old, body, err := s.bodyOf(ctx, r)
	if err != nil {
		return err
	}
	wrapped, err := s.wrappedOf(ctx, r)
	if err != nil {
		return err
	}
	sealed, err := s.sealKeys(r, rings, wrapped)
	if err != nil {
		return err
	}
	kept := casefile.ArchiveKept{Mode: body.Mode, Salt: body.Salt, Calculations: map[string][]byte{}}
	awards, err := s.Awards.List(ctx, Query{Tenant: r.Tenant, Report: r.ID, Limit: maxOfReport})
	if err != nil {
		return err
	}
	for i := range awards {
		if kept.Calculations[awards[i].ID], err = s.calculationOf(ctx, r, &awards[i]); err != nil {
			return err
		}
	}
	fresh, key, err := s.Keyring.NewDataKey(r.Envelope, s.Random)
	if err != nil {
		return err
	}
	for _, field := range []struct {
		sealed *[]byte
		ad     []byte
	}{{&r.Refusal.Sealed, refusalAD(r.ID)}, {&r.Behind.Claim.Sealed, claimAD(r.ID)}} {
		if err := sealAnew(old, fresh, field.sealed, field.ad); err != nil {
			return err
		}
	}
	archive := casefile.Archive{On: s.today(), Keys: sealed, Key: key, Before: r.Behind.Dialogue.Messages()}
	if archive.Kept, err = sealJSON(fresh, kept, keptAD(r.ID)); err != nil {
		return err
	}
	r.Archive = archive
	for _, items := range [][]casefile.Evidence{r.Evidence, r.Behind.Sent} {
		for i := range items {
			items[i].Key, items[i].CopyKey = nil, nil
		}
	}
	return nil
}

// ringsOf returns the public keys of a tenant's rings in force.
func (s *Service) ringsOf(ctx context.Context, id string) (vault.Rings, error) {
	tenant, err := s.Directory.Tenant(ctx, id)
	if err != nil {
		return vault.Rings{}, err
	}
	rings, err := vault.ParseRings(tenant.Rings.A, tenant.Rings.B)
	if err != nil {
		return rings, fmt.Errorf("rings of tenant %s: %w", id, err)
	}
	return rings, nil
}

// sealKeys puts wrapped data keys into the strongbox of a report, which it
// makes, sealed to the rings, if there is none yet.
func (s *Service) sealKeys(r *casefile.Report, rings vault.Rings, wrapped map[string][]byte) ([]byte, error) {
	binding := strings.ToLower(r.Binding)
	if r.Strongbox.Recipient == "" {
		box, err := vault.NewStrongbox(rings, binding)
		if err != nil {
			return nil, err
		}
		r.Strongbox = casefile.Strongbox{Recipient: box.Recipient, File: box.File, Inner: box.InnerDigest}
	}
	return s.Keyring.SealAway(r.Strongbox.Recipient, binding, wrapped)
}

// putAway seals the original of a settled item away and destroys the server's
// key of it. The key of facts and copies is sealed with it, so that whoever
// opens the original learns what it is, and stays here as well.
func (s *Service) putAway(r *casefile.Report, item *casefile.Evidence, rings vault.Rings) ([]casefile.Effect, error) {
	if len(item.Key) == 0 {
		return nil, nil
	}
	at := placeOfReport(r)
	at.Item = item.ID
	sealed, err := s.sealKeys(r, rings, map[string][]byte{keyPlace(at): item.Key, copyPlace(at): item.CopyKey})
	if err != nil {
		return nil, err
	}
	item.Away, item.Key = sealed, nil
	link := s.linkAt(onlyDay(s.now()), casefile.CustodySeal, r.Tenant, r.ID, item.ID, "system")
	link.Copy, link.Digest = string(casefile.OriginalCopy), item.Digest
	return []casefile.Effect{{Link: &link}}, nil
}

// wrappedOf returns the wrapped data keys of a report and its items, by what
// they are wrapped for; not those that were sealed away with their items.
func (s *Service) wrappedOf(ctx context.Context, r *casefile.Report) (map[string][]byte, error) {
	own, err := s.keyOf(ctx, r)
	if err != nil {
		return nil, err
	}
	all := map[string][]byte{r.Envelope: own}
	at := placeOfReport(r)
	for _, item := range slices.Concat(r.Evidence, r.Behind.Sent) {
		if at.Item = item.ID; item.SealedAway() {
			continue
		}
		for name, key := range map[string][]byte{keyPlace(at): item.Key, copyPlace(at): item.CopyKey} {
			if len(key) > 0 {
				all[name] = key
			}
		}
	}
	return all, nil
}

// sealAnew seals a field that is sealed under one key under another, in its place.
func sealAnew(old, fresh *vault.DataKey, field *[]byte, ad []byte) error {
	if len(*field) == 0 {
		return nil
	}
	plain, err := old.Open(*field, ad)
	if err == nil {
		*field, err = fresh.Seal(plain, ad)
	}
	return err
}

func decodeJSON(text []byte, v any) error {
	if err := json.Unmarshal(text, v); err != nil {
		return fmt.Errorf("a sealed field is not the JSON it should be: %T", v)
	}
	return nil
}
