package audit_test

import (
	"testing"

	"gridwatch/server/audit"
)

// A leaf that was dropped was said to come with the next checkpoint, on every
// day anew, and the proofs were taken for good.
func TestDroppedLeafWaitedForEver(t *testing.T) {
	t.Parallel()
	of := func(pending string) audit.Proofs {
		return audit.Proofs{Size: 256, Proofs: []audit.Proof{{
			Statement: audit.Statement{Kind: "report.register.RECEIVED", Commitment: "c", Day: "2026-02-27"}, Pending: pending,
		}}}
	}
	for day, wrong := range map[string]bool{"2026-02-27": false, "2026-02-28": false, "2026-03-01": true, "2026-03-02": true} {
		c := audit.Signed{Checkpoint: audit.Checkpoint{Day: day, Size: 256}}
		if err := of("2026-03-03").Check(c); (err != nil) != wrong {
			t.Errorf("checkpoint of %s: got %v", day, err)
		}
	}
}

// Proofs of another report, or all but that of the registration, were as good as
// those that the statement was given for.
func TestProofsWithoutTheRegistration(t *testing.T) {
	t.Parallel()
	p := audit.Proofs{Proofs: []audit.Proof{
		{Statement: audit.Statement{Kind: "report.register.RECEIVED", Commitment: "c", Day: "2026-02-27"}},
		{Statement: audit.Statement{Kind: "opening.ask.ASKED", Commitment: "c", Day: "2026-03-01"}},
	}}
	if err := p.Register("c", "2026-02-27"); err != nil {
		t.Error(err)
	}
	if p.Register("c", "2026-02-26") == nil {
		t.Error("a registration of a later day was taken")
	}
	if p.Register("d", "2026-02-27") == nil {
		t.Error("proofs of another report were taken")
	}
	p.Proofs = p.Proofs[1:]
	if p.Register("c", "2026-02-27") == nil {
		t.Error("proofs that leave the registration out were taken")
	}
}
