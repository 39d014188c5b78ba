package workflow

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"gridwatch/server/audit"
	"gridwatch/server/casefile"
	"gridwatch/server/fault"
	"gridwatch/server/vault"
)

// StandingApproval is what ring B's tool signed: vault.Approval but its tenant.
type StandingApproval struct {
	ID        string // of the statement
	Purpose   casefile.ContactPurpose
	Basis     string
	Way       casefile.Way
	Gateway   string
	Uses      int
	Expires   time.Time
	Signature []byte
}

// approvalID is the id of the record of a statement: what was signed once is
// given once, and says nothing about other tenants.
func approvalID(tenant, statement string) string {
	sum := sha256.Sum256([]byte("gridwatch/approval\n" + tenant + "\n" + statement))
	return hex.EncodeToString(sum[:16])
}

// statementOf returns the approval as it was signed.
func statementOf(a *casefile.Approval) vault.Approval {
	return vault.Approval{
		ID: a.Statement, Tenant: a.Tenant, Purpose: string(a.Purpose), LegalBasis: a.Basis, Way: string(a.Way), Gateway: a.Gateway,
		Uses: a.Uses, Expires: a.Expires,
	}
}

// GiveApproval (常设批准) is ring B letting ring A use contacts for a purpose
// (confidentiality 1).
func (s *Service) GiveApproval(ctx context.Context, call Call, in StandingApproval) (casefile.Outcome, error) {
	tenant, err := s.Directory.Tenant(ctx, call.Actor.Tenant)
	if err != nil {
		return casefile.Outcome{}, err
	}
	verify, err := s.signer(ctx, tenant.ID, vault.RingB, call.Actor.Person)
	if err != nil {
		return casefile.Outcome{}, err
	}
	ids := []string{approvalID(tenant.ID, in.ID)}
	return createAs(ctx, s, call, s.Approvals, casefile.ApprovalMoves, ids,
		func(a *casefile.Approval, e *casefile.Event) ([]casefile.Effect, error) {
			e.Command = "give"
			*a = casefile.Approval{
				Head: a.Head, Statement: in.ID, Purpose: in.Purpose, Basis: in.Basis, Way: in.Way, Gateway: in.Gateway, Uses: in.Uses,
				Expires: in.Expires.UTC().Truncate(time.Millisecond), GivenBy: call.Actor.Person, Key: verify, Signature: in.Signature,
			}
			if (a.Way == casefile.ByGateway) != (a.Gateway != "") {
				return nil, fault.New(fault.Invalid, "approval.gateway", "a gateway's key goes with the way of that name, and with no other").At("/gateway")
			}
			if p := tenant.Policy; a.Uses > p.ApprovalUses {
				return nil, fault.New(fault.Invalid, "approval.too_many", "an approval is for at most %d uses", p.ApprovalUses).At("/uses")
			}
			if life := a.Expires.Sub(e.At); life <= 0 || life > time.Duration(tenant.Policy.ApprovalDays)*24*time.Hour {
				return nil, fault.New(fault.Invalid, "approval.too_long", "an approval lives at most %d days from now", tenant.Policy.ApprovalDays).At("/expires")
			}
			if err := vault.VerifyApproval(verify, statementOf(a), in.Signature); err != nil {
				return nil, err
			}
			return approvalLeaf(a, *e, casefile.ApprovalInForce), nil
		})
}

// approvalLeaf enters an approval in the log. Whoever has the approval and its
// signature can show that it stands there; who has not can guess nothing.
func approvalLeaf(a *casefile.Approval, e casefile.Event, to casefile.State) []casefile.Effect {
	kind, _ := casefile.ApprovalMoves.LeafKind(e.Command, to)
	salt := sha256.Sum256(a.Signature)
	statement := audit.Statement{Kind: kind, Commitment: statementOf(a).Digest(), Day: audit.Day(e.At), Salt: salt[:]}
	return []casefile.Effect{{Leaf: statement.Data()}}
}

// RevokeApproval ends an approval. What was taken by it and not yet used is not
// given any more.
func (s *Service) RevokeApproval(ctx context.Context, call Call, id string) (casefile.Outcome, error) {
	return change(ctx, s, call, s.Approvals, casefile.ApprovalMoves, id, casefile.ApprovalGive,
		func(a *casefile.Approval, e *casefile.Event) ([]casefile.Effect, error) {
			e.Command = "revoke"
			if a.State == casefile.ApprovalRevoked {
				return nil, errRevoked()
			}
			return approvalLeaf(a, *e, casefile.ApprovalRevoked), nil
		})
}

func errRevoked() *fault.Fault {
	return fault.New(fault.Conflict, "approval.revoked", "the approval was revoked: ring B gives a new one")
}

// ReadApproval returns an approval.
func (s *Service) ReadApproval(ctx context.Context, actor casefile.Actor, id string) (*casefile.Approval, error) {
	return load(ctx, actor, s.Approvals, id, casefile.ApprovalRead)
}

// ListApprovals lists the tenant's approvals, oldest first.
func (s *Service) ListApprovals(ctx context.Context, actor casefile.Actor, q Query) ([]casefile.Approval, error) {
	return listed(ctx, actor, s.Approvals, casefile.ApprovalRead, q)
}
