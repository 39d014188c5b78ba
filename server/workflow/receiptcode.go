package workflow

import (
	"context"
	"slices"
	"strconv"
	"time"

	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/vault"
)

// passwordTries are the wrong claim passwords in a row after which there is no
// try for a whole day (confidentiality 4): a property of the protocol.
const passwordTries = 10

// closedCode stands before the hash of a code that its reporter closed.
const closedCode = "closed:"

// CodeExchange asks for a fresh code in place of one that was read out.
type CodeExchange struct {
	Code     string
	Password string // to claim by code; "" for none
	Key      vault.IdemKey
	Body     []byte
}

// ExchangeCode swaps a provisional code for one that only its reporter knows;
// the old one is dead then. The fresh code derives from the idempotency key and
// is kept nowhere: the same key gives it again for the tenant's RepeatHours.
func (s *Service) ExchangeCode(ctx context.Context, in CodeExchange) (vault.Code, error) {
	old, err := vault.ParseCode(in.Code)
	if err != nil {
		return vault.Code{}, err
	}
	canonical, err := vault.Canonical(in.Body)
	if err != nil {
		return vault.Code{}, err
	}
	hashes, tag := s.Keyring.LookupHashes(old), in.Key.Tag(canonical)
	for range maxTries {
		r, err := s.Reports.ByReceipt(ctx, hashes)
		if fault.KindOf(err) == fault.NotFound {
			return s.exchanged(ctx, in, hashes, tag)
		}
		if err != nil {
			return vault.Code{}, err
		}
		code, err := s.exchange(ctx, r, in, tag)
		if fault.CodeOf(err) != "record.stale" {
			return code, err
		}
	}
	return vault.Code{}, fault.New(fault.Busy, "record.contended", "the record is being changed by others; try again")
}

func (s *Service) exchange(ctx context.Context, r *casefile.Report, in CodeExchange, tag vault.BodyTag) (vault.Code, error) {
	if !r.Behind.Provisional {
		return vault.Code{}, fault.New(fault.Conflict, "receipt.not_provisional", "this code is yours already: open the receipt with it")
	}
	keyID := s.Keyring.NewestID(vault.Receipt)
	code, err := s.Keyring.Code(keyID, in.Key, tag, exchangeScope(r)...)
	if err != nil {
		return vault.Code{}, err
	}
	key, err := s.reportKey(ctx, r)
	if err != nil {
		return vault.Code{}, err
	}
	lock, err := s.claimLock(ctx, key, r.ID, in.Password)
	if err != nil {
		return vault.Code{}, err
	}
	_, err = move(ctx, s, r, s.Reports, casefile.ReportMoves, casefile.Event{
		At: onlyDay(s.now()), Command: "exchange_code", By: string(casefile.ReceiptHolder), Ref: keyID,
		Key: s.Keyring.KeyHashes(in.Key, exchangeScope(r)...)[0], Tag: s.Keyring.StoredTag(tag),
	}, func(r *casefile.Report, _ *casefile.Event) ([]casefile.Effect, error) {
		r.Behind.Was, r.Receipt = r.Receipt, s.Keyring.LookupHashes(code)[0]
		r.Behind.Provisional, r.Behind.Claim = false, lock
		return nil, nil
	})
	return code, err
}

// exchanged gives the fresh code again to who has the key it was made with; to
// anyone else the old code is one that no report has.
func (s *Service) exchanged(ctx context.Context, in CodeExchange, hashes []string, tag vault.BodyTag) (vault.Code, error) {
	r, err := s.Reports.ByExchanged(ctx, hashes)
	if fault.KindOf(err) == fault.NotFound {
		return vault.Code{}, errUnknownCode()
	}
	if err != nil {
		return vault.Code{}, err
	}
	tenant, err := s.Directory.Tenant(ctx, r.Tenant)
	if err != nil {
		return vault.Code{}, err
	}
	e, ok := r.Find(s.Keyring.KeyHashes(in.Key, exchangeScope(r)...))
	if !ok || s.now().Sub(e.At) > time.Duration(tenant.Policy.RepeatHours)*time.Hour {
		return vault.Code{}, errUnknownCode()
	}
	if !s.Keyring.SameBody(e.Tag, tag) {
		return vault.Code{}, errOtherBody()
	}
	return s.Keyring.Code(e.Ref, in.Key, tag, exchangeScope(r)...)
}

func exchangeScope(r *casefile.Report) []string { return []string{r.Tenant, "exchange", r.ID} }

func errUnknownCode() error {
	return fault.New(fault.Unauthorized, "receipt.unknown", "no report has this code: compare it with the one you noted")
}

// CloseReceipt ends the receipt: its code and its tokens open nothing any more,
// the report goes on. An award that was notified and not asked for is given up
// by it, which the reporter has to say.
func (s *Service) CloseReceipt(ctx context.Context, call Call, forfeit bool) (casefile.Outcome, error) {
	if out, ok, err := s.closedBefore(ctx, call); ok || err != nil {
		return out, err
	}
	r, err := load(ctx, call.Actor, s.Reports, call.Actor.Report, casefile.ReceiptWrite)
	if err != nil {
		return casefile.Outcome{}, err
	}
	a, err := s.awardOf(ctx, r)
	if err != nil {
		return casefile.Outcome{}, err
	}
	var effects []casefile.Effect
	if a != nil && a.State == casefile.AwardNotified && a.AskedAt.IsZero() {
		if !forfeit {
			return casefile.Outcome{}, fault.New(fault.Conflict, "receipt.award_open",
				"an award waits for you: it is lost when the receipt is closed; say forfeitAward if you want that").At("/forfeitAward")
		}
		effects = []casefile.Effect{{Follow: &casefile.Follow{Record: a.ID, Command: "waive"}}}
	}
	return s.onReport(ctx, call, r.ID, casefile.ReceiptWrite, "close_receipt",
		func(r *casefile.Report, e *casefile.Event) ([]casefile.Effect, error) {
			e.At = onlyDay(e.At)
			r.Receipt, r.Behind.Was = closedCode+r.Receipt, ""
			return effects, nil
		})
}

// closedBefore answers the repeat of a closing: its token opens nothing else.
func (s *Service) closedBefore(ctx context.Context, call Call) (casefile.Outcome, bool, error) {
	r, err := s.Reports.Get(ctx, call.Actor.Tenant, call.Actor.Report)
	if err != nil || r.Receipt != closedCode+call.Actor.Receipt {
		return casefile.Outcome{}, false, err
	}
	keys, tag, err := s.keys(call, r.ID)
	if err != nil {
		return casefile.Outcome{}, false, err
	}
	return s.repeat(r.Header(), keys, tag)
}

// claimLock seals the hash of a claim password, or nothing, in the same length.
func (s *Service) claimLock(ctx context.Context, key *vault.DataKey, report, password string) (casefile.ClaimLock, error) {
	hash := ""
	var err error
	if password != "" {
		if hash, err = s.Hasher.Hash(ctx, password); err != nil {
			return casefile.ClaimLock{}, err
		}
	}
	sealed, err := sealPadded(key, hash, claimClass, claimAD(report))
	return casefile.ClaimLock{Sealed: sealed}, err
}

func claimAD(report string) []byte { return vault.AD("report", report, "claim") }

// ClaimByCode claims the award with the claim password instead of an identity
// (R33), where the scheme rewards who is known by a code only.
func (s *Service) ClaimByCode(ctx context.Context, call Call, password string) (casefile.Outcome, error) {
	r, err := load(ctx, call.Actor, s.Reports, call.Actor.Report, casefile.AwardClaim)
	if err != nil {
		return casefile.Outcome{}, err
	}
	a, err := s.awardOf(ctx, r)
	if err != nil {
		return casefile.Outcome{}, err
	}
	if a == nil {
		return casefile.Outcome{}, fault.Absent()
	}
	hash, err := s.claimHash(ctx, r, a)
	if err != nil {
		return casefile.Outcome{}, err
	}
	if err := s.tryPassword(ctx, call, r.ID, hash, password); err != nil {
		return casefile.Outcome{}, err
	}
	return s.onAward(ctx, call, a.ID, casefile.AwardClaim, "claim",
		func(a *casefile.Award, e *casefile.Event) ([]casefile.Effect, error) {
			if !e.At.Before(a.ClaimBy) {
				return nil, errClaimOver()
			}
			a.AskedAt = e.At
			return nil, nil
		})
}

func errClaimOver() error {
	return fault.New(fault.Conflict, "award.claim_over", "the time to claim this award is over")
}

// claimHash returns the hash of the claim password if this award can be claimed
// by one.
func (s *Service) claimHash(ctx context.Context, r *casefile.Report, a *casefile.Award) (string, error) {
	scheme, err := s.schemeOf(a)
	if err != nil {
		return "", err
	}
	key, body, err := s.bodyOf(ctx, r)
	if err != nil {
		return "", err
	}
	var hash string
	if err := openJSON(key, r.Behind.Claim.Sealed, &hash, claimAD(r.ID)); err != nil {
		return "", err
	}
	if hash == "" || body.Mode != casefile.ByCode || !slices.Contains(scheme.Identity, casefile.ByCode) {
		return "", fault.New(fault.Conflict, "award.not_by_code", "this award is not claimed by code and password")
	}
	return hash, nil
}

// tryPassword counts a try and says whether it was right. The count is written
// before the answer is given, so that tries at once are counted each.
func (s *Service) tryPassword(ctx context.Context, call Call, report, hash, password string) error {
	out, err := s.onReport(ctx, call, report, casefile.AwardClaim, "try_password",
		func(r *casefile.Report, e *casefile.Event) ([]casefile.Effect, error) {
			lock := &r.Behind.Claim
			if lock.WaitTill != "" && s.today() < lock.WaitTill {
				return nil, fault.New(fault.Conflict, "award.password_wait", "too many wrong passwords: the next try is possible on %s", lock.WaitTill)
			}
			right, err := s.Hasher.Verify(ctx, hash, password)
			if err != nil {
				return nil, err
			}
			if lock.WaitTill != "" { // the wait is over
				lock.WaitTill, lock.Failures = "", 0
			}
			e.At = onlyDay(e.At)
			if right {
				lock.Failures = 0
				return nil, nil
			}
			lock.Failures++
			left := passwordTries - lock.Failures
			if left == 0 {
				lock.WaitTill = daysAfter(s.today(), 2)
			}
			e.Ref = strconv.Itoa(left)
			return nil, nil
		})
	if err != nil || out.Ref == "" {
		return err
	}
	return fault.New(fault.Conflict, "award.password_wrong", "the password is wrong; tries left: %s", out.Ref).At("/password")
}

// triesLeft is how many wrong claim passwords there can still be.
func (s *Service) triesLeft(lock casefile.ClaimLock) int {
	if lock.WaitTill != "" && s.today() >= lock.WaitTill {
		return passwordTries
	}
	return passwordTries - lock.Failures
}
