package workflow

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"gridwatch/server/casefile"
)

// VerdictKind is how an item is like another one.
type VerdictKind string

// The kinds of verdict.
const (
	SameFile    VerdictKind = "same_file"    // byte for byte (HMAC of the SHA-256)
	SamePicture VerdictKind = "same_picture" // resized, compressed again or cut since (dHash)
)

// Verdict (查重) says that an item was seen in a report before or since. It is
// for the desk alone and is made when the desk reads: no sender's request looks
// anything up, so no answer, status or time of one can depend on it
// (confidentiality 7).
type Verdict struct {
	Kind   VerdictKind
	Report string // id of the report that has the other item
	Number string // its registration number
	N      int    // the other item's number there, from 1
}

// verdicts says of every item of a report what it is like, as far as the actor
// may read the other report too.
func (s *Service) verdicts(ctx context.Context, actor casefile.Actor, r *casefile.Report, facts []casefile.EvidenceFacts) ([][]Verdict, error) {
	out := make([][]Verdict, len(r.Evidence))
	digests := make([][]string, len(r.Evidence)) // under every key there is
	for i, f := range facts {
		sum, err := hex.DecodeString(f.SHA256)
		if err == nil && len(sum) == sha256.Size {
			digests[i] = s.Keyring.FileIndex(r.Tenant, [sha256.Size]byte(sum))
		}
	}
	all := slices.Concat(digests...)
	if len(all) == 0 {
		return out, s.samePictures(ctx, actor, r, out)
	}
	found, err := s.Reports.ByDigests(ctx, r.Tenant, all, maxOfReport)
	if err != nil {
		return nil, err
	}
	for i := range found {
		other := &found[i]
		if !actor.May(casefile.ReportRead, other.Subject()) {
			continue
		}
		for n, item := range other.Evidence {
			for mine, known := range digests {
				if slices.Contains(known, item.Digest) && item.ID != r.Evidence[mine].ID {
					out[mine] = append(out[mine], Verdict{Kind: SameFile, Report: other.ID, Number: other.Number, N: n + 1})
				}
			}
		}
	}
	return out, s.samePictures(ctx, actor, r, out)
}
