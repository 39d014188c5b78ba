package workflow

import (
	"context"
	"errors"
	"slices"

	"gridwatch/server/casefile"
	"gridwatch/server/fault"
)

// Roster (岗位名册) is the one list of who holds the posts that must not fall
// empty or mix, and of what waits for a second person. It lies in the tenant's
// document and changes by compare-and-set: whoever decides sees all that was
// decided before.
type Roster struct {
	Version        int64      `bson:"version"`
	Administrators []string   `bson:"administrators"` // with a post without an end
	RingA          []string   `bson:"ring_a"`
	RingB          []string   `bson:"ring_b"`
	Proposals      []Proposal `bson:"proposals"` // oldest first
}

// Revision is what a decision makes of a person; nil fields stay.
type Revision struct {
	Number   int64 // version of the roster that decided it
	Posts    *[]casefile.Post
	Disabled *bool
}

// lists are the lists of a roster by role.
func (r *Roster) lists() map[casefile.Role]*[]string {
	return map[casefile.Role]*[]string{
		casefile.Administrator: &r.Administrators, casefile.IdentityOfficer: &r.RingA, casefile.SealLeader: &r.RingB,
	}
}

// seat enters a person in the lists of its posts and takes it out of all
// others. It says whether that changed anything, and whether a list fell empty.
func (r *Roster) seat(person string, posts []casefile.Post) (bool, bool) {
	changed, emptied := false, false
	for role, list := range r.lists() {
		holds := slices.ContainsFunc(posts, func(p casefile.Post) bool { return p.Role == role && p.To == nil })
		at := slices.Index(*list, person)
		switch {
		case holds && at < 0:
			*list = append(*list, person)
		case !holds && at >= 0:
			*list = slices.Delete(*list, at, at+1)
			emptied = emptied || len(*list) == 0
		default:
			continue
		}
		changed = true
	}
	return changed, emptied
}

// rosters is what a roster is read and written by.
type rosters interface {
	Roster(ctx context.Context, tenant string) (Roster, error)
	TurnRoster(ctx context.Context, tenant string, r Roster, p *Policy, was int64) error
}

// errSame ends a turn that has nothing to write.
var errSame = errors.New("nothing changes")

// turnRoster changes a roster until nobody changed it meanwhile. Do may return
// a policy that is written with it.
func turnRoster(ctx context.Context, store rosters, tenant string, do func(*Roster) (*Policy, error)) error {
	for range maxTries {
		r, err := store.Roster(ctx, tenant)
		if err != nil {
			return err
		}
		was := r.Version
		r.Version++
		policy, err := do(&r)
		if errors.Is(err, errSame) {
			return nil
		}
		if err != nil {
			return err
		}
		err = store.TurnRoster(ctx, tenant, r, policy, was)
		if fault.CodeOf(err) != "record.stale" {
			return err
		}
	}
	return fault.New(fault.Busy, "roster.contended", "others are deciding at this moment; try again")
}

// checkPosts refuses posts of no role, outside the tenant, or in both rings.
func checkPosts(t Tenant, posts []casefile.Post) error {
	rings := map[casefile.Role]bool{}
	for _, post := range posts {
		if !slices.Contains(casefile.StaffRoles(), post.Role) {
			return fault.New(fault.Invalid, "person.unknown_role", "a post is of a known role").At("/posts")
		}
		if !casefile.Under(post.Area, t.Area) {
			return fault.New(fault.Invalid, "person.outside_area", "a post lies in the tenant's area").At("/posts")
		}
		rings[post.Role] = true
	}
	if rings[casefile.IdentityOfficer] && rings[casefile.SealLeader] {
		return fault.New(fault.Invalid, "person.both_rings", "nobody holds posts in both rings").At("/posts")
	}
	return nil
}
